//! Tokens as identity providers really write them, and the entries that read them.

use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::super::testing::{Known, metadata};
use super::{Around, Tabled, compile, compile_with, who_with};
use crate::caller::Caller;
use crate::config::{self, TableConfig};
use crate::exchange::Alone;
use crate::table::{TableRules, Tables};

/// What an entry with these tenants (and conditions) makes of a token.
fn token(tenants: &Json, conditions: &Json, claims: &Json) -> String {
    let list = [compile_with(caller(tenants, conditions), tabled(&tables())).unwrap()];
    told(&list, claims)
}

fn caller(tenants: &Json, conditions: &Json) -> Json {
    json!({"jwt": {"provider": "p", "issuer": "i", "where": conditions}, "tenants": tenants})
}

fn told(list: &[Caller], claims: &Json) -> String {
    let mut payload = claims.clone();
    payload["iss"] = json!("i");
    let mut known = Known::default();
    known.set("metadata", &metadata(&json!({"envoy.filters.http.jwt_authn": {"p": payload}})));
    let mut around = Around { rules: tables(), ..Around::default() };
    around.tables = Tables::new(&around.rules, Rc::new(Alone::default()), 1);
    let who = who_with(list, &[], &known, &mut around);
    who.strip_prefix("it: ").unwrap_or(&who).to_owned()
}

fn tables() -> Vec<TableRules> {
    let table = json!({"static": {
        "example.org": "example", "a0b1-guid": "team-a", "c2d3-guid": "team-c", "ops@example.org": "ops", "bad": "fake",
    }});
    let remote = json!({"http": {"cluster": "c", "path": "/"}});
    let config = |table: &Json| config::read::<TableConfig>(table).unwrap();
    TableRules::compile(&[("orgs".to_owned(), config(&table)), ("remote".to_owned(), config(&remote))].into())
        .unwrap()
}

fn tabled(rules: &[TableRules]) -> Tabled<'_> {
    Tabled { tenants: rules, credentials: &[] }
}

