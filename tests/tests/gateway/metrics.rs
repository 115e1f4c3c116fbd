//! What the filter counts, as Prometheus would scrape it.

use anyhow::{Result, ensure};
use scopegate_core::report::{METRICS, TAGS, tag_pattern};
use scopegate_tests::client::Call;
use scopegate_tests::cortex::Fault;
use scopegate_tests::example::{file, yaml};
use scopegate_tests::remote_write::{WriteRequest, series};
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::json;

use crate::gateway::{Gateway, as_forwarder, by_namespace, configuration};

/// Whether these lines stand in a page of metrics. Envoy gives no order of tags a promise; so they are compared as sets.
pub(crate) fn expect(text: &str, lines: &[&str]) {
    for line in lines {
        let (name, rest) = line.split_once('{').unwrap();
        let (tags, value) = rest.split_once("} ").unwrap();
        let found = text.lines().any(|candidate| {
            candidate.starts_with(&format!("{name}{{"))
                && candidate.ends_with(&format!("}} {value}"))
                && tags
                    .split("\",")
                    .all(|tag| candidate.contains(&format!("{}\"", tag.trim_end_matches('"'))))
                && candidate.matches("=\"").count() == tags.matches("=\"").count()
        });
        let ours: Vec<_> = text.lines().filter(|line| line.starts_with("scopegate")).collect();
        assert!(found, "{line} is not in\n{}", ours.join("\n"));
    }
}

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
    expect(
        &text,
        &[
            "scopegate_requests_total{backend=\"metrics\",class=\"write\",decision=\"split\"} 2",
            "scopegate_requests_total{backend=\"metrics\",class=\"unknown\",decision=\"refused\",reason=\"no_caller\"} 1",
            "scopegate_requests_total{backend=\"metrics\",class=\"unknown\",decision=\"refused\",reason=\"closed_path\"} 1",
            "scopegate_requests_total{backend=\"metrics\",class=\"read\",decision=\"forwarded\"} 1",
            "scopegate_series_total{backend=\"metrics\",outcome=\"sent\"} 501",
            "scopegate_series_total{backend=\"metrics\",outcome=\"rejected\",reason=\"unmapped\"} 1",
            "scopegate_calls_total{backend=\"metrics\",code=\"2xx\"} 10",
            "scopegate_calls_total{backend=\"metrics\",code=\"5xx\"} 1",
            "scopegate_refusals_total{caller=\"none\",reason=\"no_caller\"} 1",
            "scopegate_refusals_total{caller=\"forwarders\",reason=\"closed_path\"} 1",
            "scopegate_series_not_sent_total{backend=\"metrics\",caller=\"forwarders\",tenant=\"platform\",outcome=\"rejected\",reason=\"unmapped\"} 1",
            // None of these tenants is named by the configuration, and none has proven itself.
            "scopegate_tenant_requests_total{backend=\"metrics\",tenant=\"~other\",class=\"write\",code=\"2xx\"} 10",
            "scopegate_tenant_requests_total{backend=\"metrics\",tenant=\"~other\",class=\"write\",code=\"5xx\"} 1",
            "scopegate_tenant_series_total{backend=\"metrics\",tenant=\"~other\",code=\"2xx\"} 500",
            "scopegate_tenant_samples_total{backend=\"metrics\",tenant=\"~other\",code=\"5xx\"} 1",
        ],
    );
    Ok(())
}

/// Tenants whose names have every character that a tenant may have, and requests of all kinds.
#[tokio::test]
async fn tenants_by_their_names() -> Result<()> {
    let odd = "a.b*'()!-_9";
    let mut configuration = configuration();
    configuration["metrics"] =
        json!({"by_tenant": "all", "histograms": true, "tenants": {"pinned": [odd, "cluster.b", "plain"]}});
    configuration["callers"][1]["on_behalf_of"] = json!(["*"]);
    configuration["write"] =
        json!({"metrics": {"tenant": [{"label": "namespace", "remove": true}, "caller"]}});
    let gateway = Gateway::start(&configuration).await?;
    let client = gateway.http1()?;
    let write = |tenants: &[&str]| {
        let one = |tenant: &&str| series(&[("__name__", "up"), ("namespace", tenant)], 1, 1.0);
        as_forwarder(WriteRequest::of(tenants.iter().map(one).collect()).push())
    };
    client.send(write(&[odd, "cluster.b", "cluster.b", "unknown"])).await?.expect(200)?;
    // One that goes on by Envoy's own route, whose answer is seen there.
    client.send(write(&["plain"])).await?.expect(200)?;
    gateway.cortex.fault("plain", Fault::answer(429));
    client.send(write(&["plain"])).await?.expect(429)?;
    let query = |tenants: &[&str]| {
        let token = gateway
            .token(json!({"groups": tenants.iter().map(|t| format!("tenant:{t}")).collect::<Vec<_>>()}));
        Call::get("/prometheus/api/v1/query?query=up").bearer(&token)
    };
    client.send(query(&["plain"])).await?;
    client.send(query(&["plain", "cluster.b"])).await?.expect(200)?;
    // Histograms are merged from all workers now and then.
    let text = eventually(DEADLINE, || async {
        let text = gateway.envoy.admin()?.prometheus().await?;
        ensure!(text.contains("scopegate_tenant_duration_milliseconds_count"), "{text}");
        Ok(text)
    })
    .await?;
    expect(
        &text,
        &[
            &format!(
                "scopegate_tenant_requests_total{{backend=\"metrics\",tenant=\"{odd}\",class=\"write\",code=\"2xx\"}} 1"
            ),
            &format!("scopegate_tenant_series_total{{backend=\"metrics\",tenant=\"{odd}\",code=\"2xx\"}} 1"),
            "scopegate_tenant_series_total{backend=\"metrics\",tenant=\"cluster.b\",code=\"2xx\"} 2",
            "scopegate_tenant_samples_total{backend=\"metrics\",tenant=\"cluster.b\",code=\"2xx\"} 2",
            "scopegate_tenant_requests_total{backend=\"metrics\",tenant=\"~other\",class=\"write\",code=\"2xx\"} 1",
            "scopegate_tenant_requests_total{backend=\"metrics\",tenant=\"plain\",class=\"write\",code=\"2xx\"} 1",
            "scopegate_tenant_requests_total{backend=\"metrics\",tenant=\"plain\",class=\"write\",code=\"4xx\"} 1",
            "scopegate_tenant_series_total{backend=\"metrics\",tenant=\"plain\",code=\"4xx\"} 1",
            "scopegate_tenant_requests_total{backend=\"metrics\",tenant=\"plain\",class=\"read\",code=\"4xx\"} 1",
            "scopegate_tenant_requests_total{backend=\"metrics\",tenant=\"~several\",class=\"read\",code=\"2xx\"} 1",
        ],
    );
    // Every metric by its whole name, and every tag taken out of it.
    let ours: Vec<_> = text.lines().filter(|line| line.starts_with("scopegate_")).collect();
    for line in ours {
        let (name, _) = line.split_once('{').unwrap();
        let known = |name: &str| METRICS.iter().any(|metric| metric.name == name);
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        assert!(known(name) || of_histogram.is_some_and(known), "{line}");
        assert!(!line.contains("=.="), "{line}");
    }
    Ok(())
}

