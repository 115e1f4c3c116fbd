//! A caller: how it is recognised, which tenants are its own, and what it may do.

use std::collections::BTreeMap;

use serde_json::Value;

use super::mode::Mode;
use super::scalar::{OneOrMany, Text};
use super::session::SessionConfig;
use super::shape::{Node, ReadResult, Shape};
use super::source::{AnonymousConfig, BearerConfig, CertificateConfig, HeaderConfig};
use crate::operation::Class;

/// One kind of caller. Exactly one of the sources (`jwt`, `metadata`, `basic`, `bearer`, `certificate`, `header`,
/// `session`, `anonymous`) says how it is recognised; `docs/callers.md` shows each.
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
    /// Recognised by an opaque token (`Authorization: Bearer`).
    pub bearer: Option<BearerConfig>,
    /// Recognised by the certificate of its TLS connection.
    pub certificate: Option<CertificateConfig>,
    /// Recognised by the headers of a proxy that proves that it is that proxy.
    pub header: Option<HeaderConfig>,
    /// Recognised by a proof that comes with the request, made with a shared secret.
    pub session: Option<SessionConfig>,
    /// Everybody who brings no credential at all. It must be the last entry.
    pub anonymous: Option<AnonymousConfig>,
    /// The caller's own tenants. A user or a token may have its own instead. A name with `*` is no tenant but a wildcard:
    /// whatever it matches may be named in `X-Scope-OrgID`, and the access log says so.
    pub tenants: Option<TenantsConfig>,
    /// A header that narrows its tenants to one of them.
    pub narrow: Option<NarrowConfig>,
    /// What it may do: `write`, `read` (queries, and the state of rules and alerts), `rules` (change
    /// rules), `alerts` (the alertmanager and its configuration), `admin` (paths configured as such).
    pub may: Vec<Class>,
    /// Lets its reads see the data of all tenants on backends that keep tenants apart by a label: nothing is narrowed for
    /// it there. For administrators only.
    #[serde(default)]
    pub unfiltered: bool,
    /// The right to write single series for other tenants.
    pub impersonate: Option<ImpersonateConfig>,
    /// Tenants, besides its own, for which it may write where the backend's `write` rules take the tenant
    /// from a label. `*` stands for any run of characters. By default none.
    #[serde(default)]
    pub on_behalf_of: OneOrMany,
    /// Whether one request may read several of its tenants; by default it may. Where not, it must name one.
    pub several_tenants: Option<bool>,
    /// More rights, for those whose claims say so.
    #[serde(default)]
    pub grants: Vec<GrantConfig>,
    /// Whether decisions take effect for this caller, in place of what the backend and the configuration say. A caller that
    /// is observed reaches every tenant of every backend.
    pub mode: Option<Mode>,
}

/// A header by which a request is for one of the caller's tenants only, such as `X-Grafana-Org-Id`. It proves nothing and
/// never adds a tenant: with it a request reaches the tenant to which the table leads, where that is one of the caller's
/// (403 if not, or if the table does not have it), and no other by any right. `X-Scope-OrgID` must agree with it. It never
/// goes on to the backend.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NarrowConfig {
    /// The header.
    pub header: Text,
    /// The table (under `tables`) that leads from its value to a tenant.
    pub table: Text,
    /// Refuses requests without the header (403). By default they are for all tenants of the caller.
    #[serde(default)]
    pub required: bool,
}

