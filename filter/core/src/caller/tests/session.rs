//! Sessions: whose proof it is, and what becomes of one that is not good.

use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::{Around, Known, callers, compile};
use crate::caller::testing::{SESSION_KEYS, metadata};
use crate::caller::{Caller, Evidence, first, recognise};
use crate::exchange::{Alone, Process};
use crate::http::Headers;
use crate::session::{BodyDigest, Claim, HEADER, KeyRing};

const NOW: u64 = 1_764_078_000;
const PATH: &str = "/api/v1/push";

fn entry() -> Json {
    json!({"name": "agent", "session": {"attribute": "local", "keys": {"env": "SESSION_KEYS"}},
           "tenants": {"claim": "agent"}})
}

/// A session, then what everybody is that another filter let in.
fn with_a_weaker_one() -> Vec<Caller> {
    let weaker = json!({"name": "weaker", "metadata": {"namespace": "n"}, "tenants": ["weak"]});
    callers(&[entry(), weaker])
}

fn known(callers: &[Caller]) -> Known {
    let process = Rc::new(Alone::default());
    for caller in callers {
        caller.make_slots(&*process).unwrap();
    }
    let mut known = Known { date: Some(NOW), process: Some(process), ..Known::default() };
    known.set("metadata", &metadata(&json!({"n": {"x": true}})));
    known
}

