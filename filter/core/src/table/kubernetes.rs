//! The namespaces of a Kubernetes cluster, page by page.
//!
//! Specification: <https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks>.

use core::fmt::Write as _;

use serde_json::Value;

use super::content::{Entry, Gathered};
use super::failure::Failure;
use crate::wire::json_tree;

/// Where in a namespace the entry stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Label(String),
    Annotation(String),
}

/// Only what every object has, where the server can leave out the rest; older ones send it all.
pub(super) const ACCEPT: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// The longest token of a next page; longer ones are not sent back.
const MAX_TOKEN: usize = 8 << 10;

/// The path of a page.
pub(super) fn path(page_size: u32, token: Option<&str>) -> String {
    let mut path = format!("/api/v1/namespaces?limit={page_size}");
    if let Some(token) = token {
        path.push_str("&continue=");
        for byte in token.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                path.push(char::from(byte));
            } else {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

/// Reads a page into `gathered`, and gives the token of the next one.
pub(super) fn page<E: Entry>(
    body: &[u8],
    place: &Place,
    gathered: &mut Gathered<E>,
) -> Result<Option<String>, Failure> {
    let list = json_tree(body).map_err(|_| Failure::Malformed)?;
    let items = match list.get("items") {
        Some(Value::Array(items)) => items.as_slice(),
        Some(Value::Null) => &[],
        _ => return Err(Failure::Malformed),
    };
    for item in items {
        let metadata = item.get("metadata").ok_or(Failure::Malformed)?;
        let name = metadata.get("name").and_then(Value::as_str).ok_or(Failure::Malformed)?;
        let (values, key) = match place {
            Place::Label(key) => ("labels", key),
            Place::Annotation(key) => ("annotations", key),
        };
        // An empty value is as good as none.
        if let Some(value) = metadata.get(values).and_then(|values| values.get(key))
            && value.as_str() != Some("")
        {
            gathered.add(name, value)?;
        }
    }
    match list.get("metadata").and_then(|metadata| metadata.get("continue")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(token)) if token.is_empty() => Ok(None),
        Some(Value::String(token)) if token.len() <= MAX_TOKEN => Ok(Some(token.clone())),
        Some(_) => Err(Failure::Malformed),
    }
}
