//! Every query of the dashboard and of the rules, asked of a Prometheus that scrapes an Envoy in which everything has happened.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use promql_parser::parser::{BinaryExpr, Expr, parse};
use scopegate_tests::prometheus::Prometheus;
use scopegate_tests::wait::eventually;
use serde_json::{Value, json};

use crate::rules::file;
use crate::world::World;

/// What a busy machine may need for all that must happen first.
const DEADLINE: Duration = Duration::from_secs(180);

/// Alerts whose cause cannot be made here: Envoy does not fail the filter on order, and the memory for retries does not fill
/// up in a short time. Their expressions are proven by promtool alone.
const UNPROVOKED: [&str; 2] = ["ScopegateHostFails", "ScopegateRetriesNotRemembered"];
/// Alerts for what must not be: with an Envoy that is scraped, there is nothing to be seen.
const ABSENT: &str = "ScopegateAbsent";

/// The queries by where they stand.
fn queries() -> Result<BTreeMap<String, String>> {
    let mut queries = BTreeMap::new();
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file("scopegate.json"))?)?;
    for panel in dashboard["panels"].as_array().context("no panels")? {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().context("no query")?;
            let mut query = query.replace("$__rate_interval", "1m").replace("$__range", "1h");
            for variable in dashboard["templating"]["list"].as_array().into_iter().flatten() {
                // As Grafana does it with All.
                let name = variable["name"].as_str().context("no name")?;
                query = query.replace(&format!("${name}"), variable["allValue"].as_str().unwrap_or_default());
            }
            queries.insert(format!("{} {}", panel["title"], target["legendFormat"]), query);
        }
    }
    for rule in rules()? {
        let query = rule["expr"].as_str().context("no query")?.to_owned();
        match (rule["alert"].as_str(), rule["record"].as_str()) {
            (Some(alert), _) if alert == ABSENT || UNPROVOKED.contains(&alert) => {}
            (Some(alert), _) => drop(queries.insert(alert.to_owned(), without_threshold(&query)?)),
            (None, Some(record)) => {
                queries.insert(record.to_owned(), query);
                queries.insert(format!("{record}, recorded"), record.to_owned());
            }
            (None, None) => bail!("a rule without a name"),
        }
    }
    Ok(queries)
}

fn rules() -> Result<Vec<Value>> {
    let rules: Value = serde_saphyr::from_str(&std::fs::read_to_string(file("rules.yaml"))?)?;
    let groups = rules["groups"].as_array().context("no groups")?;
    Ok(groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect())
}

/// What an alert compares, without what it compares with.
fn without_threshold(query: &str) -> Result<String> {
    let mut expr = parse(query).map_err(anyhow::Error::msg)?;
    while let Expr::Binary(BinaryExpr { lhs, .. }) = expr {
        expr = *lhs;
    }
    Ok(expr.to_string())
}

#[tokio::test]
async fn every_query_returns_data() -> Result<()> {
    let world = World::start().await?;
    let config = json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [file("rules.yaml")],
        "scrape_configs": [{
            "job_name": "envoy",
            "metrics_path": "/stats/prometheus",
            "static_configs": [{"targets": [world.envoy.admin()?.address().to_string()]}],
        }],
    });
    let Some(prometheus) = Prometheus::start(&config).await? else { return Ok(()) };
    let (prometheus, world) = (&prometheus, &world);
    // What was never seen before it happened would not be seen to rise.
    let first = "envoy_wasm_scopegate_vm_reload_success == 0";
    eventually(DEADLINE, || async move {
        ensure!(!prometheus.query(first).await?.is_empty(), "not scraped yet");
        Ok(())
    })
    .await?;
    world.round().await?;
    world.trap().await?;

    let queries = &queries()?;
    eventually(DEADLINE, || async move {
        world.round().await?;
        let mut empty = Vec::new();
        for (place, query) in queries {
            let found = prometheus.query(query).await.with_context(|| format!("{place}: {query}"))?;
            if !found.iter().any(|(_, value)| value.is_finite()) {
                empty.push(format!("{place}: {query}"));
            }
        }
        ensure!(empty.is_empty(), "no data for\n{}", empty.join("\n"));
        Ok(())
    })
    .await?;

    // Those that do not wait have fired, and say what they should.
    let answer = prometheus.client()?.get("/api/v1/rules").await?.expect(200)?.json()?;
    let groups = answer["data"]["groups"].as_array().context("no groups")?;
    let all: Vec<_> =
        groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten()).collect();
    assert_eq!(all.len(), rules()?.len());
    for rule in &all {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    for name in ["ScopegateModuleFails", "ScopegateEnvoyBufferTooSmall"] {
        let rule = all.iter().find(|rule| rule["name"] == name).context("no such rule")?;
        assert_eq!(rule["state"], "firing", "{rule}");
    }
    let alerts = prometheus.client()?.get("/api/v1/alerts").await?.expect(200)?.json()?;
    for alert in alerts["data"]["alerts"].as_array().context("no alerts")? {
        let told = alert["annotations"].to_string();
        assert!(!told.contains("<error") && !told.contains("<no value>"), "{told}");
    }
    Ok(())
}
