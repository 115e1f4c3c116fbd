//! Requests on their way out, and what the gateway's side makes of their proofs.

use super::*;
use crate::config::AgentConfig;
use crate::session::{BodyDigest, KeyRing, Proof};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const SECRET: &[u8] = b"k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const FRESH: Fresh = Fresh { time: 1_764_078_000, nonce: *b"0123456789abcdef" };

fn config() -> Json {
    json!({
        "role": "agent",
        "sign": {"attribute": "local", "agent": "central", "keys": {"env": "KEYS"},
                 "headers": {"X-Scope-Impersonate": "true"}},
        "limits": {"request_bytes": 10},
    })
}

fn compile(config: Json) -> Result<Signer, String> {
    let env = |name: &str| (name == "KEYS").then(|| SECRET.to_vec());
    AgentConfig::from_json(config)
        .and_then(|config| Signer::compile(&config, &env))
        .map_err(|error| error.to_string())
}

fn signing() -> Signing {
    Signing::new(Rc::new(compile(config()).unwrap()))
}

#[allow(clippy::unnecessary_wraps)] // others fail
fn fresh() -> Result<Fresh, &'static str> {
    Ok(FRESH)
}

const HEAD: &[(&str, &str)] = &[(":method", "POST"), (":path", "/api/v1/push?x=1"), ("content-type", "x")];

fn headers<'a>(head: &[(&'a str, &'a str)]) -> Headers<'a> {
    Headers::new(head.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect())
}

/// The proof that a request goes on with, after a check that its other headers are as they should be.
fn proof(step: Step) -> String {
    let Step::Continue(Changes { headers, body: None }) = step else { panic!("{step:?}") };
    assert_eq!(headers.set[0], ("x-scope-impersonate".to_owned(), "true".to_owned()));
    assert_eq!(headers.set[1].0, HEADER);
    assert_eq!(headers.set.len(), 2);
    headers.set[1].1.clone()
}

#[test]
fn every_request_goes_on_with_a_proof_of_its_own() {
    let keys = KeyRing::parse(SECRET).unwrap();
    for (chunks, body) in [(None, &b""[..]), (Some(vec![2, 4]), b"body"), (Some(vec![0]), b"")] {
        let (mut signing, mut worker) = (signing(), Worker::default());
        let foreign = [HEAD, &[(HEADER, "evil"), (HEADER, "worse"), ("x-scope-impersonate", "no")]].concat();
        let mut step = signing.head(&mut worker, &headers(&foreign), chunks.is_none(), &fresh);
        for size in chunks.into_iter().flatten() {
            assert!(matches!(step, Step::Buffer), "{step:?}");
            step = signing.body_progress(&mut worker, size);
        }
        if signing.wants_body() {
            step = signing.body(&mut worker, Ok(body.to_vec()), &fresh);
        }
        let Step::Continue(changes) = &step else { panic!("{step:?}") };
        assert_eq!(changes.headers.remove, [HEADER]);
        let value = proof(step);
        let proof = Proof::parse(value.as_bytes()).unwrap();
        assert_eq!((proof.claim.attribute, proof.claim.agent), ("local", "central"));
        assert_eq!(proof.claim.body, BodyDigest::of(body));
        assert_eq!(proof.verify(keys.find(proof.key), "POST", "/api/v1/push?x=1", FRESH.time, 0), Ok(()));
        // What went on stays gone.
        assert!(matches!(signing.body_progress(&mut worker, 99), Step::Continue(_)));
        assert!(matches!(signing.body(&mut worker, Ok(vec![1]), &fresh), Step::Continue(_)));
    }
}

