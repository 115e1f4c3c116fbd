//! A caller: how it is recognised, which tenants are its own, and what it may do.

use std::collections::BTreeMap;

use serde_json::Value;

use super::mode::Mode;
use super::scalar::{OneOrMany, Text};
use super::shape::{Node, ReadResult, Shape};
use crate::operation::Class;

/// One kind of caller. Exactly one of the sources (`jwt`, `metadata`, `basic`) says how it is recognised.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CallerConfig {
    /// Its name in metrics and logs.
    pub name: Text,
    /// Recognised by a JWT that Envoy's `jwt_authn` filter verified.
    pub jwt: Option<JwtConfig>,
    /// Recognised by what another authenticating filter (`ext_authz`, for one) left about the request.
    pub metadata: Option<MetadataConfig>,
    /// Recognised by user name and password (HTTP basic authentication).
    pub basic: Option<BasicConfig>,
    /// The caller's own tenants. A user listed under `basic` may have its own instead.
    pub tenants: Option<TenantsConfig>,
    /// What it may do: `write`, `read` (queries, and the state of rules and alerts), `rules` (change
    /// rules), `alerts` (the alertmanager and its configuration), `admin` (paths configured as such).
    pub may: Vec<Class>,
    /// The right to write single series for other tenants.
    pub impersonate: Option<ImpersonateConfig>,
    /// Tenants, besides its own, for which it may write where the backend's `write` rules take the tenant
    /// from a label. `*` stands for any run of characters. By default none.
    #[serde(default)]
    pub on_behalf_of: OneOrMany,
    /// Whether decisions take effect for this caller, in place of what the backend and the configuration say. A caller that
    /// is observed reaches every tenant of every backend.
    pub mode: Option<Mode>,
}

/// The sources, for those who want them as one.
#[derive(Clone, Copy, Debug)]
pub enum SourceConfig<'a> {
    /// See [`JwtConfig`].
    Jwt(&'a JwtConfig),
    /// See [`MetadataConfig`].
    Metadata(&'a MetadataConfig),
    /// See [`BasicConfig`].
    Basic(&'a BasicConfig),
}

impl CallerConfig {
    /// The names of the sources, as they are written.
    pub const SOURCES: &'static str = "jwt, metadata, basic";

    /// The one source, or what is wrong with their number.
    pub fn source(&self) -> Result<SourceConfig<'_>, &'static str> {
        let mut sources = [
            self.jwt.as_ref().map(SourceConfig::Jwt),
            self.metadata.as_ref().map(SourceConfig::Metadata),
            self.basic.as_ref().map(SourceConfig::Basic),
        ]
        .into_iter()
        .flatten();
        match (sources.next(), sources.next()) {
            (Some(source), None) => Ok(source),
            (None, _) => Err("no source says how this caller is recognised: give one of"),
            _ => Err("several sources say how this caller is recognised: give only one of"),
        }
    }
}

/// A JWT that Envoy's `jwt_authn` filter verified. A token it did not verify is never read: a request that
/// brings one, and is recognised by nothing else that proves it, is answered 401.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// Where `jwt_authn` puts the payload: its provider's `payload_in_metadata`. Istio always uses `payload`.
    pub provider: Text,
    /// The accepted issuers: the payload's `iss` must be one of them.
    pub issuer: OneOrMany,
    /// The filter's name in Envoy's metadata, where it is not `envoy.filters.http.jwt_authn`.
    pub namespace: Option<Text>,
    /// What else must hold of the payload; else this entry does not recognise the request.
    #[serde(default, rename = "where")]
    pub conditions: Vec<ConditionConfig>,
}

/// What another filter left about the request: the session. The filter must run before this one, and only
/// it may be able to write there; Envoy does not let a client do so.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MetadataConfig {
    /// The namespace in Envoy's dynamic metadata, such as `envoy.filters.http.ext_authz`.
    pub namespace: Option<Text>,
    /// Or the key in Envoy's filter state. A JSON object stands for itself; any other text is the claim `value`.
    pub filter_state: Option<Text>,
    /// What must hold of it; else this entry does not recognise the request.
    #[serde(default, rename = "where")]
    pub conditions: Vec<ConditionConfig>,
}

/// A condition on a claim: a string out of a list, or a list that holds one out of it.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConditionConfig {
    /// The claim; a list of names leads into nested objects.
    pub claim: OneOrMany,
    /// The accepted values.
    #[serde(rename = "in")]
    pub values: OneOrMany,
}

