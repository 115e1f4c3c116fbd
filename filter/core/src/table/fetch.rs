//! One refresh of a table on its way: what is asked next, and what the answers make of it.

use std::rc::Rc;

use serde_json::Value;

use super::content::{Encoded, Entry, Gathered};
use super::failure::Failure;
use super::rules::{Origin, Remote};
use super::{grafana, kubernetes};
use crate::wire::json_tree;

/// A GET that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get {
    /// What the answer to it is told with.
    pub id: u32,
    /// Envoy's cluster.
    pub cluster: String,
    /// The headers, pseudo-headers first.
    pub headers: Vec<(&'static str, String)>,
    /// How long it may take.
    pub timeout_ms: u32,
    /// The largest body that is wanted.
    pub max_bytes: u32,
}

/// What came of a GET.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The status of the answer, or why there is none.
    pub status: Result<u16, Failure>,
    /// Its body, where the status is 200 and the body not too large.
    pub body: Option<Vec<u8>>,
}

/// A list that changes again and again while it is read is given up after so many beginnings.
const MAX_RESTARTS: u32 = 3;
/// Pages beyond any cluster that runs; a server that never ends is given up.
const MAX_PAGES: u32 = 2_000;

impl core::fmt::Debug for Fetched {
    /// The body may hold secrets.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Fetched").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A refresh on its way.
#[derive(Debug)]
pub(super) struct Fetch<E> {
    remote: Rc<Remote>,
    gathered: Gathered<E>,
    token: Option<String>,
    pages: u32,
    restarts: u32,
}

/// What comes after an answer.
#[derive(Debug)]
pub(super) enum Next {
    /// The next page is to be asked for.
    Ask,
    /// The table is whole.
    Done(Encoded),
}

impl<E: Entry> Fetch<E> {
    pub(super) fn new(remote: Rc<Remote>) -> Self {
        let gathered = Gathered::new(remote.bounds);
        Self { remote, gathered, token: None, pages: 0, restarts: 0 }
    }

    /// What is to be asked now.
    pub(super) fn get(&self, id: u32) -> Get {
        let remote = &self.remote;
        let (path, accept) = match &remote.origin {
            Origin::Http { path } => (path.clone(), "application/json"),
            Origin::Grafana { path } => (grafana::path(path, self.token.as_deref()), "application/json"),
            Origin::Kubernetes { page_size, .. } => {
                (kubernetes::path(*page_size, self.token.as_deref()), kubernetes::ACCEPT)
            }
        };
        let headers = vec![
            (":method", "GET".to_owned()),
            (":path", path),
            (":authority", remote.authority.clone()),
            ("accept", accept.to_owned()),
            ("user-agent", "scopegate".to_owned()),
        ];
        Get {
            id,
            cluster: remote.cluster.clone(),
            headers,
            timeout_ms: remote.timeout_ms,
            max_bytes: remote.bounds.bytes,
        }
    }

    /// The answer to what was asked.
    pub(super) fn answered(&mut self, fetched: Fetched) -> Result<Next, Failure> {
        let status = fetched.status?;
        if status == 410 && matches!(self.remote.origin, Origin::Kubernetes { .. }) {
            return self.restart();
        }
        if status != 200 {
            return Err(Failure::Status(status));
        }
        let body = fetched.body.ok_or(Failure::TooLarge)?;
        if body.len() > self.remote.bounds.bytes as usize {
            return Err(Failure::TooLarge);
        }
        self.pages = self.pages.saturating_add(1);
        self.token = match &self.remote.origin {
            Origin::Http { .. } => {
                read(&body, &mut self.gathered)?;
                None
            }
            Origin::Grafana { .. } => grafana::page(&body, self.token.as_deref(), &mut self.gathered)?,
            Origin::Kubernetes { place, .. } => kubernetes::page(&body, place, &mut self.gathered)?,
        };
        if self.token.is_some() {
            return if self.pages < MAX_PAGES { Ok(Next::Ask) } else { Err(Failure::TooMany) };
        }
        let gathered = core::mem::replace(&mut self.gathered, Gathered::new(self.remote.bounds));
        gathered.encode().map(Next::Done)
    }

    /// The list as it was when it was begun is no longer there: it is begun anew.
    fn restart(&mut self) -> Result<Next, Failure> {
        if self.token.is_none() || self.restarts >= MAX_RESTARTS {
            return Err(Failure::Expired);
        }
        self.restarts = self.restarts.saturating_add(1);
        self.gathered = Gathered::new(self.remote.bounds);
        self.token = None;
        self.pages = 0;
        Ok(Next::Ask)
    }
}

/// Reads `{"key": value}` or `[{"key": "key", "value": value}]`.
fn read<E: Entry>(body: &[u8], gathered: &mut Gathered<E>) -> Result<(), Failure> {
    match json_tree(body).map_err(|_| Failure::Malformed)? {
        Value::Object(entries) => entries.iter().try_for_each(|(key, value)| gathered.add(key, value)),
        Value::Array(entries) => entries.iter().try_for_each(|entry| {
            let key = entry.get("key").and_then(Value::as_str).ok_or(Failure::Malformed)?;
            let value = entry.get("value").ok_or(Failure::Malformed)?;
            gathered.add(key, value)
        }),
        _ => Err(Failure::Malformed),
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
