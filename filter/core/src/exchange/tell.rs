//! What is told about a request: counters by tenant and caller, the journal, the line for the access log.

use std::rc::Rc;

use super::note::{Note, joined};
use super::observe::Comparison;
use super::{Millis, Worker};
use crate::config::ByTenant;
use crate::operation::Class;
use crate::policy::Policy;
use crate::report::{
    Decision, Differs, Metric, Observation, Refusal, Refused, SeriesOutcome, TenantCount, TenantTag, Voice,
    reply_in,
};
use crate::rollout::Seat;
use crate::session::BodyDigest;
use crate::tenant::TenantId;
use crate::write::Split;
use crate::write::fanout::Released;
use crate::write::outcome::PartAnswer;
use crate::write::rejected::Rejected;

/// What is known of a request when it is refused.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) backend: Option<usize>,
    pub(super) class: Option<Class>,
    pub(super) caller: Option<usize>,
    /// Whether it reaches one of its tenants only by a wildcard.
    pub(super) wildcard: bool,
    /// In which form its sender reads errors.
    pub(super) voice: Voice,
    /// Where its caller sits, if that was asked for.
    pub(super) seat: Option<Seat>,
    /// Whether it goes on as it came, whatever is decided.
    pub(super) observed: bool,
    /// Whether an administrator asks what would become of it.
    pub(super) explain: bool,
    /// The digest that its body must have, where that is part of who it is.
    pub(super) body: Option<BodyDigest>,
}

impl Asked {
    /// A write whose body is looked into.
    pub(super) fn write(backend: usize, caller: usize, voice: Voice) -> Self {
        Self {
            backend: Some(backend),
            class: Some(Class::Write),
            caller: Some(caller),
            voice,
            ..Self::default()
        }
    }
}

/// A request, or a part of one, that is on its way to a tenant.
#[derive(Debug)]
pub(super) struct Tracked {
    backend: usize,
    class: Class,
    tenant: TenantTag,
    series: u32,
    samples: u32,
    bytes: usize,
    since: Option<Millis>,
}

impl Tracked {
    /// A whole request that goes on to these tenants (the value of `X-Scope-OrgID`), if such are counted.
    pub(super) fn whole(
        policy: &Policy,
        worker: &mut Worker,
        (backend, class): (usize, Class),
        tenants: &str,
        now: Millis,
    ) -> Option<Box<Self>> {
        if policy.telling.by_tenant != ByTenant::All {
            return None;
        }
        let tenant = match TenantId::new(tenants) {
            Ok(tenant) => worker.tag(policy, &tenant, now),
            Err(_) => TenantTag::Several,
        };
        Some(Box::new(Self { backend, class, tenant, series: 0, samples: 0, bytes: 0, since: Some(now) }))
    }

    /// A part of a write that was looked into, if such are counted.
    pub(super) fn part(
        policy: &Policy,
        worker: &mut Worker,
        backend: usize,
        part: &Released,
        now: Millis,
    ) -> Option<Self> {
        if policy.telling.by_tenant == ByTenant::None {
            return None;
        }
        let tenant = worker.tag(policy, &part.tenant, now);
        let Released { bytes, series, samples, since, .. } = *part;
        Some(Self { backend, class: Class::Write, tenant, series, samples, bytes, since })
    }

    /// It was answered like this, or will have no answer.
    pub(super) fn answered(self, policy: &Policy, worker: &mut Worker, status: Option<u16>, now: Millis) {
        let Self { backend, class, tenant, series, samples, bytes, since } = self;
        let hundred = status.map_or(0, |status| status / 100);
        let mut add = |count, by| {
            worker.tally.add(Metric::Tenant { backend, tenant: tenant.clone(), count }, by);
        };
        add(TenantCount::Requests { class, hundred }, 1);
        add(TenantCount::Series { hundred }, u64::from(series));
        add(TenantCount::Samples { hundred }, u64::from(samples));
        add(TenantCount::Bytes { hundred }, bytes as u64);
        if let Some(since) = since.filter(|_| status.is_some()) {
            let took = now.saturating_sub(since);
            add(TenantCount::Milliseconds, took);
            if policy.telling.histograms {
                worker.tally.record(Metric::TenantDuration { backend, tenant }, took);
            }
        }
    }
}

