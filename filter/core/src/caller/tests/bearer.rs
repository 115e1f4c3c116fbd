//! Opaque tokens, beside tokens that Envoy verified.

use serde_json::{Value as Json, json};

use super::super::testing::{KEY, Known, metadata};
use super::{callers, compile, who};
use crate::caller::token_hash;

fn hash(token: &str) -> String {
    token_hash(KEY, token.as_bytes()).unwrap()
}

fn bearer(tokens: &Json) -> Json {
    json!({"name": "machines", "bearer": {"key": {"env": "KEY"}, "tokens": tokens}, "tenants": ["t"]})
}

fn jwt() -> Json {
    json!({"name": "people", "jwt": {"provider": "p", "issuer": "i"}, "tenants": ["u"]})
}

fn session() -> Json {
    json!({"name": "session", "metadata": {"namespace": "authz"}, "tenants": ["s"]})
}

/// A JWT that nobody signed.
const JWT: &str = "eyJhbGciOiJub25lIn0.e30.";

#[test]
fn tokens_are_known_by_their_hashes() {
    let list = callers(&[bearer(&json!([
        {"token": hash("old-token"), "tenants": ["a"]},
        {"token": [hash("token-1"), hash("token-2")]},
    ]))]);
    for (authorization, expected) in [
        ("Bearer old-token", "machines: a"),
        ("bEARER   old-token ", "machines: a"),
        ("Bearer token-1", "machines: t"),
        ("Bearer token-2", "machines: t"),
        ("Bearer token-3", "no_caller"),
        ("Bearer ", "no_caller"),
        ("Bearer", "no_caller"),
        ("Basic token-1", "no_caller"),
        ("token-1", "no_caller"),
        ("Bearer token-1,token-2", "no_caller"),
    ] {
        assert_eq!(who(&list, &[authorization.as_bytes()], &Known::default()), expected, "{authorization}");
    }
    // The hash itself is no token.
    let stolen = format!("Bearer {}", hash("token-1"));
    assert_eq!(who(&list, &[stolen.as_bytes()], &Known::default()), "no_caller");
    assert_eq!(who(&list, &[], &Known::default()), "no_caller");
    assert_eq!(who(&list, &[b"Bearer token-1", b"Bearer token-2"], &Known::default()), "repeated_header");
}

/// Only `jwt_authn` makes a JWT good, even where somebody has listed its hash.
#[test]
fn a_jwt_is_never_an_opaque_token() {
    let tokens = bearer(&json!([{"token": hash(JWT)}, {"token": hash("opaque")}]));
    let verified = {
        let mut known = Known::default();
        let payload = json!({"envoy.filters.http.jwt_authn": {"p": {"iss": "i"}}, "authz": {}});
        known.set("metadata", &metadata(&payload));
        known
    };
    let authz = {
        let mut known = Known::default();
        known.set("metadata", &metadata(&json!({"authz": {}})));
        known
    };
    let nothing = Known::default();
    let orders = [
        vec![jwt(), tokens.clone(), session()],
        vec![tokens.clone(), session(), jwt()],
        vec![jwt(), session(), tokens],
    ];
    for order in orders {
        let names: Vec<String> = order.iter().map(|caller| caller["name"].to_string()).collect();
        let list = callers(&order);
        for (token, known, expected) in [
            (JWT, &nothing, "no_caller"),
            (JWT, &authz, "no_caller"),
            (JWT, &verified, "people: u"),
            ("opaque", &nothing, "machines: t"),
            ("opaque", &authz, "machines: t"),
            ("unknown", &nothing, "no_caller"),
            ("unknown", &authz, "no_caller"),
        ] {
            let authorization = format!("Bearer {token}");
            assert_eq!(who(&list, &[authorization.as_bytes()], known), expected, "{token} {names:?}");
        }
    }
}

#[test]
fn every_error_says_where() {
    let with = |field: &str, value: Json| {
        let mut caller = bearer(&json!([{"token": hash("a")}]));
        caller["bearer"][field] = value;
        caller
    };
    let many: Vec<String> = (0..9).map(|n| hash(&n.to_string())).collect();
    let cases = [
        (with("tokens", json!([])), "callers[0].bearer.tokens: list at least one token, or name a `table`"),
        (
            with("tokens", json!([{"token": "plain"}])),
            "callers[0].bearer.tokens[0].token[0]: this is no keyed hash",
        ),
        (with("tokens", json!([{"token": []}])), "callers[0].bearer.tokens[0].token: give at least one"),
        (with("tokens", json!([{"token": many}])), "callers[0].bearer.tokens[0].token: give at most 8"),
        (
            with("tokens", json!([{"token": [hash("a"), hash("a")]}])),
            "callers[0].bearer.tokens[0].token: this token is listed twice",
        ),
        (
            with("tokens", json!([{"token": hash("a"), "tenants": {"claim": "x"}}])),
            "callers[0].bearer.tokens[0].tenants: users have no claims",
        ),
        (
            with("key", json!({"env": "NONE"})),
            "callers[0].bearer.key.env: the environment variable NONE is not set",
        ),
        (with("table", json!("nobody")), "callers[0].bearer.table: no table has this name"),
    ];
    for (caller, expected) in cases {
        let error = compile(caller).unwrap_err();
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
    let mut caller = bearer(&json!([{"token": hash("a")}]));
    caller["tenants"] = json!({"claim": "x"});
    assert!(compile(caller).unwrap_err().starts_with("callers[0].tenants: users have no claims"));
    let mut caller = bearer(&json!([{"token": hash("a"), "tenants": ["x"]}]));
    caller["tenants"] = Json::Null;
    compile(caller).unwrap();
}
