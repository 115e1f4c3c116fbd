//! Who is calling: the sources of identity, and the rights that come with it.
//!
//! A new source is a file of its own and a variant of `Source`. A source answers one of three things:
//! the request is not its own (and why), it knows the caller, or it knows the credential and the credential is bad.
//! The last is final: a bad credential never falls through to another source.

mod basic;
mod bearer;
mod certificate;
mod claims;
mod credential;
mod forwarded;
mod hash;
mod header;
mod jwt;
mod metadata;
mod narrow;
mod pattern;
mod rights;
mod session;
mod tenants;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::rc::Rc;

use serde_json::{Map, Value as Json};

pub use claims::{ClaimPath, Named};
pub use credential::Credential;
pub use hash::{password_hash, token_hash};
pub use rights::{Impersonate, Rights};

use crate::config::{CallerConfig, ConfigError, SourceConfig, TenantsConfig};
use crate::exchange::{Process, SlotFailure};
use crate::http::Headers;
use crate::report::Refusal;
use crate::session::{BodyDigest, HEADER};
use crate::sorted;
use crate::table::{Lookup, TableRules};
use crate::tenant::{AllowList, TenantId, TenantSet};

use basic::Basic;
use bearer::Bearer;
use certificate::Certificate;
use claims::Claims;
use header::Header;
use jwt::Jwt;
use metadata::Metadata;
use narrow::Narrow;
use rights::Grant;
use session::Session;
use tenants::{Gathering, Tenants};

/// What the host knows about a request besides its headers, asked for only when it is needed.
pub trait Attributes {
    /// One of Envoy's attributes, such as `["metadata"]` (a serialized `envoy.config.core.v3.Metadata`);
    /// `None` where it is absent.
    ///
    /// Reference: <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>.
    fn get(&self, path: &[&str]) -> Option<Vec<u8>>;

    /// The date, in seconds since 1970; `None` where it is not known, and then no proof is good.
    fn wall_seconds(&self) -> Option<u64> {
        None
    }

    /// What the workers of the process share, where proofs are remembered; `None` where there is nothing, and then no
    /// proof is good.
    fn process(&self) -> Option<&dyn Process> {
        None
    }
}

/// One kind of caller, compiled from its configuration.
#[derive(Debug)]
pub struct Caller {
    /// Its name in metrics and logs.
    pub name: String,
    /// What it may do.
    pub rights: Rc<Rights>,
    grants: Vec<Grant>,
    source: Source,
    tenants: Option<Tenants>,
    narrow: Option<Narrow>,
}

/// Where an identity comes from.
#[derive(Debug)]
enum Source {
    Jwt(Jwt),
    Metadata(Metadata),
    Basic(Basic),
    Bearer(Bearer),
    Certificate(Certificate),
    Header(Header),
    Session(Session),
    Anonymous,
}

/// What a source makes of a request.
enum Recognition<'a> {
    /// Nothing here is for this source, and why.
    NotMine(Why<'a>),
    /// There is a good credential of this source's kind, and not one that this entry takes.
    NotTaken(Why<'a>),
    /// There is a credential of this source's kind, and nothing proves it.
    Unproven(Unproven),
    /// The caller is known.
    Known(Facts<'a>),
    /// The credential is for this source, and it is not good.
    Refused(Refusal),
}

/// What nothing proved. It is not made good by a weaker proof of something else; only by a better one of the same.
enum Unproven {
    /// A bearer token.
    Token,
    /// A header that only a proxy may set.
    Header(String),
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

impl core::fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Words(words) => f.write_str(words),
            Self::Claim(claim) => write!(f, "a condition on the claim {claim} is not met"),
        }
    }
}

/// A caller that an entry has recognised.
pub(crate) struct Recognised<'a> {
    /// The entry's position in the configuration.
    pub(crate) position: usize,
    /// The entry.
    pub(crate) caller: &'a Caller,
    facts: Facts<'a>,
}

/// What a source knows about a caller it recognised.
#[derive(Default)]
struct Facts<'a> {
    claims: Option<Claims<'a>>,
    /// Tenants of its own, in place of the entry's.
    own: Option<OwnTenants<'a>>,
    /// Its name within the entry, where it has one.
    user: Option<String>,
    /// The digest that the body must have for all this to hold.
    body: Option<BodyDigest>,
}

