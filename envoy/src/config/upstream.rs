//! What stands behind Envoy.

use schemars::JsonSchema;
use scopegate_core::config::{Count, Millis, OneOrMany, Text};

use super::{Node, ReadResult, Shape};

/// A service behind Envoy, or one component of it. Requests go round robin to all addresses of all its names.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamConfig {
    /// `http://distributor:9009`, `https://cortex.example.org`, `http://[fd00::7]:9009`, or several of one scheme and path. A path
    /// (`http://proxy/cortex`) is put before that of the request.
    pub(crate) url: OneOrMany,
    /// The backend whose requests it takes. Without one it is only for tables and `calls.cluster`.
    pub(crate) backend: Option<Text>,
    /// The component of that backend, which says the paths it takes: `distributor`, `frontend`, `ruler`, `alertmanager` (cortex,
    /// mimir, loki: those they have). By default it takes all that no other upstream of its backend takes.
    pub(crate) component: Option<Text>,
    /// The paths it takes, in place of its component's. One with a slash at its end is everything below.
    #[serde(default)]
    pub(crate) paths: Vec<Text>,
    /// The `Host` that it is told; by default that of its URL where that is `https`, else what the caller said.
    pub(crate) authority: Option<Text>,
    /// How often its names are asked for their addresses; by default 5s.
    pub(crate) dns_refresh: Option<Millis>,
    /// Which addresses of its names count; by default `all`.
    #[serde(default)]
    pub(crate) addresses: Addresses,
    /// How long a connection may take, with the TLS handshake; by default 2s.
    pub(crate) connect_timeout: Option<Millis>,
    /// How long a request to it may take in all, with its retries; by default 120s. Then it is answered 504.
    pub(crate) timeout: Option<Millis>,
    /// How long an answer may take to begin; each retry has that time again. By default only `timeout` counts.
    pub(crate) response_timeout: Option<Millis>,
    /// How long a connection without a request is kept; by default 1h. Less than the server keeps it.
    pub(crate) idle_timeout: Option<Millis>,
    /// How often a read is tried again, at another address; by default 2, and 0 means never. Writes are never tried again here:
    /// their senders do, and parts of split ones by `write.BACKEND.calls.retries`. Neither is what changes something.
    pub(crate) retries: Option<Count>,
    /// How Envoy asks each address whether it is well. By default at the path that backends of its kind have for that.
    pub(crate) health: Option<HealthConfig>,
    /// How a server by `https` is known, and what is shown to it. By default the system's authorities, and the name in the URL.
    pub(crate) tls: Option<UpstreamTlsConfig>,
    /// What Envoy adds to prove who it is. The filter never sees it.
    pub(crate) credential: Option<CredentialConfig>,
    /// Speaks HTTP/2 to it, also without TLS. By default HTTP/1.1.
    #[serde(default)]
    pub(crate) http2: bool,
    /// How many requests may be under way to it, over all workers, each part of a split one counted; by default 8192. Beyond it
    /// they are answered 503.
    pub(crate) max_requests: Option<Count>,
}

/// Which addresses of a name count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Shape, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Addresses {
    /// Those of IPv4 and of IPv6 alike.
    #[default]
    All,
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
}

/// How an address is asked whether it is well: `none`, or an object.
#[derive(Clone, Debug)]
pub(crate) enum HealthConfig {
    /// It is not.
    None,
    /// By a request.
    Check(HealthCheckConfig),
}

/// A request by which an address is asked whether it is well. It is, with a 200.
#[derive(Clone, Debug, Default, Shape, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HealthCheckConfig {
    /// The path, such as `/ready`; by default that of the backend's kind.
    pub(crate) path: Option<Text>,
    /// How often; by default 10s.
    pub(crate) interval: Option<Millis>,
    /// How long an answer may take; by default 2s.
    pub(crate) timeout: Option<Millis>,
}

impl Shape for HealthConfig {
    fn blank() -> Self {
        Self::None
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        if node.value().as_str() == Some("none") {
            *self = Self::None;
            return Ok(());
        }
        if !node.value().is_object() {
            return Err(node.expected("`none` or an object such as {path: /ready, interval: 10s}"));
        }
        let mut check = HealthCheckConfig::blank();
        check.read(node)?;
        *self = Self::Check(check);
        Ok(())
    }
}

impl JsonSchema for HealthConfig {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "health".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let check = generator.subschema_for::<HealthCheckConfig>();
        schemars::json_schema!({"anyOf": [{"const": "none", "type": "string"}, check]})
    }
}

/// TLS to a server.
#[derive(Clone, Debug, Default, Shape, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UpstreamTlsConfig {
    /// The file of the authorities that sign its certificate (PEM); by default `/etc/ssl/certs/ca-certificates.crt`.
    pub(crate) ca: Option<Text>,
    /// The name that is asked for (SNI) and that the certificate must have; by default the host of the URL. Needed where
    /// several names stand there.
    pub(crate) sni: Option<Text>,
    /// The file of the certificate that Envoy shows (PEM), with `key`. Read anew when it is replaced.
    pub(crate) certificate: Option<Text>,
    /// The file of its key (PEM).
    pub(crate) key: Option<Text>,
}

/// What Envoy adds to requests: exactly one of these. The file is read anew when it is replaced (also as Kubernetes does it).
#[derive(Clone, Debug, Default, Shape, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CredentialConfig {
    /// A file with a token, for `Authorization: Bearer`.
    pub(crate) bearer_file: Option<Text>,
    /// A file with `NAME:PASSWORD` in base64, without a newline at its end, for `Authorization: Basic`.
    pub(crate) basic_file: Option<Text>,
}
