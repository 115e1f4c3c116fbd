//! Headers of a proxy, with and without the proof that it is that proxy.

use serde_json::{Value as Json, json};

use super::super::testing::{Known, metadata};
use super::{Around, callers, compile, who_with};
use crate::caller::Caller;

fn proxy(name: &str, proof: &Json) -> Json {
    json!({"name": name, "header": {"claims": {"user": "X-Auth-User", "groups": "x-auth-groups"}, "proof": proof},
        "tenants": {"union": ["of-{user}", {"claim": "groups", "split": ",", "prefix": "t-"}]}})
}

fn asked(list: &[Caller], headers: &[(&str, &str)], known: &Known) -> String {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    who_with(list, &headers, known, &mut Around::default())
}

const USER: (&str, &str) = ("x-auth-user", "ann");
const SECRET: (&str, &str) = ("x-proxy-secret", "a key of at least sixteen bytes");

#[test]
fn only_with_the_proof() {
    let secret = json!({"secret": {"header": "X-Proxy-Secret", "env": "KEY"}});
    let certificate = json!({"certificate": {"dns_san": "proxy.example.org"}});
    let address = json!({"address": ["10.0.0.0/8", "fd00::1"]});
    let both = json!({"address": "10.0.0.0/8", "secret": {"header": "X-Proxy-Secret", "env": "KEY"}});
    let nobody = Known::default();
    let mut from_proxy = Known::default();
    from_proxy.set("connection mtls", &[1]);
    from_proxy.set("connection dns_san_peer_certificate", b"proxy.example.org");
    from_proxy.set("filter_state scopegate.peer", b"10.1.2.3");
    // What Envoy calls the source is no proof.
    from_proxy.set("source address", b"192.0.2.1:99");
    let mut elsewhere = Known::default();
    elsewhere.set("filter_state scopegate.peer", b"192.0.2.1");
    elsewhere.set("source address", b"10.1.2.3:99");
    elsewhere.set("connection mtls", &[1]);
    elsewhere.set("connection dns_san_peer_certificate", b"other.example.org");
    let cases: &[(&Json, &[(&str, &str)], &Known, &str)] = &[
        (&secret, &[USER, SECRET], &nobody, "p: of-ann"),
        (&secret, &[USER, ("x-auth-groups", "t-a,x,t-b"), SECRET], &nobody, "p: a|b|of-ann"),
        (&secret, &[("x-auth-groups", "t-a"), SECRET], &nobody, "p: a"),
        (&secret, &[("x-auth-groups", "x"), SECRET], &nobody, "no_tenant"),
        (&secret, &[USER], &nobody, "unproven_header"),
        (&secret, &[("x-auth-groups", "t-a")], &nobody, "unproven_header"),
        (&secret, &[USER, ("x-proxy-secret", "")], &nobody, "unproven_header"),
        (&secret, &[USER, ("x-proxy-secret", "a key of at least sixteen byte")], &nobody, "unproven_header"),
        (&secret, &[USER, SECRET, SECRET], &nobody, "unproven_header"),
        (&secret, &[USER], &from_proxy, "unproven_header"),
        (&secret, &[USER, ("x-auth-user", "bob"), SECRET], &nobody, "identity_header"),
        (&secret, &[SECRET], &nobody, "no_caller"),
        (&secret, &[("x-auth-user", " "), SECRET], &nobody, "no_caller"),
        (&secret, &[("x-auth-user", "a/b"), SECRET], &nobody, "bad_claim"),
        (&certificate, &[USER], &from_proxy, "p: of-ann"),
        (&certificate, &[USER], &elsewhere, "unproven_header"),
        (&certificate, &[USER], &nobody, "unproven_header"),
        (&address, &[USER], &from_proxy, "p: of-ann"),
        (&address, &[USER], &elsewhere, "unproven_header"),
        (&address, &[USER], &nobody, "unproven_header"),
        (&both, &[USER, SECRET], &from_proxy, "p: of-ann"),
        (&both, &[USER, SECRET], &elsewhere, "unproven_header"),
        (&both, &[USER], &from_proxy, "unproven_header"),
    ];
    for (proof, headers, known, expected) in cases {
        assert_eq!(asked(&callers(&[proxy("p", proof)]), headers, known), *expected, "{proof} {headers:?}");
    }
}

