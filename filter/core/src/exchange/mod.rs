//! One request, as a state machine.
//!
//! An [`Exchange`] is told what happens to its request, each time with the hour, and says what to do next as
//! a [`Step`]. Its phases are an enum; each holds just what it needs, and nothing of a request outlives
//! the phase that needs it.

mod head;
mod observe;
mod process;
mod retries;
mod settle;
#[cfg(test)]
mod tests;
mod worker;

use std::rc::Rc;

pub use process::{Alone, Process, SlotFailure, Stored};
pub use retries::prepare;
pub use worker::Worker;

use crate::caller::Attributes;
use crate::config::Mode;
use crate::http::{Edits, Headers, Reply};
use crate::operation::{Class, Protocol};
use crate::policy::{Backend, Policy};
use crate::report::{Decision, Metric, Refusal, SeriesOutcome, reply};
use crate::tenant::TenantId;
use crate::write::fanout::{Call, Fanout, Target};
use crate::write::outcome::{Answer, Outcome};
use crate::write::{Format, Part, Rules, Split, SplitPlan};

use head::Decided;
use observe::Observed;
use retries::{Watch, look_up};
use settle::{Keeping, Sending};

/// Milliseconds on any clock that does not go back.
pub type Millis = u64;

/// What to do next with the request.
#[derive(Debug)]
pub enum Step {
    /// Let it go on to Envoy's next filter, changed like this. Nothing further is decided about it.
    Continue(Changes),
    /// Hold it and keep its body, until it is whole.
    Buffer,
    /// Hold it and make these calls.
    Call(Vec<Call>),
    /// Hold it; what it waits for is under way.
    Wait,
    /// Hold it, and give its whole body once more, by [`Exchange::body`].
    Read,
    /// Answer it. Nothing further is decided about it.
    Reply(Reply),
}

/// Changes to a request that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// To its headers.
    pub headers: Edits,
    /// Its new body; `None` leaves the body as it came.
    pub body: Option<Vec<u8>>,
}

/// One request.
#[derive(Debug)]
pub struct Exchange {
    policy: Rc<Policy>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Nothing is known yet.
    Head,
    /// The body is being kept.
    Body(Box<Held>),
    /// The parts are on their way.
    Calls(Box<Sent>),
    /// All parts are answered, and the body is wanted once more to remember that.
    Keeping(Box<Keeping>),
    /// It went on; nothing more is decided about it.
    WentOn,
    /// It was answered, or is gone; nothing of it goes on.
    Answered,
}

/// A write whose body will be looked into.
#[derive(Debug)]
struct Held {
    backend: usize,
    caller: usize,
    protocol: Protocol,
    format: Format,
    plan: SplitPlan,
    /// Where the parts would go.
    target: Target,
    /// What changes in the head in any case.
    edits: Edits,
    /// Whether the head announces the length of the body.
    announced: bool,
    /// The tenant that came with the request, where its whole way is only observed.
    observed: Option<Observed>,
}

/// A write whose parts are on their way.
#[derive(Debug)]
struct Sent {
    sending: Sending,
    fanout: Fanout,
}

impl Exchange {
    /// A request that has not arrived yet.
    pub fn new(policy: Rc<Policy>) -> Self {
        Self { policy, phase: Phase::Head }
    }

    /// The head has arrived; with `end_of_stream` there is no body.
    pub fn head(
        &mut self,
        worker: &mut Worker,
        headers: &Headers<'_>,
        end_of_stream: bool,
        attributes: &dyn Attributes,
        now: Millis,
    ) -> Step {
        let observed = (self.policy.mode == Mode::Observe).then(|| Observed::new(headers));
        let decided = head::decide(&self.policy, headers, attributes);
        match (decided, observed) {
            (Ok(Decided::Whole { backend, class, tenants, .. }), Some(observed)) => {
                self.observe(worker, observed.compare_whole(&tenants), Some(backend), Some(class), now)
            }
            (Ok(Decided::Whole { backend, class, mut edits, tenants }), None) => {
                edits.set(headers, "x-scope-orgid", &tenants);
                worker.count_request(Some(backend), Some(class), Decision::Forwarded);
                self.go_on(edits, None)
            }
            (Ok(Decided::Look(mut held)), observed) => {
                held.observed = observed;
                let limit = self.policy.limits.request_bytes.0;
                let announced = headers.first("content-length").and_then(parse_number).unwrap_or(0);
                self.phase = Phase::Body(held);
                if announced > u64::from(limit) {
                    self.refuse_body(worker, &Refusal::BodyTooLarge { limit }, now)
                } else if end_of_stream {
                    self.body(worker, Ok(Vec::new()), now)
                } else {
                    Step::Buffer
                }
            }
            (Err(refused), Some(observed)) => {
                let difference = observed.refusal(&refused.refusal);
                self.observe(worker, Some(difference), refused.backend, refused.class, now)
            }
            (Err(refused), None) => {
                worker.count_request(
                    refused.backend,
                    refused.class,
                    Decision::Refused(refused.refusal.reason()),
                );
                self.answer(reply(&refused.refusal, refused.protocol))
            }
        }
    }

