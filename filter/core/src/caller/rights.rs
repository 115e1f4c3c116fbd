//! What a caller may do besides reaching its own tenants.

use super::claims::{Claims, Condition};
use super::tenants::Tenants;
use crate::config::{CallerConfig, ConfigError, GrantConfig, ImpersonateConfig};
use crate::operation::Class;
use crate::table::TableRules;
use crate::tenant::AllowList;

/// The rights of one kind of caller.
#[derive(Clone, Debug)]
pub struct Rights {
    /// The classes of operations it may use.
    pub may: Vec<Class>,
    /// Whether its reads are not narrowed where a label keeps tenants apart.
    pub unfiltered: bool,
    /// The right to name the tenant of a single series.
    pub impersonate: Option<Impersonate>,
    /// Tenants besides its own that labels may lead to.
    pub on_behalf_of: AllowList,
    /// Whether one request may read several tenants.
    pub several_tenants: bool,
}

/// The right to write single series for other tenants.
#[derive(Clone, Debug)]
pub struct Impersonate {
    /// The label that names the tenant.
    pub label: Vec<u8>,
    /// The header by which a request asks for it, in lower case.
    pub header: String,
    /// The value it must have.
    pub value: String,
    /// The tenants that may be named.
    pub tenants: AllowList,
}

impl Rights {
    pub(super) fn compile(config: &CallerConfig, path: &str) -> Result<Self, ConfigError> {
        if config.may.is_empty() {
            return Err(ConfigError::new(
                format!("{path}.may"),
                "name at least one of write, read, rules, alerts, admin",
            ));
        }
        let impersonate = config
            .impersonate
            .as_ref()
            .map(|config| Impersonate::compile(config, &format!("{path}.impersonate")))
            .transpose()?;
        Ok(Self {
            may: config.may.clone(),
            unfiltered: config.unfiltered,
            impersonate,
            on_behalf_of: AllowList::new(config.on_behalf_of.0.iter().map(|pattern| &**pattern)),
            several_tenants: config.several_tenants.unwrap_or(true),
        })
    }
}

/// More rights and tenants for those whose claims say so.
#[derive(Debug)]
pub(super) struct Grant {
    conditions: Vec<Condition>,
    may: Vec<Class>,
    unfiltered: bool,
    on_behalf_of: AllowList,
    impersonate: Option<Impersonate>,
    several_tenants: Option<bool>,
    pub(super) tenants: Option<Tenants>,
}

impl Grant {
    pub(super) fn compile_all(
        configs: &[GrantConfig],
        path: &str,
        tables: &[TableRules],
    ) -> Result<Vec<Self>, ConfigError> {
        let compile = |(position, config)| Self::compile(config, &format!("{path}[{position}]"), tables);
        configs.iter().enumerate().map(compile).collect()
    }

    fn compile(config: &GrantConfig, path: &str, tables: &[TableRules]) -> Result<Self, ConfigError> {
        let GrantConfig { conditions, may, tenants, unfiltered, on_behalf_of, impersonate, several_tenants } =
            config;
        if conditions.is_empty() {
            return Err(ConfigError::new(
                format!("{path}.where"),
                "say who gets this; what everybody gets stands at the entry",
            ));
        }
        let is_empty = may.is_empty()
            && tenants.is_none()
            && !unfiltered
            && on_behalf_of.0.is_empty()
            && impersonate.is_none()
            && several_tenants.is_none();
        if is_empty {
            return Err(ConfigError::new(
                path,
                "this grants nothing: give `may`, `tenants`, `unfiltered`, `on_behalf_of`, `impersonate` or \
                 `several_tenants`",
            ));
        }
        let impersonate =
            impersonate.as_ref().map(|config| Impersonate::compile(config, &format!("{path}.impersonate")));
        let tenants =
            tenants.as_ref().map(|config| Tenants::compile(config, &format!("{path}.tenants"), tables));
        Ok(Self {
            conditions: Condition::compile_all(conditions, &format!("{path}.where"))?,
            may: may.clone(),
            unfiltered: *unfiltered,
            on_behalf_of: AllowList::new(on_behalf_of.0.iter().map(|pattern| &**pattern)),
            impersonate: impersonate.transpose()?,
            several_tenants: *several_tenants,
            tenants: tenants.transpose()?,
        })
    }

    pub(super) fn is_for(&self, claims: &Claims<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(claims))
    }

    pub(super) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// The right to impersonate, where it is granted.
    pub(super) fn impersonate(&self) -> Option<&Impersonate> {
        self.impersonate.as_ref()
    }

    /// Adds its rights to others.
    pub(super) fn add_to(&self, rights: &mut Rights) {
        rights.may.extend_from_slice(&self.may);
        rights.unfiltered |= self.unfiltered;
        rights.on_behalf_of.extend(&self.on_behalf_of);
        if let Some(impersonate) = &self.impersonate {
            rights.impersonate = Some(impersonate.clone());
        }
        rights.several_tenants = self.several_tenants.unwrap_or(rights.several_tenants);
    }
}

impl Impersonate {
    fn compile(config: &ImpersonateConfig, path: &str) -> Result<Self, ConfigError> {
        if config.label.is_empty() {
            return Err(ConfigError::new(format!("{path}.label"), "name the label"));
        }
        let mut headers = config.header.iter();
        let (Some((header, value)), None) = (headers.next(), headers.next()) else {
            return Err(ConfigError::new(
                format!("{path}.header"),
                "give exactly one header, as NAME: \"VALUE\"",
            ));
        };
        if config.tenants.0.is_empty() {
            return Err(ConfigError::new(format!("{path}.tenants"), "name the tenants, or \"*\" for any"));
        }
        Ok(Self {
            label: config.label.as_bytes().to_vec(),
            header: header.to_ascii_lowercase(),
            value: value.0.clone(),
            tenants: AllowList::new(config.tenants.0.iter().map(|pattern| &**pattern)),
        })
    }
}
