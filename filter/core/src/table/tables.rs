//! The tables of one worker: which it has, when it looks for newer ones, and when it fetches one for all.

use std::rc::Rc;

use super::content::{Encoded, Entry, Table};
use super::failure::Failure;
use super::fetch::{Fetch, Fetched, Get, Next};
use super::jitter::Jitter;
use super::rules::{Remote, Source, TableRules};
use super::shared::{Slots, State};
use crate::exchange::{Millis, Process};
use crate::report::TableMetric;
use crate::tenant::TenantId;

/// The tables of one worker, in the order of the configuration. The host tells it ticks and answers.
pub struct Tables<E = TenantId> {
    held: Vec<Held<E>>,
    process: Option<Rc<dyn Process>>,
    /// Tells this worker, and this life of it, from all others.
    owner: u64,
    jitter: Jitter,
    next_id: u32,
    reports: Vec<(usize, TableMetric, u64)>,
    logs: Vec<String>,
}

/// One table.
#[derive(Debug)]
struct Held<E> {
    name: String,
    current: Option<Rc<Table<E>>>,
    remote: Option<Watched<E>>,
}

/// What is known of a table that is fetched.
#[derive(Debug)]
struct Watched<E> {
    remote: Rc<Remote>,
    slots: Slots,
    /// Which content the current table is.
    stamp: u64,
    /// The refresh that this worker makes.
    fetch: Option<Flying<E>>,
}

#[derive(Debug)]
struct Flying<E> {
    fetch: Fetch<E>,
    call: u32,
    /// When its answer will not come any more.
    deadline: Millis,
}

/// What an answer may be late, beyond the time of its call, before the host counts as having lost it.
const GRACE_MS: Millis = 5_000;
/// The first pause after a failure; it doubles with every further one.
const FIRST_PAUSE_MS: Millis = 1_000;
/// The longest pause after a failure, unless refreshes are more seldom or more frequent.
const LONGEST_PAUSE_MS: Millis = 60_000;

impl<E> Default for Tables<E> {
    /// No tables.
    fn default() -> Self {
        Self {
            held: Vec::new(),
            process: None,
            owner: 0,
            jitter: Jitter::new(0),
            next_id: 0,
            reports: Vec::new(),
            logs: Vec::new(),
        }
    }
}

impl<E> core::fmt::Debug for Tables<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let names: Vec<&str> = self.held.iter().map(|held| held.name.as_str()).collect();
        f.debug_struct("Tables").field("names", &names).finish_non_exhaustive()
    }
}

impl<E: Entry> Tables<E> {
    /// The tables of a worker of `process`. `seed` differs from worker to worker and from life to life.
    ///
    /// The slots are made here, so this must happen before any worker serves; and what is in them already, after a
    /// trap or under an earlier configuration, is taken at once.
    pub fn new(rules: &[TableRules<E>], process: Rc<dyn Process>, seed: u64) -> Self {
        let mut jitter = Jitter::new(seed);
        let owner = jitter.next();
        let held = rules.iter().map(|rules| Held::new(rules, process.as_ref())).collect();
        Self { held, process: Some(process), owner, jitter, ..Self::default() }
    }

    /// The same, for which answers are told with numbers from this one on: those of two kinds of tables never meet.
    #[must_use]
    pub fn numbered_from(self, first: u32) -> Self {
        Self { next_id: first, ..self }
    }

    /// Whether the answer `id` is awaited here.
    pub fn awaits(&self, id: u32) -> bool {
        let remotes = self.held.iter().filter_map(|held| held.remote.as_ref());
        remotes.filter_map(|watched| watched.fetch.as_ref()).any(|flying| flying.call == id)
    }

    /// The table at this position of the configuration; `None` before it was fetched for the first time. Whoever
    /// asks keeps it as it is now.
    pub fn current(&mut self, at: usize) -> Option<Rc<Table<E>>> {
        let held = self.held.get_mut(at)?;
        if held.current.is_none()
            && let Some(process) = &self.process
        {
            // Another worker may have it since the last tick.
            held.poll(process.as_ref());
        }
        held.current.clone()
    }

    /// How often the host must tell a tick, in milliseconds; `None` where never.
    pub fn period(&self) -> Option<u32> {
        let waiting = self.held.iter().any(|held| held.current.is_none());
        let remotes = self.held.iter().filter_map(|held| held.remote.as_ref());
        let shortest = remotes.map(|watched| watched.remote.refresh_ms).min()?;
        Some(if waiting { 100 } else { (shortest / 4).clamp(50, 1_000) })
    }

