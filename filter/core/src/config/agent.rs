//! The other side: the filter beside an agent, where it signs what the agent sends.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::caller::EnvKey;
use super::limits::Limits;
use super::scalar::Text;

/// The whole configuration of a filter that signs (`role: agent`). It stands in the Envoy of the agent, before the
/// router, and nothing after it may change method, path or body.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// `agent`.
    pub role: AgentRole,
    /// What every request is signed with.
    pub sign: SignConfig,
    /// Bounds; of these only `request_bytes` matters here, since every body is held until its digest is known.
    #[serde(default)]
    pub limits: Limits,
}

/// The role of a filter that signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum AgentRole {
    /// It signs what an agent sends.
    Agent,
}

/// What proofs say, and the key they are made with.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignConfig {
    /// The attribute that is proven, such as `local`.
    pub attribute: Text,
    /// The agent's ID, in the form of a tenant ID.
    pub agent: Text,
    /// The keys, as `ID:SECRET` pairs separated by commas, a secret in base64 of 32 bytes or more. The first signs.
    pub keys: EnvKey,
    /// Headers that every request gets, for senders that cannot send their own: `x-scope-impersonate: "true"`.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
}
