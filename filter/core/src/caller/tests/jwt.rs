//! Tokens: only what Envoy verified, and only from the issuers that are named.

use serde_json::{Value as Json, json};

use super::super::testing::{Known, metadata};
use super::{callers, who};

const FILTER: &str = "envoy.filters.http.jwt_authn";
const TOKEN: &[&[u8]] = &[b"Bearer x.y.z"];

/// What `jwt_authn` left, by provider.
fn verified(payloads: &Json) -> Known {
    let mut known = Known::default();
    known.set("metadata", &metadata(&json!({ FILTER: payloads, "other": {"idp": {"iss": "https://idp"}} })));
    known
}

#[test]
fn a_payload_counts_only_from_an_accepted_issuer() {
    let callers = callers(&[json!({
        "jwt": {"provider": "idp", "issuer": ["https://idp", "https://old"]}, "tenants": {"claim": "tenant"},
    })]);
    let cases = [
        ("accepted", json!({"idp": {"iss": "https://idp", "tenant": "a"}}), "it: a"),
        ("the other one", json!({"idp": {"iss": "https://old", "tenant": "a"}}), "it: a"),
        ("not accepted", json!({"idp": {"iss": "https://evil", "tenant": "a"}}), "no_caller"),
        ("longer", json!({"idp": {"iss": "https://idp/", "tenant": "a"}}), "no_caller"),
        ("in other letters", json!({"idp": {"iss": "https://IDP", "tenant": "a"}}), "no_caller"),
        ("missing", json!({"idp": {"tenant": "a"}}), "no_caller"),
        ("null", json!({"idp": {"iss": null, "tenant": "a"}}), "no_caller"),
        ("empty", json!({"idp": {"iss": "", "tenant": "a"}}), "no_caller"),
        ("a list of it", json!({"idp": {"iss": ["https://idp"], "tenant": "a"}}), "no_caller"),
        ("a list", json!({"idp": {"iss": ["https://idp", "https://evil"], "tenant": "a"}}), "no_caller"),
        ("an object", json!({"idp": {"iss": {"https://idp": 1}, "tenant": "a"}}), "no_caller"),
        ("a number", json!({"idp": {"iss": 7, "tenant": "a"}}), "no_caller"),
        ("another provider", json!({"other": {"iss": "https://idp", "tenant": "a"}}), "no_caller"),
        ("no payload at all", json!({}), "no_caller"),
        ("a payload that is no object", json!({"idp": "https://idp"}), "no_caller"),
        ("a payload that is null", json!({"idp": null}), "no_caller"),
        ("a payload that is a list", json!({"idp": [{"iss": "https://idp", "tenant": "a"}]}), "no_caller"),
    ];
    for (what, payloads, expected) in cases {
        assert_eq!(who(&callers, TOKEN, &verified(&payloads)), expected, "{what}");
        // Envoy may have taken the token off already.
        assert_eq!(who(&callers, &[], &verified(&payloads)), expected, "{what}, without the token");
    }
    // Nothing in the metadata, and nothing that can be read.
    for broken in [&b""[..], b"\x0a", b"\x0a\x02\x0a\x09", b"\xff\xff"] {
        let mut known = Known::default();
        known.set("metadata", broken);
        assert_eq!(who(&callers, TOKEN, &known), "no_caller", "{}", broken.escape_ascii());
    }
    assert_eq!(who(&callers, TOKEN, &Known::default()), "no_caller");
}

#[test]
fn where_it_stands_is_configured() {
    let callers = callers(&[json!({
        "jwt": {"provider": "idp", "issuer": "https://idp", "namespace": "other"}, "tenants": ["a"],
    })]);
    assert_eq!(who(&callers, TOKEN, &verified(&json!({}))), "it: a");
    let mut known = Known::default();
    known.set("metadata", &metadata(&json!({ FILTER: {"idp": {"iss": "https://idp"}} })));
    assert_eq!(who(&callers, TOKEN, &known), "no_caller");
}

/// Istio puts the payload of every issuer in the same place.
#[test]
fn two_issuers_under_one_key() {
    let callers = callers(&[
        json!({"name": "staff", "jwt": {"provider": "payload", "issuer": "https://staff"}, "tenants": {"claim": "org"}}),
        json!({"name": "guests", "jwt": {"provider": "payload", "issuer": "https://guests"}, "tenants": ["guest"]}),
    ]);
    for (payload, expected) in [
        (json!({"iss": "https://staff", "org": "a"}), "staff: a"),
        (json!({"iss": "https://guests", "org": "a"}), "guests: guest"),
        (json!({"iss": "https://evil", "org": "a"}), "no_caller"),
        (json!({"org": "a"}), "no_caller"),
    ] {
        assert_eq!(who(&callers, TOKEN, &verified(&json!({"payload": payload}))), expected, "{payload}");
    }
}

