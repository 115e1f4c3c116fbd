//! From what is known about a caller to its own tenants.

use super::Tabled;
use super::claims::{ClaimPath, Claims, Named, Reading};
use super::pattern::Pattern;
use crate::config::{ClaimTenantsConfig, ConfigError, TenantsConfig};
use crate::report::Refusal;
use crate::table::{Lookup, TableRules};
use crate::tenant::{AllowList, InvalidTenant, TenantId, TenantSet};

/// See [`TenantsConfig`].
#[derive(Debug)]
pub(super) enum Tenants {
    Tenant(TenantId),
    /// Whatever matches may be named.
    Wildcard(String),
    /// The values of a claim between two texts.
    Template {
        before: String,
        claim: ClaimPath,
        after: String,
    },
    Union(Vec<Tenants>),
    First(Vec<Tenants>),
    Claim(Box<ClaimTenants>),
}

/// See [`ClaimTenantsConfig`].
#[derive(Debug)]
pub(super) struct ClaimTenants {
    claim: Reading,
    form: Form,
    table: Option<usize>,
}

#[derive(Debug)]
enum Form {
    Prefix(String),
    Pattern(Pattern),
}

/// Tenants while they are found.
#[derive(Default)]
pub(super) struct Gathering<'a> {
    tenants: Vec<TenantId>,
    wildcards: Vec<&'a str>,
}

impl Gathering<'_> {
    fn len(&self) -> usize {
        self.tenants.len().saturating_add(self.wildcards.len())
    }

    /// Adds tenants that are known.
    pub(super) fn add(&mut self, tenants: &TenantSet) {
        self.tenants.extend_from_slice(tenants.as_slice());
    }

    /// The caller's own tenants, and those that it may name besides.
    pub(super) fn finish(self) -> (TenantSet, AllowList) {
        (self.tenants.into_iter().collect(), AllowList::new(self.wildcards))
    }
}

impl Tenants {
    pub(super) fn compile(
        config: &TenantsConfig,
        path: &str,
        tables: &[TableRules],
    ) -> Result<Self, ConfigError> {
        let list = |items: &[TenantsConfig], path: &str| {
            if items.is_empty() {
                return Err(ConfigError::new(path, "name at least one tenant"));
            }
            let item = |(at, item)| Self::compile(item, &format!("{path}[{at}]"), tables);
            items.iter().enumerate().map(item).collect()
        };
        Ok(match config {
            TenantsConfig::Tenant(name) => {
                Self::name(name).map_err(|problem| ConfigError::new(path, problem))?
            }
            TenantsConfig::Union(items) => Self::Union(list(items, path)?),
            TenantsConfig::First(items) => Self::First(list(items, path)?),
            TenantsConfig::Claim(config) => {
                Self::Claim(Box::new(ClaimTenants::compile(config, path, tables)?))
            }
        })
    }

    fn name(text: &str) -> Result<Self, String> {
        let invalid = |error: InvalidTenant| error.to_string();
        if let Some((before, rest)) = text.split_once('{') {
            let template = "a template holds one `{NAME}` of a claim or capture, such as `team-{id}`";
            let (name, after) = rest.split_once('}').ok_or(template)?;
            if name.is_empty() || [name, after].iter().any(|part| part.contains(['{', '}'])) {
                return Err(template.to_owned());
            }
            // Whatever stands there, the rest must do for a tenant.
            TenantId::new(&format!("{before}x{after}")).map_err(invalid)?;
            let claim = ClaimPath::named(name);
            return Ok(Self::Template { before: before.to_owned(), claim, after: after.to_owned() });
        }
        let tenant = TenantId::new(text).map_err(invalid)?;
        Ok(if text.contains('*') { Self::Wildcard(text.to_owned()) } else { Self::Tenant(tenant) })
    }

    /// Whether anything here is read from claims.
    pub(super) fn needs_claims(&self) -> bool {
        match self {
            Self::Tenant(_) | Self::Wildcard(_) => false,
            Self::Template { .. } | Self::Claim { .. } => true,
            Self::Union(items) | Self::First(items) => items.iter().any(Self::needs_claims),
        }
    }

