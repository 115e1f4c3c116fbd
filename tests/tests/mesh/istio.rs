//! Istio: what its pilot makes of the objects (as its sources have it), with the `EnvoyFilter`'s patches over it.

use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::world::{World, items, local, of_kind};

const MANAGER: &str = "envoy.filters.network.http_connection_manager";
const TYPE: &str = "type.googleapis.com/envoy.extensions.filters";

#[tokio::test]
async fn the_patches_over_what_pilot_makes_serve() -> Result<()> {
    let world = World::new()?;
    let objects = world.objects("istio")?;
    let mut proxy = Proxy::of_pilot(&world, &objects)?;
    for filter in of_kind(&objects, "EnvoyFilter") {
        proxy.patch(&world, filter)?;
    }
    for map in of_kind(&objects, "ConfigMap") {
        for (name, text) in map["data"].as_object().context("no data")? {
            world.mounted(name, text.as_str().context("no text")?)?;
        }
    }
    let bootstrap = world.moved(proxy.bootstrap())?;
    let envoy = world.start(&bootstrap).await?;
    world.is_served_by(&envoy.http1()?).await?;
    let stats = envoy.admin()?.prometheus().await?;
    let line =
        stats.lines().find(|line| line.starts_with("scopegate_requests_total{")).context("no metric")?;
    anyhow::ensure!(line.contains("backend=\"metrics\"") || line.contains("backend=\"logs\""), "{line}");

    // Where the agent cannot fetch the module it puts this in its place.
    let denies = json!({"@type": format!("{TYPE}.http.rbac.v3.RBAC"), "rules": {}});
    fs::write(
        world.files.path().join("ecds.json"),
        resource(&json!({"name": "scopegate", "typed_config": denies})),
    )?;
    let closed = world.start(&bootstrap).await?;
    world.is_closed(&closed.http1()?, 403).await
}

/// A proxy of Istio.
struct Proxy {
    listener: Value,
    clusters: Vec<Value>,
    port: u64,
}

