//! Whether a case does what it says: what arrived at the sink is looked into once, and counted always.

use anyhow::{Context, Result, ensure};
use prost::Message;
use scopegate_tests::remote_write::{TimeSeries, WriteRequest, v2};

use crate::case::{Case, LABEL, Subject, TENANTS};
use crate::sink::Arrived;

/// That of one request every series arrived once, with the right tenant; and if nothing was to be split, the body
/// byte for byte.
pub(crate) fn contents(case: &Case, arrived: &Arrived) -> Result<()> {
    counts(case, 1, arrived)?;
    // What becomes of a query is for the end-to-end tests.
    if matches!(case.subject, Subject::Query { .. }) {
        return Ok(());
    }
    if !case.splits() {
        let same = arrived.bodies.iter().all(|(_, body)| *body == case.request().body());
        ensure!(same, "the body was changed on its way");
        return Ok(());
    }
    // What is in the parts of the other protocols is for the end-to-end tests.
    if matches!(case.subject, Subject::Loki(_) | Subject::Otlp { .. }) {
        return Ok(());
    }
    for (tenant, body) in &arrived.bodies {
        let name = tenant.as_deref().unwrap_or("nobody");
        let message = snap::raw::Decoder::new().decompress_vec(body).context("not snappy")?;
        let labels: Vec<_> = if case.subject == Subject::Second {
            let part = v2::Request::decode(&*message).context("not a remote write 2.0")?;
            part.timeseries.iter().map(|series| label_2(series, &part.symbols)).collect()
        } else {
            let part = WriteRequest::decode(&*message).context("not a remote write")?;
            part.timeseries.iter().map(label).collect()
        };
        let (count, expected) = (labels.len(), case.series / TENANTS);
        ensure!(count == expected, "{name} got {count} series in place of {expected}");
        ensure!(labels.iter().all(|label| label == tenant), "{name} got another tenant's series");
    }
    Ok(())
}

/// That for this many requests each tenant got as many.
pub(crate) fn counts(case: &Case, requests: u64, arrived: &Arrived) -> Result<()> {
    let expected = case.tenants().into_iter().map(|tenant| (tenant, requests)).collect();
    ensure!(
        arrived.tenants == expected,
        "for {requests} requests there arrived {} of {} tenants, and not {} of each of {}",
        arrived.tenants.values().sum::<u64>(),
        arrived.tenants.len(),
        requests,
        expected.len()
    );
    Ok(())
}

/// The value of the label that names a series' tenant.
pub(crate) fn label(series: &TimeSeries) -> Option<String> {
    series.labels.iter().find(|label| label.name == LABEL).map(|label| label.value.clone())
}

/// The same of a series of version 2.0.
fn label_2(series: &v2::TimeSeries, symbols: &[String]) -> Option<String> {
    let text = |reference: u32| symbols.get(reference as usize);
    let pair =
        series.labels_refs.chunks_exact(2).find(|pair| text(pair[0]).is_some_and(|name| name == LABEL))?;
    text(pair[1]).cloned()
}
