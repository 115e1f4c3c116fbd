//! The administrators' report: the most frequent keys that lead to no tenant, what would change where requests are only
//! observed, and recent refusals.

use std::rc::Rc;

use super::super::Worker;
use crate::http::Reply;

/// The report as all workers know it, but for what they noted in the last seconds.
pub(super) fn reply(worker: &mut Worker) -> Reply {
    let process = Rc::clone(&worker.process);
    let now = worker.latest();
    super::page("application/json", worker.journal.page(&*process, now))
}
