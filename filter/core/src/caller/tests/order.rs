//! The order of entries, and what a caller that none recognises is told.

use serde_json::{Value as Json, json};

use super::super::testing::{Known, hashed, metadata};
use super::{Around, callers, who};
use crate::caller::{Evidence, first, recognise};
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

/// Every entry before the one that recognises a request says why it does not.
#[test]
fn who_is_passed_says_why() {
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "u:p");
    let basic_credentials = format!("Basic {encoded}");
    let asking = |mut entry: Json, source: &str| {
        entry[source]["where"] =
            json!([{"claim": "ok", "in": "yes"}, {"claim": ["real", "role"], "in": ["a"]}]);
        entry
    };
    let verified = |payload: Json| json!({"envoy.filters.http.jwt_authn": payload});
    let token = |iss: &str, ok: &str| json!({"iss": iss, "ok": ok});
    let list = callers(&[
        asking(jwt("one"), "jwt"),
        asking(session("s", &json!(["t"])), "metadata"),
        basic("b", "other"),
        basic("c", "u"),
        jwt("last"),
    ]);
    let none = "one: no verified token of this provider";
    // (what another filter left, the credentials, who was passed and why)
    let cases: Vec<(Json, &str, Result<usize, &str>, Vec<&str>)> = vec![
        (json!({}), &basic_credentials, Ok(3), vec![none, "s: no session", "b: another user"]),
        (
            json!({"s": {"ok": "yes"}}),
            &basic_credentials,
            Ok(3),
            vec![none, "s: a condition on the claim real › role is not met", "b: another user"],
        ),
        (
            verified(json!({"one": token("https://evil", "yes"), "last": token("https://idp", "no")})),
            "Bearer x",
            Ok(4),
            vec![
                "one: a token of another issuer",
                "s: no session",
                "b: no basic credentials",
                "c: no basic credentials",
            ],
        ),
        (
            verified(json!({"one": token("https://idp", "no"), "last": token("https://idp", "no")})),
            "Bearer x",
            Ok(4),
            vec![
                "one: a condition on the claim ok is not met",
                "s: no session",
                "b: no basic credentials",
                "c: no basic credentials",
            ],
        ),
        (
            verified(json!({"last": token("https://idp", "no")})),
            "Bearer x",
            Ok(4),
            vec![
                "one: a credential that nothing proves",
                "s: no session",
                "b: no basic credentials",
                "c: no basic credentials",
            ],
        ),
        (
            json!({}),
            "",
            Err("no_caller"),
            vec![
                none,
                "s: no session",
                "b: no basic credentials",
                "c: no basic credentials",
                "last: no verified token of this provider",
            ],
        ),
    ];
    for (left, credentials, expected, passed) in cases {
        let mut known = Known::default();
        known.set("metadata", &metadata(&left));
        let mut pairs: Vec<(&[u8], &[u8])> = Vec::new();
        if !credentials.is_empty() {
            pairs.push((b"authorization", credentials.as_bytes()));
        }
        let headers = Headers::new(pairs);
        let evidence = Evidence::new(&headers, &known).unwrap();
        let mut told = Vec::new();
        let mut around = Around::default();
        let recognised = first(&list, &evidence, &mut around.lookup(), &mut |caller, why| {
            told.push(format!("{}: {why}", caller.name));
        });
        let position = recognised.map(|recognised| recognised.position).map_err(|refusal| refusal.reason());
        assert_eq!((position, told.iter().map(String::as_str).collect()), (expected, passed), "{left}");
    }
}
