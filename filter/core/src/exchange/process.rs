//! State that all workers of a process share.
//!
//! A host that has such state serves it as slots: names with values of bytes that are made before any worker
//! serves, are never removed, and change only by compare-and-swap, so that what two workers do at once is exact.

use core::cell::RefCell;
use std::collections::BTreeMap;

/// The value of a slot, and the version by which it is swapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The value.
    pub value: Vec<u8>,
    /// Changes with every swap; never 0.
    pub version: u32,
}

/// Why a slot could not be read or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotFailure {
    /// There is no such slot.
    Absent,
    /// Another worker changed it in the meantime: load it again.
    Changed,
    /// The host failed.
    Host,
}

/// The slots of one process. What must hold between workers is kept here and nowhere else.
pub trait Process {
    /// Makes a slot with this value, where there is none yet. Called before any worker serves: hosts do not
    /// compare on a slot that is absent, so making one later would not be exact.
    fn make(&self, slot: &str, value: &[u8]) -> Result<(), SlotFailure>;
    /// The slot's value.
    fn load(&self, slot: &str) -> Result<Stored, SlotFailure>;
    /// Replaces the slot's value, if its version is still this one.
    fn swap(&self, slot: &str, value: &[u8], version: u32) -> Result<(), SlotFailure>;
}

/// How often a slot is tried that other workers change at the same time.
const TRIES: u32 = 4;

/// Changes a slot to what `new` makes of its value, which is asked again whenever another worker was quicker; a few
/// times, then [`SlotFailure::Changed`]. Whether it was changed: with `None` it is left as it is.
pub(crate) fn change(
    process: &dyn Process,
    slot: &str,
    mut new: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Result<bool, SlotFailure> {
    for _ in 0..TRIES {
        let stored = process.load(slot)?;
        let Some(value) = new(&stored.value) else { return Ok(false) };
        match process.swap(slot, &value, stored.version) {
            Err(SlotFailure::Changed) => {}
            done => return done.map(|()| true),
        }
    }
    Err(SlotFailure::Changed)
}

/// A process with one worker, which shares with nobody: tests and offline commands.
#[derive(Debug, Default)]
pub struct Alone(RefCell<BTreeMap<String, Stored>>);

impl Process for Alone {
    fn make(&self, slot: &str, value: &[u8]) -> Result<(), SlotFailure> {
        let mut slots = self.0.borrow_mut();
        slots.entry(slot.to_owned()).or_insert_with(|| Stored { value: value.to_vec(), version: 1 });
        Ok(())
    }

    fn load(&self, slot: &str) -> Result<Stored, SlotFailure> {
        self.0.borrow().get(slot).cloned().ok_or(SlotFailure::Absent)
    }

    fn swap(&self, slot: &str, value: &[u8], version: u32) -> Result<(), SlotFailure> {
        let mut slots = self.0.borrow_mut();
        let stored = slots.get_mut(slot).ok_or(SlotFailure::Absent)?;
        if stored.version != version {
            return Err(SlotFailure::Changed);
        }
        *stored = Stored { value: value.to_vec(), version: version.checked_add(1).unwrap_or(1) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_made_again_when_another_was_quicker() {
        let process = Alone::default();
        assert_eq!(change(&process, "a", |_| Some(vec![1])), Err(SlotFailure::Absent));
        process.make("a", b"1").unwrap();
        for (others, expected) in
            [(0, Ok(true)), (1, Ok(true)), (3, Ok(true)), (4, Err(SlotFailure::Changed))]
        {
            let mut left = others;
            let changed = change(&process, "a", |value| {
                if left > 0 {
                    left -= 1;
                    let version = process.load("a").unwrap().version;
                    process.swap("a", format!("other {left}").as_bytes(), version).unwrap();
                }
                Some([value, b"!"].concat())
            });
            assert_eq!(changed, expected, "{others}");
            // What the others wrote is not lost.
            let value = process.load("a").unwrap().value;
            let after = if expected.is_ok() { "!" } else { "" };
            assert!(others == 0 || value == format!("other 0{after}").as_bytes(), "{others} {value:?}");
        }
        assert_eq!(change(&process, "a", |_| None), Ok(false));
    }

    #[test]
    fn only_one_of_two_swaps_is_taken() {
        let process = Alone::default();
        assert_eq!(process.load("a"), Err(SlotFailure::Absent));
        assert_eq!(process.swap("a", b"x", 0), Err(SlotFailure::Absent));
        process.make("a", b"1").unwrap();
        process.make("a", b"2").unwrap();
        let stored = process.load("a").unwrap();
        assert_eq!(stored.value, b"1");
        assert_eq!(process.swap("a", b"3", stored.version), Ok(()));
        assert_eq!(process.swap("a", b"4", stored.version), Err(SlotFailure::Changed));
        assert_eq!(process.load("a").unwrap().value, b"3");
    }
}
