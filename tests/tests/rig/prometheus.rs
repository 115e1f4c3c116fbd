//! A real Prometheus that scrapes a known target and writes through Envoy. Where none is installed, nothing is proven.

use anyhow::Result;
use scopegate_tests::{
    bootstrap::{Bootstrap, Cluster, Listener, route},
    cortex::{Cortex, Fault, Label, State, Store},
    envoy::Envoy,
    identity::basic,
    prometheus::{Prometheus, Target, config},
};
use serde_json::json;

/// The samples of the counter that arrived, in order.
fn arrived(state: &State) -> Vec<(i64, f64)> {
    let labels = [("__name__", "scrapes_total"), ("path", "/a"), ("job", "target"), ("cluster", "test")];
    let is_it = |labels_here: &[Label]| {
        labels.iter().all(|(name, value)| labels_here.contains(&Label::new(name, value)))
    };
    let store = state.store("t").into_iter().flat_map(Store::series);
    let samples = store.filter(|(labels, _)| is_it(labels)).flat_map(|(_, samples)| samples);
    samples.map(|(time, bits)| (*time, f64::from_bits(*bits))).collect()
}

#[tokio::test]
async fn a_real_sender_loses_nothing_over_an_outage() -> Result<()> {
    let cortex = Cortex::start()?;
    let mut tenant_by_password = route("/", "cortex");
    tenant_by_password["match"]["headers"] =
        json!([{"name": "authorization", "string_match": {"exact": basic("t", "secret")}}]);
    tenant_by_password["request_headers_to_add"] =
        json!([{"header": {"key": "x-scope-orgid", "value": "t"}}]);
    let bootstrap = Bootstrap::new()
        .listener(Listener::new("gateway").raw_route(tenant_by_password))
        .cluster(Cluster::http1("cortex", cortex.address()));
    let mut envoy = Envoy::start(&bootstrap).await?;
    let target = Target::start(|scrape| {
        format!(
            "# HELP scrapes_total Scrapes.\n# TYPE scrapes_total counter\nscrapes_total{{path=\"/a\"}} {scrape}\n"
        )
    })?;
    let url = format!("http://{}/api/v1/push", envoy.address()?);
    let remote_write = json!({"url": url, "basic_auth": {"username": "t", "password": "secret"}});
    let config = config(&[target.address()], &[remote_write]);
    let Some(mut prometheus) = Prometheus::start(&config).await? else {
        eprintln!("no Prometheus here");
        return Ok(());
    };

    cortex.wait_for("the first samples", |state| arrived(state).len() >= 2).await?;
    cortex
        .wait_for("metadata", |state| {
            state.store("t").is_some_and(|store| {
                store.metadata().iter().any(|metadata| metadata.family == "scrapes_total")
            })
        })
        .await?;

    // Down, up again, then failing for a while.
    envoy.down()?;
    prometheus
        .wait_for_metric("prometheus_remote_storage_samples_retried_total", |retried| retried > 0.0)
        .await?;
    cortex.fault("t", Fault::answer(500).times(3));
    let before = arrived(&cortex.state()).len();
    envoy.up().await?;
    cortex.wait_for("what waited", |state| arrived(state).len() >= before + 3).await?;
    let received = arrived(&cortex.state());
    let sent = prometheus.samples("scrapes_total").await?;
    assert_eq!(sent[0].1[..received.len()], received, "a sample is missing or another");
    assert!(target.served().len() >= received.len());
    assert!(prometheus.metric("prometheus_remote_storage_samples_total").await? > 0.0);
    assert!(prometheus.metric("prometheus_remote_storage_samples_dropped_total").await? < 1.0);

    // On the same data after a restart.
    prometheus.down();
    prometheus.up().await?;
    assert_eq!(
        prometheus.query("count(count_over_time(scrapes_total[1h]))").await?[0].1.to_bits(),
        1f64.to_bits()
    );
    prometheus.reload(&config).await?;
    Ok(())
}
