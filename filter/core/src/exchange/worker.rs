//! What the requests of one worker share: the calls under way, the bytes they hold, and what is to be told.

use std::rc::Rc;

use super::{Alone, Millis, Process};
use crate::caller::Credential;
use crate::config::Limits;
use crate::operation::Class;
use crate::policy::Policy;
use crate::report::{Decision, Journal, Metric, Naming, Refusal, Tally, TenantTag};
use crate::table::{Lookup, Tables};
use crate::tenant::TenantId;
use crate::write::metadata::Followers;

/// The state of one worker thread. Bounds are enforced here; nothing in it is a request's own.
pub struct Worker {
    /// Counters that the host has not taken yet.
    pub tally: Tally,
    /// What it shares with the other workers.
    pub process: Rc<dyn Process>,
    /// What it has told the others about who has which metrics.
    pub(crate) followers: Followers,
    /// The tables that are fetched, as this worker has them.
    pub tables: Tables,
    /// The tables of users, tokens and keys.
    pub credentials: Tables<Credential>,
    /// The date, in seconds since 1970, as far as the host knows it. It is told with the head of a request.
    pub wall_seconds: Option<u64>,
    /// When the last request came.
    latest: Millis,
    /// Until when what the gauges say is taken for granted.
    gauges_until: Millis,
    /// Which tenants have metrics of their own.
    naming: Naming,
    /// What administrators will want to know.
    pub(super) journal: Journal,
    /// The line for the access log that the host has not taken yet.
    pub(super) note: Option<String>,
    calls: usize,
    bytes: usize,
    abandoned: Vec<Abandoned>,
    logs: Vec<String>,
    log_second: Millis,
    log_count: u32,
}

/// Calls whose request is gone. Envoy does not cancel them and tells nobody when they end, so they count
/// until they must have.
#[derive(Debug)]
struct Abandoned {
    calls: usize,
    bytes: usize,
    expires: Millis,
}

/// How long a gauge is not set again. Hosts may go back to a configuration that they still have without a word, after
/// another has set the gauges.
const GAUGES_MS: Millis = 5_000;
/// Lines a second that one worker may log; the counters know of the rest.
const LOGS_PER_SECOND: u32 = 10;

impl Default for Worker {
    /// The only worker of its process.
    fn default() -> Self {
        Self::new(Rc::new(Alone::default()))
    }
}

