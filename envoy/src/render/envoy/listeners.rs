//! What Envoy listens on.

use super::{address, extension, one, seconds, texts, typed};
use crate::gateway::{Gateway, Listener, ListenerTls, Operations};
use crate::render::Module;
use crate::yaml::{Fields, Yaml};

const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// A port for the callers, with the filters and routes.
pub(crate) fn listener(gateway: &Gateway, listener: &Listener, module: &Module) -> Fields {
    let chain = Fields::block()
        .with("filters", one(manager(gateway, listener, module)))
        .maybe("transport_socket", listener.tls.as_ref().map(|tls| transport_socket(&listener.name, tls)));
    Fields::block()
        .with("name", &listener.name)
        .with("address", address(listener.address))
        .told(
            "What a held body, or an answer that is narrowed, may take: at least `limits.request_bytes` and\n\
             `limits.response_bytes` of the filter.",
            "per_connection_buffer_limit_bytes",
            gateway.filter.held_bytes,
        )
        .with("filter_chains", one(chain))
}

/// The connection manager of such a port.
pub(crate) fn manager(gateway: &Gateway, listener: &Listener, module: &Module) -> Fields {
    let idle = listener.idle_timeout.map(|time| Fields::new().with("idle_timeout", seconds(time)));
    let hops = (listener.trusted_hops > 0).then_some(listener.trusted_hops);
    let routes = Fields::block()
        .with("name", &listener.name)
        .told("A port in the `Host` matters to nobody.", "ignore_port_in_host_matching", true)
        .told(
            "The metadata tells the filter which backend it is, whatever else a client says.",
            "virtual_hosts",
            super::virtual_hosts(&gateway.hosts),
        );
    let manager = Fields::new()
        .with("stat_prefix", &listener.name)
        .with("use_remote_address", true)
        .maybe("xff_num_trusted_hops", hops)
        .told(
            "Ends what waits for nothing any more, such as a request that was held when the filter's VM\n\
             failed. Longer than the calls of the filter may take; routes may allow more, and never all.",
            "stream_idle_timeout",
            seconds(gateway.stream_idle_timeout),
        )
        .with("request_headers_timeout", "10s")
        .told(
            "Clearly more than a sender's own timeout: Envoy answers 408, and Prometheus would drop its batch.",
            "request_timeout",
            seconds(listener.request_timeout),
        )
        .maybe("common_http_protocol_options", idle)
        .with("access_log", one(access_log()))
        .with("route_config", routes)
        .with("http_filters", super::filters(gateway, module));
    extension("envoy.filters.network.http_connection_manager", MANAGER, manager)
}

fn access_log() -> Fields {
    let format = Fields::block()
        .with("time", "%START_TIME%")
        .with("method", "%REQ(:METHOD)%")
        .with("path", "%REQ(:PATH)%")
        .with("scopegate", "%FILTER_STATE(wasm.scopegate:PLAIN)%")
        .with("status", "%RESPONSE_CODE%")
        .with("details", "%RESPONSE_CODE_DETAILS%")
        .with("duration_ms", "%DURATION%")
        .with("upstream", "%UPSTREAM_HOST%");
    extension(
        "envoy.access_loggers.stdout",
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        Fields::new().with("log_format", Fields::new().with("json_format", format)),
    )
}

fn transport_socket(name: &str, tls: &ListenerTls) -> Fields {
    let certificate = super::secrets::reference(&super::secrets::certificate(name));
    let authority =
        tls.client_ca.as_ref().map(|_| super::secrets::reference(&super::secrets::authority(name)));
    let common = Fields::new()
        .with("alpn_protocols", texts(&["h2".to_owned(), "http/1.1".to_owned()]))
        .with("tls_certificate_sds_secret_configs", one(certificate))
        .maybe("validation_context_sds_secret_config", authority);
    let context = Fields::new()
        .maybe("require_client_certificate", tls.client_ca.as_ref().map(|_| tls.require_client_certificate))
        .with("common_tls_context", common);
    extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        context,
    )
}

/// The port for who runs the gateway: readiness by itself, the rest out of the admin interface, and nothing else of it.
pub(crate) fn operations(gateway: &Gateway, operations: Operations) -> Fields {
    let exact = |path: &str, told: &str| {
        Fields::block()
            .with("match", Fields::new().with("path", path))
            .with("route", Fields::new().with("cluster", super::clusters::ADMIN).with("prefix_rewrite", told))
    };
    let routes = vec![exact("/metrics", "/stats/prometheus"), exact("/heap", "/heap_dump")];
    let host = Fields::block()
        .with("name", "operations")
        .with("domains", texts(&["*".to_owned()]))
        .with("routes", routes);
    let path =
        Fields::new().with("name", ":path").with("string_match", Fields::new().with("exact", "/ready"));
    // One address of each is enough to serve.
    let backends = gateway.clusters.iter().filter(|cluster| cluster.is_backend);
    let clusters = backends
        .fold(Fields::new(), |all, cluster| all.with(&cluster.name, Fields::new().with("value", 1_u32)));
    let ready = Fields::new().with("pass_through_mode", false).with("headers", one(path)).told(
        "Every one of these has an address that is well.",
        "cluster_min_healthy_percentages",
        clusters,
    );
    let filters = vec![
        extension(
            "envoy.filters.http.health_check",
            "envoy.extensions.filters.http.health_check.v3.HealthCheck",
            ready,
        ),
        extension(
            "envoy.filters.http.router",
            "envoy.extensions.filters.http.router.v3.Router",
            Fields::new(),
        ),
    ];
    let manager = Fields::new()
        .with("stat_prefix", "operations")
        .with("route_config", Fields::block().with("name", "operations").with("virtual_hosts", one(host)))
        .with("http_filters", filters);
    let filter = Fields::new()
        .with("name", "envoy.filters.network.http_connection_manager")
        .with("typed_config", typed(MANAGER, manager));
    Fields::block()
        .told("For who runs the gateway. Keep callers from it by the network.", "name", "operations")
        .with("address", address(operations.address))
        .with("filter_chains", Yaml::from(vec![Fields::block().with("filters", one(filter))]))
}
