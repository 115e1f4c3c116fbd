//! The tables of a worker, of every kind, as one: the host tells ticks and answers, and makes the calls.

use std::rc::Rc;

use super::{Millis, Process, Worker};
use crate::policy::Policy;
use crate::report::TableMetric;
use crate::table::{Fetched, Get, Tables};

/// Answers to tables of users, tokens and keys have numbers from here on.
const CREDENTIALS_FROM: u32 = 1 << 31;

impl Worker {
    /// The policy is there. Slots are made, and what is in them already is taken; so this is before any worker serves.
    /// `seed` differs from worker to worker and from life to life.
    pub fn prepare_tables(&mut self, policy: &Policy, process: &Rc<dyn Process>, seed: u64) {
        self.tables = Tables::new(&policy.tables, Rc::clone(process), seed);
        let credentials = Tables::new(&policy.credentials, Rc::clone(process), seed.rotate_left(32));
        self.credentials = credentials.numbered_from(CREDENTIALS_FROM);
    }

    /// How often the host must tell a tick, in milliseconds; `None` where never.
    pub fn table_period(&self) -> Option<u32> {
        self.tables.period().into_iter().chain(self.credentials.period()).min()
    }

    /// Time has passed. Says what to fetch.
    pub fn tick_tables(&mut self, now: Millis) -> Vec<Get> {
        let mut gets = self.tables.tick(now);
        gets.extend(self.credentials.tick(now));
        gets
    }

    /// The GET `id` was answered, or could not be made. Says what to ask next.
    pub fn fetched(&mut self, id: u32, fetched: Fetched, now: Millis) -> Option<Get> {
        if self.credentials.awaits(id) {
            self.credentials.answered(id, fetched, now)
        } else {
            self.tables.answered(id, fetched, now)
        }
    }

    /// Takes what is to be told about the tables: the table's name, the metric, and the value of a gauge or what is
    /// added to a counter.
    pub fn take_table_reports(&mut self) -> Vec<(String, TableMetric, u64)> {
        let mut reports = self.tables.take_reports();
        reports.extend(self.credentials.take_reports());
        reports
    }

    /// Takes the lines to log about tables since the last time.
    pub fn take_table_logs(&mut self) -> Vec<String> {
        let mut logs = self.tables.take_logs();
        logs.extend(self.credentials.take_logs());
        logs
    }
}
