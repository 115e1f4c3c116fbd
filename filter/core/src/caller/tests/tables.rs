//! Users and tokens out of tables, before and after they are there.

use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::super::testing::{KEY, Known, hashed};
use super::{Around, Tabled, compile_with, who_with};
use crate::caller::{Caller, token_hash};
use crate::config::{self, TableConfig};
use crate::exchange::Alone;
use crate::table::{Fetched, TableRules, Tables};
use base64::Engine as _;

fn around(until_loaded: &str) -> Around {
    let config = |path: &str| {
        let table = json!({"http": {"cluster": "c", "path": path}, "until_loaded": until_loaded});
        config::read::<TableConfig>(&table).unwrap()
    };
    let rules = ["passwords", "tokens"]
        .map(|name| TableRules::credentials(name, &config(&format!("/{name}"))).unwrap())
        .into_iter()
        .collect::<Vec<_>>();
    let credentials = Tables::new(&rules, Rc::new(Alone::default()), 1);
    Around { credential_rules: rules, credentials, ..Around::default() }
}

fn list(around: &Around) -> Vec<Caller> {
    let tabled = Tabled { tenants: &[], credentials: &around.credential_rules };
    let listed = json!([{"username": "listed", "password": hashed("listed", b"p"), "tenants": ["l"]}]);
    [
        json!({"name": "users", "basic": {"key": {"env": "KEY"}, "table": "passwords", "users": listed},
            "tenants": {"union": ["team-{team}", {"claim": "more"}]}}),
        json!({"name": "machines", "bearer": {"key": {"env": "KEY"}, "table": "tokens"},
            "grants": [{"where": [{"claim": "role", "in": "admin"}], "tenants": ["*"]}]}),
        json!({"name": "all", "anonymous": {}, "tenants": ["public"]}),
    ]
    .map(|caller| compile_with(caller, tabled).unwrap())
    .into_iter()
    .collect()
}

/// Answers every GET that is due.
fn load(around: &mut Around, passwords: &Json, tokens: &Json, now: u64) {
    for get in around.credentials.tick(now) {
        let is_tokens = get.headers.iter().any(|(name, value)| *name == ":path" && value == "/tokens");
        let body = if is_tokens { tokens } else { passwords };
        let fetched = Fetched { status: Ok(200), body: Some(body.to_string().into_bytes()) };
        assert_eq!(around.credentials.answered(get.id, fetched, now), None);
    }
}

fn asked(list: &[Caller], around: &mut Around, authorization: &str) -> String {
    who_with(list, &[(b"authorization", authorization.as_bytes())], &Known::default(), around)
}

fn basic(user: &str, password: &str) -> String {
    let credentials = format!("{user}:{password}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
}

#[test]
fn users_and_tokens_come_and_go_without_a_new_configuration() {
    let mut around = around("refuse");
    let list = list(&around);
    let token = |text: &str| token_hash(KEY, text.as_bytes()).unwrap();
    // Before the tables are there nobody who needs them is told that it is wrong, and nobody else waits.
    for (authorization, expected) in [
        (basic("ann", "a1"), "table_not_loaded"),
        ("Bearer t1".to_owned(), "table_not_loaded"),
        (basic("listed", "p"), "users: l"),
        (basic("listed", "x"), "bad_credential"),
        ("Bearer eyJhbGciOiJub25lIn0.e30.".to_owned(), "no_caller"),
    ] {
        assert_eq!(asked(&list, &mut around, &authorization), expected, "{authorization}");
    }
    assert_eq!(who_with(&list, &[], &Known::default(), &mut around), "all: public");
    load(
        &mut around,
        &json!({
            "ann": {"password": [hashed("ann", b"a1"), hashed("ann", b"a2")], "tenants": ["a", "b"]},
            "bob": {"password": hashed("bob", b"b"), "claims": {"team": "x", "more": ["m"]}},
            "cid": {"password": hashed("cid", b"c")},
            "dan": {"password": hashed("ann", b"d"), "tenants": "d"},
            "eve": {"tenants": "e"},
            "listed": {"password": hashed("listed", b"q"), "tenants": "wrong"},
            "odd": {"password": "plain"},
        }),
        &json!({
            (token("t1")): {"tenants": ["t"]}, (token("t2")): {"claims": {"role": "admin"}}, (token("t3")): {},
            "plain": {"tenants": "x"},
        }),
        0,
    );
    for (authorization, expected) in [
        (basic("ann", "a1"), "users: a|b"),
        (basic("ann", "a2"), "users: a|b"),
        (basic("ann", "a3"), "bad_credential"),
        (basic("bob", "b"), "users: m|team-x"),
        (basic("cid", "c"), "no_tenant"),
        // A hash that was made for another name is none for this one.
        (basic("dan", "d"), "bad_credential"),
        (basic("eve", ""), "bad_credential"),
        (basic("odd", "plain"), "no_caller"),
        (basic("nobody", "x"), "no_caller"),
        // What the configuration lists goes before the table.
        (basic("listed", "p"), "users: l"),
        (basic("listed", "q"), "bad_credential"),
        ("Bearer t1".to_owned(), "machines: t"),
        ("Bearer t2".to_owned(), "machines:  +"),
        ("Bearer t3".to_owned(), "no_tenant"),
        ("Bearer plain".to_owned(), "no_caller"),
        ("Bearer t4".to_owned(), "no_caller"),
    ] {
        assert_eq!(asked(&list, &mut around, &authorization), expected, "{authorization}");
    }
    // The next table takes the place of the one before: who is gone is gone, who is new is known.
    load(
        &mut around,
        &json!({"ann": {"password": hashed("ann", b"a2"), "tenants": ["a"]}}),
        &json!({(token("t4")): {"tenants": ["t"]}}),
        70_000,
    );
    for (authorization, expected) in [
        (basic("ann", "a1"), "bad_credential"),
        (basic("ann", "a2"), "users: a"),
        (basic("bob", "b"), "no_caller"),
        ("Bearer t1".to_owned(), "no_caller"),
        ("Bearer t4".to_owned(), "machines: t"),
    ] {
        assert_eq!(asked(&list, &mut around, &authorization), expected, "{authorization}");
    }
}

#[test]
fn a_table_that_counts_as_empty_until_it_is_there() {
    let mut around = around("default");
    let list = list(&around);
    assert_eq!(asked(&list, &mut around, &basic("ann", "a1")), "no_caller");
    assert_eq!(asked(&list, &mut around, "Bearer t1"), "no_caller");
}