#[test]
fn providers() {
    let keycloak = json!({
        "typ": "Bearer", "azp": "grafana", "scope": "openid email tenant:team-s profile tenant:team-t",
        "realm_access": {"roles": ["offline_access", "uma_authorization", "tenant_team-r"]},
        "resource_access": {"grafana": {"roles": ["admin"]}, "account": {"roles": ["view-profile"]}},
        "groups": ["/team-a", "/team-b/admins", "/platform"],
        "organization": {"acme": {"id": "2e1f"}, "globex": {"id": "77aa", "tier": ["gold"]}},
        "email": "ann@example.org", "email_verified": true, "preferred_username": "ann",
    });
    let keycloak_25 = json!({"organization": ["acme"], "email": "ann@example.org", "email_verified": "true"});
    let dex = json!({
        "aud": "grafana", "email": "ann@example.org", "email_verified": true, "name": "ann",
        "groups": ["acme:team-a", "acme:team-b", "acme", "globex:team-c"],
        "federated_claims": {"connector_id": "github", "user_id": "4711"},
    });
    let entra = json!({
        "tid": "9188040d-6c67-4c5b-b112-36a304b66dad", "roles": ["Tenant.team-a", "Reader"],
        "groups": ["a0b1-guid", "ffff-guid", "c2d3-guid"], "preferred_username": "ann@example.org", "ver": "2.0",
    });
    let google = json!({"hd": "example.org", "email": "ops@example.org", "email_verified": true, "azp": "x"});
    let gmail = json!({"email": "ops@example.org", "email_verified": false, "azp": "x"});
    let (bad, star) = (json!({"g": ["bad"]}), json!({"g": "*"}));
    let cases: Vec<(&Json, Json, &str)> = vec![
        (&keycloak, json!({"claim": "groups", "pattern": "/{tenant}"}), "platform|team-a"),
        (&keycloak, json!({"claim": "groups", "pattern": "/{tenant}/admins"}), "team-b"),
        // With a plain prefix a group of a group is a tenant that cannot be: refused, and not passed over.
        (&keycloak, json!({"claim": "groups", "prefix": "/"}), "bad_claim"),
        (&keycloak, json!({"claim": "groups", "prefix": "/team-"}), "bad_claim"),
        (&keycloak, json!({"claim": ["realm_access", "roles"], "prefix": "tenant_"}), "team-r"),
        (
            &keycloak,
            json!({"claim": ["resource_access", "grafana", "roles"], "prefix": "tenant_"}),
            "no_tenant",
        ),
        (&keycloak, json!({"claim": "scope", "split": " ", "prefix": "tenant:"}), "team-s|team-t"),
        (&keycloak, json!({"claim": "scope", "prefix": "openid email tenant:"}), "bad_claim"),
        (&keycloak, json!({"claim": "organization", "keys": true}), "acme|globex"),
        (&keycloak, json!({"claim": "organization"}), "bad_claim"),
        (&keycloak_25, json!({"claim": "organization", "keys": true}), "acme"),
        (&keycloak_25, json!({"claim": "organization"}), "acme"),
        (&keycloak, json!("user-{preferred_username}"), "user-ann"),
        (&keycloak, json!("user-{email}"), "bad_claim"),
        (&keycloak, json!("{nothing}"), "no_tenant"),
        (
            &keycloak,
            json!({"union": [{"claim": "groups", "pattern": "/{t}"}, {"claim": "organization", "keys": true}]}),
            "acme|globex|platform|team-a",
        ),
        (&dex, json!({"claim": "groups", "pattern": "acme:{team}"}), "team-a|team-b"),
        (&dex, json!({"claim": ["federated_claims", "connector_id"]}), "github"),
        (&entra, json!({"claim": "roles", "prefix": "Tenant."}), "team-a"),
        (&entra, json!({"claim": "groups", "table": "orgs"}), "team-a|team-c"),
        (&entra, json!({"claim": "groups", "table": "remote"}), "table_not_loaded"),
        (&google, json!({"claim": "hd", "table": "orgs"}), "example"),
        (&google, json!({"claim": "email", "table": "orgs", "verified_by": "email_verified"}), "ops"),
        (&gmail, json!({"claim": "email", "table": "orgs", "verified_by": "email_verified"}), "no_tenant"),
        (&gmail, json!({"claim": "hd", "table": "orgs"}), "no_tenant"),
        // Only `true` verifies, and nothing that reads like it.
        (&keycloak_25, json!({"claim": "email", "verified_by": "email_verified"}), "no_tenant"),
        (&keycloak, json!({"claim": "email", "verified_by": "nothing"}), "no_tenant"),
        (&bad, json!({"claim": "g", "table": "orgs"}), "no_tenant"),
        // A claim never names a wildcard, only a tenant that is called so.
        (&star, json!({"claim": "g"}), "*"),
        (&star, json!("{g}"), "*"),
    ];
    for (claims, tenants, expected) in cases {
        assert_eq!(token(&tenants, &json!([]), claims), expected, "{tenants}");
    }
}

#[test]
fn conditions() {
    let claims = json!({
        "roles": ["a", "b"], "scope": "read write", "email": "ops@example.org", "email_verified": true,
        "name": "ann", "name_verified": false, "organization": {"acme": {}},
    });
    let cases = [
        (json!([{"claim": "roles", "in": ["x", "a"]}]), true),
        (json!([{"claim": "roles", "all": ["b", "a"]}]), true),
        (json!([{"claim": "roles", "all": ["a", "x"]}]), false),
        (json!([{"claim": "roles", "in": ["a"]}, {"claim": "roles", "in": ["x"]}]), false),
        (
            json!([{"any": [{"claim": "roles", "in": ["x"]}, {"claim": "scope", "split": " ", "in": "write"}]}]),
            true,
        ),
        (json!([{"any": [{"claim": "roles", "in": ["x"]}, {"claim": "scope", "in": "write"}]}]), false),
        (json!([{"any": [{"claim": "roles", "in": ["x"]}]}]), false),
        (json!([{"claim": "scope", "split": " ", "all": ["read", "write"]}]), true),
        (json!([{"claim": "email", "in": ["ops@example.org"], "verified_by": "email_verified"}]), true),
        (json!([{"claim": "name", "in": ["ann"], "verified_by": "name_verified"}]), false),
        (json!([{"claim": "name", "in": ["ann"], "verified_by": "absent"}]), false),
        (json!([{"claim": "organization", "keys": true, "in": ["acme"]}]), true),
        (json!([{"claim": "absent", "all": ["a"]}]), false),
    ];
    for (conditions, expected) in cases {
        let expected = if expected { "t" } else { "no_caller" };
        assert_eq!(token(&json!(["t"]), &conditions, &claims), expected, "{conditions}");
    }
}

