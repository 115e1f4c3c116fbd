//! Clusters: upstream servers, or the way back into an internal listener.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::socket_address;

/// An upstream cluster of one host, its circuit breakers raised.
#[derive(Debug, Clone)]
#[must_use]
pub struct Cluster {
    value: Value,
}

impl Cluster {
    /// Speaks HTTP/1.1 to `address`.
    pub fn http1(name: &str, address: SocketAddr) -> Self {
        let endpoint = socket_address(&address.ip().to_string(), address.port());
        Self::new(name, &endpoint, &json!({"http_protocol_options": {"enable_trailers": true}}))
    }

    /// Speaks HTTP/2 to `address`, without TLS.
    pub fn http2(name: &str, address: SocketAddr) -> Self {
        let endpoint = socket_address(&address.ip().to_string(), address.port());
        Self::new(name, &endpoint, &json!({"http2_protocol_options": {}}))
    }

    /// Leads into the internal listener `listener` of the same Envoy.
    pub fn internal(name: &str, listener: &str) -> Self {
        let endpoint =
            json!({"envoy_internal_address": {"server_listener_name": listener, "endpoint_id": name}});
        Self::new(name, &endpoint, &json!({"http2_protocol_options": {}})).set(
            "transport_socket",
            json!({
                "name": "envoy.transport_sockets.internal_upstream",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
                    "transport_socket": {
                        "name": "envoy.transport_sockets.raw_buffer",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
                        }
                    }
                }
            }),
        )
    }

    fn new(name: &str, endpoint: &Value, protocol: &Value) -> Self {
        const MANY: u32 = 1_000_000;
        Self {
            value: json!({
                "name": name,
                "type": "STATIC",
                "connect_timeout": "5s",
                "circuit_breakers": {"thresholds": [{
                    "max_connections": MANY, "max_pending_requests": MANY, "max_requests": MANY, "max_retries": MANY
                }]},
                "load_assignment": {
                    "cluster_name": name,
                    "endpoints": [{"lb_endpoints": [{"endpoint": {"address": endpoint}}]}]
                },
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                        "explicit_http_config": protocol
                    }
                }
            }),
        }
    }

    /// Sets a field of the cluster.
    pub fn set(mut self, field: &str, value: Value) -> Self {
        self.value[field] = value;
        self
    }

    pub(super) fn into_value(self) -> Value {
        self.value
    }
}
