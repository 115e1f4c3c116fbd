//! Tables: from a key, such as a namespace, to what it stands for. They are listed or fetched from elsewhere.

use std::collections::BTreeMap;

use super::scalar::{ByteSize, Count, Millis, Text};
use super::shape::Shape;

/// A table of tenants. Exactly one of the sources (`static`, `http`, `kubernetes`, `grafana`) says where it comes from.
///
/// What is fetched is fetched by one worker for all of a process, from time to time, and swapped whole. Over a
/// failure, a restart of the filter's VM and a new configuration the last good table stays. The age of a table is
/// a metric.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// Listed here: the key, and the tenant that it leads to.
    #[serde(default, rename = "static")]
    pub entries: Option<BTreeMap<String, Text>>,
    /// Fetched as JSON from a server.
    #[serde(default)]
    pub http: Option<HttpTableConfig>,
    /// Made from the namespaces of a Kubernetes cluster.
    #[serde(default)]
    pub kubernetes: Option<KubernetesTableConfig>,
    /// Made from the organisations of a Grafana.
    #[serde(default)]
    pub grafana: Option<GrafanaTableConfig>,
    /// What becomes of a request that needs the table before it was fetched for the first time.
    #[serde(default)]
    pub until_loaded: UntilLoaded,
    /// The most entries; by default 100000. A larger table counts as a failure: the last good one stays.
    #[serde(default)]
    pub max_entries: Option<Count>,
    /// The largest answer, and the largest table, in bytes; by default 8MiB. More counts as a failure. Envoy
    /// itself takes no answer beyond 32MiB.
    #[serde(default)]
    pub max_bytes: Option<ByteSize>,
}

/// What becomes of a request that needs a table before it was fetched for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum UntilLoaded {
    /// It is answered 503, and its sender tries again.
    #[default]
    Refuse,
    /// The table counts as empty: every key leads to no tenant (`on_unmapped`).
    Default,
}

/// A table that a server gives as JSON: an object of keys and tenants (`{"shop": "org-1"}`) or a list of
/// `{"key": "shop", "value": "org-1"}`. An entry that is no tenant is left out and counted; an answer without
/// any entry counts as a failure.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HttpTableConfig {
    /// Envoy's cluster of the server. Credentials are the cluster's business (see `docs/tables.md`).
    pub cluster: Text,
    /// The path, with its query.
    pub path: Text,
    /// The `:authority`; by default the cluster's name.
    #[serde(default)]
    pub authority: Option<Text>,
    /// How often it is fetched, give or take a tenth; by default 60s. After a failure sooner.
    #[serde(default)]
    pub refresh: Option<Millis>,
    /// How long an answer may take; by default 10s.
    #[serde(default)]
    pub timeout: Option<Millis>,
}

/// A table made from the namespaces of a Kubernetes cluster (`GET /api/v1/namespaces`): the key is the
/// namespace, the tenant stands in a label or an annotation of it. Namespaces without it are in no table.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KubernetesTableConfig {
    /// Envoy's cluster of the Kubernetes API. It adds the token; see `docs/tables.md`.
    pub cluster: Text,
    /// The label of the namespace that names the tenant, such as `appuio.io/organization`.
    #[serde(default)]
    pub label: Option<Text>,
    /// Or the annotation that does.
    #[serde(default)]
    pub annotation: Option<Text>,
    /// The `:authority`; by default `kubernetes.default.svc`.
    #[serde(default)]
    pub authority: Option<Text>,
    /// How often the namespaces are listed, give or take a tenth; by default 60s. After a failure sooner.
    #[serde(default)]
    pub refresh: Option<Millis>,
    /// How long the answer for one page may take; by default 10s.
    #[serde(default)]
    pub timeout: Option<Millis>,
    /// How many namespaces one page holds; by default 500.
    #[serde(default)]
    pub page_size: Option<Count>,
}

/// A table made from the organisations of a Grafana (`GET /api/orgs`): the key is the ID of the organisation, as it stands
/// in `X-Grafana-Org-Id`; the tenant is the part of its name before the first ` - `, or the whole name without one. An
/// organisation whose name leads to no tenant ID is left out and counted.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GrafanaTableConfig {
    /// Envoy's cluster of Grafana. It adds the credentials of a server administrator; see `docs/grafana.md`.
    pub cluster: Text,
    /// The path of the list; by default `/api/orgs`. A Grafana under `/grafana` has it at `/grafana/api/orgs`.
    #[serde(default)]
    pub path: Option<Text>,
    /// The `:authority`; by default the cluster's name.
    #[serde(default)]
    pub authority: Option<Text>,
    /// How often it is fetched, give or take a tenth; by default 60s. After a failure sooner.
    #[serde(default)]
    pub refresh: Option<Millis>,
    /// How long an answer may take; by default 10s.
    #[serde(default)]
    pub timeout: Option<Millis>,
}
