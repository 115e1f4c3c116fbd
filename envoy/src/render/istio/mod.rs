//! A gateway in Istio: a proxy of its own whose filters an `EnvoyFilter` sets up, with routes and identities in Istio's own
//! words around it.
//!
//! A `WasmPlugin` cannot let the filter hold headers until it has seen a body, so the filter comes by an `EnvoyFilter`. It is
//! given as an extension (ECDS), since only that way the agent beside the proxy fetches the module: it understands `oci://`,
//! checks the digest, and hands Envoy a file.

mod filter;
mod identity;
mod mesh;
mod traffic;
mod workload;

use serde_json::Value;

use super::manifests::{self, Admitted, Brings, Object, Place};
use super::{File, Files, Module};
use crate::gateway::Gateway;

/// What Istio calls the gateway's pods by.
const LABEL: (&str, &str) = ("istio", manifests::NAME);

/// Everything in one file.
pub(crate) fn files(gateway: &Gateway, module: &Module, place: Place<'_>) -> Result<Files, String> {
    refuse(gateway)?;
    let upstreams = mesh::upstreams(gateway, place.namespace);
    let read = manifests::Files::of(gateway, Brings { certificates: true, tokens: true })?;
    let mut objects = manifests::access(gateway, place.namespace);
    objects.extend(workload::objects(gateway, module, &read, place.namespace)?);
    objects.extend(traffic::objects(gateway, &upstreams, place.namespace)?);
    objects.extend(identity::objects(gateway, place)?);
    objects.push(filter::object(gateway, module, &upstreams, place.namespace)?);
    objects.extend(around(gateway, place.namespace));
    let head = "# Made by `scopegate render --to istio`: change the configuration that it was made of, and make it anew.\n\
                #\n#   kubectl apply -f istio.yaml\n";
    let text = manifests::documents(head, objects);
    Ok(Files { main: File { name: "istio.yaml".to_owned(), text }, beside: Vec::new() })
}

/// What keeps callers away from the backends.
fn around(gateway: &Gateway, namespace: &str) -> Vec<Object> {
    let mut objects = identity::around_backends(gateway, namespace);
    objects.extend(manifests::isolation(gateway, namespace, Admitted { namespace, label: LABEL }));
    objects
}

/// What Istio's own filters would break.
fn refuse(gateway: &Gateway) -> Result<(), String> {
    if gateway.filter.takes_opaque_tokens && !gateway.providers.is_empty() {
        return Err("Istio's RequestAuthentication refuses every `Authorization: Bearer` that is no JWT, so callers by \
                    `bearer` and by `jwt` do not go together there: give those by `bearer` a gateway of their own"
            .to_owned());
    }
    if let Some(domain) =
        gateway.hosts.iter().flat_map(|host| &host.domains).find(|domain| domain.ends_with(".*"))
    {
        return Err(format!("Istio takes no host such as `{domain}`: write it out, or `*.` with its end"));
    }
    if gateway.listeners.iter().any(|listener| listener.address.port() < 1024) {
        return Err(
            "the proxy is not root: let it listen on a port of 1024 or more, and the Service on another"
                .to_owned(),
        );
    }
    Ok(())
}

/// The callers, as the filter is told them.
fn callers(configuration: &Value) -> impl Iterator<Item = &Value> {
    configuration.get("callers").and_then(Value::as_array).into_iter().flatten()
}
