//! What becomes of a write that was taken apart: it goes on whole, in parts, or not at all.

use std::rc::Rc;

use super::retries::{Watch, look_up};
use super::settle::Sending;
use super::tell::{self, Tracked};
use super::{Exchange, Held, Millis, Phase, Sent, Step, Worker};
use crate::operation::Class;
use crate::policy::Backend;
use crate::report::{Decision, Refusal};
use crate::write::fanout::{Call, Fanout, Released};
use crate::write::outcome::Outcome;
use crate::write::{Part, Rules, Split};

impl Exchange {
    /// Sends on what a body was taken apart into.
    pub(super) fn send(
        &mut self,
        worker: &mut Worker,
        held: Held,
        mut split: Split,
        body: Vec<u8>,
        now: Millis,
    ) -> Step {
        let asked = held.asked();
        let policy = Rc::clone(&self.policy);
        let Held {
            backend,
            caller,
            rights,
            wildcard: _,
            format,
            plan,
            target,
            address,
            announced,
            mut edits,
            observed,
        } = held;
        if let Some(observed) = observed {
            tell::journal_series(&policy, worker, asked, &split.rejected, now);
            return self.observe(worker, &observed, observed.compare_split(&split), asked, now);
        }
        let (Some(who), Some(Backend { name, write: Rules { answers: rules, .. }, .. })) =
            (policy.callers.get(caller), policy.backends.get(backend))
        else {
            let refusal = Refusal::Host { what: "the backend was lost" };
            let reply = tell::refuse(&policy, worker, asked, &refusal, now);
            return self.answer(reply);
        };
        let process = Rc::clone(&worker.process);
        if let Some(following) = plan.following() {
            worker.followers.learn(&*process, following, &split.names, now);
        }
        let watch = Watch::new(&*process, rules.give_up, &who.name, name);
        let watched = watch.concerns(&split.parts, now);
        let is_split = split.parts.len() > 1;
        let size = body.len();
        let by_call = is_split || split.rejected.any_rejected() || rules.change_answers() || watched;
        let mut earlier = None;
        let mut before = Vec::new();
        if by_call {
            if split.untouched
                && let [part] = split.parts.as_mut_slice()
            {
                part.body = body;
            } else if is_split && rules.remember_ms > 0 {
                let [caller, own] = Sending::who(&who.name, &plan);
                earlier = look_up(&*process, &policy.version, &[&caller, &own], &target, &body, now);
            }
            before = watch.leave_out(&*process, earlier.as_ref(), &mut split.parts, now);
        }
        // Not before it is decided: what is refused now comes again.
        let count = |worker: &mut Worker, split: &Split, decision| {
            worker.count_request(Some(backend), Some(Class::Write), decision);
            tell::series(&policy, worker, asked, plan.own_tenant(), split, now);
            tell::note_split(&policy, worker, asked, split, &before, decision);
            // Those that an earlier attempt has settled were counted then.
            for part in before.iter().filter(|part| !part.before) {
                let part = Released {
                    tenant: part.tenant.clone(),
                    bytes: 0,
                    series: part.series,
                    samples: part.samples,
                    since: None,
                };
                if let Some(tracked) = Tracked::part(&policy, worker, backend, &part, now) {
                    tracked.answered(&policy, worker, None, now);
                }
            }
        };
        if let ([part], false) = (split.parts.as_slice(), by_call) {
            count(worker, &split, Decision::Forwarded);
            let Part { tenant, series, samples, .. } = part;
            let part = Released {
                tenant: tenant.clone(),
                bytes: if split.untouched { size } else { part.body.len() },
                series: *series,
                samples: *samples,
                since: Some(now),
            };
            // What the client said about it is removed already.
            edits.set.extend(address.tell(tenant));
            let tracked = Tracked::part(&policy, worker, backend, &part, now).map(Box::new);
            let body = split.parts.into_iter().next().filter(|_| !split.untouched).map(|part| part.body);
            if let Some(body) = body.as_ref().filter(|_| announced) {
                edits.set.push(("content-length".to_owned(), body.len().to_string()));
            }
            return self.go_on(edits, body, tracked);
        }
        let target = Rc::new(target);
        if split.parts.is_empty() {
            count(worker, &split, if before.is_empty() { Decision::Empty } else { Decision::Split });
            let sending = Sending { backend, caller, rights, format, plan, target, earlier, watched };
            return self.settle(worker, sending, Outcome { answers: before, rejected: split.rejected }, now);
        }
        let bytes = split.parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.body.len()));
        let calls = match worker.admit(&policy.limits, split.parts.len(), bytes, now) {
            Ok(calls) => calls,
            Err(refusal) => {
                let reply = tell::refuse(&policy, worker, asked, &refusal, now);
                return self.answer(reply);
            }
        };
        count(worker, &split, Decision::Split);
        let Split { parts, rejected, .. } = split;
        let sending =
            Sending { backend, caller, rights, format, plan, target: Rc::clone(&target), earlier, watched };
        let mut fanout = Fanout::new(target, parts, rejected, calls, now);
        fanout.answered_before(before);
        if is_split && rules.remember_ms > 0 {
            fanout.take_prints();
        }
        let first: Vec<Call> = (0..calls).map_while(|_| fanout.next_call(now)).collect();
        self.phase = Phase::Calls(Box::new(Sent { sending, fanout }));
        Step::Call(first)
    }
}
