use super::*;
use crate::session::Proof;
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

fn headers<'a>(more: &[(&'a str, &'a str)]) -> Headers<'a> {
    let head = [(":method", "POST"), (":path", "/api/v1/push?x=1"), ("content-type", "x")];
    Headers::new([&head, more].concat().iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect())
}

/// The proof that a request goes on with, after a check that its other headers are as they should be.
fn proof(step: Step) -> String {
    let Step::Continue(Changes { headers, body: None }) = step else { panic!("{step:?}") };
    assert_eq!(headers.set[0], ("x-scope-impersonate".to_owned(), "true".to_owned()));
    assert_eq!(headers.set[1].0, HEADER);
    headers.set[1].1.clone()
}

#[test]
fn every_request_goes_on_with_a_proof_of_its_own() {
    let keys = KeyRing::parse(SECRET).unwrap();
    for (chunks, body) in [(None, &b""[..]), (Some(vec![2, 4]), b"body"), (Some(vec![0]), b"")] {
        let mut signing = signing();
        let mut step =
            signing.head(&headers(&[(HEADER, "evil"), (HEADER, "worse")]), chunks.is_none(), FRESH);
        for size in chunks.into_iter().flatten() {
            assert!(matches!(step, Step::Buffer), "{step:?}");
            step = signing.body_progress(size);
        }
        if signing.wants_body() {
            step = signing.body(Ok(body.to_vec()), FRESH);
        }
        let Step::Continue(changes) = &step else { panic!("{step:?}") };
        assert_eq!(changes.headers.remove, [HEADER]);
        let value = proof(step);
        let proof = Proof::parse(value.as_bytes()).unwrap();
        assert_eq!((proof.claim.attribute, proof.claim.agent), ("local", "central"));
        assert_eq!(proof.claim.body, body_digest(body));
        assert_eq!(proof.verify(&keys, "POST", "/api/v1/push?x=1", FRESH.time, 0), Ok(()));
        // What went on stays gone.
        assert!(matches!(signing.body_progress(99), Step::Continue(_)));
        assert!(matches!(signing.body(Ok(vec![1]), FRESH), Step::Continue(_)));
    }
}

#[test]
fn what_cannot_be_signed_does_not_go_on() {
    for (step, status) in [
        (Box::new(|s: &mut Signing| s.body_progress(11)) as Box<dyn Fn(&mut Signing) -> Step>, 413),
        (Box::new(|s: &mut Signing| s.body(Err("the body could not be read"), FRESH)), 500),
    ] {
        let mut signing = signing();
        signing.head(&headers(&[]), false, FRESH);
        match step(&mut signing) {
            Step::Reply(reply) => assert_eq!(reply.status, status),
            other => panic!("{other:?}"),
        }
        assert!(matches!(signing.body(Ok(Vec::new()), FRESH), Step::Wait), "it was answered");
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
        (with("/role", json!("agents")), "role: unknown variant `agents`, expected `agent`"),
        (with("/sign/attribute", json!("a b")), "sign: an attribute is made of"),
        (with("/sign/agent", json!("a/b")), "sign: an attribute is made of"),
        (with("/sign/keys/env", json!("NONE")), "sign.keys.env: the environment variable NONE is not set"),
        (with("/sign/headers", json!({"Host": "x"})), "sign.headers.host: this header cannot be set here"),
        (with("/sign/headers", json!({HEADER: "x"})), "sign.headers.x-scopegate-session: this header"),
        (with("/sign/headers", json!({"a": true})), "sign.headers.a: expected a string, found a boolean"),
    ] {
        let error = compile(config).map(|_| ()).expect_err(expected);
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
}