    /// The claims that are read here.
    pub(super) fn claims<'a>(&'a self, claims: &mut Vec<&'a ClaimPath>) {
        match self {
            Self::Tenant(_) | Self::Wildcard(_) => {}
            Self::Template { claim, .. } => claims.push(claim),
            Self::Claim(config) => config.claim.claims(claims),
            Self::Union(items) | Self::First(items) => {
                for item in items {
                    item.claims(claims);
                }
            }
        }
    }

    /// Adds the tenants of a caller with these claims. A claim of another type than a name or a list of names,
    /// or with a value that is no tenant ID, is refused rather than passed over.
    pub(super) fn collect<'a>(
        &'a self,
        claims: Option<&Claims<'_>>,
        lookup: &mut Lookup<'_>,
        found: &mut Gathering<'a>,
    ) -> Result<(), Refusal> {
        match self {
            Self::Tenant(tenant) => found.tenants.push(tenant.clone()),
            Self::Wildcard(pattern) => found.wildcards.push(pattern),
            Self::Union(items) => {
                for item in items {
                    item.collect(claims, lookup, found)?;
                }
            }
            Self::First(items) => {
                let before = found.len();
                for item in items {
                    item.collect(claims, lookup, found)?;
                    if found.len() > before {
                        break;
                    }
                }
            }
            Self::Template { before, claim, after } => {
                let named = claims.map_or(Named::Absent, |claims| claims.names(claim));
                for name in texts(named, claim)? {
                    found.tenants.push(tenant(&[before.as_str(), &name, after].concat(), claim)?);
                }
            }
            Self::Claim(claim) => claim.collect(claims, lookup, found)?,
        }
        Ok(())
    }
}

impl ClaimTenants {
    fn compile(config: &ClaimTenantsConfig, path: &str, tables: &[TableRules]) -> Result<Self, ConfigError> {
        let ClaimTenantsConfig { claim, prefix, pattern, split, keys, table, verified_by } = config;
        let form = match (prefix, pattern) {
            (Some(_), Some(_)) => {
                return Err(ConfigError::new(path, "give at most one of `prefix`, `pattern`"));
            }
            (prefix, None) => {
                Form::Prefix(prefix.as_ref().map(|prefix| prefix.0.clone()).unwrap_or_default())
            }
            (None, Some(text)) => {
                let path = format!("{path}.pattern");
                let pattern = Pattern::compile(text, None)
                    .map_err(|problem| ConfigError::new(path.as_str(), problem))?;
                if pattern.names().count() != 1 {
                    return Err(ConfigError::new(path, "give exactly one `{NAME}`, which is the tenant"));
                }
                Form::Pattern(pattern)
            }
        };
        let claim = Reading::compile((claim, split.as_ref(), *keys, verified_by.as_ref()), path)?;
        let table = table.as_ref().map(|name| TableRules::position(tables, name, &format!("{path}.table")));
        Ok(Self { claim, form, table: table.transpose()? })
    }

    fn collect(
        &self,
        claims: Option<&Claims<'_>>,
        lookup: &mut Lookup<'_>,
        found: &mut Gathering<'_>,
    ) -> Result<(), Refusal> {
        let found_there = claims.map_or(Named::Absent, |claims| self.claim.names(claims));
        let names = texts(found_there, &self.claim)?;
        let values = names.iter().filter_map(|name| match &self.form {
            Form::Prefix(prefix) => name.strip_prefix(prefix.as_str()),
            Form::Pattern(pattern) => pattern.matches(name)?.first().copied(),
        });
        let Some(at) = self.table else {
            for value in values {
                found.tenants.push(tenant(value, &self.claim)?);
            }
            return Ok(());
        };
        let table = lookup.table(at)?;
        let known = values.filter_map(|value| table.get(value.as_bytes()));
        // A table may come from elsewhere, and only a configuration leads there.
        found.tenants.extend(known.filter(|tenant| !tenant.is_fake()).cloned());
        Ok(())
    }
}

fn texts(found: Named, claim: &impl core::fmt::Display) -> Result<Vec<String>, Refusal> {
    match found {
        Named::Absent => Ok(Vec::new()),
        Named::Other => Err(Refusal::ClaimType { claim: claim.to_string() }),
        Named::Names(names) => Ok(names),
    }
}

/// The tenant that a claim names.
fn tenant(text: &str, claim: &impl core::fmt::Display) -> Result<TenantId, Refusal> {
    let reserved =
        |tenant: TenantId| if tenant.is_fake() { Err(InvalidTenant::Reserved) } else { Ok(tenant) };
    TenantId::new(text)
        .and_then(reserved)
        .map_err(|reason| Refusal::ClaimTenant { claim: claim.to_string(), reason })
}

/// Tenants that stand at a listed user or token, which has no claims.
pub(super) fn listed_tenants(
    config: Option<&TenantsConfig>,
    path: &str,
    tabled: Tabled<'_>,
) -> Result<Option<Tenants>, ConfigError> {
    let path = format!("{path}.tenants");
    let tenants = config.map(|config| Tenants::compile(config, &path, tabled.tenants)).transpose()?;
    if tenants.as_ref().is_some_and(Tenants::needs_claims) {
        return Err(ConfigError::new(path, "users have no claims: name the tenants"));
    }
    Ok(tenants)
}
