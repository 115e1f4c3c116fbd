//! Listeners: each with one HTTP connection manager, its filters in order, and routes.

use serde_json::{Value, json};

use super::{push, socket_address};

/// A listener. Both protocols are accepted in clear text, HTTP/2 with prior knowledge, trailers in both.
#[derive(Debug, Clone)]
#[must_use]
pub struct Listener {
    name: String,
    manager: Value,
    filters: Vec<Value>,
    routes: Vec<Value>,
    buffer_limit: Option<u32>,
    transport_socket: Option<Value>,
    internal: bool,
}

impl Listener {
    /// A listener on a free port of the loopback interface.
    pub fn new(name: &str) -> Self {
        let manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "codec_type": "AUTO",
            "http_protocol_options": {"enable_trailers": true, "accept_http_10": true},
            "http2_protocol_options": {"allow_connect": true},
            "stream_idle_timeout": "20s",
            "common_http_protocol_options": {"idle_timeout": "60s", "max_stream_duration": "30s"},
        });
        Self {
            name: name.to_owned(),
            manager,
            filters: Vec::new(),
            routes: Vec::new(),
            buffer_limit: None,
            transport_socket: None,
            internal: false,
        }
    }

    /// A listener that only a cluster of the same Envoy can reach (`Cluster::internal`).
    pub fn internal(name: &str) -> Self {
        Self { internal: true, ..Self::new(name) }
    }

    /// Adds an HTTP filter after those added before. The router comes last by itself.
    pub fn filter(mut self, filter: Value) -> Self {
        self.filters.push(filter);
        self
    }

    /// Adds a route: every path that begins with `prefix` goes to `cluster`.
    pub fn route(self, prefix: &str, cluster: &str) -> Self {
        self.raw_route(route(prefix, cluster))
    }

    /// Adds a route as Envoy's `Route` message; [`route`] is a start for one.
    pub fn raw_route(mut self, route: Value) -> Self {
        self.routes.push(route);
        self
    }

    /// Sets how many bytes are buffered at most (`per_connection_buffer_limit_bytes`; Envoy's default is 1 MiB).
    pub fn buffer_limit(mut self, bytes: u32) -> Self {
        self.buffer_limit = Some(bytes);
        self
    }

    /// Sets how long a stream may live (30 s unless said otherwise) and be idle (20 s), as `1.5s`.
    pub fn durations(mut self, longest: &str, idle: &str) -> Self {
        self.manager["common_http_protocol_options"]["max_stream_duration"] = json!(longest);
        self.manager["stream_idle_timeout"] = json!(idle);
        self
    }

    /// Sets the transport socket, for TLS.
    pub fn transport_socket(mut self, socket: Value) -> Self {
        self.transport_socket = Some(socket);
        self
    }

    /// Writes a JSON line for each request to standard output, of these names and format strings.
    pub fn access_log(self, fields: &[(&str, &str)]) -> Self {
        let format: serde_json::Map<_, _> =
            fields.iter().map(|(name, format)| ((*name).to_owned(), json!(format))).collect();
        self.manager(
            "access_log",
            json!([{
                "name": "envoy.access_loggers.stdout",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
                    "log_format": {"json_format": format}
                }
            }]),
        )
    }

    /// Sets a field of the HTTP connection manager.
    pub fn manager(mut self, field: &str, value: Value) -> Self {
        self.manager[field] = value;
        self
    }

    pub(super) fn into_value(mut self) -> Value {
        self.filters.push(json!({
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
        }));
        self.manager["http_filters"] = Value::Array(self.filters);
        self.manager["route_config"] = json!({
            "name": self.name,
            "virtual_hosts": [{"name": self.name, "domains": ["*"], "routes": self.routes}]
        });
        let mut chain = json!({"filters": []});
        push(
            &mut chain["filters"],
            json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": self.manager}),
        );
        if let Some(socket) = self.transport_socket {
            chain["transport_socket"] = socket;
        }
        let mut listener = json!({"name": self.name, "filter_chains": [chain]});
        if self.internal {
            listener["internal_listener"] = json!({});
        } else {
            listener["address"] = socket_address("127.0.0.1", 0);
        }
        if let Some(bytes) = self.buffer_limit {
            listener["per_connection_buffer_limit_bytes"] = json!(bytes);
        }
        listener
    }
}

/// The route of every path that begins with `prefix` to `cluster`, without a retry, for at most 25 s.
pub fn route(prefix: &str, cluster: &str) -> Value {
    json!({"match": {"prefix": prefix}, "route": {"cluster": cluster, "timeout": "25s"}})
}