impl core::fmt::Debug for Worker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Worker")
            .field("calls", &self.calls)
            .field("bytes", &self.bytes)
            .field("abandoned", &self.abandoned)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker of this process, at rest.
    pub fn new(process: Rc<dyn Process>) -> Self {
        Self {
            tally: Tally::default(),
            process,
            followers: Followers::default(),
            tables: Tables::default(),
            credentials: Tables::default(),
            wall_seconds: None,
            latest: 0,
            gauges_until: 0,
            naming: Naming::default(),
            journal: Journal::default(),
            note: None,
            calls: 0,
            bytes: 0,
            abandoned: Vec::new(),
            logs: Vec::new(),
            log_second: 0,
            log_count: 0,
        }
    }

    /// What a decision may be looked up in.
    pub(super) fn lookup<'a>(&'a mut self, policy: &'a Policy) -> Lookup<'a> {
        Lookup {
            rules: &policy.tables,
            tables: &mut self.tables,
            credential_rules: &policy.credentials,
            credentials: &mut self.credentials,
            wall_seconds: self.wall_seconds,
        }
    }

    /// How metrics call a tenant that this request, or part, goes to.
    pub(super) fn tag(&mut self, policy: &Policy, tenant: &TenantId, now: Millis) -> TenantTag {
        self.naming.tag(&policy.telling.naming, &*self.process, tenant, now)
    }

    /// The same for a tenant that nobody has vouched for.
    pub(super) fn tag_unproven(&mut self, policy: &Policy, tenant: &TenantId) -> TenantTag {
        self.naming.tag_unproven(&policy.telling.naming, tenant)
    }

    /// When the last request came: where an event brings no time, it is this.
    pub(super) fn latest(&self) -> Millis {
        self.latest
    }

    /// A request comes: every few seconds what other workers may want to know is handed over, and gauges are set.
    pub(super) fn arrive(&mut self, policy: &Policy, now: Millis) {
        self.latest = now;
        if now >= self.gauges_until {
            self.gauges_until = now.saturating_add(GAUGES_MS);
            for backend in 0..policy.backends.len() {
                self.tally.set(Metric::NotEnforced { backend }, policy.rollout.not_enforced(backend));
            }
        }
        self.journal.hand_over_in_time(&*self.process, now);
    }

    /// Takes the room for the calls of one request: as many as it may have at once, or as many as there are, but
    /// at least one. Who has one goes on with it to the end, so nobody waits for others.
    pub(super) fn admit(
        &mut self,
        limits: &Limits,
        parts: usize,
        bytes: usize,
        now: Millis,
    ) -> Result<usize, Refusal> {
        let limit = limits.held_bytes_per_worker.0;
        if bytes > limit as usize {
            return Err(Refusal::PartsTooLarge { limit });
        }
        self.expire(now);
        let free = (limits.calls_per_worker.0 as usize).saturating_sub(self.calls);
        let calls = parts.min(limits.calls_per_request.0 as usize).min(free);
        if calls == 0 {
            return Err(Refusal::Overloaded {
                what: "too many calls are under way (limits.calls_per_worker)",
            });
        }
        let held = self.bytes.saturating_add(bytes);
        if held > limit as usize {
            return Err(Refusal::Overloaded {
                what: "too much is being sent (limits.held_bytes_per_worker)",
            });
        }
        self.calls = self.calls.saturating_add(calls);
        self.bytes = held;
        Ok(calls)
    }

    pub(super) fn release(&mut self, calls: usize, bytes: usize) {
        self.calls = self.calls.saturating_sub(calls);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// The request of these calls is gone.
    pub(super) fn abandon(&mut self, calls: usize, bytes: usize, expires: Millis) {
        if calls > 0 {
            self.abandoned.push(Abandoned { calls, bytes, expires });
        }
    }

    fn expire(&mut self, now: Millis) {
        let (mut calls, mut bytes) = (0_usize, 0_usize);
        self.abandoned.retain(|abandoned| {
            let over = abandoned.expires <= now;
            if over {
                calls = calls.saturating_add(abandoned.calls);
                bytes = bytes.saturating_add(abandoned.bytes);
            }
            !over
        });
        self.release(calls, bytes);
    }

    pub(super) fn count_request(&mut self, backend: Option<usize>, class: Option<Class>, decision: Decision) {
        self.tally.add(Metric::Requests { backend, class, decision }, 1);
    }

    /// A request is refused since its host failed, and the core was not asked.
    pub fn count_failure(&mut self, refusal: &Refusal) {
        self.tally.add(Metric::Refusals { caller: None, reason: refusal.reason() }, 1);
    }

    pub(super) fn log(&mut self, line: String, now: Millis) {
        let second = now / 1000;
        if second != self.log_second {
            self.log_second = second;
            self.log_count = 0;
        }
        if self.log_count < LOGS_PER_SECOND {
            self.log_count = self.log_count.saturating_add(1);
            self.logs.push(line);
        }
    }

    /// Takes the line for the access log, where there is a new one.
    pub fn take_note(&mut self) -> Option<String> {
        self.note.take()
    }

    /// Takes the lines to log since the last time.
    pub fn take_logs(&mut self) -> Vec<String> {
        core::mem::take(&mut self.logs)
    }
}

#[cfg(test)]
impl Worker {
    /// The calls that count as under way, and the bytes they hold.
    pub(super) fn in_use(&self) -> (usize, usize) {
        (self.calls, self.bytes)
    }
}