#[test]
fn conditions() {
    let callers = callers(&[
        json!({
            "name": "admins", "tenants": ["admin"],
            "jwt": {"provider": "idp", "issuer": "https://idp", "where": [
                {"claim": "email", "in": ["ops@example.org", "sre@example.org"]},
                {"claim": ["realm", "roles"], "in": "admin"},
            ]},
        }),
        json!({"name": "users", "jwt": {"provider": "idp", "issuer": "https://idp"}, "tenants": {"claim": ["org", "id"]}}),
    ]);
    let cases = [
        (json!({"email": "ops@example.org", "realm": {"roles": ["x", "admin"]}}), "admins: admin"),
        (json!({"email": "sre@example.org", "realm": {"roles": "admin"}}), "admins: admin"),
        (json!({"email": "ops@example.org", "realm": {"roles": ["x"]}, "org": {"id": "a"}}), "users: a"),
        (json!({"email": "ops@example.org", "realm": {"roles": []}, "org": {"id": "a"}}), "users: a"),
        (json!({"email": "ops@example.org", "org": {"id": "a"}}), "users: a"),
        (json!({"realm": {"roles": ["admin"]}, "org": {"id": "a"}}), "users: a"),
        (json!({"email": null, "realm": null, "org": {"id": "a"}}), "users: a"),
        (json!({"email": true, "realm": {"roles": ["admin"]}, "org": {"id": "a"}}), "users: a"),
        (json!({"email": "OPS@example.org", "realm": {"roles": ["admin"]}, "org": {"id": "a"}}), "users: a"),
        (json!({"email": "ops@example.org", "realm": "admin", "org": {"id": "a"}}), "users: a"),
        // One that cannot be read makes the list unreadable, not shorter.
        (
            json!({"email": "ops@example.org", "realm": {"roles": ["admin", true]}, "org": {"id": "a"}}),
            "users: a",
        ),
        (json!({"org": {"id": null}}), "no_tenant"),
        (json!({"org": null}), "no_tenant"),
        (json!({}), "no_tenant"),
        (json!({"org": "a"}), "bad_claim"),
        (json!({"org": {"id": {"a": 1}}}), "bad_claim"),
        (json!({"org": {"id": ["a", ["b"]]}}), "bad_claim"),
        (json!({"org.id": "a"}), "no_tenant"),
    ];
    for (claims, expected) in cases {
        let mut payload = claims.clone();
        payload["iss"] = json!("https://idp");
        assert_eq!(who(&callers, TOKEN, &verified(&json!({"idp": payload}))), expected, "{claims}");
    }
}

/// A token that nobody verified is refused, even where a session would recognise the request.
#[test]
fn a_token_that_failed_is_not_made_good_by_a_session() {
    let session = json!({"name": "session", "metadata": {"namespace": "authz"}, "tenants": ["s"]});
    let token =
        json!({"name": "token", "jwt": {"provider": "idp", "issuer": "https://idp"}, "tenants": ["t"]});
    let second =
        json!({"name": "second", "jwt": {"provider": "two", "issuer": "https://two"}, "tenants": ["u"]});
    let known = |payloads: &Json| {
        let mut known = Known::default();
        known.set("metadata", &metadata(&json!({ FILTER: payloads, "authz": {} })));
        known
    };
    let none = json!({});
    let good = json!({"idp": {"iss": "https://idp"}});
    let other = json!({"two": {"iss": "https://two"}});
    let cases: Vec<(&str, Vec<&Json>, &[&[u8]], &Json, &str)> = vec![
        ("no token: the session", vec![&token, &session], &[], &none, "session: s"),
        ("a good token", vec![&token, &session], TOKEN, &good, "token: t"),
        ("a bad token", vec![&token, &session], TOKEN, &none, "no_caller"),
        ("a bad token, in any case", vec![&token, &session], &[b"bEARER x"], &none, "no_caller"),
        ("a bad token, empty", vec![&token, &session], &[b"Bearer "], &none, "no_caller"),
        ("another token is its own proof", vec![&token, &second, &session], TOKEN, &other, "second: u"),
        ("neither", vec![&token, &second, &session], TOKEN, &none, "no_caller"),
        ("the session comes first", vec![&session, &token], TOKEN, &none, "session: s"),
        ("nobody asked for a token", vec![&session], TOKEN, &none, "session: s"),
        ("another scheme", vec![&token, &session], &[b"Negotiate x"], &none, "session: s"),
        ("only the scheme", vec![&token, &session], &[b"Bearer"], &none, "session: s"),
    ];
    for (what, list, authorization, payloads, expected) in cases {
        let list: Vec<Json> = list.into_iter().cloned().collect();
        assert_eq!(who(&callers(&list), authorization, &known(payloads)), expected, "{what}");
    }
}
