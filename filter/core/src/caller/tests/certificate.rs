//! Certificates of clients, as Envoy tells of them.

use serde_json::{Value as Json, json};

use super::super::testing::Known;
use super::{callers, compile, who};

const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A peer with a certificate.
fn peer(attributes: &[(&str, &str)]) -> Known {
    let mut known = Known::default();
    known.set("connection mtls", &[1]);
    for (name, value) in attributes {
        known.set(
            &format!("connection {name}_peer_certificate{}", if *name == "sha256" { "_digest" } else { "" }),
            value.as_bytes(),
        );
    }
    known
}

fn certificate(fields: &Json, tenants: &Json) -> Json {
    json!({"certificate": fields, "tenants": tenants})
}

#[test]
fn names_and_digests() {
    let agent = json!({"uri_san": "spiffe://example.org/agent/{id}"});
    let host = json!({"dns_san": ["{id}.agents.example.org", "{id}.old.example.org"]});
    let subject = json!({"subject": "CN={id},OU=agents,O=Example"});
    let digest = json!({"sha256": DIGEST});
    let all = json!({"uri_san": "spiffe://example.org/ns/{ns}/sa/{sa}", "dns_san": "gw.example.org", "sha256": DIGEST.to_uppercase()});
    let (id, t, ns, both) = (json!(["{id}"]), json!(["t"]), json!(["{ns}"]), json!(["{ns}", "of-{sa}"]));
    let cases: Vec<(&Json, &Json, Known, &str)> = vec![
        (&agent, &id, peer(&[("uri_san", "spiffe://example.org/agent/a-7")]), "it: a-7"),
        (&agent, &id, peer(&[("uri_san", "spiffe://example.org/agent/a/7")]), "no_caller"),
        (&agent, &id, peer(&[("uri_san", "spiffe://example.com/agent/a-7")]), "no_caller"),
        (&agent, &id, peer(&[("uri_san", "spiffe://example.org/agent/..")]), "bad_claim"),
        (&agent, &id, peer(&[("uri_san", "spiffe://example.org/agent/fake")]), "bad_claim"),
        (&agent, &id, peer(&[("uri_san", "")]), "no_caller"),
        (&agent, &id, peer(&[("dns_san", "spiffe://example.org/agent/a-7")]), "no_caller"),
        (&agent, &id, peer(&[]), "no_caller"),
        (&host, &id, peer(&[("dns_san", "a-7.agents.example.org")]), "it: a-7"),
        (&host, &id, peer(&[("dns_san", "a-7.old.example.org")]), "it: a-7"),
        (&host, &id, peer(&[("dns_san", "x.a-7.agents.example.org")]), "no_caller"),
        (&subject, &id, peer(&[("subject", "CN=a-7,OU=agents,O=Example")]), "it: a-7"),
        (
            &subject,
            &id,
            peer(&[("subject", r"CN=x\\,OU=agents\\,O=Example\\,CN=a-7,OU=agents,O=Example")]),
            "no_caller",
        ),
        (&subject, &id, peer(&[("subject", "CN=a-7,OU=agents,O=Example,C=CH")]), "no_caller"),
        (&digest, &t, peer(&[("sha256", DIGEST)]), "it: t"),
        (&digest, &t, peer(&[("sha256", &DIGEST[..62])]), "no_caller"),
        (&digest, &t, peer(&[]), "no_caller"),
        (
            &all,
            &both,
            peer(&[
                ("uri_san", "spiffe://example.org/ns/shop/sa/web"),
                ("dns_san", "gw.example.org"),
                ("sha256", DIGEST),
            ]),
            "it: of-web|shop",
        ),
        (
            &all,
            &ns,
            peer(&[("uri_san", "spiffe://example.org/ns/shop/sa/web"), ("dns_san", "gw.example.org")]),
            "no_caller",
        ),
    ];
    for (fields, tenants, known, expected) in cases {
        let list = callers(&[certificate(fields, tenants)]);
        assert_eq!(who(&list, &[], &known), expected, "{fields}");
        // A name without a certificate that was presented is nobody's.
        let mut without = known;
        without.forget("connection mtls");
        assert_eq!(who(&list, &[], &without), "no_caller", "{fields}, without TLS");
        without.set("connection mtls", &[0]);
        assert_eq!(who(&list, &[], &without), "no_caller", "{fields}, without a certificate");
    }
}

#[test]
fn every_error_says_where() {
    let cases = [
        (json!({}), json!(["t"]), "callers[0].certificate: give at least one of"),
        (json!({"uri_san": ""}), json!(["t"]), "callers[0].certificate.uri_san[0]: give a text"),
        (json!({"uri_san": "a/{b"}), json!(["t"]), "callers[0].certificate.uri_san[0]: a `{` has no"),
        (
            json!({"dns_san": ["{a}.x", "{b}.x"]}),
            json!(["t"]),
            "callers[0].certificate.dns_san[1]: the patterns of one field",
        ),
        (
            json!({"dns_san": "{a}.x", "subject": "CN={a}"}),
            json!(["t"]),
            "callers[0].certificate.subject: another field",
        ),
        (json!({"sha256": "abc"}), json!(["t"]), "callers[0].certificate.sha256[0]: a digest is"),
        (
            json!({"uri_san": "x/{id}"}),
            json!(["{other}"]),
            "callers[0].tenants: there is no `other` here; there are: id",
        ),
        (
            json!({"uri_san": "x"}),
            json!([{"claim": "id"}]),
            "callers[0].tenants: there is no `id` here; there are: none",
        ),
    ];
    for (fields, tenants, expected) in cases {
        let error = compile(certificate(&fields, &tenants)).unwrap_err();
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
}
