//! Ports, routes and upstreams in Istio's words.

use std::collections::BTreeMap;

use super::LABEL;
use super::mesh::Upstream;
use crate::gateway::{Cluster, Endpoint, Gateway, ListenerTls, Name, PathMatch, Route};
use crate::render::envoy::{one, seconds, texts};
use crate::render::manifests::{NAME, Object, object, secret_of};
use crate::yaml::{Fields, Yaml};

const API: &str = "networking.istio.io/v1";
/// Istio's word for the authorities of the system.
const SYSTEM: &str = "system";

/// Gateway, routes, and what there is to say of upstreams.
pub(super) fn objects(
    gateway: &Gateway,
    upstreams: &BTreeMap<String, Upstream>,
    namespace: &str,
) -> Result<Vec<Object>, String> {
    let servers = gateway.listeners.iter().map(server).collect::<Result<Vec<_>, _>>()?;
    let selector = Fields::new().with(LABEL.0, LABEL.1);
    let spec = Fields::block().with("selector", selector).with("servers", servers);
    let mut objects = vec![object("", API, "Gateway", namespace, NAME).with("spec", spec)];
    objects.extend(gateway.hosts.iter().map(|host| {
        let known = |route: &Route| upstreams.get(&route.cluster);
        let routes: Vec<Fields> = host
            .routes
            .iter()
            .enumerate()
            .filter_map(|(index, route)| Some(http(&route_name(&host.name, index), route, known(route)?)))
            .flatten()
            .collect();
        let spec = Fields::block()
            .with("hosts", texts(&host.domains))
            .with("gateways", texts(&[NAME.to_owned()]))
            .with("http", routes);
        let name = format!("{NAME}-{}", host.name);
        object("", API, "VirtualService", namespace, &name).with("spec", spec)
    }));
    for cluster in gateway.clusters.iter().filter(|cluster| cluster.is_backend) {
        let Some(upstream) = upstreams.get(&cluster.name) else { continue };
        if upstream.is_outside {
            objects.push(service_entry(cluster, upstream, namespace));
        }
        objects.push(destination_rule(cluster, upstream, namespace));
    }
    Ok(objects)
}

/// What Istio has no words for, for each route by its name.
pub(super) fn routes(gateway: &Gateway) -> Vec<(String, Fields)> {
    let mut all = Vec::new();
    for host in &gateway.hosts {
        for (index, route) in host.routes.iter().enumerate() {
            let backend = Fields::new().with("scopegate", Fields::new().with("backend", &route.backend));
            let value = Fields::new().with("metadata", Fields::new().with("filter_metadata", backend)).maybe(
                "route",
                route.idle_timeout.map(|time| Fields::new().with("idle_timeout", seconds(time))),
            );
            let name = route_name(&host.name, index);
            if is_retried(route) {
                all.push((read_name(&name), value.clone()));
            }
            all.push((name, value));
        }
    }
    all
}

fn route_name(host: &str, index: usize) -> String {
    format!("{host}-{}", index + 1)
}

fn read_name(name: &str) -> String {
    format!("{name}-read")
}

fn is_retried(route: &Route) -> bool {
    route.retries.as_ref().is_some_and(|retries| retries.max > 0)
}

fn server(listener: &crate::gateway::Listener) -> Result<Fields, String> {
    let protocol = if listener.tls.is_some() { "HTTPS" } else { "HTTP" };
    let port = Fields::new()
        .with("number", listener.address.port())
        .with("name", &listener.name)
        .with("protocol", protocol);
    Ok(Fields::block()
        .with("port", port)
        .with("hosts", texts(&["*".to_owned()]))
        .maybe("tls", listener.tls.as_ref().map(tls).transpose()?))
}

/// A certificate comes out of a Secret, whose name is the folder that it would be mounted at.
fn tls(tls: &ListenerTls) -> Result<Fields, String> {
    let secret = secret_of(&tls.certificate.certificate)?;
    let mode = match (&tls.client_ca, tls.require_client_certificate) {
        (None, _) => "SIMPLE",
        (Some(_), false) => "OPTIONAL_MUTUAL",
        (Some(_), true) => "MUTUAL",
    };
    Ok(Fields::new().with("mode", mode).told(
        "A Secret of this namespace with `tls.crt` and `tls.key`, and `ca.crt` for the authority of clients.",
        "credentialName",
        secret,
    ))
}

