//! Who is calling, once an entry has recognised the request: its tenants, its rights, its claims.

use std::rc::Rc;

use super::claims::{ClaimPath, Named};
use super::entry::Caller;
use super::recognition::{Facts, OwnTenants};
use super::rights::Rights;
use super::tenants::Gathering;
use crate::http::Headers;
use crate::report::Refusal;
use crate::session::BodyDigest;
use crate::table::Lookup;
use crate::tenant::{AllowList, TenantId, TenantSet};

/// Who is calling.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The position of the caller's entry in the configuration.
    pub caller: usize,
    /// Its own tenants; where there is none, it may name some.
    pub tenants: TenantSet,
    /// Tenants that it may name besides, and reaches only so.
    pub wildcard: AllowList,
    /// All of its own tenants, where a header has narrowed them.
    pub narrowed_from: Option<TenantSet>,
    /// What it may do.
    pub rights: Rc<Rights>,
    /// What it has in the claims that were asked for, in their order.
    pub claims: Vec<Named>,
}

impl Identity {
    /// Whether a request may name this tenant.
    pub fn may_name(&self, tenant: &TenantId) -> bool {
        self.tenants.contains(tenant) || self.wildcard.allows(tenant)
    }

    /// All of its own tenants, whatever a header says.
    pub fn own(&self) -> &TenantSet {
        self.narrowed_from.as_ref().unwrap_or(&self.tenants)
    }

    /// Whether one of these tenants is only reached by a wildcard.
    pub fn uses_wildcard(&self, tenants: &[TenantId]) -> bool {
        if let Some(own) = &self.narrowed_from {
            return self.tenants.as_slice().iter().any(|tenant| !own.contains(tenant));
        }
        !self.wildcard.is_empty()
            && tenants.iter().any(|tenant| !self.tenants.contains(tenant) && self.wildcard.allows(tenant))
    }
}

/// A caller that an entry has recognised.
pub(crate) struct Recognised<'a> {
    /// The entry's position in the configuration.
    pub(crate) position: usize,
    /// The entry.
    pub(crate) caller: &'a Caller,
    pub(super) facts: Facts<'a>,
}

impl Recognised<'_> {
    /// The caller's name within its entry, where the source gives one.
    pub(crate) fn user(&self) -> Option<&str> {
        self.facts.user.as_deref()
    }

    /// The digest that the body must have, where that is part of the proof.
    pub(crate) fn body(&self) -> Option<BodyDigest> {
        self.facts.body
    }

    /// What it has in a claim.
    pub(crate) fn claim(&self, path: &ClaimPath) -> Named {
        self.facts.claims.as_ref().map_or(Named::Absent, |claims| claims.names(path))
    }

    /// The caller with its tenants, its rights and what it has in these claims; refused, if it has no tenant.
    pub(crate) fn identity(&self, asked: &[ClaimPath], lookup: &mut Lookup<'_>) -> Result<Identity, Refusal> {
        let (caller, claims) = (self.caller, self.facts.claims.as_ref());
        let mut own = Gathering::default();
        match (&self.facts.own, &caller.tenants) {
            (Some(OwnTenants::Tabled(tenants)), _) => own.add(tenants),
            (Some(OwnTenants::Listed(tenants)), _) => tenants.collect(claims, lookup, &mut own)?,
            (None, Some(tenants)) => tenants.collect(claims, lookup, &mut own)?,
            (None, None) => {}
        }
        let mut rights = Rc::clone(&caller.rights);
        for grant in &caller.grants {
            if !claims.is_some_and(|claims| grant.is_for(claims)) {
                continue;
            }
            grant.add_to(Rc::make_mut(&mut rights));
            if let Some(tenants) = &grant.tenants {
                tenants.collect(claims, lookup, &mut own)?;
            }
        }
        let (tenants, wildcard) = own.finish();
        if tenants.as_slice().is_empty() && wildcard.is_empty() {
            return Err(Refusal::NoTenant { caller: caller.name.clone() });
        }
        let claims = asked.iter().map(|path| self.claim(path)).collect();
        Ok(Identity { caller: self.position, tenants, wildcard, narrowed_from: None, rights, claims })
    }

    /// The caller as a header leaves it, where one may narrow its tenants.
    pub(crate) fn narrow(
        &self,
        identity: Identity,
        headers: &Headers<'_>,
        lookup: &mut Lookup<'_>,
    ) -> Result<Identity, Refusal> {
        match &self.caller.narrow {
            Some(narrow) => narrow.apply(identity, headers, lookup),
            None => Ok(identity),
        }
    }
}
