//! Proofs that come once, twice, in two workers at once, in crowds, and while clocks and windows change.

use std::cell::Cell;
use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::exchange::{Alone, Stored};

const USED: Result<(), NotTaken> = Err(NotTaken::Bad(BadProof::Used));
const STALE: Result<(), NotTaken> = Err(NotTaken::Bad(BadProof::Stale(60)));

/// All in one slot.
fn identity(number: u32) -> [u8; 32] {
    let mut identity = [7; 32];
    identity[1..5].copy_from_slice(&number.to_be_bytes());
    identity
}

fn replay() -> Replay {
    Replay::new("local", 60, 1000)
}

fn made() -> (Replay, Alone) {
    let process = Alone::default();
    replay().make(&process).unwrap();
    (replay(), process)
}

#[test]
fn each_is_taken_once_until_it_is_stale() {
    let process = Alone::default();
    assert_eq!(replay().take(&process, &identity(1), 100, 100), Err(NotTaken::Host), "no slots yet");
    let (replay, process) = made();
    for (number, time, now, expected) in [
        (1, 100, 100, Ok(())),
        (1, 100, 100, USED),
        (2, 110, 110, Ok(())),
        (1, 100, 160, USED),
        // From the future: kept until it is stale.
        (3, 220, 161, Ok(())),
        // The first is forgotten by now, and what is as old never is good again.
        (1, 100, 161, STALE),
        (4, 99, 161, STALE),
        (2, 110, 161, USED),
        (3, 220, 280, USED),
        // Times that do not fit.
        (5, 1 << 32, 280, STALE),
        (5, 280, u64::MAX, STALE),
    ] {
        assert_eq!(replay.take(&process, &identity(number), time, now), expected, "{number} {time} {now}");
    }
    // Another attribute has slots of its own.
    let other = Replay::new("other", 60, 1000);
    assert_eq!(other.take(&process, &identity(2), 110, 161), Err(NotTaken::Host));
    other.make(&process).unwrap();
    assert_eq!(other.take(&process, &identity(2), 110, 161), Ok(()));
}

/// A clock that jumps and comes back, and a window that grows with a new configuration.
#[test]
fn what_was_forgotten_never_is_good_again() {
    let (replay, process) = made();
    assert_eq!(replay.take(&process, &identity(1), 1000, 1000), Ok(()));
    assert_eq!(replay.take(&process, &identity(2), 4600, 4600), Ok(()), "an hour ahead");
    assert_eq!(replay.take(&process, &identity(1), 1000, 1001), STALE, "and back");
    assert_eq!(replay.take(&process, &identity(3), 1001, 1001), Ok(()), "what is new is still taken");
    assert_eq!(replay.take(&process, &identity(2), 4600, 4600), USED);

    let (replay, process) = made();
    assert_eq!(replay.take(&process, &identity(1), 1000, 1000), Ok(()));
    assert_eq!(replay.take(&process, &identity(2), 1061, 1061), Ok(()));
    let longer = Replay::new("local", 600, 1000);
    longer.make(&process).unwrap();
    assert_eq!(
        longer.take(&process, &identity(1), 1000, 1062),
        Err(NotTaken::Bad(BadProof::Stale(600))),
        "it was forgotten under the shorter window"
    );
    assert_eq!(longer.take(&process, &identity(2), 1061, 1062), USED);
}

#[test]
fn nothing_is_forgotten_for_want_of_room() {
    let (replay, process) = made();
    let room = u32::try_from(replay.per_slot).unwrap();
    for number in 0..room {
        assert_eq!(replay.take(&process, &identity(number), 100, 100), Ok(()), "{number}");
    }
    assert_eq!(replay.take(&process, &identity(room), 100, 100), Err(NotTaken::Full));
    assert_eq!(replay.take(&process, &identity(0), 100, 100), USED);
    assert_eq!(replay.take(&process, &identity(room), 161, 161), Ok(()), "there is room again");
    assert!(process.load("proofs/local/7").unwrap().value.len() < 2 * ENTRY);
}

/// As many as the configuration says find room, spread as MACs are.
#[test]
fn the_rate_is_reached() {
    for (rate, window) in [(1000, 60), (10, 1), (1, 1), (200, 600)] {
        let replay = Replay::new("local", window, rate);
        let mut slots = [0_usize; SLOTS as usize];
        for number in 0..rate * window {
            let mac = crate::session::BodyDigest::of(&number.to_be_bytes());
            slots[usize::from(mac.0[0])] += 1;
        }
        assert!(*slots.iter().max().unwrap() <= replay.per_slot, "{rate} {window}");
    }
}

#[test]
fn a_slot_of_another_form_takes_nothing() {
    for value in [&b""[..], b"abc", b"abcde", &[0; FORGOTTEN + ENTRY + 1]] {
        let process = Alone::default();
        process.make("proofs/local/7", value).unwrap();
        assert_eq!(replay().take(&process, &identity(1), 100, 100), Err(NotTaken::Host), "{value:?}");
    }
}

/// Another worker takes the same proof between this one's load and swap, or only disturbs.
struct Busy {
    inner: Alone,
    disturbs: Cell<u32>,
    takes: bool,
}

impl Process for Busy {
    fn make(&self, slot: &str, value: &[u8]) -> Result<(), SlotFailure> {
        self.inner.make(slot, value)
    }

    fn load(&self, slot: &str) -> Result<Stored, SlotFailure> {
        self.inner.load(slot)
    }

    fn swap(&self, slot: &str, value: &[u8], version: u32) -> Result<(), SlotFailure> {
        if self.disturbs.get() > 0 {
            self.disturbs.set(self.disturbs.get() - 1);
            if self.takes {
                replay().take(&self.inner, &identity(1), 100, 100).unwrap();
            } else {
                self.inner.swap(slot, &self.inner.load(slot)?.value, version)?;
            }
        }
        self.inner.swap(slot, value, version)
    }
}

#[test]
fn only_one_of_two_workers_takes_it() {
    for (disturbs, takes, expected) in [(1, true, USED), (3, false, Ok(())), (4, false, Err(NotTaken::Host))]
    {
        let process = Busy { inner: Alone::default(), disturbs: Cell::new(disturbs), takes };
        replay().make(&process).unwrap();
        assert_eq!(replay().take(&process, &identity(1), 100, 100), expected);
    }
}

proptest! {
    /// Whatever clocks do, and in whatever order proofs come: none is taken twice.
    #[test]
    fn none_is_taken_twice(steps in prop::collection::vec((0_u32..12, 0_u64..400), 1..200)) {
        let (replay, process) = made();
        let mut taken = HashSet::new();
        for (number, now) in steps {
            // Each proof has one time, and is only brought while it is within its window.
            let time = u64::from(number) * 30;
            if time.abs_diff(now) <= 60 && replay.take(&process, &identity(number), time, now) == Ok(()) {
                prop_assert!(taken.insert(number), "{number} was taken twice");
            }
        }
    }
}
