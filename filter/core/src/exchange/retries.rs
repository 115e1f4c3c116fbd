//! What the workers of a process remember together between the attempts of a request: the [ledger] of settled
//! parts, and the list of tenants that keep [failing].
//!
//! Every failure of the host, and every slot that others change too often at once, ends on the safe side: what is not
//! remembered is sent again, and who is not on the list is not given up.

use super::Millis;
use super::process::{Process, SlotFailure, change};
use crate::policy::Policy;
use crate::report::{Journal, Naming};
use crate::write::Part;
use crate::write::failing::{Failing, GiveUp, Name, Standing};
use crate::write::fanout::Target;
use crate::write::ledger::{self, Key, PAGES, Page, Quick, Settled};
use crate::write::outcome::{Answer, Judged, Outcome, PartAnswer};
use crate::write::written::Written;

#[cfg(doc)]
use crate::write::{failing, ledger as _};

/// Until when something may be in the ledger: milliseconds, 8 bytes, little endian.
const UNTIL: &str = "ledger/until";
/// The list of failing tenants.
const FAILING: &str = "failing";
/// How much later than needed [`UNTIL`] is set, so that it is set seldom.
const UNTIL_STEP_MS: u64 = 10_000;

/// How many messages of refusals are remembered of one request.
const MAX_MESSAGES: usize = 8;

fn page_slot(page: u8) -> String {
    format!("ledger/{page}")
}

/// Makes the slots that a policy needs; before any worker serves.
pub fn prepare(process: &dyn Process, policy: &Policy) -> Result<(), SlotFailure> {
    Naming::prepare(process);
    if policy.telling.journal {
        Journal::prepare(process);
    }
    let rules = || policy.backends.iter().map(|backend| &backend.write.answers);
    if rules().any(|rules| rules.remember_ms > 0) {
        process.make(UNTIL, &[])?;
        for page in 0..PAGES {
            process.make(&page_slot(page), &[])?;
        }
    }
    if rules().any(|rules| rules.give_up.is_some()) {
        process.make(FAILING, &[])?;
    }
    policy.make_slots(process)
}

/// A request that was looked up in the ledger and is there.
#[derive(Debug)]
pub(super) struct Earlier {
    quick: Quick,
    key: Key,
    settled: Vec<Settled>,
}

impl Earlier {
    /// The answer to a part, if it is settled.
    fn answer(&self, part: &Part) -> Option<PartAnswer> {
        let print = ledger::print(&part.tenant, &part.body);
        let settled = self.settled.iter().find(|settled| settled.print == print)?;
        let mut answer = Answer::remembered(settled.status, settled.message.clone());
        answer.written = Written::Counts(settled.written);
        let new = PartAnswer::new(part.tenant.clone(), answer);
        let judged = if settled.soft { Judged::Soft } else { Judged::AsIs };
        let (series, samples) = (part.series, part.samples);
        Some(PartAnswer { judged, before: true, series, samples, print, ..new })
    }
}

/// Whether the ledger is kept in this process, and until when something may be in it.
fn until(process: &dyn Process) -> Option<u64> {
    process.load(UNTIL).ok().map(|stored| number(&stored.value))
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map(u64::from_le_bytes).unwrap_or_default()
}

/// Whether anything can be remembered here at all.
pub(super) fn can_remember(process: &dyn Process) -> bool {
    until(process).is_some()
}

/// Looks for a request. As long as nothing failed lately that costs one look at a number, and else one quick hash of
/// the body; the strong one is taken only of a body whose quick one was found.
pub(super) fn look_up(
    process: &dyn Process,
    version: &[u8; 16],
    who: &[&str],
    target: &Target,
    body: &[u8],
    now: Millis,
) -> Option<Earlier> {
    if until(process)? <= now {
        return None;
    }
    let quick = Quick::new(body);
    let page = Page::decode(&process.load(&page_slot(quick.page())).ok()?.value, now);
    if !page.may_have(quick) {
        return None;
    }
    let key = Key::new(version, who, target, body);
    let settled = page.find(key).to_vec();
    (!settled.is_empty()).then_some(Earlier { quick, key, settled })
}

/// Where settled parts are noted: a request, and its bounds.
pub(super) struct Note {
    quick: Quick,
    key: Key,
}

impl Note {
    pub(super) fn new(version: &[u8; 16], who: &[&str], target: &Target, body: &[u8]) -> Self {
        Self { quick: Quick::new(body), key: Key::new(version, who, target, body) }
    }

    pub(super) fn again(earlier: &Earlier) -> Self {
        Self { quick: earlier.quick, key: earlier.key }
    }

    /// Notes settled parts until `until`, in the ledger's share of `bytes`; whether they are noted.
    pub(super) fn remember(
        &self,
        process: &dyn Process,
        parts: &[Settled],
        until: Millis,
        bytes: u32,
        now: Millis,
    ) -> bool {
        let raised = change(process, UNTIL, |value| {
            let later = until.saturating_add(UNTIL_STEP_MS);
            (number(value) < until).then(|| later.to_le_bytes().to_vec())
        });
        if raised.is_err() {
            return false;
        }
        let limit = bytes.checked_div(u32::from(PAGES)).unwrap_or_default() as usize;
        let mut fits = false;
        let written = change(process, &page_slot(self.quick.page()), |value| {
            let mut page = Page::decode(value, now);
            fits = page.settle(self.quick, self.key, parts, until) <= limit;
            fits.then(|| page.encode(limit))
        });
        written.is_ok() && fits
    }

