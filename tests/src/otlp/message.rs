//! The messages, as far as tests look at them.

use prost::{Message, Oneof};

use super::{Resource, Signal};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Items>,
}

#[derive(Clone, PartialEq, Message)]
struct Items {
    #[prost(message, optional, tag = "1")]
    resource: Option<Description>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scope>,
}

#[derive(Clone, PartialEq, Message)]
struct Description {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Kind", tags = "1, 3")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Kind {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(message, repeated, tag = "2")]
    items: Vec<Item>,
}

/// A metric's name is field 1, a log record's severity field 3, a span's name field 5.
#[derive(Clone, PartialEq, Message)]
struct Item {
    #[prost(bytes = "vec", tag = "1")]
    first: Vec<u8>,
    #[prost(string, tag = "3")]
    third: String,
    #[prost(bytes = "vec", tag = "5")]
    fifth: Vec<u8>,
}

/// `Export…ServiceResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct Response {
    /// What was rejected.
    #[prost(message, optional, tag = "1")]
    pub partial: Option<PartialSuccess>,
}

/// `Export…PartialSuccess`.
#[derive(Clone, PartialEq, Message)]
pub struct PartialSuccess {
    /// How many data points, log records or spans.
    #[prost(int64, tag = "1")]
    pub rejected: i64,
    /// Why.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// The code of gRPC.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// What is wrong.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// The time, for what a real backend would take.
pub(super) fn nanoseconds() -> u64 {
    crate::identity::now() * 1_000_000_000
}

pub(super) fn write(signal: Signal, resources: &[Resource]) -> Request {
    let attribute = |(name, value): &(String, String)| KeyValue {
        key: name.clone(),
        value: Some(AnyValue { kind: Some(Kind::Text(value.clone())) }),
    };
    let item = |name: &String| {
        let mut item = Item::default();
        match signal {
            Signal::Metrics => {
                item.first = name.clone().into_bytes();
                // A gauge with one point: its time, and the number 1.
                item.fifth =
                    [&[0x0a, 18, 0x19], &nanoseconds().to_le_bytes()[..], &[0x21], &1_f64.to_le_bytes()]
                        .concat();
            }
            Signal::Logs => item.third.clone_from(name),
            Signal::Traces => item.fifth = name.clone().into_bytes(),
        }
        item
    };
    let items = |resource: &Resource| Items {
        resource: Some(Description { attributes: resource.attributes.iter().map(attribute).collect() }),
        scopes: vec![Scope { items: resource.items.iter().map(item).collect() }],
    };
    Request { resources: resources.iter().map(items).collect() }
}

pub(super) fn read(signal: Signal, message: &[u8]) -> Result<Vec<Resource>, String> {
    let request = Request::decode(message).map_err(|error| error.to_string())?;
    let text = |attribute: KeyValue| match attribute.value.and_then(|value| value.kind) {
        Some(Kind::Text(text)) => (attribute.key, text),
        _ => (attribute.key, String::new()),
    };
    let name = |item: Item| match signal {
        Signal::Metrics => String::from_utf8_lossy(&item.first).into_owned(),
        Signal::Logs => item.third,
        Signal::Traces => String::from_utf8_lossy(&item.fifth).into_owned(),
    };
    let resource = |items: Items| Resource {
        attributes: items.resource.unwrap_or_default().attributes.into_iter().map(text).collect(),
        items: items.scopes.into_iter().flat_map(|scope| scope.items).map(name).collect(),
    };
    Ok(request.resources.into_iter().map(resource).collect())
}
