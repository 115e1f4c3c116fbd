//! A gateway that Envoy Gateway runs: a `Gateway` whose connection managers an `EnvoyPatchPolicy` replaces by our own.
//!
//! Its own `EnvoyExtensionPolicy` cannot let the filter hold headers until it has seen a body. Patches are applied one by
//! one, and one that fails is left out while the others take effect: a filter that is patched in beside routes that are
//! there already would leave them open. So the routes come with the filter, in one patch; without it there is only a route
//! that answers 503.

mod proxy;

use core::fmt::Write as _;

use super::envoy::{self, one};
use super::manifests::{self, Admitted, Brings, NAME, Object, Place, object, rooted};
use super::{File, Files, Module};
use crate::gateway::{Gateway, Listener};
use crate::yaml::{Fields, Yaml};

/// Where Envoy Gateway runs its proxies.
const SYSTEM: &str = "envoy-gateway-system";
const GATEWAY: &str = "gateway.networking.k8s.io";
const GATEWAY_API: &str = "gateway.networking.k8s.io/v1";
const API: &str = "gateway.envoyproxy.io/v1alpha1";
const GROUP: &str = "gateway.envoyproxy.io";
/// What it labels the pods of a Gateway with.
const OWNER: &str = "gateway.envoyproxy.io/owning-gateway-name";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";

/// Everything in one file.
pub(crate) fn files(gateway: &Gateway, module: &Module, place: Place<'_>) -> Result<Files, String> {
    let namespace = place.namespace;
    let read = manifests::Files::of(gateway, Brings { certificates: true, tokens: false })?;
    if !read.beside.is_empty() {
        return Err(format!(
            "{}: a proxy of Envoy Gateway has no folder of its own: name files with the folder that a Secret is mounted at, \
             and public keys by their URL",
            read.beside.join(", ")
        ));
    }
    let (inside, image) = match module {
        Module::Image(image) => (Module::File(manifests::MODULE_FILE.to_owned()), Some(image.as_str())),
        Module::File(file) if !file.starts_with('/') => {
            return Err("the proxy has no such file: give an image `--wasm oci://NAME@sha256:…`, a URL with --sha256, or \
                        the whole path of a file that the proxy's own image has"
                .to_owned());
        }
        other => (other.clone(), None),
    };
    // The account is Envoy Gateway's to make.
    let mut objects: Vec<Object> = manifests::access(gateway, SYSTEM).into_iter().skip(1).collect();
    objects.extend(proxy::objects(gateway, &read, image, namespace));
    objects.extend(routes(gateway, namespace)?);
    objects.push(patches(gateway, &inside, namespace)?);
    let admitted = Admitted { namespace: SYSTEM, label: (OWNER, NAME) };
    objects.extend(manifests::isolation(gateway, namespace, admitted));
    let mut head = "# Made by `scopegate render --to envoy-gateway`: change the configuration that it was made of, and make it \
                    anew.\n#\n#   kubectl apply -f envoy-gateway.yaml\n"
        .to_owned();
    if !gateway.filter.environment.is_empty() {
        let keys: Vec<String> =
            gateway.filter.environment.iter().map(|name| format!(" --from-literal={name}=…")).collect();
        let (name, keys) = (manifests::SECRETS, keys.concat());
        let _ = writeln!(head, "#\n# Secrets: kubectl create secret generic -n {SYSTEM} {name}{keys}");
    }
    let text = manifests::documents(&head, objects);
    Ok(Files { main: File { name: "envoy-gateway.yaml".to_owned(), text }, beside: Vec::new() })
}

/// The Gateway, and the one route that Envoy Gateway itself knows.
fn routes(gateway: &Gateway, namespace: &str) -> Result<Vec<Object>, String> {
    let listeners = gateway.listeners.iter().map(listener).collect::<Result<Vec<_>, _>>()?;
    let parameters = Fields::new().with("group", GROUP).with("kind", "EnvoyProxy").with("name", NAME);
    let spec = Fields::block()
        .with("gatewayClassName", NAME)
        .with("infrastructure", Fields::new().with("parametersRef", parameters))
        .with("listeners", listeners);
    let body = Fields::new().with("type", "Inline").with("inline", "the filter is not there\n");
    let closed = Fields::new().with("statusCode", 503_u32).with("body", body);
    let reference = Fields::new().with("group", GROUP).with("kind", "HTTPRouteFilter").with("name", NAME);
    let filter = Fields::new().with("type", "ExtensionRef").with("extensionRef", reference);
    let path = Fields::new().with("type", "PathPrefix").with("value", "/");
    let rule =
        Fields::block().with("matches", one(Fields::new().with("path", path))).with("filters", one(filter));
    let route =
        Fields::block().with("parentRefs", one(Fields::new().with("name", NAME))).with("rules", one(rule));
    let comment = "What there is without the patch below, such as where Envoy Gateway is told to take none: 503, and no way to a\n\
                   backend.";
    let mut objects = vec![
        object("", GATEWAY_API, "GatewayClass", "", NAME).with(
            "spec",
            Fields::new().with("controllerName", "gateway.envoyproxy.io/gatewayclass-controller"),
        ),
        object("", GATEWAY_API, "Gateway", namespace, NAME).with("spec", spec),
        object(comment, API, "HTTPRouteFilter", namespace, NAME)
            .with("spec", Fields::block().with("directResponse", closed)),
        object("", GATEWAY_API, "HTTPRoute", namespace, NAME).with("spec", route),
    ];
    objects.extend(gateway.listeners.iter().map(|listener| traffic(gateway, listener, namespace)));
    Ok(objects)
}

