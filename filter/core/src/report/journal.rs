//! What administrators want to know beyond counters: recent refusals, the keys that lead to no tenant, and in observe mode
//! what would change.
//!
//! Each worker notes what is new, and hands it every few seconds to a slot of the process, where it is put together.
//! Everything is bounded, foreign text is made fit to be shown before it is kept, and nothing holds a credential.

use core::fmt::Write as _;

use serde_json::{Value, json};

use super::excerpt::Excerpt;
use super::sketch::{Counted, Sketch, largest_first};
use crate::exchange::{Millis, Process, SlotFailure};

/// The slot with what all workers noted.
const SLOT: &str = "journal";
/// How many different refusals are kept, and how many keys of each backend are counted.
const REFUSALS: usize = 64;
const KEYS: usize = 128;
/// How many differences are counted.
const DIFFERENCES: usize = 128;
/// How many keys are told, and how many differences.
const TOLD: usize = 50;
/// How much is shown of one key (or tenants), and of what a refusal says.
const KEY_BYTES: usize = 80;
const WORDS_BYTES: usize = 300;
/// How long a worker may keep what it noted to itself.
const PATIENCE: Millis = 2_000;
/// How often a swap is tried against other workers.
const TRIES: usize = 4;

/// Something that was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused<'a> {
    pub(crate) backend: Option<&'a str>,
    pub(crate) class: Option<&'static str>,
    pub(crate) caller: Option<&'a str>,
    pub(crate) reason: &'static str,
    pub(crate) status: u16,
    pub(crate) words: &'a str,
}

/// A request that went on as it came, and would not have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Differs<'a> {
    pub(crate) backend: Option<&'a str>,
    pub(crate) caller: Option<&'a str>,
    /// The tenants that it named; `None` where it named none.
    pub(crate) came_as: Option<&'a [u8]>,
    /// The tenants that it would have gone to; empty where nothing was to be sent.
    pub(crate) would_go_to: &'a str,
    pub(crate) outcome: &'static str,
    /// Empty where there is none.
    pub(crate) reason: &'static str,
}

/// A refusal, as often as it came in the same words.
#[derive(Clone, Debug)]
struct Entry {
    /// Empty where it is not known; so are class and caller.
    backend: String,
    class: String,
    caller: String,
    reason: String,
    status: u16,
    words: String,
    times: u64,
    last: Millis,
}

/// What one worker noted and has not handed over.
#[derive(Debug, Default)]
pub struct Journal {
    news: Notes,
    handed_over: Millis,
}

/// Refusals, for each backend its keys, and differences: their fields with tabs between them.
#[derive(Debug)]
struct Notes {
    refusals: Vec<Entry>,
    keys: Vec<(String, Sketch)>,
    differences: Sketch,
}

impl Default for Notes {
    fn default() -> Self {
        Self { refusals: Vec::new(), keys: Vec::new(), differences: Sketch::new(DIFFERENCES) }
    }
}

impl Journal {
    /// Makes the slot. Called before any worker serves.
    pub(crate) fn prepare(process: &dyn Process) {
        // Without it each worker knows only what it noted itself.
        let _ = process.make(SLOT, b"");
    }

    /// Notes a refusal.
    pub(crate) fn refused(&mut self, refused: Refused<'_>, now: Millis) {
        let own = |text: Option<&str>| text.unwrap_or_default().to_owned();
        self.news.add(Entry {
            backend: own(refused.backend),
            class: own(refused.class),
            caller: own(refused.caller),
            reason: refused.reason.to_owned(),
            status: refused.status,
            words: Excerpt::new(refused.words.as_bytes(), WORDS_BYTES).to_string(),
            times: 1,
            last: now,
        });
    }

    /// Notes that so many series had a key that leads to no tenant.
    pub(crate) fn unmapped(&mut self, backend: &str, key: &[u8], series: u32, now: Millis) {
        let key = Excerpt::new(key, KEY_BYTES).to_string();
        self.news.count(backend, &key, Counted::exactly(u64::from(series), now));
    }

