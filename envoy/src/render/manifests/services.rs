//! Which of the upstreams are Services of the cluster.

use crate::gateway::{Cluster, Endpoint};

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) port: u16,
}

impl Destination {
    /// The Service that an upstream is, seen from a namespace: one URL with `NAME`, `NAME.NAMESPACE.svc`, or that with
    /// `.cluster.local`. Everything else is outside, or cannot be told from what is.
    pub(crate) fn of(cluster: &Cluster, namespace: &str) -> Option<Self> {
        let [Endpoint { host, port }] = cluster.endpoints.as_slice() else { return None };
        let host = host.strip_suffix('.').unwrap_or(host);
        let host = host.strip_suffix(".cluster.local").unwrap_or(host);
        let (name, namespace) = match host.strip_suffix(".svc") {
            Some(named) => named.split_once('.').filter(|(_, namespace)| !namespace.contains('.'))?,
            None if !host.contains(['.', ':']) => (host, namespace),
            None => return None,
        };
        Some(Self { name: name.to_owned(), namespace: namespace.to_owned(), port: *port })
    }

    /// Its whole name.
    pub(crate) fn host(&self) -> String {
        format!("{}.{}.svc.cluster.local", self.name, self.namespace)
    }
}

/// The name under which an upstream is known in a mesh that is no Service: its own, or one of ours for several addresses.
pub(crate) fn authority(cluster: &Cluster) -> String {
    match cluster.endpoints.as_slice() {
        [endpoint] if endpoint.ip().is_none() => endpoint.host.clone(),
        _ => format!("{}.scopegate.internal", cluster.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services() {
        let found = |host: &str| {
            let text = format!(
                "backends: [{{name: m, kind: cortex}}]\n\
                 callers: [{{name: a, certificate: {{uri_san: \"spiffe://a/{{id}}\"}}, tenants: [t], may: [read]}}]\n\
                 listeners: [{{address: \"0.0.0.0:8443\", tls: {{certificate: c, key: k, client_ca: a}}}}]\n\
                 upstreams: {{m: {{url: \"http://{host}\", backend: m}}}}\n"
            );
            let gateway = crate::render::tests::gateway(&text);
            Destination::of(&gateway.clusters[0], "here").map(|found| found.host())
        };
        for (host, expected) in [
            ("cortex:9009", Some("cortex.here.svc.cluster.local")),
            ("cortex.there.svc", Some("cortex.there.svc.cluster.local")),
            ("cortex.there.svc.cluster.local", Some("cortex.there.svc.cluster.local")),
            ("a.cortex.there.svc", None),
            ("cortex.there", None),
            ("cortex.example.org", None),
            ("10.0.0.7", None),
            ("[fd00::7]", None),
        ] {
            assert_eq!(found(host).as_deref(), expected, "{host}");
        }
    }
}
