//! Matchers put into the text of queries, in URL and form, and who may go without.

use serde_json::{Value as Json, json};

use super::super::World;
use super::{OURS, arrives, call, world};
use crate::http::arguments;

#[test]
fn queries_are_narrowed_in_url_and_form() {
    let up = format!("up{OURS}");
    let cases: &[(&str, Option<&str>, String)] = &[
        ("/api/v1/query?query=up", None, format!("/api/v1/query?query={up}")),
        ("/api/v1/query?time=1&query=up&x=%2b+", None, format!("/api/v1/query?time=1&query={up}&x=%2b+")),
        ("/api/v1/query_range?query=up&start=1", None, format!("/api/v1/query_range?query={up}&start=1")),
        ("/api/v1/query_exemplars?query=up", None, format!("/api/v1/query_exemplars?query={up}")),
        // Every copy, however its name is written.
        ("/api/v1/query?query=up&query=up", None, format!("/api/v1/query?query={up}&query={up}")),
        ("/api/v1/query?quer%79=up", None, format!("/api/v1/query?quer%79={up}")),
        ("/api/v1/query?query=%75p", None, format!("/api/v1/query?query={up}")),
        ("/api/v1/query?match%5b%5d=up&query=up", None, format!("/api/v1/query?match%5b%5d={up}&query={up}")),
        // The user's own matchers stay beside ours.
        (
            "/api/v1/query?query=up%7Btenant%3D%22team-b%22%7D",
            None,
            "/api/v1/query?query=up%7Btenant%3D%22team-a%22%2Ctenant%3D%22team-b%22%7D".into(),
        ),
        ("/api/v1/query", None, "/api/v1/query".into()),
        ("/api/v1/query?extra_label=a%3Db&query=up", None, format!("/api/v1/query?query={up}")),
        // Both places.
        ("/api/v1/query", Some("query=up"), format!("/api/v1/query query={up}")),
        ("/api/v1/query?query=up", Some("query=up&a=b"), format!("/api/v1/query?query={up} query={up}&a=b")),
        ("/api/v1/query?query=up", Some("a=b"), format!("/api/v1/query?query={up}")),
        ("/api/v1/query", Some(""), "/api/v1/query".into()),
        (
            "/api/v1/query_range",
            Some("start=1&query=up&extra_filters[]=%7B%7D"),
            format!("/api/v1/query_range start=1&query={up}"),
        ),
        // Selectors, and one where there was none.
        ("/api/v1/series?match[]=up&match[]=up", None, format!("/api/v1/series?match[]={up}&match[]={up}")),
        ("/api/v1/series", None, format!("/api/v1/series?match[]={OURS}")),
        ("/api/v1/series", Some("match[]=up"), format!("/api/v1/series match[]={up}")),
        ("/api/v1/series?match[]=up", Some("limit=1"), format!("/api/v1/series?match[]={up}")),
        ("/api/v1/labels", None, format!("/api/v1/labels?match[]={OURS}")),
        ("/api/v1/labels?limit=3", None, format!("/api/v1/labels?limit=3&match[]={OURS}")),
        ("/api/v1/labels", Some("start=1"), format!("/api/v1/labels?match[]={OURS}")),
        ("/api/v1/labels", Some("match%5B%5D=up"), format!("/api/v1/labels match%5B%5D={up}")),
        // Prometheus does not read this one, so it is none there.
        ("/api/v1/labels?match=up", None, format!("/api/v1/labels?match={up}&match[]={OURS}")),
        ("/api/v1/label/job/values", None, format!("/api/v1/label/job/values?match[]={OURS}")),
        ("/api/v1/label/job/values?match[]=up", None, format!("/api/v1/label/job/values?match[]={up}")),
        ("/federate?match[]=up", None, format!("/federate?match[]={up}")),
        ("/federate", None, format!("/federate?match[]={OURS}")),
        // What has no tenant's data stays as it is.
        ("/api/v1/status/buildinfo", None, "/api/v1/status/buildinfo".into()),
        ("/api/v1/format_query?query=up", None, "/api/v1/format_query?query=up".into()),
        // What is narrowed in its answer.
        ("/api/v1/rules", None, "/api/v1/rules".into()),
        ("/api/v1/alerts", None, "/api/v1/alerts".into()),
        // What nothing narrows.
        ("/api/v1/metadata", None, "answer 403 closed_path".into()),
        ("/api/v1/targets", None, "answer 403 closed_path".into()),
        ("/api/v1/status/tsdb", None, "answer 403 closed_path".into()),
    ];
    let isolate = json!({"label": "tenant"});
    for (path, form, expected) in cases {
        let mut world = world("prometheus", &isolate, &["team-a"]);
        assert_eq!(call(&mut world, path, *form), *expected, "{path} {form:?}");
    }
    // Several tenants are one expression.
    let mut several = world("prometheus", &isolate, &["team-a", "team.b"]);
    assert_eq!(
        call(&mut several, "/api/v1/query?query=up", None),
        "/api/v1/query?query=up%7Btenant%3D~%22team-a%7Cteam%5C%5C.b%22%7D"
    );
    let chosen = [(":method", "GET"), (":path", "/api/v1/query?query=up"), ("x-scope-orgid", "team-a")];
    assert_eq!(arrives(&mut several, &chosen, None), format!("/api/v1/query?query={up}"));
    let foreign = [(":method", "GET"), (":path", "/api/v1/query?query=up"), ("x-scope-orgid", "team-c")];
    assert_eq!(arrives(&mut several, &foreign, None), "answer 403 foreign_tenant");
}

