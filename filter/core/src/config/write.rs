//! How the writes to one backend find their tenants, and how the parts of a split one are sent.

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};

use super::scalar::{Count, Millis, Text};

/// The write rules of one backend.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct WriteConfig {
    /// Where the tenant comes from, in this order: the first that is present in a series (or request)
    /// decides, even if it leads to no tenant. `caller` is the caller's own tenant, `{header: NAME}` a
    /// header of the request, `{label: NAME}` a label of the series, which is a stream's label in Loki's push and a
    /// resource's attribute in OTLP, and `{metadata: NAME}` the structured metadata of each log entry (only for backends of
    /// kind `loki`; `remove: true` takes label or metadata off).
    /// By default `[{header: X-Scope-OrgID}, caller]`, which needs no look into the body.
    pub tenant: Option<Vec<TenantSourceConfig>>,
    /// What becomes of a series for which no source was present.
    pub on_absent: Fallback,
    /// What becomes of a series whose source was present and leads to no tenant. A tenant that exists but
    /// is not allowed to this caller is always rejected.
    pub on_unmapped: Fallback,
    /// Rejects series with an impersonation label, and requests with an impersonation header, from
    /// callers without that right. By default they are data like any other. Every write is then looked into.
    pub strict: bool,
    /// How the parts of a split request are sent.
    pub calls: CallsConfig,
}

/// A place where the tenant of a series may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantSourceConfig {
    /// The caller's own tenant; a caller with several has none here.
    Caller,
    /// A header of the request, always within the caller's own tenants.
    Header(Text),
    /// A label of the series, within the caller's own tenants and those it may write `on_behalf_of`.
    Label {
        /// The label's name. An empty value means that the label is absent.
        label: Text,
        /// Whether the label is taken off.
        remove: bool,
    },
    /// Structured metadata of a log entry, by the same right; the entries of one stream may go to several tenants.
    Metadata {
        /// Its name. An empty value means that it is absent.
        metadata: Text,
        /// Whether it is taken off.
        remove: bool,
    },
}

impl<'de> Deserialize<'de> for TenantSourceConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Map {
            header: Option<Text>,
            label: Option<Text>,
            metadata: Option<Text>,
            remove: Option<bool>,
        }

        struct Source;
        impl<'de> Visitor<'de> for Source {
            type Value = TenantSourceConfig;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("caller, {header: NAME}, {label: NAME} or {metadata: NAME}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TenantSourceConfig, E> {
                match text {
                    "caller" => Ok(TenantSourceConfig::Caller),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TenantSourceConfig, A::Error> {
                match Map::deserialize(MapAccessDeserializer::new(map))? {
                    Map { header: Some(header), label: None, metadata: None, remove: None } => {
                        Ok(TenantSourceConfig::Header(header))
                    }
                    Map { header: None, label: Some(label), metadata: None, remove } => {
                        Ok(TenantSourceConfig::Label { label, remove: remove.unwrap_or(false) })
                    }
                    Map { header: None, label: None, metadata: Some(metadata), remove } => {
                        Ok(TenantSourceConfig::Metadata { metadata, remove: remove.unwrap_or(false) })
                    }
                    _ => Err(de::Error::custom(
                        "give exactly one of `header`, `label`, `metadata` (the last two with an optional `remove`)",
                    )),
                }
            }
        }
        deserializer.deserialize_any(Source)
    }
}

/// What becomes of a series without a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// It is not written; the others are, and the answer is 400 and names it.
    #[default]
    RejectSeries,
    /// It is not written, and only counted.
    Drop,
    /// It is written to this tenant.
    Tenant(Text),
}

/// How the parts of a split request are sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CallsConfig {
    /// Straight to a cluster, or through a listener that gives every part Envoy's whole routing.
    pub via: Via,
    /// The cluster: with `via: cluster` the route's own by default; with `via: listener` the one that leads
    /// into the internal listener, which must be named.
    pub cluster: Option<Text>,
    /// The path of the calls; by default the request's own. Not with `via: listener`, whose routes rewrite.
    pub path: Option<Text>,
    /// The `:authority` of the calls; by default the request's own. It is also what a hash policy sees.
    pub authority: Option<Text>,
    /// How long the calls of one request may take in all, with their retries; by default 30s. What is not sent by then
    /// is not sent, and counts as a failure.
    pub timeout: Option<Millis>,
    /// Retries of a call by Envoy. By default none. Not with `via: listener`, whose routes retry.
    pub retries: Option<RetriesConfig>,
    /// Further headers of the request that the calls carry, besides `user-agent`, `x-request-id`,
    /// `traceparent`, `tracestate`, `b3` and those of remote write.
    pub headers: Vec<Text>,
}

/// Which way the parts of a split request go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Straight to the cluster. The least cost; what stands after the filter on the route (rewrites,
    /// retries, rate limits, access log) does not see the parts.
    #[default]
    Cluster,
    /// To a cluster that leads back into an internal listener of the same Envoy, without the filter.
    Listener,
}

/// Retries by Envoy.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RetriesConfig {
    /// On what, as in Envoy's `x-envoy-retry-on`, such as `connect-failure,refused-stream,reset`.
    pub on: Text,
    /// How many at most.
    pub max: Count,
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for TenantSourceConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TenantSource".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "`caller`: the caller's own tenant; a caller with several has none here. \
                `{header: NAME}`: a header of the request, always within the caller's own tenants. \
                `{label: NAME}`: a label of the series, within the caller's own tenants and those it may write \
                `on_behalf_of`; an empty value means that the label is absent; with `remove: true` it is taken off. \
                `{metadata: NAME}`: the same by the structured metadata of each log entry.",
            "anyOf": [
                {"const": "caller"},
                {"type": "object", "additionalProperties": false, "required": ["header"],
                 "properties": {"header": {"type": "string"}}},
                {"type": "object", "additionalProperties": false, "required": ["label"],
                 "properties": {"label": {"type": "string"}, "remove": {"type": "boolean"}}},
                {"type": "object", "additionalProperties": false, "required": ["metadata"],
                 "properties": {"metadata": {"type": "string"}, "remove": {"type": "boolean"}}},
            ]
        })
    }
}
