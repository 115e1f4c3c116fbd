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

mod also;

pub use also::{AlsoRead, InForce};

use crate::caller::Identity;
use crate::http::Headers;
use crate::isolate::Isolate;
use crate::operation::{Class, Operation, Protocol, Tenancy};
use crate::report::Refusal;
use crate::tenant::{AllowList, TenantId, TenantSet};

/// The header by which a caller of several tenants chooses among them.
const CHOICE: &str = "x-scope-orgid";

/// The tenants of a request: the caller's own, or those that it names in `X-Scope-OrgID`, joined by `|`, and what is read
/// with them. At most `limit` of them, and just one where the endpoint takes one.
pub fn tenants(
    identity: &Identity,
    headers: &Headers<'_>,
    operation: &Operation,
    limit: u32,
    also: &InForce<'_>,
) -> Result<TenantSet, Refusal> {
    let merges = operation.class == Class::Read && operation.tenancy == Tenancy::Many;
    let chosen = match headers.only(CHOICE).map_err(|_| Refusal::Repeated(CHOICE))? {
        Some(value) => {
            let moved = |tenant: &TenantId| merges && also.allows(&identity.tenants, tenant);
            choose(value, |tenant| identity.may_name(tenant) || moved(tenant))?
        }
        None if identity.tenants.as_slice().is_empty() => return Err(Refusal::NameTenant),
        None => identity.tenants.clone(),
    };
    if chosen.single().is_none() {
        if operation.tenancy == Tenancy::One {
            return Err(Refusal::SeveralTenants { tenants: chosen.header() });
        }
        if !identity.rights.several_tenants {
            return Err(Refusal::OneTenant { tenants: chosen.header() });
        }
    }
    let chosen = if merges { also.with(chosen) } else { chosen };
    if chosen.as_slice().len() > limit as usize {
        return Err(Refusal::TooManyTenants { limit });
    }
    Ok(chosen)
}

/// The patterns for the tenants of a read that names none, of a caller that has none of its own: a label can be narrowed
/// to all that are like them at once.
pub fn like<'a>(identity: &'a Identity, operation: &Operation, isolate: &Isolate) -> Option<&'a AllowList> {
    let merges = operation.class == Class::Read
        && operation.tenancy == Tenancy::Many
        && !matches!(operation.protocol, Protocol::Alerting(_));
    let has_right = identity.rights.several_tenants && !identity.wildcard.is_empty();
    (merges && has_right && isolate.label().is_some()).then_some(&identity.wildcard)
}