    /// More of the body has arrived: `size` bytes are kept by now.
    pub fn body_progress(&mut self, worker: &mut Worker, size: usize, now: Millis) -> Step {
        let limit = self.policy.limits.request_bytes.0;
        match &self.phase {
            Phase::Body(_) if size > limit as usize => {
                self.refuse_body(worker, &Refusal::BodyTooLarge { limit }, now)
            }
            _ => self.as_before(),
        }
    }

    /// Whether the body is wanted once it is whole.
    pub fn wants_body(&self) -> bool {
        matches!(self.phase, Phase::Body(_))
    }

    /// The whole body has arrived, or could not be read.
    pub fn body(&mut self, worker: &mut Worker, body: Result<Vec<u8>, &'static str>, now: Millis) -> Step {
        if matches!(self.phase, Phase::Keeping(_))
            && let Phase::Keeping(keeping) = core::mem::replace(&mut self.phase, Phase::Answered)
        {
            return self.keep(worker, *keeping, body.ok().as_deref(), now);
        }
        let Some(held) = self.take_held() else { return self.as_before() };
        let policy = Rc::clone(&self.policy);
        let split = body.map_err(|what| Refusal::Host { what }).and_then(|body| {
            let caller =
                policy.callers.get(held.caller).ok_or(Refusal::Host { what: "the caller was lost" })?;
            let split = held.format.split(&body, &held.plan, &caller.rights, &policy.limits)?;
            Ok((split, body))
        });
        match split {
            Ok((split, body)) => self.send(worker, *held, split, body, now),
            Err(refusal) => {
                self.phase = Phase::Body(held);
                self.refuse_body(worker, &refusal, now)
            }
        }
    }

