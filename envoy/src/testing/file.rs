//! A file of tests, as it is written. Its schema is `scopegate schema --of tests`; `docs/testing.md` tells of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use scopegate_core::config::{Count, Date, OneOrMany, Text};
use serde_json::Value;

use crate::config::{Node, ReadResult, Shape};

/// Requests to a configuration, and what must become of them.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestFile {
    /// Scopegate's configuration, or Envoy's with the filter in it: a path, from this file.
    pub(crate) configuration: Text,
    /// Which filter of an Envoy configuration that has several, counted from 1.
    pub(crate) filter: Option<Count>,
    /// As if every decision took effect, whatever `mode` says.
    #[serde(default)]
    pub(crate) enforced: bool,
    /// The time of all requests; by default now.
    pub(crate) now: Option<Date>,
    /// What the tables hold that are not listed in the configuration: what a server would answer, or (for one made from
    /// Kubernetes or Grafana) keys and tenants. One that is not here counts as never fetched.
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, Any>,
    /// The environment of the filter, for secrets made for these tests. What is not here is supposed: the real environment
    /// is not looked at, so that a test says the same everywhere.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, Text>,
    /// The tests.
    pub(crate) tests: Vec<Case>,
}

/// One request, and what must become of it.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What it shows, in words.
    pub(crate) name: Text,
    /// The request.
    pub(crate) request: RequestCase,
    /// What must become of it. What is not said may be anything, but a request is refused only where `refused` says so.
    pub(crate) expect: Expect,
}

/// A request, and what Envoy knows about it.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestCase {
    /// By default GET, or POST where there is a body.
    pub(crate) method: Option<Text>,
    /// The path with its query, as it is sent.
    pub(crate) path: Text,
    /// The host; by default `gateway.test`.
    pub(crate) host: Option<Text>,
    /// The backend that the route's metadata names.
    pub(crate) backend: Option<Text>,
    /// The cluster of the route.
    pub(crate) cluster: Option<Text>,
    /// Headers.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, OneOrMany>,
    /// Further arguments of the URL, which are escaped.
    #[serde(default)]
    pub(crate) arguments: BTreeMap<String, OneOrMany>,
    /// A form, which is the body.
    pub(crate) form: Option<BTreeMap<String, OneOrMany>>,
    /// Series that are written, such as `up{namespace="shop"}`, each with one sample: Prometheus remote write.
    pub(crate) series: Option<Vec<Text>>,
    /// The version of remote write, `"1.0"` by default or `"2.0"`.
    pub(crate) remote_write: Option<Text>,
    /// Streams that are pushed to Loki, such as `{namespace="shop"}`, each with one line. `metadata` says more.
    pub(crate) streams: Option<Vec<Stream>>,
    /// Resources that are sent by OTLP, such as `{service.name="shop"}`: metrics, logs or traces, as the path says.
    pub(crate) resources: Option<Vec<Text>>,
    /// Any other body, as text.
    pub(crate) body: Option<Text>,
    /// Any other body, from a file.
    pub(crate) body_file: Option<Text>,

    /// A token that `jwt_authn` has verified.
    pub(crate) jwt: Option<JwtCase>,
    /// A user and a password.
    pub(crate) basic: Option<BasicCase>,
    /// An opaque token.
    pub(crate) bearer: Option<BearerCase>,
    /// The client's certificate, as Envoy has verified it.
    pub(crate) certificate: Option<CertificateCase>,
    /// A proof of a session.
    pub(crate) session: Option<SessionCase>,
    /// What other filters left in the dynamic metadata: an object for each namespace.
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, Any>,
    /// What other filters left in the filter state.
    #[serde(default)]
    pub(crate) filter_state: BTreeMap<String, Text>,
    /// The address that the connection comes from.
    pub(crate) peer: Option<Text>,
}

/// A token that `jwt_authn` has verified.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwtCase {
    /// Of which provider; by default that of its issuer, or the only one.
    pub(crate) provider: Option<Text>,
    /// Its payload. Without `iss` it is of the provider's issuer, where that is one.
    pub(crate) claims: Any,
}

/// A user of the configuration or of a table.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BasicCase {
    /// The name.
    pub(crate) username: Text,
    /// The password; by default one that is right: nobody needs the real one for a test.
    pub(crate) password: Option<Text>,
}

/// An opaque token. Exactly one of its fields.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BearerCase {
    /// The token itself.
    pub(crate) token: Option<Text>,
    /// Or a token like the one with this hash in the configuration or in a table: nobody needs the real one for a test.
    pub(crate) like: Option<Text>,
}

/// What Envoy has verified of a certificate.
#[derive(Clone, Debug, Default, Shape, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CertificateCase {
    /// The URI in its subject alternative names.
    pub(crate) uri_san: Option<Text>,
    /// The DNS name there.
    pub(crate) dns_san: Option<Text>,
    /// The subject as Envoy writes it.
    pub(crate) subject: Option<Text>,
    /// The SHA-256 digest, in hexadecimal.
    pub(crate) sha256: Option<Text>,
}

/// A good proof for this request.
#[derive(Clone, Debug, Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionCase {
    /// The attribute that is proven.
    pub(crate) attribute: Text,
    /// Who the agent is.
    pub(crate) agent: Text,
}

