//! Sessions: attributes that a sender proves with every request.

use super::scalar::{Count, Millis, Text};
use super::shape::Shape;

/// A proof in the header `x-scopegate-session`, made for this one request, that its sender holds a secret; `role: agent`
/// makes such proofs. A request without one, or with one of another attribute, is another entry's. A proof that is
/// bad, stale or used before is refused. The body of a request that brings one is held until its digest is known, up to
/// `limits.request_bytes`. Claims of the caller, for `tenants` and labels, are `agent` and `attribute`.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionConfig {
    /// The attribute that must be proven, such as `local`: 1 to 64 of `A-Z a-z 0-9 - _ .`.
    pub attribute: Text,
    /// The keys that prove it.
    pub keys: SessionKeysConfig,
    /// How far the time of a proof may be from this gateway's clock, either way: `"1s"` to `"10m"`.
    #[serde(default = "default_window")]
    pub window: Millis,
    /// How many requests a second may bring a proof of this attribute, on average over the window, in all workers
    /// together. So many proofs are remembered, in 20 bytes each, so that none is good twice; beyond it 503.
    #[serde(default = "default_rate")]
    pub rate: Count,
}

fn default_window() -> Millis {
    Millis(60_000)
}

fn default_rate() -> Count {
    Count(1_000)
}

/// Where the keys of proofs are, so that they stand in no configuration: at least one of both. A key in the environment goes
/// before one of the same ID in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SessionKeysConfig {
    /// The variable in the environment of the filter (`vm_config.environment_variables`). It holds `ID:SECRET` pairs,
    /// separated by commas, up to 8; a secret is base64 of 32 bytes or more. All of them verify.
    pub env: Option<Text>,
    /// A table (under `tables`, from `http`) of keys, which come and go without a restart: the ID of a key leads to
    /// `{"secret": "BASE64", "agent": "AGENT", "tenants": ["TENANT", …]}`. With `agent` it is that agent's key alone.
    pub table: Option<Text>,
}
