//! Sessions: what another filter left about a request.

use serde_json::{Value as Json, json};

use super::super::testing::{Known, metadata};
use super::{callers, compile, who};

#[test]
fn a_namespace() {
    let callers = callers(&[json!({
        "metadata": {"namespace": "envoy.filters.http.ext_authz", "where": [{"claim": "kind", "in": ["agent", "7"]}]},
        "tenants": {"claim": ["attributes", "id"]},
    })]);
    let session = |content: Json| Some(metadata(&json!({"envoy.filters.http.ext_authz": content})));
    let cases: Vec<(&str, Option<Vec<u8>>, &str)> = vec![
        ("known", session(json!({"kind": "agent", "attributes": {"id": "a"}})), "it: a"),
        ("a number where names may be", session(json!({"kind": 7, "attributes": {"id": 8}})), "it: 8"),
        (
            "one of several",
            session(json!({"kind": ["x", "agent"], "attributes": {"id": ["b", "a"]}})),
            "it: a|b",
        ),
        ("of another kind", session(json!({"kind": "user", "attributes": {"id": "a"}})), "no_caller"),
        ("of no kind", session(json!({"attributes": {"id": "a"}})), "no_caller"),
        ("nothing", session(json!({})), "no_caller"),
        ("without a tenant", session(json!({"kind": "agent"})), "no_tenant"),
        ("with half a tenant", session(json!({"kind": "agent", "attributes": {"id": 0.5}})), "bad_claim"),
        ("another filter's", Some(metadata(&json!({"other": {"kind": "agent"}}))), "no_caller"),
        ("no metadata", None, "no_caller"),
        ("metadata that is broken", Some(b"\x0a\x7f".to_vec()), "no_caller"),
    ];
    for (what, content, expected) in cases {
        let mut known = Known::default();
        if let Some(content) = content {
            known.set("metadata", &content);
        }
        assert_eq!(who(&callers, &[], &known), expected, "{what}");
    }
}

/// Every condition must hold.
#[test]
fn several_conditions() {
    let conditions = json!([{"claim": "kind", "in": "agent"}, {"claim": "local", "in": ["yes", "1"]}]);
    let callers =
        callers(&[json!({"metadata": {"namespace": "authz", "where": conditions}, "tenants": ["a"]})]);
    for (session, expected) in [
        (json!({"kind": "agent", "local": "yes"}), "it: a"),
        (json!({"kind": "agent", "local": 1}), "it: a"),
        (json!({"kind": "agent", "local": true}), "no_caller"),
        (json!({"kind": "agent"}), "no_caller"),
        (json!({"local": "yes"}), "no_caller"),
    ] {
        let mut known = Known::default();
        known.set("metadata", &metadata(&json!({ "authz": session })));
        assert_eq!(who(&callers, &[], &known), expected, "{session}");
    }
}

/// Whoever a filter left anything about, where nothing more is asked for.
#[test]
fn a_namespace_without_conditions() {
    let callers = callers(&[json!({"metadata": {"namespace": "authz"}, "tenants": ["a"]})]);
    for (namespaces, expected) in [
        (json!({"authz": {}}), "it: a"),
        (json!({"authz": {"x": null}}), "it: a"),
        (json!({"other": {}}), "no_caller"),
    ] {
        let mut known = Known::default();
        known.set("metadata", &metadata(&namespaces));
        assert_eq!(who(&callers, &[], &known), expected, "{namespaces}");
    }
}

#[test]
fn filter_state() {
    let by_claim =
        callers(&[json!({"metadata": {"filter_state": "wasm.session"}, "tenants": {"claim": "tenant"}})]);
    let by_value =
        callers(&[json!({"metadata": {"filter_state": "wasm.session"}, "tenants": {"claim": "value"}})]);
    let conditional = callers(&[json!({
        "metadata": {"filter_state": "wasm.session", "where": [{"claim": "value", "in": "agent"}]}, "tenants": ["a"],
    })]);
    // (the text, by the claim `tenant`, by the claim `value`, where the value is `agent`)
    let cases: &[(&[u8], &str, &str, &str)] = &[
        (br#"{"tenant": "a"}"#, "it: a", "no_tenant", "no_caller"),
        (b" {\"tenant\": [\"b\", \"a\"]}\n", "it: a|b", "no_tenant", "no_caller"),
        (br#"{"tenant": "a", "tenant": "b"}"#, "it: b", "no_tenant", "no_caller"),
        (br#"{"tenant": {"a": 1}}"#, "bad_claim", "no_tenant", "no_caller"),
        (br#"{"tenant": 9007199254740993}"#, "bad_claim", "no_tenant", "no_caller"),
        (br#"{"value": "agent"}"#, "no_tenant", "it: agent", "it: a"),
        (b"agent", "no_tenant", "it: agent", "it: a"),
        // What is no object is a text like any other.
        (b"\"agent\"", "no_tenant", "bad_claim", "no_caller"),
        (b"[\"agent\"]", "no_tenant", "bad_claim", "no_caller"),
        (b"7", "no_tenant", "it: 7", "no_caller"),
        (b"null", "no_tenant", "it: null", "no_caller"),
        (b"{\"tenant\": \"a\"", "no_tenant", "bad_claim", "no_caller"),
        (b"{\"tenant\": \"a\"} x", "no_tenant", "bad_claim", "no_caller"),
        (b" ", "no_tenant", "bad_claim", "no_caller"),
        (b"fake", "no_tenant", "bad_claim", "no_caller"),
        // And what is no text is nothing.
        (b"", "no_caller", "no_caller", "no_caller"),
        (b"\xff", "no_caller", "no_caller", "no_caller"),
        (b"{\"tenant\": \"\xff\"}", "no_caller", "no_caller", "no_caller"),
    ];
    for (text, claim, value, condition) in cases {
        let mut known = Known::default();
        known.set("filter_state wasm.session", text);
        let got = [&by_claim, &by_value, &conditional].map(|callers| who(callers, &[], &known));
        assert_eq!(got, [*claim, *value, *condition], "{}", text.escape_ascii());
    }
    assert_eq!(who(&by_claim, &[], &Known::default()), "no_caller");
}

/// Nesting ends somewhere, and reading it does not end the filter.
#[test]
fn deep_nesting() {
    let callers = callers(&[json!({"metadata": {"filter_state": "s"}, "tenants": {"claim": "a"}})]);
    for (open, close) in [("{\"a\":", "}"), ("[", "]")] {
        let mut known = Known::default();
        let text = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        known.set("filter_state s", text.as_bytes());
        assert_eq!(who(&callers, &[], &known), "no_tenant");
    }
}

#[test]
fn one_place() {
    for wrong in [json!({}), json!({"namespace": "a", "filter_state": "b"})] {
        let error = compile(json!({"metadata": wrong, "tenants": ["a"]})).unwrap_err();
        assert_eq!(error, "callers[0].metadata: give exactly one of `namespace`, `filter_state`");
    }
}
