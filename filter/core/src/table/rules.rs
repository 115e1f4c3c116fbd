//! Where the tables come from, compiled.

use std::collections::BTreeMap;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::content::{Bounds, Entry, Table};
use super::grafana;
use super::kubernetes::Place;
use crate::caller::Credential;
use crate::config::{
    ConfigError, GrafanaTableConfig, HttpTableConfig, KubernetesTableConfig, TableConfig, Text, UntilLoaded,
};
use crate::tenant::TenantId;

/// See [`TableConfig`].
#[derive(Debug)]
pub struct TableRules<E = TenantId> {
    /// Its name in the configuration, in metrics and in logs.
    pub name: String,
    /// Whether a request that needs it waits until it was fetched for the first time.
    pub refuse: bool,
    pub(super) source: Source<E>,
}

#[derive(Debug)]
pub(super) enum Source<E> {
    Static(Rc<Table<E>>),
    Remote(Rc<Remote>),
}

/// A table that is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    pub(super) cluster: String,
    pub(super) authority: String,
    pub(super) origin: Origin,
    pub(super) refresh_ms: u32,
    pub(super) timeout_ms: u32,
    pub(super) bounds: Bounds,
    /// What is the same source is the same table in the slots, whatever a configuration calls it and however often
    /// it is fetched; what comes from elsewhere never is.
    pub(super) slot: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Http { path: String },
    Grafana { path: String },
    Kubernetes { place: Place, page_size: u32 },
}

const MAX_ENTRIES: u32 = 100_000;
const MAX_BYTES: u32 = 8 << 20;
const REFRESH_MS: u32 = 60_000;
const TIMEOUT_MS: u32 = 10_000;
const PAGE_SIZE: u32 = 500;

impl TableRules<TenantId> {
    /// Compiles the tables of a configuration, in the order of their names.
    pub fn compile(configs: &BTreeMap<String, TableConfig>) -> Result<Vec<Self>, ConfigError> {
        configs.iter().map(|(name, config)| Self::tenants(name, config)).collect()
    }

    /// Compiles a table of tenants.
    pub fn tenants(name: &str, config: &TableConfig) -> Result<Self, ConfigError> {
        let path = format!("tables.{name}");
        let source = match &config.entries {
            Some(entries)
                if config.http.is_none() && config.kubernetes.is_none() && config.grafana.is_none() =>
            {
                if config.until_loaded != UntilLoaded::default() {
                    return Err(ConfigError::new(
                        format!("{path}.until_loaded"),
                        "not with `static`, which is there from the beginning",
                    ));
                }
                let bounds = Self::bounds(name, config, &path)?;
                Source::Static(Rc::new(listed(entries, bounds, &format!("{path}.static"))?))
            }
            _ => Self::remote(name, config, &path)?,
        };
        Ok(Self { name: name.to_owned(), refuse: config.until_loaded == UntilLoaded::Refuse, source })
    }
}

impl TableRules<Credential> {
    /// Compiles a table of users, tokens or keys.
    pub fn credentials(name: &str, config: &TableConfig) -> Result<Self, ConfigError> {
        let path = format!("tables.{name}");
        if config.http.is_none() {
            return Err(ConfigError::new(
                path,
                "users, tokens and keys are fetched (`http`), or listed at the caller (`users`, `tokens`, `keys.env`)",
            ));
        }
        let source = Self::remote(name, config, &path)?;
        Ok(Self { name: name.to_owned(), refuse: config.until_loaded == UntilLoaded::Refuse, source })
    }
}

impl<E: Entry> TableRules<E> {
    fn bounds(name: &str, config: &TableConfig, path: &str) -> Result<Bounds, ConfigError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(ConfigError::new(
                path,
                "a name is made of 1 to 64 of the characters A-Z a-z 0-9 - _",
            ));
        }
        let bounds = Bounds {
            entries: config.max_entries.map_or(MAX_ENTRIES, |count| count.0),
            bytes: config.max_bytes.map_or(MAX_BYTES, |bytes| bytes.0),
        };
        for (field, value) in [("max_entries", bounds.entries), ("max_bytes", bounds.bytes)] {
            if value == 0 {
                return Err(ConfigError::new(format!("{path}.{field}"), "0 leaves no room for any table"));
            }
        }
        Ok(bounds)
    }

    /// Where a table is fetched from.
    fn remote(name: &str, config: &TableConfig, path: &str) -> Result<Source<E>, ConfigError> {
        let bounds = Self::bounds(name, config, path)?;
        let remote = match (&config.entries, &config.http, &config.kubernetes, &config.grafana) {
            (None, Some(http), None, None) => Remote::http(http, E::KIND, bounds, &format!("{path}.http"))?,
            (None, None, Some(kubernetes), None) => {
                Remote::kubernetes(kubernetes, E::KIND, bounds, &format!("{path}.kubernetes"))?
            }
            (None, None, None, Some(grafana)) => {
                Remote::grafana(grafana, E::KIND, bounds, &format!("{path}.grafana"))?
            }
            _ => {
                return Err(ConfigError::new(
                    path,
                    "give exactly one of `static`, `http`, `kubernetes`, `grafana`",
                ));
            }
        };
        Ok(Source::Remote(Rc::new(remote)))
    }
}

impl<E> TableRules<E> {
    /// The position of the table that a field at `path` names.
    pub(crate) fn position(tables: &[Self], name: &str, path: &str) -> Result<usize, ConfigError> {
        tables.iter().position(|table| table.name == name).ok_or_else(|| {
            let known: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            ConfigError::new(path, format!("no table has this name; there are under `tables`: {known}"))
        })
    }

