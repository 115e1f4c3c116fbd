//! Which labels the writes to one backend get: checked and compiled at load, resolved for each request.

use super::labels::{LabelEdits, LabelValue};
use crate::caller::{ClaimPath, Identity, Named};
use crate::config::{
    AccountLabels, ConfigError, LabelEditsConfig, LabelFrom, LabelProtocol, LabelValueConfig, Text,
    WriteConfig,
};
use crate::isolate::Isolate;
use crate::operation::{Kind, Protocol};
use crate::report::Refusal;

/// See [`LabelsConfig`](crate::config::LabelsConfig).
#[derive(Debug)]
pub struct LabelRules {
    entries: Vec<Entry>,
    /// The label by which the backend keeps tenants apart, where it stands in the body: always set, to the tenant.
    tenant_label: Option<Vec<u8>>,
    /// The labels that name an account: always taken off, and no part of a body may hide them.
    account_labels: &'static [&'static str],
    claims: Vec<ClaimPath>,
}

/// The changes for some protocols, or for all.
#[derive(Debug)]
struct Entry {
    protocols: Option<Vec<LabelProtocol>>,
    remove: Vec<Vec<u8>>,
    rename: Vec<(Vec<u8>, Vec<u8>)>,
    replace: Vec<(Vec<u8>, Source)>,
    set: Vec<(Vec<u8>, Source)>,
}

/// Where the value of a label comes from.
#[derive(Debug)]
enum Source {
    Text(Vec<u8>),
    From(LabelFrom),
    /// The claim at this position.
    Claim(usize),
}

/// The labels by which the backends' HA trackers decide, unless they are configured.
const HA_LABELS: &[&str] = &["cluster", "__replica__"];

/// The labels by which an HA tracker of the backend decides.
pub(super) fn ha_labels(config: &WriteConfig) -> Vec<&str> {
    match &config.ha_labels {
        Some(labels) => labels.iter().map(|label| &**label).collect(),
        None => HA_LABELS.to_vec(),
    }
}

impl LabelRules {
    /// Compiles the rules that stand at `path`.
    pub fn compile(
        config: &WriteConfig,
        kind: Kind,
        isolate: &Isolate,
        path: &str,
    ) -> Result<Self, ConfigError> {
        let ha_labels = ha_labels(config);
        let account_labels = isolate.account_labels();
        if config.account_labels.is_some() && account_labels.is_empty() {
            return Err(ConfigError::new(
                format!("{path}.account_labels"),
                "only for backends of kind victoriametrics-cluster that keep tenants apart by accounts (`isolate`)",
            ));
        }
        let mut compiler =
            Compiler { kind, tenant_label: isolate.label(), account_labels, ha_labels, claims: Vec::new() };
        let list = &config.labels;
        let mut entries: Vec<Entry> = Vec::new();
        for (position, entry) in list.entries.iter().enumerate() {
            let path =
                if list.is_list { format!("{path}.labels[{position}]") } else { format!("{path}.labels") };
            if let Some(name) = never_reached(&entries, entry) {
                return Err(ConfigError::new(
                    path,
                    format!("{name} is in an entry above, which alone holds"),
                ));
            }
            entries.push(compiler.entry(entry, &path)?);
        }
        let tenant_label = match isolate {
            Isolate::Label(label) => Some(label.as_bytes().to_vec()),
            _ => None,
        };
        let account_labels = match config.account_labels.unwrap_or_default() {
            AccountLabels::Remove => account_labels,
            AccountLabels::Keep => &[],
        };
        Ok(Self { entries, tenant_label, account_labels, claims: compiler.claims })
    }

    /// Whether labels that name an account go no further.
    pub fn remove_account_labels(&self) -> bool {
        !self.account_labels.is_empty()
    }

    /// The claims from which labels are taken.
    pub fn claims(&self) -> &[ClaimPath] {
        &self.claims
    }

    /// The changes for a request in this protocol, from the caller whose entry has this name.
    pub fn edits(
        &self,
        protocol: Protocol,
        caller: &str,
        identity: &Identity,
    ) -> Result<LabelEdits, Refusal> {
        let is_for = |entry: &&Entry| match &entry.protocols {
            None => true,
            Some(protocols) => protocols.iter().any(|listed| self::protocol(*listed) == protocol),
        };
        let resolve = |values: &[(Vec<u8>, Source)]| {
            let resolve =
                |(name, value): &(Vec<u8>, Source)| Ok((name.clone(), self.value(value, caller, identity)?));
            values.iter().map(resolve).collect::<Result<Vec<_>, Refusal>>()
        };
        let mut edits = match self.entries.iter().find(is_for) {
            Some(entry) => LabelEdits {
                remove: entry.remove.clone(),
                rename: entry.rename.clone(),
                replace: resolve(&entry.replace)?,
                set: resolve(&entry.set)?,
                nowhere: self.account_labels,
            },
            None => LabelEdits { nowhere: self.account_labels, ..LabelEdits::default() },
        };
        edits.set.extend(self.tenant_label.clone().map(|label| (label, LabelValue::Tenant)));
        Ok(edits)
    }

    fn value(&self, source: &Source, caller: &str, identity: &Identity) -> Result<LabelValue, Refusal> {
        Ok(match source {
            Source::Text(text) => LabelValue::Text(text.clone()),
            Source::From(LabelFrom::Tenant) => LabelValue::Tenant,
            Source::From(LabelFrom::Caller) => LabelValue::Text(caller.as_bytes().to_vec()),
            Source::From(LabelFrom::OwnTenant) => match identity.tenants.single() {
                Some(tenant) => LabelValue::Text(tenant.as_str().as_bytes().to_vec()),
                None => return Err(Refusal::LabelTenant { tenants: identity.tenants.header() }),
            },
            Source::Claim(position) => {
                let named = identity.claims.get(*position);
                let name = named.and_then(Named::only).filter(|name| !name.is_empty()).ok_or_else(|| {
                    let claim = self.claims.get(*position).map(ToString::to_string).unwrap_or_default();
                    Refusal::LabelClaim { claim }
                })?;
                LabelValue::Text(name.as_bytes().to_vec())
            }
        })
    }
}

