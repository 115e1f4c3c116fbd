//! Keys of sessions out of a table: they come and go, and each may be one agent's alone.

use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::{Around, Known, Tabled, compile_with, who_with};
use crate::caller::testing::{SESSION_KEYS, work_of};
use crate::caller::{Caller, token_hash};
use crate::config::{self, TableConfig};
use crate::exchange::Alone;
use crate::session::{BodyDigest, Claim, HEADER, KeyRing};
use crate::table::{Fetched, TableRules, Tables};

const NOW: u64 = 1_764_078_000;
const PATH: &str = "/api/v1/push";
/// Secrets of 32 bytes.
const ONE: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const TWO: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY";

/// A worker with the table `keys`, which is not there yet.
fn around(until_loaded: &str) -> Around {
    let table = json!({"http": {"cluster": "c", "path": "/keys"}, "until_loaded": until_loaded});
    let table = config::read::<TableConfig>(&table).unwrap();
    let rules = vec![TableRules::credentials("keys", &table).unwrap()];
    let credentials = Tables::new(&rules, Rc::new(Alone::default()), 1);
    Around { credential_rules: rules, credentials, ..Around::default() }
}

/// The table as its server gives it next.
fn load(around: &mut Around, keys: &Json, now: u64) {
    for get in around.credentials.tick(now) {
        let fetched = Fetched { status: Ok(200), body: Some(keys.to_string().into_bytes()) };
        assert_eq!(around.credentials.answered(get.id, fetched, now), None);
    }
}

fn entry(keys: &Json) -> Json {
    json!({"name": "agents", "session": {"attribute": "local", "keys": keys}, "tenants": {"claim": "agent"}})
}

fn list(around: &Around, keys: &Json) -> Vec<Caller> {
    let tabled = Tabled { tenants: &[], credentials: &around.credential_rules };
    vec![compile_with(entry(keys), tabled).unwrap()]
}

fn known(callers: &[Caller]) -> Known {
    let process = Rc::new(Alone::default());
    for caller in callers {
        caller.make_slots(&*process).unwrap();
    }
    Known { date: Some(NOW), process: Some(process), ..Known::default() }
}

/// A proof by this key, with a nonce of its own.
fn proof(id: &str, secret: &str, agent: &str, nonce: u8) -> String {
    let keys = KeyRing::parse(format!("{id}:{secret}").as_bytes()).unwrap();
    let claim = Claim { attribute: "local", agent, time: NOW, nonce: [nonce; 16], body: BodyDigest::of(b"") };
    claim.sign(&keys, "POST", PATH).unwrap()
}

fn who(callers: &[Caller], proof: &str, known: &Known, around: &mut Around) -> String {
    let head = [(":method", "POST"), (":path", PATH), (HEADER, proof)];
    let head: Vec<_> = head.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    who_with(callers, &head, known, around)
}

#[test]
fn keys_come_and_go() {
    let mut around = around("refuse");
    let callers = list(&around, &json!({"table": "keys"}));
    let known = known(&callers);
    let ask = |around: &mut Around, id: &str, secret: &str, agent: &str, nonce: u8| {
        who(&callers, &proof(id, secret, agent, nonce), &known, around)
    };
    assert_eq!(ask(&mut around, "one", ONE, "a", 1), "table_not_loaded");
    load(&mut around, &json!({"one": {"secret": ONE}}), 0);
    // What was answered 503 has not used up its proof.
    assert_eq!(ask(&mut around, "one", ONE, "a", 1), "agents: a");
    assert_eq!(ask(&mut around, "one", ONE, "a", 1), "replayed_proof");
    assert_eq!(ask(&mut around, "two", TWO, "a", 2), "bad_proof");
    load(
        &mut around,
        &json!({"one": {"secret": ONE}, "two": {"secret": TWO, "agent": "b"},
                "three": {"secret": TWO, "agent": "c", "tenants": ["x", "y"]},
                "user": {"password": [], "tenants": ["evil"]}, "bad": {"secret": TWO, "tenant": "evil"}}),
        100_000,
    );
    for (what, id, secret, agent, expected) in [
        ("the old one", "one", ONE, "a", "agents: a"),
        ("of any agent", "one", ONE, "b", "agents: b"),
        ("its own agent's", "two", TWO, "b", "agents: b"),
        ("another agent's", "two", TWO, "a", "bad_proof"),
        ("another secret", "two", ONE, "b", "bad_proof"),
        ("tenants of its own", "three", TWO, "c", "agents: x|y"),
        ("no key", "user", TWO, "b", "bad_proof"),
        ("no entry", "bad", TWO, "b", "bad_proof"),
        ("unknown", "four", TWO, "b", "bad_proof"),
    ] {
        let nonce = u8::try_from(what.len()).unwrap() + 10;
        assert_eq!(ask(&mut around, id, secret, agent, nonce), expected, "{what}");
    }
    // The old one leaves the table.
    load(&mut around, &json!({"two": {"secret": TWO, "agent": "b"}}), 200_000);
    assert_eq!(ask(&mut around, "one", ONE, "a", 3), "bad_proof");
    assert_eq!(ask(&mut around, "two", TWO, "b", 4), "agents: b");
    // And comes back: what was used before is used.
    load(&mut around, &json!({"one": {"secret": ONE}}), 300_000);
    assert_eq!(ask(&mut around, "one", ONE, "a", 1), "replayed_proof");
}

