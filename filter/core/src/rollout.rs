//! For whom decisions take effect.
//!
//! A configuration says it up to three times: for everything, for a backend, for a caller. The most particular word counts:
//! the caller's, else the backend's, else the one for everything. Whoever is not recognised has no word of its own, and
//! belongs to no share: it is enforced where enforcement is whole. So is a recognised caller without a tenant.
//!
//! Callers take a seat among 10 000, by a hash of who they are and of nothing that a request says. A share is the seats up
//! to some number, so that a larger share has all the callers of a smaller one.

use core::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::config::{Config, Mode, Percent};
use crate::exchange::Process;
use crate::policy::Policy;
use crate::tenant::TenantSet;

/// The modes of a configuration.
#[derive(Debug)]
pub struct Rollout {
    everything: Percent,
    /// By the positions of the backends and of the callers.
    backends: Vec<Option<Percent>>,
    callers: Vec<Option<Percent>>,
}

/// Where a caller sits: below 10 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat(u16);

impl Seat {
    /// The seat of a caller: by its entry, and by its user or, without one, by all tenants that are its own.
    pub fn of(entry: &str, user: Option<&str>, tenants: &TenantSet) -> Self {
        let mut hash = Sha256::new_with_prefix(b"scopegate rollout 1\0");
        // The length goes first, so that no two pairs read the same.
        hash.update((entry.len() as u64).to_be_bytes());
        hash.update(entry);
        match user {
            Some(user) => hash.update([b"user ", user.as_bytes()].concat()),
            None => hash.update(["tenants ", &tenants.header()].concat()),
        }
        let hash: [u8; 32] = hash.finalize().into();
        let number = hash.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        // Of 2^64 numbers no seat has more than one more than another.
        let seat = number.checked_rem(u64::from(Percent::WHOLE.0));
        Self(seat.and_then(|seat| u16::try_from(seat).ok()).unwrap_or_default())
    }

    /// Which one it is. A share of `n` hundredths of a percent has the seats below `n`.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl Rollout {
    /// Puts the modes together.
    pub fn compile(config: &Config) -> Self {
        let share = |mode: Mode| match mode {
            Mode::Enforce => Percent::WHOLE,
            Mode::Observe => Percent(0),
            Mode::EnforceFor(share) => share,
        };
        Self {
            everything: share(config.mode),
            backends: config.backends.iter().map(|backend| backend.mode.map(share)).collect(),
            callers: config.callers.iter().map(|caller| caller.mode.map(share)).collect(),
        }
    }

    /// Whether decisions take effect. Backend, caller and seat are `None` as far as they are not known.
    pub fn enforces(&self, backend: Option<usize>, caller: Option<usize>, seat: Option<Seat>) -> bool {
        let share = self.share(backend, caller);
        share == Percent::WHOLE || seat.is_some_and(|seat| seat.number() < share.0)
    }

    /// Whether it matters for this caller which seat it has.
    pub fn asks_for_seat(&self, backend: Option<usize>, caller: usize) -> bool {
        !matches!(self.share(backend, Some(caller)), Percent(0) | Percent::WHOLE)
    }

    fn share(&self, backend: Option<usize>, caller: Option<usize>) -> Percent {
        let own = |shares: &[Option<Percent>], at: Option<usize>| shares.get(at?).copied().flatten();
        own(&self.callers, caller).or_else(|| own(&self.backends, backend)).unwrap_or(self.everything)
    }

    /// For how many entries a backend is not, or not wholly, enforced; who is not recognised counts as one.
    pub fn not_enforced(&self, backend: usize) -> u64 {
        self.open_at(backend).count() as u64
    }

    /// The entries that a backend is not wholly enforced for, with their shares; `None` is who is not recognised.
    fn open_at(&self, backend: usize) -> impl Iterator<Item = (Option<usize>, Percent)> + '_ {
        let everyone = (0..self.callers.len()).map(Some).chain([None]);
        everyone
            .map(move |caller| (caller, self.share(Some(backend), caller)))
            .filter(|(_, share)| *share < Percent::WHOLE)
    }
}

/// The slot with the version of the configuration that was warned of last.
const SLOT: &str = "rollout";
/// How many entries are named in the log.
const NAMED: usize = 16;

/// What the log should say when a configuration is loaded: a line for each backend that is open to somebody. One of the
/// workers of a process says it.
pub fn warnings(policy: &Policy, process: &dyn Process) -> Vec<String> {
    let lines: Vec<String> =
        (0..policy.backends.len()).filter_map(|backend| warning(policy, backend)).collect();
    // Where workers share nothing each of them says it.
    let _ = process.make(SLOT, b"");
    if let Ok(said) = process.load(SLOT)
        && (said.value == policy.version || process.swap(SLOT, &policy.version, said.version).is_err())
    {
        return Vec::new();
    }
    lines
}

fn warning(policy: &Policy, backend: usize) -> Option<String> {
    let name = &policy.backends.get(backend)?.name;
    let mut open = policy.rollout.open_at(backend).peekable();
    open.peek()?;
    let mut line = format!(
        "scopegate: mode: the backend {name} is open to the callers that are observed, to every tenant:"
    );
    for (caller, share) in open.by_ref().take(NAMED) {
        let caller = caller.and_then(|at| policy.callers.get(at)).map(|caller| caller.name.as_str());
        let _ = write!(line, " {}", caller.unwrap_or("(not recognised)"));
        if share > Percent(0) && caller.is_some() {
            let _ = write!(line, " (enforced for {share})");
        }
        line.push(',');
    }
    line.pop();
    if open.next().is_some() {
        line.push_str(", …");
    }
    Some(line)
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
