//! How the writes to one backend find their tenants, and how the parts of a split one are sent.

use serde_json::Value;

use super::answers::AnswersConfig;
use super::date::Date;
use super::labels::LabelsConfig;
use super::scalar::{Count, Millis, Text};
use super::shape::{Node, ReadResult, Shape};

/// The write rules of one backend.
#[derive(Clone, Debug, Default, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct WriteConfig {
    /// Where the tenant comes from, in this order: the first that is present in a series (or request)
    /// decides, even if it leads to no tenant; an empty label is absent. `caller` is the caller's own tenant,
    /// `{header: NAME}` a header of the request, `{label: NAME}` a label of the series (which is a stream's label in
    /// Loki's push and a resource's attribute in OTLP), `{labels: [NAME, NAME]}` several labels that make one key,
    /// `{metadata: NAME}` the structured metadata of each log entry (only for backends of kind `loki`). What stands there may be led further by `regex`, `table`, `prefix` and
    /// `suffix`. By default `[{header: X-Scope-OrgID}, caller]`, which needs no look into the body.
    pub tenant: Option<Vec<TenantSourceConfig>>,
    /// What becomes of a series for which no source was present.
    pub on_absent: Fallback,
    /// What becomes of a series whose source was present and leads to no tenant. A tenant that exists but
    /// is not allowed to this caller is always rejected.
    pub on_unmapped: Fallback,
    /// Rejects series with an impersonation label, and requests with an impersonation header, from
    /// callers without that right. By default they are data like any other. Every write is then looked into.
    pub strict: bool,
    /// What changes in the labels of the series, whatever their tenant. Every write is then looked into, but for one to
    /// `victoriametrics` that has one tenant and only gets labels: its URL says so (`extra_label`).
    pub labels: LabelsConfig,
    /// Labels by which an HA tracker of the backend decides: `labels` must not change them, and nothing that names a tenant
    /// may take them off. By default `cluster` and `__replica__`.
    pub ha_labels: Option<Vec<Text>>,
    /// What becomes of the labels by which a client of `victoriametrics-cluster` could name an account: `vm_account_id`,
    /// `vm_project_id`, `VictoriaMetrics_AccountID` and `VictoriaMetrics_ProjectID`. Only for `isolate: {account: …}` of
    /// that kind; by default `remove`.
    pub account_labels: Option<AccountLabels>,
    /// Where metadata of metrics goes in remote write 1.0, where it has no labels. With `drop`, and with `followers` and
    /// `all` for callers that may write for several tenants, every such write is looked into; else metadata goes where
    /// the request goes as long as the head decides that.
    pub metadata: MetadataPolicy,
    /// Which versions of Prometheus remote write the backend takes.
    pub remote_write: RemoteWriteConfig,
    /// Series that are written to a second tenant too, until a date: for moving something from one tenant to
    /// another. How many there were is counted in `scopegate_series_doubled_total`.
    pub also_write: Vec<AlsoWriteConfig>,
    /// How the parts of a split request are sent.
    pub calls: CallsConfig,
    /// How the answers to its parts become one, and what is remembered for when it comes again.
    pub answers: AnswersConfig,
}

/// What becomes of labels that name an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum AccountLabels {
    /// They are taken off every series. Every write is then looked into, and what cannot be (CSV, text, Influx, native) is
    /// answered 415.
    #[default]
    Remove,
    /// They are data like any other. That is right where the account in the path alone decides, as in `vminsert`.
    Keep,
}

/// Where metadata of metrics goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MetadataPolicy {
    /// To the tenant that series without a label go to, else to the caller's one tenant, else it is dropped and counted.
    #[default]
    Own,
    /// Besides, to every tenant that series of its metric were written to by the same caller. That is learnt from the
    /// writes, shared by all workers, and bounded: the oldest is forgotten first.
    Followers,
    /// Besides, to all of the caller's own tenants, and to every tenant that the same request writes to.
    All,
    /// Nowhere; it is counted.
    Drop,
}

/// What a backend knows of Prometheus remote write.
#[derive(Clone, Debug, Default, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RemoteWriteConfig {
    /// The versions that the backend takes, `"1.0"` and `"2.0"`; by default both. Any other is answered 415, on which a
    /// sender can go back to 1.0. Say `["1.0"]` for a backend that would take 2.0 for 1.0, and lose it with a success.
    pub versions: Option<Vec<Text>>,
}

/// Series that are written to a second tenant too, until a date. Exactly one of `key` and `tenant` says which;
/// an entry by `key` goes before one by `tenant`. The second tenant is the administrator's choice: it need not be
/// one of the caller's.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AlsoWriteConfig {
    /// What the labels that decide say, as it would be looked up in a table: the namespace that moves.
    #[serde(default)]
    pub key: Option<Text>,
    /// Or the tenant that they lead to. Then every write of this tenant is looked into.
    #[serde(default)]
    pub tenant: Option<Text>,
    /// The second tenant.
    pub to: Text,
    /// Until when, such as `2026-12-31T00:00:00Z`.
    pub until: Date,
}

