//! The stack at work: who writes what for whom, and who reads what.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use scopegate_tests::client::Call;
use scopegate_tests::cortex::{Cortex, State};
use scopegate_tests::loki::{Form, Stream, push, stream, streams};
use scopegate_tests::prometheus::{Prometheus, Target};
use scopegate_tests::wait::{DEADLINE, eventually};

use crate::stack::folder;
use crate::world::World;

/// What a pod tells; see `scripts/workload.sh`.
fn page(requests: u32) -> String {
    format!(
        "# TYPE shop_requests_total counter\nshop_requests_total{{code=\"200\"}} {requests}\n\
         # TYPE shop_claim gauge\nshop_claim{{namespace=\"ledger\"}} 1\n"
    )
}

/// Which namespaces a tenant's series of this Prometheus have, and none.
fn namespaces(state: &State, tenant: &str, cluster: &str) -> BTreeSet<String> {
    let all = state.store(tenant).map(|store| store.series().keys()).into_iter().flatten();
    let value = |labels: &[scopegate_tests::cortex::Label], name: &str| {
        let label = labels.iter().find(|label| label.name == name.as_bytes());
        label.map_or_else(String::new, |label| String::from_utf8_lossy(&label.value).into_owned())
    };
    all.filter(|labels| value(labels, "cluster") == cluster)
        .map(|labels| value(labels, "namespace"))
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Every sample that a tenant has of a namespace is in that Prometheus, the same to the bit, under the same labels.
async fn same(cortex: &Cortex, tenant: &str, prometheus: &Prometheus, namespace: &str) -> Result<()> {
    let stored: Vec<_> = {
        let state = cortex.state();
        let store = state.store(tenant).context("nothing is stored")?;
        store.series().iter().map(|(labels, samples)| (labels.clone(), samples.clone())).collect()
    };
    let known: BTreeMap<_, _> =
        prometheus.samples(&format!("{{namespace={namespace:?}}}")).await?.into_iter().collect();
    let mut compared = 0;
    for (labels, samples) in stored {
        let mut labels: BTreeMap<String, String> = labels
            .iter()
            .map(|label| [&label.name, &label.value].map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
            .map(|[name, value]| (name, value))
            .collect();
        // The label that Prometheus adds to what it sends.
        if labels.remove("cluster").is_none_or(|of| of != "demo")
            || labels.get("namespace").is_none_or(|of| of != namespace)
        {
            continue;
        }
        let theirs: BTreeMap<i64, u64> = known
            .get(&labels)
            .with_context(|| format!("{labels:?} is nowhere"))?
            .iter()
            .map(|(time, value)| (*time, value.to_bits()))
            .collect();
        for (time, bits) in samples {
            assert_eq!(theirs.get(&time), Some(&bits), "{labels:?} at {time}");
            compared += 1;
        }
    }
    ensure!(compared > 0, "nothing of {namespace}");
    Ok(())
}

/// The cluster's Prometheus with its own configuration, its tokens from Keycloak: each series goes to the organisation of its
/// namespace, the gateway's own among them. The team's Prometheus writes for the team, and what it forges is nowhere.
#[tokio::test]
async fn series_go_to_the_organisation_of_their_namespace() -> Result<()> {
    let world = World::start().await?;
    let (shop, web) = (Target::fixed(&page(17))?, Target::fixed(&page(4))?);
    let (ledger, cron, vault) =
        (Target::fixed(&page(1))?, Target::fixed(&page(2))?, Target::fixed(&page(3))?);
    let targets = [
        ("shop:8080", shop.address()),
        ("web:8080", web.address()),
        ("ledger:8080", ledger.address()),
        ("cron:8080", cron.address()),
        ("gateway:9902", world.envoy.listener("operations")?),
    ];
    let rules = folder().join("../../dashboards/rules.yaml");
    let config = world.prometheus("prometheus/prometheus.yaml", "prometheus", &targets)?;
    let config = config.replace("[rules.yaml]", &format!("[{:?}]", rules.canonicalize()?));
    let Some(prometheus) = Prometheus::start(&config).await? else { return Ok(()) };
    let bank =
        world.prometheus("prometheus/bank.yaml", "prometheus-bank", &[("vault:8080", vault.address())])?;
    let Some(bank) = Prometheus::start(&bank).await? else { return Ok(()) };

    // Rules and what Prometheus says of itself have no namespace.
    let expected = [
        ("acme", "demo", set(&["shop", "web"])),
        ("bank", "demo", set(&["ledger"])),
        ("platform", "demo", set(&["", "cron", "scopegate"])),
        ("acme", "bank", set(&[])),
        // There nobody renames what the pod says of its namespace, which is the bank's too.
        ("bank", "bank", set(&["", "ledger"])),
        ("platform", "bank", set(&[])),
    ];
    let seen = |state: &State| {
        expected.iter().all(|(tenant, cluster, names)| namespaces(state, tenant, cluster).is_superset(names))
    };
    // Two Prometheus with their own intervals and batches, on a machine that may have much else to do.
    world.cortex.wait_within(3 * DEADLINE, "every tenant has its series", seen).await?;
    // The forged ones were refused meanwhile, more than once, and the gateway's counters told of it.
    let admin = world.envoy.admin()?;
    eventually(DEADLINE, || async {
        let page = admin.prometheus().await?;
        let refused = page.lines().find(|line| {
            line.starts_with("scopegate_series_not_sent_total{")
                && line.contains("caller=\"team-prometheus\"")
                && line.contains("reason=\"foreign_tenant\"")
        });
        ensure!(refused.is_some(), "nothing was refused");
        Ok(())
    })
    .await?;
    for (tenant, cluster, names) in &expected {
        assert_eq!(&namespaces(&world.cortex.state(), tenant, cluster), names, "{tenant} of {cluster}");
    }
    assert_eq!(world.cortex.state().tenants(), ["acme", "bank", "platform"]);
    for (tenant, namespace) in [("acme", "shop"), ("acme", "web"), ("bank", "ledger"), ("platform", "cron")] {
        same(&world.cortex, tenant, &prometheus, namespace).await?;
    }
    // What a pod said about its namespace is data under another name, in its own organisation.
    let claims = prometheus.samples("shop_claim{exported_namespace=\"ledger\",namespace=\"shop\"}").await?;
    assert_eq!(claims.len(), 1);
    drop(bank);
    Ok(())
}

/// A stream as the log forwarder makes it of a pod's file.
fn log(namespace: &str, line: &str) -> Stream {
    let file = format!("/var/log/pods/{namespace}/{namespace}-0.log");
    let pod = format!("{namespace}-0");
    stream(&[("filename", &file), ("namespace", namespace), ("pod", &pod)], &[(line, &[])])
}

#[tokio::test]
async fn logs_go_to_the_organisation_of_their_namespace() -> Result<()> {
    let world = World::start().await?;
    let sent = [
        log("shop", "a\tline \u{e4}"),
        log("ledger", "of the bank"),
        log("cron", "of nobody"),
        log("web", ""),
    ];
    let call =
        push(Form::Protobuf, &sent).bearer(&world.keycloak.client("log-forwarder")?).authority("logs:8080");
    world.gateway()?.send(call).await?.expect(204)?;
    for (tenant, expected) in [
        ("acme", vec![log("shop", "a\tline \u{e4}"), log("web", "")]),
        ("bank", vec![log("ledger", "of the bank")]),
        ("platform", vec![log("cron", "of nobody")]),
    ] {
        assert_eq!(streams(&world.loki.state(), tenant), expected, "{tenant}");
    }
    assert_eq!(world.loki.state().tenants(), ["acme", "bank", "platform"]);
    assert!(world.cortex.state().requests.is_empty());
    Ok(())
}

/// What somebody may read through Grafana, and what becomes of who tries more. Of what is refused nothing arrives.
#[tokio::test]
async fn people_read_what_is_theirs() -> Result<()> {
    let world = World::start().await?;
    let gateway = world.gateway()?;
    let metrics = || Call::get("/prometheus/api/v1/label/namespace/values");
    let logs = || Call::get("/loki/api/v1/label/namespace/values").authority("logs:8080");
    let by = |person: &str, call: Call| anyhow::Ok(call.bearer(&world.person(person)?));
    let organisation = |id: &str, call: Call| call.header("x-grafana-org-id", id);
    let prometheus = world.keycloak.client("prometheus")?;
    let cases: Vec<(&str, Call, Result<&str, u16>)> = vec![
        ("ann in acme", organisation("2", by("ann", metrics())?), Ok("acme")),
        ("ann in acme, logs", organisation("2", by("ann", logs())?), Ok("acme")),
        ("bob in the bank", organisation("3", by("bob", metrics())?), Ok("bank")),
        ("eve in acme", organisation("2", by("eve", metrics())?), Ok("acme")),
        ("eve in the bank, logs", organisation("3", by("eve", logs())?), Ok("bank")),
        ("eve without an organisation", by("eve", metrics())?, Ok("acme|bank")),
        ("olga in the platform", organisation("4", by("olga", metrics())?), Ok("platform")),
        ("nobody", metrics(), Err(401)),
        ("dan", by("dan", metrics())?, Err(403)),
        ("ann in the bank", organisation("3", by("ann", metrics())?), Err(403)),
        ("ann in the bank, logs", organisation("3", by("ann", logs())?), Err(403)),
        ("ann with a forged tenant", by("ann", metrics().tenant("bank"))?, Err(403)),
        ("ann with one more tenant", by("ann", metrics().tenant("acme|bank"))?, Err(403)),
        ("a forged tenant and no token", metrics().tenant("acme"), Err(401)),
        ("a Prometheus reads", metrics().bearer(&prometheus), Err(403)),
        ("ann writes", by("ann", Call::post("/api/v1/push", "x"))?, Err(403)),
        ("ann at a closed path", by("ann", Call::get("/all_user_stats"))?, Err(403)),
    ];
    for (what, call, expected) in cases {
        world.cortex.forget();
        world.loki.forget();
        let is_logs = what.ends_with("logs");
        let answer = gateway.send(call).await?;
        let arrived: Vec<_> = [&world.cortex, &world.loki]
            .map(|backend| {
                let state = backend.state();
                // Envoy asks them how they are.
                let requests = state.requests.iter().filter(|request| request.path() != "/ready");
                requests.map(|request| request.tenant.clone().unwrap_or_default()).collect::<Vec<_>>()
            })
            .into();
        match expected {
            Ok(tenant) => {
                assert_eq!(arrived[usize::from(is_logs)], [tenant], "{what}: {answer}");
                assert!(arrived[usize::from(!is_logs)].is_empty(), "{what}");
            }
            Err(status) => {
                assert_eq!(answer.status, status, "{what}: {answer}");
                assert!(arrived.iter().all(Vec::is_empty), "{what}: {arrived:?}");
            }
        }
    }
    Ok(())
}

/// `docker compose run --rm try`, as the README shows it.
#[tokio::test]
async fn what_is_tried_by_hand() -> Result<()> {
    if Command::new("curl").arg("--version").output().is_err() {
        return Ok(());
    }
    let world = World::start().await?;
    let home = tempfile::tempdir()?;
    let (gateway, keycloak) = (world.envoy.listener("gateway")?, world.keycloak.address());
    let lead = |name: &str, to| format!("connect-to = \"{name}:8080:{to}\"\n");
    let lines = [lead("gateway", gateway), lead("logs", gateway), lead("keycloak", keycloak)].concat();
    std::fs::write(home.path().join(".curlrc"), lines)?;
    let mut command = Command::new("sh");
    command.arg(folder().join("scripts/try.sh")).env("HOME", home.path()).env("CURL_HOME", home.path());
    command.env("LOGINS", world.secrets.path("people/logins"));
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let told = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let outcomes: Vec<(&str, &str)> = told
        .split("== ")
        .skip(1)
        .filter_map(|part| Some((part.lines().next()?, part.rsplit_once("-> ")?.1.trim())))
        .map(|(what, status)| (what.split([':', ',']).next().unwrap_or(what), status))
        .collect();
    let expected = [
        ("ann (acme)", "200"),
        ("bob (bank)", "200"),
        ("eve (acme and bank)", "200"),
        ("eve", "200"),
        ("olga (platform)", "200"),
        // What stands in for Loki takes logs and gives none.
        ("ann", "404"),
        ("nobody", "401"),
        ("dan", "403"),
        ("ann forges the tenant header", "403"),
        ("ann adds a tenant to her own", "403"),
        ("ann forges Grafana's organisation (3 is the bank's)", "403"),
        ("ann asks for the bank's series by name", "200"),
        ("ann writes", "403"),
        ("ann tries a path that is kept closed", "403"),
        ("who is ann", "200"),
        ("olga", "200"),
    ];
    assert_eq!(outcomes, expected, "{told}");
    Ok(())
}
