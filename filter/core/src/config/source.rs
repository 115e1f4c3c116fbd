//! Sources of identity besides tokens that Envoy verified and users with passwords: opaque tokens, certificates, headers of
//! a proxy, and nothing at all.

use std::collections::BTreeMap;

use super::caller::{EnvKey, TenantsConfig};
use super::scalar::{OneOrMany, Text};
use super::shape::Shape;

/// Opaque tokens. Only keyed hashes stand here and in the table; `scopegate hash --token` makes them. What looks like a
/// JWT is never taken for one of these: it is for `jwt_authn` to verify.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BearerConfig {
    /// The key of the hashes.
    pub key: EnvKey,
    /// The tokens.
    #[serde(default)]
    pub tokens: Vec<TokenConfig>,
    /// A table (under `tables`, from `http`) with further tokens: the hash leads to
    /// `{"tenants": ["TENANT", …], "claims": {…}}`.
    pub table: Option<Text>,
}

/// One holder of tokens.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// One keyed hash, or several: every one of the tokens is accepted, so that one can be replaced while it is still in
    /// use.
    pub token: OneOrMany,
    /// The holder's tenants, in place of the caller's.
    pub tenants: Option<TenantsConfig>,
}

/// The certificate of a client, as Envoy verified it. Every field that is given must fit; of a list one does. Text stands for
/// itself, and `{NAME}` for one or more of the characters of tenant IDs (in a DNS name: within one label). What it holds
/// is a claim of that name, for `tenants: ["{NAME}"]`.
///
/// Envoy must require and verify the certificate (`require_client_certificate` and a `validation_context` with a
/// `trusted_ca`): under `trust_chain_verification: ACCEPT_UNTRUSTED` a certificate that anybody made looks the same. Of
/// several names of one kind in a certificate only the first counts.
#[derive(Clone, Debug, Default, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CertificateConfig {
    /// The URI in its subject alternative names, such as `spiffe://example.org/agent/{id}`.
    pub uri_san: OneOrMany,
    /// The DNS name there, such as `{id}.agents.example.org`.
    pub dns_san: OneOrMany,
    /// The subject as Envoy writes it (RFC 2253), such as `CN={id},OU=agents,O=Example`.
    pub subject: OneOrMany,
    /// The SHA-256 digest of the whole certificate, in hexadecimal, with or without colons.
    pub sha256: OneOrMany,
}

/// The headers of an authenticating proxy. They count only with all of the proofs that are given; a request that brings one
/// of them without is refused, whatever else it brings. They never go on to the backend.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HeaderConfig {
    /// The claims, and the header that each stands in: `{user: x-auth-user, groups: x-auth-groups}`. One of them is enough
    /// to recognise the request.
    #[serde(default)]
    pub claims: BTreeMap<String, Text>,
    /// Or the certificate of the proxy's own client, in `x-forwarded-client-cert`. It must describe exactly one certificate.
    pub forwarded_certificate: Option<CertificateConfig>,
    /// What proves that the request comes from that proxy.
    pub proof: ProofConfig,
}

/// What proves that a request comes from a proxy. At least one; all that are given must hold.
#[derive(Clone, Debug, Default, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ProofConfig {
    /// The proxy's own certificate, by which it connects.
    pub certificate: Option<CertificateConfig>,
    /// A secret that only the proxy and this filter know.
    pub secret: Option<SharedSecretConfig>,
    /// The addresses that it connects from: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`. Envoy must leave the address of the
    /// connection in the filter state `scopegate.peer` (see `docs/callers.md`), since what it calls the source of a request
    /// may be the word of `X-Forwarded-For`.
    pub address: OneOrMany,
}

/// A secret in a header.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SharedSecretConfig {
    /// The header that carries it. It never goes on.
    pub header: Text,
    /// The environment variable that holds it, or several: every one of the secrets is accepted. At least 16 bytes each.
    pub env: OneOrMany,
}

/// Everybody who brings no credential at all. A request with a credential that is not accepted is never anonymous.
#[derive(Clone, Debug, Default, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AnonymousConfig {}
