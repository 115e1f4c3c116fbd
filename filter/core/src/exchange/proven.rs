//! A request whose sender is proven as far as its head tells: the proof is for one body, which must be seen whole
//! before anything of the request goes on.

use super::head::Decided;
use super::observe::Observed;
use super::tell::Asked;
use super::{Exchange, Millis, Step, Worker};
use crate::report::Refusal;
use crate::session::{BadProof, BodyDigest};

/// What was decided about it, and the digest that its body must have.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) body: BodyDigest,
    pub(super) decided: Decided,
    pub(super) asked: Asked,
    pub(super) observed: Option<Observed>,
}

impl Exchange {
    /// The body is whole, or could not be read.
    pub(super) fn prove(
        &mut self,
        worker: &mut Worker,
        proven: Proven,
        body: Result<Vec<u8>, &'static str>,
        now: Millis,
    ) -> Step {
        let Proven { body: digest, decided, asked, observed } = proven;
        let decided = match &body {
            Ok(body) if digest.fits(body) => Ok(decided),
            Ok(_) => Err(Refusal::Proof(BadProof::Body)),
            Err(what) => Err(Refusal::Host { what }),
        };
        let step = self.act(worker, decided, asked, observed, now);
        // What must be looked into is here already.
        if self.wants_body() { self.body(worker, body, now) } else { step }
    }
}
