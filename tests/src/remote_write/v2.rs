//! Remote write 2.0.

use std::collections::HashMap;

use prost::Message;

use super::{Sample, WriteRequest, compress};
use crate::client::Call;

/// `io.prometheus.write.v2.Request`.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    /// All strings; the first is empty.
    #[prost(string, repeated, tag = "4")]
    pub symbols: Vec<String>,
    /// The series.
    #[prost(message, repeated, tag = "5")]
    pub timeseries: Vec<TimeSeries>,
}

/// `io.prometheus.write.v2.TimeSeries`.
#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    /// Pairs of references to symbols, name and value.
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    /// Samples.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    /// `io.prometheus.write.v2.Histogram` messages, encoded.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub histograms: Vec<Vec<u8>>,
    /// Exemplars.
    #[prost(message, repeated, tag = "4")]
    pub exemplars: Vec<Exemplar>,
    /// Metadata.
    #[prost(message, optional, tag = "5")]
    pub metadata: Option<Metadata>,
    /// When the counter began, in milliseconds since 1970; 0 if not known.
    #[prost(int64, tag = "6")]
    pub created_timestamp: i64,
}

/// `io.prometheus.write.v2.Exemplar`.
#[derive(Clone, PartialEq, Message)]
pub struct Exemplar {
    /// Pairs of references to symbols.
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    /// Its value.
    #[prost(double, tag = "2")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "3")]
    pub timestamp: i64,
}

/// `io.prometheus.write.v2.Metadata`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Metadata {
    /// The metric's type, by number.
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// A reference to the help text.
    #[prost(uint32, tag = "3")]
    pub help_ref: u32,
    /// A reference to the unit.
    #[prost(uint32, tag = "4")]
    pub unit_ref: u32,
}

impl Request {
    /// The message, compressed as a body.
    pub fn body(&self) -> Vec<u8> {
        compress(&self.encode_to_vec())
    }

    /// The push of this request to `/api/v1/push`, with the headers of a sender.
    pub fn push(&self) -> Call {
        push(self.body())
    }
}

/// A push of any body as version 2, with the headers of a sender.
pub fn push(body: Vec<u8>) -> Call {
    Call::post("/api/v1/push", body)
        .header("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", "2.0.0")
        .header("user-agent", "Prometheus/3.5.0")
}

/// The same series in version 2, with metadata for those whose family has some.
impl From<&WriteRequest> for Request {
    fn from(v1: &WriteRequest) -> Self {
        let mut symbols = Symbols::default();
        symbols.of("");
        let timeseries = v1
            .timeseries
            .iter()
            .map(|series| {
                let metric =
                    series.labels.iter().find(|label| label.name == "__name__").map(|label| &label.value);
                let metadata =
                    v1.metadata.iter().find(|metadata| Some(&metadata.metric_family_name) == metric);
                TimeSeries {
                    labels_refs: symbols.pairs(&series.labels),
                    samples: series.samples.clone(),
                    histograms: series.histograms.clone(),
                    exemplars: series
                        .exemplars
                        .iter()
                        .map(|exemplar| Exemplar {
                            labels_refs: symbols.pairs(&exemplar.labels),
                            value: exemplar.value,
                            timestamp: exemplar.timestamp,
                        })
                        .collect(),
                    metadata: metadata.map(|metadata| Metadata {
                        kind: metadata.kind,
                        help_ref: symbols.of(&metadata.help),
                        unit_ref: symbols.of(&metadata.unit),
                    }),
                    created_timestamp: 0,
                }
            })
            .collect();
        Self { timeseries, symbols: symbols.list }
    }
}

/// A table of symbols being filled.
#[derive(Default)]
struct Symbols {
    list: Vec<String>,
    known: HashMap<String, u32>,
}

impl Symbols {
    fn of(&mut self, text: &str) -> u32 {
        if let Some(reference) = self.known.get(text) {
            return *reference;
        }
        let reference = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push(text.to_owned());
        self.known.insert(text.to_owned(), reference);
        reference
    }

    fn pairs(&mut self, labels: &[super::Label]) -> Vec<u32> {
        labels.iter().flat_map(|label| [self.of(&label.name), self.of(&label.value)]).collect()
    }
}
