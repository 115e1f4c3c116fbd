//! Tenants that keep failing, so that one of them does not hold up a sender, and all others with it, for ever.
//!
//! A list of a bounded number of tenants, each of one caller and one backend. A tenant comes on it with a failure that
//! the sender would have to make good, and goes off it with anything else. It is given up once it has failed for
//! long enough and others were seen to be accepted lately: if nobody is, the fault is not the tenant's.

use sha2::{Digest as _, Sha256};

use crate::tenant::TenantId;

/// When a tenant is given up. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GiveUp {
    /// After it has failed for so long.
    pub after_ms: Option<u32>,
    /// Or after so many attempts.
    pub attempts: Option<u32>,
    /// How often it is then tried again.
    pub try_every_ms: u32,
}

/// How many tenants are on the list. Beyond it the one goes that has not failed for the longest time.
pub const MAX_FAILING: usize = 128;

/// For how long it counts that others were accepted.
const EVIDENCE_MS: u64 = 60_000;
/// How much of that may pass before it is written down again.
const EVIDENCE_STEP_MS: u64 = 5_000;
/// A tenant that has not failed for so long has not been failing in between.
const GAP_MS: u64 = 5 * 60_000;

/// Which tenant, of which caller and which backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name([u8; 16]);

impl Name {
    /// The name of a tenant; a caller and a backend are known by their names in the configuration.
    pub fn new(caller: &str, backend: &str, tenant: &TenantId) -> Self {
        let mut hash = Sha256::new();
        for text in [caller, backend, tenant.as_str()] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        let mut name = [0; 16];
        for (to, from) in name.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Self(name)
    }
}

/// What is known of a tenant before its part is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not failed lately.
    Good,
    /// It fails, and is sent its parts all the same.
    Failing,
    /// It is given up, and it is time to try again.
    Due,
    /// It is given up: its part is not sent.
    GivenUp,
}

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failing(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: Name,
    /// When it first failed.
    first: u64,
    /// When it last failed.
    last: u64,
    attempts: u32,
    /// When others were last seen to be accepted where this one was not; 0 for never.
    others: u64,
    /// When it was last tried.
    tried: u64,
}

const ENTRY_BYTES: usize = 16 + 4 * 8 + 4;

impl Failing {
    /// Whether nobody fails.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads what [`encode`](Self::encode) wrote; nothing where it is anything else.
    pub fn decode(bytes: &[u8]) -> Self {
        let (entries, []) = bytes.as_chunks::<ENTRY_BYTES>() else { return Self::default() };
        Self(entries.iter().filter_map(Entry::decode).take(MAX_FAILING).collect())
    }

    /// The list as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len().saturating_mul(ENTRY_BYTES));
        for entry in &self.0 {
            out.extend_from_slice(&entry.name.0);
            for time in [entry.first, entry.last, entry.others, entry.tried] {
                out.extend_from_slice(&time.to_le_bytes());
            }
            out.extend_from_slice(&entry.attempts.to_le_bytes());
        }
        out
    }

    /// What is known of a tenant.
    pub fn standing(&self, name: Name, rules: &GiveUp, now: u64) -> Standing {
        match self.0.iter().find(|entry| entry.name == name) {
            None => Standing::Good,
            Some(entry) if !entry.is_given_up(rules, now) => Standing::Failing,
            Some(entry) if now.saturating_sub(entry.tried) >= u64::from(rules.try_every_ms) => Standing::Due,
            Some(_) => Standing::GivenUp,
        }
    }

    /// Notes that a tenant that was given up is tried again.
    pub fn try_again(&mut self, name: Name, now: u64) {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.name == name) {
            entry.tried = now;
        }
    }

    /// Notes that a tenant failed, with others accepted in the same request or not.
    pub fn failed(&mut self, name: Name, others_accepted: bool, now: u64) {
        if !self.0.iter().any(|entry| entry.name == name) {
            if self.0.len() >= MAX_FAILING
                && let Some(oldest) = (0..).zip(&self.0).min_by_key(|(_, entry)| entry.last).map(|(at, _)| at)
            {
                self.0.swap_remove(oldest);
            }
            self.0.push(Entry { name, first: now, last: now, attempts: 0, others: 0, tried: 0 });
        }
        let Some(entry) = self.0.iter_mut().find(|entry| entry.name == name) else { return };
        if now.saturating_sub(entry.last) > GAP_MS {
            (entry.first, entry.attempts, entry.others) = (now, 0, 0);
        }
        entry.last = now;
        entry.attempts = entry.attempts.saturating_add(1);
        if others_accepted {
            entry.others = now;
        }
        entry.tried = now;
    }

    /// Notes that others were accepted where this one was not sent its part; whether that changed anything.
    pub fn not_sent(&mut self, name: Name, now: u64) -> bool {
        let Some(entry) = self.0.iter_mut().find(|entry| entry.name == name) else { return false };
        let changed = now.saturating_sub(entry.others) >= EVIDENCE_STEP_MS;
        if changed {
            entry.others = now;
            // It would have failed.
            entry.last = now;
        }
        changed
    }

    /// Notes that a tenant took its part, or refused it for good; whether that changed anything.
    pub fn settled(&mut self, name: Name) -> bool {
        let before = self.0.len();
        self.0.retain(|entry| entry.name != name);
        self.0.len() != before
    }
}

impl Entry {
    fn is_given_up(&self, rules: &GiveUp, now: u64) -> bool {
        let long = rules.after_ms.is_some_and(|after| now.saturating_sub(self.first) >= u64::from(after));
        let often = rules.attempts.is_some_and(|attempts| self.attempts >= attempts);
        let recent = |then: u64, within| now.saturating_sub(then) <= within;
        (long || often) && self.others > 0 && recent(self.others, EVIDENCE_MS) && recent(self.last, GAP_MS)
    }

    fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let (name, rest) = bytes.split_first_chunk()?;
        let (times, attempts) = rest.split_at_checked(4 * 8)?;
        let ([first, last, others, tried], []) = times.as_chunks::<8>() else { return None };
        Some(Self {
            name: Name(*name),
            first: u64::from_le_bytes(*first),
            last: u64::from_le_bytes(*last),
            others: u64::from_le_bytes(*others),
            tried: u64::from_le_bytes(*tried),
            attempts: u32::from_le_bytes(attempts.try_into().ok()?),
        })
    }
}

#[cfg(test)]
#[path = "failing_tests.rs"]
mod tests;
