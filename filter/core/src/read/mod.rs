//! Everything that is not a write: which of the caller's tenants a request reaches, and how it is narrowed to them.

mod arguments;
mod form;
mod label_policy;
mod narrow;
pub mod query;
mod remote_read;
mod rule_group;

pub use arguments::TENANCY_ARGUMENTS;
pub use label_policy::{LABEL_POLICY, LabelPolicies};
pub use narrow::{Body, Looked, Narrowed, Reading};
pub use rule_group::Problem as RuleGroupProblem;

pub mod answer;

use crate::caller::Identity;
use crate::http::Headers;
use crate::operation::Tenancy;
use crate::report::Refusal;
use crate::tenant::{TenantId, TenantSet};

/// The header by which a caller of several tenants chooses among them.
const CHOICE: &str = "x-scope-orgid";

/// The tenants of a request: the caller's own, or those of them that it names in `X-Scope-OrgID`, joined by
/// `|`. At most `limit` of them, and just one where the endpoint takes one.
pub fn tenants(
    identity: &Identity,
    headers: &Headers<'_>,
    tenancy: Tenancy,
    limit: u32,
) -> Result<TenantSet, Refusal> {
    let chosen = match headers.only(CHOICE).map_err(|_| Refusal::Repeated(CHOICE))? {
        Some(value) => choose(value, &identity.tenants)?,
        None => identity.tenants.clone(),
    };
    if tenancy == Tenancy::One && chosen.single().is_none() {
        return Err(Refusal::SeveralTenants { tenants: chosen.header() });
    }
    if chosen.as_slice().len() > limit as usize {
        return Err(Refusal::TooManyTenants { limit });
    }
    Ok(chosen)
}

fn choose(value: &[u8], own: &TenantSet) -> Result<TenantSet, Refusal> {
    let ids = value.split(|byte| *byte == b'|').map(TenantId::from_bytes);
    let chosen: TenantSet = ids
        .collect::<Result<_, _>>()
        .map_err(|reason| Refusal::HeaderTenant { header: CHOICE.to_owned(), reason })?;
    match chosen.first_outside(own) {
        Some(_) => Err(Refusal::ForeignTenant { header: CHOICE.to_owned() }),
        None => Ok(chosen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> TenantSet {
        ids.iter().map(|id| TenantId::new(id).unwrap()).collect()
    }

    #[test]
    fn table() {
        let cases: &[(&[&str], &[&str], Tenancy, Result<&str, &str>)] = &[
            (&["a"], &[], Tenancy::One, Ok("a")),
            (&["b", "a"], &[], Tenancy::Many, Ok("a|b")),
            (&["b", "a"], &[], Tenancy::One, Err("several_tenants")),
            (&["b", "a"], &["b"], Tenancy::One, Ok("b")),
            (&["b", "a", "c"], &["c|a|c"], Tenancy::Many, Ok("a|c")),
            (&["b", "a"], &["a|b"], Tenancy::One, Err("several_tenants")),
            (&["b", "a"], &["c"], Tenancy::Many, Err("foreign_tenant")),
            (&["b", "a"], &["a|c"], Tenancy::Many, Err("foreign_tenant")),
            (&["b", "a"], &[""], Tenancy::Many, Err("invalid_tenant")),
            (&["b", "a"], &["a|"], Tenancy::Many, Err("invalid_tenant")),
            (&["b", "a"], &["a,b"], Tenancy::Many, Err("invalid_tenant")),
            (&["b", "a"], &["a", "b"], Tenancy::Many, Err("repeated_header")),
            (&["a", "b", "c", "d"], &[], Tenancy::Many, Err("too_many_tenants")),
        ];
        for (own, header, tenancy, expected) in cases {
            let identity = Identity { caller: 0, tenants: set(own), claims: Vec::new() };
            let pairs = header.iter().map(|value| (CHOICE.as_bytes(), value.as_bytes())).collect();
            let result = tenants(&identity, &Headers::new(pairs), *tenancy, 3);
            let result = result.map(|set| set.header());
            assert_eq!(
                result.as_deref().map_err(Refusal::reason),
                *expected,
                "{own:?} {header:?} {tenancy:?}"
            );
        }
    }
}