/// More rights and tenants for callers that have an attribute.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GrantConfig {
    /// What must hold of the caller's claims; at least one condition.
    #[serde(rename = "where")]
    pub conditions: Vec<ConditionConfig>,
    /// Further classes of operations.
    #[serde(default)]
    pub may: Vec<Class>,
    /// Further tenants, or wildcards.
    pub tenants: Option<TenantsConfig>,
    /// Lets its reads see the data of all tenants on backends that keep tenants apart by a label. For administrators only.
    #[serde(default)]
    pub unfiltered: bool,
    /// Further tenants for which it may write where labels decide.
    #[serde(default)]
    pub on_behalf_of: OneOrMany,
    /// The right to write single series for other tenants, in place of the entry's own.
    pub impersonate: Option<ImpersonateConfig>,
    /// Whether one request may read several tenants, in place of what the entry says.
    pub several_tenants: Option<bool>,
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
    /// See [`BearerConfig`].
    Bearer(&'a BearerConfig),
    /// See [`CertificateConfig`].
    Certificate(&'a CertificateConfig),
    /// See [`HeaderConfig`].
    Header(&'a HeaderConfig),
    /// See [`SessionConfig`].
    Session(&'a SessionConfig),
    /// See [`AnonymousConfig`].
    Anonymous,
}

impl CallerConfig {
    /// The names of the sources, as they are written.
    pub const SOURCES: &'static str = "jwt, metadata, basic, bearer, certificate, header, session, anonymous";

    /// The one source, or what is wrong with their number.
    pub fn source(&self) -> Result<SourceConfig<'_>, &'static str> {
        let mut sources = [
            self.jwt.as_ref().map(SourceConfig::Jwt),
            self.metadata.as_ref().map(SourceConfig::Metadata),
            self.basic.as_ref().map(SourceConfig::Basic),
            self.bearer.as_ref().map(SourceConfig::Bearer),
            self.certificate.as_ref().map(SourceConfig::Certificate),
            self.header.as_ref().map(SourceConfig::Header),
            self.session.as_ref().map(SourceConfig::Session),
            self.anonymous.as_ref().map(|_| SourceConfig::Anonymous),
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
    /// Where `jwt_authn` puts the payload: its provider's `payload_in_metadata`. Istio always uses `payload`. Of several
    /// the first that left a payload of an accepted issuer counts.
    pub provider: OneOrMany,
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

/// A condition: on one claim (`claim` with `in` or `all`), or `any` of several conditions. A condition on a claim that
/// is absent, or of another type than names, does not hold.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConditionConfig {
    /// The claim; a list of names leads into nested objects.
    #[serde(default)]
    pub claim: OneOrMany,
    /// At least one of what stands in the claim must be among these.
    #[serde(default, rename = "in")]
    pub values: OneOrMany,
    /// All of these must stand in the claim.
    #[serde(default)]
    pub all: OneOrMany,
    /// Instead of a claim: conditions of which at least one must hold.
    #[serde(default)]
    pub any: Vec<ConditionConfig>,
    /// What separates several values in one text, such as `" "` in `scope`.
    pub split: Option<Text>,
    /// Takes the names of an object's members for the claim's values.
    #[serde(default)]
    pub keys: bool,
    /// Another claim, which must be `true`; else this one counts as absent. `email` needs `email_verified`.
    pub verified_by: Option<OneOrMany>,
}

/// Users with passwords. Only keyed hashes stand here and in the table; `scopegate hash` makes them.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BasicConfig {
    /// The key of the hashes.
    pub key: EnvKey,
    /// The users.
    #[serde(default)]
    pub users: Vec<UserConfig>,
    /// A table (under `tables`, from `http`) with further users: the name leads to
    /// `{"password": ["HASH", …], "tenants": ["TENANT", …], "claims": {…}}`.
    pub table: Option<Text>,
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

/// Which tenants: a name, a name with a `{claim}` in it, a name with `*`, a list of which all count, `{claim: …}`,
/// `{union: […]}` or `{first: […]}`.
#[derive(Clone, Debug)]
pub enum TenantsConfig {
    /// A tenant by name; where `{NAME}` stands in it, the values of that claim (or capture) stand there. With `*` it is a
    /// wildcard: no tenant of the caller's, but one that it may name.
    Tenant(Text),
    /// Every tenant that any of them gives.
    Union(Vec<TenantsConfig>),
    /// The tenants of the first that gives any.
    First(Vec<TenantsConfig>),
    /// The string, the whole number, or the list of those, in a claim.
    Claim(Box<ClaimTenantsConfig>),
}

/// The tenants that a claim names.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimTenantsConfig {
    /// The claim; a list of names leads into nested objects.
    pub claim: OneOrMany,
    /// Only values that start so count, and the tenant is what follows.
    pub prefix: Option<Text>,
    /// Or only values of this form count, and the tenant is what stands for `{NAME}`: `"/{tenant}"`. A `{NAME}` holds
    /// characters of tenant IDs, and so no `/`.
    pub pattern: Option<Text>,
    /// What separates several values in one text, such as `" "` in `scope`.
    pub split: Option<Text>,
    /// Takes the names of an object's members for the claim's values, as in Keycloak's `organization`.
    #[serde(default)]
    pub keys: bool,
    /// The table (under `tables`) in which the values are looked up. What is not in it leads to no tenant.
    pub table: Option<Text>,
    /// Another claim, which must be `true`; else this one counts as absent. `email` needs `email_verified`.
    pub verified_by: Option<OneOrMany>,
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
            pattern: Option<Text>,
            split: Option<Text>,
            #[serde(default)]
            keys: bool,
            table: Option<Text>,
            verified_by: Option<OneOrMany>,
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
                let Map { union, first, claim, prefix, pattern, split, keys, table, verified_by } = map;
                let is_bare = prefix.is_none()
                    && pattern.is_none()
                    && split.is_none()
                    && !keys
                    && table.is_none()
                    && verified_by.is_none();
                match (union, first, claim) {
                    (Some(items), None, None) if is_bare => Self::Union(items),
                    (None, Some(items), None) if is_bare => Self::First(items),
                    (None, None, Some(claim)) => Self::Claim(Box::new(ClaimTenantsConfig {
                        claim,
                        prefix,
                        pattern,
                        split,
                        keys,
                        table,
                        verified_by,
                    })),
                    _ => {
                        return Err(node.error(
                            "give exactly one of `claim` (with `prefix`, `pattern`, `split`, `keys`, `table`, \
                             `verified_by`), `union`, `first`",
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
        let claim = generator.subschema_for::<ClaimTenantsConfig>();
        schemars::json_schema!({
            "description": "Which tenants: a name (in which `{NAME}` stands for the values of a claim or capture, and which is a \
                wildcard where it holds `*`), a list of which all count, a claim, `{union: […]}` for all that any of \
                them gives, `{first: […]}` for those of the first that gives any. A claim is `{claim: NAME}`: the string, the \
                whole number or the list of those that stands there.",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": this},
                claim,
                {"type": "object", "additionalProperties": false, "required": ["union"],
                 "properties": {"union": {"type": "array", "items": this}}},
                {"type": "object", "additionalProperties": false, "required": ["first"],
                 "properties": {"first": {"type": "array", "items": this}}},
            ]
        })
    }
}
