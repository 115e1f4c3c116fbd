//! The gateway's own paths: answered by itself, to those who may.

use serde_json::{Value as Json, json};

use super::{Head, OPT_IN, QUERY, Step, WRITE, World, and, answer, base, but, describe, text, up};
use crate::write::remote_write::testing::body;

const REPORT: Head<'_> =
    &[(":method", "GET"), (":path", "/-/scopegate/report?x=y"), (":authority", "anywhere.example.org")];

/// The base with a report, a backend on a host of its own only, and a caller that may see it.
fn world() -> World {
    let mut config = base();
    config["report"] = json!({});
    config["backends"][0]["host"] = json!("metrics.example.org");
    config["write"]["metrics"]["tenant"] = json!([{"label": "ns"}, "caller"]);
    let admin = json!({"name": "ops", "metadata": {"filter_state": "session", "where": [{"claim": "who", "in": "ops"}]},
                       "tenants": ["ops"], "may": ["admin"]});
    config["callers"].as_array_mut().unwrap().push(admin);
    World::new(config).caller("ops", &["ops"])
}

fn report(world: &mut World) -> Json {
    world.know("filter_state session", br#"{"who": "ops"}"#);
    let reply = answer(world.arrives(REPORT, true).1);
    assert_eq!((reply.status, reply.details), (200, "page"));
    assert!(reply.headers.contains(&("content-type", "application/json".to_owned())));
    assert!(reply.headers.contains(&("cache-control", "no-store".to_owned())));
    serde_json::from_slice(&reply.body).unwrap()
}

#[test]
fn only_administrators_and_only_get() {
    let mut world = world();
    assert_eq!(report(&mut world), json!({"refusals": [], "unmapped_keys": [], "differences": []}));
    assert_eq!(world.counted(), ["backend=none class=admin decision=page requests 1"]);
    for (who, head, expected) in [
        ("ops", but(REPORT, ":method", "POST"), "answer 405 method"),
        ("ops", but(REPORT, ":method", "HEAD"), "answer 405 method"),
        ("user", REPORT.to_vec(), "answer 403 not_permitted"),
        ("agent", REPORT.to_vec(), "answer 403 not_permitted"),
        ("nobody", REPORT.to_vec(), "answer 401 no_caller"),
        ("ops", but(REPORT, ":path", "/-/scopegate/report/"), "answer 404 no_backend"),
        ("ops", but(REPORT, ":path", "/-/scopegate/repor%74"), "answer 404 no_backend"),
        ("ops", but(REPORT, ":path", "/-/scopegate/report#x"), "answer 404 no_backend"),
    ] {
        world.know("filter_state session", json!({"who": who, "tenants": ["t"]}).to_string().as_bytes());
        assert_eq!(describe(&world.arrives(&head, true).1), expected, "{who} {head:?}");
    }
    // Where the configuration asks for none there is none.
    let mut without = World::new(base()).caller("user", &["t"]);
    assert_eq!(describe(&without.arrives(REPORT, true).1), "answer 404 unknown_path");
}

#[test]
fn a_path_of_its_own_goes_before_every_backend() {
    let mut config = base();
    config["report"] = json!({"path": "/api/v1/report"});
    config["mode"] = json!("observe");
    config["callers"][1]["may"] = json!(["read", "admin"]);
    let mut world = World::new(config).caller("user", &["t"]);
    let head = but(QUERY, ":path", "/api/v1/report");
    assert_eq!(describe(&world.arrives(&head, true).1), "answer 200 page");
}

#[test]
fn it_tells_what_was_refused_and_what_led_to_no_tenant() {
    let mut world = world().caller("user", &["own"]);
    let secret = ("authorization", "Basic c2VjcmV0OnNlY3JldA==");
    for _ in 0..3 {
        world.arrives(&and(&but(QUERY, ":path", "/config?token=secret"), &[secret]), true);
    }
    world.now += 1_000;
    let keys = ["kube system", "kube system", "team-a", "\u{7}x"];
    let sent = body(&keys.map(|ns| up(&[("ns", ns)])));
    let (_, step) = world.request(WRITE, &sent);
    assert_eq!(describe(&step), "call team-a");
    world.know("filter_state session", br#"{"who": "nobody"}"#);
    world.arrives(&and(QUERY, &[secret]), true);
    world.now += 2_500;
    let page = report(&mut world);
    assert_eq!(
        page,
        json!({
            "differences": [],
            "unmapped_keys": [
                {"backend": "metrics", "key": "kube system", "series_at_least": 2, "series_at_most": 2, "seconds_ago": 2},
                {"backend": "metrics", "key": "\\u{7}x", "series_at_least": 1, "series_at_most": 1, "seconds_ago": 2},
            ],
            "refusals": [
                {"seconds_ago": 2, "times": 1, "backend": "metrics", "class": "write", "caller": "user", "status": 400,
                 "reason": "unmapped", "words": "series of a write were not sent on"},
                {"seconds_ago": 2, "times": 1, "backend": "metrics", "class": null, "caller": null, "status": 401,
                 "reason": "no_caller", "words": "these credentials are not accepted: they are unknown, expired or from \
                    an issuer that is not accepted"},
                {"seconds_ago": 3, "times": 3, "backend": "metrics", "class": null, "caller": "user", "status": 403,
                 "reason": "closed_path", "words": "this path is internal or dangerous and is kept closed; an operator \
                    can open it under `paths`"},
            ],
        })
    );
    assert!(!page.to_string().contains("secret"));
}

/// Keys that fall back to a tenant are told as well; so are differences in observe mode.
#[test]
fn fallbacks_and_observed_requests_are_told() {
    for (mode, fallback) in [("enforce", json!({"tenant": "rest"})), ("observe", json!("drop"))] {
        let mut config = base();
        config["report"] = json!({});
        config["mode"] = json!(mode);
        config["callers"][1]["may"] = json!(["read", "write", "admin"]);
        config["write"]["metrics"] = json!({"tenant": [{"label": "ns"}, "caller"], "on_unmapped": fallback});
        let mut world = World::new(config).caller("user", &["own"]);
        let sent = body(&["a b", "a b", "a b"].map(|ns| up(&[("ns", ns)])));
        let (_, step) = world.request(WRITE, &sent);
        assert!(matches!(step, Step::Continue(_)), "{step:?}");
        world.arrives(&but(QUERY, ":path", "/config"), true);
        let (_, step) = world.arrives(REPORT, true);
        let page: Json = serde_json::from_slice(&answer(step).body).unwrap();
        assert_eq!(page["unmapped_keys"][0]["key"], "a b", "{mode}: {page}");
        assert_eq!(page["unmapped_keys"][0]["series_at_least"], 3, "{mode}: {page}");
        assert_eq!(page["refusals"][0]["reason"], "closed_path", "{mode}: {page}");
    }
}

#[test]
fn a_series_with_too_many_labels_costs_only_itself() {
    let mut config = base();
    config["limits"]["labels_per_series"] = json!(3);
    let mut world = World::new(config).caller("agent", &["own"]);
    let sent =
        body(&[up(&[("imp", "cluster-a"), ("x", "1")]), up(&[("imp", "cluster-a"), ("x", "1"), ("y", "2")])]);
    let (mut exchange, step) = world.request(&and(WRITE, &[OPT_IN]), &sent);
    assert_eq!(describe(&step), "call cluster-a");
    let reply = answer(world.answered(&mut exchange, 0, 200));
    assert_eq!(reply.status, 400);
    assert!(
        text(&reply).contains(
            "up{imp=\"cluster-a\", x=\"1\", y=\"2\"}: it has more labels than a series may have (limits.labels_per_series)"
        ),
        "{}",
        text(&reply)
    );
    assert!(
        world
            .counted()
            .contains(&"backend=metrics outcome=rejected reason=too_many_labels series 1".to_owned())
    );
}
