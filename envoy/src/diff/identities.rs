//! One identity, at least, for every way in which a configuration recognises callers: what somebody could send who is that.

use std::collections::BTreeMap;

use scopegate_core::config::{
    CallerConfig, CertificateConfig, ClaimTenantsConfig, ConditionConfig, Config, HeaderConfig, OneOrMany,
    Shape, SourceConfig, TableConfig, TenantsConfig, Text,
};
use serde_json::{Map, Value, json};

use crate::explain::policy::World;
use crate::testing::file::{Any, BasicCase, BearerCase, CertificateCase, JwtCase, RequestCase, SessionCase};

/// What stands where a configuration takes anything.
pub(super) const EXAMPLE: &str = "example";

/// The most identities of one entry of `callers`.
const MAX: usize = 100;

/// Somebody who is recognised.
pub(super) struct Identity {
    /// The entry, and what makes this one different from others of the same.
    pub(super) words: String,
    /// A request that proves it; its path is for others to say.
    pub(super) request: RequestCase,
    /// The tenants that it may impersonate some of, by this label, when it sends this header.
    pub(super) impersonates: Option<(String, (String, String), Vec<String>)>,
}

/// Everybody that a configuration knows.
pub(super) fn all(config: &Config, world: &World) -> Vec<Identity> {
    config.callers.iter().flat_map(|caller| of(caller, config, world)).collect()
}

/// Claims that are being made up.
#[derive(Clone, Default)]
struct Claims {
    /// What stands in each claim, and whether it stands there as the names of an object's members, or joined by something.
    values: BTreeMap<Vec<String>, Vec<String>>,
    forms: BTreeMap<Vec<String>, (bool, Option<String>)>,
    /// Claims that are `true`.
    verified: Vec<Vec<String>>,
}

impl Claims {
    fn add(&mut self, path: &OneOrMany, value: &str, keys: bool, split: Option<&Text>) {
        let path = names(path);
        self.forms.insert(path.clone(), (keys, split.map(|split| split.0.clone())));
        let values = self.values.entry(path).or_default();
        if values.iter().all(|known| known != value) {
            values.push(value.to_owned());
        }
    }

    fn condition(&mut self, condition: &ConditionConfig) {
        let ConditionConfig { claim, values, all, any, split, keys, verified_by } = condition;
        if let Some(first) = any.first() {
            return self.condition(first);
        }
        for value in all.0.iter().chain(values.0.first()) {
            self.add(claim, value, *keys, split.as_ref());
        }
        self.verified.extend(verified_by.iter().map(names));
    }

    /// Claims that lead to tenants of this kind: one set for each alternative.
    fn tenants(self, tenants: &TenantsConfig, tables: &Tables<'_>) -> Vec<Self> {
        match tenants {
            TenantsConfig::Tenant(text) => {
                let mut claims = self;
                for name in placeholders(text) {
                    let path = OneOrMany(vec![Text(name.to_owned())]);
                    if !claims.values.contains_key(&names(&path)) {
                        claims.add(&path, EXAMPLE, false, None);
                    }
                }
                vec![claims]
            }
            TenantsConfig::Union(all) => all.iter().fold(vec![self], |sets, one| {
                sets.into_iter().flat_map(|claims| claims.tenants(one, tables)).take(MAX).collect()
            }),
            TenantsConfig::First(all) => {
                all.iter().flat_map(|one| self.clone().tenants(one, tables)).take(MAX).collect()
            }
            TenantsConfig::Claim(claim) => self.claim(claim, tables),
        }
    }

    fn claim(self, claim: &ClaimTenantsConfig, tables: &Tables<'_>) -> Vec<Self> {
        let ClaimTenantsConfig { claim, prefix, pattern, split, keys, table, verified_by } = claim;
        let written = |value: &str| match (prefix, pattern) {
            (Some(prefix), _) => format!("{prefix}{value}"),
            (None, Some(pattern)) => filled(pattern, value),
            (None, None) => value.to_owned(),
        };
        let values = match table {
            Some(table) => tables.keys(table),
            None => vec![EXAMPLE.to_owned()],
        };
        let with = |values: &[String]| {
            let mut claims = self.clone();
            for value in values {
                claims.add(claim, &written(value), *keys, split.as_ref());
            }
            claims.verified.extend(verified_by.iter().map(names));
            claims
        };
        // Each key by itself, and whoever has all of them.
        let mut sets: Vec<Self> = values.iter().map(|value| with(std::slice::from_ref(value))).collect();
        if values.len() > 1 {
            sets.push(with(&values));
        }
        sets
    }

    /// The claims as an object.
    fn object(&self) -> Map<String, Value> {
        let mut object = Map::new();
        for (path, values) in &self.values {
            let (keys, split) = self.forms.get(path).cloned().unwrap_or_default();
            let value = match (values.as_slice(), split) {
                (_, _) if keys => {
                    values.iter().map(|value| (value.clone(), json!({}))).collect::<Map<_, _>>().into()
                }
                (_, Some(split)) => json!(values.join(&split)),
                ([one], None) => json!(one),
                (_, None) => json!(values),
            };
            put(&mut object, path, value);
        }
        for path in &self.verified {
            put(&mut object, path, Value::Bool(true));
        }
        object
    }

