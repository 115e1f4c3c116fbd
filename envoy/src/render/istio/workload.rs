//! The proxy: a Deployment that Istio's injector fills in, so that secrets, files and statistics are set where they belong.

use scopegate_core::report::TAGS;
use serde_json::json;

use super::LABEL;
use crate::gateway::Gateway;
use crate::render::envoy::one;
use crate::render::manifests::{
    NAME, Object, autoscaler, disruption_budget, environment, object, selector, service, spread,
};
use crate::yaml::Fields;

/// What is put around the pods of a backend, so that their sidecars have what the filter needs.
pub(super) fn sidecar_patch(
    gateway: &Gateway,
    read: &crate::render::manifests::Files,
    namespace: &str,
) -> (Option<Object>, Fields) {
    let sources = format!("{NAME}-sources");
    let config_map = read.config_map(namespace, &sources);
    let (volumes, mounts) = read.volumes(config_map.is_some().then_some(&*sources), None);
    let container = Fields::block()
        .with("name", "istio-proxy")
        .with("image", "auto")
        .maybe("env", environment(gateway))
        .maybe("volumeMounts", (!mounts.is_empty()).then_some(mounts));
    let comment = "Statistics come with their tags only where the proxy was told of them when it started.";
    let annotations = Fields::block().told(comment, "proxy.istio.io/config", proxy_config(gateway));
    let labels = Fields::new().with("sidecar.istio.io/inject", "true");
    let pod = Fields::block()
        .told("The injector takes over what is said of its container here.", "containers", one(container))
        .maybe("volumes", (!volumes.is_empty()).then_some(volumes));
    let template = Fields::block()
        .with("metadata", Fields::block().with("labels", labels).with("annotations", annotations))
        .with("spec", pod);
    (config_map, Fields::block().with("spec", Fields::block().with("template", template)))
}

/// Deployment, Service and what else keeps it up.
pub(super) fn objects(
    gateway: &Gateway,
    read: &crate::render::manifests::Files,
    namespace: &str,
) -> Result<Vec<Object>, String> {
    if !read.beside.is_empty() {
        return Err(format!(
            "{}: a proxy of Istio has no folder of its own: name files with the folder that a Secret is mounted at",
            read.beside.join(", ")
        ));
    }
    let sources = format!("{NAME}-sources");
    let config_map = read.config_map(namespace, &sources);
    let (volumes, mounts) = read.volumes(config_map.is_some().then_some(&*sources), None);
    let variables = environment(gateway);
    let comment = "Statistics come with their tags only where the proxy was told of them when it started.";
    let annotations = Fields::block()
        .told("The injector makes a gateway's proxy of this pod.", "inject.istio.io/templates", "gateway")
        .told(comment, "proxy.istio.io/config", proxy_config(gateway));
    let labels = selector().with(LABEL.0, LABEL.1).with("sidecar.istio.io/inject", "true");
    let container = Fields::block()
        .with("name", "istio-proxy")
        .with("image", "auto")
        .maybe("env", variables)
        .maybe("volumeMounts", (!mounts.is_empty()).then_some(mounts))
        .with("resources", resources());
    let pod = Fields::block()
        .with("serviceAccountName", NAME)
        .with("terminationGracePeriodSeconds", 60_u32)
        .with("topologySpreadConstraints", spread())
        .with("securityContext", pod_security())
        .with("containers", one(container))
        .maybe("volumes", (!volumes.is_empty()).then_some(volumes));
    let template = Fields::block()
        .with("metadata", Fields::block().with("labels", labels).with("annotations", annotations))
        .with("spec", pod);
    let spec = Fields::block()
        .with("selector", Fields::new().with("matchLabels", selector()))
        .with("template", template);
    let mut objects: Vec<Object> = config_map.into_iter().collect();
    objects.push(
        object(
            "A gateway of its own, so that nobody else's routes and filters are in it.",
            "apps/v1",
            "Deployment",
            namespace,
            NAME,
        )
        .with("spec", spec),
    );
    objects.push(service(gateway, namespace, Fields::new().with(LABEL.0, LABEL.1)));
    objects.push(disruption_budget(namespace));
    objects.push(autoscaler(namespace));
    Ok(objects)
}

fn proxy_config(gateway: &Gateway) -> String {
    let tags: Vec<&str> = TAGS.iter().map(|(name, _)| *name).collect();
    let mut config = json!({"extraStatTags": tags});
    if let Some(hops) =
        gateway.listeners.iter().map(|listener| listener.trusted_hops).max().filter(|hops| *hops > 0)
    {
        config["gatewayTopology"] = json!({"numTrustedProxies": hops});
    }
    config.to_string()
}

fn pod_security() -> Fields {
    Fields::new()
        .with("runAsNonRoot", true)
        .with("seccompProfile", Fields::new().with("type", "RuntimeDefault"))
}

fn resources() -> Fields {
    let limits = |cpu: &str, memory: &str| Fields::new().with("cpu", cpu).with("memory", memory);
    Fields::new()
        .with("requests", limits("500m", "512Mi"))
        .with("limits", Fields::new().with("memory", "1Gi"))
}