    /// Time has passed. Takes what other workers fetched, and says what to fetch.
    pub fn tick(&mut self, now: Millis) -> Vec<Get> {
        let Some(process) = self.process.clone() else { return Vec::new() };
        let mut gets = Vec::new();
        for at in 0..self.held.len() {
            let Some((state, version)) = self.held.get_mut(at).and_then(|held| held.poll(process.as_ref()))
            else {
                continue;
            };
            self.tell(at, &state, now);
            let Some(watched) = self.watched(at) else { continue };
            if watched.fetch.as_ref().is_some_and(|flying| flying.deadline <= now) {
                self.failed(at, Failure::NoAnswer, now);
            } else if watched.fetch.is_none() && watched.is_due(&state, now) {
                gets.extend(self.begin(at, state, version, now));
            }
        }
        gets
    }

    /// The GET `id` was answered, or could not be made. Says what to ask next.
    pub fn answered(&mut self, id: u32, fetched: Fetched, now: Millis) -> Option<Get> {
        let is_it = |held: &Held<E>| {
            held.remote.as_ref().and_then(|w| w.fetch.as_ref()).is_some_and(|flying| flying.call == id)
        };
        let at = self.held.iter().position(is_it)?;
        let next = self.watched(at)?.fetch.as_mut()?.fetch.answered(fetched);
        match next {
            Ok(Next::Ask) => self.go_on(at, now),
            Ok(Next::Done(encoded)) => {
                self.publish(at, &encoded, now);
                None
            }
            Err(failure) => {
                self.failed(at, failure, now);
                None
            }
        }
    }

    /// Takes what is to be told about the tables: the table's name, the metric, and the value of a gauge or what is
    /// added to a counter.
    pub fn take_reports(&mut self) -> Vec<(String, TableMetric, u64)> {
        let reports = core::mem::take(&mut self.reports);
        let named = reports.into_iter().filter_map(|(at, metric, value)| {
            self.held.get(at).map(|held| (held.name.clone(), metric, value))
        });
        named.collect()
    }

    /// Takes the lines to log since the last time.
    pub fn take_logs(&mut self) -> Vec<String> {
        core::mem::take(&mut self.logs)
    }

    fn watched(&mut self, at: usize) -> Option<&mut Watched<E>> {
        self.held.get_mut(at)?.remote.as_mut()
    }

    /// Takes the lease, if nobody else was quicker, and begins.
    fn begin(&mut self, at: usize, state: State, version: u32, now: Millis) -> Option<Get> {
        let (process, owner) = (self.process.clone()?, self.owner);
        let id = self.take_id();
        let watched = self.watched(at)?;
        let leased_until = watched.deadline(now);
        let taken = State { owner, leased_until, tried_at: now, ..state };
        watched.slots.swap(process.as_ref(), &taken, version).ok()?;
        let fetch = Fetch::new(Rc::clone(&watched.remote));
        let get = fetch.get(id);
        watched.fetch = Some(Flying { fetch, call: id, deadline: leased_until });
        Some(get)
    }

    /// Asks for the next page, with the lease renewed.
    fn go_on(&mut self, at: usize, now: Millis) -> Option<Get> {
        let (process, owner) = (self.process.clone()?, self.owner);
        let id = self.take_id();
        let watched = self.watched(at)?;
        let leased_until = watched.deadline(now);
        let mut flying = watched.fetch.take()?;
        if !watched.slots.change(process.as_ref(), owner, |state| state.leased_until = leased_until) {
            // Somebody else has begun meanwhile.
            return None;
        }
        let get = flying.fetch.get(id);
        flying.call = id;
        flying.deadline = leased_until;
        watched.fetch = Some(flying);
        Some(get)
    }

    fn publish(&mut self, at: usize, encoded: &Encoded, now: Millis) {
        let (Some(process), owner, new_stamp) = (self.process.clone(), self.owner, self.jitter.next()) else {
            return;
        };
        let Some(watched) = self.watched(at) else { return };
        let refresh = Millis::from(watched.remote.refresh_ms);
        let published = watched.slots.publish(process.as_ref(), owner, encoded, new_stamp);
        let stamp = match published {
            Ok(Some(stamp)) => stamp,
            Ok(None) => {
                watched.fetch = None;
                return;
            }
            Err(failure) => return self.failed(at, failure, now),
        };
        let next_at = now.saturating_add(self.jitter.around(refresh));
        let Some(watched) = self.watched(at) else { return };
        watched.fetch = None;
        let before = watched.slots.state(process.as_ref()).map(|(state, _)| state).unwrap_or_default();
        let changed = watched.slots.change(process.as_ref(), owner, |state| {
            *state = State {
                stamp,
                loaded_at: now,
                next_at,
                owner: 0,
                failures: 0,
                entries: encoded.entries,
                invalid: encoded.invalid,
                ..*state
            }
        });
        if !changed {
            return;
        }
        self.reports.push((at, TableMetric::Refreshes("ok"), 1));
        let Some(held) = self.held.get_mut(at) else { return };
        held.poll(process.as_ref());
        if before.failures > 0 || before.stamp == 0 {
            self.logs.push(format!(
                "scopegate: the table {} was fetched: {} entries, {} left out",
                held.name, encoded.entries, encoded.invalid
            ));
        }
    }

