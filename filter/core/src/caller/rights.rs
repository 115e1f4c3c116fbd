//! What a caller may do besides reaching its own tenants.

use crate::config::{CallerConfig, ConfigError, ImpersonateConfig};
use crate::operation::Class;
use crate::tenant::AllowList;

/// The rights of one kind of caller.
#[derive(Debug)]
pub struct Rights {
    /// The classes of operations it may use.
    pub may: Vec<Class>,
    /// Whether its reads are not narrowed where a label keeps tenants apart.
    pub unfiltered: bool,
    /// The right to name the tenant of a single series.
    pub impersonate: Option<Impersonate>,
    /// Tenants besides its own that labels may lead to.
    pub on_behalf_of: AllowList,
}

/// The right to write single series for other tenants.
#[derive(Debug)]
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
        })
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
