//! Clusters.

use super::{address, extension, one, seconds, socket, typed};
use crate::config::Addresses;
use crate::gateway::{Cluster, Credential, Endpoint, Health, Name, Operations, UpstreamTls};
use crate::yaml::{Fields, Yaml};

/// The cluster that is Envoy's own admin interface.
pub(super) const ADMIN: &str = "scopegate-admin";

/// The cluster of an upstream, or of what is fetched.
pub(crate) fn cluster(cluster: &Cluster) -> Fields {
    let is_static = cluster.endpoints.iter().all(|endpoint| endpoint.ip().is_some());
    let fields = Fields::block().with("name", &cluster.name);
    let fields = if is_static { fields.with("type", "STATIC") } else { fields.and(names(cluster)) };
    let fields = fields
        .with("connect_timeout", seconds(cluster.connect_timeout))
        .with("load_assignment", load_assignment(cluster));
    let fields = if cluster.is_backend { fields.and(limits(cluster)) } else { fields };
    fields
        .maybe(
            "health_checks",
            cluster.health.as_ref().map(|health| one(health_check(health, cluster.http2))),
        )
        .maybe("outlier_detection", cluster.is_backend.then(outlier_detection))
        .maybe("transport_socket", cluster.tls.as_ref().map(|tls| transport_socket(cluster, tls)))
        .maybe("typed_extension_protocol_options", protocol_options(cluster))
}

/// How the addresses of names are found: all of them, again and again.
fn names(cluster: &Cluster) -> Fields {
    let family = match cluster.addresses {
        Addresses::All => "ALL",
        Addresses::Ipv4 => "V4_ONLY",
        Addresses::Ipv6 => "V6_ONLY",
    };
    let dns = Fields::new()
        .with("dns_lookup_family", family)
        .maybe("dns_refresh_rate", cluster.dns_refresh.map(seconds));
    let dns = extension("envoy.clusters.dns", "envoy.extensions.clusters.dns.v3.DnsCluster", dns);
    let fields = Fields::new().with("cluster_type", dns);
    match &cluster.health {
        Some(_) => fields.told(
            "Who is at an address that the name has no more may be somebody else, and well.",
            "ignore_health_on_host_removal",
            true,
        ),
        None => fields,
    }
}

fn load_assignment(cluster: &Cluster) -> Fields {
    let endpoint = |endpoint: &Endpoint| {
        let address = Fields::new().with("socket_address", socket(&endpoint.host, endpoint.port));
        Yaml::from(Fields::new().with("endpoint", Fields::new().with("address", address)))
    };
    let endpoints = cluster.endpoints.iter().map(endpoint).collect::<Vec<_>>();
    Fields::new()
        .with("cluster_name", &cluster.name)
        .with("endpoints", one(Fields::new().with("lb_endpoints", endpoints)))
}

fn limits(cluster: &Cluster) -> Fields {
    let thresholds = Fields::new()
        .with("max_requests", cluster.max_requests)
        .with("max_pending_requests", cluster.max_requests)
        .with("max_retries", 256_u32);
    Fields::new().told(
        "Every part of a split request counts here: connections times tenants per request, over all workers.",
        "circuit_breakers",
        Fields::new().with("thresholds", one(thresholds)),
    )
}

fn health_check(health: &Health, http2: bool) -> Fields {
    let check = Fields::new()
        .with("path", &health.path)
        .with("host", &health.authority)
        .maybe("codec_client_type", http2.then_some("HTTP2"));
    Fields::new()
        .with("http_health_check", check)
        .with("interval", seconds(health.interval))
        .with("timeout", seconds(health.timeout))
        .with("unhealthy_threshold", 2_u32)
        .with("healthy_threshold", 1_u32)
        // Without traffic Envoy would ask once a minute.
        .with("no_traffic_interval", seconds(health.interval))
        .with("no_traffic_healthy_interval", seconds(health.interval))
}

