//! Bodies made from series as people write them, and read back from what upstreams get.
//!
//! Specifications: Prometheus remote write 1.0 and 2.0, Loki's push as JSON, OTLP/HTTP as JSON.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use prost::Message;
use serde_json::{Value, json};

/// Labels by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// `prometheus.WriteRequest`, as much of it as is written here.
#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// `io.prometheus.write.v2.Request`.
#[derive(Clone, PartialEq, Message)]
struct Request2 {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    series: Vec<Series2>,
}

#[derive(Clone, PartialEq, Message)]
struct Series2 {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

/// A body with the headers that say what it is.
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) headers: &'static [(&'static str, &'static str)],
}

/// Reads `name{label="value"}`, with the escapes of PromQL. `{label="value"}` has no name.
pub(crate) fn labels(text: &str) -> Result<Labels, String> {
    let mut labels = Labels::new();
    let (name, rest) = text.split_once('{').unwrap_or((text, "}"));
    let name = name.trim();
    if !name.is_empty() {
        labels.insert("__name__".to_owned(), name.to_owned());
    }
    let mut rest = rest.trim_start();
    loop {
        if let Some(end) = rest.strip_prefix('}') {
            return if labels.is_empty() {
                Err("it has no labels".to_owned())
            } else if end.trim().is_empty() {
                Ok(labels)
            } else {
                Err(format!("`{}` stands behind it", end.trim()))
            };
        }
        let (name, after) = if rest.starts_with('"') {
            quoted(rest)?
        } else {
            let end =
                rest.find(|c: char| !(c.is_alphanumeric() || "_.:-/".contains(c))).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            (name.to_owned(), after)
        };
        let value = after.trim_start().strip_prefix('=').ok_or("after a label's name stands `=`")?;
        if name.is_empty() {
            return Err("a label has no name".to_owned());
        }
        let (value, after) = quoted(value.trim_start())?;
        if labels.insert(name.clone(), value).is_some() {
            return Err(format!("the label {name} is there twice"));
        }
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with('}') => {}
            None => return Err("after a label stands `,` or `}`".to_owned()),
        }
    }
}

/// A text in double quotes, and what is behind it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let inner = text.strip_prefix('"').ok_or("a label's value stands in double quotes")?;
    let mut value = String::new();
    let mut characters = inner.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((value, &inner[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, c @ ('"' | '\\'))) => value.push(c),
                _ => return Err("after `\\` stands one of `n`, `t`, `\"`, `\\`".to_owned()),
            },
            c => value.push(c),
        }
    }
    Err("a label's value does not end".to_owned())
}

/// Labels as text, in the one way in which they are compared.
pub(crate) fn text(labels: &Labels) -> String {
    let mut out = labels.get("__name__").cloned().unwrap_or_default();
    let mut separator = '{';
    for (name, value) in labels.iter().filter(|(name, _)| *name != "__name__") {
        let value =
            value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
        let _ = write!(out, "{separator}{name}=\"{value}\"");
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    out
}

/// Remote write 1.0, one sample for each.
pub(crate) fn remote_write(all: &[Labels], date: u64) -> Body {
    let samples = sample(date);
    let series = |labels: &Labels| Series {
        labels: labels
            .iter()
            .map(|(name, value)| Label { name: name.clone(), value: value.clone() })
            .collect(),
        samples: samples.clone(),
    };
    let request = WriteRequest { series: all.iter().map(series).collect() };
    Body {
        bytes: compress(&request.encode_to_vec()),
        headers: &[
            ("content-type", "application/x-protobuf"),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "0.1.0"),
        ],
    }
}

