//! One request: the host's events go to the core, and the core's steps to the host.
//!
//! The rule for failures: where the host refuses what must happen before a request may go on, it does not go
//! on. If even an answer cannot be given the request stays held, and Envoy's own timeouts end it.

mod responses;

use std::cell::Cell;
use std::rc::Rc;

use hashbrown::HashMap;
use scopegate_core::agent::{Fresh, Signer, Signing};
use scopegate_core::caller::Attributes;
use scopegate_core::exchange::{Changes, Exchange, Process, Step};
use scopegate_core::http::Reply;
use scopegate_core::policy::Policy;
use scopegate_core::report::{Refusal, reply};
use scopegate_core::write::fanout::Call;
use scopegate_core::write::outcome::Answer;
use scopegate_core::write::written::Written;

use crate::host::{Failure, Host, Level};
use crate::shared::Shared;

/// What Envoy's filter chain does after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on to the next filter.
    Continue,
    /// Hold the request.
    Pause,
}

/// One request on its way through the filter.
#[derive(Debug)]
pub struct Stream<H> {
    host: H,
    shared: Rc<Shared>,
    exchange: Option<Exchange>,
    /// In its place, beside an agent.
    signing: Option<Signing>,
    /// The calls under way, by the host's token.
    calls: HashMap<u32, u32>,
    /// How much of the body the host keeps.
    body_size: usize,
    flow: Flow,
    /// The same for the answer.
    response_size: usize,
    response_flow: Flow,
}

impl<H: Host> Stream<H> {
    /// A request that has not arrived yet.
    pub fn new(host: H, shared: Rc<Shared>) -> Self {
        Self {
            host,
            shared,
            exchange: None,
            signing: None,
            calls: HashMap::new(),
            body_size: 0,
            flow: Flow::Pause,
            response_size: 0,
            response_flow: Flow::Continue,
        }
    }

    /// The head has arrived.
    pub fn request_headers(&mut self, end_of_stream: bool) -> Flow {
        let head = if let Some(signer) = self.shared.signer.get().map(Rc::clone) {
            self.signed_head(signer, end_of_stream)
        } else if let Some(policy) = self.shared.policy.get().map(Rc::clone) {
            self.head(policy, end_of_stream)
        } else {
            return self.refuse("it has no configuration");
        };
        head.unwrap_or_else(|_| self.refuse("the request's headers could not be read"))
    }

    fn head(&mut self, policy: Rc<Policy>, end_of_stream: bool) -> Result<Flow, Failure> {
        let map = self.host.request_headers()?;
        let headers = map.headers()?;
        let now = self.host.now();
        let shared = Rc::clone(&self.shared);
        if policy.needs_date() {
            shared.worker.borrow_mut().wall_seconds = self.host.wall_seconds().ok();
        }
        let mut exchange = Exchange::new(policy);
        let process = Rc::clone(&shared.worker.borrow().process);
        let known = Known { host: &self.host, process, failed: Cell::new(false) };
        let step = exchange.head(&mut shared.worker.borrow_mut(), &headers, end_of_stream, &known, now);
        if known.failed.get() {
            return Ok(self.refuse("an attribute of the request could not be read"));
        }
        self.exchange = Some(exchange);
        Ok(self.take(step))
    }

    fn signed_head(&mut self, signer: Rc<Signer>, end_of_stream: bool) -> Result<Flow, Failure> {
        let map = self.host.request_headers()?;
        let headers = map.headers()?;
        let mut signing = Signing::new(signer);
        let fresh = || fresh(&self.host);
        let step = signing.head(&mut self.shared.worker.borrow_mut(), &headers, end_of_stream, &fresh);
        self.signing = Some(signing);
        Ok(self.take(step))
    }

    fn wants_body(&self) -> bool {
        self.exchange.as_ref().is_some_and(Exchange::wants_body)
            || self.signing.as_ref().is_some_and(Signing::wants_body)
    }

    /// More of the body has arrived, `size` bytes in all; with `end_of_stream` it is whole.
    pub fn request_body(&mut self, size: usize, end_of_stream: bool) -> Flow {
        self.body_size = size;
        let shared = Rc::clone(&self.shared);
        if !self.wants_body() {
            return self.flow;
        }
        let step = match (&mut self.exchange, &mut self.signing) {
            (Some(exchange), _) => exchange.body_progress(&mut shared.worker.borrow_mut(), size),
            (None, Some(signing)) => signing.body_progress(&mut shared.worker.borrow_mut(), size),
            (None, None) => return self.flow,
        };
        let flow = self.take(step);
        if end_of_stream { self.whole_body() } else { flow }
    }

