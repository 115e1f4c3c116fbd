//! From claims to tenants.

use serde_json::{Value as Json, json};

use super::super::testing::Known;
use super::{callers, compile, who};

/// The tenants that an expression makes of claims, or the reason there are none.
fn tenants(expression: &Json, claims: &Json) -> String {
    let callers = callers(&[json!({"metadata": {"filter_state": "s"}, "tenants": expression})]);
    let mut known = Known::default();
    known.set("filter_state s", claims.to_string().as_bytes());
    let who = who(&callers, &[], &known);
    who.strip_prefix("it: ").unwrap_or(&who).to_owned()
}

#[test]
fn expressions() {
    let claim = json!({"claim": "t"});
    let prefixed = json!({"claim": "groups", "prefix": "tenant:"});
    let union = json!({"union": [{"claim": "t"}, prefixed, "always"]});
    let first = json!({"first": [{"claim": "t"}, prefixed, ["x", "y"]]});
    let nested =
        json!({"union": [{"first": [{"claim": "t"}, "default"]}, {"first": [{"claim": "groups"}, "none"]}]});
    let long = "a".repeat(150);
    let longer = "a".repeat(151);
    let cases: Vec<(&Json, Json, &str)> = vec![
        (&claim, json!({"t": "a"}), "a"),
        (&claim, json!({"t": ["b", "a", "b"]}), "a|b"),
        (&claim, json!({"t": 7}), "7"),
        (&claim, json!({"t": [7, "a"]}), "7|a"),
        (&claim, json!({"t": 7.0}), "7"),
        (&claim, json!({"t": long}), &long),
        (&claim, json!({}), "no_tenant"),
        (&claim, json!({"t": null}), "no_tenant"),
        (&claim, json!({"t": []}), "no_tenant"),
        // What is there and names no tenant is never passed over.
        (&claim, json!({"t": ""}), "bad_claim"),
        (&claim, json!({"t": "a|b"}), "bad_claim"),
        (&claim, json!({"t": "a/b"}), "bad_claim"),
        (&claim, json!({"t": " a"}), "bad_claim"),
        (&claim, json!({"t": "a\n"}), "bad_claim"),
        (&claim, json!({"t": "ä"}), "bad_claim"),
        (&claim, json!({"t": longer}), "bad_claim"),
        (&claim, json!({"t": ".."}), "bad_claim"),
        (&claim, json!({"t": "__markers__"}), "bad_claim"),
        (&claim, json!({"t": "fake"}), "bad_claim"),
        (&claim, json!({"t": ["a", "fake"]}), "bad_claim"),
        (&claim, json!({"t": ["a", ""]}), "bad_claim"),
        (&claim, json!({"t": ["a", null]}), "bad_claim"),
        (&claim, json!({"t": ["a", ["b"]]}), "bad_claim"),
        (&claim, json!({"t": {"a": "b"}}), "bad_claim"),
        (&claim, json!({"t": true}), "bad_claim"),
        (&claim, json!({"t": 0.5}), "bad_claim"),
        (&claim, json!({"t": 9_007_199_254_740_992_u64}), "bad_claim"),
        (&claim, json!({"t": 9_007_199_254_740_991_u64}), "9007199254740991"),
        (&claim, json!({"t": 1e300}), "bad_claim"),
        (&prefixed, json!({"groups": ["tenant:a", "other", "xtenant:b", "TENANT:c"]}), "a"),
        (&prefixed, json!({"groups": "tenant:a"}), "a"),
        (&prefixed, json!({"groups": ["other"]}), "no_tenant"),
        (&prefixed, json!({"groups": [7]}), "no_tenant"),
        (&prefixed, json!({"groups": ["tenant:"]}), "bad_claim"),
        (&prefixed, json!({"groups": ["tenant:a", "tenant:b|c"]}), "bad_claim"),
        (&prefixed, json!({"groups": ["tenant:fake"]}), "bad_claim"),
        (&prefixed, json!({"groups": ["tenant:tenant:a"]}), "bad_claim"),
        (&prefixed, json!({"groups": ["tenant:a", true]}), "bad_claim"),
        (&union, json!({"t": "b", "groups": ["tenant:a"]}), "a|always|b"),
        (&union, json!({}), "always"),
        (&union, json!({"t": "always"}), "always"),
        (&union, json!({"t": "a", "groups": 0.5}), "bad_claim"),
        (&first, json!({"t": "b", "groups": ["tenant:a"]}), "b"),
        (&first, json!({"t": [], "groups": ["tenant:a"]}), "a"),
        (&first, json!({"groups": ["other"]}), "x|y"),
        // The first that is there decides, even if it is wrong.
        (&first, json!({"t": "", "groups": ["tenant:a"]}), "bad_claim"),
        (&first, json!({"t": true, "groups": ["tenant:a"]}), "bad_claim"),
        // And the others are not asked.
        (&first, json!({"t": "b", "groups": true}), "b"),
        (&nested, json!({"t": "default"}), "default|none"),
        (&nested, json!({"groups": ["default"]}), "default"),
        (&nested, json!({"t": "a", "groups": "b"}), "a|b"),
    ];
    for (expression, claims, expected) in cases {
        assert_eq!(tenants(expression, &claims), expected, "{expression} of {claims}");
    }
}

/// `fake` is what backends call the data of an installation without tenants: here only a configuration leads there.
#[test]
fn fake_is_spelled_out_or_nobodys() {
    assert_eq!(tenants(&json!("fake"), &json!({})), "fake");
    assert_eq!(tenants(&json!({"first": [{"claim": "t"}, "fake"]}), &json!({})), "fake");
    assert_eq!(tenants(&json!(["fake", {"claim": "t"}]), &json!({"t": "fake"})), "bad_claim");
}

#[test]
fn what_is_refused_at_load() {
    let cases = [
        (json!([]), "callers[0].tenants: name at least one tenant"),
        (json!({"union": []}), "callers[0].tenants: name at least one tenant"),
        (json!({"first": ["a", {"union": []}]}), "callers[0].tenants[1]: name at least one tenant"),
        (json!("a|b"), "callers[0].tenants: a tenant ID is made of"),
        (json!(""), "callers[0].tenants: a tenant ID must not be empty"),
        (json!(["a", ".."]), "callers[0].tenants[1]: this name is reserved"),
        (json!({"claim": []}), "callers[0].tenants.claim: name the claim"),
        (json!({"prefix": "x"}), "tenants: give exactly one of `claim`"),
        (json!({"union": ["a"], "prefix": "x"}), "tenants: give exactly one of `claim`"),
        (json!({"claim": "a", "first": ["b"]}), "tenants: give exactly one of `claim`"),
        (json!(7), "tenants: expected a tenant, a list, {claim: …}"),
        (json!({"claim": 7}), "tenants.claim: expected a string or a list of strings, found a number"),
    ];
    for (expression, expected) in cases {
        let error = compile(json!({"metadata": {"namespace": "n"}, "tenants": expression})).unwrap_err();
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
}