impl Proxy {
    /// What pilot makes of everything but the `EnvoyFilter`.
    fn of_pilot(world: &World, objects: &[Value]) -> Result<Self> {
        let gateway = of_kind(objects, "Gateway").next().context("no Gateway")?;
        let server = &gateway["spec"]["servers"][0];
        let port = server["port"]["number"].as_u64().context("no port")?;
        let mut hosts = Vec::new();
        let mut clusters: Vec<Value> = Vec::new();
        for service in of_kind(objects, "VirtualService") {
            let mut routes = Vec::new();
            for route in items(&service["spec"]["http"]) {
                let (envoy, cluster) = http_route(route)?;
                routes.push(envoy);
                if !clusters.iter().any(|known| known["name"] == cluster) {
                    clusters.push(json!({"name": cluster, "connect_timeout": "2s"}));
                }
            }
            let domains = &service["spec"]["hosts"];
            hosts.push(json!({"name": format!("{}:{port}", domains[0].as_str().context("no host")?),
                "domains": domains, "routes": routes, "include_request_attempt_count": true}));
        }
        let jwt = of_kind(objects, "RequestAuthentication").next().context("no RequestAuthentication")?;
        let filters = json!([
            jwt_authn(world, items(&jwt["spec"]["jwtRules"])),
            {"name": "envoy.filters.http.cors",
                "typed_config": {"@type": format!("{TYPE}.http.cors.v3.Cors")}},
            {"name": "envoy.filters.http.fault",
                "typed_config": {"@type": format!("{TYPE}.http.fault.v3.HTTPFault")}},
            {"name": "envoy.filters.http.router",
                "typed_config": {"@type": format!("{TYPE}.http.router.v3.Router")}},
        ]);
        let manager = json!({
            "@type": format!("{TYPE}.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": format!("outbound_0.0.0.0_{port}"),
            "use_remote_address": true,
            "forward_client_cert_details": "SANITIZE_SET",
            "server_name": "istio-envoy",
            "normalize_path": true,
            "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
            "stream_idle_timeout": "0s",
            "route_config": {"name": format!("http.{port}"), "virtual_hosts": hosts},
            "http_filters": filters,
        });
        let listener = json!({"name": format!("0.0.0.0_{port}"), "address": local(), "traffic_direction": "OUTBOUND",
            "filter_chains": [{"filters": [{"name": MANAGER, "typed_config": manager}]}]});
        Ok(Self { listener, clusters, port })
    }

    /// What pilot, and then the agent, make of a patch.
    fn patch(&mut self, world: &World, filter: &Value) -> Result<()> {
        for patch in items(&filter["spec"]["configPatches"]) {
            let (matching, value) = (&patch["match"], &patch["patch"]["value"]);
            anyhow::ensure!(matching["context"] == "GATEWAY", "{matching}");
            let kind = (patch["applyTo"].as_str().unwrap_or_default(), patch["patch"]["operation"].as_str());
            match (kind.0, kind.1.context("no operation")?) {
                ("EXTENSION_CONFIG", "ADD") => {
                    fs::write(world.files.path().join("ecds.json"), resource(value))?
                }
                ("CLUSTER", "ADD") => self.clusters.push(value.clone()),
                ("HTTP_FILTER", "INSERT_BEFORE") => {
                    let before = &matching["listener"]["filterChain"]["filter"]["subFilter"]["name"];
                    let mut value = value.clone();
                    // What ADS would bring comes out of a file.
                    let source =
                        json!({"path_config_source": {"path": world.files.path().join("ecds.json")}});
                    value["config_discovery"]["config_source"] = source;
                    let filters = self.manager()?["http_filters"].as_array_mut().context("no filters")?;
                    let at = filters.iter().position(|known| known["name"] == *before);
                    filters.insert(at.context("no such filter")?, value);
                }
                ("HTTP_FILTER", "INSERT_FIRST") => {
                    let filters = self.manager()?["http_filters"].as_array_mut().context("no filters")?;
                    filters.insert(0, value.clone());
                }
                ("NETWORK_FILTER", "MERGE") => merge(self.manager()?, &value["typed_config"]),
                ("LISTENER", "MERGE") if matching["listener"]["portNumber"] == self.port => {
                    merge(&mut self.listener, value);
                }
                ("HTTP_ROUTE", "MERGE") => {
                    let name = &matching["routeConfiguration"]["vhost"]["route"]["name"];
                    let hosts = self.manager()?["route_config"]["virtual_hosts"].as_array_mut();
                    let routes = hosts.into_iter().flatten().filter_map(|host| host["routes"].as_array_mut());
                    let route = routes.flatten().find(|route| route["name"] == *name);
                    merge(route.with_context(|| format!("no route {name}"))?, value);
                }
                other => bail!("what is {other:?}? {matching}"),
            }
        }
        Ok(())
    }

    fn manager(&mut self) -> Result<&mut Value> {
        self.listener.pointer_mut("/filter_chains/0/filters/0/typed_config").context("no manager")
    }

    /// With the tags that `extraStatTags` make.
    fn bootstrap(self) -> Value {
        let tags: Vec<Value> = scopegate_core::report::TAGS
            .iter()
            .map(|(name, _)| json!({"tag_name": name, "regex": format!("({name}=\\.=(.*?);\\.;)")}))
            .collect();
        json!({
            "node": {"id": "router~10.0.0.1~scopegate.scopegate~scopegate.svc.cluster.local", "cluster": "scopegate"},
            "stats_config": {"use_all_default_tags": false, "stats_tags": tags},
            "static_resources": {"listeners": [self.listener], "clusters": self.clusters},
        })
    }
}

/// A route as pilot makes it, and the cluster that it leads to.
fn http_route(route: &Value) -> Result<(Value, String)> {
    let matching = &route["match"][0];
    let mut envoy = json!({"name": route["name"], "match": {}});
    match (matching["uri"]["exact"].as_str(), matching["uri"]["prefix"].as_str()) {
        (Some(path), None) => envoy["match"]["path"] = json!(path),
        (None, Some(path)) => envoy["match"]["prefix"] = json!(path),
        _ => bail!("{matching}"),
    }
    if let Some(method) = matching["method"]["exact"].as_str() {
        envoy["match"]["headers"] = json!([{"name": ":method", "string_match": {"exact": method}}]);
    }
    let destination = &route["route"][0]["destination"];
    let host = destination["host"].as_str().context("no host")?;
    let cluster = format!("outbound|{}||{host}", destination["port"]["number"]);
    envoy["route"] = json!({"cluster": cluster, "timeout": route["timeout"], "max_stream_duration": {
        "max_stream_duration": route["timeout"], "grpc_timeout_header_max": route["timeout"]}});
    envoy["metadata"] = json!({"filter_metadata": {"istio": {"config": "/apis/networking.istio.io/v1"}}});
    if let Some(attempts) = route["retries"]["attempts"].as_u64().filter(|attempts| *attempts > 0) {
        envoy["route"]["retry_policy"] =
            json!({"retry_on": route["retries"]["retryOn"], "num_retries": attempts});
    }
    Ok((envoy, cluster))
}

/// As `pilot/pkg/security/authn/policy_applier.go` makes it: one key for every payload, and scopes taken apart.
fn jwt_authn<'r>(world: &World, rules: impl Iterator<Item = &'r Value>) -> Value {
    let (mut providers, mut any, mut all) = (json!({}), Vec::new(), Vec::new());
    for (index, rule) in rules.enumerate() {
        let name = format!("origins-{index}");
        providers[&name] = json!({
            "issuer": rule["issuer"],
            "audiences": rule["audiences"],
            "forward": rule["forwardOriginalToken"],
            "payload_in_metadata": "payload",
            "normalize_payload_in_metadata": {"space_delimited_claims": ["permission", "scope"]},
            "local_jwks": {"inline_string": world.idp.jwks().to_string()},
        });
        any.push(json!({"provider_name": name}));
        all.push(json!({"requires_any": {"requirements": [{"provider_name": name}, {"allow_missing": {}}]}}));
    }
    let requires = match all.as_slice() {
        [only] => only.clone(),
        _ => {
            any.push(json!({"requires_all": {"requirements": all}}));
            json!({"requires_any": {"requirements": any}})
        }
    };
    json!({"name": "envoy.filters.http.jwt_authn", "typed_config": {
        "@type": format!("{TYPE}.http.jwt_authn.v3.JwtAuthentication"),
        "providers": providers,
        "rules": [{"match": {"prefix": "/"}, "requires": requires}],
        "bypass_cors_preflight": true,
    }})
}

/// One extension configuration, as a file of resources.
fn resource(extension: &Value) -> String {
    let mut resource = extension.clone();
    resource["@type"] = json!("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig");
    json!({"resources": [resource]}).to_string()
}

/// As protobuf merges: fields over fields, lists after lists.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from.iter().cloned()),
        (into, from) => *into = from.clone(),
    }
}