/// A stream of Loki: its labels; or with structured metadata of its entry.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) labels: Text,
    pub(crate) metadata: BTreeMap<String, Text>,
}

/// What must become of a request.
#[derive(Clone, Debug, Default, Shape, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// The entry of `callers` that recognises the request.
    pub(crate) caller: Option<Text>,
    /// The backend.
    pub(crate) backend: Option<Text>,
    /// What is asked: `write`, `read`, `rules`, `alerts`, `admin`.
    pub(crate) class: Option<Text>,
    /// As in the access log: `forwarded`, `split`, `empty`, `page`, `observed_same`, `observed_different`.
    pub(crate) decision: Option<Text>,
    /// The tenants that it goes to or reads from, in any order.
    pub(crate) tenants: Option<OneOrMany>,
    /// The argument `query` as it goes on, in the URL or in a form.
    pub(crate) query: Option<Text>,
    /// Further arguments as they go on; an empty list where there is none.
    pub(crate) arguments: BTreeMap<String, OneOrMany>,
    /// The path as it goes on, without its query.
    pub(crate) path: Option<Text>,
    /// Headers as they go on; null where there is none.
    pub(crate) headers: BTreeMap<String, Option<Text>>,
    /// Every request that an upstream gets, in any order.
    pub(crate) upstream: Option<Vec<UpstreamCase>>,
    /// Whether the answer is held, and narrowed to the tenants.
    pub(crate) narrows_answer: Option<bool>,
    /// That it is refused; the reason, or more.
    pub(crate) refused: Option<RefusedCase>,
    /// The status of the filter's own answer.
    pub(crate) status: Option<Count>,
    /// Words that stand in the filter's own answer.
    pub(crate) message: Option<Text>,
}

/// A request that an upstream gets.
#[derive(Clone, Debug, Default, Shape, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UpstreamCase {
    /// The tenant that it is for.
    pub(crate) tenant: Option<Text>,
    /// The cluster of a call that the filter makes.
    pub(crate) cluster: Option<Text>,
    /// The path, without its query.
    pub(crate) path: Option<Text>,
    /// Its series (or streams, or resources): how many, or which, in any order.
    pub(crate) series: Option<SeriesCase>,
    /// How many samples (or entries, or points) it has.
    pub(crate) samples: Option<Count>,
}

/// How many series, or which.
#[derive(Clone, Debug)]
pub(crate) enum SeriesCase {
    Count(Count),
    These(Vec<Text>),
}

/// How a request is refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefusedCase {
    pub(crate) reason: Option<Text>,
    pub(crate) status: Option<Count>,
    pub(crate) message: Option<Text>,
}

/// Any value.
#[derive(Clone, Debug)]
pub(crate) struct Any(pub(crate) Value);

impl Shape for Any {
    fn blank() -> Self {
        Self(Value::Null)
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        self.0 = node.value().clone();
        Ok(())
    }
}

impl JsonSchema for Any {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "any".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["object", "array"]})
    }
}

#[derive(Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StreamMap {
    /// Its labels.
    stream: Text,
    /// The structured metadata of its entry.
    #[serde(default)]
    metadata: BTreeMap<String, Text>,
}

impl Shape for Stream {
    fn blank() -> Self {
        Self { labels: Text::blank(), metadata: BTreeMap::new() }
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        if node.value().is_object() {
            let mut map = StreamMap::blank();
            map.read(node)?;
            *self = Self { labels: map.stream, metadata: map.metadata };
        } else {
            self.metadata.clear();
            self.labels.read(node)?;
        }
        Ok(())
    }
}

impl JsonSchema for Stream {
    fn schema_name() -> Cow<'static, str> {
        "Stream".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = StreamMap::json_schema(generator);
        json_schema!({"description": "A stream of Loki: its labels, such as `{app=\"x\"}`; or more.", "anyOf": [{"type": "string"}, map]})
    }
}

impl Shape for SeriesCase {
    fn blank() -> Self {
        Self::Count(Count(0))
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        if node.value().is_array() {
            let mut items = Vec::new();
            items.read(node)?;
            *self = Self::These(items);
        } else if node.value().is_number() {
            let mut count = Count(0);
            count.read(node)?;
            *self = Self::Count(count);
        } else {
            return Err(node.expected("a number of series, or a list of them"));
        }
        Ok(())
    }
}

impl JsonSchema for SeriesCase {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SeriesCase".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "array", "items": {"type": "string"}}]})
    }
}

#[derive(Shape, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RefusedMap {
    /// The reason, a word as in the access log.
    reason: Option<Text>,
    /// The status.
    status: Option<Count>,
    /// Words that stand in the answer.
    message: Option<Text>,
}

impl Shape for RefusedCase {
    fn blank() -> Self {
        Self::default()
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        *self = Self::default();
        if node.value().is_object() {
            let mut map = RefusedMap::blank();
            map.read(node)?;
            *self = Self { reason: map.reason, status: map.status, message: map.message };
        } else {
            self.reason.insert(Text::blank()).read(node)?;
        }
        Ok(())
    }
}

impl JsonSchema for RefusedCase {
    fn schema_name() -> Cow<'static, str> {
        "Refused".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = RefusedMap::json_schema(generator);
        json_schema!({"description": "How a request is refused: the reason, or more.", "anyOf": [{"type": "string"}, map]})
    }
}
