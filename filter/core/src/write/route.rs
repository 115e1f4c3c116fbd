//! From the value of a label to a tenant, remembered for the rest of the request.

use hashbrown::HashMap;

use super::plan::SplitPlan;
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
    /// Nowhere, and the answer says so.
    Reject(Reason),
    /// Nowhere, as configured.
    Drop(Reason),
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
            Self::TooManyLabels => "it has more labels than a series may have (limits.labels_per_series)",
        }
    }
}

/// How many values are remembered; there may be as many as series.
const MAX_KNOWN: usize = 4096;
/// How many values that lead to no tenant are remembered of one request.
const MAX_UNMAPPED: usize = 64;

/// Finds destinations, and lists the tenants in the order they first appear.
pub(super) struct Router<'a> {
    plan: &'a SplitPlan,
    rights: &'a Rights,
    tenants: Vec<TenantId>,
    positions: HashMap<TenantId, usize>,
    max_tenants: u32,
    known: HashMap<(usize, &'a [u8]), usize>,
    /// Neighbours tend to belong together: the last answer, asked first.
    last: Option<(usize, &'a [u8], usize)>,
    absent: Option<usize>,
    /// Values that lead to no tenant, and how many series have them.
    unmapped: HashMap<&'a [u8], u32>,
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
            absent: None,
            unmapped: HashMap::new(),
        }
    }

    /// The tenants, in the order they first appeared. What led to none is left with the rejected.
    pub(super) fn into_tenants(self, rejected: &mut Rejected) -> Vec<TenantId> {
        rejected.unmapped = self.unmapped.into_iter().map(|(key, series)| (key.to_vec(), series)).collect();
        self.tenants
    }

    /// Where a series goes whose label at `source` has this non-empty value.
    #[inline]
    pub(super) fn by_label(&mut self, source: usize, value: &'a [u8]) -> Result<Destination, Refusal> {
        if let Some((last_source, last_value, part)) = self.last
            && last_source == source
            && last_value == value
        {
            return Ok(Destination::Part(part));
        }
        if let Some(part) = self.known.get(&(source, value)) {
            self.last = Some((source, value, *part));
            return Ok(Destination::Part(*part));
        }
        let destination = self.resolve(source, value)?;
        if let Destination::Part(part) = destination
            && self.known.len() < MAX_KNOWN
            // Each of these is counted.
            && !self.unmapped.contains_key(value)
        {
            self.known.insert((source, value), part);
        }
        Ok(destination)
    }

    fn resolve(&mut self, source: usize, value: &'a [u8]) -> Result<Destination, Refusal> {
        let Ok(tenant) = TenantId::from_bytes(value) else {
            self.note_unmapped(value);
            return self.verdict(&self.plan.unmapped.clone(), Reason::Unmapped);
        };
        let allowed = self
            .plan
            .labels
            .get(source)
            .is_some_and(|label| label.allowed.allows(&tenant, &self.plan.own, self.rights));
        if allowed {
            self.part(tenant).map(Destination::Part)
        } else {
            Ok(Destination::Reject(Reason::Forbidden))
        }
    }

    fn note_unmapped(&mut self, value: &'a [u8]) {
        if let Some(series) = self.unmapped.get_mut(value) {
            *series = series.saturating_add(1);
        } else if self.unmapped.len() < MAX_UNMAPPED {
            self.unmapped.insert(value, 1);
        }
    }

    /// Where a series goes that has none of the labels.
    pub(super) fn absent(&mut self) -> Result<Destination, Refusal> {
        if let Some(part) = self.absent {
            return Ok(Destination::Part(part));
        }
        let destination = self.verdict(&self.plan.absent.clone(), Reason::Absent)?;
        if let Destination::Part(part) = destination {
            self.absent = Some(part);
        }
        Ok(destination)
    }

    /// Where metadata goes; `None` where it has no tenant.
    pub(super) fn metadata(&mut self) -> Result<Option<usize>, Refusal> {
        self.plan.metadata.clone().map(|tenant| self.part(tenant)).transpose()
    }

    fn verdict(&mut self, verdict: &Verdict, reason: Reason) -> Result<Destination, Refusal> {
        match verdict {
            Verdict::Tenant(tenant) => self.part(tenant.clone()).map(Destination::Part),
            Verdict::Reject => Ok(Destination::Reject(reason)),
            Verdict::Drop => Ok(Destination::Drop(reason)),
        }
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
