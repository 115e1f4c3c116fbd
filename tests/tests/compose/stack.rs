//! `compose.yaml` as Docker reads it: with the versions of `.env`, its anchors resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use scopegate_tests::example::yaml;
use serde_json::Value;

/// The folder.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/compose")
}

/// A file of the folder, as text.
pub(crate) fn text(name: &str) -> Result<String> {
    let path = folder().join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The variables of `.env`.
pub(crate) fn versions() -> Result<BTreeMap<String, String>> {
    let text = text(".env")?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').with_context(|| line.to_owned())?;
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// The whole file.
pub(crate) struct Stack(pub(crate) Value);

/// Something of the host, or a volume, in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) is_read_only: bool,
}

impl Mount {
    /// The file or folder on the host; None for a volume.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.source.starts_with('.').then(|| folder().join(&self.source))
    }
}

impl Stack {
    pub(crate) fn load() -> Result<Self> {
        let mut whole = yaml(&folder().join("compose.yaml"))?;
        let versions = versions()?;
        let mut missing = BTreeSet::new();
        interpolate(&mut whole, &versions, &mut missing);
        ensure!(missing.is_empty(), "not in .env: {missing:?}");
        Ok(Self(whole))
    }

    /// The services by their names.
    pub(crate) fn services(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0["services"].as_object().into_iter().flatten().map(|(name, service)| (name.as_str(), service))
    }

    /// A service.
    pub(crate) fn service(&self, name: &str) -> Result<&Value> {
        self.services()
            .find(|(known, _)| *known == name)
            .map(|(_, service)| service)
            .with_context(|| name.to_owned())
    }

    /// What a service mounts.
    pub(crate) fn mounts(service: &Value) -> Vec<Mount> {
        let text = |volume: &Value| {
            let mut parts = volume.as_str().unwrap_or_default().split(':');
            let mut part = || parts.next().unwrap_or_default().to_owned();
            Mount { source: part(), target: part(), is_read_only: part() == "ro" }
        };
        service["volumes"].as_array().into_iter().flatten().map(text).collect()
    }

    /// Where a service finds a file of the folder.
    pub(crate) fn target_of(&self, service: &str, source: &str) -> Result<String> {
        let mounts = Self::mounts(self.service(service)?);
        let mount = mounts.into_iter().find(|mount| mount.source == source);
        Ok(mount.with_context(|| format!("{service} does not mount {source}"))?.target)
    }

    /// The networks of a service, and its names there besides its own.
    pub(crate) fn networks(service: &Value) -> BTreeMap<&str, Vec<&str>> {
        match &service["networks"] {
            Value::Array(names) => {
                names.iter().filter_map(Value::as_str).map(|name| (name, vec![])).collect()
            }
            Value::Object(networks) => networks
                .iter()
                .map(|(name, options)| {
                    let aliases =
                        options["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str);
                    (name.as_str(), aliases.collect())
                })
                .collect(),
            _ => BTreeMap::new(),
        }
    }

    /// Which service a name leads to, for another service; None where it leads nowhere.
    pub(crate) fn resolve(&self, from: &str, host: &str) -> Option<&str> {
        let networks = Self::networks(self.service(from).ok()?);
        self.services().find_map(|(name, service)| {
            let theirs = Self::networks(service);
            let found = theirs.iter().any(|(network, aliases)| {
                networks.contains_key(network) && (name == host || aliases.contains(&host))
            });
            found.then_some(name)
        })
    }

    /// Who reaches whom, by the networks.
    pub(crate) fn reached_from(&self, from: &str) -> Result<BTreeSet<&str>> {
        let networks = Self::networks(self.service(from)?);
        let reached = self.services().filter(|(name, service)| {
            *name != from && Self::networks(service).keys().any(|network| networks.contains_key(network))
        });
        Ok(reached.map(|(name, _)| name).collect())
    }
}

/// Puts the variables in: `${NAME:?}`, which fails where there is none.
fn interpolate(value: &mut Value, variables: &BTreeMap<String, String>, missing: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            while let Some((before, rest)) = text.split_once("${") {
                let Some((name, after)) = rest.split_once(":?}") else {
                    missing.insert(rest.to_owned());
                    return;
                };
                let Some(variable) = variables.get(name) else {
                    missing.insert(name.to_owned());
                    return;
                };
                *text = format!("{before}{variable}{after}");
            }
            // A dollar is written twice.
            *text = text.replace("$$", "$");
        }
        Value::Array(list) => list.iter_mut().for_each(|item| interpolate(item, variables, missing)),
        Value::Object(fields) => fields.values_mut().for_each(|field| interpolate(field, variables, missing)),
        _ => {}
    }
}
