//! What Envoy Gateway is told of the proxies that it runs.

use scopegate_core::report::{TAGS, tag_pattern};

use super::{API, SYSTEM};
use crate::gateway::Gateway;
use crate::render::envoy::one;
use crate::render::manifests::{Files, NAME, Object, environment, mount, object};
use crate::yaml::{Fields, Yaml};

/// Where Kubernetes puts the token of an account, and everybody looks for it.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The proxy's parameters, and the files beside it.
pub(super) fn objects(gateway: &Gateway, read: &Files, image: Option<&str>, namespace: &str) -> Vec<Object> {
    let sources = format!("{NAME}-sources");
    let config_map = read.config_map(SYSTEM, &sources);
    let (mut volumes, mut mounts) = read.volumes(config_map.is_some().then_some(&*sources), image);
    if read.asks_for_account {
        volumes.push(account());
        mounts.push(mount("account", ACCOUNT));
    }
    let container = Fields::block()
        .maybe("env", environment(gateway))
        .maybe("volumeMounts", (!mounts.is_empty()).then_some(mounts))
        .with("resources", resources());
    let pod = (!volumes.is_empty()).then(|| Fields::block().with("volumes", volumes));
    let deployment = Fields::block().with("replicas", 2_u32).with("container", container).maybe("pod", pod);
    let kubernetes = Fields::block()
        .with("envoyDeployment", deployment)
        .with("envoyService", Fields::new().with("type", "ClusterIP"))
        .with("envoyServiceAccount", Fields::new().with("name", NAME))
        .with("envoyPDB", Fields::new().with("maxUnavailable", 1_u32));
    let provider = Fields::block().with("type", "Kubernetes").with("kubernetes", kubernetes);
    let tag = |(name, _): &(&str, &str)| {
        let value = Fields::new().with("tag_name", *name).with("regex", tag_pattern(name));
        Yaml::from(
            Fields::new().with("op", "add").with("path", "/stats_config/stats_tags/-").with("value", value),
        )
    };
    let bootstrap = Fields::block().with("type", "JSONPatch").told(
        "Turns the tags in the filter's metric names into tags.",
        "jsonPatches",
        Yaml::List(TAGS.iter().map(tag).collect()),
    );
    let spec = Fields::block().with("provider", provider).with("bootstrap", bootstrap);
    let mut objects: Vec<Object> = config_map.into_iter().collect();
    objects.push(object("", API, "EnvoyProxy", namespace, NAME).with("spec", spec));
    objects
}

/// The token of the proxy's account, which Envoy Gateway keeps from its pods.
fn account() -> Fields {
    let token = Fields::new().with("path", "token").with("expirationSeconds", 3607_u32);
    let items = one(Fields::new().with("key", "ca.crt").with("path", "ca.crt"));
    let authority = Fields::new().with("name", "kube-root-ca.crt").with("items", items);
    let sources =
        vec![Fields::new().with("serviceAccountToken", token), Fields::new().with("configMap", authority)];
    Fields::block().with("name", "account").with("projected", Fields::new().with("sources", sources))
}

fn resources() -> Fields {
    let of = |cpu: &str, memory: &str| Fields::new().with("cpu", cpu).with("memory", memory);
    Fields::new().with("requests", of("500m", "512Mi")).with("limits", Fields::new().with("memory", "1Gi"))
}
