//! Splits in front of real backends, read back tenant by tenant: a Cortex where `CORTEX_URL` names one, a Loki where
//! `LOKI_URL` does. Without them there is nothing to do here; the stand-ins are asked everywhere else.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, ensure};
use scopegate_tests::bootstrap::Cluster;
use scopegate_tests::client::{Call, Client};
use scopegate_tests::identity::now;
use scopegate_tests::loki::{FORMS, push, stream};
use scopegate_tests::otlp::{Signal, export, resource};
use scopegate_tests::remote_write::{WriteRequest, series, v2};
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use crate::gateway::{Gateway, as_forwarder, by_namespace};

/// The address of the backend that this variable names, as a URL.
pub(crate) fn address(variable: &str) -> Result<Option<SocketAddr>> {
    let Ok(url) = std::env::var(variable) else { return Ok(None) };
    let host = url.strip_prefix("http://").with_context(|| format!("{variable}: give an http:// URL"))?;
    let mut addresses = host.trim_end_matches('/').to_socket_addrs()?;
    Ok(Some(addresses.next().with_context(|| format!("{variable}: no address"))?))
}

/// A gateway whose parts go to a backend at this address.
async fn before(address: SocketAddr, kind: &str, tenant: Value) -> Result<Gateway> {
    let mut configuration = by_namespace();
    configuration["backends"] = json!([{"name": "metrics", "kind": kind}]);
    configuration["write"]["metrics"] = json!({"tenant": tenant, "calls": {"cluster": "real"}});
    Gateway::with(&configuration, |listener| listener, |all, _| all.cluster(Cluster::http1("real", address)))
        .await
}

/// Names of tenants that no earlier run has used.
fn tenants() -> [String; 3] {
    let (run, time) = (std::process::id(), now());
    ["a", "b", "c"].map(|name| format!("namespace-{name}-{run}-{time}"))
}

/// The answer to a query of this tenant.
async fn ask(address: SocketAddr, tenant: &str, call: Call) -> Result<Value> {
    Client::http1(address).send(call.tenant(tenant)).await?.expect(200)?.json()
}