enum OwnTenants<'a> {
    Listed(&'a Tenants),
    Tabled(TenantSet),
}

impl<'a> Facts<'a> {
    /// Claims, from a verified token, a certificate or another filter.
    fn of(claims: Claims<'a>) -> Self {
        Self { claims: Some(claims), ..Self::default() }
    }

    /// Claims that the request proves, as long as its body has this digest; perhaps with tenants of its own.
    fn proven(claims: Claims<'a>, body: BodyDigest, own: Option<TenantSet>) -> Self {
        Self { claims: Some(claims), body: Some(body), own: own.map(OwnTenants::Tabled), ..Self::default() }
    }

    /// A listed user, with tenants of its own or without.
    fn listed(tenants: Option<&'a Tenants>) -> Self {
        Self { own: tenants.map(OwnTenants::Listed), ..Self::default() }
    }

    /// What a table says.
    fn of_credential(credential: &Credential) -> Self {
        let claims = credential.claims.clone().unwrap_or_else(|| Json::Object(Map::new()));
        let own = credential.tenants.clone().map(OwnTenants::Tabled);
        Self { claims: Some(Claims::Json(claims)), own, ..Self::default() }
    }

    /// With the name of the user, which was proved.
    fn called(self, name: &[u8]) -> Self {
        Self { user: Some(String::from_utf8_lossy(name).into_owned()), ..self }
    }
}

/// Who is calling.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The position of the caller's entry in the configuration.
    pub caller: usize,
    /// Its own tenants; where there is none, it may name some.
    pub tenants: TenantSet,
    /// Tenants that it may name besides, and reaches only so.
    pub wildcard: AllowList,
    /// All of its own tenants, where a header has narrowed them.
    pub narrowed_from: Option<TenantSet>,
    /// What it may do.
    pub rights: Rc<Rights>,
    /// What it has in the claims that were asked for, in their order.
    pub claims: Vec<Named>,
}

impl Identity {
    /// Whether a request may name this tenant.
    pub fn may_name(&self, tenant: &TenantId) -> bool {
        self.tenants.contains(tenant) || self.wildcard.allows(tenant)
    }

    /// All of its own tenants, whatever a header says.
    pub fn own(&self) -> &TenantSet {
        self.narrowed_from.as_ref().unwrap_or(&self.tenants)
    }

    /// Whether one of these tenants is only reached by a wildcard.
    pub fn uses_wildcard(&self, tenants: &[TenantId]) -> bool {
        if let Some(own) = &self.narrowed_from {
            return self.tenants.as_slice().iter().any(|tenant| !own.contains(tenant));
        }
        !self.wildcard.is_empty()
            && tenants.iter().any(|tenant| !self.tenants.contains(tenant) && self.wildcard.allows(tenant))
    }
}

/// Where secrets come from: the value of an environment variable.
pub type Environment<'a> = dyn Fn(&str) -> Option<Vec<u8>> + 'a;

/// The tables that callers may name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tabled<'a> {
    /// Of tenants.
    pub tenants: &'a [TableRules],
    /// Of users, tokens and keys.
    pub credentials: &'a [TableRules<Credential>],
}

