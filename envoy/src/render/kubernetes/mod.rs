//! A gateway in Kubernetes without a mesh: a plain Envoy, its bootstrap in a `ConfigMap`, as a kustomization.
//!
//! The module is larger than a `ConfigMap` may be. It comes as an image that is mounted as a volume, or Envoy fetches it.

mod workload;

use core::fmt::Write as _;

use super::envoy::texts;
use super::manifests::{self, Admitted, Brings, NAME, Place};
use super::{File, Files, Module, bootstrap};
use crate::gateway::{Gateway, Operations};
use crate::yaml::{Fields, Yaml};

/// Tried with this one.
const ENVOY: &str = "envoyproxy/envoy:distroless-v1.40.0";
const CONFIGURATION: &str = "scopegate-configuration";

/// The kustomization, and what it is of.
pub(crate) fn files(gateway: &Gateway, module: &Module, place: Place<'_>) -> Result<Files, String> {
    let namespace = place.namespace;
    let mut gateway = gateway.clone();
    // What tells the kubelet that a pod is ready, and Prometheus what happens in it.
    gateway.operations.get_or_insert(Operations {
        address: ([0, 0, 0, 0], 9902).into(),
        admin: ([127, 0, 0, 1], 9901).into(),
    });
    refuse(&gateway)?;
    let (inside, image) = match module {
        Module::Image(image) => (Module::File(manifests::MODULE_FILE.to_owned()), Some(image.as_str())),
        Module::Url { .. } => (module.clone(), None),
        Module::File(file) if file.starts_with('/') => (module.clone(), None),
        Module::File(_) => {
            return Err("the module is larger than a ConfigMap may be: give an image `--wasm oci://NAME@sha256:…`, a URL \
                        with --sha256, or the whole path of a file that the image of Envoy has"
                .to_owned());
        }
    };
    let read = manifests::Files::of(&gateway, Brings::default())?;
    let rendered = bootstrap::files(&gateway, &inside)?;
    let mut beside = vec![rendered.main];
    beside.extend(rendered.beside);

    let mut own = manifests::access(&gateway, namespace);
    own.extend(workload::objects(&gateway, &read, image, namespace));
    beside.push(file("gateway.yaml", "The gateway.", own));
    let mut policies = vec![manifests::around_gateway(&gateway, namespace)];
    let admitted = Admitted { namespace, label: ("app.kubernetes.io/name", NAME) };
    policies.extend(manifests::isolation(&gateway, namespace, admitted));
    beside.push(file("network.yaml", "Who reaches whom. It needs a network that minds policies.", policies));
    beside.push(file(
        "autoscaling.yaml",
        "Optional; take `replicas` out of the Deployment then.",
        vec![manifests::autoscaler(namespace)],
    ));
    beside.push(file(
        "monitoring.yaml",
        "Optional, for the Prometheus Operator.",
        vec![workload::pod_monitor(namespace)],
    ));

    let configuration: Vec<String> = beside
        .iter()
        .filter(|file| {
            file.name == "envoy.yaml" || read.sources.iter().any(|source| source.name == file.name)
        })
        .map(|file| file.name.clone())
        .chain(read.beside.iter().cloned())
        .collect();
    let main = kustomization(&gateway, &read, namespace, &configuration);
    Ok(Files { main: File { name: "kustomization.yaml".to_owned(), text: main }, beside })
}

fn file(name: &str, comment: &str, objects: Vec<manifests::Object>) -> File {
    let head = format!("# Made by `scopegate render --to kubernetes`. {comment}\n");
    File { name: name.to_owned(), text: manifests::documents(&head, objects) }
}

fn kustomization(
    gateway: &Gateway,
    read: &manifests::Files,
    namespace: &str,
    configuration: &[String],
) -> String {
    let mut head = "# Made by `scopegate render --to kubernetes`: change the configuration that it was made of, and make it anew.\n\
                    #\n#   kubectl apply -k .\n"
        .to_owned();
    if !read.beside.is_empty() {
        let _ = writeln!(head, "#\n# Beside it: {}.", read.beside.join(", "));
    }
    if !gateway.filter.environment.is_empty() {
        let keys: Vec<String> =
            gateway.filter.environment.iter().map(|name| format!(" --from-literal={name}=…")).collect();
        let (name, keys) = (manifests::SECRETS, keys.concat());
        let _ = writeln!(head, "#\n# Secrets: kubectl create secret generic -n {namespace} {name}{keys}");
    }
    for (folder, secret) in &read.secrets {
        let _ = writeln!(head, "# The Secret `{secret}` has what is mounted at {folder}.");
    }
    let resources = ["gateway.yaml", "network.yaml"].map(str::to_owned);
    let generator = Fields::block()
        .with("name", CONFIGURATION)
        .with("namespace", namespace)
        .with("files", texts(configuration));
    let (name, tag) = ENVOY.split_once(':').unwrap_or((ENVOY, "latest"));
    let fields = Fields::block()
        .with("apiVersion", "kustomize.config.k8s.io/v1beta1")
        .with("kind", "Kustomization")
        .told("Where wanted: autoscaling.yaml, monitoring.yaml.", "resources", texts(&resources))
        .told(
            "Its name ends in a hash of what it holds: what changes is rolled out pod by pod.",
            "configMapGenerator",
            vec![generator],
        )
        .told(
            "The Envoy that this was made for. A registry of your own is named here.",
            "images",
            vec![Fields::new().with("name", name).with("newTag", tag)],
        );
    format!("{head}\n{}", Yaml::from(fields).text())
}

fn refuse(gateway: &Gateway) -> Result<(), String> {
    match gateway.listeners.iter().find(|listener| listener.address.port() < 1024) {
        Some(listener) => Err(format!(
            "Envoy is not root there: let `{}` listen on a port of 1024 or more, and the Service on another",
            listener.name
        )),
        None => Ok(()),
    }
}