/// A protocol of the configuration.
fn protocol(listed: LabelProtocol) -> Protocol {
    match listed {
        LabelProtocol::RemoteWrite => Protocol::RemoteWrite,
        LabelProtocol::LokiPush => Protocol::LokiPush,
        LabelProtocol::OtlpMetrics => Protocol::OtlpMetrics,
        LabelProtocol::OtlpLogs => Protocol::OtlpLogs,
        LabelProtocol::OtlpTraces => Protocol::OtlpTraces,
    }
}

/// What of `entry` the entries above it have taken already.
fn never_reached(above: &[Entry], entry: &LabelEditsConfig) -> Option<String> {
    if above.iter().any(|entry| entry.protocols.is_none()) {
        return Some("every protocol".to_owned());
    }
    let taken = |protocol: &&LabelProtocol| {
        above.iter().any(|entry| entry.protocols.as_ref().is_some_and(|listed| listed.contains(protocol)))
    };
    let twice = entry.protocols.iter().flatten().find(taken)?;
    Some(protocol(*twice).as_str().to_owned())
}

/// What the names of labels are checked against, and the claims found so far.
struct Compiler<'a> {
    kind: Kind,
    tenant_label: Option<&'a str>,
    account_labels: &'static [&'static str],
    ha_labels: Vec<&'a str>,
    claims: Vec<ClaimPath>,
}

impl Compiler<'_> {
    fn entry(&mut self, config: &LabelEditsConfig, path: &str) -> Result<Entry, ConfigError> {
        if config.protocols.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::new(format!("{path}.protocols"), "name at least one protocol"));
        }
        // What stands where: the field, the key or position in it, and the label.
        let mut named: Vec<(&str, String, &str)> = Vec::new();
        named.extend(config.set.keys().map(|name| ("set", name.clone(), name.as_str())));
        named.extend(config.replace.keys().map(|name| ("replace", name.clone(), name.as_str())));
        named
            .extend(config.remove.0.iter().enumerate().map(|(at, name)| ("remove", at.to_string(), &**name)));
        for (old, new) in &config.rename {
            named.extend([("rename", old.clone(), old.as_str()), ("rename", old.clone(), &**new)]);
        }
        let at = |(field, key, _): &(&str, String, &str)| {
            if *field == "remove" {
                format!("{path}.{field}[{key}]")
            } else {
                format!("{path}.{field}.{key}")
            }
        };
        for (position, entry) in named.iter().enumerate() {
            let name = entry.2;
            if let Err(problem) = self.check(name) {
                return Err(ConfigError::new(at(entry), problem));
            }
            if let Some(other) = named.iter().take(position).find(|(_, _, known)| *known == name) {
                let problem = format!("`{name}` stands in {} too: only one can hold", at(other));
                return Err(ConfigError::new(at(entry), problem));
            }
        }
        let bytes = |name: &str| name.as_bytes().to_vec();
        Ok(Entry {
            protocols: config.protocols.clone(),
            remove: config.remove.0.iter().map(|name| bytes(name)).collect(),
            rename: config.rename.iter().map(|(old, new)| (bytes(old), bytes(new))).collect(),
            replace: self.values(config.replace.iter(), &format!("{path}.replace"))?,
            set: self.values(config.set.iter(), &format!("{path}.set"))?,
        })
    }

    /// Whether the label `name` may be changed.
    fn check(&self, name: &str) -> Result<(), &'static str> {
        let is_classic = name
            .bytes()
            .enumerate()
            .all(|(at, c)| c.is_ascii_alphabetic() || c == b'_' || (at > 0 && c.is_ascii_digit()));
        let problem = if name.is_empty() {
            "a label has a name"
        } else if name == "__name__" {
            "this is the name of the metric, which no label change may touch"
        } else if self.ha_labels.contains(&name) {
            "an HA tracker decides by this label (ha_labels): changing it would merge different pairs and lose data"
        } else if self.tenant_label == Some(name) {
            "this label keeps the tenants apart (`isolate` of the backend), and is set to the tenant already"
        } else if self.account_labels.contains(&name) {
            "this label names an account, which only the gateway does (`isolate` of the backend)"
        } else if self.kind == Kind::Loki && !is_classic {
            "Loki takes label names of a-z A-Z 0-9 _ only, and none that starts with a digit"
        } else {
            return Ok(());
        };
        Err(problem)
    }

    fn values<'c>(
        &mut self,
        values: impl Iterator<Item = (&'c String, &'c LabelValueConfig)>,
        path: &str,
    ) -> Result<Vec<(Vec<u8>, Source)>, ConfigError> {
        values
            .map(|(name, value)| {
                let source = match value {
                    LabelValueConfig::Text(Text(text)) => Source::Text(text.as_bytes().to_vec()),
                    LabelValueConfig::From(from) => Source::From(*from),
                    LabelValueConfig::Claim(claim) => {
                        let claim = ClaimPath::compile(claim, &format!("{path}.{name}.claim"))?;
                        let known = self.claims.iter().position(|known| *known == claim);
                        Source::Claim(known.unwrap_or_else(|| {
                            self.claims.push(claim);
                            self.claims.len().saturating_sub(1)
                        }))
                    }
                };
                Ok((name.as_bytes().to_vec(), source))
            })
            .collect()
    }
}
