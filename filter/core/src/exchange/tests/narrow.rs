//! A header that narrows its caller's tenants, from the head of a request to what goes on.

use serde_json::json;

use super::{Head, QUERY, WRITE, World, and, body, describe, up};

const ORG: &str = "x-grafana-org-id";

fn world() -> World {
    let world = World::with(|config| {
        config["tables"] = json!({"orgs": {"static": {"1": "a", "2": "b", "3": "other"}}});
        config["callers"][1]["narrow"] = json!({"header": ORG, "table": "orgs"});
    });
    world.caller("user", &["a", "b", "c"])
}

#[test]
fn reads_and_writes_are_for_that_tenant() {
    const CHOICE: &str = "x-scope-orgid";
    let cases: &[(&str, Head<'_>, Head<'_>, &str)] = &[
        ("no organisation", QUERY, &[], "go on x-scope-orgid=a|b|c"),
        ("one", QUERY, &[(ORG, "1")], "go on -x-grafana-org-id x-scope-orgid=a"),
        ("both agree", QUERY, &[(ORG, "1"), (CHOICE, "a")], "go on -x-grafana-org-id x-scope-orgid=a"),
        ("the other of its own", QUERY, &[(ORG, "1"), (CHOICE, "b")], "answer 403 foreign_tenant"),
        ("more of its own", QUERY, &[(ORG, "1"), (CHOICE, "a|b")], "answer 403 foreign_tenant"),
        ("a foreign one, with a good choice", QUERY, &[(ORG, "3"), (CHOICE, "a")], "answer 403 narrow"),
        ("two", QUERY, &[(ORG, "1"), (ORG, "2")], "answer 403 narrow"),
        ("a write", WRITE, &[(ORG, "2")], "go on -x-grafana-org-id x-scope-orgid=b"),
        ("a write for another", WRITE, &[(ORG, "2"), (CHOICE, "a")], "answer 403 foreign_tenant"),
        ("a write for a foreign one", WRITE, &[(ORG, "3")], "answer 403 narrow"),
        // Without a choice a write of several tenants has none.
        ("a write without", WRITE, &[], "answer 400 several_tenants"),
        // Grafana's second token ends here, as the first does.
        (
            "tokens",
            QUERY,
            &[("x-id-token", "t"), ("x-grafana-id", "t"), ("authorization", "Bearer t")],
            "go on -authorization -x-id-token -x-grafana-id x-scope-orgid=a|b|c",
        ),
    ];
    for (what, head, more, expected) in cases {
        let (_, step) = world().arrives(&and(head, more), *head == QUERY);
        assert_eq!(describe(&step), *expected, "{what}");
    }
}

/// Labels lead no further either, though the caller may write for `team-*`.
#[test]
fn labels_lead_to_no_other() {
    let send = |more: Head<'_>| {
        let mut world = World::with(|config| {
            config["tables"] = json!({"orgs": {"static": {"1": "a"}}});
            config["callers"][1]["narrow"] = json!({"header": ORG, "table": "orgs"});
            config["write"]["metrics"]["tenant"] = json!([{"label": "ns"}, "caller"]);
        })
        .caller("user", &["a", "b"]);
        let (_, step) = world.request(&and(WRITE, more), &body(&[up(&[("ns", "team-x")])]));
        describe(&step)
    };
    assert_eq!(send(&[]), "go on x-scope-orgid=team-x");
    assert!(send(&[(ORG, "1")]).starts_with("answer 400"), "{}", send(&[(ORG, "1")]));
}