/// Without its proof a header is not passed over for something weaker; only another entry for the same header counts.
#[test]
fn an_unproven_header_is_final() {
    let secret = json!({"secret": {"header": "x-proxy-secret", "env": "KEY"}});
    let address = json!({"address": "10.0.0.0/8"});
    let session = json!({"name": "session", "metadata": {"namespace": "authz"}, "tenants": ["s"]});
    let anonymous = json!({"name": "all", "anonymous": {}, "tenants": ["public"]});
    let other =
        json!({"name": "o", "header": {"claims": {"user": "x-other"}, "proof": secret}, "tenants": ["o"]});
    let list = callers(&[proxy("p", &secret), session, proxy("q", &address), other, anonymous]);
    let mut known = Known::default();
    known.set("metadata", &metadata(&json!({"authz": {}})));
    let mut near = Known::default();
    near.set("filter_state scopegate.peer", b"10.0.0.1");
    let none = Known::default();
    let other = ("x-other", "x");
    let cases: &[(&[(&str, &str)], &Known, &str)] = &[
        (&[USER, SECRET], &known, "p: of-ann"),
        (&[USER], &known, "unproven_header"),
        (&[USER], &none, "unproven_header"),
        (&[USER], &near, "q: of-ann"),
        (&[], &known, "session: s"),
        (&[], &none, "all: public"),
        (&[SECRET], &none, "all: public"),
        (&[other, SECRET], &none, "o: o"),
        (&[other], &none, "unproven_header"),
        // Another header, proven, does not make this one good.
        (&[USER, other], &near, "q: of-ann"),
        (&[USER, ("authorization", "Bearer x")], &none, "unproven_header"),
    ];
    for (headers, known, expected) in cases {
        assert_eq!(asked(&list, headers, known), *expected, "{headers:?}");
    }
}

#[test]
fn certificates_that_a_proxy_tells_of() {
    let list = callers(&[
        json!({
            "name": "mesh", "tenants": ["{ns}"],
            "header": {"forwarded_certificate": {"uri_san": "spiffe://example.org/ns/{ns}/sa/agent"},
                "proof": {"secret": {"header": "x-proxy-secret", "env": "KEY"}}},
        }),
        json!({"name": "all", "anonymous": {}, "tenants": ["public"]}),
    ]);
    let xfcc = "x-forwarded-client-cert";
    let good = r#"Hash=00;Subject="CN=a,O=\"x\"";URI=spiffe://example.org/ns/shop/sa/agent;DNS=a"#;
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[(xfcc, good), SECRET], "mesh: shop"),
        (&[(xfcc, good)], "unproven_header"),
        (&[(xfcc, "URI=a;URI=spiffe://example.org/ns/shop/sa/agent"), SECRET], "mesh: shop"),
        (&[(xfcc, "URI=spiffe://example.org/ns/shop/sa/other"), SECRET], "no_caller"),
        (&[(xfcc, "URI=spiffe://example.org/ns/shop/sa/agent,URI=x"), SECRET], "identity_header"),
        (&[(xfcc, "x"), SECRET], "identity_header"),
        (&[(xfcc, ""), SECRET], "identity_header"),
        (&[(xfcc, good), (xfcc, good), SECRET], "identity_header"),
        (&[SECRET], "all: public"),
    ];
    for (headers, expected) in cases {
        assert_eq!(asked(&list, headers, &Known::default()), *expected, "{headers:?}");
    }
}

#[test]
fn every_error_says_where() {
    let secret = json!({"secret": {"header": "x-s", "env": "KEY"}});
    let claims = json!({"user": "x-auth-user"});
    let cases = [
        (json!({"proof": secret}), "callers[0].header: give exactly one of `claims`"),
        (json!({"claims": claims, "proof": {}}), "callers[0].header.proof: give at least one of"),
        (
            json!({"claims": {"user": "Authorization"}, "proof": secret}),
            "callers[0].header.claims.user: name a header",
        ),
        (
            json!({"claims": {"user": ":path"}, "proof": secret}),
            "callers[0].header.claims.user: name a header",
        ),
        (
            json!({"claims": claims, "proof": {"address": "10.0.0.0/40"}}),
            "callers[0].header.proof.address[0]: an address is",
        ),
        (
            json!({"claims": claims, "proof": {"secret": {"header": "x-s", "env": "NONE"}}}),
            "callers[0].header.proof.secret.env: the environment variable NONE",
        ),
        (
            json!({"claims": claims, "proof": {"secret": {"header": "x-s", "env": []}}}),
            "callers[0].header.proof.secret.env: name at least one",
        ),
        (
            json!({"claims": claims, "proof": {"certificate": {}}}),
            "callers[0].header.proof.certificate: give at least one of",
        ),
    ];
    for (header, expected) in cases {
        let error = compile(json!({"header": header, "tenants": ["t"]})).unwrap_err();
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
    let error =
        compile(json!({"header": {"claims": claims, "proof": secret}, "tenants": ["{id}"]})).unwrap_err();
    assert!(error.starts_with("callers[0].tenants: there is no `id` here; there are: user"), "{error}");
}
