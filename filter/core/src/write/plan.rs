//! What the head of a write decides: one tenant for the whole request, or a look into its body.

use std::rc::Rc;

use super::also::Also;
use super::key::Key;
use super::labels::LabelEdits;
use super::metadata::{Following, Spread};
use super::rules::{Rules, Verdict};
use super::source::Source;
use crate::caller::{Identity, Rights};
use crate::exchange::Process;
use crate::http::Headers;
use crate::isolate::Isolate;
use crate::report::Refusal;
use crate::table::{Lookup, NotLoaded, Table};
use crate::tenant::{TenantId, TenantSet};

/// How a write finds its tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The whole request belongs to this tenant; nobody needs its body.
    Whole(TenantId),
    /// The series decide.
    Split(Box<SplitPlan>),
}

/// How the tenant of each series is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitPlan {
    /// The labels that are looked for.
    pub(super) labels: Vec<LabelSource>,
    /// What of them may name a tenant, in order.
    pub(super) choices: Vec<Choice>,
    /// Labels that no series of this caller may have.
    pub(super) forbidden: Vec<Vec<u8>>,
    /// What becomes of a series that has none of the labels.
    pub(super) absent: Verdict,
    /// What becomes of a series whose label leads to no tenant.
    pub(super) unmapped: Verdict,
    /// Where metric metadata goes, which has no labels.
    pub(super) metadata: Option<TenantId>,
    /// Where metadata goes besides.
    pub(super) spread: Spread,
    /// Whether the backend takes series that have exemplars and nothing else, as senders of 2.0 write them.
    pub(crate) takes_exemplars_alone: bool,
    /// The caller's own tenants.
    pub(super) own: TenantSet,
    /// What changes in the labels of every series.
    pub(super) edits: LabelEdits,
    /// Which tenants the backend can be told.
    pub(super) isolate: Rc<Isolate>,
    /// What is written to a second tenant too.
    pub(super) also: Also,
}

/// What the writes to a backend must bring about besides reaching their tenants.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// What changes in the labels of every series.
    pub edits: &'a LabelEdits,
    /// Whether that can be said in the URL of a request that has one tenant.
    pub in_url: bool,
    /// Which tenants the backend can be told.
    pub isolate: &'a Rc<Isolate>,
    /// Whether the body may have metadata that belongs to no series.
    pub has_metadata: bool,
}

impl SplitPlan {
    /// The caller's own tenants.
    pub fn own(&self) -> &TenantSet {
        &self.own
    }

    /// The caller's own tenant, where it has exactly one.
    pub fn own_tenant(&self) -> Option<&TenantId> {
        self.own.single()
    }

    /// The tenant that the head gives.
    pub(crate) fn head_tenant(&self) -> Option<&TenantId> {
        match &self.absent {
            Verdict::Tenant(tenant) => Some(tenant),
            Verdict::Reject | Verdict::Drop => None,
        }
    }

    /// Whether the caller may know of this tenant: it is its own, or one that it may write for. Others are where the
    /// configuration sends what has no tenant.
    pub fn may_know(&self, tenant: &TenantId, rights: &Rights) -> bool {
        [Allowed::Impersonation, Allowed::OnBehalfOf]
            .iter()
            .any(|right| right.allows(tenant, &self.own, rights))
    }
}

impl SplitPlan {
    /// What is learnt from requests of this plan is kept apart for each backend, caller and set of own tenants.
    pub(crate) fn keep_apart(&mut self, backend: &str, caller: &str, own: &TenantSet) {
        self.spread.keep_apart(backend, caller, own);
    }

    /// Where the workers share what was learnt.
    pub(crate) fn attach(&mut self, process: &Rc<dyn Process>) {
        self.spread.attach(process);
    }

    /// What is to be learnt about, if anything is.
    pub(crate) fn following(&self) -> Option<&Following> {
        self.spread.following()
    }
}

