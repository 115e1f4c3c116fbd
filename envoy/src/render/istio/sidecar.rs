//! The filter in a backend's own sidecars, where no gateway is wanted: nobody gets past it who is not in the pod.

use std::collections::BTreeMap;

use super::mesh::Upstream;
use super::{filter, identity, refuse, workload};
use crate::gateway::Gateway;
use crate::render::envoy::one;
use crate::render::manifests::{self, Brings, Destination, NAME, Place, object};
use crate::render::{File, Files, Module};
use crate::yaml::{Fields, Yaml};

const PATCH: &str = "sidecar-patch.yaml";

/// The objects, and the patch for the backend's pods. Those are known by a label.
pub(crate) fn files(
    gateway: &Gateway,
    module: &Module,
    place: Place<'_>,
    selector: Option<&str>,
) -> Result<Files, String> {
    refuse(gateway)?;
    let label = selector.and_then(|selector| selector.split_once('=')).ok_or(
        "which pods are the backend's? Name a label of theirs: --selector app.kubernetes.io/name=victoria-metrics",
    )?;
    let backends: Vec<_> = gateway.clusters.iter().filter(|cluster| cluster.is_backend).collect();
    let [backend] = backends.as_slice() else {
        return Err("a sidecar stands before one server: give one upstream with a backend".to_owned());
    };
    let service = Destination::of(backend, place.namespace)
        .ok_or("the upstream of a sidecar is its Service: http://NAME.NAMESPACE.svc:PORT")?;
    let namespace = service.namespace.as_str();
    let read = manifests::Files::of(gateway, Brings { certificates: true, tokens: true })?;
    if !read.beside.is_empty() {
        return Err(format!(
            "{}: name files with the folder that a Secret is mounted at",
            read.beside.join(", ")
        ));
    }
    let (config_map, patch) = workload::sidecar_patch(gateway, &read, namespace);
    let inbound = Upstream { host: service.host(), port: service.port, is_outside: false, is_inbound: true };
    let upstreams = BTreeMap::from([(backend.name.clone(), inbound)]);
    let place = Place { namespace, folder: place.folder };
    let strict = Fields::new()
        .with("selector", Fields::new().with("matchLabels", Fields::new().with(label.0, label.1)))
        .with("mtls", Fields::new().with("mode", "STRICT"));
    let mut objects: Vec<_> = config_map.into_iter().collect();
    objects.extend(identity::objects(gateway, label, place)?);
    objects.push(
        object(
            "Certificates of callers are proof only where there is no way without.",
            "security.istio.io/v1",
            "PeerAuthentication",
            namespace,
            NAME,
        )
        .with("spec", strict),
    );
    let proxy = filter::Proxy { namespace, label, inbound: Some(service.port) };
    objects.push(filter::object(gateway, module, &upstreams, proxy)?);
    let ports = one(Fields::new().with("port", service.port).with("appProtocol", "http"));
    let head = format!(
        "# Made by `scopegate render --to istio-sidecar`: change the configuration that it was made of, and make it anew.\n\
         #\n#   kubectl apply -f istio-sidecar.yaml\n\
         #\n# The port of the Service `{}` must say that it is HTTP, or what looks like something else goes past the filter:\n#   {}",
        service.name,
        Yaml::from(Fields::new().with("ports", ports)).text(),
    );
    let told = format!(
        "# Made by `scopegate render --to istio-sidecar`. For what makes the backend's pods:\n\
         #\n#   kubectl -n {namespace} patch deployment/NAME --patch-file {PATCH}\n"
    );
    let patch = File { name: PATCH.to_owned(), text: format!("{told}{}", Yaml::from(patch).text()) };
    let text = manifests::documents(&head, objects);
    Ok(Files { main: File { name: "istio-sidecar.yaml".to_owned(), text }, beside: vec![patch] })
}
