//! What Envoy listens on.

use schemars::JsonSchema;
use scopegate_core::config::{Count, Millis, Text};

use super::Shape;

/// A port for the callers. All of them lead through the filter, to the same backends.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerConfig {
    /// Its name in logs and statistics; by default `gateway`.
    pub(crate) name: Option<Text>,
    /// An IP address with a port: `"0.0.0.0:8080"`, `"[::]:8443"` (which takes IPv4 as well).
    pub(crate) address: Text,
    /// TLS. By default none: then what is before this Envoy must keep passwords and tokens from being read.
    pub(crate) tls: Option<ListenerTlsConfig>,
    /// How long a caller may take to send a request with its body; by default 120s. Clearly more than a sender's own timeout
    /// (Prometheus' `remote_timeout` is 30s): Envoy answers 408, and Prometheus drops its batch for that.
    pub(crate) request_timeout: Option<Millis>,
    /// How long a connection without a request is kept; by default 1h.
    pub(crate) idle_timeout: Option<Millis>,
    /// How many proxies stand before this Envoy that add to `X-Forwarded-For`; by default none, and the address of the
    /// connection is the client's.
    pub(crate) trusted_hops: Option<Count>,
}

/// TLS of a listener. The files are read anew when they are replaced (also as Kubernetes does it), so that a certificate is
/// renewed without a restart.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerTlsConfig {
    /// The file of the certificate chain (PEM).
    pub(crate) certificate: Text,
    /// The file of its key (PEM).
    pub(crate) key: Text,
    /// The file of the authorities that sign the certificates of clients (PEM). Without it no client is asked for one.
    pub(crate) client_ca: Option<Text>,
    /// Refuses connections without a client's certificate. By default one that is there must be good.
    #[serde(default)]
    pub(crate) require_client_certificate: bool,
}

/// A port for who runs the gateway: `/metrics` (for Prometheus), `/ready` (200 only while every upstream with a backend has a
/// healthy address, and Envoy is not draining), `/heap` (the heap's profile). No tenant's path leads there, and no path of it
/// is on the callers' ports; keep it from callers by the network. Envoy's own admin interface stays on the loopback address.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperationsConfig {
    /// An IP address with a port: `"0.0.0.0:9902"`.
    pub(crate) address: Text,
    /// Where Envoy's admin interface is; by default `127.0.0.1:9901`. It can do everything, so it must be a loopback address.
    pub(crate) admin: Option<Text>,
}