#[test]
fn the_environment_goes_before_the_table() {
    let mut around = around("refuse");
    let callers = list(&around, &json!({"env": "SESSION_KEYS", "table": "keys"}));
    let known = known(&callers);
    let (id, secret) = SESSION_KEYS.split(',').next().unwrap().split_once(':').unwrap();
    // It needs no table.
    assert_eq!(who(&callers, &proof(id, secret, "a", 1), &known, &mut around), "agents: a");
    assert_eq!(who(&callers, &proof("one", ONE, "a", 2), &known, &mut around), "table_not_loaded");
    load(&mut around, &json!({(id): {"secret": TWO}, "one": {"secret": ONE}}), 0);
    assert_eq!(who(&callers, &proof("one", ONE, "a", 2), &known, &mut around), "agents: a");
    assert_eq!(who(&callers, &proof(id, TWO, "a", 3), &known, &mut around), "bad_proof");
    assert_eq!(who(&callers, &proof(id, secret, "a", 4), &known, &mut around), "agents: a");
}

#[test]
fn a_table_that_may_be_missing_knows_nobody() {
    let mut around = around("default");
    let callers = list(&around, &json!({"table": "keys"}));
    let known = known(&callers);
    assert_eq!(who(&callers, &proof("one", ONE, "a", 1), &known, &mut around), "bad_proof");
}

/// A key that stands where a token is looked up is no token.
#[test]
fn a_key_is_no_token() {
    let mut around = around("refuse");
    let tabled = Tabled { tenants: &[], credentials: &around.credential_rules };
    let bearer = json!({"bearer": {"key": {"env": "KEY"}, "table": "keys"}, "tenants": ["t"]});
    let callers = vec![compile_with(bearer, tabled).unwrap()];
    let hash = |token: &[u8]| token_hash(crate::caller::testing::KEY, token).unwrap();
    load(&mut around, &json!({(hash(b"token")): {}, (hash(b"key")): {"secret": ONE}}), 0);
    let mut ask = |token: &str| {
        let authorization = format!("Bearer {token}");
        let head = [(&b"authorization"[..], authorization.as_bytes())];
        who_with(&callers, &head, &Known::default(), &mut around)
    };
    assert_eq!(ask("token"), "it: t");
    assert_eq!(ask("key"), "no_caller");
}

/// Whether a key is known, and whose it is, costs the same: one MAC.
#[test]
fn every_proof_costs_one_mac() {
    let mut around = around("refuse");
    let callers = list(&around, &json!({"table": "keys"}));
    let known = known(&callers);
    load(&mut around, &json!({"one": {"secret": ONE, "agent": "a"}}), 0);
    for (id, secret, agent, expected) in [
        ("one", ONE, "a", "agents: a"),
        ("one", TWO, "a", "bad_proof"),
        ("one", ONE, "b", "bad_proof"),
        ("two", ONE, "a", "bad_proof"),
    ] {
        let value = proof(id, secret, agent, 1);
        let work = work_of(|| assert_eq!(who(&callers, &value, &known, &mut around), expected));
        assert_eq!(work, ["mac"], "{id} {agent}");
    }
}

#[test]
fn every_error_says_where_and_what() {
    let around = around("refuse");
    let tabled = Tabled { tenants: &[], credentials: &around.credential_rules };
    for (keys, expected) in [
        (json!({}), "callers[0].session.keys: name a variable (`env`), a `table`, or both"),
        (json!({"table": "no"}), "callers[0].session.keys.table: no table has this name; there are under"),
        (json!({"env": "NO", "table": "keys"}), "callers[0].session.keys.env: the environment variable NO"),
    ] {
        let error = compile_with(entry(&keys), tabled).map(|_| ()).unwrap_err();
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
}
