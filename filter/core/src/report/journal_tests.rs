use super::*;
use crate::exchange::Alone;

fn refused(reason: &'static str, words: &'static str) -> Refused<'static> {
    Refused { backend: Some("b"), class: Some("write"), caller: Some("c"), reason, status: 403, words }
}

/// The refusals of a page in words.
fn refusals(page: &str) -> Vec<String> {
    let page: Value = serde_json::from_str(page).unwrap();
    let list = page["refusals"].as_array().unwrap();
    list.iter()
        .map(|r| {
            format!(
                "{} {}x {} ago: {}",
                r["reason"].as_str().unwrap(),
                r["times"],
                r["seconds_ago"],
                r["words"].as_str().unwrap()
            )
        })
        .collect()
}

fn keys(page: &str) -> Vec<String> {
    let page: Value = serde_json::from_str(page).unwrap();
    let list = page["unmapped_keys"].as_array().unwrap();
    list.iter()
        .map(|k| {
            format!(
                "{} {} {}-{}",
                k["backend"].as_str().unwrap(),
                k["key"].as_str().unwrap(),
                k["series_at_least"],
                k["series_at_most"]
            )
        })
        .collect()
}

#[test]
fn workers_hand_over_what_they_noted() {
    let process = Alone::default();
    Journal::prepare(&process);
    let (mut one, mut two) = (Journal::default(), Journal::default());
    one.refused(refused("a", "first\nline"), 10_000);
    one.refused(refused("a", "first\nline"), 11_000);
    two.refused(refused("a", "first\nline"), 12_000);
    two.refused(refused("b", "other"), 13_000);
    one.unmapped("b", b"kube-system", 3, 10_000);
    two.unmapped("b", b"kube-system", 4, 10_000);
    two.unmapped("b", b"\xff", 1, 10_000);
    two.hand_over_in_time(&process, 13_000);
    let page = one.page(&process, 15_999);
    assert_eq!(refusals(&page), ["b 1x 2 ago: other", "a 3x 3 ago: first\\nline"]);
    assert_eq!(keys(&page), ["b kube-system 7-7", "b \\xff 1-1"]);
    // It was handed over, and stands there once.
    assert_eq!(one.page(&process, 15_999), page);
    assert_eq!(two.page(&process, 15_999), page);
    // Not at every event.
    two.refused(refused("c", ""), 16_000);
    two.hand_over_in_time(&process, 17_000);
    assert_eq!(refusals(&one.page(&process, 17_000)).len(), 2);
    two.hand_over_in_time(&process, 18_000);
    assert_eq!(refusals(&one.page(&process, 18_000)).len(), 3);
}

#[test]
fn everything_is_bounded() {
    let process = Alone::default();
    Journal::prepare(&process);
    let mut journal = Journal::default();
    let long = "x".repeat(10_000);
    for n in 0..1_000_u32 {
        let words = format!("{n} {long}");
        journal.refused(Refused { words: &words, ..refused("r", "") }, u64::from(n));
        journal.unmapped("b", words.as_bytes(), n, u64::from(n));
        if n % 7 == 0 {
            journal.hand_over_in_time(&process, u64::from(n) * 1000);
        }
    }
    let page = journal.page(&process, 1_000_000);
    assert_eq!((refusals(&page).len(), keys(&page).len()), (REFUSALS, TOLD));
    assert!(refusals(&page)[0].starts_with("r 1x 999 ago: 999 xx"));
    let stored = process.load(SLOT).unwrap().value.len();
    assert!(stored < 64 << 10, "{stored}");
}

#[test]
fn without_a_slot_a_worker_tells_what_it_knows_itself() {
    let (process, mut journal) = (Alone::default(), Journal::default());
    journal.refused(refused("a", "words"), 0);
    assert_eq!(refusals(&journal.page(&process, 0)), ["a 1x 0 ago: words"]);
    // What stands there and cannot be read counts as nothing.
    process.make(SLOT, b"r\tx\nk\tb\tkey\t-1\t\xff").unwrap();
    assert_eq!(refusals(&journal.page(&process, 0)), ["a 1x 0 ago: words"]);
}
