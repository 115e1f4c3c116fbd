//! What the workers of a process share about one table: who refreshes it, since when it stands, and its content.
//!
//! Two slots: a small one that every worker reads at every tick, and the content, which is read when the small one
//! says that it is another. Both change by compare-and-swap only.

use super::content::{Encoded, Entry, Table};
use super::failure::Failure;
use crate::exchange::{Millis, Process, SlotFailure};

/// The small slot of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Which content it is; 0 before the first.
    pub(super) stamp: u64,
    /// When the content was last fetched, or found to be the same.
    pub(super) loaded_at: Millis,
    /// When it was last tried.
    pub(super) tried_at: Millis,
    /// When it is to be fetched next.
    pub(super) next_at: Millis,
    /// Who fetches it; 0 is nobody.
    pub(super) owner: u64,
    /// Until when nobody else may.
    pub(super) leased_until: Millis,
    /// How often it failed since it last did not.
    pub(super) failures: u32,
    /// How many entries the content has.
    pub(super) entries: u32,
    /// How many were left out of it.
    pub(super) invalid: u32,
}

const LAYOUT: u8 = 1;

impl State {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![LAYOUT];
        for long in [self.stamp, self.loaded_at, self.tried_at, self.next_at, self.owner, self.leased_until] {
            out.extend_from_slice(&long.to_le_bytes());
        }
        for short in [self.failures, self.entries, self.invalid] {
            out.extend_from_slice(&short.to_le_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[LAYOUT])?;
        let mut state = Self::default();
        for long in [
            &mut state.stamp,
            &mut state.loaded_at,
            &mut state.tried_at,
            &mut state.next_at,
            &mut state.owner,
            &mut state.leased_until,
        ] {
            let (bytes, after) = rest.split_first_chunk::<8>()?;
            (*long, rest) = (u64::from_le_bytes(*bytes), after);
        }
        for short in [&mut state.failures, &mut state.entries, &mut state.invalid] {
            let (bytes, after) = rest.split_first_chunk::<4>()?;
            (*short, rest) = (u32::from_le_bytes(*bytes), after);
        }
        rest.is_empty().then_some(state)
    }
}

/// The slots of one table.
#[derive(Debug)]
pub(super) struct Slots {
    state: String,
    content: String,
}

/// A content, and which it is.
pub(super) type Stamped<E> = (u64, Table<E>);

impl Slots {
    pub(super) fn new(name: &str) -> Self {
        Self { state: format!("{name}/state"), content: format!("{name}/content") }
    }

    /// Makes the slots. Only before workers serve is this exact.
    pub(super) fn make(&self, process: &dyn Process) -> Result<(), SlotFailure> {
        process.make(&self.content, &[])?;
        process.make(&self.state, &State::default().encode())
    }

    /// The state, and the version by which it is swapped. What cannot be read is as good as new: the table is
    /// fetched again.
    pub(super) fn state(&self, process: &dyn Process) -> Option<(State, u32)> {
        let stored = process.load(&self.state).ok()?;
        Some((State::decode(&stored.value).unwrap_or_default(), stored.version))
    }

    /// Replaces the state if nobody else did.
    pub(super) fn swap(&self, process: &dyn Process, state: &State, version: u32) -> Result<(), SlotFailure> {
        process.swap(&self.state, &state.encode(), version)
    }

    /// Changes the state while `owner` holds the lease; whether it did.
    pub(super) fn change(&self, process: &dyn Process, owner: u64, change: impl Fn(&mut State)) -> bool {
        /// Others change it only to take the lease, which they cannot while it is held.
        const TRIES: u32 = 3;
        for _ in 0..TRIES {
            let Some((mut state, version)) = self.state(process) else { return false };
            if state.owner != owner {
                return false;
            }
            change(&mut state);
            match self.swap(process, &state, version) {
                Ok(()) => return true,
                Err(SlotFailure::Changed) => {}
                Err(SlotFailure::Absent | SlotFailure::Host) => return false,
            }
        }
        false
    }