    /// The call `id` was answered, or could not be made.
    pub fn answered(&mut self, worker: &mut Worker, id: u32, answer: Answer, now: Millis) -> Step {
        let mut sent = match core::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Calls(sent) => sent,
            other => {
                self.phase = other;
                return self.as_before();
            }
        };
        let hundred = answer.status.map_or(0, |status| status / 100);
        let Some(released) = sent.fanout.answered(id, answer) else {
            self.phase = Phase::Calls(sent);
            return Step::Wait;
        };
        worker.tally.add(Metric::Calls { backend: sent.sending.backend, hundred }, 1);
        worker.release(0, released.bytes);
        if let Some(call) = sent.fanout.next_call(now) {
            self.phase = Phase::Calls(sent);
            return Step::Call(vec![call]);
        }
        worker.release(1, sent.fanout.expire(now));
        if let Some(outcome) = sent.fanout.outcome() {
            return self.settle(worker, sent.sending, outcome, now);
        }
        self.phase = Phase::Calls(sent);
        Step::Wait
    }

    /// The request is gone, answered or not. Calls under way go on without it.
    pub fn closed(&mut self, worker: &mut Worker) {
        if let Phase::Calls(sent) = core::mem::replace(&mut self.phase, Phase::Answered) {
            let fanout = &sent.fanout;
            worker.release(0, fanout.waiting_bytes());
            worker.abandon(fanout.flying(), fanout.flying_bytes(), fanout.deadline());
        }
    }

    /// What becomes of a request that was taken apart.
    fn send(&mut self, worker: &mut Worker, held: Held, split: Split, body: Vec<u8>, now: Millis) -> Step {
        let Held { backend, caller, protocol, format, plan, target, announced, mut edits, observed } = held;
        if let Some(observed) = observed {
            return self.observe(
                worker,
                observed.compare_split(&split),
                Some(backend),
                Some(Class::Write),
                now,
            );
        }
        let Split { mut parts, rejected, metadata_dropped, untouched } = split;
        let policy = Rc::clone(&self.policy);
        let (Some(names), Some(Backend { name, write: Rules { answers: rules, .. }, .. })) =
            (policy.callers.get(caller), policy.backends.get(backend))
        else {
            return self.answer(reply(&Refusal::Host { what: "the backend was lost" }, Some(protocol)));
        };
        let process = Rc::clone(&worker.process);
        let watch = Watch::new(&*process, rules.give_up, &names.name, name);
        let watched = watch.concerns(&parts, now);
        let is_split = parts.len() > 1;
        let by_call = is_split || rejected.any_rejected() || rules.change_answers() || watched;
        let mut earlier = None;
        let mut before = Vec::new();
        if by_call {
            if untouched && let [part] = parts.as_mut_slice() {
                part.body = body;
            } else if is_split && rules.remember_ms > 0 {
                let [who, own] = Sending::who(&names.name, &plan);
                earlier = look_up(&*process, &policy.version, &[&who, &own], &target, &body, now);
            }
            before = watch.leave_out(&*process, earlier.as_ref(), &mut parts, now);
        }
        let sent = parts.iter().fold(0_u32, |sum, part| sum.saturating_add(part.series));
        // Not before it is decided: what is refused now comes again.
        let count = |worker: &mut Worker, decision| {
            worker.count_request(Some(backend), Some(Class::Write), decision);
            let mut series =
                |outcome, by: u32| worker.tally.add(Metric::Series { backend, outcome }, u64::from(by));
            series(SeriesOutcome::Sent, sent);
            for (reason, count) in rejected.rejected() {
                series(SeriesOutcome::Rejected(reason), count);
            }
            for (reason, count) in rejected.dropped() {
                series(SeriesOutcome::Dropped(reason), count);
            }
            worker.tally.add(Metric::MetadataDropped { backend }, u64::from(metadata_dropped));
        };
        let single = if by_call { None } else { parts.pop() };
        if let Some(Part { tenant, body, .. }) = single {
            count(worker, Decision::Forwarded);
            set_tenant(&mut edits, &tenant);
            if untouched {
                return self.go_on(edits, None);
            }
            if announced {
                edits.set.push(("content-length".to_owned(), body.len().to_string()));
            }
            return self.go_on(edits, Some(body));
        }
        let target = Rc::new(target);
        let sending = Sending { backend, caller, format, plan, target: Rc::clone(&target), earlier, watched };
        if parts.is_empty() {
            count(worker, if before.is_empty() { Decision::Empty } else { Decision::Split });
            return self.settle(worker, sending, Outcome { answers: before, rejected }, now);
        }
        let bytes = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.body.len()));
        let calls = match worker.admit(&self.policy.limits, parts.len(), bytes, now) {
            Ok(calls) => calls,
            Err(refusal) => {
                worker.count_request(Some(backend), Some(Class::Write), Decision::Refused(refusal.reason()));
                return self.answer(reply(&refusal, Some(protocol)));
            }
        };
        count(worker, Decision::Split);
        let mut fanout = Fanout::new(target, parts, rejected, calls, now);
        fanout.answered_before(before);
        if is_split && rules.remember_ms > 0 {
            fanout.take_prints();
        }
        let first: Vec<Call> = (0..calls).map_while(|_| fanout.next_call(now)).collect();
        self.phase = Phase::Calls(Box::new(Sent { sending, fanout }));
        Step::Call(first)
    }

    /// A write that was to be looked into is refused; or goes on, where it is only observed.
    fn refuse_body(&mut self, worker: &mut Worker, refusal: &Refusal, now: Millis) -> Step {
        let Some(held) = self.take_held() else { return self.as_before() };
        let Held { backend, protocol, observed, .. } = *held;
        if let Some(observed) = observed {
            return self.observe(
                worker,
                Some(observed.refusal(refusal)),
                Some(backend),
                Some(Class::Write),
                now,
            );
        }
        worker.count_request(Some(backend), Some(Class::Write), Decision::Refused(refusal.reason()));
        self.answer(reply(refusal, Some(protocol)))
    }

    /// In observe mode a request goes on as it came; a difference is counted and logged.
    fn observe(
        &mut self,
        worker: &mut Worker,
        difference: Option<String>,
        backend: Option<usize>,
        class: Option<Class>,
        now: Millis,
    ) -> Step {
        let decision = if difference.is_some() { Decision::Differed } else { Decision::Agreed };
        worker.count_request(backend, class, decision);
        if let Some(difference) = difference {
            worker.log(difference, now);
        }
        self.go_on(Edits::default(), None)
    }

    /// Takes what is known of a write whose body is being kept.
    fn take_held(&mut self) -> Option<Box<Held>> {
        match core::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Body(held) => Some(held),
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// What an event means that changes nothing: what went on goes on, and all else stays held.
    fn as_before(&self) -> Step {
        match self.phase {
            Phase::WentOn => Step::Continue(Changes::default()),
            Phase::Body(_) => Step::Buffer,
            Phase::Head | Phase::Calls(_) | Phase::Keeping(_) | Phase::Answered => Step::Wait,
        }
    }

    fn go_on(&mut self, headers: Edits, body: Option<Vec<u8>>) -> Step {
        self.phase = Phase::WentOn;
        Step::Continue(Changes { headers, body })
    }

    fn answer(&mut self, reply: Reply) -> Step {
        self.phase = Phase::Answered;
        Step::Reply(reply)
    }
}

/// Sets the tenant; what the client said about it is removed already.
fn set_tenant(edits: &mut Edits, tenant: &TenantId) {
    edits.set.push(("x-scope-orgid".to_owned(), tenant.as_str().to_owned()));
}

fn parse_number(value: &[u8]) -> Option<u64> {
    core::str::from_utf8(value).ok()?.parse().ok()
}
