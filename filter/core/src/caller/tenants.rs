//! From what is known about a caller to its own tenants.

use super::claims::{ClaimPath, Claims, Named};
use crate::config::{ConfigError, TenantsConfig};
use crate::report::Refusal;
use crate::tenant::{InvalidTenant, TenantId, TenantSet};

/// See [`TenantsConfig`].
#[derive(Debug)]
pub(super) enum Tenants {
    Tenant(TenantId),
    Union(Vec<Tenants>),
    First(Vec<Tenants>),
    Claim { claim: ClaimPath, prefix: String },
}

impl Tenants {
    pub(super) fn compile(config: &TenantsConfig, path: &str) -> Result<Self, ConfigError> {
        let list = |items: &[TenantsConfig], path: &str| {
            if items.is_empty() {
                return Err(ConfigError::new(path, "name at least one tenant"));
            }
            items.iter().enumerate().map(|(at, item)| Self::compile(item, &format!("{path}[{at}]"))).collect()
        };
        Ok(match config {
            TenantsConfig::Tenant(name) => {
                Self::Tenant(TenantId::new(name).map_err(|error| ConfigError::new(path, error.to_string()))?)
            }
            TenantsConfig::Union(items) => Self::Union(list(items, path)?),
            TenantsConfig::First(items) => Self::First(list(items, path)?),
            TenantsConfig::Claim { claim, prefix } => Self::Claim {
                claim: ClaimPath::compile(claim, &format!("{path}.claim"))?,
                prefix: prefix.as_ref().map(|prefix| prefix.0.clone()).unwrap_or_default(),
            },
        })
    }

    /// Whether anything here is read from claims.
    pub(super) fn needs_claims(&self) -> bool {
        match self {
            Self::Tenant(_) => false,
            Self::Claim { .. } => true,
            Self::Union(items) | Self::First(items) => items.iter().any(Self::needs_claims),
        }
    }

    /// The claims that are read here.
    pub(super) fn claims<'a>(&'a self, claims: &mut Vec<&'a ClaimPath>) {
        match self {
            Self::Tenant(_) => {}
            Self::Claim { claim, .. } => claims.push(claim),
            Self::Union(items) | Self::First(items) => {
                for item in items {
                    item.claims(claims);
                }
            }
        }
    }

    /// The tenants of a caller with these claims. A claim of another type than a name or a list of names,
    /// or with a value that is no tenant ID, is refused rather than passed over.
    pub(super) fn resolve(&self, claims: Option<&Claims<'_>>) -> Result<TenantSet, Refusal> {
        let mut found = Vec::new();
        self.collect(claims, &mut found)?;
        Ok(found.into_iter().collect())
    }

    fn collect(&self, claims: Option<&Claims<'_>>, found: &mut Vec<TenantId>) -> Result<(), Refusal> {
        match self {
            Self::Tenant(tenant) => found.push(tenant.clone()),
            Self::Union(items) => {
                for item in items {
                    item.collect(claims, found)?;
                }
            }
            Self::First(items) => {
                let before = found.len();
                for item in items {
                    item.collect(claims, found)?;
                    if found.len() > before {
                        break;
                    }
                }
            }
            Self::Claim { claim, prefix } => {
                let names = match claims.map_or(Named::Absent, |claims| claims.names(claim)) {
                    Named::Absent => return Ok(()),
                    Named::Other => return Err(Refusal::ClaimType { claim: claim.to_string() }),
                    Named::Names(names) => names,
                };
                for name in names.iter().filter_map(|name| name.strip_prefix(prefix.as_str())) {
                    let reserved = |tenant: TenantId| {
                        if tenant.is_fake() { Err(InvalidTenant::Reserved) } else { Ok(tenant) }
                    };
                    let tenant = TenantId::new(name).and_then(reserved);
                    found.push(
                        tenant.map_err(|reason| Refusal::ClaimTenant { claim: claim.to_string(), reason })?,
                    );
                }
            }
        }
        Ok(())
    }
}