impl Caller {
    /// Compiles one entry; `path` is where it stands.
    pub fn compile(
        config: &CallerConfig,
        path: &str,
        env: &Environment<'_>,
        tabled: Tabled<'_>,
    ) -> Result<Self, ConfigError> {
        let source = match config.source() {
            Ok(SourceConfig::Jwt(jwt)) => Source::Jwt(Jwt::compile(jwt, &format!("{path}.jwt"))?),
            Ok(SourceConfig::Metadata(metadata)) => {
                Source::Metadata(Metadata::compile(metadata, &format!("{path}.metadata"))?)
            }
            Ok(SourceConfig::Basic(basic)) => {
                Source::Basic(Basic::compile(basic, &format!("{path}.basic"), env, tabled)?)
            }
            Ok(SourceConfig::Bearer(bearer)) => {
                Source::Bearer(Bearer::compile(bearer, &format!("{path}.bearer"), env, tabled)?)
            }
            Ok(SourceConfig::Certificate(certificate)) => {
                Source::Certificate(Certificate::compile(certificate, &format!("{path}.certificate"))?)
            }
            Ok(SourceConfig::Header(header)) => {
                Source::Header(Header::compile(header, &format!("{path}.header"), env)?)
            }
            Ok(SourceConfig::Session(session)) => {
                Source::Session(Session::compile(session, &format!("{path}.session"), env, tabled)?)
            }
            Ok(SourceConfig::Anonymous) => Source::Anonymous,
            Err(problem) => {
                return Err(ConfigError::new(path, format!("{problem} {}", CallerConfig::SOURCES)));
            }
        };
        let at = format!("{path}.tenants");
        let tenants = config.tenants.as_ref();
        let tenants = tenants.map(|t| Tenants::compile(t, &at, tabled.tenants)).transpose()?;
        if let Some(tenants) = &tenants {
            source.check_claims(tenants).map_err(|problem| ConfigError::new(at.as_str(), problem))?;
        }
        if tenants.is_none() && !source.gives_tenants() {
            return Err(ConfigError::new(
                at,
                "missing: say which tenants are the caller's own, such as [team-a] or {claim: tenant}",
            ));
        }
        let rights = Rc::new(Rights::compile(config, path)?);
        let grants = Grant::compile_all(&config.grants, &format!("{path}.grants"), tabled.tenants)?;
        if !grants.is_empty() && !source.has_claims() {
            return Err(ConfigError::new(format!("{path}.grants"), "this source gives no claims to look at"));
        }
        let narrow = config.narrow.as_ref();
        let narrow = narrow.map(|narrow| Narrow::compile(narrow, &format!("{path}.narrow"), tabled.tenants));
        Ok(Self { name: config.name.0.clone(), rights, grants, source, tenants, narrow: narrow.transpose()? })
    }

    /// The attribute that it proves with every request, where it is such a caller.
    pub fn attribute(&self) -> Option<&str> {
        match &self.source {
            Source::Session(session) => Some(session.attribute()),
            _ => None,
        }
    }

    /// Makes what the workers of a process share about such callers, before any of them serves.
    pub fn make_slots(&self, process: &dyn Process) -> Result<(), SlotFailure> {
        match &self.source {
            Source::Session(session) => session.make_slots(process),
            _ => Ok(()),
        }
    }

    /// The kind of its source, as it stands in the configuration.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.source {
            Source::Jwt(_) => "jwt",
            Source::Metadata(_) => "metadata",
            Source::Basic(_) => "basic",
            Source::Bearer(_) => "bearer",
            Source::Certificate(_) => "certificate",
            Source::Header(_) => "header",
            Source::Session(_) => "session",
            Source::Anonymous => "anonymous",
        }
    }

    /// The claims that decide whether it is this caller, and which tenants and rights it has.
    pub(crate) fn claims(&self) -> Vec<&ClaimPath> {
        let conditions = match &self.source {
            Source::Jwt(jwt) => jwt.conditions(),
            Source::Metadata(metadata) => metadata.conditions(),
            _ => &[],
        };
        let mut claims = Vec::new();
        let granted = self.grants.iter().flat_map(Grant::conditions);
        conditions.iter().chain(granted).for_each(|condition| condition.claims(&mut claims));
        let granted = self.grants.iter().filter_map(|grant| grant.tenants.as_ref());
        self.tenants.iter().chain(granted).for_each(|tenants| tenants.claims(&mut claims));
        claims
    }

    /// Whether it is everybody.
    pub fn is_anonymous(&self) -> bool {
        matches!(self.source, Source::Anonymous)
    }

    /// Every right to impersonate that somebody of this entry may have.
    pub fn impersonations(&self) -> impl Iterator<Item = &Impersonate> {
        self.rights.impersonate.iter().chain(self.grants.iter().filter_map(Grant::impersonate))
    }

    /// Headers that are for this filter alone, in lower case.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        let header = match &self.source {
            Source::Header(header) => Some(header),
            _ => None,
        };
        let narrow = self.narrow.iter().map(|narrow| narrow.header.as_str());
        header.into_iter().flat_map(Header::headers).chain(narrow)
    }

    /// The challenge for `WWW-Authenticate` that leads a client to this source, where there is one.
    fn challenge(&self) -> Option<String> {
        match &self.source {
            Source::Jwt(_) | Source::Bearer(_) => Some("Bearer".to_owned()),
            Source::Basic(basic) => Some(basic.challenge()),
            Source::Metadata(_)
            | Source::Certificate(_)
            | Source::Header(_)
            | Source::Session(_)
            | Source::Anonymous => None,
        }
    }
}

