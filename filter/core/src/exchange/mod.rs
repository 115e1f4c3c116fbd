//! One request, as a state machine.
//!
//! An [`Exchange`] is told what happens to its request, each time with the hour, and says what to do next as
//! a [`Step`]. Its phases are an enum; each holds just what it needs, and nothing of a request outlives
//! the phase that needs it.

mod answering;
pub mod explain;
pub(crate) mod explained;
mod fetching;
mod head;
mod note;
mod observe;
mod pages;
mod process;
mod proven;
mod reading;
mod retries;
mod send;
mod settle;
mod tell;
#[cfg(test)]
mod tests;
mod worker;

use std::rc::Rc;

pub use pages::{Page, Pages};
pub(crate) use process::change;
pub use process::{Alone, Process, SlotFailure, Stored};
pub use retries::prepare;
pub use worker::Worker;

use crate::caller::{Attributes, Rights};
use crate::http::{Edits, Headers, Reply};
use crate::isolate::Address;
use crate::policy::Policy;
use crate::report::{Decision, Metric, Refusal};
use crate::write::fanout::{Call, Fanout, Released, Target};
use crate::write::outcome::Answer;
use crate::write::written::Written;
use crate::write::{Format, SplitPlan};

use answering::Answering;
use explained::Explained;
use head::Decided;
use observe::{Comparison, Observed};
use proven::Proven;
use reading::HeldRead;
use settle::{Keeping, Sending};
use tell::{Asked, Tracked};

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
    /// The body is being kept, to be looked into.
    Body(Box<Held>),
    /// The body of a read is being kept.
    Reading(Box<HeldRead>),
    /// The body is being kept, since it belongs to the proof of who sent it.
    Proven(Box<Proven>),
    /// It is about rules, alerts or silences that a label keeps apart.
    Answering(Box<Answering>),
    /// It is explained and not sent on, and its body is being kept for that.
    Explained(Box<Explained>),
    /// The parts are on their way.
    Calls(Box<Sent>),
    /// All parts are answered, and the body is wanted once more to remember that.
    Keeping(Box<Keeping>),
    /// It went on; nothing more is decided about it. Its answer may be wanted, to be counted.
    WentOn(Option<Box<Tracked>>),
    /// It was answered, or is gone; nothing of it goes on.
    Answered,
}

/// A write whose body will be looked into.
#[derive(Debug)]
struct Held {
    backend: usize,
    caller: usize,
    /// What the caller may do.
    rights: Rc<Rights>,
    /// Whether it reaches its tenant by a wildcard.
    wildcard: bool,
    format: Format,
    plan: SplitPlan,
    /// Where the parts would go.
    target: Target,
    /// Where it goes itself, if it has one tenant.
    address: Address,
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

impl Held {
    fn asked(&self) -> Asked {
        let asked = Asked::write(self.backend, self.caller, self.format.voice());
        Asked { wildcard: self.wildcard, ..asked }
    }
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
        let policy = Rc::clone(&self.policy);
        worker.arrive(&policy, now);
        let (decided, asked) = head::decide(&policy, headers, end_of_stream, attributes, worker);
        // What is explained never goes on, so that it is told, or refused, as if that took effect.
        let observed = (asked.observed && !asked.explain).then(|| Observed::new(headers));
        let step = match decided {
            Ok(decided) if asked.explain => self.explain(worker, decided, asked, now),
            decided => self.enter(worker, decided, asked, observed, now),
        };
        if self.wants_body() { self.keep_body(worker, headers, end_of_stream, now) } else { step }
    }

    /// Does what was decided by the head, unless the body belongs to the proof of who sent it.
    fn enter(
        &mut self,
        worker: &mut Worker,
        decided: Result<Decided, Refusal>,
        asked: Asked,
        observed: Option<Observed>,
        now: Millis,
    ) -> Step {
        match (decided, asked.body) {
            (Ok(decided), Some(body)) => {
                self.phase = Phase::Proven(Box::new(Proven { body, decided, asked, observed }));
                Step::Buffer
            }
            (decided, _) => self.act(worker, decided, asked, observed, now),
        }
    }

