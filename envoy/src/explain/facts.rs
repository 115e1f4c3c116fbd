//! What Envoy would know about a request besides its headers, from the command line.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use scopegate_core::caller::Attributes;
use scopegate_core::config::Config;
use scopegate_core::exchange::{Alone, Process};
use scopegate_core::policy::Policy;
use scopegate_core::wire::encode;
use serde_json::{Map, Value};

use super::request::{Request, content};

/// Where `jwt_authn` leaves what it verified, unless the configuration says otherwise.
const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";

/// What is taken for granted.
#[derive(Args, Default)]
#[command(next_help_heading = "What Envoy knows")]
pub(crate) struct FactArguments {
    /// The payload of a token that `jwt_authn` verified: JSON, or a file with it
    #[arg(long, value_name = "[PROVIDER=]JSON|FILE")]
    claims: Vec<String>,
    /// A token whose payload is taken for verified, though NOTHING is verified here; `@FILE` for a file with it
    #[arg(long, value_name = "[PROVIDER=]JWT|@FILE")]
    token: Vec<String>,
    /// What another filter left in the dynamic metadata: JSON, or a file with it
    #[arg(long, value_name = "NAMESPACE=JSON|FILE")]
    metadata: Vec<String>,
    /// What another filter left in the filter state; `@FILE` for what a file holds
    #[arg(long, value_name = "KEY=VALUE|@FILE")]
    filter_state: Vec<String>,
    /// What Envoy verified of the client's certificate; FIELD is `uri_san`, `dns_san`, `subject` or `sha256`
    #[arg(long, value_name = "FIELD=VALUE")]
    certificate: Vec<String>,
    /// The address that the connection comes from, as the filter state `scopegate.peer` has it
    #[arg(long, value_name = "ADDRESS")]
    peer: Option<String>,
    /// The backend that the route's metadata names
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// The cluster of the request's own route
    #[arg(long, value_name = "NAME", default_value = "(the route's)")]
    cluster: String,
    /// The date, in seconds since 1970; by default now
    #[arg(long, value_name = "SECONDS")]
    pub(crate) date: Option<u64>,
}

/// Attributes by their path, joined by spaces; and what was supposed for them.
#[derive(Default)]
pub(crate) struct Facts {
    attributes: BTreeMap<String, Vec<u8>>,
    pub(crate) date: u64,
    process: Alone,
    pub(crate) suppositions: Vec<String>,
}

impl Attributes for Facts {
    fn get(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.attributes.get(&path.join(" ")).cloned()
    }

    fn wall_seconds(&self) -> Option<u64> {
        Some(self.date)
    }

    fn process(&self) -> Option<&dyn Process> {
        Some(&self.process)
    }
}

impl Facts {
    /// Makes the slots in which it is remembered which proofs were used.
    pub(crate) fn prepare(&self, policy: &Policy) -> Result<()> {
        policy.make_slots(&self.process).map_err(|failure| anyhow!("no slots: {failure:?}"))
    }

    /// The same, with a process in which nothing has happened yet.
    pub(crate) fn anew(&self) -> Self {
        let Self { attributes, date, suppositions, .. } = self;
        let process = Alone::default();
        Self { attributes: attributes.clone(), date: *date, process, suppositions: suppositions.clone() }
    }
}