fn outlier_detection() -> Fields {
    Fields::new()
        .told(
            "Sets an address aside for a while that cannot be reached, or has nobody behind it. What a backend answers by\n\
             itself does not count: a tenant could bring that about for all others.",
            "split_external_local_origin_errors",
            true,
        )
        .with("consecutive_local_origin_failure", 3_u32)
        .with("enforcing_consecutive_5xx", 0_u32)
        .with("enforcing_consecutive_gateway_failure", 0_u32)
        .with("enforcing_success_rate", 0_u32)
        .with("enforcing_local_origin_success_rate", 0_u32)
        .with("base_ejection_time", "10s")
        .with("max_ejection_time", "60s")
        .with("max_ejection_percent", 50_u32)
}

fn transport_socket(cluster: &Cluster, tls: &UpstreamTls) -> Fields {
    let (sni, kind, name) = match &tls.name {
        Name::Dns(name) => (Some(name.as_str()), "DNS", name),
        Name::Address(address) => (None, "IP_ADDRESS", address),
    };
    let san = Fields::new().with("san_type", kind).with("matcher", Fields::new().with("exact", name));
    let validation = Fields::new()
        .with("trusted_ca", Fields::new().with("filename", &tls.ca))
        .with("match_typed_subject_alt_names", one(san));
    let certificate = tls
        .certificate
        .as_ref()
        .map(|_| one(super::secrets::reference(&super::secrets::certificate(&cluster.name))));
    let alpn = cluster.http2.then(|| super::texts(&["h2".to_owned()]));
    let common = Fields::new()
        .maybe("alpn_protocols", alpn)
        .maybe("tls_certificate_sds_secret_configs", certificate)
        .with("validation_context", validation);
    extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        Fields::new().maybe("sni", sni).with("common_tls_context", common),
    )
}

fn protocol_options(cluster: &Cluster) -> Option<Fields> {
    let idle = cluster.idle_timeout.map(|time| Fields::new().with("idle_timeout", seconds(time)));
    let filters = cluster.credential.as_ref().map(|credential| {
        let codec = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec";
        vec![
            injector(cluster, credential),
            extension("envoy.filters.http.upstream_codec", codec, Fields::new()),
        ]
    });
    if idle.is_none() && filters.is_none() && !cluster.http2 {
        return None;
    }
    let protocol = if cluster.http2 { "http2_protocol_options" } else { "http_protocol_options" };
    let kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let options = Fields::new()
        .maybe("common_http_protocol_options", idle)
        .with("explicit_http_config", Fields::new().with(protocol, Fields::new()))
        .maybe("http_filters", filters);
    Some(Fields::new().with(kind, typed(kind, options)))
}

fn injector(cluster: &Cluster, credential: &Credential) -> Fields {
    let generic = Fields::new()
        .told(
            "Through a file of its own: a secret that stands right here is read once and never again.",
            "credential",
            super::secrets::reference(&super::secrets::credential(&cluster.name)),
        )
        .with("header", "authorization")
        .with("header_value_prefix", format!("{} ", credential.scheme));
    let injected = extension(
        "envoy.http.injected_credentials.generic",
        "envoy.extensions.http.injected_credentials.generic.v3.Generic",
        generic,
    );
    extension(
        "envoy.filters.http.credential_injector",
        "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        Fields::new().with("overwrite", true).with("credential", injected),
    )
}

/// Envoy's own admin interface, for the port of operations.
pub(crate) fn admin(operations: Operations) -> Fields {
    let endpoint = Fields::new().with("address", address(operations.admin));
    let assignment = Fields::new().with("cluster_name", ADMIN).with(
        "endpoints",
        one(Fields::new().with("lb_endpoints", one(Fields::new().with("endpoint", endpoint)))),
    );
    Fields::block().with("name", ADMIN).with("type", "STATIC").with("load_assignment", assignment)
}

/// Where the module is fetched from.
pub(crate) fn module(url: &str) -> Result<Fields, String> {
    let fetching = crate::gateway::fetching(super::filters::MODULE_CLUSTER, url);
    fetching.map(|fetching| cluster(&fetching)).map_err(|problem| problem.message)
}
