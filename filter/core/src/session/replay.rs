//! Which proofs were used: each is good once, whichever worker it comes to.
//!
//! The workers of a process share the slots. Several gateways share nothing: a proof that was used at one of them
//! is new to another, within its window. Nothing is ever forgotten before it is stale: where there is no room, the
//! request is refused.

use crate::exchange::{Process, SlotFailure};

/// The slots among which proofs are spread.
const SLOTS: u8 = 128;
/// How many proofs one slot holds, which bounds what a request has to copy.
const PER_SLOT: usize = 512;
/// What is kept of a proof: 16 bytes of its MAC, and when it is stale, in seconds since 1970.
const ENTRY: usize = 20;
/// How often a worker tries where others change the same slot.
const TRIES: u32 = 32;

/// The proofs that were used lately, in the slots of the process.
#[derive(Clone, Copy, Debug)]
pub struct Replay;

/// Why a proof is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It was used before.
    Used,
    /// So many were used lately that this one cannot be kept.
    Full,
    /// The slots cannot be read or written.
    Host,
}

impl Replay {
    /// Makes the slots; before any worker serves.
    ///
    /// # Errors
    /// The host's.
    pub fn make(process: &dyn Process) -> Result<(), SlotFailure> {
        (0..SLOTS).try_for_each(|slot| process.make(&name(slot), &[]))
    }

    /// Takes a proof, by its [identity](super::Proof::identity), that is stale after the second `stale`. Only one
    /// of all who bring it is told `Ok`.
    ///
    /// # Errors
    /// For all others, and where it cannot be known.
    pub fn take(process: &dyn Process, identity: &[u8; 32], now: u64, stale: u64) -> Result<(), Replayed> {
        let [slot, rest @ ..] = identity;
        let slot = name(slot % SLOTS);
        let (kept, _) = rest.split_first_chunk::<16>().ok_or(Replayed::Host)?;
        let now = u32::try_from(now).unwrap_or(u32::MAX);
        let stale = u32::try_from(stale).unwrap_or(u32::MAX);
        for _ in 0..TRIES {
            let stored = process.load(&slot).map_err(|_| Replayed::Host)?;
            let mut value = Vec::with_capacity(stored.value.len().saturating_add(ENTRY));
            let (entries, _) = stored.value.as_chunks::<ENTRY>();
            for entry in entries {
                let (known, until) = entry.split_at(16);
                let until = until.try_into().map_or(u32::MAX, u32::from_le_bytes);
                if until < now {
                    continue;
                }
                if known == kept {
                    return Err(Replayed::Used);
                }
                value.extend_from_slice(entry);
            }
            if value.len() >= PER_SLOT.saturating_mul(ENTRY) {
                return Err(Replayed::Full);
            }
            value.extend_from_slice(kept);
            value.extend_from_slice(&stale.to_le_bytes());
            match process.swap(&slot, &value, stored.version) {
                Ok(()) => return Ok(()),
                Err(SlotFailure::Changed) => {}
                Err(SlotFailure::Absent | SlotFailure::Host) => return Err(Replayed::Host),
            }
        }
        Err(Replayed::Host)
    }
}

fn name(slot: u8) -> String {
    format!("proofs/{slot}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Alone, Stored};
    use std::cell::Cell;

    fn identity(number: u32) -> [u8; 32] {
        let mut identity = [7; 32];
        identity[1..5].copy_from_slice(&number.to_be_bytes());
        identity
    }

    #[test]
    fn each_is_taken_once_until_it_is_stale() {
        let process = Alone::default();
        assert_eq!(Replay::take(&process, &identity(1), 100, 160), Err(Replayed::Host), "no slots yet");
        Replay::make(&process).unwrap();
        for (number, now, expected) in [
            (1, 100, Ok(())),
            (1, 100, Err(Replayed::Used)),
            (2, 110, Ok(())),
            (1, 160, Err(Replayed::Used)),
            (1, 161, Ok(())),
            (2, 161, Err(Replayed::Used)),
        ] {
            assert_eq!(Replay::take(&process, &identity(number), now, now + 60), expected, "{number} {now}");
        }
    }

    #[test]
    fn nothing_is_forgotten_for_want_of_room() {
        let process = Alone::default();
        Replay::make(&process).unwrap();
        let room = u32::try_from(PER_SLOT).unwrap();
        for number in 0..room {
            assert_eq!(Replay::take(&process, &identity(number), 1, 100), Ok(()));
        }
        assert_eq!(Replay::take(&process, &identity(room), 1, 100), Err(Replayed::Full));
        assert_eq!(Replay::take(&process, &identity(0), 1, 100), Err(Replayed::Used));
        assert_eq!(Replay::take(&process, &identity(room), 101, 200), Ok(()), "there is room again");
        assert!(process.load("proofs/7").unwrap().value.len() < 2 * ENTRY);
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
                    Replay::take(&self.inner, &identity(1), 1, 100).unwrap();
                } else {
                    self.inner.swap(slot, &self.inner.load(slot)?.value, version)?;
                }
            }
            self.inner.swap(slot, value, version)
        }
    }

    #[test]
    fn only_one_of_two_workers_takes_it() {
        for (disturbs, takes, expected) in
            [(1, true, Err(Replayed::Used)), (3, false, Ok(())), (TRIES, false, Err(Replayed::Host))]
        {
            let process = Busy { inner: Alone::default(), disturbs: Cell::new(disturbs), takes };
            Replay::make(&process).unwrap();
            assert_eq!(Replay::take(&process, &identity(1), 1, 100), expected);
        }
    }
}
