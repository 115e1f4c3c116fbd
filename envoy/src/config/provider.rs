//! Whose tokens Envoy verifies.

use schemars::JsonSchema;
use scopegate_core::config::{OneOrMany, Text};

use super::{Shape, UpstreamTlsConfig};

/// An issuer of tokens (JWT). Envoy's `jwt_authn` verifies them before the filter: signature, issuer, audience, time.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityProviderConfig {
    /// The `iss` of its tokens, to the letter.
    pub(crate) issuer: Text,
    /// The audiences (`aud`) of which a token must have one. By default any, so that a token for another service is good here
    /// too: name one.
    #[serde(default)]
    pub(crate) audiences: OneOrMany,
    /// Where its public keys are.
    pub(crate) jwks: JwksConfig,
    /// Headers in which a token may stand, besides `Authorization: Bearer`: Grafana's `X-Id-Token`.
    #[serde(default)]
    pub(crate) headers: Vec<Text>,
}

/// Where public keys are: exactly one of `url` and `file`.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwksConfig {
    /// Fetched from there, kept for five minutes, and fetched again before they end.
    pub(crate) url: Option<Text>,
    /// How the server of `url` is known, where that is `https`.
    pub(crate) tls: Option<UpstreamTlsConfig>,
    /// A file with a JSON Web Key Set, read when Envoy starts.
    pub(crate) file: Option<Text>,
}