/// What Envoy knows about a request besides its headers.
#[derive(Clone, Default)]
pub(crate) struct Known {
    /// The payloads of verified tokens, each with the namespace and the provider that it stands under.
    pub(crate) tokens: Vec<(String, String, Value)>,
    /// What other filters left in the dynamic metadata, by namespace: objects.
    pub(crate) metadata: Vec<(String, Value)>,
    /// What other filters left in the filter state.
    pub(crate) filter_state: Vec<(String, Vec<u8>)>,
    /// What was verified of the client's certificate: a field (`uri_san`, `dns_san`, `subject`, `sha256`) and its value.
    pub(crate) certificate: Vec<(&'static str, String)>,
    /// The backend that the route's metadata names.
    pub(crate) backend: Option<String>,
    /// The cluster of the route.
    pub(crate) cluster: String,
    /// Seconds since 1970.
    pub(crate) date: u64,
}

impl Known {
    /// The attributes that say so.
    pub(crate) fn facts(&self) -> Facts {
        let mut facts = Facts { date: self.date, ..Facts::default() };
        let mut namespaces: Map<String, Value> = Map::new();
        for (namespace, provider, payload) in &self.tokens {
            let filter = namespaces.entry(namespace).or_insert_with(|| Value::Object(Map::new()));
            filter[provider] = payload.clone();
        }
        namespaces.extend(self.metadata.iter().cloned());
        if !namespaces.is_empty() {
            let entries =
                namespaces.iter().map(|(name, content)| (name.as_str(), encode::structure(content)));
            facts.attributes.insert("metadata".to_owned(), encode::map(entries));
        }
        for (key, value) in &self.filter_state {
            facts.attributes.insert(format!("filter_state {key}"), value.clone());
        }
        for (field, value) in &self.certificate {
            let attribute = match *field {
                "sha256" => "sha256_peer_certificate_digest".to_owned(),
                field => format!("{field}_peer_certificate"),
            };
            facts.attributes.insert(format!("connection {attribute}"), value.as_bytes().to_vec());
            facts.attributes.insert("connection mtls".to_owned(), vec![1]);
        }
        if let Some(backend) = &self.backend {
            let route = serde_json::json!({ "backend": backend });
            let route = encode::map(std::iter::once(("scopegate", encode::structure(&route))));
            facts.attributes.insert("xds route_metadata".to_owned(), route);
        }
        facts.attributes.insert("xds cluster_name".to_owned(), self.cluster.clone().into_bytes());
        facts
    }
}

/// The key of the filter state that has the address of the connection.
pub(crate) const PEER: &str = "scopegate.peer";

impl FactArguments {
    /// The facts, for callers of this configuration.
    pub(crate) fn facts(&self, config: &Config, request: &Request) -> Result<Facts> {
        let (known, mut suppositions) = self.told(config)?;
        if known.tokens.is_empty()
            && request.text("authorization").to_ascii_lowercase().starts_with("bearer ")
        {
            let words = "jwt_authn has verified no token: --claims or --token tell what one says";
            suppositions.push(words.to_owned());
        }
        Ok(Facts { suppositions, ..known.facts() })
    }

    /// What is known of every request, and what was supposed for that.
    pub(crate) fn told(&self, config: &Config) -> Result<(Known, Vec<String>)> {
        let mut suppositions = Vec::new();
        let tokens = self.tokens(config, &mut suppositions)?;
        let mut known = Known {
            tokens,
            backend: self.backend.clone(),
            cluster: self.cluster.clone(),
            date: self.date.unwrap_or_else(now),
            ..Known::default()
        };
        for given in &self.metadata {
            let (namespace, content) = named("--metadata", given)?;
            known.metadata.push((namespace.to_owned(), object("--metadata", content)?));
        }
        for given in &self.filter_state {
            let (key, text) = named("--filter-state", given)?;
            known.filter_state.push((key.to_owned(), content(text)?));
        }
        if let Some(peer) = &self.peer {
            known.filter_state.push((PEER.to_owned(), peer.clone().into_bytes()));
        }
        for given in &self.certificate {
            let (field, value) = named("--certificate", given)?;
            let field = ["uri_san", "dns_san", "subject", "sha256"].into_iter().find(|known| *known == field);
            let Some(field) = field else {
                bail!(
                    "--certificate: no such field in `{given}`; there are: uri_san, dns_san, subject, sha256"
                );
            };
            known.certificate.push((field, value.to_owned()));
        }
        Ok((known, suppositions))
    }