fn choose(value: &[u8], allows: impl Fn(&TenantId) -> bool) -> Result<TenantSet, Refusal> {
    let ids = value.split(|byte| *byte == b'|').map(TenantId::from_bytes);
    let chosen: TenantSet = ids
        .collect::<Result<_, _>>()
        .map_err(|reason| Refusal::HeaderTenant { header: CHOICE.to_owned(), reason })?;
    if chosen.as_slice().iter().all(allows) {
        Ok(chosen)
    } else {
        Err(Refusal::ForeignTenant { header: CHOICE.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::caller::Rights;
    use crate::config::{AlsoReadConfig, Date, Text};
    use crate::isolate::Isolate;
    use crate::operation::{Protocol, Reach};
    use crate::tenant::AllowList;

    fn set(ids: &[&str]) -> TenantSet {
        ids.iter().map(|id| TenantId::new(id).unwrap()).collect()
    }

    fn identity(own: &[&str], wildcard: &[&str], several_tenants: bool) -> Identity {
        let (may, on_behalf_of) = (vec![Class::Read], AllowList::default());
        let rights = Rights { may, unfiltered: false, impersonate: None, on_behalf_of, several_tenants };
        Identity {
            caller: 0,
            tenants: set(own),
            wildcard: AllowList::new(wildcard.iter().copied()),
            narrowed_from: None,
            rights: Rc::new(rights),
            claims: Vec::new(),
        }
    }

    fn read(tenancy: Tenancy) -> Operation {
        Operation { class: Class::Read, protocol: Protocol::PrometheusApi, tenancy, reach: Reach::Query }
    }

    #[test]
    fn wildcards_and_one_tenant_at_a_time() {
        let cases: &[(&[&str], &[&str], bool, Option<&str>, Tenancy, Result<&str, &str>)] = &[
            (&[], &["*"], true, None, Tenancy::Many, Err("name_tenant")),
            (&[], &["*"], true, Some("any"), Tenancy::Many, Ok("any")),
            (&[], &["*"], true, Some("b|a"), Tenancy::Many, Ok("a|b")),
            (&[], &["*"], true, Some("b|a"), Tenancy::One, Err("several_tenants")),
            (&[], &["*"], true, Some("fake"), Tenancy::Many, Err("foreign_tenant")),
            (&[], &["*"], true, Some("a/b"), Tenancy::Many, Err("invalid_tenant")),
            (&[], &["*"], true, Some("*"), Tenancy::Many, Ok("*")),
            (&["own"], &["team-*"], true, None, Tenancy::Many, Ok("own")),
            (&["own"], &["team-*"], true, Some("own|team-a"), Tenancy::Many, Ok("own|team-a")),
            (&["own"], &["team-*"], true, Some("other"), Tenancy::Many, Err("foreign_tenant")),
            (&["a", "b"], &[], false, None, Tenancy::Many, Err("one_tenant")),
            (&["a", "b"], &[], false, Some("a|b"), Tenancy::Many, Err("one_tenant")),
            (&["a", "b"], &[], false, Some("b|b"), Tenancy::Many, Ok("b")),
            (&["a", "b"], &[], false, None, Tenancy::One, Err("several_tenants")),
        ];
        for (own, wildcard, several, header, tenancy, expected) in cases {
            let pairs = header.iter().map(|value| (CHOICE.as_bytes(), value.as_bytes())).collect();
            let identity = identity(own, wildcard, *several);
            let result = tenants(&identity, &Headers::new(pairs), &read(*tenancy), 3, &InForce::default());
            let result = result.map(|set| set.header());
            assert_eq!(
                result.as_deref().map_err(Refusal::reason),
                *expected,
                "{own:?} {wildcard:?} {header:?}"
            );
        }
    }

    /// What moved is read with where it went, may be named alone, and never from an endpoint that changes something.
    #[test]
    fn what_moved() {
        let entry = |tenant: &str, from: &str| AlsoReadConfig {
            tenant: Text(tenant.to_owned()),
            from: Text(from.to_owned()),
            until: Date(100),
        };
        let rules = [entry("new", "old"), entry("new", "older")];
        let rules = AlsoRead::compile(&rules, &Isolate::Header, "").unwrap();
        let write_rules = Operation { class: Class::Rules, ..read(Tenancy::Many) };
        let many = read(Tenancy::Many);
        for (own, header, operation, now, expected) in [
            (&["new"][..], None, &many, 1, Ok("new|old|older")),
            (&["new"], Some("old"), &many, 1, Ok("old")),
            (&["new"], Some("new|old"), &many, 1, Ok("new|old|older")),
            (&["new"], None, &many, 100, Ok("new")),
            (&["new"], Some("old"), &many, 100, Err("foreign_tenant")),
            (&["other"], Some("old"), &many, 1, Err("foreign_tenant")),
            (&["new"], None, &read(Tenancy::One), 1, Ok("new")),
            (&["new"], Some("old"), &read(Tenancy::One), 1, Err("foreign_tenant")),
            (&["new"], None, &write_rules, 1, Ok("new")),
            (&["new", "x"], None, &many, 1, Err("too_many_tenants")),
        ] {
            let pairs = header.iter().map(|value: &&str| (CHOICE.as_bytes(), value.as_bytes())).collect();
            let identity = identity(own, &[], true);
            let result = tenants(&identity, &Headers::new(pairs), operation, 3, &rules.at(Some(now)));
            let result = result.map(|set| set.header());
            assert_eq!(result.as_deref().map_err(Refusal::reason), expected, "{own:?} {header:?} {now}");
        }
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
            let identity = identity(own, &[], true);
            let pairs = header.iter().map(|value| (CHOICE.as_bytes(), value.as_bytes())).collect();
            let result = tenants(&identity, &Headers::new(pairs), &read(*tenancy), 3, &InForce::default());
            let result = result.map(|set| set.header());
            assert_eq!(
                result.as_deref().map_err(Refusal::reason),
                *expected,
                "{own:?} {header:?} {tenancy:?}"
            );
        }
    }
}