/// A tenant that comes back in the next window gets a name; the others stay together, in both workers.
#[tokio::test]
async fn tenants_earn_their_names() -> Result<()> {
    let mut configuration = by_namespace();
    configuration["metrics"] = json!({"tenants": {"max": 2, "window": "1s"}});
    let gateway = Gateway::start(&configuration).await?;
    let write = |tenant: &str| {
        let request = WriteRequest::of(vec![series(&[("__name__", "up"), ("namespace", tenant)], 1, 1.0)]);
        as_forwarder(request.push())
    };
    let own = |text: &str, tenant: &str| text.contains(&format!("tenant=\"{tenant}\""));
    let mut n = 0;
    while !own(&gateway.envoy.admin()?.prometheus().await?, "namespace-heavy") {
        // A crowd of names, none of which comes twice, and one that does. Connections go to both workers.
        let client = gateway.http1()?;
        client.send(write(&format!("namespace-crowd-{n}"))).await?.expect(200)?;
        client.send(write("namespace-heavy")).await?.expect(200)?;
        n += 1;
        ensure!(n < 100_000, "it gets no name");
    }
    let text = gateway.envoy.admin()?.prometheus().await?;
    assert!(own(&text, "~other") && !text.contains("namespace-crowd"), "{text}");
    Ok(())
}

/// As Istio's bootstrap has it: none of Envoy's own tags, those of `extraStatTags` in its form of a pattern, and no
/// statistic but those that `inclusionRegexps` names.
#[tokio::test]
async fn istios_bootstrap_extracts_the_tags() -> Result<()> {
    let tag = |(tag, _): &(&str, &str)| json!({"tag_name": tag, "regex": format!("({tag}=\\.=(.*?);\\.;)")});
    let istios = json!({
        "use_all_default_tags": false,
        "stats_tags": TAGS.iter().map(tag).collect::<Vec<_>>(),
        "stats_matcher": {"inclusion_list": {"patterns": [
            {"prefix": "reporter="}, {"safe_regex": {"regex": ".*scopegate_.*"}}, {"prefix": "component"}, {"prefix": "istio"},
            // By this the tests see that Envoy serves.
            {"prefix": "listener_manager"},
        ]}},
    });
    let gateway =
        Gateway::with(&by_namespace(), |listener| listener, |all, _| all.set("stats_config", istios)).await?;
    let client = gateway.http1()?;
    client.send(as_forwarder(WriteRequest::realistic(20).push())).await?.expect(200)?;
    client.send(as_forwarder(Call::get("/config"))).await?.expect(403)?;
    let text = gateway.envoy.admin()?.prometheus().await?;
    expect(
        &text,
        &[
            "scopegate_requests_total{backend=\"metrics\",class=\"write\",decision=\"split\"} 1",
            "scopegate_refusals_total{caller=\"forwarders\",reason=\"closed_path\"} 1",
            "scopegate_tenant_series_total{backend=\"metrics\",tenant=\"~other\",code=\"2xx\"} 20",
        ],
    );
    Ok(())
}

/// The examples take all tags out of the names, as the reference page says.
#[test]
fn every_example_extracts_the_tags() -> Result<()> {
    let tags: Vec<_> =
        TAGS.iter().map(|(tag, _)| json!({"tag_name": tag, "regex": tag_pattern(tag)})).collect();
    for example in std::fs::read_dir(file(".", "."))? {
        let example = example?.path().join("envoy.yaml");
        if example.is_file() {
            assert_eq!(yaml(&example)?["stats_config"]["stats_tags"], json!(tags), "{}", example.display());
        }
    }
    Ok(())
}