/// One route, or two where reads are tried again. Istio would try writes again too, so it is told never to.
fn http(name: &str, route: &Route, upstream: &Upstream) -> Vec<Fields> {
    let uri = match &route.path {
        PathMatch::Exact(path) => Fields::new().with("exact", path),
        PathMatch::Below(path) => Fields::new().with("prefix", path),
    };
    let rewrite =
        Fields::new().maybe("uri", route.rewrite.as_deref()).maybe("authority", route.authority.as_deref());
    let port = Fields::new().with("number", upstream.port);
    let destination = Fields::new().with("host", &upstream.host).with("port", port);
    let all = |name: &str, matching: Fields, retries: Fields| {
        Fields::block()
            .with("name", name)
            .with("match", one(matching))
            .maybe("rewrite", (!rewrite.is_empty()).then(|| rewrite.clone()))
            .with("route", one(Fields::new().with("destination", destination.clone())))
            .with("timeout", seconds(route.timeout))
            .with("retries", retries)
    };
    let matching = Fields::new().with("uri", uri);
    let mut routes = Vec::new();
    if let Some(retries) = route.retries.as_ref().filter(|retries| retries.max > 0) {
        let get = matching.clone().with("method", Fields::new().with("exact", "GET"));
        let policy = Fields::new()
            .with("attempts", retries.max)
            .with("retryOn", "connect-failure,refused-stream,reset,gateway-error")
            .maybe("perTryTimeout", route.response_timeout.map(seconds));
        routes.push(all(&read_name(name), get, policy));
    }
    routes.push(all(name, matching, Fields::new().with("attempts", 0_u32)));
    routes
}

fn service_entry(cluster: &Cluster, upstream: &Upstream, namespace: &str) -> Object {
    let is_static = cluster.endpoints.iter().all(|endpoint| endpoint.ip().is_some());
    let is_named = matches!(cluster.endpoints.as_slice(), [endpoint] if endpoint.ip().is_none());
    let protocol = if cluster.http2 { "HTTP2" } else { "HTTP" };
    let name = protocol.to_ascii_lowercase();
    let port = Fields::new().with("number", upstream.port).with("name", &name).with("protocol", protocol);
    let endpoint = |endpoint: &Endpoint| {
        let ports = Fields::new().with(&name, endpoint.port);
        Yaml::from(Fields::new().with("address", &endpoint.host).with("ports", ports))
    };
    let endpoints: Vec<Yaml> = cluster.endpoints.iter().map(endpoint).collect();
    let spec = Fields::block()
        .with("hosts", texts(std::slice::from_ref(&upstream.host)))
        .with("ports", one(port))
        .with("location", "MESH_EXTERNAL")
        .with("resolution", if is_static { "STATIC" } else { "DNS" })
        .maybe("endpoints", (!is_named).then_some(endpoints));
    let comment = "Outside of the mesh. No policy here keeps others from it: that is for whoever runs it.";
    object(comment, API, "ServiceEntry", namespace, &format!("{NAME}-{}", cluster.name)).with("spec", spec)
}

fn destination_rule(cluster: &Cluster, upstream: &Upstream, namespace: &str) -> Object {
    let tcp = Fields::new().with("connectTimeout", seconds(cluster.connect_timeout));
    let http = Fields::new()
        .with("http1MaxPendingRequests", cluster.max_requests)
        .told(
            "Every part of a split request counts here: connections times tenants per request, over all workers.",
            "http2MaxRequests",
            cluster.max_requests,
        )
        .with("maxRetries", 256_u32)
        .maybe("idleTimeout", cluster.idle_timeout.map(seconds));
    // What a backend answers by itself does not count: a tenant could bring that about for all others.
    let outliers = Fields::new()
        .with("splitExternalLocalOriginErrors", true)
        .with("consecutiveLocalOriginFailures", 3_u32)
        .with("consecutive5xxErrors", 0_u32)
        .with("consecutiveGatewayErrors", 0_u32)
        .with("baseEjectionTime", "10s")
        .with("maxEjectionPercent", 50_u32);
    let tls = cluster.tls.as_ref().map(|tls| {
        let (sni, name) = match &tls.name {
            Name::Dns(name) => (Some(name.as_str()), name),
            Name::Address(address) => (None, address),
        };
        let authorities = if tls.ca.starts_with("/etc/ssl/") { SYSTEM } else { &tls.ca };
        let mode = if tls.certificate.is_some() { "MUTUAL" } else { "SIMPLE" };
        Fields::new()
            .with("mode", mode)
            .maybe("sni", sni)
            .with("subjectAltNames", texts(std::slice::from_ref(name)))
            .with("caCertificates", authorities)
            .maybe("clientCertificate", tls.certificate.as_ref().map(|pair| pair.certificate.as_str()))
            .maybe("privateKey", tls.certificate.as_ref().map(|pair| pair.key.as_str()))
    });
    let policy = Fields::block()
        .with("connectionPool", Fields::block().with("tcp", tcp).with("http", http))
        .with("outlierDetection", outliers)
        .maybe("tls", tls);
    let spec = Fields::block().with("host", &upstream.host).with("trafficPolicy", policy);
    object("", API, "DestinationRule", namespace, &format!("{NAME}-{}", cluster.name)).with("spec", spec)
}