    /// What makes these claims others, in words.
    fn words(&self) -> String {
        let told = self.values.iter().map(|(path, values)| {
            let shown: Vec<&str> = values.iter().take(4).map(String::as_str).collect();
            let more = if values.len() > shown.len() { ", …" } else { "" };
            format!("{}={}{more}", path.join("."), shown.join(", "))
        });
        told.collect::<Vec<_>>().join(" ")
    }
}

/// The tables of a configuration, with what is known or supposed of them.
struct Tables<'a> {
    config: &'a BTreeMap<String, TableConfig>,
    world: &'a World,
}

impl Tables<'_> {
    /// The keys of a table, as many as are asked about.
    fn keys(&self, table: &str) -> Vec<String> {
        keys(table, self.config, self.world)
    }
}

/// The first keys of a table.
pub(super) fn keys(table: &str, tables: &BTreeMap<String, TableConfig>, world: &World) -> Vec<String> {
    const SHOWN: usize = 30;
    if let Some(entries) = tables.get(table).and_then(|table| table.entries.as_ref()) {
        return entries.keys().take(SHOWN).cloned().collect();
    }
    match world.tables.get(table) {
        Some(Value::Object(entries)) => entries.keys().take(SHOWN).cloned().collect(),
        Some(Value::Array(entries)) => {
            let key = |entry: &Value| entry.get("key")?.as_str().map(str::to_owned);
            entries.iter().filter_map(key).take(SHOWN).collect()
        }
        _ => Vec::new(),
    }
}

fn of(caller: &CallerConfig, config: &Config, world: &World) -> Vec<Identity> {
    let tables = Tables { config: &config.tables, world };
    let Ok(source) = caller.source() else { return Vec::new() };
    let mut out = Vec::new();
    for (claims, grant) in claim_sets(caller, source, &tables) {
        for (detail, request) in requests(source, &claims, world) {
            let mut words = vec![caller.name.0.clone()];
            words.extend((!detail.is_empty()).then_some(detail));
            let told = claims.words();
            words.extend((!told.is_empty()).then_some(told));
            let right = grant.and_then(|grant| caller.grants.get(grant)?.impersonate.as_ref());
            let impersonates = right.or(caller.impersonate.as_ref()).and_then(|right| {
                let literal = right.tenants.0.iter().map(|tenant| tenant.replace('*', EXAMPLE)).collect();
                let (name, value) = right.header.iter().next()?;
                Some((right.label.0.clone(), (name.clone(), value.0.clone()), literal))
            });
            out.push(Identity { words: words.join(", "), request, impersonates });
        }
    }
    out.truncate(MAX);
    out
}

/// Claims for each alternative of its tenants, and for each of its grants.
fn claim_sets(
    caller: &CallerConfig,
    source: SourceConfig<'_>,
    tables: &Tables<'_>,
) -> Vec<(Claims, Option<usize>)> {
    let mut base = Claims::default();
    let conditions = match source {
        SourceConfig::Jwt(jwt) => &jwt.conditions,
        SourceConfig::Metadata(metadata) => &metadata.conditions,
        _ => &Vec::new(),
    };
    for condition in conditions {
        base.condition(condition);
    }
    let own = |claims: Claims| match &caller.tenants {
        Some(tenants) => claims.tenants(tenants, tables),
        None => vec![claims],
    };
    let mut sets: Vec<_> = own(base.clone()).into_iter().map(|claims| (claims, None)).collect();
    for (index, grant) in caller.grants.iter().enumerate() {
        let mut claims = base.clone();
        grant.conditions.iter().for_each(|condition| claims.condition(condition));
        let claims = own(claims).into_iter().next().unwrap_or_default();
        let granted = match &grant.tenants {
            Some(tenants) => claims.tenants(tenants, tables),
            None => vec![claims],
        };
        sets.extend(granted.into_iter().map(|claims| (claims, Some(index))));
    }
    sets.truncate(MAX);
    sets
}

