//! Without these nothing is isolated: who reaches a backend past the gateway says itself which tenant it is.

use std::collections::BTreeSet;

use super::{Destination, NAME, Object, object, selector};
use crate::gateway::Gateway;
use crate::render::envoy::{one, texts};
use crate::yaml::{Fields, Yaml};

/// Whose pods are admitted to the backends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted<'a> {
    /// Their namespace.
    pub(crate) namespace: &'a str,
    /// A label of theirs.
    pub(crate) label: (&'a str, &'a str),
}

/// The namespaces that backends are in, as Services of this cluster.
pub(crate) fn backend_namespaces(gateway: &Gateway, namespace: &str) -> BTreeSet<String> {
    let backends = gateway.clusters.iter().filter(|cluster| cluster.is_backend);
    backends.filter_map(|cluster| Destination::of(cluster, namespace)).map(|found| found.namespace).collect()
}

/// For each namespace of a backend: its pods are reached by the gateway and by each other, and by nobody else.
pub(crate) fn isolation(gateway: &Gateway, namespace: &str, admitted: Admitted<'_>) -> Vec<Object> {
    let policy = |backends: &String| {
        let is_shared = backends == namespace;
        let comment = if is_shared {
            "Without this nothing is isolated: who reaches a backend past the gateway says itself which tenant it is.\n\
             All pods of this namespace reach each other. Where others than the gateway and its backends live here, move them\n\
             or the backends to a namespace of their own."
        } else {
            "Without this nothing is isolated: who reaches a backend past the gateway says itself which tenant it is.\n\
             The backend's own pods reach each other; whoever else must (Prometheus, for its metrics) is added here."
        };
        let pods = Fields::new()
            .with("namespaceSelector", named(admitted.namespace))
            .with("podSelector", matching(Fields::new().with(admitted.label.0, admitted.label.1)));
        let own = Fields::new().with("podSelector", Fields::new());
        let other = Fields::new()
            .with("key", "app.kubernetes.io/name")
            .with("operator", "NotIn")
            .with("values", texts(&[NAME.to_owned()]));
        let chosen =
            if is_shared { Fields::new().with("matchExpressions", one(other)) } else { Fields::new() };
        let spec = Fields::block()
            .with("podSelector", chosen)
            .with("policyTypes", texts(&["Ingress".to_owned()]))
            .with("ingress", one(Fields::new().with("from", vec![pods, own])));
        object(comment, "networking.k8s.io/v1", "NetworkPolicy", backends, "scopegate-backends")
            .with("spec", spec)
    };
    backend_namespaces(gateway, namespace).iter().map(policy).collect()
}

/// The gateway itself: callers reach its listeners, and who scrapes metrics its port of operations.
pub(crate) fn around_gateway(gateway: &Gateway, namespace: &str) -> Object {
    let ports = gateway
        .listeners
        .iter()
        .map(|listener| Yaml::from(port(listener.address.port())))
        .collect::<Vec<_>>();
    let mut rules = vec![Fields::new().with("ports", ports)];
    if let Some(operations) = gateway.operations {
        let from = one(Fields::new().with("namespaceSelector", named("monitoring")));
        rules.push(Fields::block().told(
            "Metrics, readiness and the profile of the heap are for who runs the gateway. The kubelet always gets through.",
            "from",
            from,
        ).with("ports", one(port(operations.address.port()))));
    }
    let spec = Fields::block()
        .with("podSelector", matching(selector()))
        .with("policyTypes", texts(&["Ingress".to_owned()]))
        .with("ingress", rules);
    object("", "networking.k8s.io/v1", "NetworkPolicy", namespace, NAME).with("spec", spec)
}

fn port(number: u16) -> Fields {
    Fields::new().with("port", number).with("protocol", "TCP")
}

fn named(namespace: &str) -> Fields {
    matching(Fields::new().with("kubernetes.io/metadata.name", namespace))
}

fn matching(labels: Fields) -> Fields {
    Fields::new().with("matchLabels", labels)
}
