//! From the values of labels to tenants, remembered for the rest of the request.

use hashbrown::HashMap;

use super::plan::{Choice, SplitPlan};
use super::rejected::Rejected;
use super::rules::Verdict;
use crate::caller::Rights;
use crate::report::Refusal;
use crate::tenant::TenantId;

/// Where a series goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// To the part at this position.
    Part(usize),
    /// To both of these parts: what is also written elsewhere.
    Both(usize, usize),
    /// Nowhere, and the answer says so.
    Reject(Reason),
    /// Nowhere, as configured.
    Drop(Reason),
}

impl Destination {
    /// The parts it stands for.
    pub(super) fn parts(self) -> impl Iterator<Item = usize> {
        let (first, second) = match self {
            Self::Part(part) => (Some(part), None),
            Self::Both(part, second) => (Some(part), Some(second)),
            Self::Reject(_) | Self::Drop(_) => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// Why a series is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// No source of a tenant was present.
    Absent,
    /// The label's value leads to no tenant.
    Unmapped,
    /// The tenant is not allowed to this caller.
    Forbidden,
    /// The series has a label that only a caller with the right to impersonate may use.
    Impersonation,
    /// A label that decides stands twice.
    Duplicate,
    /// A label's name or value is not UTF-8.
    Text,
    /// No label is there, or left.
    NoLabels,
    /// The backend keeps tenants apart by accounts, and this one has none.
    NoAccount,
    /// A name that stands for an account of the backend is where it cannot be taken off.
    AccountLabel,
    /// Neither a sample nor a histogram is there.
    NoSamples,
    /// A value that decides is no text.
    NotText,
    /// The labels, or what stands around them, are written as nobody writes them.
    Form,
    /// More labels than a series may have.
    TooManyLabels,
}

impl Reason {
    /// One word, for metrics.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Absent => "no_tenant",
            Self::Unmapped => "unmapped",
            Self::Forbidden => "foreign_tenant",
            Self::Impersonation => "may_not_impersonate",
            Self::Duplicate => "duplicate_label",
            Self::Text => "not_utf8",
            Self::NoLabels => "no_labels",
            Self::NoAccount => "no_account",
            Self::AccountLabel => "account_label",
            Self::NoSamples => "no_samples",
            Self::NotText => "not_text",
            Self::Form => "unreadable_labels",
            Self::TooManyLabels => "too_many_labels",
        }
    }

    /// Words for the sender.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Absent => "no label names a tenant",
            Self::Unmapped => "the label leads to no tenant",
            Self::Forbidden => "the tenant is not allowed to this caller",
            Self::Impersonation => "this caller may not impersonate",
            Self::Duplicate => "the label that names the tenant stands twice",
            Self::Text => "a label is not UTF-8",
            Self::NoLabels => "no label is left, and a backend would refuse the whole request for that",
            Self::NoAccount => {
                "the tenant has no account in this backend; an operator can give it one (`isolate`)"
            }
            Self::AccountLabel => "something below it has a label that names an account of the backend",
            Self::NoSamples => {
                "it has nothing to write, and a backend would refuse the whole request for that"
            }
            Self::NotText => "what names the tenant is no text",
            Self::Form => "its labels are written in a way that backends read differently",
            Self::TooManyLabels => "it has more labels than a series may have (limits.labels_per_series)",
        }
    }
}

/// How many values are remembered; there may be as many as series.
const MAX_KNOWN: usize = 4096;
/// How many values that lead to no tenant are remembered of one request.
const MAX_UNMAPPED: usize = 64;

/// Where a key leads, and whether that holds for the next series with it without a further look.
struct Found {
    destination: Destination,
    may_be_remembered: bool,
}

