//! Messages of version 2.0 for tests, by an independent codec.

use prost::Message;

use super::super::testing::{Sample, compress, decompress};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(string, repeated, tag = "4")]
    pub(crate) symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TimeSeries {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub(crate) histograms: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) exemplars: Vec<Exemplar>,
    #[prost(message, optional, tag = "5")]
    pub(crate) metadata: Option<Metadata>,
    #[prost(int64, tag = "6")]
    pub(crate) created_timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Exemplar {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) labels_refs: Vec<u32>,
    #[prost(double, tag = "2")]
    pub(crate) value: f64,
    #[prost(int64, tag = "3")]
    pub(crate) timestamp: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Metadata {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(uint32, tag = "3")]
    pub(crate) help_ref: u32,
    #[prost(uint32, tag = "4")]
    pub(crate) unit_ref: u32,
}

/// Labels as texts.
pub(crate) type Labels = Vec<(String, String)>;

/// A series with its texts in place of references: what it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) labels: Labels,
    /// Bits of the value, and time.
    pub(crate) samples: Vec<(u64, i64)>,
    pub(crate) histograms: Vec<Vec<u8>>,
    pub(crate) exemplars: Vec<(Labels, u64, i64)>,
    /// Type, help and unit.
    pub(crate) metadata: Option<(i32, String, String)>,
    pub(crate) created: i64,
}

/// A series with these labels and one sample.
pub(crate) fn said(labels: &[(&str, &str)]) -> Said {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Said { labels: labels.collect(), samples: vec![(0x7ff0_0000_0000_0002, 1)], ..Said::default() }
}

/// A table of symbols being filled.
pub(crate) struct Table(pub(crate) Vec<String>);

impl Table {
    fn of(&mut self, text: &str) -> u32 {
        let at = self.0.iter().position(|known| known == text).unwrap_or_else(|| {
            self.0.push(text.to_owned());
            self.0.len() - 1
        });
        u32::try_from(at).unwrap()
    }

    fn pairs(&mut self, labels: &Labels) -> Vec<u32> {
        labels.iter().flat_map(|(name, value)| [self.of(name), self.of(value)]).collect()
    }
}

/// The message with these series, over a table in order of first use.
pub(crate) fn message(series: &[Said]) -> Request {
    message_over(vec![String::new()], series)
}

/// The message with these series over a table that begins with these symbols, used or not.
pub(crate) fn message_over(symbols: Vec<String>, series: &[Said]) -> Request {
    let mut table = Table(symbols);
    let timeseries = series
        .iter()
        .map(|said| TimeSeries {
            labels_refs: table.pairs(&said.labels),
            samples: said
                .samples
                .iter()
                .map(|(bits, timestamp)| Sample { value: f64::from_bits(*bits), timestamp: *timestamp })
                .collect(),
            histograms: said.histograms.clone(),
            exemplars: said
                .exemplars
                .iter()
                .map(|(labels, bits, timestamp)| Exemplar {
                    labels_refs: table.pairs(labels),
                    value: f64::from_bits(*bits),
                    timestamp: *timestamp,
                })
                .collect(),
            metadata: said.metadata.as_ref().map(|(kind, help, unit)| Metadata {
                kind: *kind,
                help_ref: table.of(help),
                unit_ref: table.of(unit),
            }),
            created_timestamp: said.created,
        })
        .collect();
    Request { symbols: table.0, timeseries }
}

impl Request {
    pub(crate) fn body(&self) -> Vec<u8> {
        compress(&self.encode_to_vec())
    }

    /// The request in a body.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self::decode(decompress(body).as_slice()).unwrap()
    }

    /// What its series say.
    pub(crate) fn said(&self) -> Vec<Said> {
        let text = |reference: u32| self.symbols[reference as usize].clone();
        let pairs = |references: &[u32]| {
            references.chunks(2).map(|pair| (text(pair[0]), text(pair[1]))).collect::<Labels>()
        };
        let said = |series: &TimeSeries| Said {
            labels: pairs(&series.labels_refs),
            samples: series.samples.iter().map(|sample| (sample.value.to_bits(), sample.timestamp)).collect(),
            histograms: series.histograms.clone(),
            exemplars: series
                .exemplars
                .iter()
                .map(|exemplar| (pairs(&exemplar.labels_refs), exemplar.value.to_bits(), exemplar.timestamp))
                .collect(),
            metadata: series
                .metadata
                .map(|metadata| (metadata.kind, text(metadata.help_ref), text(metadata.unit_ref))),
            created: series.created_timestamp,
        };
        self.timeseries.iter().map(said).collect()
    }
}
