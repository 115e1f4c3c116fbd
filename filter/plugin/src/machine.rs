//! The state machine of one request, in either role of the filter. Nothing but the choice between the two is here.

use scopegate_core::agent::{Freshly, Signing};
use scopegate_core::exchange::{Exchange, Millis, Step, Worker};

/// One request.
#[derive(Debug)]
pub(crate) enum Machine {
    Gateway(Exchange),
    Agent(Signing),
}

impl Machine {
    pub(crate) fn wants_body(&self) -> bool {
        match self {
            Self::Gateway(exchange) => exchange.wants_body(),
            Self::Agent(signing) => signing.wants_body(),
        }
    }

    pub(crate) fn body_progress(&mut self, worker: &mut Worker, size: usize, now: Millis) -> Step {
        match self {
            Self::Gateway(exchange) => exchange.body_progress(worker, size, now),
            Self::Agent(signing) => signing.body_progress(worker, size),
        }
    }

    pub(crate) fn body(
        &mut self,
        worker: &mut Worker,
        body: Result<Vec<u8>, &'static str>,
        fresh: &Freshly<'_>,
        now: Millis,
    ) -> Step {
        match self {
            Self::Gateway(exchange) => exchange.body(worker, body, now),
            Self::Agent(signing) => signing.body(worker, body, fresh),
        }
    }

    /// The exchange, where it is one: an agent's side makes no calls and looks at no answers.
    pub(crate) fn exchange(&mut self) -> Option<&mut Exchange> {
        match self {
            Self::Gateway(exchange) => Some(exchange),
            Self::Agent(_) => None,
        }
    }
}
