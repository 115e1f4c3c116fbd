//! How reads are narrowed, besides what a backend's `isolate` says.

use super::scalar::OneOrMany;
use super::shape::Shape;

/// How the reads of one backend are narrowed.
#[derive(Clone, Debug, Default, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ReadConfig {
    /// The backend reads experimental syntax and functions of its query language (Prometheus'
    /// `--enable-feature=promql-experimental-functions` and the like). Without it they are refused, where queries are
    /// rewritten.
    pub experimental: bool,
    /// The query language of a backend of kind prometheus, where queries are rewritten: `metricsql` for a VictoriaMetrics
    /// behind something that takes no arguments such as `extra_label`. One that heeds them is of kind victoriametrics.
    pub language: QueryLanguage,
    /// Label-based access control of Mimir and Loki: what a read may see of each of its tenants, told in
    /// `X-Prom-Label-Policy`. The first entry that is for the caller and the tenant holds; where there are entries and
    /// none is for them, the read is refused. The backend must have it switched on, or it sees everything.
    pub label_policy: Vec<LabelPolicyConfig>,
}

/// A query language of metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum QueryLanguage {
    /// Prometheus' own.
    #[default]
    PromQl,
    /// That of VictoriaMetrics.
    MetricsQl,
}

/// What a read may see of a tenant.
#[derive(Clone, Debug, Default, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LabelPolicyConfig {
    /// The names of the callers' entries that this is for. By default all.
    pub callers: OneOrMany,
    /// The tenants that this is for; `*` stands for any run of characters. By default all.
    pub tenants: OneOrMany,
    /// Selectors such as `{env="dev"}`: what any of them selects is seen.
    pub selectors: OneOrMany,
    /// Everything is seen, without selectors.
    pub everything: bool,
}
