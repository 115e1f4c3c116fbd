//! The members of `scopegate.yaml` that the filter never sees: what Envoy listens on, whom it calls, and whose tokens it
//! verifies. `render` makes a whole gateway of them; they are taken off before the configuration is given to the filter.
//!
//! Here are only the shapes. What they mean is compiled in `gateway`. Their doc comments are the reference page.

mod listener;
mod provider;
mod upstream;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use scopegate_core::config::Role;
use serde_json::{Map, Value};

pub(crate) use listener::{ListenerConfig, OperationsConfig};
pub(crate) use provider::IdentityProviderConfig;
pub(crate) use scopegate_core::config::{ConfigError, Node, ReadResult, Shape};
pub(crate) use upstream::{Addresses, HealthCheckConfig, HealthConfig, UpstreamConfig, UpstreamTlsConfig};

/// What is around the filter. All of it stands beside the filter's own fields in `scopegate.yaml`, and is for
/// `scopegate render` alone: inside Envoy's configuration these fields are unknown.
#[derive(Clone, Debug, Default, Shape, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GatewayConfig {
    /// What Envoy listens on for the callers. By default one listener, `gateway`, at `0.0.0.0:8080`.
    pub(crate) listeners: Vec<ListenerConfig>,
    /// A port of its own for who runs the gateway. By default there is none.
    pub(crate) operations: Option<OperationsConfig>,
    /// Whose tokens Envoy verifies, by the names in `callers[].jwt.provider`.
    pub(crate) identity_providers: BTreeMap<String, IdentityProviderConfig>,
    /// What stands behind Envoy, by name. Tables and `calls.cluster` name them too.
    pub(crate) upstreams: BTreeMap<String, UpstreamConfig>,
}

impl GatewayConfig {
    /// The names of the members.
    pub(crate) const FIELDS: [&str; 4] = ["listeners", "operations", "identity_providers", "upstreams"];

    /// Reads the members of a file.
    pub(crate) fn from_json(members: &Value) -> Result<Self, ConfigError> {
        scopegate_core::config::read(members)
    }
}

/// Takes a file apart: what the filter sees, and the other members.
pub(crate) fn split(file: Value) -> (Value, Value) {
    let Value::Object(fields) = file else { return (file, Value::Object(Map::new())) };
    let is_member = |name: &String| GatewayConfig::FIELDS.contains(&name.as_str());
    let (members, filter): (Map<_, _>, Map<_, _>) = fields.into_iter().partition(|(name, _)| is_member(name));
    (Value::Object(filter), Value::Object(members))
}

/// What the filter sees of a file.
pub(crate) fn filter_part(file: Value) -> Value {
    split(file).0
}

/// The schema of `scopegate.yaml`: what the filter knows, and the members beside it.
pub(crate) fn schema() -> Value {
    let mut schema = schemars::schema_for!(Role).to_value();
    let members = schemars::schema_for!(GatewayConfig).to_value();
    for (place, from) in [("/$defs/Config/properties", "/properties"), ("/$defs", "/$defs")] {
        if let (Some(Value::Object(into)), Some(Value::Object(more))) =
            (schema.pointer_mut(place), members.pointer(from))
        {
            into.extend(more.iter().map(|(name, schema)| (name.clone(), schema.clone())));
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reference of the schema leads somewhere, and no type of one name stands for two.
    #[test]
    fn the_schema_is_whole() {
        let schema = schema();
        let definitions = schema["$defs"].as_object().unwrap();
        let fields = definitions["Config"]["properties"].as_object().unwrap();
        assert!(fields.contains_key("backends") && fields.contains_key("upstreams"));
        let text = schema.to_string();
        for reference in text.split("\"#/$defs/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(definitions.contains_key(name), "{name}");
        }
        let (filter, members) = (schemars::schema_for!(Role), schemars::schema_for!(GatewayConfig));
        let names = |schema: &schemars::Schema| schema.get("$defs").unwrap().as_object().unwrap().clone();
        let theirs = names(&filter);
        for (name, definition) in names(&members) {
            assert!(theirs.get(&name).is_none_or(|known| *known == definition), "{name}");
        }
    }
}