/// Every protocol that Cortex takes, each for three tenants at once.
#[tokio::test]
async fn a_cortex_has_for_every_tenant_its_own_and_nothing_else() -> Result<()> {
    let Some(address) = address("CORTEX_URL")? else { return Ok(()) };
    let gateway = before(address, "cortex", json!([{"label": "namespace"}])).await?;
    let client = gateway.http1()?;
    let tenants = tenants();
    let time = i64::try_from(now())? * 1000;
    let named = |name: &str| {
        let one = |(number, tenant): (usize, &String)| {
            let labels = [("__name__", name), ("namespace", tenant.as_str()), ("of", &format!("{number}"))];
            series(&labels, time, 1.5)
        };
        WriteRequest::of(tenants.iter().enumerate().map(one).collect())
    };
    client.send(as_forwarder(named("first").push())).await?.expect(200)?;
    let answer = client.send(as_forwarder(v2::Request::from(&named("second")).push())).await?.expect(204)?;
    assert_eq!(answer.header("x-prometheus-remote-write-samples-written"), Some("3"), "{answer}");
    for (json, compressed) in [(false, false), (false, true), (true, false), (true, true)] {
        let name = format!("otlp_{json}_{compressed}");
        let of =
            |tenant: &String| resource(&[("namespace", tenant.as_str()), ("service.name", "s")], &[&name]);
        let all: Vec<_> = tenants.iter().map(of).collect();
        let call = export("/api/v1/otlp/v1/metrics", Signal::Metrics, json, compressed, &all);
        client.send(as_forwarder(call)).await?.expect(200)?;
    }
    for (number, tenant) in tenants.iter().enumerate() {
        eventually(DEADLINE, || async {
            let query = Call::query(
                "/prometheus/api/v1/query",
                &[("query", "{__name__=~\".+\", __name__!=\"target_info\"}")],
            );
            let answer = ask(address, tenant, query).await?;
            let results = answer["data"]["result"].as_array().context("no result")?;
            let mut found: Vec<(String, String)> = results
                .iter()
                .map(|result| {
                    let label = |name: &str| result["metric"][name].as_str().unwrap_or_default().to_owned();
                    (label("__name__"), format!("{}{}", label("of"), label("job")))
                })
                .collect();
            found.sort();
            let otlp = ["otlp_false_false", "otlp_false_true", "otlp_true_false", "otlp_true_true"];
            let mut expected = vec![("first".to_owned(), number.to_string())];
            expected.extend(otlp.map(|name| (name.to_owned(), "s".to_owned())));
            expected.push(("second".to_owned(), number.to_string()));
            ensure!(found == expected, "{tenant}: {answer}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Every notation of Loki's push, by stream label and by structured metadata.
#[tokio::test]
async fn a_loki_has_for_every_tenant_its_own_and_nothing_else() -> Result<()> {
    let Some(address) = address("LOKI_URL")? else { return Ok(()) };
    let gateway = before(address, "loki", json!([{"metadata": "team"}, {"label": "namespace"}])).await?;
    let client = gateway.http1()?;
    let tenants = tenants();
    let [a, b, c] = &tenants;
    let mut expected: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    for (number, form) in (0..).zip(FORMS) {
        let line = |of: &str| format!("{of} \"{form:?}\"\n\\ ä");
        let [first, second, third, fourth] = ["1", "2", "3", "4"].map(line);
        let name = format!("app-{number}");
        let mut sent = [
            stream(&[("app", &name), ("namespace", a)], &[(&first, &[]), (&second, &[("team", b)])]),
            stream(&[("app", &name), ("namespace", c)], &[(&third, &[("trace", "t")]), (&fourth, &[])]),
        ];
        let time = i64::try_from(now())? * 1_000_000_000;
        for (at, entry) in (0..).zip(sent.iter_mut().flat_map(|stream| &mut stream.entries)) {
            entry.timestamp = time + number * 100 + at;
        }
        client.send(as_forwarder(push(form, &sent))).await?.expect(204)?;
        expected.entry(a).or_default().push(first);
        expected.entry(b).or_default().push(second);
        expected.entry(c).or_default().extend([third, fourth]);
    }
    // OTLP has its tenants in attributes of resources, and Loki takes the severity where there is no line.
    let logs = before(address, "loki", json!([{"label": "namespace"}])).await?;
    for (json, compressed) in [(false, false), (false, true), (true, false), (true, true)] {
        let name = format!("app-otlp-{json}-{compressed}");
        let of = |tenant: &String| {
            resource(&[("namespace", tenant.as_str()), ("service.name", "s")], &[&format!("{name} {tenant}")])
        };
        let all: Vec<_> = tenants.iter().map(of).collect();
        let call = export("/otlp/v1/logs", Signal::Logs, json, compressed, &all);
        let answer = logs.http1()?.send(as_forwarder(call)).await?;
        ensure!(answer.status == 200, "{answer}");
    }
    for tenant in &tenants {
        eventually(DEADLINE, || async {
            let start = (now() - 600).to_string();
            let arguments = [("query", "{service_name=\"s\"}"), ("limit", "1000"), ("start", start.as_str())];
            let answer = ask(address, tenant, Call::query("/loki/api/v1/query_range", &arguments)).await?;
            let results = answer["data"]["result"].as_array().context("no result")?;
            let mut found: Vec<_> =
                results.iter().filter_map(|stream| stream["stream"]["severity_text"].as_str()).collect();
            found.sort_unstable();
            let wanted = ["false-false", "false-true", "true-false", "true-true"]
                .map(|how| format!("app-otlp-{how} {tenant}"));
            ensure!(found == wanted, "{tenant}: {answer}");
            Ok(())
        })
        .await?;
    }
    for (tenant, mut lines) in expected {
        lines.sort();
        eventually(DEADLINE, || async {
            let start = (now() - 600).to_string();
            let arguments = [("query", "{app=~\".+\"}"), ("limit", "1000"), ("start", start.as_str())];
            let answer = ask(address, tenant, Call::query("/loki/api/v1/query_range", &arguments)).await?;
            let results = answer["data"]["result"].as_array().context("no result")?;
            let values = results.iter().filter_map(|stream| stream["values"].as_array()).flatten();
            let mut found: Vec<_> = values.filter_map(|value| value[1].as_str()).collect();
            found.sort_unstable();
            ensure!(found == lines, "{tenant}: {answer}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
