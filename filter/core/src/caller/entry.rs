//! One entry of the list of callers: its source, and what comes with it.

use std::rc::Rc;

use super::claims::ClaimPath;
use super::header::Header;
use super::narrow::Narrow;
use super::rights::{Grant, Impersonate, Rights};
use super::source::Source;
use super::tenants::Tenants;
use super::{Environment, Tabled};
use crate::config::{CallerConfig, ConfigError};
use crate::exchange::{Process, SlotFailure};

/// One kind of caller, compiled from its configuration.
#[derive(Debug)]
pub struct Caller {
    /// Its name in metrics and logs.
    pub name: String,
    /// What it may do.
    pub rights: Rc<Rights>,
    pub(super) grants: Vec<Grant>,
    pub(super) source: Source,
    pub(super) tenants: Option<Tenants>,
    pub(super) narrow: Option<Narrow>,
}

impl Caller {
    /// Compiles one entry; `path` is where it stands.
    pub fn compile(
        config: &CallerConfig,
        path: &str,
        env: &Environment<'_>,
        tabled: Tabled<'_>,
    ) -> Result<Self, ConfigError> {
        let source = Source::compile(config, path, env, tabled)?;
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
        self.source.kind()
    }

    /// The claims that decide whether it is this caller, and which tenants and rights it has.
    pub(crate) fn claims(&self) -> Vec<&ClaimPath> {
        let conditions = self.source.conditions();
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
    pub(super) fn challenge(&self) -> Option<String> {
        self.source.challenge()
    }
}
