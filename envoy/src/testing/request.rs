//! From a request of the file to one that an exchange is told, with what Envoy knows about it.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scopegate_core::config::{Config, ConfigError, OneOrMany, Text};
use scopegate_core::http::encode;
use scopegate_core::session::{BodyDigest, Claim, KeyRing};
use serde_json::{Map, Value};

use super::body::{self, Body, Labels};
use super::credentials::{password_of, token_like};
use super::file::{Any, BasicCase, BearerCase, CertificateCase, JwtCase, RequestCase, SessionCase, Stream};
use crate::explain::facts::{Known, PEER, Provider};
use crate::explain::policy::World;
use crate::explain::request::Request;

/// The host that is called where nobody says which.
const HOST: &str = "gateway.test";

/// What a request is made with.
pub(crate) struct Maker<'a> {
    /// The configuration that it is for.
    pub(crate) config: &'a Config,
    /// The world that this is compiled in.
    pub(crate) world: &'a World,
    /// Where files are looked for.
    pub(crate) folder: &'a Path,
    /// Seconds since 1970.
    pub(crate) date: u64,
}

impl Maker<'_> {
    /// The request of a case that stands at `path`. `number` is one that no other request has.
    pub(crate) fn request(
        &self,
        case: &RequestCase,
        path: &str,
        number: usize,
    ) -> Result<(Request, Known), ConfigError> {
        let at = |field: &str| format!("{path}.{field}");
        let body = self.body(case, path)?;
        let method =
            case.method.as_ref().map_or(if body.is_some() { "POST" } else { "GET" }, |method| &method.0);
        if !case.path.starts_with('/') {
            return Err(ConfigError::new(at("path"), "a path starts with `/`; the host stands in `host`"));
        }
        let mut target = format!("http://{}{}", case.host.as_deref().unwrap_or(HOST), case.path.0);
        let arguments = form(&case.arguments);
        if !arguments.is_empty() {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(&arguments);
        }
        let Body { bytes, headers } = body.unwrap_or(Body { bytes: Vec::new(), headers: &[] });
        let mut request = Request::new(method, &target, bytes)
            .map_err(|error| ConfigError::new(at("path"), error.to_string()))?;
        for (name, value) in headers {
            if !case.headers.keys().any(|given| given.eq_ignore_ascii_case(name)) {
                request.add(name, value.as_bytes());
            }
        }
        if !request.body.is_empty() {
            let length = request.body.len().to_string();
            request.add("content-length", length.as_bytes());
        }
        for (name, values) in &case.headers {
            if name.is_empty() || name.starts_with(':') {
                return Err(ConfigError::new(at(&format!("headers.{name}")), "this is no name of a header"));
            }
            values.0.iter().for_each(|value| request.add(name, value.as_bytes()));
        }
        let mut known = Known {
            backend: case.backend.as_ref().map(|name| name.0.clone()),
            cluster: case.cluster.as_ref().map_or_else(|| "(the route's)".to_owned(), |name| name.0.clone()),
            date: self.date,
            ..Known::default()
        };
        if let Some(name) = &known.backend
            && self.config.backends.iter().all(|backend| backend.name.0 != *name)
        {
            let names = self.config.backends.iter().map(|backend| backend.name.0.as_str());
            return Err(ConfigError::new(at("backend"), unknown("backend", name, names)));
        }
        if let Some(jwt) = &case.jwt {
            known.tokens.push(self.token(jwt, &at("jwt"))?);
        }
        for (namespace, Any(content)) in &case.metadata {
            if !content.is_object() {
                return Err(ConfigError::new(at(&format!("metadata.{namespace}")), "expected an object"));
            }
            known.metadata.push((namespace.clone(), content.clone()));
        }
        known.filter_state = case
            .filter_state
            .iter()
            .map(|(key, value)| (key.clone(), value.0.clone().into_bytes()))
            .collect();
        if let Some(peer) = &case.peer {
            known.filter_state.push((PEER.to_owned(), peer.0.clone().into_bytes()));
        }
        if let Some(CertificateCase { uri_san, dns_san, subject, sha256 }) = &case.certificate {
            let fields =
                [("uri_san", uri_san), ("dns_san", dns_san), ("subject", subject), ("sha256", sha256)];
            let given =
                fields.into_iter().filter_map(|(field, value)| Some((field, value.as_ref()?.0.clone())));
            known.certificate = given.collect();
        }
        if let Some(BasicCase { username, password }) = &case.basic {
            let password = password.as_ref().map_or_else(|| password_of(username), |given| given.0.clone());
            let value = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
            request.add("authorization", value.as_bytes());
        }
        if let Some(BearerCase { token, like }) = &case.bearer {
            let token = match (token, like) {
                (Some(token), None) => token.0.clone(),
                (None, Some(hash)) => token_like(hash),
                _ => return Err(ConfigError::new(at("bearer"), "give exactly one of `token`, `like`")),
            };
            request.add("authorization", format!("Bearer {token}").as_bytes());
        }
        if let Some(session) = &case.session {
            let proof = self.proof(session, &at("session"), &request, number)?;
            request.add("x-scopegate-session", proof.as_bytes());
        }
        Ok((request, known))
    }

    fn body(&self, case: &RequestCase, path: &str) -> Result<Option<Body>, ConfigError> {
        let at = |field: &str, index: usize| format!("{path}.{field}[{index}]");
        let given = [
            case.form.is_some(),
            case.series.is_some(),
            case.streams.is_some(),
            case.resources.is_some(),
            case.body.is_some(),
            case.body_file.is_some(),
        ];
        if given.iter().filter(|given| **given).count() > 1 {
            return Err(ConfigError::new(
                path,
                "several bodies: give one of `form`, `series`, `streams`, `resources`, `body`, `body_file`",
            ));
        }
        let labels = |field: &'static str, texts: &[Text]| -> Result<Vec<Labels>, ConfigError> {
            let read = |(index, text): (usize, &Text)| {
                body::labels(text).map_err(|error| ConfigError::new(at(field, index), error))
            };
            texts.iter().enumerate().map(read).collect()
        };
        if let Some(series) = &case.series {
            let series = labels("series", series)?;
            return match case.remote_write.as_deref() {
                None | Some("1.0") => Ok(Some(body::remote_write(&series, self.date))),
                Some("2.0") => Ok(Some(body::remote_write_2(&series, self.date))),
                Some(_) => {
                    Err(ConfigError::new(format!("{path}.remote_write"), "expected \"1.0\" or \"2.0\""))
                }
            };
        }
        if let Some(streams) = &case.streams {
            let read = |(index, Stream { labels, metadata }): (usize, &Stream)| {
                let labels =
                    body::labels(labels).map_err(|error| ConfigError::new(at("streams", index), error))?;
                Ok((labels, metadata.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect()))
            };
            let streams: Vec<_> = streams.iter().enumerate().map(read).collect::<Result<_, ConfigError>>()?;
            return Ok(Some(body::loki(&streams, self.date)));
        }
        if let Some(resources) = &case.resources {
            let resources = labels("resources", resources)?;
            return Ok(Some(body::otlp(&case.path, &resources, self.date)));
        }
        if let Some(arguments) = &case.form {
            const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
            return Ok(Some(Body { bytes: form(arguments).into_bytes(), headers: FORM }));
        }
        if let Some(file) = &case.body_file {
            let bytes = std::fs::read(self.folder.join(&file.0)).map_err(|error| {
                ConfigError::new(format!("{path}.body_file"), format!("cannot read {file}: {error}"))
            })?;
            return Ok(Some(Body { bytes, headers: &[] }));
        }
        Ok(case.body.as_ref().map(|text| Body { bytes: text.0.clone().into_bytes(), headers: &[] }))
    }

    /// The payload with the namespace and the provider that it stands under.
    fn token(&self, jwt: &JwtCase, path: &str) -> Result<(String, String, Value), ConfigError> {
        let Value::Object(claims) = &jwt.claims.0 else {
            return Err(ConfigError::new(format!("{path}.claims"), "expected an object"));
        };
        let all = Provider::all(self.config);
        let by = claims.get("iss").and_then(Value::as_str);
        let name = jwt.provider.as_deref();
        let names = || all.iter().map(|provider| provider.name);
        let fitting: Vec<&Provider<'_>> =
            all.iter().filter(|one| name.is_none_or(|name| one.name == name)).collect();
        let issued = fitting.iter().copied().filter(|one| by.is_some_and(|by| one.issuers.contains(&by)));
        let issued: Vec<&Provider<'_>> = issued.collect();
        let provider = match (issued.as_slice(), fitting.as_slice(), name) {
            ([one], _, _) | ([], [one], _) => one,
            ([], [], Some(name)) => {
                return Err(ConfigError::new(format!("{path}.provider"), unknown("provider", name, names())));
            }
            _ if all.is_empty() => {
                return Err(ConfigError::new(
                    path,
                    "no caller of the configuration is recognised by a token",
                ));
            }
            _ => {
                let known = names().collect::<Vec<_>>().join(", ");
                return Err(ConfigError::new(path, format!("say of which `provider`; there are: {known}")));
            }
        };
        let mut payload = Map::new();
        if let (None, [issuer]) = (claims.get("iss"), provider.issuers.as_slice()) {
            payload.insert("iss".to_owned(), Value::from(*issuer));
        }
        payload.extend(claims.clone());
        Ok((provider.namespace.to_owned(), provider.name.to_owned(), Value::Object(payload)))
    }

    fn proof(
        &self,
        SessionCase { attribute, agent }: &SessionCase,
        path: &str,
        request: &Request,
        number: usize,
    ) -> Result<String, ConfigError> {
        let sessions = self.config.callers.iter().filter_map(|caller| caller.session.as_ref());
        let Some(session) = sessions.clone().find(|session| session.attribute == *attribute) else {
            let names = sessions.map(|session| session.attribute.0.as_str());
            return Err(ConfigError::new(
                format!("{path}.attribute"),
                unknown("attribute", attribute, names),
            ));
        };
        let (keys, place) = match (&session.keys.env, &session.keys.table) {
            (Some(variable), _) => (self.world.secret(variable), format!("env.{variable}")),
            (None, Some(table)) => {
                (self.key_in(table, agent).unwrap_or_default().into_bytes(), format!("tables.{table}"))
            }
            (None, None) => (Vec::new(), format!("{path}.attribute")),
        };
        let keys = KeyRing::parse(&keys).map_err(|problem| ConfigError::new(place, problem))?;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let body = BodyDigest::of(&request.body);
        let claim = Claim { attribute, agent, time: self.date, nonce, body };
        let proof = claim.sign(&keys, &request.text(":method"), &request.text(":path"));
        proof.ok_or_else(|| ConfigError::new(format!("{path}.agent"), "it has the form of a tenant's ID"))
    }

    /// A key of an agent in a table, as `ID:SECRET`.
    fn key_in(&self, table: &str, agent: &str) -> Option<String> {
        let entries = self.world.tables.get(table)?.as_object()?;
        let is_of = |entry: &Value| entry.get("agent").is_none_or(|of| of == agent);
        let (id, entry) = entries.iter().find(|(_, entry)| is_of(entry))?;
        Some(format!("{id}:{}", entry.get("secret")?.as_str()?))
    }
}

/// Arguments of a URL or a form.
fn form(arguments: &BTreeMap<String, OneOrMany>) -> String {
    let mut out = String::new();
    for (name, values) in arguments {
        for value in &values.0 {
            if !out.is_empty() {
                out.push('&');
            }
            encode(&mut out, name.as_bytes());
            out.push('=');
            encode(&mut out, value.as_bytes());
        }
    }
    out
}

/// That something of this kind has no such name, in the words from which the name that is meant is guessed.
pub(crate) fn unknown<'n>(kind: &str, name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let known: Vec<String> = known.map(|known| format!("`{known}`")).collect();
    if known.is_empty() {
        return format!("unknown {kind} `{name}`: the configuration has none");
    }
    format!("unknown {kind} `{name}`, expected one of {}", known.join(", "))
}
