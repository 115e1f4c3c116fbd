//! A rejected credential costs as much as an accepted one: the work about secrets is counted, not timed. What compares them
//! takes the same time wherever they differ: `subtle`'s `ct_eq` and `hmac`'s `verify_slice`.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Around, Known, callers, who_with};
use crate::caller::testing::{KEY, SESSION_KEYS, hashed, work_of};
use crate::caller::{Caller, token_hash};
use crate::exchange::Alone;
use crate::session::{BodyDigest, Claim, HEADER, KeyRing};

const NOW: u64 = 1_764_078_000;

type Headers = Vec<(&'static str, String)>;

/// That each of these is (not) recognised, by the same work, which is returned.
fn same_work(list: &[Caller], cases: &[(&str, Headers, &str)]) -> Vec<&'static str> {
    let process = Rc::new(Alone::default());
    for caller in list {
        caller.make_slots(&*process).unwrap();
    }
    let known = Known { date: Some(NOW), process: Some(process), ..Known::default() };
    let mut first = None;
    for (what, headers, expected) in cases {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        let work = work_of(|| {
            assert_eq!(who_with(list, &headers, &known, &mut Around::default()), *expected, "{what}");
        });
        assert_eq!(*first.get_or_insert_with(|| work.clone()), work, "{what}");
    }
    first.unwrap_or_default()
}

#[test]
fn passwords() {
    let users = json!([
        {"username": "one", "password": hashed("one", b"right")},
        {"username": "two", "password": [hashed("two", b"old"), hashed("two", b"new")]},
    ]);
    let list = callers(&[json!({"basic": {"key": {"env": "KEY"}, "users": users}, "tenants": ["t"]})]);
    let basic = |text: &str| vec![("authorization", format!("Basic {}", STANDARD.encode(text)))];
    let work = same_work(
        &list,
        &[
            ("right", basic("one:right"), "it: t"),
            ("the first of two", basic("two:old"), "it: t"),
            ("the second of two", basic("two:new"), "it: t"),
            ("wrong from its first letter", basic("one:xight"), "bad_credential"),
            ("wrong at its last letter", basic("one:righx"), "bad_credential"),
            ("neither of two", basic("two:x"), "bad_credential"),
            ("empty", basic("one:"), "bad_credential"),
            ("an unknown user", basic("nobody:right"), "no_caller"),
            ("no user", basic(":"), "no_caller"),
        ],
    );
    // As many comparisons as a user can have passwords.
    assert_eq!(work, [&["hash"][..], &["compare"; 8]].concat());
}

#[test]
fn tokens() {
    let hash = token_hash(KEY, b"right").unwrap();
    let list =
        callers(&[json!({"bearer": {"key": {"env": "KEY"}, "tokens": [{"token": hash}]}, "tenants": ["t"]})]);
    let bearer = |token: &str| vec![("authorization", format!("Bearer {token}"))];
    let work = same_work(
        &list,
        &[
            ("right", bearer("right"), "it: t"),
            ("wrong", bearer("xight"), "no_caller"),
            ("wrong at its end", bearer("righx"), "no_caller"),
            ("a JWT", bearer("eyJhbGciOiJub25lIn0.e30."), "no_caller"),
            ("empty", bearer(""), "no_caller"),
        ],
    );
    // It is looked up by its hash, which nobody can choose without the key.
    assert_eq!(work, ["hash"]);
}

#[test]
fn secrets_of_proxies() {
    let secret = json!({"secret": {"header": "x-proxy-secret", "env": "KEY"}});
    let list =
        callers(&[json!({"header": {"claims": {"user": "x-user"}, "proof": secret}, "tenants": ["{user}"]})]);
    let right = core::str::from_utf8(KEY).unwrap().to_owned();
    let with = |secrets: &[&str]| -> Headers {
        let secrets = secrets.iter().map(|secret| ("x-proxy-secret", (*secret).to_owned()));
        [("x-user", "ann".to_owned())].into_iter().chain(secrets).collect()
    };
    let work = same_work(
        &list,
        &[
            ("right", with(&[&right]), "it: ann"),
            ("wrong", with(&["wrong"]), "unproven_header"),
            ("wrong at its end", with(&[&right.replace("bytes", "bytex")]), "unproven_header"),
            ("a part of it", with(&[&right[..5]]), "unproven_header"),
            ("more than it", with(&[&format!("{right}x")]), "unproven_header"),
            ("empty", with(&[""]), "unproven_header"),
            ("none", with(&[]), "unproven_header"),
            ("twice", with(&[&right, &right]), "unproven_header"),
        ],
    );
    assert_eq!(work, [&["hash"][..], &["compare"; 8]].concat());
}

#[test]
fn proofs_of_sessions() {
    let list = callers(&[
        json!({"session": {"attribute": "local", "keys": {"env": "SESSION_KEYS"}}, "tenants": {"claim": "agent"}}),
    ]);
    let proof = |keys: &str, time, nonce| {
        let claim =
            Claim { attribute: "local", agent: "a", time, nonce: [nonce; 16], body: BodyDigest::of(b"") };
        claim.sign(&KeyRing::parse(keys.as_bytes()).unwrap(), "POST", "/api/v1/push").unwrap()
    };
    let with = |proof: String| -> Headers {
        vec![(":method", "POST".to_owned()), (":path", "/api/v1/push".to_owned()), (HEADER, proof)]
    };
    let old = SESSION_KEYS.split_once(',').unwrap().1;
    let work = same_work(
        &list,
        &[
            ("right", with(proof(SESSION_KEYS, NOW, 1)), "it: a"),
            ("by the old key", with(proof(old, NOW, 2)), "it: a"),
            ("by another secret", with(proof(&old.replace("AAEC", "BBEC"), NOW, 3)), "bad_proof"),
            ("by an unknown key", with(proof(&old.replace("k1:", "k3:"), NOW, 4)), "bad_proof"),
            ("for another", with(proof(SESSION_KEYS, NOW, 5).replace("agent=a", "agent=b")), "bad_proof"),
            ("old", with(proof(SESSION_KEYS, NOW - 999, 6)), "stale_proof"),
            ("again", with(proof(SESSION_KEYS, NOW, 1)), "replayed_proof"),
        ],
    );
    // Each is checked once; the proofs above were made before, by the same code.
    assert_eq!(work, ["mac"]);
}
