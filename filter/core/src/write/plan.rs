//! What the head of a write decides: one tenant for the whole request, or a look into its body.

use super::labels::LabelEdits;
use super::rules::{Rules, Source, Verdict};
use crate::caller::{Identity, Rights};
use crate::http::Headers;
use crate::report::Refusal;
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
    /// The labels that may name a tenant, in order.
    pub(super) labels: Vec<LabelSource>,
    /// Labels that no series of this caller may have.
    pub(super) forbidden: Vec<Vec<u8>>,
    /// What becomes of a series that has none of the labels.
    pub(super) absent: Verdict,
    /// What becomes of a series whose label leads to no tenant.
    pub(super) unmapped: Verdict,
    /// Where metric metadata goes, which has no labels.
    pub(super) metadata: Option<TenantId>,
    /// The caller's own tenants.
    pub(super) own: TenantSet,
    /// What changes in the labels of every series.
    pub(super) edits: LabelEdits,
}

impl SplitPlan {
    /// The caller's own tenant, where it has exactly one.
    pub fn own_tenant(&self) -> Option<&TenantId> {
        self.own.single()
    }
}

/// A label that may name the tenant of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LabelSource {
    pub(super) name: Vec<u8>,
    pub(super) remove: bool,
    pub(super) allowed: Allowed,
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
/// nobody else may use their headers and labels.
pub fn plan<'a>(
    rules: &Rules,
    rights: &Rights,
    identity: &Identity,
    headers: &Headers<'_>,
    others: impl Iterator<Item = &'a crate::caller::Impersonate>,
) -> Result<Plan, Refusal> {
    let mut labels = Vec::new();
    let asked = match &rights.impersonate {
        Some(right) => asks(headers, &right.header, &right.value)?.then_some(right),
        None => None,
    };
    if let Some(right) = asked {
        let name = right.label.clone();
        labels.push(LabelSource { name, remove: true, allowed: Allowed::Impersonation });
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
    let absent = constant(rules, identity, headers, &mut labels)?.map(Verdict::Tenant);
    let absent = absent.unwrap_or_else(|| rules.on_absent.clone());
    if labels.is_empty() && forbidden.is_empty() {
        match absent {
            Verdict::Tenant(tenant) => return Ok(Plan::Whole(tenant)),
            Verdict::Reject => {
                let header = rules.tenant_headers().next().map(str::to_owned);
                return Err(Refusal::NoSource { header, tenants: identity.tenants.header() });
            }
            Verdict::Drop => {}
        }
    }
    let metadata = match &absent {
        Verdict::Tenant(tenant) => Some(tenant.clone()),
        Verdict::Reject | Verdict::Drop => identity.tenants.single().cloned(),
    };
    let unmapped = rules.on_unmapped.clone();
    Ok(Plan::Split(Box::new(SplitPlan {
        labels,
        forbidden,
        absent,
        unmapped,
        metadata,
        own: identity.tenants.clone(),
        edits: LabelEdits::default(),
    })))
}

/// The tenant that the head alone gives, after the labels that come before it.
fn constant(
    rules: &Rules,
    identity: &Identity,
    headers: &Headers<'_>,
    labels: &mut Vec<LabelSource>,
) -> Result<Option<TenantId>, Refusal> {
    for source in &rules.sources {
        match source {
            Source::Label { name, remove } => {
                // The impersonation label, where it is asked for, has decided before.
                if labels.iter().all(|label| label.name != *name) {
                    labels.push(LabelSource {
                        name: name.clone(),
                        remove: *remove,
                        allowed: Allowed::OnBehalfOf,
                    });
                }
            }
            Source::Header(name) => {
                let value = headers.only(name).map_err(|_| Refusal::Repeated("that names the tenant"))?;
                if let Some(value) = value {
                    let tenant = TenantId::from_bytes(value)
                        .map_err(|reason| Refusal::HeaderTenant { header: name.clone(), reason })?;
                    if !identity.tenants.contains(&tenant) {
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
