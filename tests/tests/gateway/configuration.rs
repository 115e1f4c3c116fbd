//! The configuration in Envoy: as Struct and as text; a bad one is refused with one readable line.

use anyhow::Result;
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::Cortex;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::identity::basic;
use serde_json::{Value, json};

use crate::gateway::{KEY, configuration};

fn bootstrap(plugin: Plugin, cortex: &Cortex) -> Bootstrap {
    let listener = Listener::new("gateway").filter(plugin.variable("KEY", KEY).filter()).route("/", "cortex");
    Bootstrap::new().listener(listener).cluster(Cluster::http2("cortex", cortex.address()))
}

#[tokio::test]
async fn text_and_struct_mean_the_same() -> Result<()> {
    let cortex = Cortex::start()?;
    let mut limited = configuration();
    limited["limits"] = json!({"series": 7, "request_bytes": 5_000_000});
    for plugin in [Plugin::structured(&limited), Plugin::text(&limited.to_string())] {
        let envoy = Envoy::start(&bootstrap(plugin, &cortex)).await?;
        let call = Call::get("/prometheus/api/v1/query?query=up")
            .header("authorization", basic("forwarder", "new-secret"));
        Client::http1(envoy.address()?).send(call).await?.expect(200)?;
    }
    assert_eq!(cortex.state().tenants(), ["platform"]);
    Ok(())
}

#[tokio::test]
async fn a_bad_configuration_is_refused_with_one_line() -> Result<()> {
    let cortex = Cortex::start()?;
    let with = |pointer: &str, value: Value| {
        let mut changed = configuration();
        *changed.pointer_mut(pointer).unwrap() = value;
        changed
    };
    let cases: Vec<(Plugin, &str)> = vec![
        (
            Plugin::structured(&with("/backends/0/kind", json!("cortx"))),
            "backends[0].kind: unknown variant `cortx`, expected one of `cortex`",
        ),
        (
            Plugin::structured(&with("/callers/0/name", json!(false))),
            "callers[0].name: expected a string, found a boolean: quote it",
        ),
        (
            Plugin::structured(&with("/callers/2/jwt", json!({"provider": "p"}))),
            "callers[2].jwt: missing field `issuer`",
        ),
        (
            Plugin::structured(&with("/callers/0/basic/key/env", json!("NOT_SET"))),
            "callers[0].basic.key.env: the environment variable NOT_SET is not set",
        ),
        (Plugin::text("{\"backends\": ["), "the configuration is not valid JSON"),
        (Plugin::text("backends: []"), "neither a JSON object nor a google.protobuf.Struct"),
        (Plugin::text(""), "there is no configuration"),
    ];
    for (plugin, expected) in cases {
        let error = match Envoy::start(&bootstrap(plugin, &cortex)).await {
            Ok(_) => panic!("started: {expected}"),
            Err(error) => format!("{error:#}"),
        };
        let line = error.lines().find(|line| line.contains("scopegate: the configuration is refused: "));
        assert!(line.is_some_and(|line| line.contains(expected)), "{expected}:\n{error}");
    }
    Ok(())
}

/// Secrets from Envoy's own environment do not show in its configuration dump.
#[tokio::test]
async fn host_variables_stay_out_of_the_dump() -> Result<()> {
    let cortex = Cortex::start()?;
    let plugin = Plugin::structured(&configuration()).host_variable("KEY");
    let listener = Listener::new("gateway").filter(plugin.filter()).route("/", "cortex");
    let whole = Bootstrap::new().listener(listener).cluster(Cluster::http2("cortex", cortex.address()));
    let envoy = Envoy::builder(&whole).variable("KEY", KEY).start().await?;
    let call = Call::get("/prometheus/api/v1/query?query=up")
        .header("authorization", basic("forwarder", "new-secret"));
    Client::http1(envoy.address()?).send(call).await?.expect(200)?;
    assert!(!envoy.admin()?.get("/config_dump").await?.contains(KEY));
    Ok(())
}
