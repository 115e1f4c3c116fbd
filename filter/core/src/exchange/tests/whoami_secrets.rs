//! No secret of any source is told, to whomever it is and in whatever form: each request brings what proves its caller,
//! and what is nobody's business besides.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::{World, answer, text};
use crate::caller::testing::{KEY, SESSION_KEYS, hashed, metadata};
use crate::caller::token_hash;
use crate::config::CallerConfig;
use crate::session::{BodyDigest, Claim, HEADER, KeyRing};

const NOW: u64 = 1_764_078_000;
const PATH: &str = "/-/scopegate/whoami";
/// What no page may show stands in requests with this word, or under a name of its own below.
const MARKER: &str = "marker";
/// A token with the form of a JWT.
const JWT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiJtYXJrZXIifQ.c2lnbmF0dXJl";
const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// One entry of each source, in the order of the list of sources but for `anonymous`, which comes last there too.
fn config() -> Json {
    let key = json!({"env": "KEY"});
    let token = token_hash(KEY, b"marker-token").unwrap();
    let user = json!({"username": "ann", "password": hashed("ann", b"marker-password")});
    let mut callers = json!([
        {"jwt": {"provider": "idp", "issuer": "https://idp", "where": [{"claim": "role", "in": "dev"}]}, "tenants": ["t"]},
        {"metadata": {"namespace": "ext", "where": [{"claim": "ok", "in": "yes"}]}, "tenants": ["t"]},
        {"basic": {"key": key, "users": [user]}, "tenants": ["t"]},
        {"bearer": {"key": key, "tokens": [{"token": token}]}, "tenants": ["t"]},
        {"certificate": {"uri_san": "spiffe://x/{id}", "sha256": DIGEST}, "tenants": ["{id}"]},
        {"header": {"claims": {"user": "x-user", "unasked": "x-unasked"},
                    "proof": {"secret": {"header": "x-proxy-secret", "env": "KEY"}}}, "tenants": ["{user}"]},
        {"session": {"attribute": "local", "keys": {"env": "SESSION_KEYS"}}, "tenants": {"claim": "agent"}},
        {"anonymous": {}, "tenants": ["public"]},
    ]);
    for (caller, source) in callers.as_array_mut().unwrap().iter_mut().zip(sources()) {
        (caller["name"], caller["may"]) = (json!(format!("by-{source}")), json!(["read"]));
    }
    json!({"backends": [{"name": "metrics", "kind": "cortex"}], "callers": callers, "whoami": {}})
}

fn sources() -> impl Iterator<Item = &'static str> {
    CallerConfig::SOURCES.split(", ")
}

/// A proof, by the first of the keys.
fn proof() -> String {
    let claim =
        Claim { attribute: "local", agent: "a", time: NOW, nonce: [7; 16], body: BodyDigest::of(b"") };
    claim.sign(&KeyRing::parse(SESSION_KEYS.as_bytes()).unwrap(), "GET", PATH).unwrap()
}