#[test]
#[allow(clippy::type_complexity)] // tables are
fn what_cannot_be_signed_does_not_go_on() {
    let failing = || Err("there are no random bytes");
    let without_nonce = |s: &mut Signing, w: &mut Worker, _: Step| s.body(w, Ok(vec![]), &failing);
    let upgrade = [HEAD, &[("upgrade", "websocket")]].concat();
    let cases: Vec<(&[(&str, &str)], &dyn Fn(&mut Signing, &mut Worker, Step) -> Step, u16, &str)> = vec![
        (
            HEAD,
            &|s, w, _| s.body_progress(w, 11),
            413,
            "the body is larger than 10 bytes (limits.request_bytes)",
        ),
        (
            HEAD,
            &|s, w, _| s.body(w, Err("the body could not be read"), &fresh),
            503,
            "the body could not be read",
        ),
        (HEAD, &without_nonce, 503, "there are no random bytes"),
        (&HEAD[..1], &|_, _, step| step, 503, "no path that is text"),
        (&HEAD[1..], &|_, _, step| step, 503, "it has no method"),
        (&upgrade, &|_, _, step| step, 503, "an upgrade"),
        (&[(":method", "CONNECT"), (":path", "/")], &|_, _, step| step, 503, "an upgrade"),
    ];
    for (head, then, status, expected) in cases {
        let (mut signing, mut worker) = (signing(), Worker::default());
        let step = signing.head(&mut worker, &headers(head), false, &fresh);
        match then(&mut signing, &mut worker, step) {
            Step::Reply(reply) => {
                let text = String::from_utf8_lossy(&reply.body);
                assert_eq!(reply.status, status, "{text}");
                assert!(text.contains(expected), "{text}");
                let again = reply.headers.iter().any(|(name, _)| *name == "retry-after");
                assert_eq!(again, status == 503);
            }
            other => panic!("{expected}: {other:?}"),
        }
        let mut counted = 0;
        worker.tally.drain(&mut |_, _, by| counted += by);
        assert_eq!(counted, 1, "it is counted");
        assert!(!signing.wants_body());
        assert!(matches!(signing.body(&mut worker, Ok(Vec::new()), &fresh), Step::Wait), "it was answered");
    }
}

#[test]
fn every_error_says_where_and_what() {
    let with = |pointer: &str, value: Json| {
        let mut config = config();
        *config.pointer_mut(pointer).unwrap() = value;
        config
    };
    for (config, expected) in [
        (with("/role", json!("agents")), "role: unknown variant `agents`, expected `gateway` or `agent`"),
        (with("/sign/attribute", json!("a b")), "sign: an attribute is made of"),
        (with("/sign/agent", json!("a/b")), "sign: an attribute is made of"),
        (with("/sign/keys/env", json!("NONE")), "sign.keys.env: the environment variable NONE is not set"),
        (with("/sign/headers", json!({"Host": "x"})), "sign.headers.host: such a header cannot be set here"),
        (with("/sign/headers", json!({HEADER: "x"})), "sign.headers.x-scopegate-session: such a header"),
        (with("/sign/headers", json!({":path": "/"})), "sign.headers.:path: such a header"),
        (with("/sign/headers", json!({"a b": "x"})), "sign.headers.a b: such a header"),
        (with("/sign/headers", json!({"a": "x\r\nb: y"})), "sign.headers.a: such a header"),
        (with("/sign/headers", json!({"a": true})), "sign.headers.a: expected a string, found a boolean"),
        (with("/limits/request_bytes", json!(0)), "limits.request_bytes: 0 would refuse every request"),
        (with("/limits", json!({"series": 1})), "limits.series: unknown field"),
    ] {
        let error = compile(config).map(|_| ()).expect_err(expected);
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
}

proptest! {
    /// What was signed is good, and any change of a bit of it is not.
    #[test]
    fn what_was_signed_is_good_for_it_alone(
        method in "[A-Z]{1,8}",
        path in "/[ -~]{0,40}",
        body: Vec<u8>,
        time in 0_u64..1 << 40,
        nonce: [u8; 16],
        flip in (0_usize..3, any::<prop::sample::Index>(), 0_u32..8),
    ) {
        let signer = compile(config()).unwrap();
        let keys = KeyRing::parse(SECRET).unwrap();
        let value = signer.sign(&method, &path, &body, Fresh { time, nonce }).unwrap();
        let proof = Proof::parse(value.as_bytes()).unwrap();
        prop_assert_eq!((proof.claim.time, proof.claim.nonce), (time, nonce));
        prop_assert_eq!(proof.verify(keys.find(proof.key), &method, &path, time, 60), Ok(()));
        prop_assert!(proof.claim.body.fits(&body));

        let (which, at, bit) = flip;
        let mut parts = [method.into_bytes(), path.into_bytes(), body];
        if parts[which].is_empty() {
            parts[which].push(0);
        } else {
            let at = at.index(parts[which].len());
            parts[which][at] ^= 1 << bit;
        }
        let [method, path, body] = parts;
        let good = match (String::from_utf8(method), String::from_utf8(path)) {
            (Ok(method), Ok(path)) => proof.verify(keys.find(proof.key), &method, &path, time, 60).is_ok(),
            _ => false,
        };
        prop_assert!(!(good && proof.claim.body.fits(&body)));
    }
}
