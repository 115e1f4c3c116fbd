//! The places where a tenant may stand, compiled.

use std::rc::Rc;

use super::key::Key;
use super::plan::Place;
use crate::config::{ConfigError, TenantSourceConfig, Text};
use crate::table::TableRules;
use crate::tenant::TenantId;

/// A place where a tenant may stand.
#[derive(Debug)]
pub(super) enum Source {
    Caller,
    Header {
        /// In lower case.
        name: String,
        key: Rc<Key>,
    },
    Labels {
        place: Place,
        /// At least one, each once.
        names: Vec<Vec<u8>>,
        /// What stands between their values.
        separator: Vec<u8>,
        remove: bool,
        key: Rc<Key>,
    },
}

impl Source {
    /// Where the configuration says nothing: `[{header: X-Scope-OrgID}, caller]`.
    pub(super) fn by_default() -> Vec<Self> {
        vec![Self::Header { name: "x-scope-orgid".to_owned(), key: Rc::default() }, Self::Caller]
    }

    /// Compiles the list that stands at `path`.
    pub(super) fn compile_all(
        configs: &[TenantSourceConfig],
        path: &str,
        tables: &[TableRules],
    ) -> Result<Vec<Self>, ConfigError> {
        if configs.is_empty() {
            return Err(ConfigError::new(path, "name at least one source"));
        }
        let mut sources: Vec<Self> = Vec::new();
        for (at, config) in configs.iter().enumerate() {
            let path = format!("{path}[{at}]");
            let source = Self::compile(config, &path, tables)?;
            if let Some(problem) = sources.iter().find_map(|earlier| earlier.hides(&source)) {
                return Err(ConfigError::new(path, problem));
            }
            sources.push(source);
        }
        Ok(sources)
    }

    fn compile(config: &TenantSourceConfig, path: &str, tables: &[TableRules]) -> Result<Self, ConfigError> {
        Ok(match config {
            TenantSourceConfig::Caller => Self::Caller,
            TenantSourceConfig::Header { header, key } => {
                let key = Rc::new(Key::compile(key, path, tables)?);
                Self::Header { name: header.to_ascii_lowercase(), key }
            }
            TenantSourceConfig::Labels { labels, separator, remove, key } => {
                let names = names(labels, path)?;
                let separator = separator.as_ref().map_or("/", |text| text.0.as_str());
                let key = Key::compile(key, path, tables)?;
                if names.len() > 1 {
                    check_separator(separator, &key, path)?;
                }
                let (separator, key) = (separator.into(), Rc::new(key));
                Self::Labels { place: Place::Label, names, separator, remove: *remove, key }
            }
            TenantSourceConfig::Metadata { metadata, remove, key } => Self::Labels {
                place: Place::Metadata,
                names: names(core::slice::from_ref(metadata), path)?,
                separator: Vec::new(),
                remove: *remove,
                key: Rc::new(Key::compile(key, path, tables)?),
            },
        })
    }

    /// The labels that it takes off every series.
    pub(super) fn removed(&self) -> impl Iterator<Item = &Vec<u8>> {
        let names = match self {
            Self::Labels { place: Place::Label, names, remove: true, .. } => names.as_slice(),
            _ => &[],
        };
        names.iter()
    }

    /// Why `later` is never reached after this one, if it is not.
    fn hides(&self, later: &Self) -> Option<&'static str> {
        match (self, later) {
            (Self::Caller, _) => Some("this source is never reached: every request has a caller"),
            (Self::Header { name: a, .. }, Self::Header { name: b, .. }) if a == b => {
                Some("this source is listed twice")
            }
            (Self::Labels { names: a, place: p, .. }, Self::Labels { names: b, place: q, .. }) if p == q => {
                let is_among = a.iter().all(|name| b.contains(name));
                match (is_among, a.len() == b.len()) {
                    (true, true) => Some("this source is listed twice"),
                    (true, false) => Some(
                        "this source is never reached: where all of its labels are present, an earlier source with some of \
                         them decides",
                    ),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

fn names(labels: &[Text], path: &str) -> Result<Vec<Vec<u8>>, ConfigError> {
    let names: Vec<Vec<u8>> = labels.iter().map(|label| label.as_bytes().to_vec()).collect();
    if names.is_empty() || names.iter().any(Vec::is_empty) {
        return Err(ConfigError::new(path, "name at least one label, and none that is empty"));
    }
    if names.iter().enumerate().any(|(at, name)| names.iter().take(at).any(|earlier| earlier == name)) {
        return Err(ConfigError::new(path, "a label stands twice in one key"));
    }
    Ok(names)
}

/// A key of several labels that must be a tenant as it stands needs a separator that tenants may have.
fn check_separator(separator: &str, key: &Key, path: &str) -> Result<(), ConfigError> {
    let problem = if separator.is_empty() {
        "give something: without a separator two different keys could look the same"
    } else if !key.reads_any_text() && TenantId::new(&format!("a{separator}")).is_err() {
        "without `table` and `regex` the key is the tenant itself: give a separator that tenants may have, such as `_`"
    } else {
        return Ok(());
    };
    Err(ConfigError::new(format!("{path}.separator"), problem))
}
