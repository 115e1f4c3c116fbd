//! What an explanation asks besides: read only, and said by the walks that decide about every request.
//!
//! Nothing here is asked on a request's way, so that it costs the module nothing.

use serde_json::Value;

use super::pages::whoami;
use super::{Exchange, Phase, Worker};
use crate::caller::{Attributes, Caller, Evidence, Why, first};
use crate::http::Headers;
use crate::policy::Policy;
use crate::report::Refusal;
use crate::write::fanout::Released;

/// Who sent a request.
#[derive(Debug)]
pub struct Who {
    /// The entries that left it to others before one recognised it, in the order of the configuration.
    pub passed: Vec<Passed>,
    /// What the page `whoami` tells the caller, by the same names; or why nobody recognised the request.
    pub facts: Result<Value, Refusal>,
}

/// An entry that is not the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Its name.
    pub caller: String,
    /// The kind of its source.
    pub source: &'static str,
    /// Why it left the request to others.
    pub why: String,
}

impl Passed {
    fn new((caller, why): (&Caller, Why<'_>)) -> Self {
        Self { caller: caller.name.clone(), source: caller.kind(), why: why.to_string() }
    }
}

/// Who sent a request with this head. A proof that is good once is used up by it.
pub fn who(policy: &Policy, worker: &mut Worker, headers: &Headers<'_>, attributes: &dyn Attributes) -> Who {
    let evidence = match Evidence::new(headers, attributes) {
        Ok(evidence) => evidence,
        Err(refusal) => return Who { passed: Vec::new(), facts: Err(refusal) },
    };
    let mut passed = Vec::new();
    let mut lookup = worker.lookup(policy);
    let recognised =
        first(&policy.callers, &evidence, &mut lookup, &mut |caller, why| passed.push((caller, why)));
    let facts = recognised.map(|recognised| {
        let identity = recognised.identity(&[], &mut lookup);
        whoami::object(whoami::facts(policy, (&recognised, &identity), &passed))
    });
    Who { passed: passed.into_iter().map(Passed::new).collect(), facts }
}

impl Exchange {
    /// The parts of a split write that no answer has come for, with their series.
    pub fn parts(&self) -> Vec<Released> {
        match &self.phase {
            Phase::Calls(sent) => sent.fanout.unanswered().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the answer to a request that went on is narrowed on its way back.
    pub fn narrows_answer(&self) -> bool {
        matches!(&self.phase, Phase::Answering(answering) if answering.wants_answer())
    }
}
