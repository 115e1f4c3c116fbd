//! Rights and tenants by attributes.

use serde_json::{Value as Json, json};

use super::super::testing::Known;
use super::{Around, compile};
use crate::caller::{Identity, recognise};
use crate::http::Headers;
use crate::operation::Class;
use crate::tenant::TenantId;

fn staff() -> Json {
    json!({
        "metadata": {"filter_state": "s"}, "tenants": {"claim": "tenant"}, "may": ["read"], "several_tenants": false,
        "on_behalf_of": ["own-*"],
        "grants": [
            {"where": [{"claim": "email", "in": ["ops@example.org"], "verified_by": "email_verified"}],
             "tenants": ["*"], "may": ["rules", "admin"], "unfiltered": true},
            {"where": [{"claim": "roles", "in": ["agent"]}], "may": ["write"], "on_behalf_of": ["team-*"], "several_tenants": true,
             "impersonate": {"label": "as", "tenants": ["cluster-*"]}},
        ],
    })
}

fn identity(claims: &Json) -> Result<Identity, &'static str> {
    let list = [compile(staff()).unwrap()];
    let mut known = Known::default();
    known.set("filter_state s", claims.to_string().as_bytes());
    recognise(&list, &Headers::default(), &known, &[], &mut Around::default().lookup())
        .map_err(|refusal| refusal.reason())
}

#[test]
fn only_who_has_the_attribute_has_the_rights() {
    use Class::{Admin, Read, Rules, Write};
    let cases: Vec<(Json, Result<(&str, bool, &[Class], bool, bool), &str>)> = vec![
        (json!({"tenant": "a"}), Ok(("a", false, &[Read], false, false))),
        (
            json!({"tenant": "a", "email": "ops@example.org", "email_verified": true}),
            Ok(("a", true, &[Read, Rules, Admin], false, false)),
        ),
        (
            json!({"email": "ops@example.org", "email_verified": true}),
            Ok(("", true, &[Read, Rules, Admin], false, false)),
        ),
        (
            json!({"tenant": "a", "email": "ops@example.org", "email_verified": false}),
            Ok(("a", false, &[Read], false, false)),
        ),
        (
            json!({"tenant": "a", "email": "ops@example.org", "email_verified": "true"}),
            Ok(("a", false, &[Read], false, false)),
        ),
        (json!({"tenant": "a", "email": "ops@example.org"}), Ok(("a", false, &[Read], false, false))),
        (json!({"email": "ops@example.org"}), Err("no_tenant")),
        (json!({"tenant": "a", "roles": ["x", "agent"]}), Ok(("a", false, &[Read, Write], true, true))),
        (
            json!({"tenant": "a", "roles": "agent", "email": "ops@example.org", "email_verified": true}),
            Ok(("a", true, &[Read, Rules, Admin, Write], true, true)),
        ),
    ];
    for (claims, expected) in cases {
        let found = identity(&claims);
        let found = found.as_ref().map(|identity| {
            let any = identity.may_name(&TenantId::new("whoever").unwrap());
            let rights = &identity.rights;
            // Both are for administrators alone.
            assert_eq!(rights.unfiltered, any, "{claims}");
            (
                identity.tenants.header(),
                any,
                rights.may.clone(),
                rights.several_tenants,
                rights.impersonate.is_some(),
            )
        });
        let expected =
            expected.map(|(t, any, may, several, others)| (t.to_owned(), any, may.to_vec(), several, others));
        assert_eq!(found.map_err(|reason| *reason), expected, "{claims}");
    }
    let agent = identity(&json!({"tenant": "a", "roles": ["agent"]})).unwrap();
    for (tenant, expected) in [("own-x", true), ("team-x", true), ("other", false)] {
        assert_eq!(agent.rights.on_behalf_of.allows(&TenantId::new(tenant).unwrap()), expected, "{tenant}");
    }
    // Nothing of it stays for the next request.
    let next = identity(&json!({"tenant": "a"})).unwrap();
    assert_eq!((next.rights.may.as_slice(), next.rights.unfiltered), (&[Read][..], false));
    // It is enough for a grant.
    let mut caller = staff();
    caller["grants"] = json!([{"where": [{"claim": "roles", "in": ["x"]}], "unfiltered": true}]);
    compile(caller).unwrap();
}

#[test]
fn every_error_says_where() {
    let with = |grant: Json| {
        let mut caller = staff();
        caller["grants"] = json!([grant]);
        caller
    };
    let who = json!([{"claim": "r", "in": "a"}]);
    let cases = [
        (with(json!({"where": [], "may": ["read"]})), "callers[0].grants[0].where: say who gets this"),
        (with(json!({"may": ["read"]})), "grants[0]: missing field `where`"),
        (with(json!({"where": who})), "callers[0].grants[0]: this grants nothing"),
        (with(json!({"where": who, "tenants": ["a/b"]})), "callers[0].grants[0].tenants[0]: a tenant ID is"),
        (with(json!({"where": [{"claim": "r"}], "may": ["read"]})), "callers[0].grants[0].where[0].in: name"),
        (
            json!({"anonymous": {}, "tenants": ["a"], "grants": [{"where": who, "may": ["read"]}]}),
            "callers[0].grants: this source gives no claims",
        ),
    ];
    for (caller, expected) in cases {
        let error = compile(caller).unwrap_err();
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
}
