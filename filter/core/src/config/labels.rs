//! Labels that writes get on their way: what is set, replaced, renamed and removed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::scalar::{OneOrMany, Text};
use super::shape::{Node, ReadResult, Shape};

/// Changes to the labels of what is written, or a list of them for different protocols: the first that is for the
/// protocol of a request holds for it, alone.
#[derive(Clone, Debug, Default)]
pub struct LabelsConfig {
    /// The changes, in the order in which they are tried.
    pub entries: Vec<LabelEditsConfig>,
    /// Whether they are written as a list.
    pub is_list: bool,
}

/// Changes to the labels of every series (for Loki every stream, for OTLP the attributes of every resource). First some
/// are removed, then renamed, then replaced, then set. No label may stand in two places here. The tenant of a series is
/// found before, from the labels as they came.
#[derive(Clone, Debug, Default, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LabelEditsConfig {
    /// The protocols that this is for. By default all: a write in a protocol whose labels cannot be changed is then
    /// refused.
    pub protocols: Option<Vec<LabelProtocol>>,
    /// Labels that have this value afterwards, whatever came.
    pub set: BTreeMap<String, LabelValueConfig>,
    /// Labels that get this value where they are present.
    pub replace: BTreeMap<String, LabelValueConfig>,
    /// Labels that go.
    pub remove: OneOrMany,
    /// Labels that get another name, `OLD: NEW`. A label that has the new name already gives way.
    pub rename: BTreeMap<String, Text>,
}

/// A protocol whose labels can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LabelProtocol {
    /// Prometheus remote write, 1.0 and 2.0.
    RemoteWrite,
    /// Loki's push.
    LokiPush,
    /// OTLP/HTTP, metrics.
    OtlpMetrics,
    /// OTLP/HTTP, logs.
    OtlpLogs,
    /// OTLP/HTTP, traces.
    OtlpTraces,
}

/// The value of a label: a text, or where it comes from. An empty text takes the label off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelValueConfig {
    /// This text.
    Text(Text),
    /// What is known about the request.
    From(LabelFrom),
    /// The text in a claim of the caller; several names lead into nested objects. A write without exactly one text
    /// there is refused.
    Claim(OneOrMany),
}

/// What is known about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Shape)]
#[serde(rename_all = "snake_case")]
pub enum LabelFrom {
    /// The tenant that the series goes to.
    Tenant,
    /// The name of the caller's entry.
    Caller,
    /// The caller's own tenant; a write of a caller with several is refused.
    OwnTenant,
}

impl Shape for LabelValueConfig {
    fn blank() -> Self {
        Self::Text(Shape::blank())
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        #[derive(Shape)]
        #[serde(deny_unknown_fields)]
        struct Map {
            from: Option<LabelFrom>,
            claim: Option<OneOrMany>,
        }

        *self = match node.value() {
            Value::String(text) => Self::Text(Text(text.clone())),
            Value::Object(_) => {
                let mut map = Map::blank();
                map.read(node)?;
                match map {
                    Map { from: Some(from), claim: None } => Self::From(from),
                    Map { from: None, claim: Some(claim) } => Self::Claim(claim),
                    _ => return Err(node.error("give exactly one of `from`, `claim`")),
                }
            }
            _ => {
                return Err(
                    node.expected("a text (quote it), {from: tenant | caller | own_tenant} or {claim: NAME}")
                );
            }
        };
        Ok(())
    }
}

impl Shape for LabelsConfig {
    fn blank() -> Self {
        Self::default()
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        self.is_list = node.value().is_array();
        match node.value() {
            Value::Array(_) => self.entries.read(node),
            Value::Object(_) => {
                let mut entry = LabelEditsConfig::blank();
                entry.read(node)?;
                self.entries = vec![entry];
                Ok(())
            }
            _ => Err(node.expected("{set: …, replace: …, remove: […], rename: …} or a list of such")),
        }
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::{LabelEditsConfig, LabelValueConfig, LabelsConfig, OneOrMany};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    impl JsonSchema for LabelValueConfig {
        fn schema_name() -> Cow<'static, str> {
            "LabelValue".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let claim = generator.subschema_for::<OneOrMany>();
            json_schema!({
                "description": "The value of a label: a text (an empty one takes the label off), `{from: tenant}` for the \
                    tenant that the series goes to, `{from: caller}` for the name of the caller's entry, \
                    `{from: own_tenant}` for the caller's own tenant (a write of a caller with several is refused), \
                    `{claim: NAME}` for the text in a claim of the caller (a list of names leads into nested objects; a \
                    write without exactly one text there is refused).",
                "anyOf": [
                    {"type": "string"},
                    {"type": "object", "additionalProperties": false, "required": ["from"],
                     "properties": {"from": {"enum": ["tenant", "caller", "own_tenant"]}}},
                    {"type": "object", "additionalProperties": false, "required": ["claim"],
                     "properties": {"claim": claim}},
                ]
            })
        }
    }

    impl JsonSchema for LabelsConfig {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            "Labels".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let entry = generator.subschema_for::<LabelEditsConfig>();
            json_schema!({"anyOf": [entry, {"type": "array", "items": entry}]})
        }
    }
}