    /// Notes that a request would not have gone on as it did.
    pub(crate) fn differs(&mut self, differs: Differs<'_>, now: Millis) {
        let Differs { backend, caller, came_as, would_go_to, outcome, reason } = differs;
        // A tenant that is named has quotes around it, so that it is never taken for none.
        let came_as =
            came_as.map_or(String::new(), |came_as| format!("\"{}\"", Excerpt::new(came_as, KEY_BYTES)));
        let [backend, caller] = [backend, caller].map(Option::unwrap_or_default);
        let to = Excerpt::new(would_go_to.as_bytes(), KEY_BYTES);
        let key = format!("{backend}\t{caller}\t{outcome}\t{reason}\t{came_as}\t{to}");
        self.news.differences.add(&key, Counted::exactly(1, now));
    }

    /// Hands over what is new, if the last time is some seconds ago.
    pub(crate) fn hand_over_in_time(&mut self, process: &dyn Process, now: Millis) {
        if !self.news.is_empty() && now >= self.handed_over.saturating_add(PATIENCE) {
            self.hand_over(process, now);
        }
    }

    /// What can be told, after what is new here was handed over.
    pub(crate) fn page(&mut self, process: &dyn Process, now: Millis) -> String {
        match self.hand_over(process, now) {
            Some(all) => all.page(now),
            None => self.news.page(now),
        }
    }

    /// Puts together what is new here and what the others handed over; gives the whole. What cannot be handed over is
    /// kept, within its bounds.
    fn hand_over(&mut self, process: &dyn Process, now: Millis) -> Option<Notes> {
        self.handed_over = now;
        for _ in 0..TRIES {
            let stored = process.load(SLOT).ok()?;
            let mut all = Notes::read(&stored.value);
            if self.news.is_empty() {
                return Some(all);
            }
            all.add_all(&self.news);
            match process.swap(SLOT, all.write().as_bytes(), stored.version) {
                Ok(()) => {
                    self.news = Notes::default();
                    return Some(all);
                }
                Err(SlotFailure::Changed) => {}
                Err(_) => return None,
            }
        }
        None
    }
}

impl Notes {
    fn is_empty(&self) -> bool {
        self.refusals.is_empty() && self.keys.is_empty() && self.differences.is_empty()
    }

    fn count(&mut self, backend: &str, key: &str, counted: Counted) {
        if let Some((_, keys)) = self.keys.iter_mut().find(|(known, _)| known == backend) {
            keys.add(key, counted);
            return;
        }
        let mut keys = Sketch::new(KEYS);
        keys.add(key, counted);
        self.keys.push((backend.to_owned(), keys));
    }

    fn add(&mut self, entry: Entry) {
        if let Some(known) = self.refusals.iter_mut().find(|known| known.is_like(&entry)) {
            known.times = known.times.saturating_add(entry.times);
            known.last = known.last.max(entry.last);
            return;
        }
        if self.refusals.len() >= REFUSALS {
            let oldest =
                self.refusals.iter().enumerate().min_by_key(|(_, known)| known.last).map(|(at, _)| at);
            if let Some(at) = oldest {
                self.refusals.swap_remove(at);
            }
        }
        self.refusals.push(entry);
    }

    fn add_all(&mut self, news: &Self) {
        for entry in &news.refusals {
            self.add(entry.clone());
        }
        for (backend, keys) in &news.keys {
            for (key, counted) in keys.sorted() {
                self.count(backend, key, counted);
            }
        }
        for (key, counted) in news.differences.sorted() {
            self.differences.add(key, counted);
        }
    }

    /// One line for each, with tabs between its fields: no text that is kept has a control character.
    fn write(&self) -> String {
        let mut out = String::new();
        for entry in &self.refusals {
            let Entry { backend, class, caller, reason, status, words, times, last } = entry;
            let _ = writeln!(
                out,
                "r\t{backend}\t{class}\t{caller}\t{reason}\t{status}\t{words}\t{times}\t{last}"
            );
        }
        for (backend, keys) in &self.keys {
            for (key, Counted { count, error, last }) in keys.sorted() {
                let _ = writeln!(out, "k\t{backend}\t{key}\t{count}\t{error}\t{last}");
            }
        }
        for (key, Counted { count, error, last }) in self.differences.sorted() {
            let _ = writeln!(out, "d\t{count}\t{error}\t{last}\t{key}");
        }
        out
    }