fn claim(attribute: &'static str, time: u64, nonce: u8) -> Claim<'static> {
    Claim { attribute, agent: "central", time, nonce: [nonce; 16], body: BodyDigest::of(b"body") }
}

fn proof(claim: Claim<'_>, keys: &str) -> String {
    claim.sign(&KeyRing::parse(keys.as_bytes()).unwrap(), "POST", PATH).unwrap()
}

/// Who it is, or the reason of the refusal.
fn who(callers: &[Caller], head: &[(&str, &str)], known: &Known) -> String {
    let head = [&[(":method", "POST"), (":path", PATH)], head].concat();
    let headers = Headers::new(head.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect());
    let evidence = Evidence::new(&headers, known).unwrap();
    let mut around = Around::default();
    let mut lookup = around.lookup();
    let found = first(callers, &evidence, &mut lookup, &mut |_, _| ())
        .and_then(|found| Ok((found.identity(&[], &mut lookup)?, found)));
    match found {
        Ok((identity, found)) => {
            let proven = identity.caller == 0;
            assert_eq!(found.body(), proven.then(|| BodyDigest::of(b"body")));
            format!("{}: {}", callers[identity.caller].name, identity.tenants.header())
        }
        Err(refusal) => format!("{} {}", refusal.status(), refusal.reason()),
    }
}

#[test]
fn a_proof_that_is_not_good_never_falls_through() {
    let callers = with_a_weaker_one();
    let good = |nonce| proof(claim("local", NOW, nonce), SESSION_KEYS);
    let old_key = SESSION_KEYS.split_once(',').unwrap().1;
    let unknown = old_key.replace("k1:", "k3:");
    let another = old_key.replace("AAEC", "BBEC");
    let local = |time| proof(claim("local", time, 9), SESSION_KEYS);
    let cases: Vec<(&str, Vec<String>, &str)> = vec![
        ("none", vec![], "weaker: weak"),
        ("good", vec![good(1)], "agent: central"),
        ("made with the old key", vec![proof(claim("local", NOW, 2), old_key)], "agent: central"),
        ("of another attribute", vec![proof(claim("other", NOW, 3), SESSION_KEYS)], "weaker: weak"),
        ("under an unknown key", vec![proof(claim("local", NOW, 4), &unknown)], "401 bad_proof"),
        ("under another secret", vec![proof(claim("local", NOW, 4), &another)], "401 bad_proof"),
        ("old", vec![local(NOW - 61)], "401 stale_proof"),
        ("from the future", vec![local(NOW + 61)], "401 stale_proof"),
        ("just in time", vec![local(NOW - 60)], "agent: central"),
        ("cut", vec![good(5)[1..].to_owned()], "401 bad_proof"),
        ("cut at the end", vec![good(5)[..100].to_owned()], "401 bad_proof"),
        ("empty", vec![String::new()], "401 bad_proof"),
        ("twice the same", vec![good(6), good(6)], "400 repeated_header"),
        ("two", vec![good(6), good(7)], "400 repeated_header"),
        ("joined", vec![format!("{},{}", good(6), good(7))], "401 bad_proof"),
        ("in another attribute's name", vec![good(6).replace("=local,", "=other,")], "weaker: weak"),
        ("by another agent", vec![good(6).replace("central", "cluster-1")], "401 bad_proof"),
        // None of these has used it up.
        ("good at last", vec![good(6)], "agent: central"),
        ("again", vec![good(6)], "401 replayed_proof"),
    ];
    let known = known(&callers);
    for (what, values, expected) in cases {
        let head: Vec<(&str, &str)> = values.iter().map(|value| (HEADER, value.as_str())).collect();
        assert_eq!(who(&callers, &head, &known), expected, "{what}");
    }
}

#[test]
fn what_the_proof_does_not_cover() {
    let callers = with_a_weaker_one();
    let known = known(&callers);
    let value = proof(claim("local", NOW, 1), SESSION_KEYS);
    assert_eq!(who(&callers, &[(HEADER, &value), ("upgrade", "websocket")], &known), "401 bad_proof");
    for head in [[(":method", "PUT"), (":path", PATH)], [(":method", "POST"), (":path", "/api/v1/push?")]] {
        let head = [&head[..], &[(HEADER, &value)]].concat();
        let headers = Headers::new(head.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect());
        let refusal =
            recognise(&callers, &headers, &known, &[], &mut Around::default().lookup()).unwrap_err();
        assert_eq!(refusal.reason(), "bad_proof");
    }
    assert_eq!(who(&callers, &[(HEADER, &value)], &known), "agent: central");
}

/// Without a clock, or a memory, no proof is good, and nobody else is taken for its sender.
#[test]
fn what_cannot_be_checked_is_not_good() {
    let callers = with_a_weaker_one();
    let value = proof(claim("local", NOW, 1), SESSION_KEYS);
    let slotless: Rc<dyn Process> = Rc::new(Alone::default());
    for (date, process) in [(None, known(&callers).process), (Some(NOW), None), (Some(NOW), Some(slotless))] {
        let known = Known { date, process, ..known(&callers) };
        assert_eq!(who(&callers, &[(HEADER, &value)], &known), "500 host");
        assert_eq!(who(&callers, &[], &known), "weaker: weak");
    }
}

/// More than the configuration says are refused for a while, and may be sent again.
#[test]
fn a_full_memory_refuses() {
    let mut entry = entry();
    entry["session"]["window"] = json!("1s");
    entry["session"]["rate"] = json!(1);
    let callers = callers(&[entry]);
    let known = known(&callers);
    let keys = KeyRing::parse(SESSION_KEYS.as_bytes()).unwrap();
    let mut refused = 0;
    for number in 0_u32..6_000 {
        let nonce = [[0; 12].as_slice(), &number.to_be_bytes()].concat().try_into().unwrap();
        let claim = Claim { nonce, ..claim("local", NOW, 0) };
        let value = claim.sign(&keys, "POST", PATH).unwrap();
        match who(&callers, &[(HEADER, &value)], &known).as_str() {
            "agent: central" => {}
            "503 overloaded" => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!((1_000..6_000).contains(&refused), "{refused}");
}

/// A request without credentials is told so in other words than one whose credentials are nobody's.
#[test]
fn nobodys_proof_is_a_credential() {
    let callers = callers(&[entry()]);
    let value = proof(claim("other", NOW, 3), SESSION_KEYS);
    let text = |head: &[(&str, &str)]| {
        let headers = Headers::new(head.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect());
        recognise(&callers, &headers, &known(&callers), &[], &mut Around::default().lookup())
            .unwrap_err()
            .to_string()
    };
    assert!(text(&[]).starts_with("no credentials"));
    assert!(text(&[(HEADER, &value)]).starts_with("these credentials are not accepted"));
}

#[test]
fn every_error_says_where_and_what() {
    let with = |field: &str, value: Json| {
        let mut entry = entry();
        entry["session"][field] = value;
        compile(entry).map(|_| ()).unwrap_err()
    };
    for (error, expected) in [
        (with("attribute", json!("a b")), "callers[0].session.attribute: an attribute is made of 1 to 64"),
        (with("attribute", json!("")), "callers[0].session.attribute: an attribute is made of 1 to 64"),
        (
            with("keys", json!({"env": "NO"})),
            "callers[0].session.keys.env: the environment variable NO is not",
        ),
        (with("keys", json!({"env": "KEY"})), "callers[0].session.keys.env: a key is written as ID:SECRET"),
        (with("window", json!("999ms")), "callers[0].session.window: give \"1s\" to \"10m\""),
        (with("window", json!("11m")), "callers[0].session.window: give \"1s\" to \"10m\""),
        (with("rate", json!(0)), "callers[0].session.rate: give at least 1, and at most 1000000 requests"),
        (with("rate", json!(20_000)), "callers[0].session.rate: give at least 1, and at most 1000000"),
    ] {
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
    compile(entry()).unwrap();
    assert!(!format!("{:?}", callers(&[entry()])).contains("AAEC"));
}