    /// The request ends in trailers, so its body is whole.
    pub fn request_trailers(&mut self) -> Flow {
        match self.strip_trailers() {
            Ok(()) => self.whole_body(),
            Err(_) => self.refuse("the request's trailers could not be changed"),
        }
    }

    /// Takes off what a client says about tenancy, and credentials: servers may take trailers for headers (RFC 9110,
    /// section 6.5.1).
    fn strip_trailers(&self) -> Result<(), Failure> {
        let Some(policy) = self.shared.policy.get() else { return Ok(()) };
        let map = self.host.request_trailers()?;
        for (name, _) in map.headers()?.iter() {
            if policy.is_about_tenancy(name) || name.eq_ignore_ascii_case(b"authorization") {
                let name = core::str::from_utf8(name).map_err(|_| Failure::PARSE)?;
                self.host.remove_request_trailer(name)?;
            }
        }
        Ok(())
    }

    fn whole_body(&mut self) -> Flow {
        let shared = Rc::clone(&self.shared);
        if !self.wants_body() {
            return self.flow;
        }
        let body = self.kept_body();
        let now = self.host.now();
        let step = match (&mut self.exchange, &mut self.signing) {
            (Some(exchange), _) => exchange.body(&mut shared.worker.borrow_mut(), body, now),
            (None, Some(signing)) => {
                signing.body(&mut shared.worker.borrow_mut(), body, &|| fresh(&self.host))
            }
            (None, None) => return self.flow,
        };
        self.take(step)
    }

    /// A call was answered; without headers the answer broke off.
    pub fn call_answered(&mut self, token: u32, has_headers: bool) {
        let Some(id) = self.calls.remove(&token) else { return };
        let answer = if has_headers { self.read_answer() } else { None };
        let step = self.answered(id, answer.unwrap_or_else(|| Answer::failed("the answer broke off")));
        // A request that was held for its calls does not go on by itself.
        if self.take(step) == Flow::Continue && self.host.resume_request().is_err() {
            self.refuse("the request could not go on");
        }
    }

    fn read_answer(&self) -> Option<Answer> {
        let status = self.host.answer_status().ok()?;
        let exchange = self.exchange.as_ref()?;
        let mut answer =
            Answer { status: Some(status), retry_after: None, message: Vec::new(), written: Written::Untold };
        if exchange.wants_answer_headers(status) {
            let map = self.host.answer_headers().ok()?;
            let headers = map.headers().ok()?;
            let seconds = headers.first("retry-after").and_then(|value| core::str::from_utf8(value).ok());
            answer.retry_after = seconds.and_then(|seconds| seconds.parse().ok());
            answer.written = Written::of(&headers);
        }
        let wanted = exchange.answer_bytes(status);
        if wanted > 0 {
            answer.message = self.host.answer_body(wanted).unwrap_or_default();
        }
        Some(answer)
    }

    fn answered(&mut self, id: u32, answer: Answer) -> Step {
        let shared = Rc::clone(&self.shared);
        let now = self.host.now();
        let Some(exchange) = &mut self.exchange else { return Step::Wait };
        let step = exchange.answered(&mut shared.worker.borrow_mut(), id, answer, now);
        if !matches!(step, Step::Read) {
            return step;
        }
        let body = self.kept_body();
        match &mut self.exchange {
            Some(exchange) => exchange.body(&mut shared.worker.borrow_mut(), body, now),
            None => Step::Wait,
        }
    }

