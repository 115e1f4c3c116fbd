//! Requests that go on by their head alone: exactly which headers change, and that nobody waits for a body.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Head, OPT_IN, QUERY, REMOTE_WRITE_2, Step, WRITE, World, and, but, changed, describe};

type Change = fn(&mut Json);

/// Only the caller names the tenant.
fn by_caller(config: &mut Json) {
    config["write"]["metrics"]["tenant"] = json!(["caller"]);
}

/// A header of our own names the tenant.
fn by_header(config: &mut Json) {
    config["write"]["metrics"]["tenant"] = json!([{"header": "X-Team"}, "caller"]);
}

fn as_is(_: &mut Json) {}

#[test]
fn writes() {
    let cases: &[(&str, Change, Vec<(&str, &str)>, &str)] = &[
        ("nothing to change but the tenant", as_is, WRITE.to_vec(), "go on x-scope-orgid=own"),
        ("its own tenant, named", as_is, and(WRITE, &[("x-scope-orgid", "own")]), "go on x-scope-orgid=own"),
        (
            "a tenant that nobody asked for",
            by_caller,
            and(WRITE, &[("x-scope-orgid", "evil")]),
            "go on x-scope-orgid=own",
        ),
        (
            "several: every one of them goes",
            by_caller,
            and(WRITE, &[("x-scope-orgid", "own"), ("x-scope-orgid", "evil"), ("x-scope-orgid", "")]),
            "go on -x-scope-orgid x-scope-orgid=own",
        ),
        (
            "every other way to name a tenant",
            as_is,
            and(
                WRITE,
                &[
                    ("x-prom-label-policy", "evil:{}"),
                    ("thanos-tenant", "evil"),
                    ("accountid", "1"),
                    ("projectid", "2"),
                    ("x-influxdb-org", "evil"),
                ],
            ),
            "go on -accountid -projectid -thanos-tenant -x-influxdb-org -x-prom-label-policy x-scope-orgid=own",
        ),
        (
            "the header that asks for impersonation, from one who may not",
            as_is,
            and(WRITE, &[OPT_IN]),
            "go on -x-scope-impersonate x-scope-orgid=own",
        ),
        (
            "the header that names the tenant here",
            by_header,
            and(WRITE, &[("x-team", "own"), ("x-scope-orgid", "evil")]),
            "go on -x-team x-scope-orgid=own",
        ),
        (
            "credentials end here",
            as_is,
            and(WRITE, &[("authorization", "Bearer x")]),
            "go on -authorization x-scope-orgid=own",
        ),
        (
            "unless they are to go on",
            |config| config["backends"][0]["forward_authorization"] = json!(true),
            and(WRITE, &[("authorization", "Bearer x")]),
            "go on x-scope-orgid=own",
        ),
        (
            "a content type that Cortex would misread",
            as_is,
            but(WRITE, "content-type", "application/x-protobuf; proto=io.prometheus.write.v2.Request"),
            "go on content-type=application/x-protobuf;proto=io.prometheus.write.v2.Request x-scope-orgid=own",
        ),
        (
            "a content type with all there is to it",
            as_is,
            but(WRITE, "content-type", "Application/X-Protobuf ; Proto=\"prometheus.WriteRequest\""),
            "go on content-type=application/x-protobuf x-scope-orgid=own",
        ),
        (
            "remote write 2.0 as it should be",
            as_is,
            but(WRITE, "content-type", REMOTE_WRITE_2),
            "go on x-scope-orgid=own",
        ),
        (
            "another protocol: its types are its own",
            as_is,
            but(&but(WRITE, ":path", "/api/v1/otlp/v1/metrics"), "content-type", "Application/JSON"),
            "go on x-scope-orgid=own",
        ),
        (
            "no announced length is touched",
            as_is,
            and(WRITE, &[("content-length", "99")]),
            "go on x-scope-orgid=own",
        ),
    ];
    for (what, change, head, expected) in cases {
        for end_of_stream in [false, true] {
            let mut world = World::with(change).caller("user", &["own"]);
            let (_, step) = world.arrives(head, end_of_stream);
            assert_eq!(describe(&step), *expected, "{what}");
            assert_eq!(
                world.counted(),
                ["backend=metrics class=write decision=forwarded requests 1"],
                "{what}"
            );
            assert_eq!(world.worker.take_logs(), [""; 0], "{what}");
        }
    }
}

