//! Backends that are told their tenants in headers: foreign tenants in rule groups, label policies, the form of refusals.

use serde_json::{Value as Json, json};

use super::super::{World, answer, describe, text};
use super::{arrives, world};

#[test]
fn rule_groups_name_only_the_callers_tenants() {
    let head = [
        (":method", "POST"),
        (":path", "/prometheus/config/v1/rules/ns"),
        (":authority", "x"),
        ("x-scope-orgid", "a"),
        ("content-type", "application/yaml"),
    ];
    for (body, expected) in [
        ("name: x\nsource_tenants: [a, b]\nrules: []\n", "/prometheus/config/v1/rules/ns"),
        ("name: x\nrules: []\n", "/prometheus/config/v1/rules/ns"),
        ("name: x\nsource_tenants: [a, c]\n", "answer 403 foreign_tenant"),
        ("{\"name\": \"x\", \"source_tenants\": [\"c\"]}", "answer 400 rule_group"),
        ("name: x\n\"source\\x5ftenants\": [c]\n", "answer 400 rule_group"),
    ] {
        let mut mimir = world("mimir", &Json::Null, &["a", "b"]);
        assert_eq!(arrives(&mut mimir, &head, Some(body.as_bytes())), expected, "{body}");
    }
    let mut mimir = world("mimir", &Json::Null, &["a", "b"]);
    let encoded = [&head[..], &[("content-encoding", "gzip")]].concat();
    assert_eq!(arrives(&mut mimir, &encoded, Some(b"name: x")), "answer 415 encoding");
    // Cortex' and Loki's groups name no tenants: they stream through.
    let cortex = [(":method", "POST"), (":path", "/api/v1/rules/ns"), ("x-scope-orgid", "a")];
    let (exchange, step) = world("cortex", &Json::Null, &["a", "b"]).arrives(&cortex, false);
    assert_eq!(describe(&step), "go on x-scope-orgid=a");
    assert!(!exchange.wants_body());
}

#[test]
fn label_policies_have_an_entry_for_every_tenant() {
    let policies = |policies: Json| {
        World::with(|config| {
            config["backends"][0] = json!({"name": "metrics", "kind": "mimir"});
            config["read"] = json!({"metrics": {"label_policy": policies}});
        })
        .caller("user", &["a", "b"])
    };
    let head = [
        (":method", "GET"),
        (":path", "/prometheus/api/v1/query?query=up"),
        (":authority", "x"),
        ("x-prom-label-policy", "a:%7B%7D"),
        ("x-prom-label-policy", "b:%7B%7D"),
    ];
    let both = json!([
        {"tenants": "a", "selectors": ["{env=\"dev\"}", "{env=\"x,y\"}"]},
        {"callers": "user", "selectors": "{team=~\"a|b\"}"},
    ]);
    assert_eq!(
        describe(&policies(both).arrives(&head, true).1),
        "go on -x-prom-label-policy -x-prom-label-policy x-scope-orgid=a|b x-prom-label-policy=a:%7Benv%3D%22dev%22%7D,\
         a:%7Benv%3D%22x%2Cy%22%7D,b:%7Bteam%3D~%22a%7Cb%22%7D"
    );
    let one = json!([{"tenants": "a", "selectors": "{env=\"dev\"}"}]);
    let reply = answer(policies(one).arrives(&head, true).1);
    assert_eq!((reply.status, reply.details), (403, "no_label_policy"));
    let others = json!([{"callers": "agent", "selectors": "{env=\"dev\"}"}]);
    assert_eq!(describe(&policies(others).arrives(&head, true).1), "answer 403 no_label_policy");
    // Beyond what servers take in a header.
    let long = json!([{"selectors": format!("{{env=\"{}\"}}", "x".repeat(17 << 10))}]);
    assert_eq!(describe(&policies(long).arrives(&head, true).1), "answer 413 query_too_large");
    let whole = json!([{"everything": true}]);
    assert_eq!(
        describe(&policies(whole).arrives(&head, true).1),
        "go on -x-prom-label-policy x-scope-orgid=a|b"
    );
}

#[test]
fn refusals_are_in_the_protocols_own_form() {
    let cases = [
        (
            "prometheus",
            json!({"label": "t"}),
            "/api/v1/query?query=up%7B",
            "\"error\":\"scopegate: the argument query: 1:4: parse error: ",
        ),
        ("loki", json!({"label": "t"}), "/loki/api/v1/query?query=%7B", "scopegate: the argument query: 1:"),
        (
            "cortex",
            Json::Null,
            "/prometheus/api/v1/rules",
            "\"error\":\"scopegate: this endpoint takes one tenant",
        ),
        (
            "cortex",
            Json::Null,
            "/alertmanager/api/v2/alerts",
            "\"message\":\"scopegate: this endpoint takes one tenant",
        ),
        ("tempo", Json::Null, "/api/metrics/summary", "scopegate: this endpoint takes one tenant"),
        (
            "prometheus",
            json!({"label": "t"}),
            "/api/v1/metadata",
            "\"error\":\"scopegate: this path is internal",
        ),
        (
            "prometheus",
            json!({"label": "t"}),
            "/api/v1/nothing",
            "\"error\":\"scopegate: this path is not one",
        ),
    ];
    for (kind, isolate, path, expected) in cases {
        let mut world = world(kind, &isolate, &["a", "b"]);
        let (_, step) = world.arrives(&[(":method", "GET"), (":path", path), (":authority", "x")], true);
        let reply = answer(step);
        // Members of JSON stand in any order.
        let is_json = expected.starts_with('"');
        let told = text(&reply);
        assert!(if is_json { told.contains(expected) } else { told.starts_with(expected) }, "{told}");
    }
}
