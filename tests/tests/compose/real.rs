//! The stack before a real Cortex and a real Loki with its files, where `CORTEX_BIN` and `LOKI_BIN` name them.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::example::yaml;
use scopegate_tests::loki::{Form, Stream, push, stream};
use scopegate_tests::ports::Reservation;
use scopegate_tests::process::Process;
use scopegate_tests::prometheus::{Prometheus, Target};
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::json;
use tempfile::TempDir;

use crate::stack::text;
use crate::world::World;

/// A running backend.
struct Real {
    address: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

impl Real {
    /// With its file, its data below another folder and its ports elsewhere; ready at the path that its healthcheck asks.
    async fn start(variable: &str, file: &str, data: &str) -> Result<Option<Self>> {
        let Some(binary) = std::env::var_os(variable).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let dir = tempfile::tempdir()?;
        let path = dir.path().join(file);
        std::fs::write(&path, text(file)?.replace(data, &format!("{}/", dir.path().display())))?;
        let mut config = yaml(&path)?;
        let (http, grpc) = (Reservation::any()?.address(), Reservation::any()?.address());
        for (protocol, port) in [("http", http.port()), ("grpc", grpc.port())] {
            config["server"][format!("{protocol}_listen_address")] = json!("127.0.0.1");
            config["server"][format!("{protocol}_listen_port")] = json!(port);
        }
        std::fs::write(&path, config.to_string())?;
        let mut command = Command::new(binary);
        command.arg(format!("-config.file={}", path.display())).current_dir(dir.path());
        let process = Process::start(variable, command, dir.path())?;
        let client = Client::http1(http);
        let ready = eventually(DEADLINE, || async move { client.get("/ready").await?.expect(200) }).await;
        ready.with_context(|| process.log())?;
        Ok(Some(Self { address: http, _process: process, _dir: dir }))
    }
}

/// Now, in nanoseconds: a real Loki takes nothing older than a week.
fn log(namespace: &str) -> Stream {
    let mut stream = stream(&[("namespace", namespace)], &[(namespace, &[])]);
    for entry in &mut stream.entries {
        entry.timestamp = i64::try_from(scopegate_tests::identity::now()).unwrap_or_default() * 1_000_000_000;
    }
    stream
}

#[tokio::test]
async fn everybody_reads_back_what_is_theirs() -> Result<()> {
    let Some(cortex) = Real::start("CORTEX_BIN", "cortex.yaml", "/data/").await? else { return Ok(()) };
    let Some(loki) = Real::start("LOKI_BIN", "loki.yaml", "/loki/").await? else { return Ok(()) };
    let world = World::before(cortex.address, loki.address).await?;
    let pod = Target::fixed("shop_queue_length 7\n")?;
    let pods = ["shop:8080", "web:8080", "ledger:8080", "cron:8080"].map(|name| (name, pod.address()));
    let targets = [&pods[..], &[("gateway:9902", world.envoy.listener("operations")?)]].concat();
    let config = world.prometheus("prometheus/prometheus.yaml", "prometheus", &targets)?;
    let Some(_prometheus) = Prometheus::start(&config.replace("[rules.yaml]", "[]")).await? else {
        return Ok(());
    };
    let sent = ["shop", "web", "ledger", "cron"].map(log);
    let call =
        push(Form::Protobuf, &sent).bearer(&world.keycloak.client("log-forwarder")?).authority("logs:8080");
    world.gateway()?.send(call).await?.expect(204)?;

    let gateway = world.gateway()?;
    for (person, organisation, in_metrics, in_logs) in [
        ("ann", "2", json!(["shop", "web"]), json!(["shop", "web"])),
        ("bob", "3", json!(["ledger"]), json!(["ledger"])),
        ("eve", "", json!(["ledger", "shop", "web"]), json!(["ledger", "shop", "web"])),
        ("eve", "3", json!(["ledger"]), json!(["ledger"])),
        ("olga", "4", json!(["cron", "scopegate"]), json!(["cron"])),
    ] {
        let token = world.person(person)?;
        let metrics = Call::get("/prometheus/api/v1/label/namespace/values");
        let logs = Call::get("/loki/api/v1/label/namespace/values").authority("logs:8080");
        for (call, expected) in [(metrics, &in_metrics), (logs, &in_logs)] {
            let call = call.bearer(&token);
            let call =
                if organisation.is_empty() { call } else { call.header("x-grafana-org-id", organisation) };
            eventually(2 * DEADLINE, || async {
                let mut found = gateway.send(call.clone()).await?.expect(200)?.json()?["data"].clone();
                if let Some(found) = found.as_array_mut() {
                    found.sort_by_key(ToString::to_string);
                }
                ensure!(found == *expected, "{person} in {organisation:?}: {found} and not {expected}");
                Ok(())
            })
            .await?;
        }
    }
    // Another's series by name, and by a forged tenant.
    let ann = world.person("ann")?;
    let by_name = Call::form("/prometheus/api/v1/query", &[("query", "{namespace=\"ledger\"}")]).bearer(&ann);
    assert_eq!(gateway.send(by_name.clone()).await?.expect(200)?.json()?["data"]["result"], json!([]));
    gateway.send(by_name.tenant("bank")).await?.expect(403)?;
    Ok(())
}
