//! Loki without tenants, narrowed by `LogQL`.

use serde_json::{Value as Json, json};

use super::super::{answer, describe, text};
use super::{OURS, call, world};

#[test]
fn loki_without_tenants_is_narrowed_by_logql() {
    let isolate = json!({"label": "tenant"});
    let app = "%7Bapp%3D%22x%22%7D";
    let narrowed = "%7Btenant%3D%22team-a%22%2Capp%3D%22x%22%7D";
    let cases: &[(&str, Option<&str>, String)] = &[
        ("/loki/api/v1/query?query=", Some(app), format!("/loki/api/v1/query?query={narrowed}")),
        ("/loki/api/v1/query_range?query=", Some(app), format!("/loki/api/v1/query_range?query={narrowed}")),
        ("/loki/api/v1/series?match[]=", Some(app), format!("/loki/api/v1/series?match[]={narrowed}")),
        (
            "/loki/api/v1/series?match=",
            Some(app),
            format!("/loki/api/v1/series?match={narrowed}&match[]={OURS}"),
        ),
        ("/loki/api/v1/series", None, format!("/loki/api/v1/series?match[]={OURS}")),
        ("/loki/api/v1/series?match[]=%7B%7D", None, format!("/loki/api/v1/series?match[]={OURS}")),
        ("/loki/api/v1/labels", None, format!("/loki/api/v1/labels?query={OURS}")),
        (
            "/loki/api/v1/labels?query=&start=1",
            None,
            format!("/loki/api/v1/labels?query=&start=1&query={OURS}"),
        ),
        ("/loki/api/v1/labels?query=", Some(app), format!("/loki/api/v1/labels?query={narrowed}")),
        ("/loki/api/v1/label/app/values", None, format!("/loki/api/v1/label/app/values?query={OURS}")),
        ("/loki/api/v1/index/stats?query=", Some(app), format!("/loki/api/v1/index/stats?query={narrowed}")),
        ("/loki/api/v1/index/volume", None, format!("/loki/api/v1/index/volume?query={OURS}")),
        ("/loki/api/v1/patterns?query=", Some(app), format!("/loki/api/v1/patterns?query={narrowed}")),
        ("/loki/api/v1/detected_labels", None, format!("/loki/api/v1/detected_labels?query={OURS}")),
        (
            "/loki/api/v1/detected_fields?query=",
            Some(app),
            format!("/loki/api/v1/detected_fields?query={narrowed}"),
        ),
        ("/loki/api/v1/tail?query=", Some(app), format!("/loki/api/v1/tail?query={narrowed}")),
        ("/loki/api/v1/status/buildinfo", None, "/loki/api/v1/status/buildinfo".into()),
        ("/loki/api/v1/rules", None, "answer 403 not_narrowed".into()),
        ("/loki/api/v1/rules/ns", None, "answer 403 not_narrowed".into()),
        ("/api/prom/rules", None, "answer 403 not_narrowed".into()),
        ("/prometheus/api/v1/rules", None, "/prometheus/api/v1/rules".into()),
        ("/prometheus/api/v1/alerts", None, "/prometheus/api/v1/alerts".into()),
        ("/loki/api/v1/query?query=%7B", None, "answer 400 query".into()),
    ];
    for (path, value, expected) in cases {
        let mut world = world("loki", &isolate, &["team-a"]);
        let path = format!("{path}{}", value.unwrap_or_default());
        assert_eq!(call(&mut world, &path, None), *expected, "{path}");
    }
    // A websocket is never held, whatever its stream says about a body.
    let mut tail = world("loki", &isolate, &["team-a"]);
    let path = format!("/loki/api/v1/tail?query={app}");
    let head =
        [(":method", "GET"), (":path", path.as_str()), ("upgrade", "websocket"), ("connection", "upgrade")];
    let (exchange, step) = tail.arrives(&head, false);
    assert_eq!(describe(&step), format!("go on :path=/loki/api/v1/tail?query={narrowed}"));
    assert!(!exchange.wants_body());
    let (_, step) = tail.arrives(&head[..2], false);
    assert_eq!(describe(&step), "answer 400 body_not_taken");
    // With the header it is the backend's own business, and nothing is read.
    let mut by_header = world("loki", &Json::Null, &["team-a"]);
    let (exchange, step) = by_header.arrives(&head, false);
    assert_eq!(describe(&step), "go on x-scope-orgid=team-a");
    assert!(!exchange.wants_body());
    let (_, step) = world("loki", &Json::Null, &["a", "b"]).arrives(&head, false);
    let reply = answer(step);
    assert_eq!((reply.status, reply.details), (400, "several_tenants"));
    assert!(text(&reply).contains("name one in X-Scope-OrgID, of a|b"), "{}", text(&reply));
}