    /// What is not in the form that `write` gives counts as nothing.
    fn read(value: &[u8]) -> Self {
        let mut notes = Self::default();
        for line in core::str::from_utf8(value).unwrap_or_default().lines() {
            let _ = notes.read_line(line);
        }
        notes
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let (kind, rest) = line.split_once('\t')?;
        let mut fields = rest.split('\t');
        let mut text = || fields.next().map(str::to_owned);
        match kind {
            "r" => {
                let entry = Entry {
                    backend: text()?,
                    class: text()?,
                    caller: text()?,
                    reason: text()?,
                    status: text()?.parse().ok()?,
                    words: text()?,
                    times: text()?.parse().ok()?,
                    last: text()?.parse().ok()?,
                };
                self.add(entry);
            }
            "k" => {
                let (backend, key) = (text()?, text()?);
                self.count(&backend, &key, counted(&mut fields)?);
            }
            "d" => {
                let counted = counted(&mut fields)?;
                let key = fields.collect::<Vec<_>>().join("\t");
                self.differences.add(&key, counted);
            }
            _ => {}
        }
        Some(())
    }

    /// JSON with a line for each. Ages in place of times: a gateway's clock has no hour.
    fn page(&self, now: Millis) -> String {
        let age = |last: Millis| now.saturating_sub(last) / 1000;
        let order = largest_first(self.refusals.iter().map(|entry| entry.last));
        let known = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
        let refusals = order.into_iter().filter_map(|at| self.refusals.get(at)).map(|entry| {
            json!({
                "seconds_ago": age(entry.last),
                "times": entry.times,
                "backend": known(&entry.backend),
                "class": known(&entry.class),
                "caller": known(&entry.caller),
                "status": entry.status,
                "reason": entry.reason.as_str(),
                "words": entry.words.as_str(),
            })
        });
        let mut keys: Vec<(&str, &str, Counted)> = Vec::new();
        for (backend, sketch) in &self.keys {
            keys.extend(sketch.sorted().into_iter().map(|(key, counted)| (backend.as_str(), key, counted)));
        }
        let order = largest_first(keys.iter().map(|(_, _, counted)| counted.count));
        let keys =
            order.into_iter().take(TOLD).filter_map(|at| keys.get(at)).map(|(backend, key, counted)| {
                json!({
                    "backend": backend,
                    "key": key,
                    "series_at_least": counted.at_least(),
                    "series_at_most": counted.count,
                    "seconds_ago": age(counted.last),
                })
            });
        let differences = self.differences.sorted().into_iter().take(TOLD).map(|(key, counted)| {
            let mut fields = key.splitn(6, '\t');
            let mut field = || fields.next().unwrap_or_default();
            let (backend, caller, outcome, reason) = (field(), field(), field(), field());
            let came_as = field().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            json!({
                "backend": known(backend),
                "caller": known(caller),
                "came_as": came_as,
                "outcome": outcome,
                "reason": known(reason),
                "would_go_to": known(field()),
                "requests_at_least": counted.at_least(),
                "requests_at_most": counted.count,
                "seconds_ago": age(counted.last),
            })
        });
        format!(
            "{{\"unmapped_keys\": [{}],\n\"differences\": [{}],\n\"refusals\": [{}]}}\n",
            lines(keys),
            lines(differences),
            lines(refusals)
        )
    }
}

/// Count, error and time of a line.
fn counted<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<Counted> {
    let mut number = || fields.next()?.parse().ok();
    Some(Counted { count: number()?, error: number()?, last: number()? })
}

fn lines(list: impl Iterator<Item = Value>) -> String {
    list.map(|line| format!("\n  {line}")).collect::<Vec<_>>().join(",")
}

impl Entry {
    /// Whether it is the same refusal at another time.
    fn is_like(&self, other: &Self) -> bool {
        self.reason == other.reason
            && self.status == other.status
            && self.caller == other.caller
            && self.backend == other.backend
            && self.class == other.class
            && self.words == other.words
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
