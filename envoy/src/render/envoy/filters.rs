//! The HTTP filters in front of the backends, in their order.

use scopegate_core::report::{TAGS, tag_pattern};
use serde_json::Value;

use super::{extension, one, seconds, texts, typed};
use crate::gateway::{Gateway, Jwks, Provider};
use crate::render::Module;
use crate::yaml::{Fields, Yaml};

const CACHE: u32 = 300_000;
const FETCH: u32 = 10_000;
/// The cluster that the module is fetched through.
pub(crate) const MODULE_CLUSTER: &str = "scopegate-module";

/// The filters of a connection manager, with the router at their end.
pub(crate) fn filters(gateway: &Gateway, module: &Module) -> Vec<Fields> {
    let mut filters = Vec::new();
    if gateway.filter.needs_peer {
        filters.push(peer());
    }
    if !gateway.providers.is_empty() {
        filters.push(jwt_authn(gateway));
    }
    filters.push(plugin(gateway, gateway.filter.configuration.clone(), code(module)));
    filters.push(extension(
        "envoy.filters.http.router",
        "envoy.extensions.filters.http.router.v3.Router",
        Fields::new(),
    ));
    filters
}

/// Which parts of a statistic's name are tags.
pub(crate) fn stats_tags() -> Yaml {
    let tag = |(name, _): &(&str, &str)| {
        Yaml::from(Fields::new().with("tag_name", *name).with("regex", tag_pattern(name)))
    };
    Yaml::List(TAGS.iter().map(tag).collect())
}

/// Tells the filter who really connects, whatever `X-Forwarded-For` says.
pub(crate) fn peer() -> Fields {
    let source = Fields::new().with("inline_string", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%");
    let set = Fields::new()
        .with("object_key", "scopegate.peer")
        .with("factory_key", "envoy.string")
        .with("format_string", Fields::new().with("text_format_source", source));
    extension(
        "envoy.filters.http.set_filter_state",
        "envoy.extensions.filters.http.set_filter_state.v3.Config",
        Fields::new().with("on_request_headers", one(set)),
    )
}

fn jwt_authn(gateway: &Gateway) -> Fields {
    let providers = gateway
        .providers
        .iter()
        .fold(Fields::new(), |all, provider| all.with(&provider.name, jwt_provider(provider)));
    let name = |provider: &Provider| Yaml::from(Fields::new().with("provider_name", &provider.name));
    let without =
        if gateway.filter.takes_opaque_tokens { "allow_missing_or_failed" } else { "allow_missing" };
    let last = Yaml::from(Fields::new().with(without, Fields::new()));
    let requirements: Vec<Yaml> = gateway.providers.iter().map(name).chain([last]).collect();
    let any = Fields::new().with("requires_any", Fields::new().with("requirements", requirements));
    let rule = Fields::new().with("match", Fields::new().with("prefix", "/")).with("requires", any);
    let comment = if gateway.filter.takes_opaque_tokens {
        "Verifies tokens. What is none, or no good one, goes on to the filter below, which refuses what it does not know."
    } else {
        "Verifies tokens. One that is there must be good; without one the filter below refuses."
    };
    let kind = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication";
    let fields = Fields::new().with("providers", providers).with("rules", one(rule));
    Fields::new()
        .told(comment, "name", "envoy.filters.http.jwt_authn")
        .with("typed_config", typed(kind, fields))
}

fn jwt_provider(provider: &Provider) -> Fields {
    let headers: Vec<Yaml> = provider
        .headers
        .iter()
        .map(|name| Fields::new().with("name", name).into())
        .chain(
            (!provider.headers.is_empty())
                .then(|| Fields::new().with("name", "Authorization").with("value_prefix", "Bearer ").into()),
        )
        .collect();
    let fields = Fields::new()
        .with("issuer", &provider.issuer)
        .maybe("audiences", (!provider.audiences.is_empty()).then(|| texts(&provider.audiences)))
        .maybe("from_headers", (!headers.is_empty()).then_some(headers));
    let fields = match &provider.jwks {
        Jwks::File(file) => fields.with("local_jwks", Fields::new().with("filename", file)),
        Jwks::Url { url, cluster } => fields.with(
            "remote_jwks",
            Fields::new()
                .with("http_uri", http_uri(url, cluster))
                .with("cache_duration", seconds(CACHE))
                .told(
                    "Fetched before they are needed, and again before they end.",
                    "async_fetch",
                    Fields::new(),
                ),
        ),
    };
    fields.with("payload_in_metadata", &provider.name).told("Scopegate takes the token off.", "forward", true)
}

fn http_uri(url: &str, cluster: &str) -> Fields {
    Fields::new().with("uri", url).with("cluster", cluster).with("timeout", seconds(FETCH))
}

/// The filter itself, with this configuration and this code.
pub(crate) fn plugin(gateway: &Gateway, configuration: Value, code: Fields) -> Fields {
    let environment = &gateway.filter.environment;
    let vm =
        Fields::new().with("vm_id", "scopegate").with("runtime", "envoy.wasm.runtime.v8").with("code", code);
    let vm = if environment.is_empty() {
        vm
    } else {
        let keys = Fields::new().with("host_env_keys", texts(environment));
        vm.told("Secrets, out of Envoy's own environment.", "environment_variables", keys)
    };
    let configuration = Fields::new().with("@type", "type.googleapis.com/google.protobuf.Struct").told(
        "The same as scopegate.yaml, without what this file was made of.",
        "value",
        configuration,
    );
    let config = Fields::new()
        .with("name", "scopegate")
        .with("root_id", "scopegate")
        .told(
            "After a trap the VM is made anew, and until then requests get 503. Never FAIL_OPEN.",
            "failure_policy",
            "FAIL_RELOAD",
        )
        .told(
            "Lets the filter set a header once it has seen the body. Without it requests hang.",
            "allow_on_headers_stop_iteration",
            true,
        )
        .with("vm_config", vm)
        .with("configuration", configuration);
    extension("scopegate", "envoy.extensions.filters.http.wasm.v3.Wasm", Fields::new().with("config", config))
}

fn code(module: &Module) -> Fields {
    match module {
        Module::File(file) => Fields::new().with("local", Fields::new().with("filename", file)),
        Module::Url { url, sha256 } => Fields::new().with(
            "remote",
            Fields::new()
                .with("http_uri", http_uri(url, MODULE_CLUSTER))
                .with("sha256", sha256)
                .with("retry_policy", Fields::new().with("num_retries", 5_u32)),
        ),
        Module::Image(image) => Fields::new().with("image", image),
    }
}
