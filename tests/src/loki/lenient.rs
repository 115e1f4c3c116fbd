//! A push as Loki reads it.

use std::collections::BTreeMap;
use std::io::Read;

use promql_parser::{label::MatchOp, parser::Expr};
use prost::Message;
use serde_json::Value;

use crate::cortex::Received;
use crate::cortex::lax::{Malformed, Reader};

/// `logproto.PushRequest`, for writing.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(message, repeated, tag = "1")]
    pub(super) streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Stream {
    #[prost(string, tag = "1")]
    pub(super) labels: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) entries: Vec<Entry>,
    #[prost(uint64, tag = "3")]
    pub(super) hash: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Entry {
    #[prost(message, optional, tag = "1")]
    pub(super) timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    pub(super) line: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) metadata: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Pair {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// What Loki would have stored, or why it would have refused all of it.
pub(super) fn decode(request: &Received) -> Result<Vec<super::Stream>, String> {
    let media = request.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    if media.trim().is_empty() {
        return Err("mime: no media type".to_owned());
    }
    let mut body = Vec::new();
    match request.header("content-encoding").unwrap_or_default() {
        "" | "snappy" => body = request.body.to_vec(),
        // Go's reader goes on to the next member.
        "gzip" => {
            let read = flate2::read::MultiGzDecoder::new(&*request.body).read_to_end(&mut body);
            read.map_err(|error| error.to_string())?;
        }
        "deflate" => {
            let read = flate2::read::DeflateDecoder::new(&*request.body).read_to_end(&mut body);
            read.map_err(|error| error.to_string())?;
        }
        other => return Err(format!("Content-Encoding {other:?} not supported")),
    }
    if !media.trim().eq_ignore_ascii_case("application/json") {
        let message = snap::raw::Decoder::new().decompress_vec(&body).map_err(|error| error.to_string())?;
        return protobuf(&message).map_err(|error| error.to_string())?.into_iter().map(parsed).collect();
    }
    // What follows the first value is not looked at.
    let mut values = serde_json::Deserializer::from_slice(&body).into_iter::<Value>();
    let value = values.next().ok_or("EOF")?.map_err(|error| error.to_string())?;
    let is_new = request.target.to_ascii_lowercase().contains("/loki/api/v1");
    let streams = member(&value, "streams").and_then(Value::as_array).cloned().unwrap_or_default();
    streams
        .iter()
        .map(|stream| if is_new { json(stream) } else { legacy(stream) })
        .map(|s| parsed(s?))
        .collect()
}

type Text = (String, Vec<super::Entry>);

/// A stream with its labels parsed, and the empty ones gone.
fn parsed((text, entries): Text) -> Result<super::Stream, String> {
    let Ok(Expr::VectorSelector(selector)) = promql_parser::parser::parse(&text) else {
        return Err(format!("couldn't parse labels: {text}"));
    };
    let mut labels: BTreeMap<String, String> =
        selector.name.into_iter().map(|name| ("__name__".to_owned(), name)).collect();
    for matcher in selector.matchers.matchers {
        if matcher.op != MatchOp::Equal {
            return Err(format!("couldn't parse labels: {text}"));
        }
        if !matcher.value.is_empty() && labels.insert(matcher.name, matcher.value).is_some() {
            return Err(format!("stream {text} has duplicate label name"));
        }
    }
    Ok(super::Stream { labels, entries })
}

/// A member without regard to the case of its name.
fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.as_object()?.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A value as text, whatever its type.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value that may stand within a string.
fn within(value: &Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        value => value.clone(),
    }
}

fn json(stream: &Value) -> Result<Text, String> {
    // A label's name goes into the text as it is, its value quoted.
    let labels: Vec<_> = within(&stream["stream"])
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            let name = serde_json::from_str(&format!("\"{name}\"")).unwrap_or_else(|_| name.clone());
            format!("{name}={}", Value::from(text(value)))
        })
        .collect();
    let mut entries = Vec::new();
    for entry in within(&stream["values"]).as_array().into_iter().flatten() {
        let entry = within(entry);
        let Some(entry) = entry.as_array() else { continue };
        let timestamp = entry.first().and_then(Value::as_str).and_then(|ts| ts.parse().ok());
        let timestamp = timestamp.ok_or("Value is not a string")?;
        let line = entry.get(1).and_then(Value::as_str).ok_or("Value is not a string")?.to_owned();
        let mut metadata = Vec::new();
        for (name, value) in entry.get(2).and_then(Value::as_object).into_iter().flatten() {
            match value.as_object() {
                // As in answers to queries: these are the metadata then.
                Some(inner) if name == "structuredMetadata" => {
                    metadata = inner.iter().map(|(name, value)| (name.clone(), text(value))).collect();
                }
                Some(_) => {}
                None => metadata.push((name.clone(), text(value))),
            }
        }
        entries.push(super::Entry { timestamp, line, metadata });
    }
    Ok((format!("{{{}}}", labels.join(", ")), entries))
}

fn legacy(stream: &Value) -> Result<Text, String> {
    let labels = member(stream, "labels").and_then(Value::as_str).ok_or("labels: expected a string")?;
    let mut entries = Vec::new();
    for entry in member(stream, "entries").and_then(Value::as_array).into_iter().flatten() {
        let metadata = member(entry, "structuredMetadata").and_then(Value::as_object);
        entries.push(super::Entry {
            timestamp: member(entry, "ts")
                .and_then(Value::as_str)
                .and_then(super::time::parse)
                .ok_or("ts: expected a date")?,
            line: member(entry, "line").map(text).unwrap_or_default(),
            metadata: metadata
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
        });
    }
    Ok((labels.to_owned(), entries))
}

fn protobuf(message: &[u8]) -> Result<Vec<Text>, Malformed> {
    let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut streams = Vec::new();
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        if field.number != 1 {
            reader.skip(field)?;
            continue;
        }
        let (mut labels, mut entries) = (String::new(), Vec::new());
        let mut stream = Reader::new(reader.bytes(field)?);
        while let Some(field) = stream.field()? {
            match field.number {
                1 => labels = string(stream.bytes(field)?),
                2 => entries.push(entry(stream.bytes(field)?)?),
                3 => drop(stream.number(field)?),
                _ => stream.skip(field)?,
            }
        }
        streams.push((labels, entries));
    }
    Ok(streams)
}

fn entry(message: &[u8]) -> Result<super::Entry, Malformed> {
    let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut entry = super::Entry { timestamp: 0, line: String::new(), metadata: Vec::new() };
    let mut reader = Reader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => {
                let (mut seconds, mut nanos) = (0, 0);
                let mut time = Reader::new(reader.bytes(field)?);
                while let Some(field) = time.field()? {
                    match field.number {
                        1 => seconds = time.number(field)?.cast_signed(),
                        2 => nanos = time.number(field)?.cast_signed(),
                        _ => time.skip(field)?,
                    }
                }
                entry.timestamp = seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos);
            }
            2 => entry.line = string(reader.bytes(field)?),
            3 => {
                let (mut name, mut value) = (String::new(), String::new());
                let mut pair = Reader::new(reader.bytes(field)?);
                while let Some(field) = pair.field()? {
                    match field.number {
                        1 => name = string(pair.bytes(field)?),
                        2 => value = string(pair.bytes(field)?),
                        _ => pair.skip(field)?,
                    }
                }
                entry.metadata.push((name, value));
            }
            _ => reader.skip(field)?,
        }
    }
    Ok(entry)
}