#[test]
fn what_a_form_becomes_is_read_as_it_was() {
    let mut world = world("prometheus", &json!({"label": "tenant"}), &["team-a"]);
    let form = "start=1.5&query=up&step=15&a=%25+%2B&b";
    let after = call(&mut world, "/api/v1/query_range", Some(form));
    let after = after.strip_prefix("/api/v1/query_range ").unwrap();
    let pairs = |text: &str| -> Vec<(String, String)> {
        let pair = |argument: crate::http::Argument<'_>| {
            (String::from_utf8(argument.name).unwrap(), String::from_utf8(argument.value).unwrap())
        };
        arguments(text).map(|argument| pair(argument.unwrap())).collect()
    };
    let mut expected = pairs(form);
    expected[1].1 = "up{tenant=\"team-a\"}".to_owned();
    assert_eq!(pairs(after), expected);
}

#[test]
fn a_prometheus_may_read_metricsql() {
    let query = "/api/v1/query?query=WITH(x%3Dup)x%20default%200";
    for (language, expected) in [
        ("promql", "answer 400 query".to_owned()),
        ("metricsql", format!("/api/v1/query?query=WITH%28x%3Dup{OURS}%29x%20default%200")),
    ] {
        let mut world = World::with(|config| {
            config["backends"][0] =
                json!({"name": "metrics", "kind": "prometheus", "isolate": {"label": "tenant"}});
            config["read"] = json!({"metrics": {"language": language}});
        })
        .caller("user", &["team-a"]);
        assert_eq!(call(&mut world, query, None), expected);
    }
}

/// Who may name any tenant of a pattern reads all of them where a label keeps them apart, and one where it names one.
#[test]
fn tenants_by_pattern_are_read_at_once() {
    let ask = |kind: &str, wildcard: Json, several: bool, path: &str, choice: Option<&str>| {
        let mut world = World::with(|config| {
            config["backends"][0] = json!({"name": "metrics", "kind": kind, "isolate": {"label": "tenant"}});
            config["callers"][1]["tenants"] = wildcard;
            config["callers"][1]["several_tenants"] = json!(several);
        })
        .caller("user", &["team-a"]);
        let mut head = vec![(":method", "GET"), (":path", path), (":authority", "metrics.example.org")];
        head.extend(choice.map(|choice| ("x-scope-orgid", choice)));
        arrives(&mut world, &head, None)
    };
    let teams = json!(["team-*", "ops.*"]);
    let like = "tenant%3D~%22team-.%2A%7Cops%5C%5C..%2A%22";
    let prometheus = "/api/v1/query?query=up";
    for (kind, path, expected) in [
        ("prometheus", prometheus, format!("{prometheus}%7B{like}%7D")),
        ("prometheus", "/api/v1/labels", format!("/api/v1/labels?match[]=%7B{like}%7D")),
        ("victoriametrics", prometheus, format!("{prometheus}&extra_filters[]=%7B{like}%7D")),
        (
            "victorialogs",
            "/select/logsql/query?query=*",
            "/select/logsql/query?query=*&extra_filters=%22tenant%22%3A~%22%5E%28%3F%3Ateam-.%2A%7Cops%5C%5C..%2A%29%24%22"
                .to_owned(),
        ),
        ("loki", "/loki/api/v1/labels", format!("/loki/api/v1/labels?query=%7B{like}%7D")),
        ("prometheus", "/api/v1/rules", "answer 400 name_tenant".to_owned()),
    ] {
        assert_eq!(ask(kind, teams.clone(), true, path, None), expected, "{kind} {path}");
    }
    // `fake` is in no wildcard.
    let not_fake = "tenant%3D~%22.%2B%22%2Ctenant%21%3D%22fake%22";
    assert_eq!(
        ask("prometheus", json!("*"), true, prometheus, None),
        format!("{prometheus}%7B{not_fake}%7D")
    );
    assert_eq!(
        ask("victoriametrics", json!("*"), true, prometheus, None),
        format!("{prometheus}&extra_filters[]=%7B{not_fake}%7D")
    );
    assert_eq!(
        ask("victorialogs", json!("*"), true, "/select/logsql/query?query=*", None),
        "/select/logsql/query?query=*&extra_filters=%22tenant%22%3A~%22%5E%28%3F%3A.%2B%29%24%22%20%21%22tenant%22%3A%3D%22fake%22"
    );
    assert_eq!(
        ask("prometheus", teams.clone(), true, prometheus, Some("team-a")),
        format!("{prometheus}{OURS}")
    );
    assert_eq!(
        ask("prometheus", teams.clone(), true, prometheus, Some("other")),
        "answer 403 foreign_tenant"
    );
    assert_eq!(ask("prometheus", teams, false, prometheus, None), "answer 400 name_tenant");
}

#[test]
fn administrators_see_everything_only_by_right() {
    for (unfiltered, expected) in
        [(true, "/api/v1/query?query=up".to_owned()), (false, format!("/api/v1/query?query=up{OURS}"))]
    {
        let mut world = World::with(|config| {
            config["backends"][0] =
                json!({"name": "metrics", "kind": "prometheus", "isolate": {"label": "tenant"}});
            config["callers"][1]["unfiltered"] = json!(unfiltered);
        })
        .caller("user", &["team-a"]);
        assert_eq!(call(&mut world, "/api/v1/query?query=up", None), expected);
    }
}
