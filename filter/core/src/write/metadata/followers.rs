//! Who has which metrics: learnt from what is written, shared by all workers.
//!
//! A worker tells the others what it saw only if it is news to itself, so that ordinary requests write nothing that is
//! shared. After a while all is news again, which keeps in the table what is still written.

use hashbrown::HashSet;
use sha2::{Digest as _, Sha256};

use super::family::{Written, hash};
use super::table::Table;
use super::{ByName, Following};
use crate::exchange::{Millis, Process, SlotFailure};
use crate::tenant::{TenantId, TenantSet};

/// Whose metrics: a backend, a caller and its own tenants, as a hash that nobody can make collide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope(pub(super) [u8; 16]);

impl Scope {
    pub(super) fn of(backend: &str, caller: &str, own: &TenantSet) -> Self {
        // Neither names nor tenants contain a zero byte.
        let text = format!("{backend}\0{caller}\0{}", own.header());
        let mut key = [0; 16];
        for (byte, hashed) in key.iter_mut().zip(Sha256::digest(text.as_bytes())) {
            *byte = hashed;
        }
        Self(key)
    }

    fn slot(self) -> String {
        let [first, ..] = self.0;
        slot(u32::from(first))
    }
}

/// Into how many slots scopes are spread.
const SLOTS: u32 = 16;
/// How many bytes one slot may have: together 4 MiB in a process.
const SLOT_BYTES: usize = 256 << 10;

fn slot(number: u32) -> String {
    format!("metadata/{}", number % SLOTS)
}

/// Makes the slots that workers share, before any of them serves.
pub(crate) fn make_slots(process: &dyn Process) -> Result<(), SlotFailure> {
    (0..SLOTS).try_for_each(|number| process.make(&slot(number), &[]))
}

/// The tenants that are known to have a metric, in one scope.
#[derive(Debug, Default)]
pub(super) struct Known {
    tenants: Vec<TenantId>,
    names: ByName,
}

impl Known {
    /// How many tenants have the metric.
    pub(super) fn count(&self, name: u64) -> usize {
        self.names.get(&name).map_or(0, Vec::len)
    }

    /// One of them.
    pub(super) fn tenant(&self, name: u64, position: usize) -> Option<&TenantId> {
        self.tenants.get(*self.names.get(&name)?.get(position)?)
    }
}

impl Following {
    /// What is known by now.
    pub(super) fn load(&self) -> Known {
        let stored = self.process.as_ref().and_then(|process| process.load(&self.scope.slot()).ok());
        let entries = stored.map(|stored| Table::decode(&stored.value).take(self.scope));
        let (tenants, names) = entries.unwrap_or_default().into_names();
        Known { tenants, names }
    }
}

/// What one worker has told the others lately.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    /// Hashes over scope, name and tenant.
    told: HashSet<u64>,
    since: Millis,
}

/// How long what was told is no news.
const FORGET_AFTER_MS: Millis = 300_000;
/// How much of it a worker remembers: about half a megabyte.
const MAX_TOLD: usize = 50_000;
/// How often a worker tries while others write to the same slot. It tries again with its next request.
const TRIES: u32 = 5;

impl Followers {
    /// Learns from a request what it wrote. Failing is harmless: it is learnt from the next one.
    pub(crate) fn learn(
        &mut self,
        process: &dyn Process,
        following: &Following,
        written: &Written,
        now: Millis,
    ) {
        if written.names.is_empty() {
            return;
        }
        if now.saturating_sub(self.since) >= FORGET_AFTER_MS || self.told.len() >= MAX_TOLD {
            self.told.clear();
            self.since = now;
        }
        let scope = following.scope;
        let tenants: Vec<_> = written
            .tenants
            .iter()
            .map(|tenant| (tenant, hash(hash(0, &scope.0), tenant.as_str().as_bytes())))
            .collect();
        let mut keys = Vec::new();
        let mut news = Vec::new();
        for (name, positions) in &written.names {
            for (tenant, seed) in positions.iter().filter_map(|at| tenants.get(*at)) {
                let key = hash(*seed, &name.to_le_bytes());
                if !self.told.contains(&key) {
                    keys.push(key);
                    news.push((*name, *tenant));
                }
            }
        }
        if news.is_empty() {
            return;
        }
        let slot = scope.slot();
        for _ in 0..TRIES {
            let Ok(stored) = process.load(&slot) else { return };
            let mut table = Table::decode(&stored.value);
            table.add(scope, &news, SLOT_BYTES);
            match process.swap(&slot, &table.encode(), stored.version) {
                Ok(()) => {
                    self.told.extend(keys);
                    return;
                }
                Err(SlotFailure::Changed) => {}
                Err(SlotFailure::Absent | SlotFailure::Host) => return,
            }
        }
    }
}
