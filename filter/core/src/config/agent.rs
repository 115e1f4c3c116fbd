//! The other side: the filter beside an agent, where it signs what the agent sends.

use std::collections::BTreeMap;

use super::RoleName;
use super::scalar::{ByteSize, Text};
use super::shape::Shape;

/// The whole configuration of a filter that signs (`role: agent`). It stands in the Envoy of the agent, before the
/// router, and nothing after it may change method, path or body.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// `agent`.
    pub role: RoleName,
    /// What every request is signed with.
    pub sign: SignConfig,
    /// Bounds on what one request may use.
    #[serde(default)]
    pub limits: AgentLimits,
}

/// What proofs say, and the key they are made with.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignConfig {
    /// The attribute that is proven, such as `local`: 1 to 64 of `A-Z a-z 0-9 - _ .`.
    pub attribute: Text,
    /// The agent's ID, in the form of a tenant ID.
    pub agent: Text,
    /// The keys, of which the first signs.
    pub keys: SigningKeysConfig,
    /// Headers that every request gets, for senders that cannot send their own: `x-scope-impersonate: "true"`.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
}

/// The keys of the agent, so that they stand in no configuration.
#[derive(Clone, Debug, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SigningKeysConfig {
    /// The variable in the environment of the filter (`vm_config.environment_variables`). It holds `ID:SECRET` pairs,
    /// separated by commas, up to 8; a secret is base64 of 32 bytes or more. The first signs.
    pub env: Text,
}

/// Bounds of a filter that signs.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub struct AgentLimits {
    /// The largest body, as sent (compressed); beyond it 413. Every body is held until its digest is known, so Envoy's
    /// own buffer limit must be at least as large.
    pub request_bytes: ByteSize,
}

impl Default for AgentLimits {
    fn default() -> Self {
        Self { request_bytes: ByteSize(8 << 20) }
    }
}
