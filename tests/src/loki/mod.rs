//! Loki's push: what agents send, and what a real Loki would make of it.
//!
//! [`decode`] is as strict and as lax as Loki's own (`pkg/loghttp/push/push.go`): which content type is what, names without
//! regard to case, the last of two members, objects and lists within strings. It says what a tenant would have stored.

mod lenient;
mod time;

use std::collections::BTreeMap;
use std::io::Read;

use prost::Message;
use serde_json::{Value, json};

use crate::client::Call;
use crate::cortex::Received;

/// A stream, without its notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its entries, in order.
    pub entries: Vec<Entry>,
}

/// A log entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds since 1970.
    pub timestamp: i64,
    /// The line.
    pub line: String,
    /// Structured metadata.
    pub metadata: Vec<(String, String)>,
}

/// How a push is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A snappy block of protobuf.
    Protobuf,
    /// JSON as it stands.
    Json,
    /// JSON in gzip.
    JsonGzip,
    /// JSON in raw deflate.
    JsonDeflate,
    /// What Loki reads at its old path.
    LegacyJson,
}

/// All of them.
pub const FORMS: [Form; 5] =
    [Form::Protobuf, Form::Json, Form::JsonGzip, Form::JsonDeflate, Form::LegacyJson];

/// A stream with these labels; the entries have these lines and metadata.
pub fn stream(labels: &[(&str, &str)], entries: &[(&str, &[(&str, &str)])]) -> Stream {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let entry = |(number, (line, metadata)): (i64, &(&str, &[(&str, &str)]))| Entry {
        timestamp: 1_700_000_000_000_000_000 + number,
        line: (*line).to_owned(),
        metadata: metadata.iter().map(pair).collect(),
    };
    Stream { labels: labels.iter().map(pair).collect(), entries: (0..).zip(entries).map(entry).collect() }
}

/// A push of these streams.
pub fn push(form: Form, streams: &[Stream]) -> Call {
    let (path, content_type, encoding) = match form {
        Form::Protobuf => ("/loki/api/v1/push", "application/x-protobuf", None),
        Form::Json => ("/loki/api/v1/push", "application/json", None),
        Form::JsonGzip => ("/loki/api/v1/push", "application/json; charset=utf-8", Some("gzip")),
        Form::JsonDeflate => ("/loki/api/v1/push", "application/json", Some("deflate")),
        Form::LegacyJson => ("/api/prom/push", "application/json", None),
    };
    let call = Call::post(path, body(form, streams)).header("content-type", content_type);
    match encoding {
        Some(encoding) => call.header("content-encoding", encoding),
        None => call,
    }
}

/// The body of such a push.
pub fn body(form: Form, streams: &[Stream]) -> Vec<u8> {
    match form {
        Form::Protobuf => crate::remote_write::compress(&protobuf(streams)),
        Form::Json => json_text(streams),
        Form::JsonGzip => gzip(&json_text(streams)),
        Form::JsonDeflate => {
            let mut out = Vec::new();
            let text = json_text(streams);
            // Reading from memory does not fail.
            let _ = flate2::bufread::DeflateEncoder::new(text.as_slice(), flate2::Compression::default())
                .read_to_end(&mut out);
            out
        }
        Form::LegacyJson => {
            let streams: Vec<_> = streams
                .iter()
                .map(|stream| {
                    let entry = |entry: &Entry| {
                        let mut value = json!({"ts": time::text(entry.timestamp), "line": entry.line});
                        if !entry.metadata.is_empty() {
                            value["structuredMetadata"] = object(&entry.metadata);
                        }
                        value
                    };
                    let entries: Vec<_> = stream.entries.iter().map(entry).collect();
                    json!({"labels": labels_text(&stream.labels), "entries": entries})
                })
                .collect();
            json!({ "streams": streams }).to_string().into_bytes()
        }
    }
}

/// One member of gzip.
pub fn gzip(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // Reading from memory does not fail.
    let _ = flate2::bufread::GzEncoder::new(message, flate2::Compression::default()).read_to_end(&mut out);
    out
}

fn json_text(streams: &[Stream]) -> Vec<u8> {
    let streams: Vec<_> = streams
        .iter()
        .map(|stream| {
            let entry = |entry: &Entry| {
                let mut value = vec![json!(entry.timestamp.to_string()), json!(entry.line)];
                if !entry.metadata.is_empty() {
                    value.push(object(&entry.metadata));
                }
                value
            };
            let values: Vec<_> = stream.entries.iter().map(entry).collect();
            json!({"stream": stream.labels, "values": values})
        })
        .collect();
    json!({ "streams": streams }).to_string().into_bytes()
}

fn object(pairs: &[(String, String)]) -> Value {
    Value::Object(pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect())
}

/// Labels as agents write them, with Go's quotes.
fn labels_text(labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<_> =
        labels.iter().map(|(name, value)| format!("{name}={}", Value::from(value.clone()))).collect();
    format!("{{{}}}", labels.join(", "))
}

fn protobuf(streams: &[Stream]) -> Vec<u8> {
    let pair = |(name, value): &(String, String)| lenient::Pair { name: name.clone(), value: value.clone() };
    let entry = |entry: &Entry| lenient::Entry {
        timestamp: Some(lenient::Timestamp {
            seconds: entry.timestamp.div_euclid(1_000_000_000),
            nanos: i32::try_from(entry.timestamp.rem_euclid(1_000_000_000)).unwrap_or_default(),
        }),
        line: entry.line.clone(),
        metadata: entry.metadata.iter().map(pair).collect(),
    };
    let streams = streams
        .iter()
        .map(|stream| lenient::Stream {
            labels: labels_text(&stream.labels),
            entries: stream.entries.iter().map(entry).collect(),
            hash: 0,
        })
        .collect();
    lenient::Request { streams }.encode_to_vec()
}

/// Whether a request is a push to Loki: at the path that it shares with Cortex, JSON is.
pub fn is_push(request: &Received) -> bool {
    let is_json = request.header("content-type").is_some_and(|value| value.contains("json"));
    request.path() == "/loki/api/v1/push" || (request.path() == "/api/prom/push" && is_json)
}

/// What Loki would have stored for a push, or why it would have refused all of it.
pub fn decode(request: &Received) -> Result<Vec<Stream>, String> {
    lenient::decode(request)
}

/// The streams of all pushes of a tenant, in the order they arrived.
pub fn streams(state: &crate::cortex::State, tenant: &str) -> Vec<Stream> {
    state
        .of(tenant)
        .filter(|request| is_push(request))
        .flat_map(|request| decode(request).unwrap_or_default())
        .collect()
}