/// Users with passwords. The configuration holds keyed hashes only; `scopegate hash` makes them.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BasicConfig {
    /// The key of the hashes.
    pub key: EnvKey,
    /// The users.
    pub users: Vec<UserConfig>,
    /// The realm in `WWW-Authenticate`; `scopegate` by default.
    pub realm: Option<Text>,
}

/// A secret in the environment of the filter (`vm_config.environment_variables`), so that it stands in no
/// configuration. At least 16 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EnvKey {
    /// The variable's name.
    pub env: Text,
}

/// One user.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UserConfig {
    /// The user's name; it must not contain `:`.
    pub username: Text,
    /// One keyed hash, or several: every one of the passwords is accepted, so that one can be replaced
    /// while it is still in use.
    pub password: OneOrMany,
    /// The user's tenants, in place of the caller's.
    pub tenants: Option<TenantsConfig>,
}

/// Which tenants: a name, a list of which all count, `{claim: …}`, `{union: […]}` or `{first: […]}`.
#[derive(Clone, Debug)]
pub enum TenantsConfig {
    /// A tenant by name.
    Tenant(Text),
    /// Every tenant that any of them gives.
    Union(Vec<TenantsConfig>),
    /// The tenants of the first that gives any.
    First(Vec<TenantsConfig>),
    /// The string, the whole number, or the list of those, in a claim.
    Claim {
        /// The claim; several names lead into nested objects.
        claim: OneOrMany,
        /// Only values that start so count, and the tenant is what follows.
        prefix: Option<Text>,
    },
}

impl Shape for TenantsConfig {
    fn blank() -> Self {
        Self::Union(Vec::new())
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        #[derive(Shape)]
        #[serde(deny_unknown_fields)]
        struct Map {
            union: Option<Vec<TenantsConfig>>,
            first: Option<Vec<TenantsConfig>>,
            claim: Option<OneOrMany>,
            prefix: Option<Text>,
        }

        *self = match node.value() {
            Value::String(tenant) => Self::Tenant(Text(tenant.clone())),
            Value::Array(_) => {
                let mut items = Vec::new();
                items.read(node)?;
                Self::Union(items)
            }
            Value::Object(_) => {
                let mut map = Map::blank();
                map.read(node)?;
                match map {
                    Map { union: Some(items), first: None, claim: None, prefix: None } => Self::Union(items),
                    Map { union: None, first: Some(items), claim: None, prefix: None } => Self::First(items),
                    Map { union: None, first: None, claim: Some(claim), prefix } => {
                        Self::Claim { claim, prefix }
                    }
                    _ => {
                        return Err(node.error(
                            "give exactly one of `claim` (with an optional `prefix`), `union`, `first`",
                        ));
                    }
                }
            }
            _ => return Err(node.expected("a tenant, a list, {claim: …}, {union: […]} or {first: […]}")),
        };
        Ok(())
    }
}

/// The right to write single series for other tenants, named by a label that is taken off.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ImpersonateConfig {
    /// The label that names the tenant. Series without it, or with an empty value, go where they would
    /// without this right.
    pub label: Text,
    /// The header by which a request asks for it, name and value; without it the label is data like any other.
    #[serde(default = "opt_in")]
    pub header: BTreeMap<String, Text>,
    /// The tenants that may be named; `*` stands for any run of characters. The caller's own may always be.
    pub tenants: OneOrMany,
}

fn opt_in() -> BTreeMap<String, Text> {
    let mut header = BTreeMap::new();
    header.insert("x-scope-impersonate".to_owned(), Text("true".to_owned()));
    header
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for TenantsConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tenants".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let this = generator.subschema_for::<Self>();
        let claim = generator.subschema_for::<OneOrMany>();
        schemars::json_schema!({
            "description": "Which tenants: a name, a list of which all count, `{claim: NAME}` for the string, \
                the whole number or the list of those in a claim (a list of names leads into nested objects; with \
                `prefix` only values that start so count, and the tenant is what follows), `{union: […]}` \
                for all that any of them gives, `{first: […]}` for those of the first that gives any.",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": this},
                {"type": "object", "additionalProperties": false, "required": ["claim"],
                 "properties": {"claim": claim, "prefix": {"type": "string"}}},
                {"type": "object", "additionalProperties": false, "required": ["union"],
                 "properties": {"union": {"type": "array", "items": this}}},
                {"type": "object", "additionalProperties": false, "required": ["first"],
                 "properties": {"first": {"type": "array", "items": this}}},
            ]
        })
    }
}
