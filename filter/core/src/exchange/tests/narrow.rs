//! A header that narrows its caller's tenants, from the head of a request to what goes on.

use serde_json::{Value as Json, json};

use super::{Head, QUERY, WRITE, World, and, answer, body, but, describe, up};

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

/// Where a label keeps tenants apart, who else sees everything sees the organisation.
#[test]
fn nothing_is_unfiltered() {
    let ask = |more: Head<'_>| {
        let mut world = World::with(|config| {
            config["tables"] = json!({"orgs": {"static": {"1": "a"}}});
            config["backends"] =
                json!([{"name": "vm", "kind": "victoriametrics", "isolate": {"label": "t"}}]);
            config["write"] = json!({});
            config["callers"][1]["narrow"] = json!({"header": ORG, "table": "orgs"});
            config["callers"][1]["unfiltered"] = json!(true);
        })
        .caller("user", &["a", "b"]);
        describe(&world.arrives(&and(QUERY, more), true).1)
    };
    assert_eq!(ask(&[]), "go on");
    let narrowed = ask(&[(ORG, "1")]);
    assert!(narrowed.contains("query=up&extra_label=t%3Da"), "{narrowed}");
    assert!(narrowed.contains("-x-grafana-org-id"), "{narrowed}");
}

/// The page tells of the tenant that is left, or why none is.
#[test]
fn whoami_says_so() {
    let mut world = World::with(|config| {
        config["tables"] = json!({"orgs": {"static": {"1": "a", "3": "other"}}});
        config["callers"][1]["narrow"] = json!({"header": ORG, "table": "orgs"});
        config["whoami"] = json!({"path": "/-/scopegate/whoami"});
    })
    .caller("user", &["a", "b"]);
    let mut page = |more: Head<'_>| {
        let head = and(&but(QUERY, ":path", ""), &[(":path", "/-/scopegate/whoami")]);
        let reply = answer(world.arrives(&and(&head, more), true).1);
        serde_json::from_slice::<Json>(&reply.body).unwrap()
    };
    assert_eq!(page(&[])["tenants"], json!(["a", "b"]));
    assert_eq!(page(&[(ORG, "1")])["tenants"], json!(["a"]));
    let refused = page(&[(ORG, "3")]);
    assert_eq!((&refused["tenants"], &refused["refused"]["reason"]), (&json!([]), &json!("narrow")));
}

/// Who reads the data of all tenants by a grant: only those whose claims say so, and only as long as no header narrows it.
#[test]
fn a_grant_to_read_everything() {
    let config = |config: &mut Json| {
        config["backends"][0] =
            json!({"name": "metrics", "kind": "prometheus", "isolate": {"label": "tenant"}});
        config["callers"][1]["grants"] =
            json!([{"where": [{"claim": "roles", "in": ["operator"]}], "unfiltered": true}]);
        config["callers"][1]["narrow"] = json!({"header": ORG, "table": "orgs"});
        config["tables"] = json!({"orgs": {"static": {"7": "team-a"}}});
    };
    let ours = "query=up%7Btenant%3D%22team-a%22%7D";
    let head: Head<'_> = &[(":method", "GET"), (":path", "/api/v1/query?query=up"), (":authority", "x")];
    for (roles, more, is_narrowed) in [
        (json!(["operator"]), vec![], false),
        (json!(["operators"]), vec![], true),
        (json!(true), vec![], true),
        (json!(null), vec![], true),
        (json!(["operator"]), vec![(ORG, "7")], true),
    ] {
        let mut world = World::with(config);
        let session = json!({"who": "user", "tenants": ["team-a"], "roles": roles});
        world.know("filter_state session", session.to_string().as_bytes());
        let line = describe(&world.arrives(&and(head, &more), true).1);
        assert!(line.starts_with("go on"), "{line}");
        assert_eq!(line.contains(ours), is_narrowed, "{session} {more:?}: {line}");
    }
}
