//! A backend: a system that keeps the tenants' data.

use std::collections::BTreeMap;

use super::date::Date;
use super::mode::Mode;
use super::scalar::{OneOrMany, Text};
use super::shape::Shape;
use crate::operation::{ExtraPath, Kind, Prefixes};

/// One system behind this Envoy.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BackendConfig {
    /// Its name in the rest of this configuration, in metrics and in logs.
    pub name: Text,
    /// What it is: decides which paths exist and what each of them does. Everything else is refused.
    pub kind: Kind,
    /// The hosts it is called by, without port; `*.example.org` stands for every host below `example.org`.
    #[serde(default)]
    pub host: OneOrMany,
    /// The path prefix it is called by, such as `/metrics`. It is taken off before the path is looked up;
    /// taking it off for the upstream is the Envoy route's business (`prefix_rewrite`).
    pub path: Option<Text>,
    /// How it keeps tenants apart. Backends that know `X-Scope-OrgID` (cortex, mimir, loki, tempo) need
    /// not say so. The others must: by a label (prometheus, alertmanager, victoriametrics; and loki, where it runs without tenants), by numbered accounts
    /// (victoriametrics-cluster), by either (victorialogs, victoriatraces), or by `header`, which claims that something behind
    /// this Envoy knows it.
    pub isolate: Option<Isolation>,
    /// Tenants that are read together with another, until a date: where a tenant moved, and its older data did not.
    #[serde(default)]
    pub also_read: Vec<AlsoReadConfig>,
    /// Path prefixes that were changed in the backend's own configuration.
    #[serde(default)]
    pub prefixes: Prefixes,
    /// Further paths and what they need the right for: what the table of this kind lacks, or keeps closed.
    #[serde(default)]
    pub paths: Vec<ExtraPath>,
    /// Lets the client's `Authorization` header go on to this backend. By default it ends here.
    #[serde(default)]
    pub forward_authorization: bool,
    /// Whether decisions take effect for this backend, in place of what the configuration says for everything. A
    /// caller's own `mode` counts more.
    pub mode: Option<Mode>,
}

/// Who may read a tenant reads another one too, until a date. Only where an endpoint merges the answers of several tenants,
/// and the backend is told them by a header.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AlsoReadConfig {
    /// The tenant that is read.
    pub tenant: Text,
    /// The tenant that is read with it.
    pub from: Text,
    /// Until when, such as `2026-12-31T00:00:00Z`.
    pub until: Date,
}

/// How a backend keeps tenants apart.
#[derive(Clone, Debug, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// By the header `X-Scope-OrgID`.
    Header,
    /// By the header `X-Scope-OrgID`, which the backend reads as a regular expression (Cortex with
    /// `regex_matcher_enabled`). A tenant whose ID holds one of `. * ( )` is refused there: `team.a` would read `team-a` too.
    Pattern,
    /// By this label: every series that is written gets it, whatever it had, and its value is the tenant. Reads are
    /// narrowed to it: by arguments (victoriametrics, victorialogs, victoriatraces), else in the text of their queries. In
    /// victorialogs it is a field, and in victoriatraces an attribute of the resource, that the URL of a write sets.
    Label(Text),
    /// By numbered accounts: `ACCOUNT` or `"ACCOUNT:PROJECT"` for each tenant. A tenant that has none is refused, and
    /// no account is for two tenants.
    Account(BTreeMap<String, Text>),
}
