//! OTLP over HTTP: what collectors send, and what a real backend would make of it.
//!
//! [`decode`] is as strict and as lax as the collector's `pdata`, which Cortex, Mimir, Loki and Tempo read with: content
//! types compared literally, names in two spellings, lists that stand twice put together, descriptions merged.

mod message;

use std::io::Read;

use prost::Message;
use serde_json::{Value, json};

pub use message::{PartialSuccess, Response, Status};

use crate::client::Call;
use crate::cortex::Received;
use crate::loki::gzip;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Metrics.
    Metrics,
    /// Logs.
    Logs,
    /// Traces.
    Traces,
}

/// All of them.
pub const SIGNALS: [Signal; 3] = [Signal::Metrics, Signal::Logs, Signal::Traces];

/// A resource, without its notation: attributes that are text, and the names of its data points, log records or spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its attributes, in order.
    pub attributes: Vec<(String, String)>,
    /// What it sent.
    pub items: Vec<String>,
}

/// A resource with these attributes and items.
pub fn resource(attributes: &[(&str, &str)], items: &[&str]) -> Resource {
    Resource {
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        items: items.iter().map(|item| (*item).to_owned()).collect(),
    }
}

impl Signal {
    /// The signal that goes to this path of a backend.
    pub fn of(path: &str) -> Option<Self> {
        match path {
            "/api/v1/otlp/v1/metrics" | "/otlp/v1/metrics" => Some(Self::Metrics),
            "/otlp/v1/logs" => Some(Self::Logs),
            "/v1/traces" => Some(Self::Traces),
            _ => None,
        }
    }

    /// The names of the lists in JSON, from the outside to the inside.
    fn names(self) -> [[&'static str; 2]; 3] {
        match self {
            Self::Metrics => [
                ["resourceMetrics", "resource_metrics"],
                ["scopeMetrics", "scope_metrics"],
                ["metrics", "metrics"],
            ],
            Self::Logs => [
                ["resourceLogs", "resource_logs"],
                ["scopeLogs", "scope_logs"],
                ["logRecords", "log_records"],
            ],
            Self::Traces => {
                [["resourceSpans", "resource_spans"], ["scopeSpans", "scope_spans"], ["spans", "spans"]]
            }
        }
    }
}

/// An export of these resources.
pub fn export(path: &str, signal: Signal, json: bool, compressed: bool, resources: &[Resource]) -> Call {
    let message =
        if json { write_json(signal, resources) } else { message::write(signal, resources).encode_to_vec() };
    let body = if compressed { gzip(&message) } else { message };
    let content_type = if json { "application/json" } else { "application/x-protobuf" };
    let call = Call::post(path, body).header("content-type", content_type);
    if compressed { call.header("content-encoding", "gzip") } else { call }
}

fn write_json(signal: Signal, resources: &[Resource]) -> Vec<u8> {
    let [list, scopes, items] = signal.names().map(|[name, _]| name);
    let resources: Vec<_> = resources
        .iter()
        .map(|resource| {
            let attribute =
                |(name, value): &(String, String)| json!({"key": name, "value": {"stringValue": value}});
            let attributes: Vec<_> = resource.attributes.iter().map(attribute).collect();
            let item = |name: &String| match signal {
                Signal::Metrics => {
                    let time = message::nanoseconds().to_string();
                    json!({"name": name, "gauge": {"dataPoints": [{"timeUnixNano": time, "asDouble": 1}]}})
                }
                Signal::Logs => json!({"severityText": name}),
                Signal::Traces => json!({"name": name}),
            };
            let of: Vec<_> = resource.items.iter().map(item).collect();
            json!({"resource": {"attributes": attributes}, scopes: [{items: of}]})
        })
        .collect();
    json!({ list: resources }).to_string().into_bytes()
}

/// What a backend would have stored, or why it would have refused all of it.
pub fn decode(signal: Signal, request: &Received) -> Result<Vec<Resource>, String> {
    let mut body = Vec::new();
    match request.header("content-encoding").unwrap_or_default() {
        "" => body = request.body.to_vec(),
        "gzip" => {
            let read = flate2::read::MultiGzDecoder::new(&*request.body).read_to_end(&mut body);
            read.map_err(|error| error.to_string())?;
        }
        other => return Err(format!("unsupported compression: {other}")),
    }
    match request.header("content-type").unwrap_or_default() {
        "application/x-protobuf" => message::read(signal, &body),
        "application/json" => read_json(signal, &body),
        other => Err(format!("unsupported content type: {other}")),
    }
}

fn read_json(signal: Signal, body: &[u8]) -> Result<Vec<Resource>, String> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    let value = values.next().ok_or("EOF")?.map_err(|error| error.to_string())?;
    let [list, scopes, items] = signal.names();
    let resource = |value: &Value| Resource {
        attributes: all(&value["resource"], ["attributes", "attributes"])
            .map(|attribute| {
                let value = &attribute["value"];
                let text = value.get("stringValue").or_else(|| value.get("string_value"));
                (string(&attribute["key"]), text.map(string).unwrap_or_default())
            })
            .collect(),
        items: all(value, scopes)
            .flat_map(|scope| all(scope, items))
            .map(|item| item.get("name").or_else(|| item.get("severityText")).map(string).unwrap_or_default())
            .collect(),
    };
    Ok(all(&value, list).map(resource).collect())
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The elements of a list, in both of its spellings.
fn all<'v>(value: &'v Value, names: [&'static str; 2]) -> impl Iterator<Item = &'v Value> {
    let [one, other] = names;
    let list = move |name: &str| value.get(name).and_then(Value::as_array).into_iter().flatten();
    list(one).chain((one != other).then(|| list(other)).into_iter().flatten())
}

/// The resources of all exports of a tenant, in the order they arrived.
pub fn resources(state: &crate::cortex::State, tenant: &str) -> Vec<Resource> {
    let read = |request: &Received| Some(decode(Signal::of(request.path())?, request).unwrap_or_default());
    state.of(tenant).filter_map(read).flatten().collect()
}
