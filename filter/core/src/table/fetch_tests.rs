//! Answers, and what is asked next.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::table::content::{Bounds, Table};
use crate::table::kubernetes::Place;
use crate::tenant::TenantId;

fn fetch(origin: Origin) -> Fetch<TenantId> {
    let remote = Remote {
        cluster: "c".into(),
        authority: "a".into(),
        origin,
        refresh_ms: 1000,
        timeout_ms: 500,
        bounds: Bounds { entries: 10, bytes: 4096 },
        slot: "s".into(),
    };
    Fetch::new(Rc::new(remote))
}

fn http() -> Fetch<TenantId> {
    fetch(Origin::Http { path: "/orgs?x=1".into() })
}

fn namespaces() -> Fetch<TenantId> {
    fetch(Origin::Kubernetes { place: Place::Label("example.org/org".into()), page_size: 2 })
}

fn organisations() -> Fetch<TenantId> {
    fetch(Origin::Grafana { path: "/api/orgs".into() })
}

fn ok(body: impl AsRef<[u8]>) -> Fetched {
    Fetched { status: Ok(200), body: Some(body.as_ref().to_vec()) }
}

fn status(status: u16) -> Fetched {
    Fetched { status: Ok(status), body: None }
}

/// `ask` with the path, `done` with the entries, or the word of the failure.
fn tell(fetch: &mut Fetch<TenantId>, fetched: Fetched) -> String {
    match fetch.answered(fetched) {
        Ok(Next::Ask) => format!("ask {}", path(fetch)),
        Ok(Next::Done(encoded)) => {
            let table = Table::<TenantId>::decode(&encoded.bytes).unwrap();
            let mut names: Vec<_> = ["shop", "bar", "eu/shop", "grün", "1", "2", "1001"]
                .into_iter()
                .filter_map(|key| table.get(key.as_bytes()).map(|tenant| format!(" {key}={tenant}")))
                .collect();
            names.sort();
            format!("done{} -{}", names.concat(), encoded.invalid)
        }
        Err(failure) => failure.word().to_owned(),
    }
}

fn path(fetch: &Fetch<TenantId>) -> String {
    let get = fetch.get(1);
    let (_, path) = get.headers.iter().find(|(name, _)| *name == ":path").unwrap();
    path.clone()
}

fn page(next: &str, items: &[(&str, &str)]) -> String {
    let items: Vec<_> = items
        .iter()
        .map(|(name, org)| json!({"metadata": {"name": name, "labels": {"example.org/org": org, "x": "y"}}}))
        .collect();
    json!({"kind": "NamespaceList", "metadata": {"resourceVersion": "1", "continue": next}, "items": items})
        .to_string()
}

#[test]
fn what_is_asked() {
    let get = http().get(7);
    assert_eq!((get.id, get.cluster.as_str(), get.timeout_ms, get.max_bytes), (7, "c", 500, 4096));
    let headers: Vec<String> = get.headers.iter().map(|(name, value)| format!("{name} {value}")).collect();
    assert_eq!(
        headers,
        [":method GET", ":path /orgs?x=1", ":authority a", "accept application/json", "user-agent scopegate"]
    );
    assert_eq!(path(&namespaces()), "/api/v1/namespaces?limit=2");
}

