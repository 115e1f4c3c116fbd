//! Kubernetes' own objects, as each platform on it needs some of them.

mod access;
mod isolation;
mod mounts;
mod services;

use std::path::Path;

pub(super) use access::access;
pub(super) use isolation::{Admitted, around_gateway, backend_namespaces, isolation};
pub(super) use mounts::{Brings, Files, MODULE_FILE, SOURCES, mount, rooted, secret_of};
pub(super) use services::{Destination, authority};

use super::envoy::one;
use crate::gateway::Gateway;
use crate::yaml::{Fields, Yaml};

/// The name of all that is made, and of the account that the gateway runs under.
pub(super) const NAME: &str = "scopegate";
/// The Secret that holds the variables of the filter's environment.
pub(super) const SECRETS: &str = "scopegate-secrets";

/// Where it is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'p> {
    /// The gateway's namespace.
    pub(crate) namespace: &'p str,
    /// The folder of the configuration, by which files are found.
    pub(crate) folder: &'p Path,
}

/// An object, with the comment that stands above it.
pub(super) struct Object {
    comment: String,
    fields: Fields,
}

/// An object of a kind; what follows its metadata is added to it.
pub(super) fn object(comment: &str, api: &str, kind: &str, namespace: &str, name: &str) -> Object {
    let metadata = Fields::new().with("name", label(name));
    let metadata = if namespace.is_empty() { metadata } else { metadata.with("namespace", namespace) };
    let fields =
        Fields::block().with("apiVersion", api).with("kind", kind).with("metadata", metadata.and(labels()));
    Object { comment: comment.to_owned(), fields }
}

impl Object {
    /// Adds a field.
    pub(super) fn with(mut self, name: &str, value: impl Into<Yaml>) -> Self {
        self.fields = self.fields.with(name, value);
        self
    }
}

/// Objects as one file.
pub(super) fn documents(head: &str, objects: Vec<Object>) -> String {
    let mut text = head.to_owned();
    for object in objects {
        text.push_str("---\n");
        for line in object.comment.lines() {
            text.extend(["# ", line, "\n"]);
        }
        // The first level is set off by empty lines in a file of its own; here it would be torn apart.
        text.push_str(&Yaml::from(object.fields).text().replace("\n\n", "\n"));
    }
    text
}

fn labels() -> Fields {
    Fields::new().with("labels", selector())
}

/// The labels of the gateway's pods.
pub(super) fn selector() -> Fields {
    Fields::new().with("app.kubernetes.io/name", NAME)
}

/// A name as Kubernetes takes it.
pub(super) fn label(name: &str) -> String {
    let is_good = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let plain: String = name
        .to_ascii_lowercase()
        .chars()
        .map(|letter| if is_good(letter) { letter } else { '-' })
        .take(63)
        .collect();
    plain.trim_matches('-').to_owned()
}

/// The variables of the filter's environment, each by reference.
pub(super) fn environment(gateway: &Gateway) -> Option<Vec<Fields>> {
    let variable = |name: &String| {
        let key = Fields::new().with("name", SECRETS).with("key", name);
        Fields::new().with("name", name).with("valueFrom", Fields::new().with("secretKeyRef", key))
    };
    let all: Vec<Fields> = gateway.filter.environment.iter().map(variable).collect();
    (!all.is_empty()).then_some(all)
}

/// The Service before the gateway's pods.
pub(super) fn service(gateway: &Gateway, namespace: &str, labels: Fields) -> Object {
    let port = |listener: &crate::gateway::Listener| {
        let protocol = if listener.tls.is_some() { "https" } else { "http" };
        Fields::new()
            .with("name", label(&format!("{protocol}-{}", listener.name)))
            .with("port", listener.address.port())
            .with("targetPort", listener.address.port())
            .with("appProtocol", protocol)
    };
    let ports: Vec<Fields> = gateway.listeners.iter().map(port).collect();
    object("What the callers connect to.", "v1", "Service", namespace, NAME)
        .with("spec", Fields::block().with("selector", labels).with("ports", ports))
}

/// Keeps one pod while nodes are drained.
pub(super) fn disruption_budget(namespace: &str) -> Object {
    let spec = Fields::new()
        .with("maxUnavailable", 1_u32)
        .with("selector", Fields::new().with("matchLabels", selector()));
    object("Nodes are drained one pod at a time.", "policy/v1", "PodDisruptionBudget", namespace, NAME)
        .with("spec", spec)
}

/// Grows with the load. What a split costs is time of the processor.
pub(super) fn autoscaler(namespace: &str) -> Object {
    let target = Fields::new().with("apiVersion", "apps/v1").with("kind", "Deployment").with("name", NAME);
    let cpu = Fields::new()
        .with("name", "cpu")
        .with("target", Fields::new().with("type", "Utilization").with("averageUtilization", 70_u32));
    let spec = Fields::block()
        .with("scaleTargetRef", target)
        .with("minReplicas", 2_u32)
        .with("maxReplicas", 10_u32)
        .with("metrics", one(Fields::new().with("type", "Resource").with("resource", cpu)));
    object("Grows with the load.", "autoscaling/v2", "HorizontalPodAutoscaler", namespace, NAME)
        .with("spec", spec)
}

/// Pods of one gateway on different nodes, where there are several.
pub(super) fn spread() -> Yaml {
    let constraint = Fields::new()
        .with("maxSkew", 1_u32)
        .with("topologyKey", "kubernetes.io/hostname")
        .with("whenUnsatisfiable", "ScheduleAnyway")
        .with("labelSelector", Fields::new().with("matchLabels", selector()));
    one(constraint)
}
