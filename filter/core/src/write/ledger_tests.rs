use super::*;
use crate::isolate::Address;
use crate::operation::Class;
use proptest::prelude::*;
use std::rc::Rc;

fn target(headers: &[(&str, &str)]) -> Target {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Target {
        cluster: "cortex".to_owned(),
        headers: headers.iter().map(own).collect(),
        address: Address::new(&Rc::default(), Class::Write, "/push", 0),
        timeout_ms: 1,
    }
}

fn key(body: &[u8]) -> Key {
    Key::new(&[0; 16], &["agent", "own"], &target(&[(":path", "/push")]), body)
}

fn settled(print: Print, status: u16) -> Settled {
    Settled::new(print, status, false, [0; 3], b"")
}

#[test]
fn everything_that_decides_is_in_the_key() {
    let base = [(":path", "/push?a=1"), ("content-type", "x"), ("content-encoding", "snappy")];
    let here = |version: u8, who: &[&str], headers: &[(&str, &str)], body: &[u8]| {
        Key::new(&[version; 16], who, &target(headers), body)
    };
    let with = |more: (&'static str, &'static str)| [&base[..], &[more]].concat();
    let path = [(":path", "/push?a=2"), base[1], base[2]];
    let kind = [base[0], ("content-type", "y"), base[2]];
    let other = Target { cluster: "other".to_owned(), ..target(&base) };
    let all = [
        here(0, &["agent", "own"], &base, b"body"),
        here(1, &["agent", "own"], &base, b"body"),
        here(0, &["agents", "own"], &base, b"body"),
        here(0, &["agent", "own|other"], &base, b"body"),
        here(0, &["agen", "town"], &base, b"body"),
        here(0, &["agent", "own"], &path, b"body"),
        here(0, &["agent", "own"], &kind, b"body"),
        here(0, &["agent", "own"], &with(("x-kept", "1")), b"body"),
        here(0, &["agent", "own"], &base, b"bodies"),
        Key::new(&[0; 16], &["agent", "own"], &other, b"body"),
    ];
    for (at, one) in all.iter().enumerate() {
        assert_eq!(all.iter().position(|other| other == one), Some(at));
    }
    // What is new with every attempt is not.
    for name in VOLATILE {
        assert_eq!(here(0, &["agent", "own"], &with((name, "7")), b"body"), all[0], "{name}");
    }
}

#[test]
fn prints_tell_parts_apart() {
    let tenant = |name| TenantId::new(name).unwrap();
    let all = [
        print(&tenant("a"), b"body"),
        print(&tenant("b"), b"body"),
        print(&tenant("a"), b"bodies"),
        print(&tenant("ab"), b"ody"),
        print(&tenant("a"), b""),
    ];
    for (at, one) in all.iter().enumerate() {
        assert_eq!(all.iter().position(|other| other == one), Some(at));
    }
    assert_eq!(print(&tenant("a"), b"body"), all[0]);
}

#[test]
fn attempts_add_up_until_all_is_settled() {
    let (quick, one) = (Quick::new(b"one"), key(b"one"));
    let mut page = Page::default();
    page.settle(quick, one, &[settled(1, 200), settled(2, 400)], 100);
    page.settle(quick, one, &[settled(3, 200), settled(1, 500)], 200);
    assert_eq!(page.find(one), [settled(1, 200), settled(2, 400), settled(3, 200)]);
    assert!(page.may_have(quick) && !page.may_have(Quick::new(b"two")));
    assert_eq!(page.find(key(b"two")), []);
    assert!(page.forget(one) && !page.forget(one));
    assert_eq!(page, Page::default());
}

#[test]
fn a_request_is_forgotten_in_time() {
    let mut page = Page::default();
    page.settle(Quick::new(b"one"), key(b"one"), &[settled(1, 200)], 100);
    page.settle(Quick::new(b"two"), key(b"two"), &[settled(1, 200)], 200);
    let bytes = page.encode(10_000);
    for (now, expected) in [(99, 2), (100, 1), (199, 1), (200, 0)] {
        assert_eq!(Page::decode(&bytes, now).0.len(), expected, "{now}");
    }
}

#[test]
fn a_page_is_bounded() {
    let mut page = Page::default();
    for number in 0..200_u8 {
        page.settle(Quick::new(&[number]), key(&[number]), &[settled(1, 200)], 100);
    }
    let all = Page::decode(&page.encode(usize::MAX), 0);
    assert_eq!(all.0.len(), MAX_REQUESTS);
    assert_eq!((all.find(key(&[135])).len(), all.find(key(&[136])).len()), (0, 1));
    let some = page.encode(500);
    assert!(some.len() <= 500);
    let some = Page::decode(&some, 0);
    assert_eq!((some.0.len(), some.find(key(&[199])).len()), (500 / 49, 1));
    assert!(page.encode(48).is_empty());
}

#[test]
fn messages_are_short_and_of_one_line() {
    let message = |status, said: &[u8]| Settled::new(1, status, false, [0; 3], said).message;
    assert_eq!(message(400, b"one\ntwo"), b"one");
    assert_eq!(message(400, &[b'x'; 500]).len(), MAX_MESSAGE);
    // What a success says need not be text.
    assert_eq!(message(200, b"\x0a\x02\x08\x07"), b"\x0a\x02\x08\x07");
}

#[test]
fn pages_are_used_evenly() {
    let mut used = [0_u32; PAGES as usize];
    for number in 0..6400_u32 {
        used[usize::from(Quick::new(&number.to_le_bytes()).page())] += 1;
    }
    assert!(used.iter().all(|used| (50..200).contains(used)), "{used:?}");
}

fn any_settled() -> impl Strategy<Value = Settled> {
    (any::<u64>(), any::<u16>(), any::<bool>(), any::<[u64; 3]>(), prop::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(print, status, soft, written, message)| {
            Settled::new(print, status, soft, written, &message)
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        entries in prop::collection::vec((any::<u8>(), prop::collection::vec(any_settled(), 0..8), 1_u64..100), 0..20),
        limit in 0_usize..3000,
    ) {
        let mut page = Page::default();
        for (body, parts, until) in &entries {
            page.settle(Quick::new(&[*body]), key(&[*body]), parts, *until);
        }
        prop_assert_eq!(&Page::decode(&page.encode(usize::MAX), 0), &page);
        // What finds no room is the oldest, and the rest is whole.
        let bytes = page.encode(limit);
        prop_assert!(bytes.len() <= limit);
        let kept = Page::decode(&bytes, 0);
        prop_assert!(page.0.ends_with(&kept.0));
    }

    #[test]
    fn anything_is_read(bytes: Vec<u8>, now: u64) {
        let page = Page::decode(&bytes, now);
        prop_assert!(page.encode(usize::MAX).len() <= bytes.len());
    }
}
