//! Who is calling: the sources of identity, and the rights that come with it.
//!
//! A new source is a file of its own and a variant of `Source`. A source answers one of three things:
//! the request is not its own (and why), it knows the caller, or it knows the credential and the credential is bad.
//! The last is final: a bad credential never falls through to another source.

mod basic;
mod claims;
mod jwt;
mod metadata;
mod rights;
mod tenants;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;

pub use basic::password_hash;
pub use claims::{ClaimPath, Named};
pub use rights::{Impersonate, Rights};

use crate::config::{CallerConfig, ConfigError, SourceConfig};
use crate::http::Headers;
use crate::report::Refusal;
use crate::sorted;
use crate::tenant::TenantSet;

use basic::Basic;
use jwt::Jwt;
use metadata::Metadata;
use tenants::Tenants;

/// What the host knows about a request besides its headers, asked for only when it is needed.
pub trait Attributes {
    /// One of Envoy's attributes, such as `["metadata"]` (a serialized `envoy.config.core.v3.Metadata`);
    /// `None` where it is absent.
    ///
    /// Reference: <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>.
    fn get(&self, path: &[&str]) -> Option<Vec<u8>>;
}

/// One kind of caller, compiled from its configuration.
#[derive(Debug)]
pub struct Caller {
    /// Its name in metrics and logs.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
    source: Source,
    tenants: Option<Tenants>,
}

/// Where an identity comes from.
#[derive(Debug)]
enum Source {
    Jwt(Jwt),
    Metadata(Metadata),
    Basic(Basic),
}

/// What a source makes of a request.
enum Recognition<'a> {
    /// Nothing here is for this source, and why.
    NotMine(Why<'a>),
    /// There is a credential of this source's kind, and nothing proves it.
    Unproven,
    /// The caller is known.
    Known(Facts<'a>),
    /// The credential is for this source, and it is not good.
    Refused(Refusal),
}

/// Why a source leaves a request to the other entries. Callers that another entry recognises are told, so it is said in the
/// configuration's words and never in the request's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why<'a> {
    /// In these words, such as `no basic credentials`.
    Words(&'static str),
    /// A condition on this claim is not met.
    Claim(&'a ClaimPath),
}

/// What a source knows about a caller it recognised.
enum Facts<'a> {
    /// Claims, from a verified token or a session.
    Claims(claims::Claims<'a>),
    /// A listed user, with tenants of its own or without.
    User { name: &'a str, tenants: Option<&'a Tenants> },
}

/// A caller that an entry has recognised.
pub(crate) struct Recognised<'a> {
    /// The entry's position in the configuration.
    pub(crate) position: usize,
    /// The entry.
    pub(crate) caller: &'a Caller,
    facts: Facts<'a>,
}

/// Who is calling.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The position of the caller's entry in the configuration.
    pub caller: usize,
    /// Its own tenants; never empty.
    pub tenants: TenantSet,
    /// What it has in the claims that were asked for, in their order.
    pub claims: Vec<Named>,
}

/// Where secrets come from: the value of an environment variable.
pub type Environment<'a> = dyn Fn(&str) -> Option<Vec<u8>> + 'a;

impl Caller {
    /// Compiles one entry; `path` is where it stands.
    pub fn compile(config: &CallerConfig, path: &str, env: &Environment<'_>) -> Result<Self, ConfigError> {
        let source = match config.source() {
            Ok(SourceConfig::Jwt(jwt)) => Source::Jwt(Jwt::compile(jwt, &format!("{path}.jwt"))?),
            Ok(SourceConfig::Metadata(metadata)) => {
                Source::Metadata(Metadata::compile(metadata, &format!("{path}.metadata"))?)
            }
            Ok(SourceConfig::Basic(basic)) => {
                Source::Basic(Basic::compile(basic, &format!("{path}.basic"), env)?)
            }
            Err(problem) => {
                return Err(ConfigError::new(path, format!("{problem} {}", CallerConfig::SOURCES)));
            }
        };
        let tenants =
            config.tenants.as_ref().map(|t| Tenants::compile(t, &format!("{path}.tenants"))).transpose()?;
        if let Some(tenants) = &tenants
            && tenants.needs_claims()
            && matches!(source, Source::Basic(_))
        {
            return Err(ConfigError::new(
                format!("{path}.tenants"),
                "users have no claims: name the tenants here or at each user",
            ));
        }
        let everyone_has_tenants =
            tenants.is_some() || matches!(&source, Source::Basic(basic) if basic.all_have_tenants());
        if !everyone_has_tenants {
            return Err(ConfigError::new(
                format!("{path}.tenants"),
                "missing: say which tenants are the caller's own, such as [team-a] or {claim: tenant}",
            ));
        }
        let rights = Rights::compile(config, path)?;
        Ok(Self { name: config.name.0.clone(), rights, source, tenants })
    }

