//! The agent's side of a session: every request gets a proof, for the gateway that knows the key.
//!
//! So a sender that knows nothing of proofs, such as Prometheus, is a privileged agent as soon as it sends through an
//! Envoy with this filter. What cannot be signed does not go on, and a request that is sent again is signed again.

mod signer;
#[cfg(test)]
mod tests;

use std::rc::Rc;

pub use signer::Signer;

use crate::exchange::{Changes, Step, Worker};
use crate::http::{Edits, Headers};
use crate::report::{Refusal, reply};
use crate::session::HEADER;

/// What a proof needs besides the request: taken when it is made, and for one proof only.
#[derive(Clone, Copy, Debug)]
pub struct Fresh {
    /// Seconds since 1970.
    pub time: u64,
    /// Random bytes.
    pub nonce: [u8; 16],
}

/// Asks the host for what is fresh, or for what it failed at.
pub type Freshly<'a> = dyn Fn() -> Result<Fresh, &'static str> + 'a;

/// One request on its way to the gateway.
#[derive(Debug)]
pub struct Signing {
    signer: Rc<Signer>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Nothing is known yet.
    Head,
    /// The body is being kept.
    Body(Box<Held>),
    /// It went on, signed.
    WentOn,
    /// It was answered.
    Answered,
}

/// What is signed besides the body, and what changes in the head.
#[derive(Debug)]
struct Held {
    method: String,
    path: String,
    edits: Edits,
}

impl Signing {
    /// A request that has not arrived yet.
    pub fn new(signer: Rc<Signer>) -> Self {
        Self { signer, phase: Phase::Head }
    }

    /// Whether the body is wanted once it is whole.
    pub fn wants_body(&self) -> bool {
        matches!(self.phase, Phase::Body(_))
    }

    /// The head has arrived; with `end_of_stream` there is no body.
    pub fn head(
        &mut self,
        worker: &mut Worker,
        headers: &Headers<'_>,
        end_of_stream: bool,
        fresh: &Freshly<'_>,
    ) -> Step {
        let text = |name| headers.first(name).and_then(|value| core::str::from_utf8(value).ok());
        let (Some(method), Some(path)) = (text(":method"), text(":path")) else {
            return self
                .refuse(worker, &Refusal::NotSigned { what: "it has no method or no path that is text" });
        };
        if headers.first("upgrade").is_some() || method == "CONNECT" {
            return self
                .refuse(worker, &Refusal::NotSigned { what: "no proof covers the bytes of an upgrade" });
        }
        let mut edits = Edits::default();
        for (name, value) in self.signer.headers() {
            edits.set(headers, name, value);
        }
        // A proof that came along is not ours.
        edits.remove(headers, HEADER);
        self.phase = Phase::Body(Box::new(Held { method: method.to_owned(), path: path.to_owned(), edits }));
        if end_of_stream { self.body(worker, Ok(Vec::new()), fresh) } else { Step::Buffer }
    }

    /// More of the body has arrived: `size` bytes are kept by now.
    pub fn body_progress(&mut self, worker: &mut Worker, size: usize) -> Step {
        let limit = self.signer.request_bytes();
        match self.phase {
            Phase::Body(_) if size > limit as usize => self.refuse(worker, &Refusal::BodyTooLarge { limit }),
            Phase::Body(_) => Step::Buffer,
            Phase::WentOn => Step::Continue(Changes::default()),
            Phase::Head | Phase::Answered => Step::Wait,
        }
    }

    /// The whole body has arrived, or could not be read. Only now it is signed, so that the time is the latest.
    pub fn body(
        &mut self,
        worker: &mut Worker,
        body: Result<Vec<u8>, &'static str>,
        fresh: &Freshly<'_>,
    ) -> Step {
        let held = match core::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Body(held) => held,
            other => {
                self.phase = other;
                return self.body_progress(worker, 0);
            }
        };
        let Held { method, path, mut edits } = *held;
        let proof = body.and_then(|body| self.signer.sign(&method, &path, &body, fresh()?));
        match proof {
            Ok(proof) => {
                edits.set.push((HEADER.to_owned(), proof));
                self.phase = Phase::WentOn;
                Step::Continue(Changes { headers: edits, body: None })
            }
            Err(what) => self.refuse(worker, &Refusal::NotSigned { what }),
        }
    }

    fn refuse(&mut self, worker: &mut Worker, refusal: &Refusal) -> Step {
        worker.count_failure(refusal);
        self.phase = Phase::Answered;
        Step::Reply(reply(refusal, None))
    }
}
