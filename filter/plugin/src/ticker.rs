//! What a worker does between requests: it fetches tables, when the core says so.

use std::rc::Rc;

use hashbrown::HashMap;
use scopegate_core::exchange::Process;
use scopegate_core::policy::Policy;
use scopegate_core::report::Metric;
use scopegate_core::rollout::warnings;
use scopegate_core::table::{Failure as TableFailure, Fetched, Get};

use crate::host::{Failure, Host, Level};
use crate::shared::Shared;

/// One worker between requests. Nothing happens before the first tick: hosts configure more often than they serve.
#[derive(Debug)]
pub struct Ticker<H> {
    host: H,
    shared: Rc<Shared>,
    /// The calls under way, by the host's token: what the core calls them, and how much of their bodies it wants.
    calls: HashMap<u32, (u32, u32)>,
    period: Option<u32>,
}

impl<H: Host> Ticker<H> {
    /// A worker that has no configuration yet.
    pub fn new(host: H, shared: Rc<Shared>) -> Self {
        Self { host, shared, calls: HashMap::new(), period: None }
    }

    /// The policy is there. Slots are made, what is in them already is taken, and who is not enforced is told.
    pub fn configured(&mut self, process: &Rc<dyn Process>) {
        let Some(policy) = self.shared.policy.get().map(Rc::clone) else { return };
        self.warn(&policy, &**process);
        let seed = self.host.random();
        self.shared.worker.borrow_mut().prepare_tables(&policy, process, seed);
        self.keep_time();
    }

    fn warn(&self, policy: &Policy, process: &dyn Process) {
        for line in warnings(policy, process) {
            self.host.log(Level::Warn, &line);
        }
        for backend in 0..policy.backends.len() {
            self.host.set(Metric::NotEnforced { backend }, policy.rollout.not_enforced(backend));
        }
    }

    /// Time has passed.
    pub fn tick(&mut self) {
        let now = self.host.now();
        let gets = self.shared.worker.borrow_mut().tick_tables(now);
        for get in gets {
            self.ask(get);
        }
        self.tell();
    }

    /// A call was answered; without headers the answer broke off.
    pub fn call_answered(&mut self, token: u32, has_headers: bool, body_size: usize) {
        let Some((id, max_bytes)) = self.calls.remove(&token) else { return };
        let fetched = if has_headers { self.read(max_bytes, body_size) } else { None };
        let fetched = fetched.unwrap_or(Fetched { status: Err(TableFailure::NoAnswer), body: None });
        let now = self.host.now();
        let next = self.shared.worker.borrow_mut().fetched(id, fetched, now);
        if let Some(get) = next {
            self.ask(get);
        }
        self.tell();
    }

    /// Makes a call. One that cannot be made counts as answered.
    fn ask(&mut self, get: Get) {
        let mut next = Some(get);
        while let Some(get) = next.take() {
            if let Ok(token) = self.host.get(&get) {
                self.calls.insert(token, (get.id, get.max_bytes));
            } else {
                let fetched = Fetched { status: Err(TableFailure::NoCall), body: None };
                let now = self.host.now();
                next = self.shared.worker.borrow_mut().fetched(get.id, fetched, now);
            }
        }
    }

    /// The answer at hand. A body is read only where it is wanted and not too large.
    fn read(&self, max_bytes: u32, body_size: usize) -> Option<Fetched> {
        let map = self.host.answer_headers().ok()?;
        let headers = map.headers().ok()?;
        let status: u16 = core::str::from_utf8(headers.first(":status")?).ok()?.parse().ok()?;
        let body = if status == 200 && body_size <= max_bytes as usize {
            // The host gives what it has: less than all of it must not pass for the whole.
            Some(self.host.answer_body(body_size).ok().filter(|body| body.len() == body_size)?)
        } else {
            None
        };
        Some(Fetched { status: Ok(status), body })
    }

    /// Hands metrics and log lines to the host, and asks for the next tick.
    fn tell(&mut self) {
        let (reports, logs) = {
            let mut worker = self.shared.worker.borrow_mut();
            (worker.take_table_reports(), worker.take_table_logs())
        };
        for (table, metric, value) in reports {
            self.host.tell_table(&table, metric, value);
        }
        for line in logs {
            self.host.log(Level::Warn, &line);
        }
        self.keep_time();
    }

    fn keep_time(&mut self) {
        let period = self.shared.worker.borrow().table_period();
        if period != self.period {
            let set: Result<(), Failure> = self.host.set_tick_period(period.unwrap_or(0));
            if set.is_err() {
                self.host.log(Level::Error, "scopegate: no ticks can be had, so that no table is fetched");
            }
            self.period = period;
        }
    }
}

#[cfg(test)]
#[path = "ticker_tests.rs"]
mod tests;