/// The credential of a source: its headers, what other filters left, and what Envoy knows of the connection.
fn credential(source: &str) -> (Vec<(&'static str, String)>, Json, Vec<(&'static str, &'static [u8])>) {
    let authorization = |value: String| vec![("authorization", value)];
    let left = json!({"envoy.filters.http.jwt_authn": {"idp": {"iss": "https://idp", "role": ["dev"], "jti": "marker"}}});
    match source {
        "jwt" => (authorization(format!("Bearer {JWT}")), left, vec![]),
        "metadata" => (vec![], json!({"ext": {"ok": "yes", "more": "marker"}}), vec![]),
        "basic" => {
            let encoded = STANDARD.encode("ann:marker-password");
            (authorization(format!("Basic {encoded}")), json!({}), vec![])
        }
        "bearer" => (authorization("Bearer marker-token".to_owned()), json!({}), vec![]),
        "certificate" => {
            let peer: Vec<(_, &[u8])> = vec![
                ("connection mtls", &[1]),
                ("connection uri_san_peer_certificate", b"spiffe://x/a"),
                ("connection subject_peer_certificate", b"CN=marker"),
                ("connection sha256_peer_certificate_digest", DIGEST.as_bytes()),
            ];
            (vec![], json!({}), peer)
        }
        "header" => {
            let secret = String::from_utf8(KEY.to_vec()).unwrap();
            let headers = vec![
                ("x-user", "ann".to_owned()),
                ("x-unasked", "marker".into()),
                ("x-proxy-secret", secret),
            ];
            (headers, json!({}), vec![])
        }
        "session" => (vec![(HEADER, proof())], json!({}), vec![]),
        _ => (vec![], json!({}), vec![]),
    }
}

#[test]
fn no_secret_of_any_source_is_told() {
    let mut secrets = vec![MARKER.to_owned(), "hmac-sha256".into(), "https://idp".into(), DIGEST.into()];
    secrets.push(String::from_utf8(KEY.to_vec()).unwrap());
    secrets.push(STANDARD.encode("ann:marker-password"));
    secrets.extend(JWT.split('.').map(str::to_owned));
    secrets.extend(SESSION_KEYS.split([',', ':']).filter(|part| part.len() > 8).map(str::to_owned));
    for field in ["nonce=", "body=", "mac="] {
        secrets.push(proof().split(',').find_map(|part| part.strip_prefix(field)).unwrap().to_owned());
    }
    for source in sources() {
        for accept in ["application/json", "text/html"] {
            let mut world = World::new(config());
            world.policy.make_slots(&*world.worker.process).unwrap();
            (world.known.date, world.known.process) = (Some(NOW), Some(Rc::clone(&world.worker.process)));
            let (mut head, left, connection) = credential(source);
            world.know("metadata", &metadata(&left));
            for (name, value) in connection {
                world.know(name, value);
            }
            head.extend([":method", ":path", "accept", "cookie", "x-other"].into_iter().zip([
                "GET".to_owned(),
                PATH.to_owned(),
                accept.to_owned(),
                "marker=marker".to_owned(),
                "marker".to_owned(),
            ]));
            let head: Vec<(&str, &str)> = head.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let reply = answer(world.arrives(&head, true).1);
            assert_eq!(reply.status, 200, "{source}: {}", text(&reply));
            let told = format!("{} {:?}", text(&reply), reply.headers);
            // It is the page of whom it should be, and tells of all the others.
            if accept == "text/html" {
                let own = format!("<dt><b>caller</b></dt><dd>by-{source}</dd>");
                assert!(told.contains(&own), "{source}: {told}");
            } else {
                let page: Json = serde_json::from_str(text(&reply)).unwrap();
                assert_eq!(page["caller"], json!(format!("by-{source}")), "{told}");
            }
            assert!(sources().all(|other| told.contains(&format!("by-{other}"))), "{source}: {told}");
            for secret in &secrets {
                assert!(!told.contains(secret.as_str()), "{source}: {secret} is in {told}");
            }
        }
    }
}

/// Every reason that an entry may have is explained by the page.
#[test]
fn every_reason_is_in_the_documentation() {
    let page = include_str!("../../../../../docs/whoami.md");
    let sources = [
        include_str!("../../caller/basic.rs"),
        include_str!("../../caller/bearer.rs"),
        include_str!("../../caller/certificate.rs"),
        include_str!("../../caller/header.rs"),
        include_str!("../../caller/jwt.rs"),
        include_str!("../../caller/metadata.rs"),
        include_str!("../../caller/mod.rs"),
        include_str!("../../caller/session.rs"),
    ];
    let mut reasons = 0;
    for source in sources {
        for (at, _) in source.match_indices("Why::Words(\"") {
            let (_, words) = source[at..].split_once('"').unwrap();
            let (words, _) = words.split_once('"').unwrap();
            assert!(page.contains(&format!("| `{words}` |")), "`{words}` is not explained");
            reasons += 1;
        }
    }
    assert!(reasons > 10, "{reasons}");
}