/// A request is refused: counts it, tells of it, and gives the answer.
pub(super) fn refuse(
    policy: &Policy,
    worker: &mut Worker,
    asked: Asked,
    refusal: &Refusal,
    now: Millis,
) -> crate::http::Reply {
    let decision = Decision::Refused(refusal.reason());
    worker.count_request(asked.backend, asked.class, decision);
    note(policy, worker, asked, &Note::default(), decision);
    refuse_answer(policy, worker, asked, refusal, now)
}

/// The answer to a request that went on, and was counted then, goes no further: counts that, and gives another.
pub(super) fn refuse_answer(
    policy: &Policy,
    worker: &mut Worker,
    asked: Asked,
    refusal: &Refusal,
    now: Millis,
) -> crate::http::Reply {
    let caller = caller_name(policy, asked.caller);
    worker.tally.add(Metric::Refusals { caller: caller.map(Rc::from), reason: refusal.reason() }, 1);
    journal(policy, worker, asked, refusal, now);
    reply_in(refusal, asked.voice)
}

/// Keeps a refusal for administrators.
pub(super) fn journal(policy: &Policy, worker: &mut Worker, asked: Asked, refusal: &Refusal, now: Millis) {
    if !policy.telling.journal {
        return;
    }
    let refused = Refused {
        backend: backend_name(policy, asked.backend),
        class: asked.class.map(Class::as_str),
        caller: caller_name(policy, asked.caller),
        reason: refusal.reason(),
        status: refusal.status(),
        words: &refusal.to_string(),
    };
    worker.journal.refused(refused, now);
}

/// Keeps for administrators which keys led to no tenant, and which series were rejected.
pub(super) fn journal_series(
    policy: &Policy,
    worker: &mut Worker,
    asked: Asked,
    rejected: &Rejected,
    now: Millis,
) {
    if !policy.telling.journal {
        return;
    }
    let backend = backend_name(policy, asked.backend);
    for (key, series) in rejected.unmapped() {
        worker.journal.unmapped(backend.unwrap_or_default(), key, *series, now);
    }
    // Which series they were differs from request to request, and why does not.
    for (reason, _) in rejected.rejected() {
        let refused = Refused {
            backend,
            class: asked.class.map(Class::as_str),
            caller: caller_name(policy, asked.caller),
            reason,
            status: 400,
            words: "series of a write were not sent on",
        };
        worker.journal.refused(refused, now);
    }
}

/// Counts a request that was only observed, and keeps for administrators how it differs. `came_as` are the values of its
/// `X-Scope-OrgID`.
pub(super) fn observed(
    policy: &Policy,
    worker: &mut Worker,
    asked: Asked,
    came_as: &[Vec<u8>],
    comparison: &Comparison,
    now: Millis,
) {
    let caller = caller_name(policy, asked.caller);
    let tenant = match came_as {
        [] => TenantTag::None,
        _ if policy.telling.by_tenant == ByTenant::None => TenantTag::Other,
        [one] => match TenantId::from_bytes(one) {
            Ok(tenant) if caller.is_some() => worker.tag(policy, &tenant, now),
            Ok(tenant) => worker.tag_unproven(policy, &tenant),
            Err(_) if one.contains(&b'|') => TenantTag::Several,
            Err(_) => TenantTag::Other,
        },
        _ => TenantTag::Several,
    };
    let observation = comparison.observation;
    let (backend, caller) = (asked.backend, caller.map(Rc::from));
    worker.tally.add(Metric::Observed { backend, caller: caller.clone(), tenant, observation }, 1);
    if policy.telling.journal && observation != Observation::Same {
        let (outcome, reason) = observation.words();
        let came_as = (!came_as.is_empty()).then(|| came_as.join(&b", "[..]));
        let differs = Differs {
            backend: backend_name(policy, backend),
            caller: caller.as_deref(),
            came_as: came_as.as_deref(),
            would_go_to: &comparison.would_go_to,
            outcome,
            reason,
        };
        worker.journal.differs(differs, now);
    }
}

