//! A read whose body must be looked into: held until that is whole, then changed or refused.

use std::rc::Rc;

use super::observe::Observed;
use super::tell::{self, Asked, Tracked};
use super::{Exchange, Millis, Step, Worker};
use crate::http::Edits;
use crate::operation::Class;
use crate::read::Body;
use crate::report::{Decision, Refusal};

/// A read whose body is being kept.
#[derive(Debug)]
pub(super) struct HeldRead {
    pub(super) backend: usize,
    pub(super) class: Class,
    pub(super) asked: Asked,
    /// What changes in the head in any case.
    pub(super) edits: Edits,
    /// Its tenants, as `X-Scope-OrgID` names them.
    pub(super) tenants: String,
    /// What is looked for.
    pub(super) body: Body,
    /// Whether the head announces the length of the body.
    pub(super) announced: bool,
    /// The tenant that came with the request, where its whole way is only observed.
    pub(super) observed: Option<Observed>,
}

impl Exchange {
    /// The whole body of a read has arrived.
    pub(super) fn read_body(
        &mut self,
        worker: &mut Worker,
        held: HeldRead,
        body: Result<Vec<u8>, &'static str>,
        now: Millis,
    ) -> Step {
        let policy = Rc::clone(&self.policy);
        let HeldRead { backend, class, asked, mut edits, tenants, body: wanted, announced, observed } = held;
        let looked = body
            .map_err(|what| Refusal::Host { what })
            .and_then(|body| wanted.look(&body, policy.limits.decoded_bytes.0));
        let looked = match looked {
            Ok(looked) => looked,
            Err(refusal) => return self.refuse_or_observe(worker, asked, observed.as_ref(), &refusal, now),
        };
        if let Some(path) = looked.path {
            edits.set.retain(|(name, _)| name != ":path");
            edits.set.push((":path".to_owned(), path));
        }
        if let Some(observed) = observed {
            let comparison = if policy.knows_labels_alone(backend) {
                observed.compare_labelled(&tenants, &edits, looked.body.is_some())
            } else {
                observed.compare_whole(&tenants)
            };
            return self.observe(worker, &observed, comparison, asked, now);
        }
        if let Some(body) = looked.body.as_ref().filter(|_| announced) {
            edits.set.push(("content-length".to_owned(), body.len().to_string()));
        }
        worker.count_request(Some(backend), Some(class), Decision::Forwarded);
        tell::note_whole(&policy, worker, asked, &tenants, Decision::Forwarded);
        let tracked = Tracked::whole(&policy, worker, (backend, class), &tenants, now);
        self.go_on(edits, looked.body, tracked)
    }
}