/// Finds destinations, and lists the tenants in the order they first appear.
pub(super) struct Router<'a> {
    plan: &'a SplitPlan,
    rights: &'a Rights,
    tenants: Vec<TenantId>,
    positions: HashMap<TenantId, usize>,
    max_tenants: u32,
    known: HashMap<(usize, &'a [u8]), Destination>,
    /// Neighbours tend to belong together: the last answer, asked first.
    last: Option<(usize, &'a [u8], Destination)>,
    /// The same for keys of several labels, by all of their values.
    joined: HashMap<Box<[u8]>, Destination>,
    /// The values of the key at hand.
    scratch: Vec<u8>,
    absent: Option<Destination>,
    /// Keys that lead to no tenant, and how many series have them.
    unmapped: HashMap<Box<[u8]>, u32>,
}

impl<'a> Router<'a> {
    pub(super) fn new(plan: &'a SplitPlan, rights: &'a Rights, max_tenants: u32) -> Self {
        Self {
            plan,
            rights,
            tenants: Vec::new(),
            positions: HashMap::new(),
            max_tenants,
            known: HashMap::new(),
            last: None,
            joined: HashMap::new(),
            scratch: Vec::new(),
            absent: None,
            unmapped: HashMap::new(),
        }
    }

    /// The tenant of the part at this position.
    pub(super) fn tenant(&self, part: usize) -> Option<&TenantId> {
        self.tenants.get(part)
    }

    /// The tenants, in the order they first appeared. What led to none is left with the rejected.
    pub(super) fn into_tenants(self, rejected: &mut Rejected) -> Vec<TenantId> {
        let unmapped = self.unmapped.into_iter();
        rejected.unmapped = unmapped.map(|(key, series)| (key.into_vec(), series)).collect();
        self.tenants
    }

    /// Where a series goes whose label at a position of the plan has the value that `value` gives; an empty value means
    /// that the label is absent. The first choice that is present decides.
    #[inline]
    pub(super) fn route(&mut self, value: impl Fn(usize) -> &'a [u8]) -> Result<Destination, Refusal> {
        let plan = self.plan;
        for (at, choice) in plan.choices.iter().enumerate() {
            if let [label] = choice.labels.as_slice() {
                let value = value(*label);
                if !value.is_empty() {
                    return self.by_value(at, choice, value);
                }
            } else if choice.labels.iter().all(|label| !value(*label).is_empty()) {
                return self.by_values(at, choice, value);
            }
        }
        self.absent()
    }

    /// The same for values that stand nowhere in the message as they are, since they were written with escapes: by them
    /// nothing is remembered.
    pub(super) fn route_text<'v>(
        &mut self,
        value: impl Fn(usize) -> &'v [u8],
    ) -> Result<Destination, Refusal> {
        let is_present = |choice: &&Choice| choice.labels.iter().all(|label| !value(*label).is_empty());
        let Some(choice) = self.plan.choices.iter().find(is_present) else { return self.absent() };
        Ok(self.resolve_joined(choice, value)?.destination)
    }

    #[inline]
    fn by_value(&mut self, at: usize, choice: &Choice, value: &'a [u8]) -> Result<Destination, Refusal> {
        if let Some((last_choice, last_value, destination)) = self.last
            && last_choice == at
            && last_value == value
        {
            return Ok(destination);
        }
        if let Some(destination) = self.known.get(&(at, value)) {
            self.last = Some((at, value, *destination));
            return Ok(*destination);
        }
        let found = self.resolve(choice, value)?;
        if found.may_be_remembered && self.known.len() < MAX_KNOWN {
            self.known.insert((at, value), found.destination);
        }
        Ok(found.destination)
    }

    /// The same for a key of several labels. All of their values with their lengths are what is remembered, so that
    /// none is taken for another.
    fn by_values(
        &mut self,
        at: usize,
        choice: &Choice,
        value: impl Fn(usize) -> &'a [u8],
    ) -> Result<Destination, Refusal> {
        let mut scratch = core::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(&at.to_le_bytes());
        for label in &choice.labels {
            let value = value(*label);
            scratch.extend_from_slice(&value.len().to_le_bytes());
            scratch.extend_from_slice(value);
        }
        let destination = if let Some(destination) = self.joined.get(scratch.as_slice()) {
            *destination
        } else {
            let found = self.resolve_joined(choice, value)?;
            if found.may_be_remembered && self.joined.len() < MAX_KNOWN {
                self.joined.insert(scratch.as_slice().into(), found.destination);
            }
            found.destination
        };
        self.scratch = scratch;
        Ok(destination)
    }

    /// The same, by the values of all labels of a choice.
    fn resolve_joined<'v>(
        &mut self,
        choice: &Choice,
        value: impl Fn(usize) -> &'v [u8],
    ) -> Result<Found, Refusal> {
        if let [label] = choice.labels.as_slice() {
            return self.resolve(choice, value(*label));
        }
        let (key, is_clear) = join(choice, value);
        if is_clear { self.resolve(choice, &key) } else { self.unmapped(&key) }
    }

    fn resolve(&mut self, choice: &Choice, value: &[u8]) -> Result<Found, Refusal> {
        let text = choice.key.text(value);
        let tenant = text.and_then(|text| choice.key.tenant(text, choice.table.as_deref()));
        let Some(tenant) = tenant else { return self.unmapped(value) };
        let destination = if choice.allowed.allows(&tenant, &self.plan.own, self.rights) {
            self.parts(text, tenant)?
        } else {
            Destination::Reject(Reason::Forbidden)
        };
        Ok(Found { destination, may_be_remembered: true })
    }

    /// Where a series goes whose key leads to no tenant. Each is counted, as long as there is room for its key.
    #[cold]
    fn unmapped(&mut self, key: &[u8]) -> Result<Found, Refusal> {
        let counted = if let Some(series) = self.unmapped.get_mut(key) {
            *series = series.saturating_add(1);
            true
        } else {
            let has_room = self.unmapped.len() < MAX_UNMAPPED;
            if has_room {
                self.unmapped.insert(key.into(), 1);
            }
            has_room
        };
        let destination = self.verdict(&self.plan.unmapped, Reason::Unmapped)?;
        Ok(Found { destination, may_be_remembered: !counted })
    }

    /// Where a series goes that has none of the labels.
    fn absent(&mut self) -> Result<Destination, Refusal> {
        if let Some(destination) = self.absent {
            return Ok(destination);
        }
        let destination = self.verdict(&self.plan.absent, Reason::Absent)?;
        self.absent = Some(destination);
        Ok(destination)
    }

    /// Where the own tenant's metadata goes; `None` where it has no tenant.
    pub(super) fn metadata(&mut self) -> Result<Option<usize>, Refusal> {
        let tenant = self.plan.metadata.clone().filter(|tenant| self.plan.isolate.knows(tenant));
        tenant.map(|tenant| self.part(tenant)).transpose()
    }

    /// The part of the tenant that gets besides what this part's tenant gets, if there is one that the backend can be told.
    pub(super) fn second(&mut self, part: usize) -> Result<Option<usize>, Refusal> {
        let tenant = self.tenants.get(part).and_then(|tenant| self.plan.also.second(None, tenant));
        let tenant = tenant.filter(|tenant| self.plan.isolate.knows(tenant)).cloned();
        tenant.map(|tenant| self.part(tenant)).transpose()
    }

    /// The tenants so far, in the order they first appeared.
    pub(super) fn tenants(&self) -> &[TenantId] {
        &self.tenants
    }

    /// Adds the caller's own tenants, as far as there is room for them.
    pub(super) fn add_own_tenants(&mut self) {
        for tenant in self.plan.own.as_slice() {
            let _ = self.part(tenant.clone());
        }
    }

    /// The part of a tenant that a metric was written to before; an error where there is no room for it, and `None` where
    /// a series could not go there any more.
    pub(super) fn follower(&mut self, tenant: &TenantId) -> Option<Result<usize, Refusal>> {
        let SplitPlan { choices, absent, unmapped, own, also, .. } = self.plan;
        let is = |verdict: &Verdict| matches!(verdict, Verdict::Tenant(known) if known == tenant);
        let allowed = own.contains(tenant)
            || choices.iter().any(|choice| choice.allowed.allows(tenant, own, self.rights))
            || also.leads_to(tenant)
            || is(absent)
            || is(unmapped);
        (allowed && self.plan.isolate.knows(tenant)).then(|| self.part(tenant.clone()))
    }

    fn verdict(&mut self, verdict: &'a Verdict, reason: Reason) -> Result<Destination, Refusal> {
        match verdict {
            Verdict::Tenant(tenant) => self.parts(None, tenant.clone()),
            Verdict::Reject => Ok(Destination::Reject(reason)),
            Verdict::Drop => Ok(Destination::Drop(reason)),
        }
    }

    /// The part of this tenant, and of the second one that has what it gets by `key`; if the backend can be told them.
    fn parts(&mut self, key: Option<&[u8]>, tenant: TenantId) -> Result<Destination, Refusal> {
        let second = self.plan.also.second(key, &tenant).cloned();
        if !second.iter().chain([&tenant]).all(|tenant| self.plan.isolate.knows(tenant)) {
            return Ok(Destination::Reject(Reason::NoAccount));
        }
        let first = self.part(tenant)?;
        Ok(match second {
            Some(second) => Destination::Both(first, self.part(second)?),
            None => Destination::Part(first),
        })
    }

    fn part(&mut self, tenant: TenantId) -> Result<usize, Refusal> {
        if let Some(part) = self.positions.get(&tenant) {
            return Ok(*part);
        }
        let part = self.tenants.len();
        if part >= self.max_tenants as usize {
            return Err(Refusal::TooManyTenants { limit: self.max_tenants });
        }
        self.tenants.push(tenant.clone());
        self.positions.insert(tenant, part);
        Ok(part)
    }
}

/// The values of a key in one, and whether that is clear: not where one of them holds the separator, so that another key
/// could look the same.
fn join<'a>(choice: &Choice, value: impl Fn(usize) -> &'a [u8]) -> (Vec<u8>, bool) {
    let separator = choice.separator.as_slice();
    let (mut key, mut is_clear) = (Vec::new(), true);
    for (position, label) in choice.labels.iter().enumerate() {
        let value = value(*label);
        is_clear &= !value.windows(separator.len().max(1)).any(|window| window == separator);
        if position > 0 {
            key.extend_from_slice(separator);
        }
        key.extend_from_slice(value);
    }
    (key, is_clear)
}
