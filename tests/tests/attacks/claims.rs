//! Claims of tokens that are good, with contents that are no tenants.

use anyhow::Result;
use scopegate_tests::client::Call;
use scopegate_tests::remote_write::WriteRequest;
use serde_json::{Value, json};

use crate::gateway::{Attack, ByEnvoy, Expected, Filter, Gateway, QUERY, Reaches, Upstream};

const TYPE: Expected = Filter(403, "must be a string or a list of strings");
const NO_ID: Expected = Filter(403, "names something that is no tenant");
const NONE: Expected = Filter(403, "has no tenant");

#[tokio::test]
async fn claims_that_are_no_tenants() -> Result<()> {
    let gateway = Gateway::start(Upstream::Http1).await?;
    let long = |n: usize| "x".repeat(n);
    let cases: Vec<(Value, Expected)> = vec![
        (json!("a"), Reaches("a")),
        (json!(["b", "a", "a"]), Reaches("a|b")),
        (json!(7), Reaches("7")),
        (json!(-1), Reaches("-1")),
        (json!(9_007_199_254_740_991_u64), Reaches("9007199254740991")),
        // Types.
        (json!(9_007_199_254_740_993_u64), TYPE),
        (json!(u64::MAX), TYPE),
        (json!(1.5), TYPE),
        (json!(1e300), TYPE),
        (json!(true), TYPE),
        (json!(false), TYPE),
        (json!({}), TYPE),
        (json!({"a": "b"}), TYPE),
        (json!({"a": {"b": {"c": ["a"]}}}), TYPE),
        (json!([["a"]]), TYPE),
        (json!([[]]), TYPE),
        (json!([{"a": "a"}]), TYPE),
        (json!(["a", null]), TYPE),
        (json!(["a", true]), TYPE),
        (json!(["a", 1.5]), TYPE),
        (json!(null), NONE),
        (json!([]), NONE),
        // Texts.
        (json!(""), NO_ID),
        (json!(["a", ""]), NO_ID),
        (json!(" "), NO_ID),
        (json!(" a"), NO_ID),
        (json!("a|b"), NO_ID),
        (json!("a,b"), NO_ID),
        (json!("a\nb"), NO_ID),
        (json!("a\r\nx-scope-orgid: evil"), NO_ID),
        (json!("a\u{0}"), NO_ID),
        (json!("a/b"), NO_ID),
        (json!("../a"), NO_ID),
        (json!("."), NO_ID),
        (json!(".."), NO_ID),
        (json!("a\\b"), NO_ID),
        (json!("a%2Fb"), NO_ID),
        (json!("a:b"), NO_ID),
        (json!("a\"b"), NO_ID),
        (json!("a{}"), NO_ID),
        (json!("__markers__"), NO_ID),
        (json!("user-index.json.gz"), NO_ID),
        (json!("fake"), NO_ID),
        (json!(["a", "fake"]), NO_ID),
        // Lookalikes of `a`: Cyrillic, full width, with a combining mark, after an invisible character, right to left.
        (json!("\u{430}"), NO_ID),
        (json!("\u{ff41}"), NO_ID),
        (json!("a\u{301}"), NO_ID),
        (json!("\u{200b}a"), NO_ID),
        (json!("\u{202e}a"), NO_ID),
        (json!("\u{feff}a"), NO_ID),
        (json!("a\u{ff5c}b"), NO_ID),
        // Length.
        (json!(long(151)), NO_ID),
        (json!(long(20_000)), NO_ID),
        // More than all headers may be; the filter never sees it.
        (json!(long(100_000)), ByEnvoy(431)),
        (json!((0..600).map(|n| n.to_string()).collect::<Vec<_>>()), Filter(400, "at most 500 tenants")),
    ];
    let mut attacks = Vec::new();
    for (claim, expected) in &cases {
        let token = gateway.idp.token(json!({"tenant": claim}));
        let what: String = claim.to_string().chars().take(60).collect();
        let calls = [Call::get(QUERY), Call::get(QUERY).tenant("evil"), WriteRequest::realistic(1).push()];
        let [read, choosing, write] = calls.map(|call| call.bearer(&token));
        match expected {
            Reaches("a|b") => {
                attacks.push(Attack::http2(&what, write, Filter(400, "this write names no tenant")));
            }
            Reaches(_) => attacks.push(Attack::http2(&what, write, *expected)),
            Filter(400, _) => {}
            // Over HTTP/2 Envoy resets the stream.
            ByEnvoy(_) => {
                attacks.push(Attack::http1(&what, read, *expected));
                continue;
            }
            _ => attacks.extend([
                Attack::http2(&what, write, *expected),
                Attack::http1(format!("{what}, choosing"), choosing, *expected),
            ]),
        }
        attacks.extend(Attack::both(&what, &read, *expected));
    }
    // A second claim does not make the first one good, nor does it hide it.
    for (claims, expected) in [
        (json!({"tenant": true, "groups": ["tenant:a"]}), TYPE),
        (json!({"tenant": null, "groups": ["tenant:a"]}), Reaches("a")),
        (json!({"tenant": "a", "groups": ["tenant:"]}), NO_ID),
        (json!({"tenant": "a", "groups": ["tenant:fake"]}), NO_ID),
        (json!({"tenant": "a", "groups": ["Tenant:evil", " tenant:evil", "xtenant:evil"]}), Reaches("a")),
        (json!({"tenant": "a", "groups": {"tenant:evil": 1}}), TYPE),
        (json!({"tenant": "a", "groups": "tenant:b"}), Reaches("a|b")),
        (json!({"Tenant": "evil", "TENANT": "evil", "tenant ": "evil", "x.tenant": "evil"}), NONE),
    ] {
        let token = gateway.idp.token(claims.clone());
        attacks.extend(Attack::both(&claims.to_string(), &Call::get(QUERY).bearer(&token), expected));
    }
    gateway.withstand(attacks).await
}
