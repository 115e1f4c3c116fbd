//! The administrators' report: the most frequent keys that lead to no tenant, and recent refusals.

use std::rc::Rc;

use super::super::{Millis, Worker};

/// The report as all workers know it, but for what they noted in the last seconds.
pub(super) fn body(worker: &mut Worker, now: Millis) -> String {
    let process = Rc::clone(&worker.process);
    worker.journal.page(&*process, now)
}