    /// The content.
    pub(super) fn content<E: Entry>(&self, process: &dyn Process) -> Option<Stamped<E>> {
        let stored = process.load(&self.content).ok()?;
        let (stamp, content) = stored.value.split_first_chunk::<8>()?;
        Some((u64::from_le_bytes(*stamp), Table::decode(content)?))
    }

    /// Puts a content in the place of the one that is there, under a new stamp; under the old one if it is the same.
    /// `Ok(None)` if somebody else holds the lease by now. Gives the stamp.
    pub(super) fn publish(
        &self,
        process: &dyn Process,
        owner: u64,
        encoded: &Encoded,
        new_stamp: u64,
    ) -> Result<Option<u64>, Failure> {
        // The version comes before the look at the lease: whoever took it in between changes the version before
        // the state tells of the new content, and then this swap fails.
        let stored = process.load(&self.content).map_err(|_| Failure::Host)?;
        let (state, _) = self.state(process).ok_or(Failure::Host)?;
        if state.owner != owner {
            return Ok(None);
        }
        if let Some((stamp, content)) = stored.value.split_first_chunk::<8>()
            && content == encoded.bytes.as_slice()
        {
            return Ok(Some(u64::from_le_bytes(*stamp)));
        }
        let value = [new_stamp.to_le_bytes().as_slice(), &encoded.bytes].concat();
        match process.swap(&self.content, &value, stored.version) {
            Ok(()) => Ok(Some(new_stamp)),
            Err(SlotFailure::Changed) => Ok(None),
            Err(SlotFailure::Absent | SlotFailure::Host) => Err(Failure::Host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Alone;
    use crate::tenant::TenantId;
    use proptest::prelude::*;

    fn encoded(bytes: &[u8]) -> Encoded {
        Encoded { bytes: bytes.to_vec(), entries: 1, invalid: 0 }
    }

    /// `{"a": "b"}`.
    const TABLE: &[u8] = b"\x01\0\0\0a\x01\0\0\0b";

    #[test]
    fn only_the_owner_publishes() {
        let (process, slots) = (Alone::default(), Slots::new("t"));
        assert!(slots.state(&process).is_none());
        slots.make(&process).unwrap();
        let (state, version) = slots.state(&process).unwrap();
        assert_eq!(state, State::default());
        assert!(slots.content::<TenantId>(&process).is_none());
        slots.swap(&process, &State { owner: 7, ..state }, version).unwrap();
        assert_eq!(slots.swap(&process, &State { owner: 8, ..state }, version), Err(SlotFailure::Changed));
        assert_eq!(slots.publish(&process, 8, &encoded(TABLE), 1), Ok(None));
        assert_eq!(slots.publish(&process, 7, &encoded(TABLE), 5), Ok(Some(5)));
        // The same content keeps its stamp, so that nobody reads it again.
        assert_eq!(slots.publish(&process, 7, &encoded(TABLE), 6), Ok(Some(5)));
        assert!(!slots.change(&process, 8, |state| state.stamp = 5));
        assert!(slots.change(&process, 7, |state| state.stamp = 5));
        let (stamp, table) = slots.content::<TenantId>(&process).unwrap();
        assert_eq!((stamp, table.get(b"a").map(TenantId::as_str)), (5, Some("b")));
    }

    proptest! {
        #[test]
        fn a_state_is_read_as_it_was_written(
            longs in any::<[u64; 6]>(), shorts in any::<[u32; 3]>(), junk in prop::collection::vec(any::<u8>(), 0..80)
        ) {
            let [stamp, loaded_at, tried_at, next_at, owner, leased_until] = longs;
            let [failures, entries, invalid] = shorts;
            let state = State {
                stamp, loaded_at, tried_at, next_at, owner, leased_until, failures, entries, invalid
            };
            prop_assert_eq!(State::decode(&state.encode()), Some(state));
            let _ = State::decode(&junk);
        }
    }
}
