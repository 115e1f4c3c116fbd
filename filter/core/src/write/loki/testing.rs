//! Pushes for tests, by independent codecs.

use prost::Message;
use serde_json::{Value as Json, json};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) streams: Vec<StreamAdapter>,
    #[prost(string, tag = "2")]
    pub(crate) format: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamAdapter {
    #[prost(string, tag = "1")]
    pub(crate) labels: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) entries: Vec<EntryAdapter>,
    #[prost(uint64, tag = "3")]
    pub(crate) hash: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EntryAdapter {
    #[prost(message, optional, tag = "1")]
    pub(crate) timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    pub(crate) line: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) metadata: Vec<LabelPair>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LabelPair {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

pub(crate) type Pairs = Vec<(String, String)>;

/// A stream without its notation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plain {
    pub(crate) labels: Pairs,
    pub(crate) entries: Vec<(u32, String, Pairs)>,
}

/// A stream with these labels and one entry with this metadata for each.
pub(crate) fn plain(labels: &[(&str, &str)], entries: &[&[(&str, &str)]]) -> Plain {
    let pairs =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Plain {
        labels: pairs(labels),
        entries: (1..)
            .zip(entries)
            .map(|(n, metadata)| (n, format!("line \"{n}\"\n"), pairs(metadata)))
            .collect(),
    }
}

/// The notations of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    Protobuf,
    Json,
    Legacy,
}

pub(crate) const NOTATIONS: [Notation; 3] = [Notation::Protobuf, Notation::Json, Notation::Legacy];

impl Notation {
    /// The message with these streams. Hashes are set, since agents set them.
    pub(crate) fn write(self, streams: &[Plain]) -> Vec<u8> {
        let member = |pairs: &Pairs| pairs.iter().map(|(n, v)| (n.clone(), Json::from(v.clone()))).collect();
        match self {
            Self::Protobuf => {
                let pair =
                    |(name, value): &(String, String)| LabelPair { name: name.clone(), value: value.clone() };
                let entry = |(at, line, metadata): &(u32, String, Pairs)| EntryAdapter {
                    timestamp: Some(Timestamp { seconds: i64::from(*at), nanos: 5 }),
                    line: line.clone(),
                    metadata: metadata.iter().map(pair).collect(),
                };
                let stream = |stream: &Plain| StreamAdapter {
                    labels: write_labels(&stream.labels),
                    entries: stream.entries.iter().map(entry).collect(),
                    hash: 77,
                };
                let streams = streams.iter().map(stream).collect();
                PushRequest { streams, format: String::new() }.encode_to_vec()
            }
            Self::Json => {
                let entry = |(at, line, metadata): &(u32, String, Pairs)| {
                    let mut entry = vec![json!(format!("{at}000000005")), json!(line)];
                    if !metadata.is_empty() {
                        entry.push(Json::Object(member(metadata)));
                    }
                    Json::from(entry)
                };
                let stream = |stream: &Plain| {
                    let values: Vec<_> = stream.entries.iter().map(entry).collect();
                    json!({"stream": Json::Object(member(&stream.labels)), "values": values})
                };
                let streams: Vec<_> = streams.iter().map(stream).collect();
                json!({ "streams": streams }).to_string().into_bytes()
            }
            Self::Legacy => {
                let entry = |(at, line, metadata): &(u32, String, Pairs)| {
                    let mut entry = json!({"ts": format!("{at}"), "line": line});
                    if !metadata.is_empty() {
                        entry["structuredMetadata"] = Json::Object(member(metadata));
                    }
                    entry
                };
                let stream = |stream: &Plain| {
                    let entries: Vec<_> = stream.entries.iter().map(entry).collect();
                    json!({"labels": write_labels(&stream.labels), "entries": entries})
                };
                let streams: Vec<_> = streams.iter().map(stream).collect();
                json!({ "streams": streams }).to_string().into_bytes()
            }
        }
    }

    /// The streams of a message.
    pub(crate) fn read(self, message: &[u8]) -> Vec<Plain> {
        let pairs = |value: &Json| {
            let map = value.as_object().cloned().unwrap_or_default();
            map.into_iter().map(|(n, v)| (n, v.as_str().unwrap().to_owned())).collect()
        };
        match self {
            Self::Protobuf => {
                let pair = |pair: &LabelPair| (pair.name.clone(), pair.value.clone());
                let entry = |entry: &EntryAdapter| {
                    let at = u32::try_from(entry.timestamp.as_ref().unwrap().seconds).unwrap();
                    (at, entry.line.clone(), entry.metadata.iter().map(pair).collect())
                };
                let stream = |stream: &StreamAdapter| Plain {
                    labels: read_labels(&stream.labels),
                    entries: stream.entries.iter().map(entry).collect(),
                };
                PushRequest::decode(message).unwrap().streams.iter().map(stream).collect()
            }
            Self::Json => {
                let entry = |entry: &Json| {
                    let at = entry[0].as_str().unwrap().strip_suffix("000000005").unwrap().parse().unwrap();
                    (at, entry[1].as_str().unwrap().to_owned(), entry.get(2).map(pairs).unwrap_or_default())
                };
                let stream = |stream: &Json| Plain {
                    labels: pairs(&stream["stream"]),
                    entries: stream["values"].as_array().unwrap().iter().map(entry).collect(),
                };
                let message: Json = serde_json::from_slice(message).unwrap();
                message["streams"].as_array().unwrap().iter().map(stream).collect()
            }
            Self::Legacy => {
                let entry = |entry: &Json| {
                    let at = entry["ts"].as_str().unwrap().parse().unwrap();
                    (at, entry["line"].as_str().unwrap().to_owned(), pairs(&entry["structuredMetadata"]))
                };
                let stream = |stream: &Json| Plain {
                    labels: read_labels(stream["labels"].as_str().unwrap()),
                    entries: stream["entries"].as_array().unwrap().iter().map(entry).collect(),
                };
                let message: Json = serde_json::from_slice(message).unwrap();
                message["streams"].as_array().unwrap().iter().map(stream).collect()
            }
        }
    }
}

/// Labels as Go's `%q` writes those of tests.
pub(crate) fn write_labels(labels: &Pairs) -> String {
    let labels: Vec<_> = labels.iter().map(|(n, v)| format!("{n}={}", Json::from(v.clone()))).collect();
    format!("{{{}}}", labels.join(", "))
}

/// Labels of tests, whose values need no escapes but those of JSON.
fn read_labels(text: &str) -> Pairs {
    let mut rest = text.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    let mut labels = Vec::new();
    while let Some((name, after)) = rest.split_once('=') {
        let mut values = serde_json::Deserializer::from_str(after).into_iter::<String>();
        let value = values.next().unwrap().unwrap();
        labels.push((name.to_owned(), value));
        rest = after[values.byte_offset()..].trim_start_matches([',', ' ']);
    }
    labels
}
