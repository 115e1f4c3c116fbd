//! Envoy Gateway: the listener that it makes of the objects (as its sources have it), with the patches over it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::world::{World, items, local, of_kind, walk};

const MANAGER: &str = "envoy.filters.network.http_connection_manager";
const TYPE: &str = "type.googleapis.com/envoy.extensions.filters";

#[tokio::test]
async fn the_patches_over_what_envoy_gateway_makes_serve() -> Result<()> {
    let world = World::new()?;
    let objects = world.objects("envoy-gateway")?;
    for map in of_kind(&objects, "ConfigMap") {
        for (name, text) in map["data"].as_object().context("no data")? {
            world.mounted(name, text.as_str().context("no text")?)?;
        }
    }
    // Whichever of its two names the listener has.
    for name in ["scopegate/scopegate/gateway", "tcp-8080"] {
        let made = made(&objects, name)?;
        let bootstrap = world.moved(patched(made.clone(), &objects)?)?;
        let envoy = world.start(&bootstrap).await?;
        world.is_served_by(&envoy.http1()?).await.context(name)?;

        // Without the patches there is no way to a backend.
        let closed = world.start(&world.moved(made)?).await?;
        world.is_closed(&closed.http1()?, 503).await?;
    }
    Ok(())
}

/// What Envoy Gateway makes without the patches, as a bootstrap.
fn made(objects: &[Value], name: &str) -> Result<Value> {
    let response = of_kind(objects, "HTTPRouteFilter").next().context("no HTTPRouteFilter")?;
    let response = &response["spec"]["directResponse"];
    let policy = of_kind(objects, "ClientTrafficPolicy").next().context("no ClientTrafficPolicy")?;
    let route = json!({
        "name": "httproute/scopegate/scopegate/rule/0/match/0/*",
        "match": {"prefix": "/"},
        "direct_response": {"status": response["statusCode"], "body": {"inline_string": response["body"]["inline"]}},
    });
    let manager = json!({
        "@type": format!("{TYPE}.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "http-8080",
        "use_remote_address": true,
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "route_config": {"name": name, "virtual_hosts": [{"name": "*", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "envoy.filters.http.router",
            "typed_config": {"@type": format!("{TYPE}.http.router.v3.Router"), "suppress_envoy_headers": true}}],
    });
    let listener = json!({
        "name": name,
        "address": local(),
        "per_connection_buffer_limit_bytes": policy["spec"]["connection"]["bufferLimit"],
        "default_filter_chain": {"name": name, "filters": [{"name": MANAGER, "typed_config": manager}]},
    });
    let proxy = of_kind(objects, "EnvoyProxy").next().context("no EnvoyProxy")?;
    let mut bootstrap = json!({
        "node": {"id": "scopegate", "cluster": "scopegate/scopegate"},
        "stats_config": {"stats_tags": []},
        "static_resources": {"listeners": [listener], "clusters": []},
    });
    for patch in items(&proxy["spec"]["bootstrap"]["jsonPatches"]) {
        ensure!(patch["op"] == "add" && patch["path"] == "/stats_config/stats_tags/-", "{patch}");
        let tags = bootstrap["stats_config"]["stats_tags"].as_array_mut().context("no tags")?;
        tags.push(patch["value"].clone());
    }
    Ok(bootstrap)
}

/// With the patches, of which those for what is not there are left out.
fn patched(mut bootstrap: Value, objects: &[Value]) -> Result<Value> {
    let policy = of_kind(objects, "EnvoyPatchPolicy").next().context("no EnvoyPatchPolicy")?;
    let mut replaced = 0;
    for patch in items(&policy["spec"]["jsonPatches"]) {
        let operation = &patch["operation"];
        let resources = &mut bootstrap["static_resources"];
        match (patch["type"].as_str().unwrap_or_default(), operation["op"].as_str().unwrap_or_default()) {
            (kind, "add") if kind.ends_with(".Cluster") && operation["path"] == "" => {
                resources["clusters"].as_array_mut().context("no clusters")?.push(operation["value"].clone());
            }
            (kind, "replace") if kind.ends_with(".Listener") => {
                ensure!(operation["jsonPath"] == format!("..filters[?(@.name=='{MANAGER}')]"), "{operation}");
                let listener = &mut resources["listeners"][0];
                if listener["name"] != patch["name"] {
                    continue;
                }
                walk(listener, &mut |node| {
                    let Some(filters) = node.get_mut("filters").and_then(Value::as_array_mut) else { return };
                    for filter in filters.iter_mut().filter(|filter| filter["name"] == MANAGER) {
                        *filter = operation["value"].clone();
                        replaced += 1;
                    }
                });
            }
            other => anyhow::bail!("what is {other:?}?"),
        }
    }
    ensure!(replaced == 1, "replaced {replaced}");
    Ok(bootstrap)
}
