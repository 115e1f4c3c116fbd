//! A header that narrows a caller's tenants: what it takes away, and that it adds nothing.

use serde_json::{Value as Json, json};

use super::super::testing::Known;
use super::{Around, Caller, Tabled, compile_with, who_with};
use crate::caller::{Identity, recognise};
use crate::config::{self, TableConfig};
use crate::http::Headers;
use crate::table::TableRules;

const HEADER: &str = "x-grafana-org-id";

fn around(table: &Json) -> Around {
    let config = config::read::<TableConfig>(table).unwrap();
    Around { rules: vec![TableRules::tenants("orgs", &config).unwrap()], ..Around::default() }
}

fn listed() -> Around {
    around(
        &json!({"static": {"1": "a", "2": "b", "3": "other", "4": "fake", "5": "a", "6": "team-x", "7": "x*"}}),
    )
}

fn caller(more: &[(&str, Json)], around: &Around) -> Result<Caller, String> {
    let mut caller = json!({
        "metadata": {"filter_state": "s"},
        "tenants": {"claim": "t"},
        "narrow": {"header": "X-Grafana-Org-Id", "table": "orgs"},
    });
    for (field, value) in more {
        caller[*field] = value.clone();
    }
    compile_with(caller, Tabled { tenants: &around.rules, ..Tabled::default() })
}

fn known(tenants: &[&str]) -> Known {
    let mut known = Known::default();
    known.set("filter_state s", json!({"t": tenants, "role": "ops"}).to_string().as_bytes());
    known
}

/// The tenants that are left, or the reason.
fn left(around: &mut Around, more: &[(&str, Json)], own: &[&str], values: &[&[u8]]) -> String {
    let callers = [caller(more, around).unwrap()];
    let headers: Vec<_> = values.iter().map(|value| (HEADER.as_bytes(), *value)).collect();
    let who = who_with(&callers, &headers, &known(own), around);
    who.strip_prefix("it: ").unwrap_or(&who).to_owned()
}

#[test]
fn it_only_takes_away() {
    let ab: &[&str] = &["a", "b"];
    let cases: &[(&[&str], &[&[u8]], &str)] = &[
        // Absent: all of them.
        (ab, &[], "a|b"),
        (&["a"], &[], "a"),
        // In the table, and among the caller's.
        (ab, &[b"1"], "a"),
        (ab, &[b"2"], "b"),
        (&["a"], &[b"1"], "a"),
        // Two organisations of one tenant.
        (ab, &[b"5"], "a"),
        // In the table, and not among them.
        (ab, &[b"3"], "narrow"),
        (&["b"], &[b"1"], "narrow"),
        (ab, &[b"4"], "narrow"),
        // Not in the table.
        (ab, &[b"9"], "narrow"),
        (ab, &[b"a"], "narrow"),
        // Malformed.
        (ab, &[b""], "narrow"),
        (ab, &[b"01"], "narrow"),
        (ab, &[b"+1"], "narrow"),
        (ab, &[b" 1"], "narrow"),
        (ab, &[b"1 "], "narrow"),
        (ab, &[b"1,2"], "narrow"),
        (ab, &[b"1|2"], "narrow"),
        (ab, &[b"1\0"], "narrow"),
        (ab, &[b"\xff"], "narrow"),
        (ab, &[b"18446744073709551617"], "narrow"),
        // Repeated, whatever it says.
        (ab, &[b"1", b"1"], "narrow"),
        (ab, &[b"1", b"2"], "narrow"),
        (ab, &[b"3", b"1"], "narrow"),
        // Nobody without tenants gets one.
        (&[], &[b"1"], "no_tenant"),
    ];
    for (own, values, expected) in cases {
        assert_eq!(left(&mut listed(), &[], own, values), *expected, "{own:?} {values:?}");
    }
    let required = [("narrow", json!({"header": HEADER, "table": "orgs", "required": true}))];
    for (values, expected) in [(&[][..], "narrow"), (&[&b"1"[..]][..], "a"), (&[&b"3"[..]][..], "narrow")] {
        assert_eq!(left(&mut listed(), &required, ab, values), expected, "required, {values:?}");
    }
}

fn identity(more: &[(&str, Json)], own: &[&str], value: Option<&str>) -> Identity {
    let mut around = listed();
    let callers = [caller(more, &around).unwrap()];
    let headers = value.iter().map(|value| (HEADER.as_bytes(), value.as_bytes())).collect();
    recognise(&callers, &Headers::new(headers), &known(own), &[], &mut around.lookup()).unwrap()
}