#[test]
fn reads() {
    let post = || but(&but(QUERY, ":method", "POST"), ":path", "/prometheus/api/v1/query_range");
    let rules = || but(QUERY, ":path", "/api/v1/rules");
    let cases: &[(&str, Vec<(&str, &str)>, &str)] = &[
        ("all of the caller's tenants", QUERY.to_vec(), "go on x-scope-orgid=a|b"),
        ("a form is not waited for", post(), "go on x-scope-orgid=a|b"),
        ("one of them", and(QUERY, &[("x-scope-orgid", "b")]), "go on x-scope-orgid=b"),
        ("in their own order", and(QUERY, &[("x-scope-orgid", "b|a|b")]), "go on x-scope-orgid=a|b"),
        ("one where there may be one", and(&rules(), &[("x-scope-orgid", "a")]), "go on x-scope-orgid=a"),
        ("several where there may be one", rules(), "answer 400 several_tenants"),
        ("somebody else's", and(QUERY, &[("x-scope-orgid", "a|c")]), "answer 403 foreign_tenant"),
        (
            "two headers, of which backends read the first",
            and(QUERY, &[("x-scope-orgid", "a"), ("x-scope-orgid", "c")]),
            "answer 400 repeated_header",
        ),
        (
            "what says something else about tenancy",
            and(QUERY, &[("x-prom-label-policy", "a:{}"), ("x-prom-label-policy", "b:{}"), OPT_IN]),
            "go on -x-prom-label-policy -x-scope-impersonate x-scope-orgid=a|b",
        ),
        (
            "names that a server could read as those, and others",
            and(
                QUERY,
                &[("x_scope_orgid", "c"), ("x_scope_orgid", "d"), ("x-scope_orgid", "c"), ("x_other", "c")],
            ),
            "go on -x_scope_orgid -x-scope_orgid x-scope-orgid=a|b",
        ),
        (
            "another request in disguise",
            and(QUERY, &[("x-http-method-override", "DELETE"), ("x-original-url", "/config")]),
            "go on -x-http-method-override -x-original-url x-scope-orgid=a|b",
        ),
        (
            "a token in the URL",
            but(QUERY, ":path", "/prometheus/api/v1/query?query=up&access%5Ftoken=x"),
            "answer 400 path_not_canonical",
        ),
    ];
    for (what, head, expected) in cases {
        let mut world = World::with(as_is).caller("user", &["b", "a"]);
        let (_, step) = world.head(head);
        assert_eq!(describe(&step), *expected, "{what}");
    }
}

/// `fake` is what backends call the data of an installation without tenants: only a configuration that
/// spells it out leads there.
#[test]
fn nobody_becomes_fake_by_saying_so() {
    let named = |config: &mut Json| config["callers"][1]["tenants"] = json!(["fake"]);
    let cases: &[(Change, &[&str], Head<'_>, &str)] = &[
        (as_is, &["fake"], &[], "answer 403 bad_claim"),
        (as_is, &["own"], &[("x-scope-orgid", "fake")], "answer 403 foreign_tenant"),
        (named, &[], &[], "go on x-scope-orgid=fake"),
        (named, &[], &[("x-scope-orgid", "fake")], "go on x-scope-orgid=fake"),
    ];
    for (change, tenants, more, expected) in cases {
        let mut world = World::with(change).caller("user", tenants);
        let (_, step) = world.head(&and(WRITE, more));
        assert_eq!(describe(&step), *expected, "{tenants:?} {more:?}");
    }
}

fn any_header() -> impl Strategy<Value = (&'static str, &'static str)> {
    let name = prop::sample::select(vec![
        "x-scope-orgid",
        "x-team",
        "x-scope-impersonate",
        "x-prom-label-policy",
        "thanos-tenant",
        "accountid",
        "projectid",
        "x-influxdb-org",
        "x-scopegate-explain",
        "x_scope_orgid",
        "x_scope-orgid",
        "thanos_tenant",
        "x_team",
        "authorization",
        "x-other",
    ]);
    (name, prop::sample::select(vec!["a", "b", "evil", "a|b", "", "true", "fake", "Bearer x"]))
}

proptest! {
    /// Whatever a client says, what goes on names only tenants of the caller, once, and nothing else about
    /// tenancy.
    #[test]
    fn what_goes_on_names_the_callers_tenants_once(
        more in prop::collection::vec(any_header(), 0..8),
        read: bool,
        header: bool,
    ) {
        let mut world = World::with(if header { by_header } else { as_is }).caller("user", &["a", "b"]);
        let head = and(if read { QUERY } else { WRITE }, &more);
        let (_, step) = world.head(&head);
        if let Step::Continue(changes) = step {
            let after = changed(&head, &changes);
            let values = |name: &str| {
                after.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>()
            };
            let tenants = values("x-scope-orgid");
            prop_assert_eq!(tenants.len(), 1);
            prop_assert!(["a", "b", "a|b"].contains(&tenants[0]), "{:?}", tenants);
            prop_assert!(read || tenants[0] != "a|b");
            for gone in world.policy.tenancy_headers().iter().filter(|name| *name != "x-scope-orgid") {
                prop_assert!(values(gone).is_empty(), "{}", gone);
            }
            // Nor what a server could take for it.
            for gone in ["x_scope_orgid", "x_scope-orgid", "thanos_tenant"] {
                prop_assert!(values(gone).is_empty(), "{}", gone);
            }
            prop_assert!(!header || values("x_team").is_empty());
            prop_assert!(values("authorization").is_empty());
            let others = more.iter().filter(|(name, _)| *name == "x-other").count();
            prop_assert_eq!(values("x-other").len(), others);
        }
    }
}