    /// The whole body, as the host keeps it.
    fn kept_body(&self) -> Result<Vec<u8>, &'static str> {
        let body = match self.body_size {
            0 => Vec::new(),
            size => self.host.request_body(size).map_err(|_| "the body could not be read")?,
        };
        // The host gives what it has: less than all of it must not pass for the whole.
        if body.len() == self.body_size { Ok(body) } else { Err("the body could not be read whole") }
    }

    /// The request is gone.
    pub fn closed(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.closed(&mut self.shared.worker.borrow_mut());
        }
        self.tell();
    }

    /// Leaves the line for the access log, before a step is done: an answer may end the request.
    fn leave_note(&self) {
        if let Some(line) = self.shared.worker.borrow_mut().take_note() {
            self.host.note(&line);
        }
    }

    /// Does what the core says.
    fn take(&mut self, step: Step) -> Flow {
        self.leave_note();
        self.flow = match step {
            Step::Continue(changes) => match self.apply(&changes) {
                Ok(()) => Flow::Continue,
                Err(_) => self.refuse("the request could not be changed"),
            },
            Step::Buffer | Step::Wait | Step::Read => Flow::Pause,
            Step::Reply(reply) => {
                self.give(&reply);
                Flow::Pause
            }
            Step::Call(calls) => {
                self.call_all(calls);
                Flow::Pause
            }
        };
        self.tell();
        self.flow
    }

    fn apply(&self, changes: &Changes) -> Result<(), Failure> {
        for name in &changes.headers.remove {
            self.host.remove_request_header(name)?;
        }
        for (name, value) in &changes.headers.set {
            self.host.set_request_header(name, value)?;
        }
        match &changes.body {
            Some(body) => self.host.replace_request_body(self.body_size, body),
            None => Ok(()),
        }
    }

    /// Makes calls. One that cannot be made counts as answered, which may lead to the next, or to the end.
    fn call_all(&mut self, calls: Vec<Call>) {
        let mut calls = std::collections::VecDeque::from(calls);
        while let Some(call) = calls.pop_front() {
            let failure = match self.host.call(&call) {
                Ok(token) => {
                    self.calls.insert(token, call.id);
                    continue;
                }
                // There are two statuses only: the cluster is unknown, or it has no room or no healthy host.
                Err(Failure(2)) => "the cluster is unknown",
                Err(_) => "no healthy upstream, or its circuit breaker is open",
            };
            match self.answered(call.id, Answer::failed(failure)) {
                Step::Call(more) => calls.extend(more),
                Step::Reply(reply) => self.give(&reply),
                Step::Continue(_) | Step::Buffer | Step::Wait | Step::Read => {}
            }
        }
    }

    /// Gives an answer; where that fails too, all that is left is to hold the request.
    fn give(&self, reply: &Reply) {
        if self.host.reply(reply).is_err() {
            self.host.log(Level::Error, "scopegate: an answer could not be given; the request stays held");
        }
    }

    /// Answers for the gateway's own failure.
    fn refuse(&mut self, what: &'static str) -> Flow {
        self.host.log(Level::Error, &format!("scopegate: a request is refused: {what}"));
        let refusal = Refusal::Host { what };
        self.shared.worker.borrow_mut().count_failure(&refusal);
        self.give(&reply(&refusal, None));
        self.tell();
        (self.exchange, self.signing) = (None, None);
        self.flow = Flow::Pause;
        self.flow
    }

    /// Hands counters and log lines to the host.
    fn tell(&self) {
        let mut worker = self.shared.worker.borrow_mut();
        for line in worker.take_logs() {
            self.host.log(Level::Info, &line);
        }
        worker.tally.drain(&mut |number, metric, by| self.host.count(number, metric, by));
        for (metric, value) in worker.tally.drain_gauges() {
            self.host.set(metric, value);
        }
        worker.tally.drain_values(&mut |number, metric, value| self.host.record(number, metric, value));
    }
}

/// The host's attributes, as the core asks for them. What the host fails to give must not pass for absent, since a
/// caller that is not recognised may be recognised as another: the step that was decided without it is not taken.
struct Known<'a, H> {
    host: &'a H,
    process: Rc<dyn Process>,
    failed: Cell<bool>,
}

impl<H: Host> Attributes for Known<'_, H> {
    fn get(&self, path: &[&str]) -> Option<Vec<u8>> {
        match self.host.attribute(path) {
            Ok(value) => Some(value),
            Err(Failure::NOT_FOUND) => None,
            Err(_) => {
                self.failed.set(true);
                None
            }
        }
    }

    fn wall_seconds(&self) -> Option<u64> {
        self.host.wall_seconds().ok()
    }

    fn process(&self) -> Option<&dyn Process> {
        Some(&*self.process)
    }
}

/// What a proof is made with.
fn fresh(host: &impl Host) -> Result<Fresh, &'static str> {
    let time = host.wall_seconds().map_err(|_| "the date is not known")?;
    let nonce = host.nonce().map_err(|_| "there are no random bytes")?;
    Ok(Fresh { time, nonce })
}

#[cfg(test)]
mod tests;