/// Requests that prove to be from this source, each with what makes it another.
fn requests(source: SourceConfig<'_>, claims: &Claims, world: &World) -> Vec<(String, RequestCase)> {
    let blank = RequestCase::blank();
    let one = |request: RequestCase| vec![(String::new(), request)];
    match source {
        SourceConfig::Jwt(jwt) => {
            let mut payload = Map::new();
            payload.extend(jwt.issuer.0.first().map(|issuer| ("iss".to_owned(), json!(issuer.0))));
            payload.extend(claims.object());
            let provider = jwt.provider.0.first().cloned();
            one(RequestCase { jwt: Some(JwtCase { provider, claims: Any(payload.into()) }), ..blank })
        }
        SourceConfig::Metadata(metadata) => {
            let object = claims.object();
            if let Some(namespace) = &metadata.namespace {
                let metadata = [(namespace.0.clone(), Any(object.into()))].into();
                return one(RequestCase { metadata, ..blank });
            }
            let key = metadata.filter_state.as_ref().map(|key| key.0.clone()).unwrap_or_default();
            let text = match (object.len(), object.get("value").and_then(Value::as_str)) {
                (1, Some(text)) => text.to_owned(),
                (0, _) => EXAMPLE.to_owned(),
                _ => Value::Object(object).to_string(),
            };
            one(RequestCase { filter_state: [(key, Text(text))].into(), ..blank })
        }
        SourceConfig::Basic(basic) => {
            let mut names: Vec<String> = basic.users.iter().map(|user| user.username.0.clone()).collect();
            names.extend(table_keys(basic.table.as_ref(), world));
            let user = |name: String| {
                let basic = BasicCase { username: Text(name.clone()), password: None };
                (name, RequestCase { basic: Some(basic), ..blank.clone() })
            };
            names.into_iter().take(MAX).map(user).collect()
        }
        SourceConfig::Bearer(bearer) => {
            let listed = bearer.tokens.iter().filter_map(|token| Some(token.token.0.first()?.0.clone()));
            let hashes: Vec<String> =
                listed.chain(table_keys(bearer.table.as_ref(), world)).take(MAX).collect();
            let token = |(number, hash): (usize, String)| {
                let bearer = BearerCase { token: None, like: Some(Text(hash)) };
                (format!("token {}", number + 1), RequestCase { bearer: Some(bearer), ..blank.clone() })
            };
            hashes.into_iter().enumerate().map(token).collect()
        }
        SourceConfig::Certificate(certificate) => {
            one(RequestCase { certificate: Some(certificate_case(certificate)), ..blank })
        }
        SourceConfig::Header(header) => one(behind_proxy(header, claims, world, blank)),
        SourceConfig::Session(session) => {
            let agent = Text(EXAMPLE.to_owned());
            let session = SessionCase { attribute: session.attribute.clone(), agent };
            one(RequestCase { session: Some(session), ..blank })
        }
        SourceConfig::Anonymous => one(blank),
    }
}

fn table_keys(table: Option<&Text>, world: &World) -> Vec<String> {
    let entries = table.and_then(|table| world.tables.get(&table.0)?.as_object());
    entries.map_or_else(Vec::new, |entries| entries.keys().cloned().collect())
}

/// A certificate that fits.
fn certificate_case(certificate: &CertificateConfig) -> CertificateCase {
    let first = |list: &OneOrMany| list.0.first().map(|pattern| Text(filled(pattern, EXAMPLE)));
    CertificateCase {
        uri_san: first(&certificate.uri_san),
        dns_san: first(&certificate.dns_san),
        subject: first(&certificate.subject),
        sha256: certificate.sha256.0.first().cloned(),
    }
}

/// What a proxy sends that proves itself.
fn behind_proxy(
    header: &HeaderConfig,
    claims: &Claims,
    world: &World,
    mut request: RequestCase,
) -> RequestCase {
    let one = |text: String| OneOrMany(vec![Text(text)]);
    let mut headers: Vec<(String, OneOrMany)> = Vec::new();
    let object = claims.object();
    for (claim, name) in &header.claims {
        let value = object.get(claim).map_or_else(
            || EXAMPLE.to_owned(),
            |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        );
        headers.push((name.0.clone(), one(value)));
    }
    if let Some(forwarded) = &header.forwarded_certificate {
        let CertificateCase { uri_san, dns_san, subject, sha256 } = certificate_case(forwarded);
        let hash =
            sha256.map_or_else(|| "00".repeat(32), |hash| hash.0.replace(':', "").to_ascii_lowercase());
        let mut text = format!("Hash={hash}");
        for (field, value) in [("Subject", subject), ("URI", uri_san), ("DNS", dns_san)] {
            if let Some(value) = value {
                text = format!("{text};{field}=\"{value}\"");
            }
        }
        headers.push(("x-forwarded-client-cert".to_owned(), one(text)));
    }
    let proof = &header.proof;
    request.certificate = proof.certificate.as_ref().map(certificate_case);
    if let Some(secret) = &proof.secret
        && let Some(variable) = secret.env.0.first()
    {
        let secret_value = String::from_utf8_lossy(&world.secret(variable)).into_owned();
        headers.push((secret.header.0.clone(), one(secret_value)));
    }
    let address = proof.address.0.first();
    request.peer = address.map(|range| Text(range.split('/').next().unwrap_or_default().to_owned()));
    request.headers = headers.into_iter().collect();
    request
}

/// The names between braces.
fn placeholders(text: &str) -> Vec<&str> {
    text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
}

/// A pattern with this in place of every name between braces.
fn filled(pattern: &str, value: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        out.push_str(value);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    out + rest
}

fn names(path: &OneOrMany) -> Vec<String> {
    path.0.iter().map(|name| name.0.clone()).collect()
}

fn put(object: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            object.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = object.entry(first.clone()).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_filled() {
        for (pattern, expected) in
            [("spiffe://x/{id}/y", "spiffe://x/v/y"), ("{a}.{b}", "v.v"), ("plain", "plain"), ("{", "v")]
        {
            assert_eq!(filled(pattern, "v"), expected, "{pattern}");
        }
    }
}
