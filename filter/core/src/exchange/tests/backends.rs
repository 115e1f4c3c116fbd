//! Several backends behind one Envoy, and the write rules of each.

use serde_json::{Value as Json, json};

use super::{Head, OPT_IN, QUERY, Step, WRITE, World, and, answer, base, but, describe, text, up};
use crate::caller::testing::metadata;
use crate::write::remote_write::testing::{TimeSeries, body};

fn several() -> Json {
    let mut config = base();
    config["backends"] = json!([
        {"name": "metrics", "kind": "cortex", "host": "metrics.example.org"},
        {"name": "logs", "kind": "loki", "host": "logs.example.org"},
        {"name": "traces", "kind": "tempo", "path": "/traces", "forward_authorization": true},
        {"name": "rest", "kind": "mimir", "path": "/rest/"},
    ]);
    config["write"] = json!({
        "metrics": {"tenant": [{"header": "X-Team"}, "caller"]},
        "rest": {"tenant": [{"label": "ns"}]},
    });
    config
}

/// What the route's metadata says.
fn route(content: &Json) -> Vec<u8> {
    metadata(&json!({"scopegate": content}))
}

#[test]
fn a_backend_is_chosen_by_metadata_then_host_then_prefix() {
    let named = |name: &str| Some(route(&json!({"backend": name})));
    let get = |authority: &'static str, path: &'static str| {
        and(
            &[(":method", "GET"), (":authority", authority), (":path", path)],
            &[("authorization", "Basic eA==")],
        )
    };
    let ended = "go on -authorization x-scope-orgid=own";
    let cases: Vec<(&str, Option<Vec<u8>>, Vec<(&str, &str)>, &str, &str)> = vec![
        ("by host", None, get("metrics.example.org", "/prometheus/api/v1/query?query=up"), ended, "metrics"),
        ("by host, with a port", None, get("LOGS.example.org:80", "/loki/api/v1/query"), ended, "logs"),
        ("by prefix", None, get("x", "/traces/api/search"), "go on x-scope-orgid=own", "traces"),
        ("by prefix with a slash", None, get("x", "/rest/prometheus/api/v1/query"), ended, "rest"),
        (
            "a table of its own",
            None,
            get("logs.example.org", "/prometheus/api/v1/query"),
            "answer 404 unknown_path",
            "logs",
        ),
        (
            "by metadata, against the host",
            named("logs"),
            get("metrics.example.org", "/loki/api/v1/query"),
            ended,
            "logs",
        ),
        (
            "by metadata, with its prefix",
            named("rest"),
            get("x", "/rest/prometheus/api/v1/query"),
            ended,
            "rest",
        ),
        (
            "by metadata, its prefix taken off before",
            named("rest"),
            get("x", "/prometheus/api/v1/query"),
            ended,
            "rest",
        ),
        (
            "metadata without a backend",
            Some(route(&json!({"other": 1}))),
            get("logs.example.org", "/loki/api/v1/query"),
            ended,
            "logs",
        ),
        (
            "metadata with null",
            Some(route(&json!({"backend": null}))),
            get("logs.example.org", "/loki/api/v1/query"),
            "answer 500 no_backend",
            "none",
        ),
        (
            "metadata of another filter",
            Some(metadata(&json!({"other": {"backend": "rest"}}))),
            get("logs.example.org", "/loki/api/v1/query"),
            ended,
            "logs",
        ),
        (
            "metadata with a stranger",
            named("nobody"),
            get("logs.example.org", "/loki/api/v1/query"),
            "answer 500 no_backend",
            "none",
        ),
        (
            "metadata with no name",
            named(""),
            get("logs.example.org", "/loki/api/v1/query"),
            "answer 500 no_backend",
            "none",
        ),
        (
            "metadata with a number",
            Some(route(&json!({"backend": 7}))),
            get("logs.example.org", "/loki/api/v1/query"),
            "answer 500 no_backend",
            "none",
        ),
        (
            "metadata with a list",
            Some(route(&json!({"backend": ["logs"]}))),
            get("logs.example.org", "/loki/api/v1/query"),
            "answer 500 no_backend",
            "none",
        ),
        (
            "metadata that is broken",
            Some(b"\x0a\xff".to_vec()),
            get("logs.example.org", "/loki/api/v1/query"),
            "answer 500 no_backend",
            "none",
        ),
        ("neither host nor prefix", None, get("x", "/loki/api/v1/query"), "answer 404 no_backend", "none"),
        (
            "a prefix that only begins so",
            None,
            get("x", "/tracesapi/search"),
            "answer 404 no_backend",
            "none",
        ),
        ("no authority, no path", None, vec![(":method", "GET")], "answer 404 no_backend", "none"),
    ];
    for (what, metadata, head, expected, backend) in cases {
        let mut world = World::new(several()).caller("user", &["own"]);
        if let Some(metadata) = metadata {
            world.know("xds route_metadata", &metadata);
        }
        let (_, step) = world.head(&head);
        assert_eq!(describe(&step), expected, "{what}");
        let counted = world.counted();
        assert!(counted[0].starts_with(&format!("backend={backend} ")), "{what}: {counted:?}");
    }
}

