//! The agent's side of a session: every request gets a proof, for the gateway that knows the key.
//!
//! So a sender that knows nothing of proofs, such as Prometheus, is a privileged agent as soon as it sends through an
//! Envoy with this filter. A request that is sent again is signed again.

#[cfg(test)]
mod tests;

use std::rc::Rc;

use crate::caller::Environment;
use crate::config::{AgentConfig, ConfigError};
use crate::exchange::{Changes, Step};
use crate::http::{Edits, Headers};
use crate::report::{Refusal, reply};
use crate::session::{Claim, HEADER, KeyRing, body_digest};

/// The configuration of the agent's side, compiled.
#[derive(Debug)]
pub struct Signer {
    attribute: String,
    agent: String,
    keys: KeyRing,
    headers: Vec<(String, String)>,
    request_bytes: u32,
}

/// What a proof needs besides the request: taken when it is made, and for one proof only.
#[derive(Clone, Copy, Debug)]
pub struct Fresh {
    /// Seconds since 1970.
    pub time: u64,
    /// Random bytes.
    pub nonce: [u8; 16],
}

/// Headers that are the gateway's or Envoy's own business.
const NOT_OURS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "content-encoding",
    "content-type",
    HEADER,
];

impl Signer {
    /// Compiles a configuration. `env` gives the environment of the filter, where the keys are.
    ///
    /// # Errors
    /// What is wrong, with the field.
    pub fn compile(config: &AgentConfig, env: &Environment<'_>) -> Result<Self, ConfigError> {
        let sign = &config.sign;
        let keys = crate::session::keys_from(&sign.keys, "sign.keys.env", env)?;
        let this = Self {
            attribute: sign.attribute.0.clone(),
            agent: sign.agent.0.clone(),
            keys,
            headers: sign.headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.0.clone())).collect(),
            request_bytes: config.limits.request_bytes.0,
        };
        let nothing =
            Claim { attribute: &this.attribute, agent: &this.agent, time: 0, nonce: [0; 16], body: [0; 32] };
        if nothing.sign(&this.keys, "", "").is_none() {
            return Err(ConfigError::new(
                "sign",
                "an attribute is made of 1 to 64 of A-Z a-z 0-9 - _ . and an agent has the form of a tenant ID",
            ));
        }
        let odd =
            |name: &String| name.is_empty() || name.starts_with(':') || NOT_OURS.contains(&name.as_str());
        if let Some((name, _)) = this.headers.iter().find(|(name, _)| odd(name)) {
            return Err(ConfigError::new(format!("sign.headers.{name}"), "this header cannot be set here"));
        }
        Ok(this)
    }
}

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
    Body { method: String, path: String, edits: Edits },
    /// It went on.
    WentOn,
    /// It was answered.
    Answered,
}

impl Signing {
    /// A request that has not arrived yet.
    pub fn new(signer: Rc<Signer>) -> Self {
        Self { signer, phase: Phase::Head }
    }

    /// Whether the body is wanted once it is whole.
    pub fn wants_body(&self) -> bool {
        matches!(self.phase, Phase::Body { .. })
    }

    /// The head has arrived; with `end_of_stream` there is no body.
    pub fn head(&mut self, headers: &Headers<'_>, end_of_stream: bool, fresh: Fresh) -> Step {
        let mut edits = Edits::default();
        for (name, value) in &self.signer.headers {
            edits.set(headers, name, value);
        }
        // A proof that came along is not ours.
        edits.remove(headers, HEADER);
        let (method, path) = (headers.pseudo(":method").to_owned(), headers.pseudo(":path").to_owned());
        self.phase = Phase::Body { method, path, edits };
        if end_of_stream { self.body(Ok(Vec::new()), fresh) } else { Step::Buffer }
    }

    /// More of the body has arrived: `size` bytes are kept by now.
    pub fn body_progress(&mut self, size: usize) -> Step {
        let limit = self.signer.request_bytes;
        match self.phase {
            Phase::Body { .. } if size > limit as usize => self.refuse(&Refusal::BodyTooLarge { limit }),
            Phase::Body { .. } => Step::Buffer,
            Phase::WentOn => Step::Continue(Changes::default()),
            Phase::Head | Phase::Answered => Step::Wait,
        }
    }

    /// The whole body has arrived, or could not be read.
    pub fn body(&mut self, body: Result<Vec<u8>, &'static str>, fresh: Fresh) -> Step {
        let (method, path, mut edits) = match core::mem::replace(&mut self.phase, Phase::Answered) {
            Phase::Body { method, path, edits } => (method, path, edits),
            other => {
                self.phase = other;
                return self.body_progress(0);
            }
        };
        let body = match body {
            Ok(body) => body_digest(&body),
            Err(what) => return self.refuse(&Refusal::Host { what }),
        };
        let Signer { attribute, agent, keys, .. } = &*self.signer;
        let claim = Claim { attribute, agent, time: fresh.time, nonce: fresh.nonce, body };
        match claim.sign(keys, &method, &path) {
            Some(proof) => {
                edits.set.push((HEADER.to_owned(), proof));
                self.phase = Phase::WentOn;
                Step::Continue(Changes { headers: edits, body: None })
            }
            None => self.refuse(&Refusal::Host { what: "the request could not be signed" }),
        }
    }

    fn refuse(&mut self, refusal: &Refusal) -> Step {
        self.phase = Phase::Answered;
        Step::Reply(reply(refusal, None))
    }
}