/// Counts what became of the series of a write that was looked into, by who sent it. `own` is the caller's one tenant.
pub(super) fn series(
    policy: &Policy,
    worker: &mut Worker,
    asked: Asked,
    own: Option<&TenantId>,
    split: &Split,
    now: Millis,
) {
    let Some(backend) = asked.backend else { return };
    let sent = split.parts.iter().fold(0_u32, |sum, part| sum.saturating_add(part.series));
    worker.tally.add(Metric::Series { backend, outcome: SeriesOutcome::Sent }, u64::from(sent));
    let rejected = split.rejected.rejected().map(|(reason, n)| (SeriesOutcome::Rejected(reason), n));
    let dropped = split.rejected.dropped().map(|(reason, n)| (SeriesOutcome::Dropped(reason), n));
    for (outcome, count) in rejected.chain(dropped) {
        not_sent(policy, worker, asked, own, (outcome, count), now);
    }
    worker.tally.add(Metric::SeriesDoubled { backend }, u64::from(split.doubled));
    worker.tally.add(Metric::MetadataDropped { backend }, u64::from(split.metadata_dropped));
    journal_series(policy, worker, asked, &split.rejected, now);
}

/// Counts series that were rejected or dropped, by who sent them.
pub(super) fn not_sent(
    policy: &Policy,
    worker: &mut Worker,
    asked: Asked,
    own: Option<&TenantId>,
    (outcome, count): (SeriesOutcome, u32),
    now: Millis,
) {
    let Some(backend) = asked.backend else { return };
    worker.tally.add(Metric::Series { backend, outcome }, u64::from(count));
    let tenant = own.map_or(TenantTag::Several, |own| worker.tag(policy, own, now));
    let caller = Rc::from(caller_name(policy, asked.caller).unwrap_or_default());
    worker.tally.add(Metric::NotSent { backend, caller, tenant, outcome }, u64::from(count));
}

/// Leaves the line about a write that was looked into. Its tenants are all of its parts', series and samples those of the
/// parts that are sent: `before` are the answers to parts that are not.
pub(super) fn note_split(
    policy: &Policy,
    worker: &mut Worker,
    asked: Asked,
    split: &Split,
    before: &[PartAnswer],
    decision: Decision,
) {
    if !policy.telling.access_log {
        return;
    }
    let parts = &split.parts;
    let not_sent = before.iter().map(|part| part.tenant.as_str());
    let tenants = joined(parts.iter().map(|part| part.tenant.as_str()).chain(not_sent));
    let sum = |of: fn(&crate::write::Part) -> u32| parts.iter().map(of).fold(0, u32::saturating_add);
    let about = Note {
        tenants: &tenants,
        series: sum(|part| part.series),
        samples: sum(|part| part.samples),
        parts: parts.len(),
        ..Note::default()
    };
    note(policy, worker, asked, &about, decision);
}

/// Leaves the line about a whole request that goes on to these tenants.
pub(super) fn note_whole(
    policy: &Policy,
    worker: &mut Worker,
    asked: Asked,
    tenants: &str,
    decision: Decision,
) {
    if policy.telling.access_log {
        let tenants = joined(tenants.split('|').filter(|tenant| !tenant.is_empty()));
        note(policy, worker, asked, &Note { tenants: &tenants, ..Note::default() }, decision);
    }
}

fn note(policy: &Policy, worker: &mut Worker, asked: Asked, about: &Note<'_>, decision: Decision) {
    if policy.telling.access_log {
        let note = Note {
            backend: backend_name(policy, asked.backend),
            caller: caller_name(policy, asked.caller),
            class: asked.class,
            wildcard: asked.wildcard,
            ..about.clone()
        };
        worker.note = Some(note.line(decision));
    }
}

pub(super) fn backend_name(policy: &Policy, backend: Option<usize>) -> Option<&str> {
    backend.and_then(|at| policy.backends.get(at)).map(|backend| backend.name.as_str())
}

pub(super) fn caller_name(policy: &Policy, caller: Option<usize>) -> Option<&str> {
    caller.and_then(|at| policy.callers.get(at)).map(|caller| caller.name.as_str())
}