fn listener(listener: &Listener) -> Result<Fields, String> {
    let protocol = if listener.tls.is_some() { "HTTPS" } else { "HTTP" };
    let fields = Fields::block()
        .with("name", section(listener))
        .with("port", listener.address.port())
        .with("protocol", protocol);
    let Some(tls) = &listener.tls else { return Ok(fields) };
    let secret = manifests::secret_of(&tls.certificate.certificate)?;
    let reference = one(Fields::new().with("kind", "Secret").with("name", secret));
    Ok(fields.with("tls", Fields::new().with("mode", "Terminate").with("certificateRefs", reference)))
}

fn section(listener: &Listener) -> String {
    manifests::label(&listener.name)
}

/// What stands around the connection manager.
fn traffic(gateway: &Gateway, listener: &Listener, namespace: &str) -> Object {
    let target = Fields::new()
        .with("group", GATEWAY)
        .with("kind", "Gateway")
        .with("name", NAME)
        .with("sectionName", section(listener));
    let limit = Fields::new().told(
        "What a held body, or an answer that is narrowed, may take.",
        "bufferLimit",
        gateway.filter.held_bytes,
    );
    let tls = listener.tls.as_ref().and_then(|tls| {
        let secret = manifests::secret_of(tls.client_ca.as_ref()?).ok()?;
        let reference = one(Fields::new().with("kind", "Secret").with("name", secret));
        let validation = Fields::new()
            .with("optional", !tls.require_client_certificate)
            .with("caCertificateRefs", reference);
        Some(Fields::new().with("clientValidation", validation))
    });
    let spec = Fields::block().with("targetRefs", one(target)).with("connection", limit).maybe("tls", tls);
    object("", API, "ClientTrafficPolicy", namespace, &format!("{NAME}-{}", section(listener)))
        .with("spec", spec)
}

/// The filter with all that is around it, and where requests go.
fn patches(gateway: &Gateway, module: &Module, namespace: &str) -> Result<Object, String> {
    let mut patches = Vec::new();
    for listener in &gateway.listeners {
        let manager = rooted(envoy::manager(gateway, listener, module));
        let port = listener.address.port();
        let names = [
            ("As Envoy Gateway called it before 1.10.", format!("{namespace}/{NAME}/{}", section(listener))),
            (
                "As it calls it with XDSNameSchemeV2. Of the two one is not found, which the status tells.",
                format!("tcp-{port}"),
            ),
        ];
        for (comment, name) in names {
            let operation = Fields::block()
                .with("op", "replace")
                .with("jsonPath", "..filters[?(@.name=='envoy.filters.network.http_connection_manager')]")
                .with("value", manager.clone());
            patches.push(
                Fields::block()
                    .told(comment, "type", LISTENER)
                    .with("name", name)
                    .with("operation", operation),
            );
        }
    }
    let mut clusters: Vec<(String, Yaml)> = gateway
        .clusters
        .iter()
        .map(|cluster| (cluster.name.clone(), rooted(envoy::cluster(cluster))))
        .collect();
    if let Module::Url { url, .. } = module {
        clusters.push((envoy::MODULE_CLUSTER.to_owned(), envoy::module_cluster(url)?.into()));
    }
    for (name, cluster) in clusters {
        let operation = Fields::block().with("op", "add").with("path", "").with("value", cluster);
        patches.push(Fields::block().with("type", CLUSTER).with("name", name).with("operation", operation));
    }
    let target = Fields::new().with("group", GATEWAY).with("kind", "Gateway").with("name", NAME);
    let spec =
        Fields::block().with("targetRef", target).with("type", "JSONPatch").with("jsonPatches", patches);
    let comment = "The filter, its routes and its upstreams. Envoy Gateway must be told to take such patches: extensionApis:\n\
                   {enableEnvoyPatchPolicy: true}. Whoever may write one in this namespace can take the filter out again.";
    Ok(object(comment, API, "EnvoyPatchPolicy", namespace, NAME).with("spec", spec))
}
