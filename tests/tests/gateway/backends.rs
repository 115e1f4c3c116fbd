//! Several backends behind one Envoy.

use anyhow::Result;
use scopegate_tests::bootstrap::route;
use scopegate_tests::client::Call;
use scopegate_tests::identity::basic;
use scopegate_tests::remote_write::WriteRequest;
use serde_json::json;

use crate::gateway::{Gateway, as_forwarder, configuration};

#[tokio::test]
async fn by_metadata_by_host_and_by_prefix() -> Result<()> {
    let mut configuration = configuration();
    configuration["backends"] = json!([
        {"name": "metrics", "kind": "cortex"},
        {"name": "logs", "kind": "loki", "host": "logs.test"},
        {"name": "mimir", "kind": "mimir", "path": "/mimir"},
        {"name": "traces", "kind": "tempo", "host": "never.test"},
    ]);
    configuration["write"] = json!({"mimir": {"tenant": [{"label": "namespace"}]}});
    let gateway = Gateway::with(
        &configuration,
        |listener| {
            let mut named = route("/traces", "cortex");
            named["metadata"] = json!({"filter_metadata": {"scopegate": {"backend": "traces"}}});
            named["route"]["prefix_rewrite"] = json!("");
            let mut unknown = route("/unknown", "cortex");
            unknown["metadata"] = json!({"filter_metadata": {"scopegate": {"backend": "nothing"}}});
            let mut stripped = route("/mimir/", "cortex");
            stripped["route"]["prefix_rewrite"] = json!("/");
            listener.raw_route(unknown).raw_route(stripped).raw_route(route("/api/echo", "cortex")).raw_route(
                {
                    let mut exact = route("/api/traces/", "cortex");
                    exact["metadata"] = json!({"filter_metadata": {"scopegate": {"backend": "traces"}}});
                    exact
                },
            )
        },
        |bootstrap, _| bootstrap,
    )
    .await?;
    let client = gateway.http1()?;
    let get = |authority: &str, path: &str| {
        Call::get(path).authority(authority).header("authorization", basic("forwarder", "new-secret"))
    };
    for (authority, path, expected) in [
        ("any.test", "/prometheus/api/v1/labels", 200),
        ("any.test", "/loki/api/v1/labels", 404),
        ("logs.test", "/prometheus/api/v1/labels", 404),
        ("logs.test:80", "/loki/api/v1/labels", 200),
        ("any.test", "/mimir/prometheus/api/v1/labels", 200),
        ("any.test", "/mimir/api/prom/api/v1/labels", 404),
        ("any.test", "/api/traces/2f3e0cee77ae5dc9c17ade3689eb2e54", 200),
        ("logs.test", "/api/traces/2f3e0cee77ae5dc9c17ade3689eb2e54", 200),
        ("any.test", "/unknown/prometheus/api/v1/labels", 500),
    ] {
        gateway.cortex.forget();
        gateway.cortex.reply("/loki/api/v1/labels", 200, "application/json", "{}");
        gateway.cortex.reply("/api/traces/2f3e0cee77ae5dc9c17ade3689eb2e54", 200, "application/json", "{}");
        let answer = client.send(get(authority, path)).await?;
        assert_eq!(answer.status, expected, "{authority}{path}: {answer}");
        assert_eq!(gateway.cortex.state().requests.len(), usize::from(expected == 200), "{authority}{path}");
    }
    // Each backend has its own write rules: the parts of a split go to the path the configuration gives.
    gateway.cortex.forget();
    client.send(as_forwarder(WriteRequest::realistic(20).push())).await?.expect(200)?;
    assert_eq!(gateway.cortex.state().tenants(), ["platform"]);
    Ok(())
}

/// A backend below a prefix: the parts go to the path that the configuration names for them.
#[tokio::test]
async fn parts_of_a_backend_below_a_prefix() -> Result<()> {
    let mut configuration = configuration();
    configuration["backends"] = json!([{"name": "metrics", "kind": "cortex", "path": "/metrics/"}]);
    configuration["write"] = json!({"metrics": {
        "tenant": [{"label": "namespace"}],
        "calls": {"path": "/api/v1/push", "authority": "cortex.internal", "timeout": "5s"},
    }});
    let gateway = Gateway::start(&configuration).await?;
    let body = WriteRequest::realistic(20).body();
    let call = |path: &str| {
        as_forwarder(Call::post(path, body.clone()))
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
    };
    gateway.http1()?.send(call("/api/v1/push")).await?.expect(404)?;
    gateway.nothing_arrived("outside of the prefix");
    gateway.http1()?.send(call("/metrics/api/v1/push")).await?.expect(200)?;
    let state = gateway.cortex.state();
    assert_eq!(state.requests.len(), 10);
    assert!(state.requests.iter().all(|r| r.target == "/api/v1/push" && r.authority == "cortex.internal"));
    Ok(())
}