/// A place where the tenant of a series may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantSourceConfig {
    /// The caller's own tenant; a caller with several has none here.
    Caller,
    /// A header of the request, always within the caller's own tenants.
    Header {
        /// The header's name. An empty value is refused like any that leads to no tenant.
        header: Text,
        /// How its value leads to a tenant.
        key: KeyConfig,
    },
    /// Labels of the series, within the caller's own tenants and those it may write `on_behalf_of`.
    Labels {
        /// The labels' names. An empty value means that the label is absent; all of them must be present.
        labels: Vec<Text>,
        /// What stands between the values of several labels.
        separator: Option<Text>,
        /// Whether the labels are taken off.
        remove: bool,
        /// How their values lead to a tenant.
        key: KeyConfig,
    },
    /// Structured metadata of a log entry, by the same right; the entries of one stream may go to several tenants.
    Metadata {
        /// Its name. An empty value means that it is absent.
        metadata: Text,
        /// Whether it is taken off.
        remove: bool,
        /// How its value leads to a tenant.
        key: KeyConfig,
    },
}

/// How a value leads to a tenant, in this order: `regex`, `table`, `prefix` and `suffix`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyConfig {
    /// Matches the whole value; what its one group holds goes on.
    pub regex: Option<Text>,
    /// A table that leads to the tenant.
    pub table: Option<Text>,
    /// What is put before.
    pub prefix: Option<Text>,
    /// What is put behind.
    pub suffix: Option<Text>,
}

impl Shape for TenantSourceConfig {
    fn blank() -> Self {
        Self::Caller
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        #[derive(Shape)]
        #[serde(deny_unknown_fields)]
        struct Map {
            header: Option<Text>,
            label: Option<Text>,
            labels: Option<Vec<Text>>,
            separator: Option<Text>,
            metadata: Option<Text>,
            remove: Option<bool>,
            regex: Option<Text>,
            table: Option<Text>,
            prefix: Option<Text>,
            suffix: Option<Text>,
        }
        const EXPECTED: &str =
            "caller, {header: NAME}, {label: NAME}, {labels: [NAME, NAME]} or {metadata: NAME}";

        let mut map = Map::blank();
        match node.value() {
            Value::Object(_) => map.read(node)?,
            Value::String(text) if text == "caller" => {
                *self = Self::Caller;
                return Ok(());
            }
            Value::String(text) => {
                return Err(node.error(&["expected ", EXPECTED, ", found `", text, "`"].concat()));
            }
            _ => return Err(node.expected(EXPECTED)),
        }
        let Map { header, label, labels, separator, metadata, remove, regex, table, prefix, suffix } = map;
        let key = KeyConfig { regex, table, prefix, suffix };
        *self = match (header, label, labels, metadata, separator, remove) {
            (Some(header), None, None, None, None, None) => Self::Header { header, key },
            (None, Some(label), None, None, None, remove) => {
                Self::Labels { labels: vec![label], separator: None, remove: remove.unwrap_or(false), key }
            }
            (None, None, Some(labels), None, separator, remove) => {
                Self::Labels { labels, separator, remove: remove.unwrap_or(false), key }
            }
            (None, None, None, Some(metadata), None, remove) => {
                Self::Metadata { metadata, remove: remove.unwrap_or(false), key }
            }
            _ => {
                return Err(node.error(
                    "give exactly one of `header`, `label`, `metadata` (these two with an optional `remove`), `labels` \
                     (with an optional `separator` and `remove`)",
                ));
            }
        };
        Ok(())
    }
}

/// What becomes of a series without a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Shape)]
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
#[derive(Clone, Debug, Default, Shape)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Shape)]
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
#[derive(Clone, Debug, Shape)]
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
                `on_behalf_of`; with `remove: true` it is taken off. `{labels: [NAME, NAME]}`: several labels that \
                make one key, joined by `separator` (`/` by default); all must be present, and a value that holds the \
                separator leads to no tenant, since two different keys could look the same. `{metadata: NAME}`: the \
                structured metadata of each log entry, only for backends of kind loki. An empty value means that the \
                label is absent. How a value leads to a tenant, in this order: `regex` must match the whole of it, \
                and its one group goes on; `table` names a table in which it is looked up; `prefix` and `suffix` are put \
                around. What has come out must be a tenant, and one that this caller may write to.",
            "anyOf": [
                {"const": "caller"},
                {"type": "object", "additionalProperties": false, "required": ["header"],
                 "properties": {"header": {"type": "string"}, "regex": {"type": "string"}, "table": {"type": "string"},
                                "prefix": {"type": "string"}, "suffix": {"type": "string"}}},
                {"type": "object", "additionalProperties": false, "required": ["label"],
                 "properties": {"label": {"type": "string"}, "remove": {"type": "boolean"},
                                "regex": {"type": "string"}, "table": {"type": "string"},
                                "prefix": {"type": "string"}, "suffix": {"type": "string"}}},
                {"type": "object", "additionalProperties": false, "required": ["metadata"],
                 "properties": {"metadata": {"type": "string"}, "remove": {"type": "boolean"},
                                "regex": {"type": "string"}, "table": {"type": "string"},
                                "prefix": {"type": "string"}, "suffix": {"type": "string"}}},
                {"type": "object", "additionalProperties": false, "required": ["labels"],
                 "properties": {"labels": {"type": "array", "items": {"type": "string"}}, "separator": {"type": "string"},
                                "remove": {"type": "boolean"}, "regex": {"type": "string"}, "table": {"type": "string"},
                                "prefix": {"type": "string"}, "suffix": {"type": "string"}}},
            ]
        })
    }
}