    /// Does what was decided about the request; [`Step::Buffer`] where its body must be looked into.
    fn act(
        &mut self,
        worker: &mut Worker,
        decided: Result<Decided, Refusal>,
        asked: Asked,
        observed: Option<Observed>,
        now: Millis,
    ) -> Step {
        let policy = Rc::clone(&self.policy);
        match (decided, observed) {
            (Ok(Decided::Page(reply)), _) => {
                worker.count_request(None, asked.class, Decision::Page);
                tell::note_whole(&policy, worker, asked, "", Decision::Page);
                self.answer(reply)
            }
            (Ok(Decided::Whole { backend, edits, tenants, .. }), Some(observed)) => {
                let comparison = if policy.knows_labels_alone(backend) {
                    observed.compare_labelled(&tenants, &edits, false)
                } else {
                    observed.compare_whole(&tenants)
                };
                self.observe(worker, &observed, comparison, asked, now)
            }
            (Ok(Decided::Whole { backend, class, edits, tenants }), None) => {
                worker.count_request(Some(backend), Some(class), Decision::Forwarded);
                tell::note_whole(&policy, worker, asked, &tenants, Decision::Forwarded);
                let tracked = Tracked::whole(&policy, worker, (backend, class), &tenants, now);
                self.go_on(edits, None, tracked)
            }
            (Ok(Decided::Read(mut held)), observed) => {
                held.observed = observed;
                self.phase = Phase::Reading(held);
                Step::Buffer
            }
            (Ok(Decided::Answering(answering)), Some(observed)) => {
                let comparison = observed.compare_whole(&answering.tenants());
                self.observe(worker, &observed, comparison, asked, now)
            }
            (Ok(Decided::Answering(answering)), None) => self.begin_answering(worker, answering, now),
            (Ok(Decided::Look(mut held)), observed) => {
                held.observed = observed;
                self.phase = Phase::Body(held);
                Step::Buffer
            }
            (Err(refusal), observed) => {
                self.refuse_or_observe(worker, asked, observed.as_ref(), &refusal, now)
            }
        }
    }

    /// Keeps a body, as far as its head says that it can be kept.
    fn keep_body(
        &mut self,
        worker: &mut Worker,
        headers: &Headers<'_>,
        end_of_stream: bool,
        now: Millis,
    ) -> Step {
        let limit = self.policy.limits.request_bytes.0;
        let announced = headers.first("content-length").and_then(parse_number).unwrap_or(0);
        if announced > u64::from(limit) {
            self.refuse_body(worker, &Refusal::BodyTooLarge { limit }, now)
        } else if end_of_stream {
            self.body(worker, Ok(Vec::new()), now)
        } else {
            Step::Buffer
        }
    }

    /// More of the body has arrived: `size` bytes are kept by now. It may arrive in many pieces, so nobody asks for the
    /// time: the last request's does.
    pub fn body_progress(&mut self, worker: &mut Worker, size: usize) -> Step {
        let limit = self.policy.limits.request_bytes.0;
        if self.wants_body() && size > limit as usize {
            self.refuse_body(worker, &Refusal::BodyTooLarge { limit }, worker.latest())
        } else {
            self.as_before()
        }
    }

    /// Whether the body is wanted once it is whole.
    pub fn wants_body(&self) -> bool {
        match &self.phase {
            Phase::Body(_) | Phase::Reading(_) | Phase::Proven(_) | Phase::Explained(_) => true,
            Phase::Answering(answering) => answering.keeps_request(),
            _ => false,
        }
    }

    /// The whole body has arrived, or could not be read.
    pub fn body(&mut self, worker: &mut Worker, body: Result<Vec<u8>, &'static str>, now: Millis) -> Step {
        let mut held = match core::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Keeping(keeping) => return self.keep(worker, *keeping, body.ok().as_deref(), now),
            Phase::Reading(held) => return self.read_body(worker, *held, body, now),
            Phase::Proven(proven) => return self.prove(worker, *proven, body, now),
            Phase::Explained(explained) => return self.explain_body(worker, explained, body, now),
            Phase::Answering(answering) if answering.keeps_request() => {
                return self.posted(worker, answering, body, now);
            }
            Phase::Body(held) => held,
            other => {
                self.phase = other;
                return self.as_before();
            }
        };
        held.plan.attach(&worker.process);
        let policy = Rc::clone(&self.policy);
        let split = body.map_err(|what| Refusal::Host { what }).and_then(|body| {
            let split = held.format.split(&body, &held.plan, &held.rights, &policy.limits)?;
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

    /// Whether more of the head of an answer with this status is looked at: when to try again, what was written.
    pub fn wants_answer_headers(&self, status: u16) -> bool {
        matches!(&self.phase, Phase::Calls(sent) if sent.sending.format.wants_answer_headers(status))
    }

    /// How much of the body of an answer with this status is looked at.
    pub fn answer_bytes(&self, status: u16) -> usize {
        match &self.phase {
            Phase::Calls(sent) => sent.sending.format.answer_bytes(status),
            Phase::Answering(_) => Answering::answer_bytes(status),
            _ => 0,
        }
    }

    /// The call `id` was answered, or could not be made.
    pub fn answered(&mut self, worker: &mut Worker, id: u32, answer: Answer, now: Millis) -> Step {
        let mut sent = match core::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Calls(sent) => sent,
            Phase::Answering(answering) => return self.owner_told(worker, answering, &answer, now),
            other => {
                self.phase = other;
                return self.as_before();
            }
        };
        let Sending { backend, format, .. } = sent.sending;
        let answer = format.judge(answer);
        // What a success does not tell, nobody has written.
        let status = answer.status.filter(|_| answer.written != Written::Missing);
        let hundred = answer.status.map_or(0, |status| status / 100);
        let Some(released) = sent.fanout.answered(id, answer) else {
            self.phase = Phase::Calls(sent);
            return Step::Wait;
        };
        worker.tally.add(Metric::Calls { backend, hundred }, 1);
        self.count_part(worker, backend, &released, status, now);
        worker.release(0, released.bytes);
        if let Some(call) = sent.fanout.next_call(now) {
            self.phase = Phase::Calls(sent);
            return Step::Call(vec![call]);
        }
        if now >= sent.fanout.deadline() {
            for part in sent.fanout.unanswered().filter(|part| part.since.is_none()) {
                self.count_part(worker, backend, &part, None, now);
            }
        }
        worker.release(1, sent.fanout.expire(now));
        if let Some(outcome) = sent.fanout.outcome() {
            return self.settle(worker, sent.sending, outcome, now);
        }
        self.phase = Phase::Calls(sent);
        Step::Wait
    }

    /// Whether the answer to a request that went on is wanted.
    pub fn wants_response(&self) -> bool {
        matches!(self.phase, Phase::WentOn(Some(_)))
    }

    /// The request went on, and its answer begins.
    pub fn responded(&mut self, worker: &mut Worker, status: Option<u16>, now: Millis) {
        if let Phase::WentOn(tracked) = &mut self.phase
            && let Some(tracked) = tracked.take()
        {
            tracked.answered(&self.policy, worker, status, now);
        }
    }

    /// The request is gone, answered or not. Calls under way go on without it.
    pub fn closed(&mut self, worker: &mut Worker) {
        let now = worker.latest();
        self.responded(worker, None, now);
        match core::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Calls(sent) => {
                let fanout = &sent.fanout;
                worker.release(0, fanout.waiting_bytes());
                worker.abandon(fanout.flying(), fanout.flying_bytes(), fanout.deadline());
                for part in fanout.unanswered() {
                    self.count_part(worker, sent.sending.backend, &part, None, now);
                }
            }
            Phase::Answering(answering) => answering.closed(&self.policy, worker, now),
            _ => {}
        }
    }

