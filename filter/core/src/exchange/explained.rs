//! A request whose administrator asks what would become of it: decided to its end like every other, and then told instead
//! of done.
//!
//! It has an exchange and a worker of its own, which may look at what the workers share and change none of it. Only who
//! has the right to `admin` is told anything, and only once all of the request is proven; a refusal stays a refusal.

use std::rc::Rc;

use serde_json::Value;

use super::head::Decided;
use super::pages::whoami::object;
use super::tell::{self, Asked};
use super::{Changes, Exchange, Millis, Phase, Process, SlotFailure, Step, Stored, Worker, pages};
use crate::http::Headers;
use crate::operation::Class;
use crate::report::{Decision, Refusal};
use crate::write::fanout::{Call, Released};

/// The header that asks for it, with the value `true`. It never goes on.
pub(crate) const HEADER: &str = "x-scopegate-explain";

/// Whether a request asks for it.
pub(super) fn is_asked(headers: &Headers<'_>) -> bool {
    headers.only(HEADER) == Ok(Some(&b"true"[..]))
}

/// A request that is explained, and whose body is being kept.
#[derive(Debug)]
pub(super) struct Explained {
    inner: Exchange,
    worker: Worker,
    pub(super) asked: Asked,
    /// Its tenants, as far as its head tells.
    tenants: String,
}

/// What the workers share, to look at.
struct ReadOnly(Rc<dyn Process>);

impl Process for ReadOnly {
    fn make(&self, _: &str, _: &[u8]) -> Result<(), SlotFailure> {
        Err(SlotFailure::Host)
    }

    fn load(&self, slot: &str) -> Result<Stored, SlotFailure> {
        self.0.load(slot)
    }

    fn swap(&self, _: &str, _: &[u8], _: u32) -> Result<(), SlotFailure> {
        Err(SlotFailure::Host)
    }
}

impl Exchange {
    /// Tells what becomes of a request of which this was decided; [`Step::Buffer`] where that needs its body.
    pub(super) fn explain(
        &mut self,
        worker: &mut Worker,
        decided: Decided,
        asked: Asked,
        now: Millis,
    ) -> Step {
        let tenants = decided.tenants();
        let mut own = Worker::new(Rc::new(ReadOnly(Rc::clone(&worker.process))));
        own.wall_seconds = worker.wall_seconds;
        let mut inner = Self::new(Rc::clone(&self.policy));
        let step = inner.enter(&mut own, Ok(decided), asked, None, now);
        self.told(worker, Box::new(Explained { inner, worker: own, asked, tenants }), step, now)
    }

    /// Its body is whole, or could not be read.
    pub(super) fn explain_body(
        &mut self,
        worker: &mut Worker,
        mut explained: Box<Explained>,
        body: Result<Vec<u8>, &'static str>,
        now: Millis,
    ) -> Step {
        let step = explained.inner.body(&mut explained.worker, body, now);
        self.told(worker, explained, step, now)
    }

    fn told(&mut self, worker: &mut Worker, mut explained: Box<Explained>, step: Step, now: Millis) -> Step {
        let policy = Rc::clone(&self.policy);
        let (changes, calls) = match step {
            Step::Buffer => {
                self.phase = Phase::Explained(explained);
                return Step::Buffer;
            }
            // It is refused, or answered without anybody else. That is counted as ever.
            Step::Reply(reply) => {
                explained.worker.tally.drain(&mut |_, metric, by| worker.tally.add(metric.clone(), by));
                worker.note = explained.worker.note.take();
                return self.answer(reply);
            }
            Step::Continue(changes) => (Some(changes), Vec::new()),
            Step::Call(calls) => (None, calls),
            Step::Wait | Step::Read => {
                let refusal = Refusal::Host { what: "the explanation was lost" };
                return self.refuse_asked(worker, explained.asked, &refusal, now);
            }
        };
        let Explained { asked, tenants, inner, .. } = &*explained;
        worker.count_request(asked.backend, asked.class, Decision::Page);
        tell::note_whole(&policy, worker, *asked, tenants, Decision::Page);
        let (caller, backend) =
            (tell::caller_name(&policy, asked.caller), tell::backend_name(&policy, asked.backend));
        let told = object(vec![
            ("caller", text(caller)),
            ("backend", text(backend)),
            ("class", text(asked.class.map(Class::as_str))),
            ("tenants", text(Some(tenants))),
            ("observed", Value::Bool(asked.observed)),
            ("request", changes.as_ref().map_or(Value::Null, request)),
            ("call", calls.first().map_or(Value::Null, call)),
            ("parts", inner.parts().iter().map(part).collect()),
        ]);
        self.answer(pages::page("application/json", format!("{told}\n")))
    }
}

/// How the request itself would go on.
fn request(changes: &Changes) -> Value {
    let set = changes.headers.set.iter().map(|(name, value)| (name.clone(), text(Some(value)))).collect();
    object(vec![
        ("set", Value::Object(set)),
        ("removed", changes.headers.remove.iter().map(|name| text(Some(name))).collect()),
        ("new_body_bytes", changes.body.as_ref().map_or(Value::Null, |body| number(body.len()))),
    ])
}

/// Where the calls would go.
fn call(call: &Call) -> Value {
    let of = |wanted| text(call.headers().find(|(name, _)| *name == wanted).map(|(_, value)| value));
    object(vec![
        ("cluster", text(Some(&call.target.cluster))),
        ("method", of(":method")),
        ("path", of(":path")),
    ])
}

/// One of the parts that it would be split into.
fn part(part: &Released) -> Value {
    object(vec![
        ("tenant", text(Some(part.tenant.as_str()))),
        ("series", number(part.series as usize)),
        ("samples", number(part.samples as usize)),
        ("bytes", number(part.bytes)),
    ])
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| Value::String(text.to_owned()))
}

fn number(number: usize) -> Value {
    Value::Number(number.into())
}
