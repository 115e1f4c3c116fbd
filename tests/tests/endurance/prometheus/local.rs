//! What a Prometheus holds itself, by its remote read: the one API of it that gives the bits of every value, stale
//! markers among them.

use std::collections::BTreeMap;

use anyhow::Result;
use prost::Message;
use scopegate_tests::{
    client::Call,
    cortex::Label,
    prometheus::Prometheus,
    remote_write::{TimeSeries, wire::Wire},
};

/// Series by their sorted labels, each with the bits of its values by time.
pub(super) type AllSeries = BTreeMap<Vec<Label>, BTreeMap<i64, u64>>;

/// `prometheus.ReadResponse`.
#[derive(Clone, PartialEq, Message)]
struct ReadResponse {
    #[prost(message, repeated, tag = "1")]
    results: Vec<QueryResult>,
}

/// `prometheus.QueryResult`.
#[derive(Clone, PartialEq, Message)]
struct QueryResult {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

/// All that it holds, with the labels that it sends.
pub(super) async fn all_series(prometheus: &Prometheus) -> Result<AllSeries> {
    // `prometheus.ReadRequest`: one query over all time, of every name.
    const MATCHES: u64 = 2;
    let matcher = Wire::new().varint(1, MATCHES).bytes(2, b"__name__").bytes(3, b".+");
    let query = Wire::new().varint(1, 0).varint(2, i64::MAX.cast_unsigned() >> 8).message(3, &matcher);
    let call = Call::post("/api/v1/read", Wire::new().message(1, &query).compressed())
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-read-version", "0.1.0");
    let answer = prometheus.client()?.send(call).await?.expect(200)?;
    let response = ReadResponse::decode(snap::raw::Decoder::new().decompress_vec(&answer.body)?.as_slice())?;
    let series = response.results.into_iter().flat_map(|result| result.timeseries);
    Ok(series
        .map(|series| {
            let mut labels: Vec<_> =
                series.labels.iter().map(|label| Label::new(&label.name, &label.value)).collect();
            labels.sort();
            let samples = series.samples.iter().map(|sample| (sample.timestamp, sample.value.to_bits()));
            (labels, samples.collect())
        })
        .collect())
}
