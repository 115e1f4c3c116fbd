//! Whose tokens are verified, who may pass without one, and who reaches the backends.

use super::{LABEL, callers};
use crate::gateway::{Gateway, Jwks, Provider};
use crate::render::envoy::{one, texts};
use crate::render::manifests::{NAME, Object, Place, backend_namespaces, object};
use crate::yaml::Fields;

const API: &str = "security.istio.io/v1";

/// Tokens, where there are any.
pub(super) fn objects(gateway: &Gateway, place: Place<'_>) -> Result<Vec<Object>, String> {
    if gateway.providers.is_empty() {
        return Ok(Vec::new());
    }
    let rules =
        gateway.providers.iter().map(|provider| rule(provider, place)).collect::<Result<Vec<_>, _>>()?;
    let spec = Fields::block().with("selector", selector()).with("jwtRules", rules);
    let comment = "Verifies tokens. One that is there must be good. Whoever issued it, Istio puts its payload under `payload`; the\n\
                   filter tells issuers apart by `issuer`.";
    let mut objects =
        vec![object(comment, API, "RequestAuthentication", place.namespace, NAME).with("spec", spec)];
    let every_caller = callers(&gateway.filter.configuration).all(|caller| {
        caller.get("jwt").is_some_and(|jwt| jwt.get("namespace").is_none_or(serde_json::Value::is_null))
    });
    if every_caller {
        let source = Fields::new().with("notRequestPrincipals", texts(&["*".to_owned()]));
        let from = one(Fields::new().with("source", source));
        let spec = Fields::block()
            .with("selector", selector())
            .with("action", "DENY")
            .with("rules", one(Fields::new().with("from", from)));
        let comment = "Every caller has a token, so nothing without one gets to the filter at all. A principal needs `iss` and `sub`.";
        objects.push(object(comment, API, "AuthorizationPolicy", place.namespace, NAME).with("spec", spec));
    }
    Ok(objects)
}

fn rule(provider: &Provider, place: Place<'_>) -> Result<Fields, String> {
    let header = |name: &String| Fields::new().with("name", name);
    let bearer = Fields::new().with("name", "Authorization").with("prefix", "Bearer ");
    let headers: Vec<Fields> = provider.headers.iter().map(header).chain([bearer]).collect();
    let fields = Fields::block()
        .with("issuer", &provider.issuer)
        .maybe("audiences", (!provider.audiences.is_empty()).then(|| texts(&provider.audiences)));
    let fields = match &provider.jwks {
        Jwks::Url { url, .. } => fields.with("jwksUri", url),
        Jwks::File(file) => {
            let path = place.folder.join(file);
            let keys = std::fs::read_to_string(&path).map_err(|error| {
                format!("Istio takes public keys by their text, and {}: {error}", path.display())
            })?;
            fields.with("jwks", keys.trim())
        }
    };
    Ok(fields.maybe("fromHeaders", (!provider.headers.is_empty()).then_some(headers)).told(
        "Scopegate takes the token off.",
        "forwardOriginalToken",
        true,
    ))
}

fn selector() -> Fields {
    Fields::new().with("matchLabels", Fields::new().with(LABEL.0, LABEL.1))
}

/// In each namespace of a backend that is in the mesh: nobody is believed without a certificate, and only the gateway's, and
/// those of the namespace itself, are admitted.
pub(super) fn around_backends(gateway: &Gateway, namespace: &str) -> Vec<Object> {
    let mut objects = Vec::new();
    for backends in backend_namespaces(gateway, namespace).iter().filter(|backends| *backends != namespace) {
        let strict = Fields::new().with("mtls", Fields::new().with("mode", "STRICT"));
        objects.push(
            object(
                "Where the backend is in the mesh, nobody is believed without a certificate.",
                API,
                "PeerAuthentication",
                backends,
                NAME,
            )
            .with("spec", strict),
        );
        let principal = format!("cluster.local/ns/{namespace}/sa/{NAME}");
        let source = |fields: Fields| Fields::new().with("source", fields);
        let from = vec![
            source(Fields::new().with("principals", texts(&[principal]))),
            source(Fields::new().with("namespaces", texts(std::slice::from_ref(backends)))),
        ];
        let spec =
            Fields::block().with("action", "ALLOW").with("rules", one(Fields::new().with("from", from)));
        objects.push(
            object(
                "And only the gateway, and its own namespace, reach it.",
                API,
                "AuthorizationPolicy",
                backends,
                NAME,
            )
            .with("spec", spec),
        );
    }
    objects
}
