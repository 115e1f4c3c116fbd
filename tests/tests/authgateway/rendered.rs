//! What else can be rendered: IPv6 on both sides, a path of the upstream, split writes, credentials of upstreams.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use scopegate_tests::certificates::{Authority, Names};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::command;
use scopegate_tests::envoy::binary;
use scopegate_tests::nginx::{self, Nginx};
use scopegate_tests::ports::Reservation;
use scopegate_tests::process::Process;
use scopegate_tests::remote_write::{WriteRequest, series};
use scopegate_tests::wait::{DEADLINE, eventually};

use crate::world::{Component, rendered};

#[tokio::test]
async fn ipv6_and_a_path_of_the_upstream() -> Result<()> {
    let component = Component::start(&["::1"]).await?;
    let configuration = format!(
        "
backends: [{{name: metrics, kind: cortex, path: /metrics}}]
callers: [{{name: anyone, anonymous: {{}}, tenants: [team-a], may: [write, read]}}]
listeners: [{{address: '[::1]:0'}}]
upstreams:
  cortex: {{url: 'http://[::1]:{}/prometheus/../..', backend: metrics, paths: [/api/v1/push], health: none}}
",
        component.port()
    );
    // A path that leads nowhere is refused.
    assert!(rendered(&configuration, None).is_err());
    let configuration = configuration.replace("/prometheus/../..", "");
    let envoy = rendered(&configuration, None)?.start().await?;
    let gateway = envoy.http1()?;
    assert!(gateway.address().is_ipv6());
    let push = WriteRequest::of(vec![series(&[("__name__", "up")], 1_000, 1.0)]).push();
    gateway.send(push.clone().at("/metrics/api/v1/push")).await?.expect(200)?;
    let arrived = component.only()?;
    assert_eq!((arrived.target.as_str(), arrived.tenant.as_deref()), ("/api/v1/push", Some("team-a")));
    assert_eq!(arrived.body, push.whole_body());
    assert_eq!(arrived.header("x-through"), Some("::1"));
    // What no upstream takes is nowhere.
    gateway.get("/metrics/prometheus/api/v1/labels").await?.expect(404)?;
    component.nothing();
    Ok(())
}

#[tokio::test]
async fn split_writes_go_to_the_component_that_writes() -> Result<()> {
    let (distributor, frontend) =
        (Component::start(&["127.0.0.1"]).await?, Component::start(&["127.0.0.1"]).await?);
    let configuration = format!(
        "
backends: [{{name: metrics, kind: cortex}}]
callers:
  - {{name: anyone, anonymous: {{}}, tenants: [platform], may: [write, read], on_behalf_of: ['team-*']}}
listeners: [{{address: '127.0.0.1:0'}}]
write: {{metrics: {{tenant: [{{label: team}}, caller]}}}}
upstreams:
  distributor: {{url: 'http://127.0.0.1:{}', backend: metrics, component: distributor}}
  frontend: {{url: 'http://127.0.0.1:{}', backend: metrics, component: frontend}}
",
        distributor.port(),
        frontend.port()
    );
    let envoy = rendered(&configuration, None)?.start().await?;
    let of = |team: &str| series(&[("__name__", "up"), ("team", team)], 1_000, 1.0);
    let write = WriteRequest::of(vec![of("team-a"), of("team-b"), of("team-a")]);
    envoy.http1()?.send(write.push()).await?.expect(200)?;
    let state = distributor.cortex.state();
    assert_eq!(state.tenants(), ["team-a", "team-b"]);
    assert_eq!(state.series("team-a").count(), 2);
    drop(state);
    frontend.nothing();
    Ok(())
}

/// What Envoy adds to requests for a table follows its file, and the filter's callers never bring it about.
#[tokio::test]
async fn a_credential_is_renewed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let token = dir.path().join("token");
    std::fs::write(&token, "first")?;
    let inventory = Reservation::any()?;
    let table = "default_type application/json; return 200 '{\"shop\": \"team-a\"}';";
    let server = Nginx::start(&nginx::with(inventory.address(), "", table), &[inventory.address()]).await?;
    let component = Component::start(&["127.0.0.1"]).await?;
    let configuration = format!(
        "
backends: [{{name: metrics, kind: cortex}}]
callers: [{{name: anyone, anonymous: {{}}, tenants: [platform], may: [write], on_behalf_of: ['*']}}]
listeners: [{{address: '127.0.0.1:0'}}]
tables: {{shops: {{http: {{cluster: inventory, path: /shops.json, refresh: 1s}}}}}}
write: {{metrics: {{tenant: [{{label: shop, table: shops}}, caller]}}}}
upstreams:
  cortex: {{url: 'http://127.0.0.1:{}', backend: metrics}}
  inventory: {{url: 'http://{}', credential: {{bearer_file: {}}}}}
",
        component.port(),
        inventory.address(),
        token.display()
    );
    let envoy = rendered(&configuration, None)?.start().await?;
    let server = &server;
    let shown = |wanted: &'static str| async move {
        let seen = server.seen()?;
        ensure!(seen.iter().any(|request| request["authorization"] == wanted), "{seen:?}");
        Ok(())
    };
    eventually(DEADLINE, || shown("Bearer first")).await?;
    std::fs::write(dir.path().join("next"), "second")?;
    std::fs::rename(dir.path().join("next"), &token)?;
    eventually(DEADLINE, || shown("Bearer second")).await?;
    let push = WriteRequest::of(vec![series(&[("__name__", "up"), ("shop", "shop")], 1_000, 1.0)]).push();
    let client: Client = envoy.http1()?;
    client.send(push).await?.expect(200)?;
    let arrived = component.only()?;
    assert_eq!((arrived.tenant.as_deref(), arrived.header("authorization")), (Some("team-a"), None));
    client.send(Call::get("/shops.json")).await?.expect(404)?;
    Ok(())
}

/// What stands on the page is a configuration that Envoy takes.
#[tokio::test]
async fn the_page_is_right() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let authority = Authority::new(dir.path(), "any")?;
    let identity = authority.sign("any", &Names { common_name: "any", ..Names::default() })?;
    let files = identity.tls_certificate();
    let file = |kind: &str| files[kind]["filename"].as_str().unwrap_or_default().to_owned();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/gateway.md"))?;
    let (_, rest) = page.split_once("<!-- snippet: gateway -->\n```yaml\n").context("no snippet")?;
    let (snippet, _) = rest.split_once("```").context("no end")?;
    let snippet = snippet
        .replace("/etc/tls/tls.crt", &file("certificate_chain"))
        .replace("/etc/tls/tls.key", &file("private_key"));
    for (name, text) in command::render(&snippet)? {
        std::fs::write(dir.path().join(name), text)?;
    }
    let mut envoy = Command::new(binary());
    envoy.args(["--mode", "validate", "--config-path", "envoy.yaml"]).current_dir(dir.path());
    let mut process = Process::start("envoy", envoy, dir.path())?;
    let said = process.wait_for_output("OK", DEADLINE).await;
    ensure!(said.is_ok(), "{}", process.log());
    process.kill();
    Ok(())
}
