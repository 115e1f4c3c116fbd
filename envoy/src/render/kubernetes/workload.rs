//! The pods.

use super::{CONFIGURATION, ENVOY};
use crate::gateway::{Gateway, Operations};
use crate::render::envoy::{one, texts};
use crate::render::manifests::{
    Files, NAME, Object, SOURCES, disruption_budget, environment, object, selector, service, spread,
};
use crate::yaml::{Fields, Yaml};

/// Envoy's image has this user for itself.
const USER: u32 = 101;
/// For how long a pod that ends is still sent requests by who has not heard of it.
const DRAIN: u32 = 15;

/// Deployment, Service and budget.
pub(super) fn objects(gateway: &Gateway, read: &Files, image: Option<&str>, namespace: &str) -> Vec<Object> {
    let (volumes, mounts) = read.volumes(Some(CONFIGURATION), image);
    let pod = Fields::block()
        .with("serviceAccountName", NAME)
        .with("terminationGracePeriodSeconds", 2 * DRAIN + 30)
        .with("topologySpreadConstraints", spread())
        .with("securityContext", pod_security())
        .with("containers", one(container(gateway, mounts)))
        .with("volumes", volumes);
    let template =
        Fields::block().with("metadata", Fields::new().with("labels", selector())).with("spec", pod);
    let rolling = Fields::new().with("maxUnavailable", 0_u32).with("maxSurge", 1_u32);
    let spec = Fields::block()
        .with("replicas", 2_u32)
        .with("strategy", Fields::new().with("type", "RollingUpdate").with("rollingUpdate", rolling))
        .with("selector", Fields::new().with("matchLabels", selector()))
        .with("template", template);
    vec![
        object("", "apps/v1", "Deployment", namespace, NAME).with("spec", spec),
        service(gateway, namespace, selector()),
        disruption_budget(namespace),
    ]
}

fn pod_security() -> Fields {
    Fields::new()
        .with("runAsNonRoot", true)
        .with("runAsUser", USER)
        .with("runAsGroup", USER)
        .told("Lets it read its Secrets.", "fsGroup", USER)
        .with("seccompProfile", Fields::new().with("type", "RuntimeDefault"))
}

fn container(gateway: &Gateway, mounts: Vec<Fields>) -> Fields {
    let arguments: Vec<String> =
        ["-c", "envoy.yaml", "--concurrency", "2", "--disable-hot-restart", "--log-level", "warning"]
            .map(str::to_owned)
            .into();
    let port = |number: u16| Fields::new().with("containerPort", number);
    let mut ports: Vec<Fields> =
        gateway.listeners.iter().map(|listener| port(listener.address.port())).collect();
    let operations = gateway.operations.map(|operations: Operations| operations.address.port());
    ports.extend(operations.map(|number| port(number).with("name", "operations")));
    let capabilities = Fields::new().with("drop", texts(&["ALL".to_owned()]));
    let security = Fields::new()
        .with("allowPrivilegeEscalation", false)
        .with("readOnlyRootFilesystem", true)
        .with("capabilities", capabilities);
    let connects = || Fields::new().with("tcpSocket", Fields::new().with("port", "operations"));
    let asks = Fields::new().with("path", "/ready").with("port", "operations");
    let sleep = Fields::new().with("sleep", Fields::new().with("seconds", DRAIN));
    Fields::block()
        .with("name", "envoy")
        .with("image", ENVOY.split_once(':').map_or(ENVOY, |(name, _)| name))
        .told("Envoy itself: the image's script would change users.", "command", texts(&["envoy".to_owned()]))
        .told(
            "As many workers as it has processors: by itself it counts those of the node.",
            "args",
            texts(&arguments),
        )
        .told("Paths in envoy.yaml are seen from here.", "workingDir", SOURCES)
        .maybe("env", environment(gateway))
        .with("ports", ports)
        .with("securityContext", security)
        .with("volumeMounts", mounts)
        .told(
            "Compiling the module takes a moment.",
            "startupProbe",
            connects().with("periodSeconds", 1_u32).with("failureThreshold", 60_u32),
        )
        .told(
            "Only whether it is alive: a backend that is down is no reason to end its gateway.",
            "livenessProbe",
            connects().with("periodSeconds", 10_u32),
        )
        .told(
            "Whether every backend has an address that is well.",
            "readinessProbe",
            Fields::new().with("httpGet", asks).with("periodSeconds", 5_u32),
        )
        .told(
            "Until everybody has heard that this pod ends.",
            "lifecycle",
            Fields::new().with("preStop", sleep),
        )
        .with("resources", resources())
}

/// A worker for each processor; two bodies at their limit for each of some hundred connections.
fn resources() -> Yaml {
    let of = |cpu: &str, memory: &str| Fields::new().with("cpu", cpu).with("memory", memory);
    Fields::new().with("requests", of("500m", "512Mi")).with("limits", of("2", "1Gi")).into()
}

/// For the Prometheus Operator.
pub(super) fn pod_monitor(namespace: &str) -> Object {
    let endpoint = Fields::new().with("port", "operations").with("path", "/metrics");
    let spec = Fields::block()
        .with("selector", Fields::new().with("matchLabels", selector()))
        .with("podMetricsEndpoints", one(endpoint));
    object("", "monitoring.coreos.com/v1", "PodMonitor", namespace, NAME).with("spec", spec)
}