#[test]
fn one_answer() {
    let many: serde_json::Map<_, _> = (0..11).map(|n| (format!("k{n}"), json!("org"))).collect();
    let cases: &[(&str, &str)] = &[
        (r#"{"shop": "a", "bar": "b"}"#, "done bar=b shop=a -0"),
        (r#"{"eu/shop": "a", "grün": "b", "bad": "a/b", "worse": 7}"#, "done eu/shop=a grün=b -2"),
        (
            r#"[{"key": "shop", "value": "a"}, {"key": "bar", "value": "b", "more": 1}]"#,
            "done bar=b shop=a -0",
        ),
        (
            r#"[{"key": "shop", "value": "a"}, {"key": "shop", "value": "b"}, {"key": "bar", "value": "b"}]"#,
            "done bar=b -1",
        ),
        (r#"[{"key": "shop"}]"#, "malformed"),
        (r#"[{"value": "a"}]"#, "malformed"),
        (r#"["shop"]"#, "malformed"),
        ("{}", "empty"),
        ("[]", "empty"),
        (r#"{"shop": null}"#, "empty"),
        ("", "malformed"),
        ("null", "malformed"),
        ("7", "malformed"),
        (r#"{"shop": "a""#, "malformed"),
        (r#"{"shop": "a"} x"#, "malformed"),
        (&json!(many).to_string(), "too_many"),
    ];
    for (body, expected) in cases {
        assert_eq!(tell(&mut http(), ok(body)), *expected, "{body}");
    }
    assert_eq!(tell(&mut http(), ok(" ".repeat(4097))), "too_large");
    assert_eq!(tell(&mut http(), status(200)), "too_large");
    for (code, expected) in
        [(204, "status"), (302, "status"), (401, "not_permitted"), (410, "status"), (503, "status")]
    {
        assert_eq!(tell(&mut http(), status(code)), expected, "{code}");
    }
    assert_eq!(tell(&mut http(), Fetched { status: Err(Failure::NoAnswer), body: None }), "no_answer");
}

#[test]
fn page_by_page() {
    let mut fetch = namespaces();
    // What stands in a token is nobody's business.
    assert_eq!(
        tell(&mut fetch, ok(page("a b&limit=1/+é~", &[("shop", "a"), ("none", "")]))),
        "ask /api/v1/namespaces?limit=2&continue=a%20b%26limit%3D1%2F%2B%C3%A9~"
    );
    assert_eq!(tell(&mut fetch, ok(page("t2", &[]))), "ask /api/v1/namespaces?limit=2&continue=t2");
    assert_eq!(tell(&mut fetch, ok(page("", &[("bar", "b")]))), "done bar=b shop=a -0");
}

#[test]
fn what_is_no_list_of_namespaces() {
    for (body, expected) in [
        ("{}", "malformed"),
        (r#"{"items": 7}"#, "malformed"),
        (r#"{"items": null}"#, "empty"),
        (r#"{"items": [{}]}"#, "malformed"),
        (r#"{"items": [{"metadata": {}}]}"#, "malformed"),
        (r#"{"items": [{"metadata": {"name": "shop"}}]}"#, "empty"),
        (r#"{"items": [{"metadata": {"name": "shop", "labels": null}}]}"#, "empty"),
        (r#"{"items": [{"metadata": {"name": "shop", "labels": {"example.org/org": "a/b"}}}]}"#, "empty"),
        (r#"{"items": [{"metadata": {"name": "shop", "annotations": {"example.org/org": "a"}}}]}"#, "empty"),
        (r#"{"metadata": {"continue": 7}, "items": []}"#, "malformed"),
        (r#"{"kind": "Status", "status": "Failure"}"#, "malformed"),
    ] {
        assert_eq!(tell(&mut namespaces(), ok(body)), expected, "{body}");
    }
    let mut annotated =
        fetch(Origin::Kubernetes { place: Place::Annotation("example.org/org".into()), page_size: 500 });
    let body = r#"{"items": [{"metadata": {"name": "shop", "annotations": {"example.org/org": "a"}}}]}"#;
    assert_eq!(tell(&mut annotated, ok(body)), "done shop=a -0");
    assert_eq!(tell(&mut namespaces(), ok(page(&"x".repeat(9000), &[]))), "too_large");
}

#[test]
fn a_list_that_expired_is_begun_anew_but_not_for_ever() {
    let mut fetch = namespaces();
    for _ in 0..3 {
        tell(&mut fetch, ok(page("t", &[("shop", "old")])));
        assert_eq!(tell(&mut fetch, status(410)), "ask /api/v1/namespaces?limit=2");
    }
    // Nothing of the first tries is left.
    tell(&mut fetch, ok(page("t", &[("bar", "b")])));
    assert_eq!(tell(&mut fetch, status(410)), "expired");
    let mut fetch = namespaces();
    tell(&mut fetch, ok(page("t", &[("shop", "old")])));
    tell(&mut fetch, status(410));
    assert_eq!(tell(&mut fetch, ok(page("", &[("bar", "b")]))), "done bar=b -0");
    // A first page cannot have expired.
    assert_eq!(tell(&mut namespaces(), status(410)), "expired");
}

#[test]
fn pages_without_end_are_given_up() {
    let mut fetch = namespaces();
    let last = (0..3_000).map(|_| tell(&mut fetch, ok(page("t", &[])))).find(|told| !told.starts_with("ask"));
    assert_eq!(last.as_deref(), Some("too_many"));
}

#[test]
fn organisations_of_a_grafana() {
    let named = |name: &str| json!([{"id": 1, "name": name}, {"id": 2, "name": "bar - Bar"}]).to_string();
    for (name, expected) in [
        ("shop - The Shop", "done 1=shop 2=bar -0"),
        // The first separates.
        ("shop - a - b - c", "done 1=shop 2=bar -0"),
        ("shop - ", "done 1=shop 2=bar -0"),
        ("shop-eu - Shop - EU", "done 1=shop-eu 2=bar -0"),
        // Not what separates.
        ("shop-eu", "done 1=shop-eu 2=bar -0"),
        ("shop -eu", "done 2=bar -1"),
        ("shop\u{a0}-\u{a0}eu", "done 2=bar -1"),
        ("shop – eu", "done 2=bar -1"),
        // What people read may be anything; a tenant may not.
        ("shop - Blumenladen Grün 🌷", "done 1=shop 2=bar -0"),
        ("grün - Grün", "done 2=bar -1"),
        ("ѕhop - with a Cyrillic letter", "done 2=bar -1"),
        ("Main Org.", "done 2=bar -1"),
        (" - shop", "done 2=bar -1"),
        ("", "done 2=bar -1"),
        (".. - up", "done 2=bar -1"),
        ("a/b - c", "done 2=bar -1"),
        ("a|b - c", "done 2=bar -1"),
    ] {
        assert_eq!(tell(&mut organisations(), ok(named(name))), expected, "{name}");
    }
    for (body, expected) in [
        // Two organisations of one tenant; one organisation of two tenants is nobody's.
        (json!([{"id": 1, "name": "a - x"}, {"id": 2, "name": "a - y"}]), "done 1=a 2=a -0"),
        (json!([{"id": 1, "name": "a - x"}, {"id": 1, "name": "a - y"}]), "done 1=a -0"),
        (json!([{"id": 1, "name": "a"}, {"id": 1, "name": "b"}, {"id": 2, "name": "c"}]), "done 2=c -1"),
        (json!([{"id": 1, "name": "a", "more": {}}]), "done 1=a -0"),
        (json!([]), "empty"),
        (json!({"message": "Unauthorized"}), "malformed"),
        (json!([{"id": "1", "name": "a"}]), "malformed"),
        (json!([{"id": 1.5, "name": "a"}]), "malformed"),
        (json!([{"id": -1, "name": "a"}]), "malformed"),
        (json!([{"name": "a"}]), "malformed"),
        (json!([{"id": 1}]), "malformed"),
        (json!([{"id": 1, "name": 7}]), "malformed"),
        (json!([7]), "malformed"),
        (json!(null), "malformed"),
    ] {
        assert_eq!(tell(&mut organisations(), ok(body.to_string())), expected, "{body}");
    }
    assert_eq!(tell(&mut organisations(), status(401)), "not_permitted");
    assert_eq!(tell(&mut organisations(), status(410)), "status");
}

#[test]
fn organisations_page_by_page() {
    let remote =
        Remote { bounds: Bounds { entries: 1001, bytes: 1 << 20 }, ..(*organisations().remote).clone() };
    let mut fetch = Fetch::<TenantId>::new(Rc::new(remote));
    let page = |ids: std::ops::RangeInclusive<u32>| {
        json!(ids.map(|id| json!({"id": id, "name": format!("org-{id} - x")})).collect::<Vec<_>>())
            .to_string()
    };
    assert_eq!(path(&fetch), "/api/orgs?perpage=1000&page=0");
    assert_eq!(tell(&mut fetch, ok(page(1..=1000))), "ask /api/orgs?perpage=1000&page=1");
    assert_eq!(tell(&mut fetch, ok(page(1001..=1002))), "too_many");
    let mut fetch = Fetch::<TenantId>::new(Rc::clone(&fetch.remote));
    tell(&mut fetch, ok(page(1..=1000)));
    assert_eq!(tell(&mut fetch, ok(page(1001..=1001))), "done 1001=org-1001 1=org-1 2=org-2 -0");
    let mut fetch = Fetch::<TenantId>::new(Rc::clone(&fetch.remote));
    tell(&mut fetch, ok(page(1..=1000)));
    assert_eq!(tell(&mut fetch, ok("[]")), "done 1=org-1 2=org-2 -0");
}

proptest! {
    /// Whatever is answered is read or refused, and what is read stays within the bounds.
    #[test]
    fn any_answers(answers in prop::collection::vec((prop::sample::select(vec![200_u16, 200, 410, 500]), any_body()), 1..8)) {
        for mut fetch in [http(), namespaces(), organisations()] {
            for (code, body) in &answers {
                match fetch.answered(Fetched { status: Ok(*code), body: Some(body.clone()) }) {
                    Ok(Next::Ask) => {}
                    Ok(Next::Done(encoded)) => {
                        let table = Table::<TenantId>::decode(&encoded.bytes).unwrap();
                        prop_assert!(!table.is_empty() && table.len() <= 10);
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
    }
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let items = prop::collection::vec(("[a-z]{0,3}", "[a-z/]{0,3}"), 0..4);
    let pages = (items, "[a-z]{0,2}").prop_map(|(items, next)| {
        let items: Vec<_> = items.iter().map(|(name, org)| (name.as_str(), org.as_str())).collect();
        page(&next, &items).into_bytes()
    });
    let objects = prop::collection::btree_map("[a-z]{0,3}", "[a-z/]{0,3}", 0..12)
        .prop_map(|entries| serde_json::to_vec(&entries).unwrap());
    let organisations =
        prop::collection::vec((any::<u8>(), "[a-z]{0,2}( - )?[ -~]{0,4}"), 0..12).prop_map(|list| {
            json!(list.into_iter().map(|(id, name)| json!({"id": id, "name": name})).collect::<Vec<_>>())
                .to_string()
                .into_bytes()
        });
    prop_oneof![pages, objects, organisations, prop::collection::vec(any::<u8>(), 0..40)]
}