    /// The table itself, where the configuration lists it.
    pub(crate) fn listed(&self) -> Option<&Rc<Table<E>>> {
        match &self.source {
            Source::Static(table) => Some(table),
            Source::Remote(_) => None,
        }
    }
}

fn listed(entries: &BTreeMap<String, Text>, bounds: Bounds, path: &str) -> Result<Table, ConfigError> {
    if entries.len() > bounds.entries as usize {
        return Err(ConfigError::new(path, "there are more entries than `max_entries`"));
    }
    entries
        .iter()
        .map(|(key, tenant)| {
            let tenant = TenantId::new(tenant)
                .map_err(|error| ConfigError::new(format!("{path}.{key}"), error.to_string()))?;
            if key.is_empty() {
                return Err(ConfigError::new(path, "a key is not empty"));
            }
            Ok((key.clone(), tenant))
        })
        .collect()
}

impl Remote {
    fn http(config: &HttpTableConfig, kind: &str, bounds: Bounds, path: &str) -> Result<Self, ConfigError> {
        if !is_path(&config.path) {
            return Err(ConfigError::new(
                format!("{path}.path"),
                "a path starts with `/` and is written as it is sent",
            ));
        }
        let authority = config.authority.as_ref().unwrap_or(&config.cluster);
        let origin = Origin::Http { path: config.path.0.clone() };
        Self::new(kind, &config.cluster, authority, origin, (config.refresh, config.timeout), bounds, path)
    }

    fn grafana(
        config: &GrafanaTableConfig,
        kind: &str,
        bounds: Bounds,
        path: &str,
    ) -> Result<Self, ConfigError> {
        let api = config.path.as_deref().unwrap_or(grafana::PATH);
        if !is_path(api) || api.contains('?') {
            return Err(ConfigError::new(
                format!("{path}.path"),
                "a path starts with `/` and is written as it is sent, without a query",
            ));
        }
        let authority = config.authority.as_ref().unwrap_or(&config.cluster);
        let origin = Origin::Grafana { path: api.to_owned() };
        Self::new(kind, &config.cluster, authority, origin, (config.refresh, config.timeout), bounds, path)
    }

    fn kubernetes(
        config: &KubernetesTableConfig,
        kind: &str,
        bounds: Bounds,
        path: &str,
    ) -> Result<Self, ConfigError> {
        let place = match (&config.label, &config.annotation) {
            (Some(label), None) if !label.is_empty() => Place::Label(label.0.clone()),
            (None, Some(annotation)) if !annotation.is_empty() => Place::Annotation(annotation.0.clone()),
            _ => return Err(ConfigError::new(path, "give exactly one of `label`, `annotation`")),
        };
        let page_size = config.page_size.map_or(PAGE_SIZE, |count| count.0);
        if page_size == 0 {
            return Err(ConfigError::new(format!("{path}.page_size"), "a page holds at least 1 namespace"));
        }
        let authority = config.authority.as_deref().unwrap_or("kubernetes.default.svc");
        let origin = Origin::Kubernetes { place, page_size };
        Self::new(kind, &config.cluster, authority, origin, (config.refresh, config.timeout), bounds, path)
    }

    fn new(
        kind: &str,
        cluster: &str,
        authority: &str,
        origin: Origin,
        (refresh, timeout): (Option<crate::config::Millis>, Option<crate::config::Millis>),
        bounds: Bounds,
        path: &str,
    ) -> Result<Self, ConfigError> {
        for (field, text) in [("cluster", cluster), ("authority", authority)] {
            if text.is_empty() || text.contains(|c: char| c.is_ascii_control() || c == ' ') {
                return Err(ConfigError::new(format!("{path}.{field}"), "name it, without spaces"));
            }
        }
        let refresh_ms = refresh.map_or(REFRESH_MS, |time| time.0);
        let timeout_ms = timeout.map_or(TIMEOUT_MS, |time| time.0);
        for (field, time) in [("refresh", refresh_ms), ("timeout", timeout_ms)] {
            if time == 0 {
                return Err(ConfigError::new(format!("{path}.{field}"), "give more than 0"));
            }
        }
        let slot = slot(kind, cluster, authority, &origin);
        let (cluster, authority) = (cluster.to_owned(), authority.to_owned());
        Ok(Self { cluster, authority, origin, refresh_ms, timeout_ms, bounds, slot })
    }
}

/// Whether it is a path as it is sent, with its query.
fn is_path(text: &str) -> bool {
    let odd = |c: char| c.is_ascii_control() || c == ' ' || c == '#' || !c.is_ascii();
    text.starts_with('/') && !text.contains(odd)
}

/// A name that every part of what is fetched goes into.
fn slot(leads_to: &str, cluster: &str, authority: &str, origin: &Origin) -> String {
    let (kind, what) = match origin {
        Origin::Http { path } => ("http", path),
        Origin::Grafana { path } => ("grafana", path),
        Origin::Kubernetes { place: Place::Label(name), .. } => ("label", name),
        Origin::Kubernetes { place: Place::Annotation(name), .. } => ("annotation", name),
    };
    let mut hash = Sha256::new();
    for part in [leads_to, kind, cluster, authority, what] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut slot = String::from("table/");
    for byte in digest.iter().take(16) {
        use core::fmt::Write as _;
        let _ = write!(slot, "{byte:02x}");
    }
    slot
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
