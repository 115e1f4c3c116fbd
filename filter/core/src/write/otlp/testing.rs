//! Exports for tests, by independent codecs.

use prost::Message;
use serde_json::{Value as Json, json};

use super::Signal;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(message, repeated, tag = "1")]
    pub(crate) resources: Vec<ResourceItems>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResourceItems {
    #[prost(message, optional, tag = "1")]
    pub(crate) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) scopes: Vec<Scope>,
    #[prost(string, tag = "3")]
    pub(crate) schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(crate) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "2")]
    pub(crate) dropped_attributes_count: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AnyValue {
    #[prost(oneof = "any_value::Value", tags = "1, 3")]
    pub(crate) value: Option<any_value::Value>,
}

pub(crate) mod any_value {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Value {
        #[prost(string, tag = "1")]
        Text(String),
        #[prost(int64, tag = "3")]
        Int(i64),
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Scope {
    #[prost(message, repeated, tag = "2")]
    pub(crate) items: Vec<Item>,
}

/// A span, a log record with its body where spans have a trace's state, or a metric with a gauge.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Item {
    #[prost(string, tag = "3")]
    pub(crate) text: String,
    #[prost(message, optional, tag = "5")]
    pub(crate) gauge: Option<Gauge>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Gauge {
    #[prost(message, repeated, tag = "1")]
    pub(crate) points: Vec<Point>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Point {
    #[prost(fixed64, tag = "3")]
    pub(crate) time: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Response {
    #[prost(message, optional, tag = "1")]
    pub(crate) partial: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(crate) rejected: i64,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

pub(crate) const SIGNALS: [Signal; 3] = [Signal::Metrics, Signal::Logs, Signal::Traces];

/// A resource without its notation: attributes, which are text or a number, and how many items.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plain {
    pub(crate) attributes: Vec<(String, Result<String, i64>)>,
    pub(crate) items: usize,
}

/// A resource with these attributes and this many items.
pub(crate) fn plain(attributes: &[(&str, &str)], items: usize) -> Plain {
    let attribute = |(name, value): &(&str, &str)| ((*name).to_owned(), Ok((*value).to_owned()));
    Plain { attributes: attributes.iter().map(attribute).collect(), items }
}

/// The message with these resources.
pub(crate) fn write(signal: Signal, json: bool, resources: &[Plain]) -> Vec<u8> {
    if json {
        let resources: Vec<_> = resources.iter().map(|resource| write_json(signal, resource)).collect();
        return json!({ signal.list()[0]: resources }).to_string().into_bytes();
    }
    let attribute = |(name, value): &(String, Result<String, i64>)| KeyValue {
        key: name.clone(),
        value: Some(AnyValue {
            value: Some(match value {
                Ok(text) => any_value::Value::Text(text.clone()),
                Err(number) => any_value::Value::Int(*number),
            }),
        }),
    };
    let item = |n: usize| match signal {
        Signal::Metrics => {
            Item { text: String::new(), gauge: Some(Gauge { points: vec![Point { time: n as u64 }] }) }
        }
        Signal::Logs | Signal::Traces => Item { text: format!("item {n}"), gauge: None },
    };
    let resource = |plain: &Plain| ResourceItems {
        resource: Some(Resource {
            attributes: plain.attributes.iter().map(attribute).collect(),
            dropped_attributes_count: 7,
        }),
        scopes: vec![Scope { items: (0..plain.items).map(item).collect() }],
        schema_url: "https://example.org/schema".to_owned(),
    };
    Request { resources: resources.iter().map(resource).collect() }.encode_to_vec()
}

fn write_json(signal: Signal, plain: &Plain) -> Json {
    let attribute = |(name, value): &(String, Result<String, i64>)| {
        let value = match value {
            Ok(text) => json!({"stringValue": text}),
            Err(number) => json!({"intValue": number.to_string()}),
        };
        json!({"key": name, "value": value})
    };
    let attributes: Vec<_> = plain.attributes.iter().map(attribute).collect();
    let item = |n: usize| match signal {
        Signal::Metrics => json!({"gauge": {"dataPoints": [{"timeUnixNano": n.to_string()}]}}),
        Signal::Logs => json!({"body": {"stringValue": format!("item {n}")}}),
        Signal::Traces => json!({"name": format!("item {n}")}),
    };
    let items: Vec<_> = (0..plain.items).map(item).collect();
    let (scopes, list) = names(signal);
    json!({
        "resource": {"attributes": attributes, "droppedAttributesCount": 7},
        scopes: [{list: items}],
        "schemaUrl": "https://example.org/schema",
    })
}

fn names(signal: Signal) -> (&'static str, &'static str) {
    match signal {
        Signal::Metrics => ("scopeMetrics", "metrics"),
        Signal::Logs => ("scopeLogs", "logRecords"),
        Signal::Traces => ("scopeSpans", "spans"),
    }
}

/// The resources of a message.
pub(crate) fn read(signal: Signal, json: bool, message: &[u8]) -> Vec<Plain> {
    if json {
        let message: Json = serde_json::from_slice(message).unwrap();
        let (scopes, list) = names(signal);
        let attribute = |attribute: &Json| {
            let value = &attribute["value"];
            let value = match value["stringValue"].as_str() {
                Some(text) => Ok(text.to_owned()),
                None => Err(value["intValue"].as_str().unwrap().parse().unwrap()),
            };
            (attribute["key"].as_str().unwrap().to_owned(), value)
        };
        let resource = |resource: &Json| Plain {
            attributes: resource["resource"]["attributes"]
                .as_array()
                .unwrap()
                .iter()
                .map(attribute)
                .collect(),
            items: resource[scopes][0][list].as_array().unwrap().len(),
        };
        return message[signal.list()[0]].as_array().unwrap().iter().map(resource).collect();
    }
    let attribute = |attribute: &KeyValue| {
        let value = match attribute.value.clone().unwrap().value.unwrap() {
            any_value::Value::Text(text) => Ok(text),
            any_value::Value::Int(number) => Err(number),
        };
        (attribute.key.clone(), value)
    };
    let resource = |resource: &ResourceItems| {
        let described = resource.resource.clone().unwrap();
        assert_eq!(resource.schema_url, "https://example.org/schema");
        Plain {
            attributes: described.attributes.iter().map(attribute).collect(),
            items: resource.scopes[0].items.len(),
        }
    };
    Request::decode(message).unwrap().resources.iter().map(resource).collect()
}