#[test]
fn each_backend_has_its_own_write_rules_and_tenancy_headers_hold_for_all() {
    let write = |authority, path| but(&but(WRITE, ":authority", authority), ":path", path);
    let cases: Vec<(&str, Vec<(&str, &str)>, &str)> = vec![
        ("its header", and(WRITE, &[("x-team", "b")]), "go on -x-team x-scope-orgid=b"),
        ("its label", write("x", "/rest/api/v1/push"), "keep"),
        (
            "the default",
            and(&write("logs.example.org", "/loki/api/v1/push"), &[("x-scope-orgid", "a")]),
            "go on x-scope-orgid=a",
        ),
        (
            "another backend's header is no source here, and does not go on",
            and(&write("logs.example.org", "/loki/api/v1/push"), &[("x-team", "b"), ("x-scope-orgid", "a")]),
            "go on -x-team x-scope-orgid=a",
        ),
        ("nothing says which", write("logs.example.org", "/loki/api/v1/push"), "answer 400 several_tenants"),
    ];
    for (what, head, expected) in cases {
        let mut world = World::new(several()).caller("user", &["a", "b"]);
        assert_eq!(describe(&world.head(&head).1), expected, "{what}");
    }
}

/// With one backend there is no choice, so the host is not asked.
#[test]
fn one_backend_needs_no_name() {
    let mut world = World::with(|_| ()).caller("user", &["own"]);
    world.know("xds route_metadata", &metadata(&json!({"scopegate": {"backend": "other"}})));
    assert_eq!(describe(&world.head(QUERY).1), "go on x-scope-orgid=own");
}

/// Calls keep the path the client used; the prefix is the route's business.
#[test]
fn parts_go_to_the_path_the_client_used() {
    let mut world = World::new(several()).caller("user", &["a", "b"]);
    let head = but(&but(WRITE, ":authority", "x"), ":path", "/rest/api/v1/push?x=1");
    let sent = body(&[up(&[("ns", "a")]), up(&[("ns", "b")])]);
    let (_, step) = world.request(&head, &sent);
    let Step::Call(calls) = step else { panic!("{step:?}") };
    assert!(calls[0].headers().any(|header| header == (":path", "/rest/api/v1/push?x=1")));
}

#[test]
fn labels_lead_to_the_callers_tenants_and_those_it_may_write_for() {
    let by_label = |config: &mut Json| {
        config["write"]["metrics"]["tenant"] =
            json!([{"label": "ns", "remove": true}, {"label": "team"}, "caller"]);
    };
    let cases: &[(&str, &str, &[(&str, &str)], &str)] = &[
        ("its own", "user", &[("ns", "own")], "go on x-scope-orgid=own with a new body"),
        ("on behalf of", "user", &[("ns", "team-a")], "go on x-scope-orgid=team-a with a new body"),
        ("by the second label", "user", &[("team", "team-a")], "go on x-scope-orgid=team-a"),
        (
            "an empty first",
            "user",
            &[("ns", ""), ("team", "team-a")],
            "go on x-scope-orgid=team-a with a new body",
        ),
        ("none: the caller's", "user", &[("a", "b")], "go on x-scope-orgid=own"),
        ("somebody else's", "user", &[("ns", "other")], "answer 400 split_refused"),
        ("one who may write for nobody", "agent", &[("ns", "team-a")], "answer 400 split_refused"),
        ("impersonation is another right", "agent", &[("ns", "cluster-1")], "answer 400 split_refused"),
        ("nobody is fake", "user", &[("ns", "fake")], "answer 400 split_refused"),
        ("the impersonation label is data", "user", &[("imp", "cluster-1")], "go on x-scope-orgid=own"),
    ];
    for (what, who, labels, expected) in cases {
        let mut world = World::with(by_label).caller(who, &["own"]);
        let (_, step) = world.request(WRITE, &body(&[up(labels)]));
        assert_eq!(describe(&step), *expected, "{what}");
    }
}

