//! The sources of identity, as one: a new one is a file of its own, a variant here and a field of
//! [`CallerConfig`](crate::config::CallerConfig).

use super::basic::Basic;
use super::bearer::Bearer;
use super::certificate::Certificate;
use super::claims::Condition;
use super::evidence::Evidence;
use super::header::Header;
use super::jwt::Jwt;
use super::metadata::Metadata;
use super::recognition::{Facts, Recognition};
use super::session::Session;
use super::tenants::Tenants;
use super::{Environment, Tabled};
use crate::config::{CallerConfig, ConfigError, SourceConfig};
use crate::table::Lookup;

/// Where an identity comes from.
#[derive(Debug)]
pub(super) enum Source {
    Jwt(Jwt),
    Metadata(Metadata),
    Basic(Basic),
    Bearer(Bearer),
    Certificate(Certificate),
    Header(Header),
    Session(Session),
    Anonymous,
}

impl Source {
    /// Compiles the one source of an entry; `path` is where the entry stands.
    pub(super) fn compile(
        config: &CallerConfig,
        path: &str,
        env: &Environment<'_>,
        tabled: Tabled<'_>,
    ) -> Result<Self, ConfigError> {
        Ok(match config.source() {
            Ok(SourceConfig::Jwt(jwt)) => Self::Jwt(Jwt::compile(jwt, &format!("{path}.jwt"))?),
            Ok(SourceConfig::Metadata(metadata)) => {
                Self::Metadata(Metadata::compile(metadata, &format!("{path}.metadata"))?)
            }
            Ok(SourceConfig::Basic(basic)) => {
                Self::Basic(Basic::compile(basic, &format!("{path}.basic"), env, tabled)?)
            }
            Ok(SourceConfig::Bearer(bearer)) => {
                Self::Bearer(Bearer::compile(bearer, &format!("{path}.bearer"), env, tabled)?)
            }
            Ok(SourceConfig::Certificate(certificate)) => {
                Self::Certificate(Certificate::compile(certificate, &format!("{path}.certificate"))?)
            }
            Ok(SourceConfig::Header(header)) => {
                Self::Header(Header::compile(header, &format!("{path}.header"), env)?)
            }
            Ok(SourceConfig::Session(session)) => {
                Self::Session(Session::compile(session, &format!("{path}.session"), env, tabled)?)
            }
            Ok(SourceConfig::Anonymous) => Self::Anonymous,
            Err(problem) => {
                return Err(ConfigError::new(path, format!("{problem} {}", CallerConfig::SOURCES)));
            }
        })
    }

    /// As it stands in the configuration.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Jwt(_) => "jwt",
            Self::Metadata(_) => "metadata",
            Self::Basic(_) => "basic",
            Self::Bearer(_) => "bearer",
            Self::Certificate(_) => "certificate",
            Self::Header(_) => "header",
            Self::Session(_) => "session",
            Self::Anonymous => "anonymous",
        }
    }

    /// What must hold of the claims that it finds.
    pub(super) fn conditions(&self) -> &[Condition] {
        match self {
            Self::Jwt(jwt) => jwt.conditions(),
            Self::Metadata(metadata) => metadata.conditions(),
            _ => &[],
        }
    }

    /// The challenge for `WWW-Authenticate` that leads a client to it, where there is one.
    pub(super) fn challenge(&self) -> Option<String> {
        match self {
            Self::Jwt(_) | Self::Bearer(_) => Some("Bearer".to_owned()),
            Self::Basic(basic) => Some(basic.challenge()),
            Self::Metadata(_)
            | Self::Certificate(_)
            | Self::Header(_)
            | Self::Session(_)
            | Self::Anonymous => None,
        }
    }

    /// What it makes of a request.
    pub(super) fn recognise<'a>(
        &'a self,
        evidence: &'a Evidence<'_>,
        lookup: &mut Lookup<'_>,
    ) -> Recognition<'a> {
        match self {
            Self::Jwt(jwt) => jwt.recognise(evidence),
            Self::Metadata(metadata) => metadata.recognise(evidence),
            Self::Basic(basic) => basic.recognise(evidence, lookup),
            Self::Bearer(bearer) => bearer.recognise(evidence, lookup),
            Self::Certificate(certificate) => certificate.recognise(evidence),
            Self::Header(header) => header.recognise(evidence),
            Self::Session(session) => session.recognise(evidence, lookup),
            Self::Anonymous => Recognition::Known(Facts::default()),
        }
    }

    /// Whether it gives tenants to everybody whom it recognises.
    pub(super) fn gives_tenants(&self) -> bool {
        match self {
            Self::Basic(basic) => basic.all_have_tenants(),
            Self::Bearer(bearer) => bearer.all_have_tenants(),
            _ => false,
        }
    }

    /// Whether there may be claims to look at.
    pub(super) fn has_claims(&self) -> bool {
        match self {
            Self::Basic(basic) => basic.has_claims(),
            Self::Bearer(bearer) => bearer.has_claims(),
            Self::Anonymous => false,
            Self::Jwt(_) | Self::Metadata(_) | Self::Certificate(_) | Self::Header(_) | Self::Session(_) => {
                true
            }
        }
    }

    /// Whether the claims that these tenants need can be there.
    pub(super) fn check_claims(&self, tenants: &Tenants) -> Result<(), String> {
        if tenants.needs_claims() && !self.has_claims() {
            return Err(match self {
                Self::Anonymous => "nobody in particular has no claims: name the tenants".to_owned(),
                _ => "users have no claims: name the tenants here or at each user".to_owned(),
            });
        }
        let known: Vec<&str> = match self {
            Self::Certificate(certificate) => certificate.captures().collect(),
            Self::Header(header) => header.claim_names(),
            _ => return Ok(()),
        };
        let mut claims = Vec::new();
        tenants.claims(&mut claims);
        match claims.iter().map(|claim| claim.first()).find(|name| !known.contains(name)) {
            Some(name) => {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(format!("there is no `{name}` here; there are: {known}"))
            }
            None => Ok(()),
        }
    }
}
