//! Metadata of remote write 1.0, by each policy, and what the workers of one Envoy learn from each other.

use anyhow::Result;
use scopegate_tests::remote_write::{MetricMetadata, TimeSeries, WriteRequest, series};
use serde_json::json;

use crate::gateway::{Gateway, as_agent, as_forwarder, configuration};

fn about(kind: i32, family: &str) -> MetricMetadata {
    MetricMetadata {
        kind,
        metric_family_name: family.to_owned(),
        help: format!("about {family}"),
        ..Default::default()
    }
}

fn of(name: &str, tenant: &str) -> TimeSeries {
    series(&[("__name__", name), ("zz_as", tenant)], 1, 1.0)
}

async fn gateway(policy: &str) -> Result<Gateway> {
    let mut configuration = configuration();
    configuration["write"] = json!({"metrics": {"metadata": policy}});
    Gateway::start(&configuration).await
}

/// Each tenant with the families it got, and with how many series.
fn arrived(gateway: &Gateway) -> Vec<(String, usize, Vec<String>)> {
    let state = gateway.cortex.state();
    let tenants = state.tenants();
    let of = |tenant: &&str| {
        let pushes = || state.of(tenant).filter_map(|request| request.push.as_ref()?.as_ref().ok());
        let families = pushes().flat_map(|push| &push.metadata).map(|metadata| metadata.family.clone());
        ((*tenant).to_owned(), pushes().map(|push| push.series.len()).sum(), families.collect())
    };
    tenants.iter().map(of).collect()
}

fn expected(parts: &[(&str, usize, &[&str])]) -> Vec<(String, usize, Vec<String>)> {
    let part = |(tenant, series, families): &(&str, usize, &[&str])| {
        ((*tenant).to_owned(), *series, families.iter().map(|family| (*family).to_owned()).collect())
    };
    parts.iter().map(part).collect()
}

#[tokio::test]
async fn mixed_requests_split_both_halves() -> Result<()> {
    let mut request = WriteRequest::of(vec![
        of("a_total", "cluster-1"),
        of("b", "cluster-2"),
        series(&[("__name__", "c")], 1, 1.0),
    ]);
    request.metadata = vec![about(1, "a"), about(2, "b")];
    let all = &["a", "b"][..];
    for (policy, parts) in [
        ("own", [("central", 1, all), ("cluster-1", 1, &[]), ("cluster-2", 1, &[])]),
        ("followers", [("central", 1, all), ("cluster-1", 1, &["a"]), ("cluster-2", 1, &["b"])]),
        ("all", [("central", 1, all), ("cluster-1", 1, all), ("cluster-2", 1, all)]),
        ("drop", [("central", 1, &[]), ("cluster-1", 1, &[]), ("cluster-2", 1, &[])]),
    ] {
        let gateway = gateway(policy).await?;
        gateway.http1()?.send(as_agent(request.push())).await?.expect(200)?;
        assert_eq!(arrived(&gateway), expected(&parts), "{policy}");
        // Every entry is whole, with its help.
        let state = gateway.cortex.state();
        let stored = state.stores.values().flat_map(scopegate_tests::cortex::Store::metadata);
        assert!(stored.into_iter().all(|metadata| metadata.help == format!("about {}", metadata.family)));
    }
    Ok(())
}

/// Both workers of this Envoy know what either has seen: connections are spread over them.
#[tokio::test]
async fn alone_it_follows_the_series_on_every_worker() -> Result<()> {
    let gateway = gateway("followers").await?;
    let series =
        WriteRequest::of(vec![of("time_bucket", "cluster-1"), of("up", "cluster-2"), of("up", "cluster-1")]);
    gateway.http1()?.send(as_agent(series.push())).await?.expect(200)?;
    let alone = WriteRequest {
        metadata: vec![about(3, "time"), about(2, "up"), about(2, "else")],
        ..WriteRequest::default()
    };
    for _ in 0..16 {
        gateway.cortex.forget();
        // A new connection each time.
        gateway.http1()?.send(as_agent(alone.push())).await?.expect(200)?;
        let parts: [(&str, usize, &[&str]); 3] = [
            ("central", 0, &["time", "up", "else"]),
            ("cluster-1", 0, &["time", "up"]),
            ("cluster-2", 0, &["up"]),
        ];
        assert_eq!(arrived(&gateway), expected(&parts));
    }
    Ok(())
}

/// Where the head alone decides the tenant, the policy holds as well.
#[tokio::test]
async fn what_is_dropped_is_dropped_for_everybody() -> Result<()> {
    let mut request = WriteRequest::of(vec![series(&[("__name__", "a")], 1, 1.0)]);
    request.metadata = vec![about(2, "a"), about(2, "b")];
    let alone = WriteRequest { metadata: vec![about(2, "a")], ..WriteRequest::default() };
    for (policy, parts) in [("own", ("platform", 1, &["a", "b"][..])), ("drop", ("platform", 1, &[][..]))] {
        let gateway = gateway(policy).await?;
        gateway.http1()?.send(as_forwarder(request.push())).await?.expect(200)?;
        assert_eq!(arrived(&gateway), expected(&[parts]), "{policy}");
    }
    let gateway = gateway("drop").await?;
    gateway.http1()?.send(as_forwarder(alone.push())).await?.expect(200)?;
    gateway.nothing_arrived("only metadata");
    // And whoever has several tenants of its own has it in all of them.
    let gateway = self::gateway("all").await?;
    let token = gateway.token(json!({"tenant": "a", "groups": ["tenant:b"]}));
    gateway.http1()?.send(alone.push().bearer(&token).tenant("b")).await?.expect(200)?;
    assert_eq!(arrived(&gateway), expected(&[("a", 0, &["a"]), ("b", 0, &["a"])]));
    Ok(())
}