/// One label for both: who asks for impersonation uses that right, and the label goes.
#[test]
fn impersonation_and_a_source_with_the_same_label() {
    let same = |config: &mut Json| config["write"]["metrics"]["tenant"] = json!([{"label": "imp"}, "caller"]);
    let cases: &[(&str, Head<'_>, &str, &str)] = &[
        (
            "agent",
            &[OPT_IN],
            "cluster-1",
            "go on -x-scope-impersonate x-scope-orgid=cluster-1 with a new body",
        ),
        ("agent", &[OPT_IN], "team-a", "answer 400 split_refused"),
        ("agent", &[], "cluster-1", "answer 400 split_refused"),
        ("user", &[], "team-a", "go on x-scope-orgid=team-a"),
        ("user", &[OPT_IN], "cluster-1", "answer 400 split_refused"),
    ];
    for (who, more, tenant, expected) in cases {
        let mut world = World::with(same).caller(who, &["own"]);
        let (_, step) = world.request(&and(WRITE, more), &body(&[up(&[("imp", tenant)])]));
        assert_eq!(describe(&step), *expected, "{who} {more:?} {tenant}");
    }
}

#[test]
fn strict_rejects_the_label_from_whom_it_does_not_serve() {
    let strict = |config: &mut Json| {
        config["write"]["metrics"]["strict"] = json!(true);
        config["callers"][1]["impersonate"] =
            json!({"label": "other", "header": {"x-other": "yes"}, "tenants": ["team-*"]});
    };
    let with = |more: &[(&str, &str)]| vec![up(&[("a", "b")]), up(more)];
    let refused = "x-scope-orgid=own with rejected";
    let cases: Vec<(&str, &str, Head<'_>, Vec<TimeSeries>, &str)> = vec![
        ("plain", "user", &[], with(&[]), "go on x-scope-orgid=own"),
        ("a label that is somebody's", "user", &[], with(&[("imp", "cluster-1")]), refused),
        ("even the own tenant", "user", &[], with(&[("imp", "own")]), refused),
        ("even empty", "user", &[], with(&[("imp", "")]), refused),
        ("its own label, without asking", "user", &[], with(&[("other", "team-a")]), refused),
        (
            "its own label, asking",
            "user",
            &[("x-other", "yes")],
            with(&[("other", "team-a")]),
            "call own team-a",
        ),
        (
            "another's label, asking for its own",
            "user",
            &[("x-other", "yes")],
            with(&[("imp", "cluster-1")]),
            refused,
        ),
        ("both", "user", &[("x-other", "yes")], with(&[("imp", "x"), ("other", "team-a")]), refused),
    ];
    for (what, who, more, sent, expected) in cases {
        let mut world = World::with(strict).caller(who, &["own"]);
        let (mut exchange, step) = world.request(&and(WRITE, more), &body(&sent));
        if expected == refused {
            assert_eq!(describe(&step), "call own", "{what}");
            let reply = answer(world.answered(&mut exchange, 0, 200));
            assert_eq!(reply.status, 400, "{what}");
            assert!(text(&reply).ends_with("this caller may not impersonate\n"), "{what}: {}", text(&reply));
        } else {
            let gone = format!("go on -x-other {expected}");
            assert!([expected, &gone].contains(&describe(&step).as_str()), "{what}: {}", describe(&step));
        }
    }
    // Without strict the same is data.
    let mut world = World::with(|_| ()).caller("user", &["own"]);
    assert_eq!(describe(&world.head(WRITE).1), "go on x-scope-orgid=own");
}
