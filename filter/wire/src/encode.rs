//! Messages of `google.protobuf.Struct` out of JSON, for offline commands and tests: what Envoy writes and the filter only reads.

use serde_json::Value as Json;

use crate::put_len;

/// The serialized `google.protobuf.Value` of `json`.
pub fn value(json: &Json) -> Vec<u8> {
    let mut out = Vec::new();
    match json {
        Json::Null => out.extend_from_slice(&[0x08, 0]),
        Json::Bool(value) => out.extend_from_slice(&[0x20, u8::from(*value)]),
        Json::Number(number) => {
            out.push(0x11);
            out.extend_from_slice(&number.as_f64().unwrap_or(f64::NAN).to_le_bytes());
        }
        Json::String(text) => field(&mut out, 3, text.as_bytes()),
        Json::Object(_) => field(&mut out, 5, &structure(json)),
        Json::Array(items) => {
            let mut list = Vec::new();
            for item in items {
                field(&mut list, 1, &value(item));
            }
            field(&mut out, 6, &list);
        }
    }
    out
}

/// The serialized `google.protobuf.Struct` of the object `json`.
pub fn structure(json: &Json) -> Vec<u8> {
    let members = json.as_object().into_iter().flatten();
    map(members.map(|(key, json)| (key.as_str(), value(json))))
}

/// A serialized message whose field 1 is a map from string to message.
pub fn map<'a>(entries: impl Iterator<Item = (&'a str, Vec<u8>)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, message) in entries {
        let mut entry = Vec::new();
        field(&mut entry, 1, key.as_bytes());
        field(&mut entry, 2, &message);
        field(&mut out, 1, &entry);
    }
    out
}

fn field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_len(out, number, bytes.len());
    out.extend_from_slice(bytes);
}
