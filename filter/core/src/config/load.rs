//! From the bytes Envoy hands over to a [`Config`], or to one readable message.

use core::fmt;

use serde_json::{Map, Number, Value};

use super::{AgentConfig, Config, Role};
use crate::wire::{Datum, List, Malformed, Structure, json_tree};

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The field, such as `callers[1].jwt.issuer`; empty where it is the whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl ConfigError {
    /// An error at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() || self.path == "." {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl core::error::Error for ConfigError {}

impl Role {
    /// Reads what Envoy gives a filter: the text of a `StringValue`, which must be JSON, or a serialized
    /// `google.protobuf.Struct`.
    pub fn from_envoy(bytes: &[u8]) -> Result<Self, ConfigError> {
        let Some(first) = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) else {
            return Err(ConfigError::new(
                "",
                "there is no configuration: give the filter a `configuration` (Struct or StringValue)",
            ));
        };
        // Neither form can be told from the other by its beginning: a Struct starts with the tag 0x0a, which is a line
        // end, and the length after it may be a brace.
        let json = match json_tree(bytes) {
            Ok(tree @ Value::Object(_)) => return Self::from_json(tree),
            other => other.err(),
        };
        match object(Structure::new(bytes), 0) {
            Ok(map) => Self::from_json(Value::Object(map)),
            Err(error) => Err(ConfigError::new(
                "",
                match json.filter(|_| *first == b'{') {
                    Some(json) => format!("the configuration is not valid JSON: {json}"),
                    None => format!(
                        "the configuration is neither a JSON object nor a google.protobuf.Struct: {error}"
                    ),
                },
            )),
        }
    }

    /// Reads a configuration that is parsed already.
    pub fn from_json(value: Value) -> Result<Self, ConfigError> {
        if value.get("role").and_then(Value::as_str) == Some("agent") {
            AgentConfig::from_json(value).map(Self::Agent)
        } else {
            Config::from_json(value).map(|config| Self::Gateway(Box::new(config)))
        }
    }
}

impl Config {
    /// Reads what Envoy gives a filter that stands in front of backends; see [`Role::from_envoy`].
    pub fn from_envoy(bytes: &[u8]) -> Result<Self, ConfigError> {
        match Role::from_envoy(bytes)? {
            Role::Gateway(config) => Ok(*config),
            Role::Agent(_) => Err(ConfigError::new("role", "this is the configuration of an agent's side")),
        }
    }

    /// Reads a configuration that is parsed already.
    #[allow(clippy::needless_pass_by_value)] // who has read a tree has no more use for it
    pub fn from_json(value: Value) -> Result<Self, ConfigError> {
        super::read(&value)
    }
}

impl AgentConfig {
    /// Reads a configuration that is parsed already.
    #[allow(clippy::needless_pass_by_value)] // who has read a tree has no more use for it
    pub fn from_json(value: Value) -> Result<Self, ConfigError> {
        super::read(&value)
    }
}

/// Deeper than any configuration goes; a Struct is data, and reading it must end.
const MAX_DEPTH: u32 = 32;

fn object(structure: Structure<'_>, depth: u32) -> Result<Map<String, Value>, Malformed> {
    // Not collected: a map sorts what it is made of, and the entries may well be in order.
    let mut map = Map::new();
    for entry in structure.entries() {
        let (key, datum) = entry?;
        map.insert(key.to_owned(), json(datum, depth)?);
    }
    Ok(map)
}

fn array(list: List<'_>, depth: u32) -> Result<Vec<Value>, Malformed> {
    list.items().map(|item| item.and_then(|datum| json(datum, depth))).collect()
}

fn json(datum: Datum<'_>, depth: u32) -> Result<Value, Malformed> {
    if depth >= MAX_DEPTH {
        return Err(Malformed::Unexpected);
    }
    let deeper = depth.saturating_add(1);
    Ok(match datum {
        Datum::Null => Value::Null,
        Datum::Bool(value) => Value::Bool(value),
        Datum::Number(number) => whole(number).map_or_else(|| Value::from(number), Value::Number),
        Datum::Text(text) => Value::String(text.to_owned()),
        Datum::List(list) => Value::Array(array(list, deeper)?),
        Datum::Structure(structure) => Value::Object(object(structure, deeper)?),
    })
}

/// A Struct has doubles only: what was written as `7` becomes a whole number again.
#[allow(clippy::cast_possible_truncation)] // the range was checked
pub(crate) fn whole(number: f64) -> Option<Number> {
    const LIMIT: f64 = 9_007_199_254_740_992.0; // 2^53: whole doubles are exact below it
    (number.fract() == 0.0 && number.abs() < LIMIT).then(|| Number::from(number as i64))
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