/// A label that may name the tenant of a series, or a part of what does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LabelSource {
    pub(super) name: Vec<u8>,
    pub(super) remove: bool,
    pub(super) place: Place,
}

/// Labels that name the tenant of a series where all of them are present and not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Their positions among the labels that are looked for.
    pub(super) labels: Vec<usize>,
    /// What stands between their values.
    pub(super) separator: Vec<u8>,
    pub(super) allowed: Allowed,
    pub(super) key: Rc<Key>,
    /// The table of the key, as it is for this request from beginning to end.
    pub(super) table: Option<Rc<Table>>,
}

/// Where a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A label of a series or stream, an attribute of a resource.
    Label,
    /// Structured metadata of a log entry.
    Metadata,
}

impl Choice {
    /// By a value as it stands.
    fn plain(allowed: Allowed) -> Self {
        Self { labels: Vec::new(), separator: Vec::new(), allowed, key: Rc::default(), table: None }
    }
}

/// By which right a label may lead to a tenant that is not the caller's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    Impersonation,
    OnBehalfOf,
}

impl Allowed {
    /// Whether `tenant` may be written to.
    pub(super) fn allows(self, tenant: &TenantId, own: &TenantSet, rights: &Rights) -> bool {
        own.contains(tenant)
            || match self {
                Self::Impersonation => {
                    rights.impersonate.as_ref().is_some_and(|right| right.tenants.allows(tenant))
                }
                Self::OnBehalfOf => rights.on_behalf_of.allows(tenant),
            }
    }
}

/// Decides from the head of a write. `others` are the impersonation rights of all callers: under `strict`
/// nobody else may use their headers and labels. `lookup` gives the tables as they are now, and `wall_seconds` the date.
pub fn plan<'a>(
    rules: &Rules,
    rights: &Rights,
    identity: &Identity,
    headers: &Headers<'_>,
    others: impl Iterator<Item = &'a crate::caller::Impersonate>,
    wanted: &Wanted<'_>,
    mut lookup: Lookup<'_>,
) -> Result<Plan, Refusal> {
    let mut found = Choices::default();
    let asked = match &rights.impersonate {
        Some(right) => asks(headers, &right.header, &right.value)?.then_some(right),
        None => None,
    };
    if let Some(right) = asked {
        let names = core::slice::from_ref(&right.label);
        found.add(Place::Label, names, true, Choice::plain(Allowed::Impersonation));
    }
    let mut forbidden = Vec::new();
    if rules.strict {
        for other in others {
            if asked.is_none() && asks(headers, &other.header, &other.value)? {
                return Err(Refusal::MayNotImpersonate);
            }
            if asked.is_none_or(|right| right.label != other.label) && !forbidden.contains(&other.label) {
                forbidden.push(other.label.clone());
            }
        }
    }
    let asked = asked.map(|right| right.label.as_slice());
    let absent = constant(rules, identity, headers, asked, &mut found, &mut lookup)?.map(Verdict::Tenant);
    let absent = absent.unwrap_or_else(|| rules.on_absent.clone());
    let also = rules.also.at(lookup.wall_seconds);
    let Choices { labels, choices } = found;
    if labels.is_empty() && forbidden.is_empty() {
        match absent.clone() {
            Verdict::Tenant(tenant) if !wanted.isolate.knows(&tenant) => {
                return Err(Refusal::NoAccount { tenant });
            }
            Verdict::Tenant(tenant) if also.concerns(&tenant) => {}
            Verdict::Tenant(_) if wanted.has_metadata && rules.metadata_strays(rights, &identity.tenants) => {
            }
            Verdict::Tenant(tenant) if wanted.edits.is_empty() || wanted.in_url => {
                return Ok(Plan::Whole(tenant));
            }
            Verdict::Reject if identity.tenants.as_slice().is_empty() => return Err(Refusal::NameTenant),
            Verdict::Reject => {
                let header = rules.tenant_headers().next().map(str::to_owned);
                return Err(Refusal::NoSource { header, tenants: identity.tenants.header() });
            }
            Verdict::Tenant(_) | Verdict::Drop => {}
        }
    }
    let metadata = match &absent {
        Verdict::Tenant(tenant) => Some(tenant.clone()),
        Verdict::Reject | Verdict::Drop => identity.tenants.single().cloned(),
    };
    let unmapped = rules.on_unmapped.clone();
    Ok(Plan::Split(Box::new(SplitPlan {
        labels,
        choices,
        forbidden,
        absent,
        unmapped,
        metadata,
        own: identity.tenants.clone(),
        edits: wanted.edits.clone(),
        isolate: Rc::clone(wanted.isolate),
        spread: Spread::of(rules.metadata),
        also,
        takes_exemplars_alone: true,
    })))
}

