//! The order of entries, and what a caller that none recognises is told.

use serde_json::{Value as Json, json};

use super::super::testing::{Known, hashed, metadata};
use super::{Around, callers, who};
use crate::caller::recognise;
use crate::http::Headers;
use crate::report::Refusal;

fn jwt(provider: &str) -> Json {
    json!({"name": provider, "jwt": {"provider": provider, "issuer": "https://idp"}, "tenants": ["t"]})
}

fn basic(realm: &str, user: &str) -> Json {
    let users = json!([{"username": user, "password": hashed(user, b"p")}]);
    json!({"name": realm, "tenants": ["t"], "basic": {"key": {"env": "KEY"}, "realm": realm, "users": users}})
}

fn session(name: &str, tenants: &Json) -> Json {
    json!({"name": name, "metadata": {"namespace": name}, "tenants": tenants})
}

#[test]
fn challenges_are_sorted_and_each_once() {
    let cases: Vec<(Vec<Json>, &[&str])> = vec![
        (vec![session("s", &json!(["a"]))], &[]),
        (vec![jwt("one"), session("s", &json!(["a"])), jwt("two")], &["Bearer"]),
        (
            vec![jwt("one"), basic("b", "u"), basic("a", "v")],
            &["Basic realm=\"a\"", "Basic realm=\"b\"", "Bearer"],
        ),
        (vec![basic("a", "u"), basic("a", "v")], &["Basic realm=\"a\""]),
    ];
    for (mut list, expected) in cases {
        let told = |list: &[Json], pairs: Vec<(&'static [u8], &'static [u8])>| {
            recognise(
                &callers(list),
                &Headers::new(pairs),
                &Known::default(),
                &[],
                &mut Around::default().lookup(),
            )
            .unwrap_err()
        };
        let challenges: Vec<String> = expected.iter().map(|challenge| (*challenge).to_owned()).collect();
        let refusal = Refusal::NoCaller { presented: false, challenges: challenges.clone() };
        assert_eq!(told(&list, vec![]), refusal);
        list.reverse();
        assert_eq!(told(&list, vec![]), refusal, "in any order");
        let refusal = Refusal::NoCaller { presented: true, challenges };
        assert_eq!(told(&list, vec![(b"authorization", b"Negotiate x")]), refusal);
    }
}

#[test]
fn the_first_that_recognises_is_the_caller() {
    let known = |namespaces: &Json| {
        let mut known = Known::default();
        known.set("metadata", &metadata(namespaces));
        known
    };
    let list = callers(&[
        session("a", &json!({"claim": "t"})),
        session("b", &json!(["of-b"])),
        session("c", &json!({"claim": "t"})),
    ]);
    for (namespaces, expected) in [
        (json!({"a": {"t": "x"}, "b": {}}), "a: x"),
        (json!({"b": {}, "c": {"t": "x"}}), "b: of-b"),
        (json!({"c": {"t": "x"}}), "c: x"),
        // Recognised is recognised: who then has no tenant, or a bad one, is not somebody else.
        (json!({"a": {}, "b": {}}), "no_tenant"),
        (json!({"a": {"t": true}, "b": {}}), "bad_claim"),
        (json!({"d": {}}), "no_caller"),
    ] {
        assert_eq!(who(&list, &[], &known(&namespaces)), expected, "{namespaces}");
    }
}

/// Nobody who brings a credential is anonymous, whatever becomes of it.
#[test]
fn anonymous_is_who_brings_nothing() {
    let list =
        callers(&[jwt("one"), basic("b", "u"), json!({"name": "a", "anonymous": {}, "tenants": ["public"]})]);
    let mut other = Known::default();
    let payload = json!({"envoy.filters.http.jwt_authn": {"one": {"iss": "https://other"}}});
    other.set("metadata", &metadata(&payload));
    let none = Known::default();
    let cases: &[(&[&[u8]], &Known, &str)] = &[
        (&[], &none, "a: public"),
        (&[b""], &none, "no_caller"),
        (&[b"Bearer x"], &none, "no_caller"),
        (&[b"Basic dTp3"], &none, "bad_credential"),
        (&[b"Basic bm9ib2R5OnA="], &none, "no_caller"),
        (&[b"Negotiate x"], &none, "no_caller"),
        // A token that was verified, and taken off, and is for nobody here.
        (&[], &other, "no_caller"),
    ];
    for (authorization, known, expected) in cases {
        assert_eq!(who(&list, authorization, known), *expected, "{authorization:?}");
    }
    let error = super::compile(json!({"anonymous": {}, "tenants": {"claim": "t"}})).unwrap_err();
    assert!(error.starts_with("callers[0].tenants: nobody in particular has no claims"), "{error}");
    let error = super::compile(json!({"anonymous": {}})).unwrap_err();
    assert!(error.starts_with("callers[0].tenants: missing"), "{error}");
}
