//! The gateway's own paths: answered by itself, whatever the host, before any backend is chosen and after the caller is
//! recognised.
//!
//! A new page is a file here, a variant of [`Page`] and a line in each `match`. Pages exist only where the configuration
//! asks for them, and are answered in observe mode too: nothing else answers there.

mod report;

use super::{Millis, Worker};
use crate::config::{Config, ConfigError};
use crate::http::Reply;
use crate::operation::Class;

/// A page of the gateway's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// What could not be placed, and what was refused.
    Report,
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
    /// The right it needs.
    pub fn class(self) -> Class {
        match self {
            Self::Report => Class::Admin,
        }
    }

    /// Its answer.
    pub(super) fn reply(self, worker: &mut Worker, now: Millis) -> Reply {
        let body = match self {
            Self::Report => report::body(worker, now),
        };
        Reply {
            status: 200,
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("cache-control", "no-store".to_owned()),
            ],
            body: body.into_bytes(),
            details: "page",
        }
    }
}
