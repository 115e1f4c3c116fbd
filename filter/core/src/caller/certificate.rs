//! The certificate of a client: its names and its digest, matched by patterns.

use serde_json::{Map, Value as Json};

use super::claims::Claims;
use super::pattern::Pattern;
use super::{Evidence, Facts, Recognition, Why};
use crate::config::{CertificateConfig, ConfigError, OneOrMany};

/// See [`CertificateConfig`].
#[derive(Debug)]
pub(super) struct Certificate {
    /// Patterns for each kind of name that is asked for.
    names: Vec<(Field, Vec<Pattern>)>,
    digests: Vec<String>,
}

/// A kind of name in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Uri,
    Dns,
    Subject,
}

impl Field {
    /// Envoy's attribute of the peer's certificate.
    const fn attribute(self) -> &'static str {
        match self {
            Self::Uri => "uri_san_peer_certificate",
            Self::Dns => "dns_san_peer_certificate",
            Self::Subject => "subject_peer_certificate",
        }
    }
}

/// What is known of a certificate.
pub(super) trait Presented {
    /// Its names of one kind.
    fn names(&self, field: Field) -> Vec<String>;
    /// Its SHA-256 digest in hexadecimal.
    fn digest(&self) -> Option<String>;
}

impl Certificate {
    pub(super) fn compile(config: &CertificateConfig, path: &str) -> Result<Self, ConfigError> {
        let CertificateConfig { uri_san, dns_san, subject, sha256 } = config;
        let mut names = Vec::new();
        let mut captures: Vec<String> = Vec::new();
        for (field, name, texts, without) in [
            (Field::Uri, "uri_san", uri_san, None),
            (Field::Dns, "dns_san", dns_san, Some(b'.')),
            (Field::Subject, "subject", subject, None),
        ] {
            let path = format!("{path}.{name}");
            let patterns = compile_names(texts, without, &path)?;
            let Some(first) = patterns.first() else { continue };
            for capture in first.names() {
                if captures.iter().any(|known| known == capture) {
                    return Err(ConfigError::new(path, "another field captures this name already"));
                }
                captures.push(capture.to_owned());
            }
            names.push((field, patterns));
        }
        let digest = |(position, text): (usize, &crate::config::Text)| {
            digest(text).ok_or_else(|| {
                let path = format!("{path}.sha256[{position}]");
                ConfigError::new(path, "a digest is 64 hexadecimal digits, with or without colons")
            })
        };
        let digests = sha256.0.iter().enumerate().map(digest).collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() && digests.is_empty() {
            return Err(ConfigError::new(
                path,
                "give at least one of `uri_san`, `dns_san`, `subject`, `sha256`",
            ));
        }
        Ok(Self { names, digests })
    }

    /// The names of all captures.
    pub(super) fn captures(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|(_, patterns)| patterns.first()).flat_map(Pattern::names)
    }

    pub(super) fn recognise<'a>(&self, evidence: &'a Evidence<'_>) -> Recognition<'a> {
        match self.of_peer(evidence) {
            Some(captured) => Recognition::Known(Facts::of(captured)),
            None => Recognition::NotMine(Why::Words("no such certificate")),
        }
    }

    /// What the certificate of the connection gives; `None` where there is none, or it does not fit.
    pub(super) fn of_peer(&self, evidence: &Evidence<'_>) -> Option<Claims<'static>> {
        // A boolean is one byte. Without a certificate the names are absent anyway.
        let is_mutual = evidence.attributes.get(&["connection", "mtls"]).is_some_and(|value| value == [1]);
        if is_mutual { self.matches(&Peer(evidence)) } else { None }
    }

    /// The captures as claims, where everything fits.
    pub(super) fn matches(&self, presented: &dyn Presented) -> Option<Claims<'static>> {
        let mut claims = Map::new();
        for (field, patterns) in &self.names {
            let names = presented.names(*field);
            let (pattern, held) = names.iter().find_map(|name| {
                patterns.iter().find_map(|pattern| pattern.matches(name).map(|held| (pattern, held)))
            })?;
            for (name, held) in pattern.names().zip(held) {
                claims.insert(name.to_owned(), Json::String(held.to_owned()));
            }
        }
        if !self.digests.is_empty() {
            let presented = digest(&presented.digest()?)?;
            self.digests.iter().find(|accepted| **accepted == presented)?;
        }
        Some(Claims::Json(Json::Object(claims)))
    }
}

/// The certificate of the connection, as Envoy tells of it.
struct Peer<'a, 'e>(&'a Evidence<'e>);

impl Presented for Peer<'_, '_> {
    fn names(&self, field: Field) -> Vec<String> {
        self.get(field.attribute()).into_iter().collect()
    }

    fn digest(&self) -> Option<String> {
        self.get("sha256_peer_certificate_digest")
    }
}

impl Peer<'_, '_> {
    fn get(&self, attribute: &str) -> Option<String> {
        let value = self.0.attributes.get(&["connection", attribute])?;
        String::from_utf8(value).ok().filter(|value| !value.is_empty())
    }
}

fn compile_names(texts: &OneOrMany, without: Option<u8>, path: &str) -> Result<Vec<Pattern>, ConfigError> {
    let mut patterns: Vec<Pattern> = Vec::new();
    for (position, text) in texts.0.iter().enumerate() {
        let path = format!("{path}[{position}]");
        let pattern =
            Pattern::compile(text, without).map_err(|problem| ConfigError::new(path.as_str(), problem))?;
        let same = |first: &Pattern| {
            first.names().all(|name| pattern.names().any(|other| other == name))
                && first.names().count() == pattern.names().count()
        };
        if !patterns.first().is_none_or(same) {
            return Err(ConfigError::new(path, "the patterns of one field capture the same names"));
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}

/// A digest in one form: 64 digits in lower case.
fn digest(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
    (digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}
