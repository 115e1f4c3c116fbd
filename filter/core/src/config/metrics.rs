//! What is told to the outside: counters by tenant, the access log, the administrators' report.

use super::scalar::{Count, Millis, OneOrMany, Text};
use super::shape::Shape;

/// What is counted, and how finely.
#[derive(Clone, Debug, Default, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Of which requests counters by tenant are kept; by default `looked_into`.
    pub by_tenant: ByTenant,
    /// Which tenants have counters of their own.
    pub tenants: TenantNamesConfig,
    /// Adds a histogram of how long the upstream takes for each tenant. Each is some twenty series in Prometheus; without
    /// it there are a sum and a count.
    pub histograms: bool,
}

/// Of which requests counters by tenant are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ByTenant {
    /// Of none.
    None,
    /// Of writes that are looked into. Requests that are decided by their head alone cost nothing more; Envoy's own
    /// statistics know them.
    #[default]
    LookedInto,
    /// Of every request that goes on to an upstream.
    All,
}

/// Which tenants have counters of their own; all others share the tenant `~other`. Envoy keeps a counter for ever, so
/// their number is bounded. Tenants that this configuration names are pinned by themselves: those in the `tenants` of
/// callers and users, and those that the `write` rules fall back to.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TenantNamesConfig {
    /// Further tenants that have counters of their own from the start.
    pub pinned: OneOrMany,
    /// How many tenants may earn counters of their own, besides those that are pinned; by default 100, at most 1000. Half of the places go
    /// to tenants that are seen in two windows in a row, the others only to those that make up their share of the
    /// requests (one of `max`) in both. A place is never given back while Envoy runs.
    pub max: Count,
    /// How long a window is; by default 2m, at least 1s. Senders that write less often than this earn no counters.
    pub window: Millis,
}

impl Default for TenantNamesConfig {
    fn default() -> Self {
        Self { pinned: OneOrMany::default(), max: Count(100), window: Millis(120_000) }
    }
}

/// A page for administrators: the most frequent keys that lead to no tenant, what would change where requests are only
/// observed, and recent refusals.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReportConfig {
    /// Where it is, by default `/-/scopegate/report`: `GET` on this path is answered by the gateway itself, whatever the host and the backends, to callers
    /// with the right `admin`.
    #[serde(default = "report_path")]
    pub path: Text,
}

fn report_path() -> Text {
    Text("/-/scopegate/report".to_owned())
}
