//! The `EnvoyFilter`: the filter itself, and what it needs of the proxy around it.

use std::collections::BTreeMap;

use super::mesh::{self, Upstream};
use super::{LABEL, traffic};
use crate::gateway::{Gateway, OUR_OWN};
use crate::render::Module;
use crate::render::envoy::{self, extension, plugin, seconds, texts};
use crate::render::manifests::{NAME, Object, object as made, rooted};
use crate::yaml::{Fields, Yaml};

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
const MANAGER: &str = "envoy.filters.network.http_connection_manager";
const MANAGER_TYPE: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
/// How long the agent may take to fetch the module.
const FETCH: &str = "60s";

/// The whole of it.
pub(super) fn object(
    gateway: &Gateway,
    module: &Module,
    upstreams: &BTreeMap<String, Upstream>,
    namespace: &str,
) -> Result<Object, String> {
    let mut patches = vec![extension_config(gateway, module, upstreams)?, in_the_chain()];
    if gateway.filter.needs_peer {
        patches.push(first(envoy::peer()));
    }
    patches.push(times(gateway));
    patches.extend(gateway.listeners.iter().map(|listener| buffers(gateway, listener.address.port())));
    patches.extend(traffic::routes(gateway).into_iter().map(|(name, route)| named_route(&name, route)));
    // Those that Istio makes itself are its own to fetch from.
    let others =
        gateway.clusters.iter().filter(|known| !known.is_backend && !known.name.starts_with(OUR_OWN));
    patches.extend(others.map(|cluster| added("CLUSTER", rooted(envoy::cluster(cluster)))));
    let selector = Fields::new().with("labels", Fields::new().with(LABEL.0, LABEL.1));
    let spec = Fields::block().with("workloadSelector", selector).with("configPatches", patches);
    let comment = "The filter. Whoever may write an EnvoyFilter in this namespace can take it out again.";
    Ok(made(comment, "networking.istio.io/v1alpha3", "EnvoyFilter", namespace, NAME).with("spec", spec))
}

fn extension_config(
    gateway: &Gateway,
    module: &Module,
    upstreams: &BTreeMap<String, Upstream>,
) -> Result<Fields, String> {
    let plugin = plugin(gateway, mesh::configuration(gateway, upstreams), code(module)?);
    Ok(added("EXTENSION_CONFIG", plugin.into()))
}

/// The code, as the agent understands it. It takes a `remote` source for its own and gives Envoy a file.
fn code(module: &Module) -> Result<Fields, String> {
    let remote = |uri: String, sha256: &str| {
        // Envoy would fetch through this cluster; the agent does not, and without it Istio refuses the whole.
        let http = Fields::new().with("uri", uri).with("cluster", "unused").with("timeout", FETCH);
        Fields::new().told(
            "Fetched by the agent beside the proxy. Where it cannot, the agent denies every request.",
            "remote",
            Fields::new().with("http_uri", http).with("sha256", sha256),
        )
    };
    match module {
        Module::Url { url, sha256 } => Ok(remote(url.clone(), sha256)),
        Module::Image(image) => {
            let digest = image.rsplit_once("@sha256:").map(|(_, digest)| digest);
            let digest = digest.ok_or(
                "name the image by its digest, oci://NAME@sha256:…: whoever can move a tag chooses the code that tells tenants \
                 apart (`scopegate push` prints it)",
            )?;
            // Of an image it is the digest of the manifest.
            Ok(remote(format!("oci://{image}"), digest))
        }
        Module::File(file) if file.starts_with('/') => {
            Ok(Fields::new().with("local", Fields::new().with("filename", file)))
        }
        Module::File(_) => Err(
            "the proxy has no such file: give an image `--wasm oci://NAME@sha256:…`, a URL with --sha256, \
                               or the whole path of a file that the proxy's own image has"
                .to_owned(),
        ),
    }
}

/// Before the router, so behind what verifies tokens and refuses requests.
fn in_the_chain() -> Fields {
    let source = Fields::new()
        .with("ads", Fields::new())
        .told("Nothing is served before it is there.", "initial_fetch_timeout", "0s")
        .with("resource_api_version", "V3");
    let discovery = Fields::new().with("config_source", source).told(
        "The second is what the agent puts in its place where the module cannot be fetched: it denies everything.",
        "type_urls",
        texts(&[WASM.to_owned(), RBAC.to_owned()]),
    );
    let value = Fields::new().with("name", NAME).with("config_discovery", discovery);
    let router = Fields::new().with("name", "envoy.filters.http.router");
    let manager = Fields::new().with("name", MANAGER).with("subFilter", router);
    patch("HTTP_FILTER", listener(Fields::new(), Some(manager)), "INSERT_BEFORE", value.into())
}

fn first(filter: Fields) -> Fields {
    patch(
        "HTTP_FILTER",
        listener(Fields::new(), Some(Fields::new().with("name", MANAGER))),
        "INSERT_FIRST",
        filter.into(),
    )
}

fn times(gateway: &Gateway) -> Fields {
    let longest = gateway.listeners.iter().map(|listener| listener.request_timeout).max().unwrap_or_default();
    let idle = gateway.listeners.iter().filter_map(|listener| listener.idle_timeout).max();
    let idle = idle.map(|time| Fields::new().with("idle_timeout", seconds(time)));
    let config = Fields::new()
        .told(
            "Ends what waits for nothing any more, such as a request that was held when the filter's VM failed. Istio's own\n\
             is never.",
            "stream_idle_timeout",
            seconds(gateway.stream_idle_timeout),
        )
        .with("request_headers_timeout", "10s")
        .with("request_timeout", seconds(longest))
        .maybe("common_http_protocol_options", idle);
    let value = extension(MANAGER, MANAGER_TYPE, config);
    patch(
        "NETWORK_FILTER",
        listener(Fields::new(), Some(Fields::new().with("name", MANAGER))),
        "MERGE",
        value.into(),
    )
}

fn buffers(gateway: &Gateway, port: u16) -> Fields {
    let value = Fields::new().told(
        "What a held body, or an answer that is narrowed, may take.",
        "per_connection_buffer_limit_bytes",
        gateway.filter.held_bytes,
    );
    patch("LISTENER", listener(Fields::new().with("portNumber", port), None), "MERGE", value.into())
}

/// The metadata tells the filter which backend it is, whatever else a client says.
fn named_route(name: &str, value: Fields) -> Fields {
    let vhost = Fields::new().with("route", Fields::new().with("name", name));
    let matching = Fields::new().with("routeConfiguration", Fields::new().with("vhost", vhost));
    patch("HTTP_ROUTE", matching, "MERGE", value.into())
}

fn listener(port: Fields, filter: Option<Fields>) -> Fields {
    let chain = filter.map(|filter| Fields::new().with("filter", filter));
    Fields::new().with("listener", port.maybe("filterChain", chain))
}

fn added(apply_to: &str, value: Yaml) -> Fields {
    patch(apply_to, Fields::new(), "ADD", value)
}

fn patch(apply_to: &str, matching: Fields, operation: &str, value: Yaml) -> Fields {
    Fields::block()
        .with("applyTo", apply_to)
        .with("match", Fields::new().with("context", "GATEWAY").and(matching))
        .with("patch", Fields::block().with("operation", operation).with("value", value))
}