    /// The payloads of tokens, each with the namespace and the provider that it stands under.
    fn tokens(&self, config: &Config, told: &mut Vec<String>) -> Result<Vec<(String, String, Value)>> {
        let providers = Provider::all(config);
        let mut tokens = Vec::new();
        for given in &self.claims {
            let (name, text) = optionally_named(given, given.starts_with('{'));
            let payload = object("--claims", text)?;
            let (namespace, provider) = Provider::choose("--claims", &providers, name, &payload)?;
            told.push(format!("jwt_authn has verified the token of {provider} that these claims are from"));
            tokens.push((namespace, provider, payload));
        }
        for given in &self.token {
            let (name, text) = optionally_named(given, given.starts_with('@'));
            let token = String::from_utf8(content(text)?).context("--token: no text")?;
            let payload = payload(token.trim())?;
            let (namespace, provider) = Provider::choose("--token", &providers, name, &payload)?;
            told.push(format!(
                "the token of {provider} was NOT VERIFIED here: whoever made it, its payload is taken for what jwt_authn \
                 would leave"
            ));
            tokens.push((namespace, provider, payload));
        }
        Ok(tokens)
    }
}

/// A provider of tokens that callers are recognised by.
pub(crate) struct Provider<'c> {
    pub(crate) namespace: &'c str,
    pub(crate) name: &'c str,
    pub(crate) issuers: Vec<&'c str>,
}

impl<'c> Provider<'c> {
    pub(crate) fn all(config: &'c Config) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for jwt in config.callers.iter().filter_map(|caller| caller.jwt.as_ref()) {
            let namespace = jwt.namespace.as_ref().map_or(JWT_AUTHN, |name| &*name.0);
            let issuers: Vec<&str> = jwt.issuer.0.iter().map(|issuer| &*issuer.0).collect();
            for name in jwt.provider.0.iter().map(|name| &*name.0) {
                match all.iter_mut().find(|known| known.name == name && known.namespace == namespace) {
                    Some(known) => {
                        known.issuers.extend(&issuers);
                        known.issuers.sort_unstable();
                        known.issuers.dedup();
                    }
                    None => all.push(Self { namespace, name, issuers: issuers.clone() }),
                }
            }
        }
        all
    }

    /// The one of this name; else the only one that accepts the payload's issuer, or the only one at all.
    fn choose(flag: &str, all: &[Self], name: Option<&str>, payload: &Value) -> Result<(String, String)> {
        let by = payload.get("iss").and_then(Value::as_str).unwrap_or_default();
        let named: Vec<&Self> = all.iter().filter(|one| name.is_none_or(|name| one.name == name)).collect();
        let issued: Vec<&Self> = named.iter().copied().filter(|one| one.issuers.contains(&by)).collect();
        let known: Vec<&str> = all.iter().map(|one| one.name).collect();
        match (issued.as_slice(), named.as_slice()) {
            ([one], _) | ([], [one]) => Ok((one.namespace.to_owned(), one.name.to_owned())),
            _ if known.is_empty() => {
                bail!("{flag}: no caller of this configuration is recognised by a token")
            }
            _ => bail!("{flag}: say of which provider, {flag} PROVIDER=…; there are: {}", known.join(", ")),
        }
    }
}

/// The payload of a JWT, whose signature nobody looks at.
fn payload(token: &str) -> Result<Value> {
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let mut parts = token.split('.');
    let (_, payload, signature) = (parts.next(), parts.next(), parts.next());
    let payload =
        payload.filter(|_| signature.is_some()).context("--token: not three parts with dots between")?;
    let payload =
        URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok().context("--token: no base64url")?;
    let payload: Value = serde_json::from_slice(&payload).context("--token: the payload is no JSON")?;
    ensure!(payload.is_object(), "--token: the payload is no JSON object");
    Ok(payload)
}

fn named<'g>(flag: &str, given: &'g str) -> Result<(&'g str, &'g str)> {
    given.split_once('=').filter(|(name, _)| !name.is_empty()).with_context(|| format!("{flag}: give NAME=…"))
}

fn optionally_named(given: &str, is_bare: bool) -> (Option<&str>, &str) {
    match given.split_once('=').filter(|(name, _)| !is_bare && !name.contains(['/', '.'])) {
        Some((name, rest)) => (Some(name), rest),
        None => (None, given),
    }
}

/// A JSON object that stands there, or in the file.
fn object(flag: &str, text: &str) -> Result<Value> {
    let text = if text.starts_with('{') {
        text.to_owned()
    } else {
        let file = text.strip_prefix('@').unwrap_or(text);
        std::fs::read_to_string(file).with_context(|| format!("{flag}: cannot read {file}"))?
    };
    let object: Value = serde_json::from_str(&text).with_context(|| format!("{flag}: no JSON"))?;
    ensure!(object.is_object(), "{flag}: no JSON object");
    Ok(object)
}

/// The date of now.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
