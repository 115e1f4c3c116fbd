//! A session: what another authenticating filter left about the request.

use super::claims::{Claims, Condition};
use super::{Evidence, Facts, Recognition, Why};
use crate::config::{ConfigError, MetadataConfig};
use crate::wire::json_tree;

/// See [`MetadataConfig`].
#[derive(Debug)]
pub(super) struct Metadata {
    place: Place,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
enum Place {
    Namespace(String),
    FilterState(String),
}

impl Metadata {
    pub(super) fn compile(config: &MetadataConfig, path: &str) -> Result<Self, ConfigError> {
        let place = match (&config.namespace, &config.filter_state) {
            (Some(namespace), None) => Place::Namespace(namespace.0.clone()),
            (None, Some(key)) => Place::FilterState(key.0.clone()),
            _ => return Err(ConfigError::new(path, "give exactly one of `namespace`, `filter_state`")),
        };
        Ok(Self { place, conditions: Condition::compile_all(&config.conditions, &format!("{path}.where"))? })
    }

    pub(super) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    pub(super) fn recognise<'a>(&'a self, evidence: &'a Evidence<'_>) -> Recognition<'a> {
        let claims = match &self.place {
            Place::Namespace(namespace) => evidence.namespace(namespace),
            Place::FilterState(key) => {
                evidence.attributes.get(&["filter_state", key]).as_deref().and_then(from_filter_state)
            }
        };
        let Some(claims) = claims else {
            return Recognition::NotMine(Why::Words("no session"));
        };
        match Condition::unmet(&self.conditions, &claims) {
            None => Recognition::Known(Facts::of(claims)),
            Some(why) => Recognition::NotMine(why),
        }
    }
}

/// Filter state has no types: a JSON object stands for itself, any other text is the claim `value`.
fn from_filter_state(text: &[u8]) -> Option<Claims<'static>> {
    let text = core::str::from_utf8(text).ok().filter(|text| !text.is_empty())?;
    let json = match json_tree(text.as_bytes()) {
        Ok(object @ serde_json::Value::Object(_)) => object,
        _ => serde_json::json!({ "value": text }),
    };
    Some(Claims::Json(json))
}