impl Recognised<'_> {
    /// The caller's name within its entry, where the source gives one.
    pub(crate) fn user(&self) -> Option<&str> {
        self.facts.user.as_deref()
    }

    /// The digest that the body must have, where that is part of the proof.
    pub(crate) fn body(&self) -> Option<BodyDigest> {
        self.facts.body
    }

    /// What it has in a claim.
    pub(crate) fn claim(&self, path: &ClaimPath) -> Named {
        self.facts.claims.as_ref().map_or(Named::Absent, |claims| claims.names(path))
    }

    /// The caller with its tenants, its rights and what it has in these claims; refused, if it has no tenant.
    pub(crate) fn identity(&self, asked: &[ClaimPath], lookup: &mut Lookup<'_>) -> Result<Identity, Refusal> {
        let (caller, claims) = (self.caller, self.facts.claims.as_ref());
        let mut own = Gathering::default();
        match (&self.facts.own, &caller.tenants) {
            (Some(OwnTenants::Tabled(tenants)), _) => own.add(tenants),
            (Some(OwnTenants::Listed(tenants)), _) => tenants.collect(claims, lookup, &mut own)?,
            (None, Some(tenants)) => tenants.collect(claims, lookup, &mut own)?,
            (None, None) => {}
        }
        let mut rights = Rc::clone(&caller.rights);
        for grant in &caller.grants {
            if !claims.is_some_and(|claims| grant.is_for(claims)) {
                continue;
            }
            grant.add_to(Rc::make_mut(&mut rights));
            if let Some(tenants) = &grant.tenants {
                tenants.collect(claims, lookup, &mut own)?;
            }
        }
        let (tenants, wildcard) = own.finish();
        if tenants.as_slice().is_empty() && wildcard.is_empty() {
            return Err(Refusal::NoTenant { caller: caller.name.clone() });
        }
        let claims = asked.iter().map(|path| self.claim(path)).collect();
        Ok(Identity { caller: self.position, tenants, wildcard, narrowed_from: None, rights, claims })
    }

    /// The caller as a header leaves it, where one may narrow its tenants.
    pub(crate) fn narrow(
        &self,
        identity: Identity,
        headers: &Headers<'_>,
        lookup: &mut Lookup<'_>,
    ) -> Result<Identity, Refusal> {
        match &self.caller.narrow {
            Some(narrow) => narrow.apply(identity, headers, lookup),
            None => Ok(identity),
        }
    }
}