/// Of several providers the first with a payload of an accepted issuer counts.
#[test]
fn several_providers() {
    let caller = json!({
        "jwt": {"provider": ["keycloak", "dex"], "issuer": ["https://k", "https://d"]}, "tenants": {"claim": "t"},
    });
    let list = [compile(caller).unwrap()];
    for (payloads, expected) in [
        (json!({"keycloak": {"iss": "https://k", "t": "a"}}), "it: a"),
        (json!({"dex": {"iss": "https://d", "t": "b"}}), "it: b"),
        (
            json!({"keycloak": {"iss": "https://evil", "t": "a"}, "dex": {"iss": "https://d", "t": "b"}}),
            "it: b",
        ),
        (json!({"keycloak": {"iss": "https://k", "t": "a"}, "dex": {"iss": "https://d", "t": "b"}}), "it: a"),
        (json!({"other": {"iss": "https://k", "t": "a"}}), "no_caller"),
    ] {
        let mut known = Known::default();
        known.set("metadata", &metadata(&json!({"envoy.filters.http.jwt_authn": payloads})));
        assert_eq!(who_with(&list, &[], &known, &mut Around::default()), expected, "{payloads}");
    }
}

#[test]
fn every_error_says_where() {
    let tables = tables();
    let none = json!([]);
    let cases = [
        (
            json!({"claim": "g", "table": "nobody"}),
            &none,
            "callers[0].tenants.table: no table has this name; there are under `tables`: orgs, remote",
        ),
        (
            json!({"claim": "g", "prefix": "a", "pattern": "{t}"}),
            &none,
            "callers[0].tenants: give at most one of",
        ),
        (
            json!({"claim": "g", "pattern": "a"}),
            &none,
            "callers[0].tenants.pattern: give exactly one `{NAME}`",
        ),
        (
            json!({"claim": "g", "pattern": "{a}/{b}"}),
            &none,
            "callers[0].tenants.pattern: give exactly one `{NAME}`",
        ),
        (json!({"claim": "g", "pattern": "{a"}), &none, "callers[0].tenants.pattern: a `{` has no `}`"),
        (json!({"claim": "g", "split": ""}), &none, "callers[0].tenants.split: say what separates"),
        (json!({"claim": "g", "verified_by": []}), &none, "callers[0].tenants.verified_by: name the claim"),
        (json!({"union": ["a"], "table": "orgs"}), &none, "tenants: give exactly one of `claim`"),
        (json!("{a}{b}"), &none, "callers[0].tenants: a template holds one"),
        (json!("{a"), &none, "callers[0].tenants: a template holds one"),
        (json!("/{a}"), &none, "callers[0].tenants: a tenant ID is made of"),
        (json!(["t"]), &json!([{"claim": "g"}]), "callers[0].jwt.where[0].in: name at least one value"),
        (
            json!(["t"]),
            &json!([{"claim": "g", "in": "a", "all": "b"}]),
            "callers[0].jwt.where[0]: give exactly one of",
        ),
        (json!(["t"]), &json!([{"in": "a"}]), "callers[0].jwt.where[0].claim: name the claim"),
        (
            json!(["t"]),
            &json!([{"claim": "g", "any": [{"claim": "g", "in": "a"}]}]),
            "callers[0].jwt.where[0]: `any` stands alone",
        ),
        (
            json!(["t"]),
            &json!([{"any": [{"claim": "g"}]}]),
            "callers[0].jwt.where[0].any[0].in: name at least",
        ),
    ];
    for (tenants, conditions, expected) in cases {
        let error = compile_with(caller(&tenants, conditions), tabled(&tables)).unwrap_err();
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
}
