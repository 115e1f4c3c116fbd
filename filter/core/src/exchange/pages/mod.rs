//! The gateway's own paths: answered by itself, whatever the host, before any backend is chosen and after the caller is
//! recognised.
//!
//! A new page is a file here, a variant of [`Page`] and a line in each `match`. Pages exist only where the configuration
//! asks for them, and are answered, or refused, in observe mode too: nothing else answers there.

mod report;
pub(super) mod whoami;

use super::Worker;
use super::tell::Asked;
use crate::caller::{Attributes, Evidence, first};
use crate::config::{Config, ConfigError};
use crate::http::{Headers, Reply};
use crate::operation::{Class, Method, Methods};
use crate::policy::Policy;
use crate::report::Refusal;

/// A page of the gateway's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// What could not be placed, and what was refused.
    Report,
    /// Who a caller is taken to be.
    Whoami,
}

/// Which pages there are, by their paths.
#[derive(Debug, Default)]
pub struct Pages(Vec<(String, Page)>);

impl Pages {
    /// Compiles the paths.
    pub fn compile(config: &Config) -> Result<Self, ConfigError> {
        let mut pages = Self::default();
        if let Some(report) = &config.report {
            pages.add(&report.path, "report.path", Page::Report)?;
        }
        if let Some(whoami) = &config.whoami {
            pages.add(&whoami.path, "whoami.path", Page::Whoami)?;
        }
        Ok(pages)
    }

    fn add(&mut self, path: &str, field: &str, page: Page) -> Result<(), ConfigError> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(byte);
        let is_canonical = path.starts_with('/')
            && path.bytes().all(|byte| is_plain(&byte))
            && path.split('/').skip(1).all(|segment| !matches!(segment, "" | "." | ".."));
        if !is_canonical {
            return Err(ConfigError::new(
                field,
                "a path of the gateway's own is made of segments of A-Z a-z 0-9 - _ ., such as /-/scopegate/report",
            ));
        }
        if self.get(path).is_some() {
            return Err(ConfigError::new(field, "another page has this path"));
        }
        self.0.push((path.to_owned(), page));
        Ok(())
    }

    /// The page at exactly this path.
    pub fn get(&self, path: &str) -> Option<Page> {
        self.0.iter().find(|(known, _)| known == path).map(|(_, page)| *page)
    }
}

impl Page {
    /// The class of operations that one must have the right to; `None` where every caller may ask.
    pub fn class(self) -> Option<Class> {
        match self {
            Self::Report => Some(Class::Admin),
            Self::Whoami => None,
        }
    }

    /// Its answer; and what is known of the request by then.
    pub(super) fn reply(
        self,
        policy: &Policy,
        headers: &Headers<'_>,
        attributes: &dyn Attributes,
        worker: &mut Worker,
        known: &mut Asked,
    ) -> Result<Reply, Refusal> {
        let evidence = Evidence::new(headers, attributes)?;
        let mut passed = Vec::new();
        let mut lookup = worker.lookup(policy);
        let passing = &mut |caller, why| passed.push((caller, why));
        let recognised = first(&policy.callers, &evidence, &mut lookup, passing)?;
        known.caller = Some(recognised.position);
        known.body = recognised.body();
        let identity = recognised.identity(&[], &mut lookup);
        let identity = identity.and_then(|known| recognised.narrow(known, headers, &mut lookup));
        if let Some(class) = self.class() {
            identity.as_ref().map_err(Clone::clone)?;
            known.class = Some(class);
        }
        if headers.pseudo(":method") != Method::Get.as_str() {
            return Err(Refusal::Method { allow: Methods::of(&[Method::Get]) });
        }
        if let Some(class) = self.class()
            && !identity.as_ref().map_err(Clone::clone)?.rights.may.contains(&class)
        {
            return Err(Refusal::NotPermitted { class });
        }
        Ok(match self {
            Self::Report => report::reply(worker),
            Self::Whoami => whoami::reply(policy, headers, (&recognised, &identity), &passed),
        })
    }
}

/// An answer that is kept nowhere on its way.
pub(super) fn page(content_type: &str, body: String) -> Reply {
    Reply {
        status: 200,
        headers: vec![
            ("content-type", content_type.to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ],
        body: body.into_bytes(),
        details: "page",
    }
}