impl Source {
    fn recognise<'a>(&'a self, evidence: &'a Evidence<'_>, lookup: &mut Lookup<'_>) -> Recognition<'a> {
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
    fn gives_tenants(&self) -> bool {
        match self {
            Self::Basic(basic) => basic.all_have_tenants(),
            Self::Bearer(bearer) => bearer.all_have_tenants(),
            _ => false,
        }
    }

    fn has_claims(&self) -> bool {
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
    fn check_claims(&self, tenants: &Tenants) -> Result<(), String> {
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

/// Tenants that stand at a listed user or token, which has no claims.
fn listed_tenants(
    config: Option<&TenantsConfig>,
    path: &str,
    tabled: Tabled<'_>,
) -> Result<Option<Tenants>, ConfigError> {
    let path = format!("{path}.tenants");
    let tenants = config.map(|config| Tenants::compile(config, &path, tabled.tenants)).transpose()?;
    if tenants.as_ref().is_some_and(Tenants::needs_claims) {
        return Err(ConfigError::new(path, "users have no claims: name the tenants"));
    }
    Ok(tenants)
}

/// The caller of a request: the first entry that recognises it, and what it has in these claims.
pub fn recognise(
    callers: &[Caller],
    headers: &Headers<'_>,
    attributes: &dyn Attributes,
    asked: &[ClaimPath],
    lookup: &mut Lookup<'_>,
) -> Result<Identity, Refusal> {
    let evidence = Evidence::new(headers, attributes)?;
    let recognised = first(callers, &evidence, lookup, &mut |_, _| ())?;
    let identity = recognised.identity(asked, lookup)?;
    recognised.narrow(identity, headers, lookup)
}

/// The first entry that recognises a request. Every entry before it is `passed`, with the reason.
pub(crate) fn first<'a>(
    callers: &'a [Caller],
    evidence: &'a Evidence<'a>,
    lookup: &mut Lookup<'_>,
    passed: &mut dyn FnMut(&'a Caller, Why<'a>),
) -> Result<Recognised<'a>, Refusal> {
    // Whether there is any credential, so that nobody who brings one is anonymous.
    let mut presented = evidence.authorization.is_some() || evidence.headers.first(HEADER).is_some();
    let mut token_failed = false;
    let mut header_failed: Option<String> = None;
    for (position, caller) in callers.iter().enumerate() {
        let is_too_weak = match &caller.source {
            Source::Jwt(_) | Source::Bearer(_) => header_failed.is_some(),
            Source::Header(header) => token_failed || !header.covers(header_failed.as_deref()),
            Source::Anonymous => presented || token_failed || header_failed.is_some(),
            Source::Metadata(_) | Source::Basic(_) | Source::Certificate(_) | Source::Session(_) => {
                token_failed || header_failed.is_some()
            }
        };
        let why = match caller.source.recognise(evidence, lookup) {
            Recognition::NotMine(why) => why,
            Recognition::NotTaken(why) => {
                presented = true;
                why
            }
            Recognition::Unproven(what) => {
                match what {
                    Unproven::Token => token_failed = true,
                    Unproven::Header(header) => header_failed = Some(header),
                }
                Why::Words("a credential that nothing proves")
            }
            Recognition::Refused(refusal) => return Err(refusal),
            Recognition::Known(_) if is_too_weak => {
                Why::Words("a credential that failed is not made good by this")
            }
            Recognition::Known(facts) => return Ok(Recognised { position, caller, facts }),
        };
        passed(caller, why);
    }
    if let Some(header) = header_failed {
        return Err(Refusal::UnprovenHeader { header });
    }
    let challenges = sorted::set(callers.iter().filter_map(Caller::challenge).collect());
    let presented = evidence.authorization.is_some() || evidence.headers.first(HEADER).is_some();
    Err(Refusal::NoCaller { presented, challenges })
}

/// What a request brings to prove who sent it.
pub(crate) struct Evidence<'a> {
    headers: &'a Headers<'a>,
    authorization: Option<&'a [u8]>,
    attributes: &'a dyn Attributes,
    /// Envoy's metadata, read at most once.
    metadata: OnceCell<Option<Vec<u8>>>,
}

impl<'a> Evidence<'a> {
    /// What there is to go by; refused, if it could be read in more than one way.
    pub(crate) fn new(headers: &'a Headers<'a>, attributes: &'a dyn Attributes) -> Result<Self, Refusal> {
        let authorization = headers.only("authorization").map_err(|_| Refusal::Repeated("authorization"))?;
        Ok(Self { headers, authorization, attributes, metadata: OnceCell::new() })
    }
}

impl Evidence<'_> {
    /// The bearer token that the request brings.
    fn bearer(&self) -> Option<&[u8]> {
        let (scheme, token) = self.authorization?.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
    }

    /// A namespace of Envoy's metadata. What cannot be read proves nothing.
    fn namespace(&self, namespace: &str) -> Option<Claims<'_>> {
        let metadata = self.metadata.get_or_init(|| self.attributes.get(&["metadata"])).as_deref()?;
        crate::wire::metadata_namespace(metadata, namespace).ok().flatten().map(Claims::Envoy)
    }
}
