//! MetricsQL in front of a real `VictoriaMetrics`.

use anyhow::Result;
use scopegate_core::read::query::Language;
use scopegate_tests::{
    client::{Call, Client},
    victoriametrics::VictoriaMetrics,
};

use crate::{
    data,
    grammar::Dialect,
    promql::{ask, matchers, now},
};

/// A `VictoriaMetrics` that holds the series of some owners.
pub(crate) async fn holding(end: i64, is_wanted: fn(Option<&str>) -> bool) -> Result<VictoriaMetrics> {
    let victoria = VictoriaMetrics::start().await?;
    let series = data::series(end, false, is_wanted);
    let count = series.timeseries.len();
    let write = Call::post("/api/v1/write", series.body());
    Client::http1(victoria.address()).send(write).await?.expect(204)?;
    // Until all are to be found.
    victoria.series(r#"{__name__=~".+"}"#, count).await?;
    Ok(victoria)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tenant_gets_what_it_would_get_alone() -> Result<()> {
    let end = data::end(now());
    let all = holding(end, |_| true).await?;
    for (matcher, own) in matchers()? {
        let alone = holding(end, own).await?;
        let clients = (Client::http1(all.address()), Client::http1(alone.address()));
        ask(Language::MetricsQl, Dialect::MetricsQl, clients, &matcher, end, 3000).await?;
    }
    Ok(())
}