    /// The challenge for `WWW-Authenticate` that leads a client to this source, where there is one.
    fn challenge(&self) -> Option<String> {
        match &self.source {
            Source::Jwt(_) => Some("Bearer".to_owned()),
            Source::Basic(basic) => Some(basic.challenge()),
            Source::Metadata(_) => None,
        }
    }
}

/// The caller of a request: the first entry that recognises it, and what it has in these claims.
pub fn recognise(
    callers: &[Caller],
    headers: &Headers<'_>,
    attributes: &dyn Attributes,
    asked: &[ClaimPath],
) -> Result<Identity, Refusal> {
    let evidence = Evidence::new(headers, attributes)?;
    first(callers, &evidence, &mut |_, _| ())?.identity(asked)
}

/// The first entry that recognises a request. Every entry before it is `passed`, with the reason.
pub(crate) fn first<'a>(
    callers: &'a [Caller],
    evidence: &'a Evidence<'a>,
    passed: &mut dyn FnMut(&'a Caller, Why<'a>),
) -> Result<Recognised<'a>, Refusal> {
    let mut unproven = false;
    for (position, caller) in callers.iter().enumerate() {
        let recognition = match &caller.source {
            Source::Jwt(jwt) => jwt.recognise(evidence),
            Source::Metadata(metadata) => metadata.recognise(evidence),
            Source::Basic(basic) => basic.recognise(evidence),
        };
        let facts = match recognition {
            Recognition::NotMine(why) => {
                passed(caller, why);
                continue;
            }
            Recognition::Unproven => {
                unproven = true;
                passed(caller, Why::Words("a credential that nothing proves"));
                continue;
            }
            Recognition::Refused(refusal) => return Err(refusal),
            Recognition::Known(facts) => facts,
        };
        // A token that failed is not made good by a weaker proof; another verified token is its proof.
        if unproven && !matches!(caller.source, Source::Jwt(_)) {
            break;
        }
        return Ok(Recognised { position, caller, facts });
    }
    let challenges = sorted::set(callers.iter().filter_map(Caller::challenge).collect());
    Err(Refusal::NoCaller { presented: evidence.authorization.is_some(), challenges })
}

impl Recognised<'_> {
    /// The caller's name within its entry, where the source gives one.
    pub(crate) fn user(&self) -> Option<&str> {
        match &self.facts {
            Facts::User { name, .. } => Some(name),
            Facts::Claims(_) => None,
        }
    }

    /// What it has in a claim.
    pub(crate) fn claim(&self, path: &ClaimPath) -> Named {
        self.claims().map_or(Named::Absent, |claims| claims.names(path))
    }

    /// The caller with its tenants and what it has in these claims; refused, if it has no tenant.
    pub(crate) fn identity(&self, asked: &[ClaimPath]) -> Result<Identity, Refusal> {
        let own = match &self.facts {
            Facts::User { tenants: Some(tenants), .. } => Some(*tenants),
            _ => self.caller.tenants.as_ref(),
        };
        let tenants = own.map(|own| own.resolve(self.claims())).transpose()?.unwrap_or_default();
        if tenants.as_slice().is_empty() {
            return Err(Refusal::NoTenant { caller: self.caller.name.clone() });
        }
        let claims = asked.iter().map(|path| self.claim(path)).collect();
        Ok(Identity { caller: self.position, tenants, claims })
    }

    fn claims(&self) -> Option<&claims::Claims<'_>> {
        match &self.facts {
            Facts::Claims(claims) => Some(claims),
            Facts::User { .. } => None,
        }
    }
}

/// What a request brings to prove who sent it.
pub(crate) struct Evidence<'a> {
    authorization: Option<&'a [u8]>,
    attributes: &'a dyn Attributes,
    /// Envoy's metadata, read at most once.
    metadata: OnceCell<Option<Vec<u8>>>,
}

impl<'a> Evidence<'a> {
    /// What there is to go by; refused, if it could be read in more than one way.
    pub(crate) fn new(headers: &Headers<'a>, attributes: &'a dyn Attributes) -> Result<Self, Refusal> {
        let authorization = headers.only("authorization").map_err(|_| Refusal::Repeated("authorization"))?;
        Ok(Self { authorization, attributes, metadata: OnceCell::new() })
    }
}

impl Evidence<'_> {
    /// Whether the request brings a bearer token.
    fn bears_token(&self) -> bool {
        self.authorization
            .and_then(|value| value.split_at_checked(7))
            .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
    }

    /// A namespace of Envoy's metadata. What cannot be read proves nothing.
    fn namespace(&self, namespace: &str) -> Option<claims::Claims<'_>> {
        let metadata = self.metadata.get_or_init(|| self.attributes.get(&["metadata"])).as_deref()?;
        crate::wire::metadata_namespace(metadata, namespace).ok().flatten().map(claims::Claims::Envoy)
    }
}
