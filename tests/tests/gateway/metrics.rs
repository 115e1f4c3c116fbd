//! What the filter counts, as Prometheus would scrape it.

use anyhow::Result;
use scopegate_tests::client::Call;
use scopegate_tests::cortex::Fault;
use scopegate_tests::remote_write::{WriteRequest, series};

use crate::gateway::{Gateway, as_forwarder, by_namespace};

#[tokio::test]
async fn counters_with_their_tags() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let client = gateway.http1()?;
    client.send(as_forwarder(WriteRequest::realistic(500).push())).await?.expect(200)?;
    client.send(Call::get("/prometheus/api/v1/query")).await?.expect(401)?;
    client.send(as_forwarder(Call::get("/config"))).await?.expect(403)?;
    client.send(as_forwarder(Call::get("/prometheus/api/v1/labels"))).await?.expect(200)?;
    let mixed = WriteRequest::of(vec![
        series(&[("__name__", "a"), ("namespace", "no tenant")], 1, 1.0),
        series(&[("__name__", "b"), ("namespace", "namespace-0")], 1, 1.0),
    ]);
    gateway.cortex.fault("namespace-0", Fault::answer(500));
    client.send(as_forwarder(mixed.push())).await?.expect(503)?;
    let text = gateway.envoy.admin()?.prometheus().await?;
    for line in [
        "scopegate_requests_total{backend=\"metrics\",class=\"write\",decision=\"split\"} 2",
        "scopegate_requests_total{backend=\"metrics\",class=\"unknown\",decision=\"refused\",reason=\"no_caller\"} 1",
        "scopegate_requests_total{backend=\"metrics\",class=\"unknown\",decision=\"refused\",reason=\"closed_path\"} 1",
        "scopegate_requests_total{backend=\"metrics\",class=\"read\",decision=\"forwarded\"} 1",
        "scopegate_series_total{backend=\"metrics\",outcome=\"sent\"} 501",
        "scopegate_series_total{backend=\"metrics\",outcome=\"rejected\",reason=\"unmapped\"} 1",
        "scopegate_calls_total{backend=\"metrics\",code=\"2xx\"} 10",
        "scopegate_calls_total{backend=\"metrics\",code=\"5xx\"} 1",
    ] {
        // Envoy gives no order of tags a promise; so they are compared as sets.
        let (name, rest) = line.split_once('{').unwrap();
        let (tags, value) = rest.split_once("} ").unwrap();
        let found = text.lines().any(|candidate| {
            candidate.starts_with(name)
                && candidate.ends_with(&format!(" {value}"))
                && tags.split(',').all(|tag| candidate.contains(tag))
                && candidate.matches("=\"").count() == tags.matches("=\"").count()
        });
        assert!(
            found,
            "{line} is not in\n{}",
            text.lines().filter(|l| l.starts_with("scopegate")).collect::<Vec<_>>().join("\n")
        );
    }
    Ok(())
}