/// Whatever else would lead to other tenants is gone too.
#[test]
fn rights_are_narrowed_with_it() {
    let rights = [
        ("tenants", json!({"union": [{"claim": "t"}, "team-*", "x*"]})),
        ("may", json!(["read", "write"])),
        ("unfiltered", json!(true)),
        ("on_behalf_of", json!(["*"])),
        ("impersonate", json!({"label": "l", "tenants": ["*"]})),
        (
            "grants",
            json!([{"where": [{"claim": "role", "in": ["ops"]}], "on_behalf_of": ["b"], "may": ["rules"]}]),
        ),
    ];
    let whole = identity(&rights, &["a", "b"], None);
    assert!(whole.rights.unfiltered && !whole.rights.on_behalf_of.is_empty() && !whole.wildcard.is_empty());
    assert!(whole.rights.impersonate.is_some());
    // (organisation, tenant, whether the access log says that it was reached by a wildcard)
    for (organisation, tenant, by_wildcard) in [("1", "a", false), ("6", "team-x", true), ("7", "x*", true)] {
        let narrowed = identity(&rights, &["a", "b"], Some(organisation));
        assert_eq!(narrowed.tenants.header(), tenant);
        assert_eq!(narrowed.own(), &whole.tenants);
        assert!(narrowed.wildcard.is_empty() && narrowed.rights.on_behalf_of.is_empty());
        assert!(!narrowed.rights.unfiltered && narrowed.rights.impersonate.is_none());
        assert_eq!(narrowed.uses_wildcard(narrowed.tenants.as_slice()), by_wildcard);
        // What it may do is not about tenants.
        assert_eq!(narrowed.rights.may, whole.rights.may);
    }
}

#[test]
fn before_the_table_is_there() {
    let fetched = json!({"grafana": {"cluster": "grafana"}});
    assert_eq!(left(&mut around(&fetched), &[], &["a"], &[b"1"]), "table_not_loaded");
    // Who needs no table is not kept waiting, and who may do nothing learns nothing of it.
    assert_eq!(left(&mut around(&fetched), &[], &["a"], &[]), "a");
    assert_eq!(left(&mut around(&fetched), &[], &["a"], &[b"1", b"1"]), "narrow");
    assert_eq!(left(&mut around(&fetched), &[], &[], &[b"1"]), "no_tenant");
    let fetched = json!({"grafana": {"cluster": "grafana"}, "until_loaded": "default"});
    assert_eq!(left(&mut around(&fetched), &[], &["a"], &[b"1"]), "narrow");
}

/// A foreign organisation and one that does not exist look alike.
#[test]
fn the_words_tell_nothing_of_others() {
    let words = |value: &str| {
        let mut around = listed();
        let callers = [caller(&[], &around).unwrap()];
        let headers = Headers::new(vec![(HEADER.as_bytes(), value.as_bytes())]);
        recognise(&callers, &headers, &known(&["a"]), &[], &mut around.lookup()).unwrap_err().to_string()
    };
    assert_eq!(words("3"), "the header x-grafana-org-id leads to none of this caller's tenants");
    assert_eq!(words("3"), words("99"));
}

#[test]
fn every_error_says_where_and_what() {
    let cases: &[(Json, &str)] = &[
        (json!({"header": "X", "table": "no"}), "callers[0].narrow.table: no table has this name; there are"),
        (json!({"header": "X"}), "narrow: missing field `table`"),
        (json!({"table": "orgs"}), "narrow: missing field `header`"),
        (json!({"header": "", "table": "orgs"}), "callers[0].narrow.header: name a header"),
        (json!({"header": "a b", "table": "orgs"}), "callers[0].narrow.header: name a header"),
        (json!({"header": ":path", "table": "orgs"}), "callers[0].narrow.header: name a header"),
        (json!({"header": "Authorization", "table": "orgs"}), "callers[0].narrow.header: name a header"),
        (json!({"header": "X-Scope-OrgID", "table": "orgs"}), "callers[0].narrow.header: name a header"),
        (json!({"header": "X", "table": "orgs", "require": true}), "narrow.require: unknown field"),
    ];
    for (narrow, expected) in cases {
        let error = caller(&[("narrow", narrow.clone())], &listed()).map(|_| ()).expect_err(expected);
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
}

proptest::proptest! {
    /// Whatever the header and the table say, what is left is what the caller had.
    #[test]
    fn it_adds_nothing(
        own in proptest::collection::btree_set("[a-d]", 0..4),
        table in proptest::collection::btree_map("[0-9]", "[a-f]", 1..6),
        values in proptest::collection::vec("[0-9a-d]{0,2}", 0..3),
    ) {
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let mut around = around(&json!({"static": table}));
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        let left = left(&mut around, &[], &own, &values);
        let expected = match values.as_slice() {
            _ if own.is_empty() => "no_tenant".to_owned(),
            [] => own.join("|"),
            [value] => {
                let tenant = core::str::from_utf8(value).ok().and_then(|value| table.get(value));
                tenant.filter(|tenant| own.contains(&tenant.as_str())).map_or("narrow".to_owned(), Clone::clone)
            }
            _ => "narrow".to_owned(),
        };
        proptest::prop_assert_eq!(left, expected);
    }
}