/// Remote write 2.0, one sample for each.
pub(crate) fn remote_write_2(all: &[Labels], date: u64) -> Body {
    let mut symbols = vec![String::new()];
    let mut symbol = |text: &String| {
        let known = symbols.iter().position(|known| known == text);
        let at = known.unwrap_or_else(|| {
            symbols.push(text.clone());
            symbols.len() - 1
        });
        u32::try_from(at).unwrap_or_default()
    };
    let series: Vec<Series2> = all
        .iter()
        .map(|labels| Series2 {
            labels: labels.iter().flat_map(|(name, value)| [symbol(name), symbol(value)]).collect(),
            samples: sample(date),
        })
        .collect();
    Body {
        bytes: compress(&Request2 { symbols, series }.encode_to_vec()),
        headers: &[
            ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "2.0.0"),
        ],
    }
}

fn sample(date: u64) -> Vec<Sample> {
    vec![Sample { value: 1.0, timestamp: i64::try_from(date).unwrap_or_default().saturating_mul(1000) }]
}

fn compress(message: &[u8]) -> Vec<u8> {
    // Fails for messages of 4 GiB only.
    snap::raw::Encoder::new().compress_vec(message).unwrap_or_default()
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// Loki's push, one entry for each, with its structured metadata.
pub(crate) fn loki(all: &[(Labels, Labels)], date: u64) -> Body {
    let stream = |(labels, metadata): &(Labels, Labels)| {
        let mut entry = vec![json!(format!("{date}000000000")), json!("a line")];
        if !metadata.is_empty() {
            entry.push(json!(metadata));
        }
        json!({"stream": labels, "values": [entry]})
    };
    let streams: Vec<Value> = all.iter().map(stream).collect();
    Body { bytes: json!({ "streams": streams }).to_string().into_bytes(), headers: JSON }
}

/// OTLP, one point, record or span for each; of what, the path says.
pub(crate) fn otlp(path: &str, all: &[Labels], date: u64) -> Body {
    let time = format!("{date}000000000");
    let (field, scope, content) = if path.contains("/logs") {
        let record = json!({"timeUnixNano": time, "body": {"stringValue": "a line"}});
        ("resourceLogs", "scopeLogs", json!({"logRecords": [record]}))
    } else if path.contains("/traces") {
        let span = json!({
            "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "a span",
            "startTimeUnixNano": time, "endTimeUnixNano": time,
        });
        ("resourceSpans", "scopeSpans", json!({"spans": [span]}))
    } else {
        let point = json!({"timeUnixNano": time, "asDouble": 1});
        let metric = json!({"name": "a_metric", "gauge": {"dataPoints": [point]}});
        ("resourceMetrics", "scopeMetrics", json!({"metrics": [metric]}))
    };
    let resource = |labels: &Labels| {
        let attributes: Vec<Value> = labels
            .iter()
            .map(|(name, value)| json!({"key": name, "value": {"stringValue": value}}))
            .collect();
        json!({"resource": {"attributes": attributes}, scope: [content]})
    };
    let resources: Vec<Value> = all.iter().map(resource).collect();
    Body { bytes: json!({ field: resources }).to_string().into_bytes(), headers: JSON }
}

/// What an upstream gets: the labels of each series, stream or resource, and how many samples or entries there are.
pub(crate) fn read(content_type: &str, body: &[u8]) -> Option<(Vec<Labels>, usize)> {
    if content_type.starts_with("application/json") {
        return read_json(&serde_json::from_slice(body).ok()?);
    }
    if !content_type.starts_with("application/x-protobuf") {
        return None;
    }
    let message = snap::raw::Decoder::new().decompress_vec(body).ok()?;
    if content_type.contains("proto=io.prometheus.write.v2.Request") {
        let Request2 { symbols, series } = Request2::decode(message.as_slice()).ok()?;
        let symbol = |at: &u32| symbols.get(usize::try_from(*at).ok()?).cloned();
        let samples = series.iter().map(|series| series.samples.len()).sum();
        let of = |series: &Series2| -> Option<Labels> {
            series
                .labels
                .chunks(2)
                .map(|pair| Some((symbol(pair.first()?)?, symbol(pair.get(1)?)?)))
                .collect()
        };
        return Some((series.iter().map(of).collect::<Option<_>>()?, samples));
    }
    let WriteRequest { series } = WriteRequest::decode(message.as_slice()).ok()?;
    let samples = series.iter().map(|series| series.samples.len()).sum();
    let of = |series: Series| series.labels.into_iter().map(|label| (label.name, label.value)).collect();
    Some((series.into_iter().map(of).collect(), samples))
}

fn read_json(body: &Value) -> Option<(Vec<Labels>, usize)> {
    let list =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(streams) = body.get("streams").and_then(Value::as_array) {
        let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        let of = |stream: &Value| stream.get("stream")?.as_object()?.iter().map(text).collect();
        let entries = streams.iter().map(|stream| list(stream, "values").len()).sum();
        return Some((streams.iter().map(of).collect::<Option<_>>()?, entries));
    }
    let (_, resources) = body.as_object()?.iter().find(|(name, _)| name.starts_with("resource"))?;
    let mut points = 0;
    let mut all = Vec::new();
    for resource in resources.as_array()? {
        for attribute in ["scopeMetrics", "scopeLogs", "scopeSpans"].map(|name| list(resource, name)).concat()
        {
            points += list(&attribute, "logRecords").len() + list(&attribute, "spans").len();
            for metric in list(&attribute, "metrics") {
                let data = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];
                points += data
                    .iter()
                    .map(|kind| metric.get(kind).map_or(0, |data| list(data, "dataPoints").len()))
                    .sum::<usize>();
            }
        }
        let mut labels = Labels::new();
        for attribute in list(resource.get("resource")?, "attributes") {
            let value = attribute.get("value")?.as_object()?.values().next()?;
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            labels.insert(attribute.get("key")?.as_str()?.to_owned(), value);
        }
        all.push(labels);
    }
    Some((all, points))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_as_promql_writes_them() {
        for (written, expected) in [
            ("up", Ok("up")),
            ("up{}", Ok("up")),
            (r#"up{b="2",a="1"}"#, Ok(r#"up{a="1",b="2"}"#)),
            (r#" { service.name = "x y" , } "#, Ok(r#"{service.name="x y"}"#)),
            (r#"{"a.b"="c\"\\\n"}"#, Ok(r#"{a.b="c\"\\\n"}"#)),
            (r#"{__name__="up",a="}"}"#, Ok(r#"up{a="}"}"#)),
            ("", Err("it has no labels")),
            ("{}", Err("it has no labels")),
            ("up{a=1}", Err("a label's value stands in double quotes")),
            (r#"up{a="1"b="2"}"#, Err("after a label stands `,` or `}`")),
            (r#"up{a="1"#, Err("a label's value does not end")),
            (r#"up{a="\x"}"#, Err("after `\\` stands one of `n`, `t`, `\"`, `\\`")),
            (r#"up{a="1",a="2"}"#, Err("the label a is there twice")),
            ("up{a}", Err("after a label's name stands `=`")),
            (r#"up{="a"}"#, Err("a label has no name")),
            ("up{} 7", Err("`7` stands behind it")),
        ] {
            let read = labels(written).map(|labels| text(&labels));
            assert_eq!(read, expected.map(str::to_owned).map_err(str::to_owned), "{written}");
        }
    }

    #[test]
    fn bodies_read_back() {
        let all: Vec<Labels> =
            [r#"up{a="1",b="2"}"#, r#"x{a="2"}"#].iter().map(|text| labels(text).unwrap()).collect();
        let entries: Vec<_> = all.iter().map(|labels| (labels.clone(), all[0].clone())).collect();
        for body in [
            remote_write(&all, 7),
            remote_write_2(&all, 7),
            loki(&entries, 7),
            otlp("/otlp/v1/metrics", &all, 7),
            otlp("/otlp/v1/logs", &all, 7),
            otlp("/v1/traces", &all, 7),
        ] {
            assert_eq!(read(body.headers[0].1, &body.bytes), Some((all.clone(), 2)), "{:?}", body.headers);
        }
        assert_eq!(read("application/json", b"{}"), None);
        assert_eq!(read("application/x-protobuf", b"{}"), None);
        assert_eq!(read("text/plain", b""), None);
    }
}