    /// Forgets the request.
    pub(super) fn forget(&self, process: &dyn Process, now: Millis) {
        // Where that fails the entry ends by itself.
        let _ = change(process, &page_slot(self.quick.page()), |value| {
            let mut page = Page::decode(value, now);
            page.forget(self.key).then(|| page.encode(usize::MAX))
        });
    }
}

/// The settled parts of an outcome that the ledger does not know yet.
pub(super) fn newly_settled(outcome: &Outcome) -> Vec<Settled> {
    let new = outcome.answers.iter().filter(|part| part.is_settled() && !part.before && part.print != 0);
    let mut messages = 0_usize;
    new.filter_map(|part| {
        let Answer { status, message, written, .. } = &part.answer;
        let written = match written {
            Written::Counts(counts) => *counts,
            Written::Untold | Written::Missing => [0; 3],
        };
        let said = if messages < MAX_MESSAGES { message.as_slice() } else { &[] };
        messages = messages.saturating_add(usize::from(!said.is_empty()));
        status.map(|status| Settled::new(part.print, status, part.judged == Judged::Soft, written, said))
    })
    .collect()
}

/// The tenants of a request as far as they fail.
pub(super) struct Watch<'a> {
    rules: Option<GiveUp>,
    caller: &'a str,
    backend: &'a str,
    list: Failing,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        process: &dyn Process,
        rules: Option<GiveUp>,
        caller: &'a str,
        backend: &'a str,
    ) -> Self {
        let list = match rules {
            Some(_) => process.load(FAILING).map(|stored| Failing::decode(&stored.value)).unwrap_or_default(),
            None => Failing::default(),
        };
        Self { rules, caller, backend, list }
    }

    fn name(&self, part: &crate::tenant::TenantId) -> Name {
        Name::new(self.caller, self.backend, part)
    }

    fn standing(&self, part: &Part, now: Millis) -> Standing {
        match &self.rules {
            Some(rules) if !self.list.is_empty() => self.list.standing(self.name(&part.tenant), rules, now),
            _ => Standing::Good,
        }
    }

    /// Whether any of these parts is for a tenant that has failed lately.
    pub(super) fn concerns(&self, parts: &[Part], now: Millis) -> bool {
        parts.iter().any(|part| self.standing(part, now) != Standing::Good)
    }

    /// The answer to the part of a tenant that is given up, if it is; of several requests one at a time tries again.
    fn answer(&self, process: &dyn Process, part: &Part, now: Millis) -> Option<PartAnswer> {
        match self.standing(part, now) {
            Standing::Good | Standing::Failing => return None,
            Standing::GivenUp => {}
            Standing::Due => {
                let (rules, name) = (self.rules?, self.name(&part.tenant));
                let mine = change(process, FAILING, |value| {
                    let mut list = Failing::decode(value);
                    let due = list.standing(name, &rules, now) == Standing::Due;
                    list.try_again(name, now);
                    due.then(|| list.encode())
                });
                if mine != Ok(false) {
                    return None;
                }
            }
        }
        let answer =
            Answer::failed("it was not sent, since the tenant has failed for too long (answers.give_up)");
        let new = PartAnswer::new(part.tenant.clone(), answer);
        Some(PartAnswer { judged: Judged::GivenUp, series: part.series, samples: part.samples, ..new })
    }

    /// Takes from the parts of a request those that need not be sent, with their answers.
    pub(super) fn leave_out(
        &self,
        process: &dyn Process,
        earlier: Option<&Earlier>,
        parts: &mut Vec<Part>,
        now: Millis,
    ) -> Vec<PartAnswer> {
        let mut answers = Vec::new();
        parts.retain(|part| {
            let answer = earlier.and_then(|earlier| earlier.answer(part));
            let answer = answer.or_else(|| self.answer(process, part, now));
            let sent = answer.is_none();
            answers.extend(answer);
            sent
        });
        answers
    }

    /// Notes who failed and who did not, and gives up who has failed for too long.
    pub(super) fn judge(&self, process: &dyn Process, outcome: &mut Outcome, now: Millis) {
        let Some(rules) = self.rules else { return };
        let failed = outcome.asks_again();
        let left_out = outcome.answers.iter().any(|part| part.judged == Judged::GivenUp);
        if !failed && !left_out && self.list.is_empty() {
            return;
        }
        let others = outcome.answers.iter().any(PartAnswer::is_settled);
        let mut list = Failing::default();
        let noted = change(process, FAILING, |value| {
            list = Failing::decode(value);
            let mut changed = false;
            for part in outcome.answers.iter().filter(|part| !part.before) {
                let name = self.name(&part.tenant);
                if part.judged == Judged::GivenUp {
                    changed |= others && list.not_sent(name, now);
                } else if !part.asks_again() {
                    changed |= list.settled(name);
                } else if part.sent {
                    list.failed(name, others, now);
                    changed = true;
                }
            }
            changed.then(|| list.encode())
        });
        if noted.is_err() {
            return;
        }
        for part in outcome.answers.iter_mut().filter(|part| part.asks_again()) {
            // It was tried just now, and will not be tried at once again.
            if list.standing(self.name(&part.tenant), &rules, now) == Standing::GivenUp {
                part.judged = Judged::GivenUp;
            }
        }
    }
}
