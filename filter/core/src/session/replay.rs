//! Which proofs were used: each is good once, whichever worker it comes to.
//!
//! The workers of a process share the slots, which are an attribute's own. Several gateways share nothing: a proof
//! that was used at one of them is new to another, within its window.
//!
//! Nothing that could be good again is ever forgotten. Where there is no room, the request is refused. And a slot keeps
//! the time of the latest proof that it forgot: whatever is not later is stale, even where the clock was set back or the
//! window was made longer.

use crate::exchange::{Process, SlotFailure, change};

use super::BadProof;

/// The slots among which the proofs of an attribute are spread, by the first byte of their MAC.
const SLOTS: u32 = 256;
/// What is kept of a proof: 16 more bytes of its MAC, and its time in seconds since 1970, 32 bits, little endian.
const ENTRY: usize = 20;
/// What begins a slot's value: the time of the latest proof that was forgotten, in the same form.
const FORGOTTEN: usize = 4;

/// The proofs of an attribute that were used lately, in the slots of the process.
#[derive(Debug)]
pub struct Replay {
    slots: String,
    window: u32,
    per_slot: usize,
}

/// Why a proof is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It was used before, or may have been.
    Bad(BadProof),
    /// So many were used lately that this one could not be kept.
    Full,
    /// The slots cannot be read or written.
    Host,
}

impl Replay {
    /// For the proofs of an attribute that are good for `window` seconds before and after their time, at `rate` a second.
    pub fn new(attribute: &str, window: u32, rate: u32) -> Self {
        // MACs spread evenly, but not that evenly: five standard deviations more are practically never needed.
        let mean = rate.saturating_mul(window).div_ceil(SLOTS);
        let per_slot = mean.saturating_add(mean.isqrt().saturating_mul(5)).saturating_add(8);
        Self { slots: format!("proofs/{attribute}/"), window, per_slot: per_slot as usize }
    }

    /// Makes the slots; before any worker serves.
    ///
    /// # Errors
    /// The host's.
    pub fn make(&self, process: &dyn Process) -> Result<(), SlotFailure> {
        (0..SLOTS).try_for_each(|slot| process.make(&self.slot(slot), &[0; FORGOTTEN]))
    }

    /// Takes a proof, by its [identity](super::Proof::identity), that was made at `time` and is good at `now`. Only one
    /// of all who bring it is told `Ok`.
    ///
    /// # Errors
    /// For all others, and where it cannot be known.
    pub fn take(
        &self,
        process: &dyn Process,
        identity: &[u8; 32],
        time: u64,
        now: u64,
    ) -> Result<(), NotTaken> {
        let stale = NotTaken::Bad(BadProof::Stale(self.window));
        let (Ok(time), Ok(now)) = (u32::try_from(time), u32::try_from(now)) else { return Err(stale) };
        let [slot, rest @ ..] = identity;
        let (mac, _) = rest.split_first_chunk::<16>().ok_or(NotTaken::Host)?;
        let mut taken = Err(NotTaken::Host);
        let changed = change(process, &self.slot(u32::from(*slot)), |value| {
            let new = self.add(value, *mac, time, now);
            taken = new.as_ref().map(|_| ()).map_err(|why| *why);
            new.ok()
        });
        match changed {
            Ok(_) => taken,
            Err(SlotFailure::Absent | SlotFailure::Changed | SlotFailure::Host) => Err(NotTaken::Host),
        }
    }

    /// The value of a slot with one more proof, and without those that are stale.
    fn add(&self, value: &[u8], mac: [u8; 16], time: u32, now: u32) -> Result<Vec<u8>, NotTaken> {
        let (forgotten, entries) = value.split_first_chunk::<FORGOTTEN>().ok_or(NotTaken::Host)?;
        let mut forgotten = u32::from_le_bytes(*forgotten);
        let mut kept = Vec::with_capacity(value.len().saturating_add(ENTRY));
        kept.extend_from_slice(&[0; FORGOTTEN]);
        let (entries, []) = entries.as_chunks::<ENTRY>() else { return Err(NotTaken::Host) };
        for entry in entries {
            let (known, made) = entry.split_first_chunk::<16>().ok_or(NotTaken::Host)?;
            let made = made.try_into().map_or(u32::MAX, u32::from_le_bytes);
            if *known == mac {
                return Err(NotTaken::Bad(BadProof::Used));
            }
            if made.saturating_add(self.window) < now {
                forgotten = forgotten.max(made);
            } else {
                kept.extend_from_slice(entry);
            }
        }
        if time <= forgotten {
            return Err(NotTaken::Bad(BadProof::Stale(self.window)));
        }
        if kept.len() >= self.per_slot.saturating_mul(ENTRY) {
            return Err(NotTaken::Full);
        }
        kept.extend_from_slice(&mac);
        kept.extend_from_slice(&time.to_le_bytes());
        if let Some(begin) = kept.first_chunk_mut::<FORGOTTEN>() {
            *begin = forgotten.to_le_bytes();
        }
        Ok(kept)
    }

    fn slot(&self, number: u32) -> String {
        format!("{}{number}", self.slots)
    }
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