    /// The refresh came to nothing: the table stays as it is, and the next try comes soon, but ever later.
    fn failed(&mut self, at: usize, failure: Failure, now: Millis) {
        let (Some(process), owner) = (self.process.clone(), self.owner) else { return };
        let Some(watched) = self.watched(at) else { return };
        watched.fetch = None;
        let Some((state, _)) = watched.slots.state(process.as_ref()) else { return };
        let longest = Millis::from(watched.remote.refresh_ms).min(LONGEST_PAUSE_MS);
        let doubled = 1_u64.checked_shl(state.failures.min(16)).unwrap_or(1).saturating_mul(FIRST_PAUSE_MS);
        let next_at = now.saturating_add(self.jitter.around(doubled.min(longest)));
        let Some(watched) = self.watched(at) else { return };
        let counted = watched.slots.change(process.as_ref(), owner, |state| {
            state.owner = 0;
            state.next_at = next_at;
            state.failures = state.failures.saturating_add(1);
        });
        if !counted {
            return;
        }
        self.reports.push((at, TableMetric::Refreshes(failure.word()), 1));
        let Some(held) = self.held.get(at) else { return };
        // The first of a row is told, and then one now and then; the counter knows of all.
        if state.failures.is_power_of_two() || state.failures == 0 {
            let stays = if state.stamp == 0 {
                "there is none yet".to_owned()
            } else {
                let age = now.saturating_sub(state.loaded_at) / 1000;
                format!("the one from {age} s ago stays, with {} entries", state.entries)
            };
            self.logs.push(format!("scopegate: the table {} was not fetched: {failure}; {stays}", held.name));
        }
    }

    fn tell(&mut self, at: usize, state: &State, now: Millis) {
        let loaded = state.stamp != 0;
        self.reports.push((at, TableMetric::Loaded, u64::from(loaded)));
        if loaded {
            self.reports.push((at, TableMetric::Age, now.saturating_sub(state.loaded_at) / 1000));
            self.reports.push((at, TableMetric::Entries, u64::from(state.entries)));
            self.reports.push((at, TableMetric::Invalid, u64::from(state.invalid)));
        }
    }

    fn take_id(&mut self) -> u32 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }
}

impl<E: Entry> Held<E> {
    fn new(rules: &TableRules<E>, process: &dyn Process) -> Self {
        let name = rules.name.clone();
        let mut held = match &rules.source {
            Source::Static(table) => Self { name, current: Some(Rc::clone(table)), remote: None },
            Source::Remote(remote) => {
                let slots = Slots::new(&remote.slot);
                // Where this fails there is no state later, and the table is never loaded, which is refused.
                let _ = slots.make(process);
                let remote = Watched { remote: Rc::clone(remote), slots, stamp: 0, fetch: None };
                Self { name, current: None, remote: Some(remote) }
            }
        };
        held.poll(process);
        held
    }

    /// Reads the state, and the content where it is another than the current one.
    fn poll(&mut self, process: &dyn Process) -> Option<(State, u32)> {
        let watched = self.remote.as_mut()?;
        let (state, version) = watched.slots.state(process)?;
        if state.stamp != 0
            && state.stamp != watched.stamp
            && let Some((stamp, table)) = watched.slots.content(process)
        {
            // It may be newer than the state; then the next tick finds both the same, or reads it again.
            watched.stamp = stamp;
            self.current = Some(Rc::new(table));
        }
        Some((state, version))
    }
}

impl<E> Watched<E> {
    /// Whether it is to be fetched, and nobody does.
    fn is_due(&self, state: &State, now: Millis) -> bool {
        // An earlier configuration may have wanted it less often.
        let refresh = Millis::from(self.remote.refresh_ms);
        let longest = state.tried_at.saturating_add(refresh).saturating_add(refresh / 10);
        let is_free = state.owner == 0 || state.leased_until <= now;
        is_free && state.next_at.min(longest) <= now
    }

    /// Until when an answer to a call that is made now is waited for.
    fn deadline(&self, now: Millis) -> Millis {
        now.saturating_add(Millis::from(self.remote.timeout_ms)).saturating_add(GRACE_MS)
    }
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
