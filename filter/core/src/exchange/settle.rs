//! The end of a split request: its parts are answered, and its sender is told one thing.

use std::rc::Rc;

use super::retries::{self, Earlier, Note, Watch};
use super::tell::{Asked, not_sent};
use super::{Exchange, Millis, Phase, Step, Worker};
use crate::caller::Rights;
use crate::policy::{Backend, Policy};
use crate::report::{Metric, PartOutcome, SeriesOutcome};
use crate::write::fanout::Target;
use crate::write::outcome::{Judged, Outcome};
use crate::write::{Format, SplitPlan};

/// What is still known of a request while its parts are on their way.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) backend: usize,
    pub(super) caller: usize,
    /// What the caller may do.
    pub(super) rights: Rc<Rights>,
    pub(super) format: Format,
    pub(super) plan: SplitPlan,
    pub(super) target: Rc<Target>,
    /// What earlier attempts have settled.
    pub(super) earlier: Option<Earlier>,
    /// Whether one of its tenants has failed lately.
    pub(super) watched: bool,
}

/// A request whose answer is known, but for what shall be remembered of it.
#[derive(Debug)]
pub(super) struct Keeping {
    sending: Sending,
    outcome: Outcome,
}

/// The longest header that tells the outcome, in bytes.
const SUMMARY_BYTES: usize = 1024;

impl Sending {
    /// Who sent the request, for the ledger: the caller's name, and its own tenants.
    pub(super) fn who(caller: &str, plan: &SplitPlan) -> [String; 2] {
        [caller.to_owned(), plan.own().header()]
    }

    fn asked(&self) -> Asked {
        Asked::write(self.backend, self.caller, self.format.voice())
    }

    fn names<'a>(&self, policy: &'a Policy) -> Option<(&'a str, &'a Backend)> {
        Some((&policy.callers.get(self.caller)?.name, policy.backends.get(self.backend)?))
    }
}

impl Exchange {
    /// Every part is answered: what the sender is told, or what must be known first.
    pub(super) fn settle(
        &mut self,
        worker: &mut Worker,
        sending: Sending,
        mut outcome: Outcome,
        now: Millis,
    ) -> Step {
        let policy = Rc::clone(&self.policy);
        let Some((caller, backend)) = sending.names(&policy) else {
            return self.conclude(worker, &sending, outcome, now);
        };
        let rules = &backend.write.answers;
        outcome.judge(rules);
        if sending.watched || outcome.asks_again() {
            let process = Rc::clone(&worker.process);
            Watch::new(&*process, rules.give_up, caller, &backend.name).judge(&*process, &mut outcome, now);
        }
        if !outcome.asks_again() {
            if let Some(earlier) = &sending.earlier {
                Note::again(earlier).forget(&*worker.process, now);
            }
            return self.conclude(worker, &sending, outcome, now);
        }
        if rules.remember_ms > 0
            && !retries::newly_settled(&outcome).is_empty()
            && retries::can_remember(&*worker.process)
        {
            if let Some(earlier) = &sending.earlier {
                let note = Note::again(earlier);
                remember(&policy, worker, &note, &sending, &outcome, now);
            } else {
                self.phase = Phase::Keeping(Box::new(Keeping { sending, outcome }));
                return Step::Read;
            }
        }
        self.conclude(worker, &sending, outcome, now)
    }

    /// The body of a request that the sender is asked to send again; without it nothing is remembered.
    pub(super) fn keep(
        &mut self,
        worker: &mut Worker,
        keeping: Keeping,
        body: Option<&[u8]>,
        now: Millis,
    ) -> Step {
        let policy = Rc::clone(&self.policy);
        let Keeping { sending, outcome } = keeping;
        if let Some(body) = body
            && let Some((caller, _)) = sending.names(&policy)
        {
            let [caller, own] = Sending::who(caller, &sending.plan);
            let note = Note::new(&policy.version, &[&caller, &own], &sending.target, body);
            remember(&policy, worker, &note, &sending, &outcome, now);
        }
        self.conclude(worker, &sending, outcome, now)
    }

    /// Tells the sender.
    fn conclude(
        &mut self,
        worker: &mut Worker,
        sending: &Sending,
        mut outcome: Outcome,
        now: Millis,
    ) -> Step {
        let policy = Rc::clone(&self.policy);
        let backend = sending.backend;
        let final_answer = !outcome.asks_again();
        if let Some((caller, rules)) = sending.names(&policy) {
            for part in &mut outcome.answers {
                part.named = sending.plan.may_know(&part.tenant, &sending.rights);
                // What comes again is not lost yet.
                let Some((series, reason)) = part.dropped().filter(|_| final_answer) else { continue };
                let (asked, own) = (sending.asked(), sending.plan.own_tenant());
                not_sent(&policy, worker, asked, own, (SeriesOutcome::Dropped(reason), series), now);
                let line = match part.answer.status {
                    Some(status) => status.to_string(),
                    None => String::from_utf8_lossy(&part.answer.message).into_owned(),
                };
                let tenant = &part.tenant;
                let name = &rules.name;
                worker.log(
                    format!("write: {series} series of {caller} for tenant {tenant} of {name} are dropped ({reason}): {line}"),
                    now,
                );
            }
        }
        for part in &outcome.answers {
            let outcome = match part.judged {
                _ if part.before => PartOutcome::NotSentAgain,
                Judged::AsIs => continue,
                Judged::Soft => PartOutcome::SoftError,
                Judged::RateLimited | Judged::GivenUp if !final_answer => continue,
                Judged::RateLimited => PartOutcome::RateLimited,
                Judged::GivenUp => PartOutcome::GivenUp,
            };
            worker.tally.add(Metric::Parts { backend, outcome }, 1);
        }
        let mut reply = sending.format.reply(&outcome, policy.limits.answer_bytes.0);
        if !outcome.answers.is_empty() {
            reply.headers.push(("x-scopegate-outcome", outcome.summary(SUMMARY_BYTES)));
        }
        self.answer(reply)
    }
}

fn remember(
    policy: &Policy,
    worker: &mut Worker,
    note: &Note,
    sending: &Sending,
    outcome: &Outcome,
    now: Millis,
) {
    let backend = sending.backend;
    let Some(rules) = policy.backends.get(backend).map(|backend| &backend.write.answers) else { return };
    let parts = retries::newly_settled(outcome);
    let until = now.saturating_add(u64::from(rules.remember_ms));
    let done = note.remember(&*worker.process, &parts, until, policy.limits.remembered_bytes.0, now);
    let outcome = if done { PartOutcome::Remembered } else { PartOutcome::NotRemembered };
    worker.tally.add(Metric::Parts { backend, outcome }, parts.len() as u64);
}