    fn count_part(
        &self,
        worker: &mut Worker,
        backend: usize,
        part: &Released,
        status: Option<u16>,
        now: Millis,
    ) {
        if let Some(tracked) = Tracked::part(&self.policy, worker, backend, part, now) {
            tracked.answered(&self.policy, worker, status, now);
        }
    }

    /// A request whose body was to be seen is refused; or goes on, where it is only observed.
    fn refuse_body(&mut self, worker: &mut Worker, refusal: &Refusal, now: Millis) -> Step {
        let (asked, observed) = match core::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Body(held) => (held.asked(), held.observed),
            Phase::Reading(held) => (held.asked, held.observed),
            Phase::Answering(answering) if answering.keeps_request() => (answering.asked(), None),
            Phase::Proven(proven) => (proven.asked, proven.observed),
            Phase::Explained(explained) => (explained.asked, None),
            other => {
                self.phase = other;
                return self.as_before();
            }
        };
        self.refuse_or_observe(worker, asked, observed.as_ref(), refusal, now)
    }

    /// A request is refused; or goes on, where it is only observed.
    fn refuse_or_observe(
        &mut self,
        worker: &mut Worker,
        asked: Asked,
        observed: Option<&Observed>,
        refusal: &Refusal,
        now: Millis,
    ) -> Step {
        let policy = Rc::clone(&self.policy);
        if let Some(observed) = observed {
            tell::journal(&policy, worker, asked, refusal, now);
            return self.observe(worker, observed, observed.refusal(refusal), asked, now);
        }
        let reply = tell::refuse(&policy, worker, asked, refusal, now);
        self.answer(reply)
    }

    /// What is only observed goes on as it came; a difference is counted and logged.
    fn observe(
        &mut self,
        worker: &mut Worker,
        observed: &Observed,
        comparison: Comparison,
        asked: Asked,
        now: Millis,
    ) -> Step {
        let decision = if comparison.words.is_some() { Decision::Differed } else { Decision::Agreed };
        worker.count_request(asked.backend, asked.class, decision);
        tell::note_whole(&self.policy, worker, asked, "", decision);
        tell::observed(&self.policy, worker, asked, &observed.tenants, &comparison, now);
        if let Some(difference) = comparison.words {
            worker.log(difference, now);
        }
        self.go_on(Edits::default(), None, None)
    }

    /// What an event means that changes nothing: what went on goes on, and all else stays held.
    fn as_before(&self) -> Step {
        match &self.phase {
            Phase::Answering(answering) => answering.as_before(),
            Phase::WentOn(_) => Step::Continue(Changes::default()),
            Phase::Body(_) | Phase::Reading(_) | Phase::Proven(_) | Phase::Explained(_) => Step::Buffer,
            Phase::Head | Phase::Calls(_) | Phase::Keeping(_) | Phase::Answered => Step::Wait,
        }
    }

    fn go_on(&mut self, headers: Edits, body: Option<Vec<u8>>, tracked: Option<Box<Tracked>>) -> Step {
        self.phase = Phase::WentOn(tracked);
        Step::Continue(Changes { headers, body })
    }

    fn answer(&mut self, reply: Reply) -> Step {
        self.phase = Phase::Answered;
        Step::Reply(reply)
    }
}

fn parse_number(value: &[u8]) -> Option<u64> {
    core::str::from_utf8(value).ok()?.parse().ok()
}
