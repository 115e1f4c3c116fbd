//! What upstreams are called in a mesh.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::gateway::{Cluster, Gateway};
use crate::render::manifests::{Destination, authority};

/// An upstream as Istio knows it.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether a ServiceEntry must make it known.
    pub(super) is_outside: bool,
}

impl Upstream {
    /// The name of its cluster in every proxy.
    pub(super) fn cluster(&self) -> String {
        format!("outbound|{}||{}", self.port, self.host)
    }
}

/// The upstreams behind the filter, by their names in the configuration. Others, which only the filter calls, keep their own
/// clusters.
pub(super) fn upstreams(gateway: &Gateway, namespace: &str) -> BTreeMap<String, Upstream> {
    let backends = gateway.clusters.iter().filter(|cluster| cluster.is_backend);
    backends.map(|cluster| (cluster.name.clone(), upstream(cluster, namespace))).collect()
}

fn upstream(cluster: &Cluster, namespace: &str) -> Upstream {
    match Destination::of(cluster, namespace) {
        Some(service) => Upstream { host: service.host(), port: service.port, is_outside: false },
        None => Upstream {
            host: authority(cluster),
            port: cluster.endpoints.first().map_or(80, |endpoint| endpoint.port),
            is_outside: true,
        },
    }
}

/// The filter's configuration in Istio's terms: the names of clusters, and the one key that it puts every token's payload
/// under, whoever issued it. The filter tells issuers apart by `issuer`.
pub(super) fn configuration(gateway: &Gateway, upstreams: &BTreeMap<String, Upstream>) -> Value {
    let mut configuration = gateway.filter.configuration.clone();
    if let Some(callers) = configuration.get_mut("callers").and_then(Value::as_array_mut) {
        let tokens = callers.iter_mut().filter_map(|caller| caller.get_mut("jwt"));
        for token in tokens.filter(|token| token.get("namespace").is_none_or(Value::is_null)) {
            token["provider"] = Value::from("payload");
        }
    }
    let mut rename = |pointer: String| {
        if let Some(name) = configuration.pointer_mut(&pointer)
            && let Some(upstream) = name.as_str().and_then(|name| upstreams.get(name))
        {
            *name = Value::from(upstream.cluster());
        }
    };
    let escaped = |name: &String| name.replace('~', "~0").replace('/', "~1");
    let names = |field: &str| -> Vec<String> {
        let map = gateway.filter.configuration.get(field).and_then(Value::as_object);
        map.into_iter().flat_map(|map| map.keys().map(escaped)).collect()
    };
    for name in names("write") {
        rename(format!("/write/{name}/calls/cluster"));
    }
    for name in names("tables") {
        for kind in ["http", "kubernetes", "grafana"] {
            rename(format!("/tables/{name}/{kind}/cluster"));
        }
    }
    configuration
}