/// The labels of a plan while they are found.
#[derive(Default)]
struct Choices {
    labels: Vec<LabelSource>,
    choices: Vec<Choice>,
}

impl Choices {
    /// Adds a choice by the labels with these names.
    fn add(&mut self, place: Place, names: &[Vec<u8>], remove: bool, choice: Choice) {
        let mut position = |name: &Vec<u8>| {
            if let Some(at) = self.labels.iter().position(|label| label.name == *name && label.place == place)
            {
                if let Some(label) = self.labels.get_mut(at) {
                    label.remove |= remove;
                }
                return at;
            }
            self.labels.push(LabelSource { name: name.clone(), remove, place });
            self.labels.len().saturating_sub(1)
        };
        let labels = names.iter().map(&mut position).collect();
        self.choices.push(Choice { labels, ..choice });
    }
}

/// The tenant that the head alone gives, after the labels that come before it. `asked` is the label by which the
/// request impersonates.
fn constant(
    rules: &Rules,
    identity: &Identity,
    headers: &Headers<'_>,
    asked: Option<&[u8]>,
    found: &mut Choices,
    lookup: &mut Lookup<'_>,
) -> Result<Option<TenantId>, Refusal> {
    let mut table = |key: &Key| {
        let table = key.table.map(|at| lookup.table(at)).transpose();
        table.map_err(|NotLoaded { table }| Refusal::TableNotLoaded { table })
    };
    for source in &rules.sources {
        match source {
            Source::Labels { place, names, separator, remove, key } => {
                // The impersonation label, where it is asked for, has decided before.
                let decided =
                    *place == Place::Label && names.iter().any(|name| Some(name.as_slice()) == asked);
                if !decided {
                    let choice = Choice {
                        separator: separator.clone(),
                        key: Rc::clone(key),
                        table: table(key)?,
                        ..Choice::plain(Allowed::OnBehalfOf)
                    };
                    found.add(*place, names, *remove, choice);
                }
            }
            Source::Header { name, key } => {
                let value = headers.only(name).map_err(|_| Refusal::Repeated("that names the tenant"))?;
                if let Some(value) = value {
                    let tenant = if key.is_plain() {
                        TenantId::from_bytes(value)
                            .map_err(|reason| Refusal::HeaderTenant { header: name.clone(), reason })?
                    } else {
                        let table = table(key)?;
                        let tenant = key.text(value).and_then(|text| key.tenant(text, table.as_deref()));
                        tenant.ok_or_else(|| Refusal::HeaderUnmapped { header: name.clone() })?
                    };
                    if !identity.may_name(&tenant) {
                        return Err(Refusal::ForeignTenant { header: name.clone() });
                    }
                    return Ok(Some(tenant));
                }
            }
            Source::Caller => {
                if let Some(tenant) = identity.tenants.single() {
                    return Ok(Some(tenant.clone()));
                }
            }
        }
    }
    Ok(None)
}

/// Whether the request has `header` with exactly `value`.
fn asks(headers: &Headers<'_>, header: &str, value: &str) -> Result<bool, Refusal> {
    let found = headers.only(header).map_err(|_| Refusal::Repeated("that asks for impersonation"))?;
    Ok(found.is_some_and(|found| found == value.as_bytes()))
}
