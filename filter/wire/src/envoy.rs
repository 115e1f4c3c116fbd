//! `envoy.config.core.v3.Metadata`: what other filters left about a request.

use super::fields::{Fields, Malformed};
use super::structure::{Structure, map_entry};

/// The `filter_metadata` entry called `namespace` of a serialized `Metadata` message, or `None`.
pub fn metadata_namespace<'a>(
    metadata: &'a [u8],
    namespace: &str,
) -> Result<Option<Structure<'a>>, Malformed> {
    const FILTER_METADATA: u32 = 1;
    let mut found = None;
    for field in Fields::new(metadata) {
        let field = field?;
        if field.number == FILTER_METADATA {
            let (name, value) = map_entry(field.value.bytes()?)?;
            if name == namespace {
                found = Some(Structure::new(value));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Datum, encode};
    use serde_json::json;

    #[test]
    fn finds_a_namespace() {
        let message = encode::map(
            [("a", encode::structure(&json!({"k": "1"}))), ("b", encode::structure(&json!({"k": "2"})))]
                .into_iter(),
        );
        let found = metadata_namespace(&message, "b").unwrap().unwrap();
        assert_eq!(found.get("k"), Ok(Some(Datum::Text("2"))));
        assert_eq!(metadata_namespace(&message, "c"), Ok(None));
    }
}
