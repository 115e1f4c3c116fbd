//! What was received and stored, for tests to look at.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::{self, Write as _},
    time::SystemTime,
};

use bytes::Bytes;
use hyper::HeaderMap;

use super::{
    faults::{Fault, Kind, Reply},
    message::{Push, Sample, Series},
    store::Store,
};

/// Everything the stand-in knows.
#[derive(Debug, Default)]
pub struct State {
    /// The requests, in the order in which their bodies ended.
    pub requests: Vec<Received>,
    /// What is stored, by tenant.
    pub stores: BTreeMap<String, Store>,
    pub(super) faults: BTreeMap<String, VecDeque<Fault>>,
    pub(super) replies: BTreeMap<String, Reply>,
    pub(super) counts: Counts,
    /// Whether version 2 of remote write is refused, as it is unless it is enabled.
    pub only_version_1: bool,
    last_id: u64,
}

/// Sums over everything received, kept also by a [sink](super::Cortex::sink).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests whose head arrived, also those that never became complete.
    pub begun: u64,
    /// Requests that arrived, or broke off in their bodies.
    pub requests: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub(super) id: u64,
    /// When its body ended.
    pub at: SystemTime,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub target: String,
    /// Its `Host` or `:authority`.
    pub authority: String,
    /// Whether it came over HTTP/2.
    pub http2: bool,
    /// Its headers. Names are in lower case; repeated ones stand together in their order.
    pub headers: HeaderMap,
    /// Its body, as it came; cut where the sender gave up.
    pub body: Bytes,
    /// What came after its body.
    pub trailers: HeaderMap,
    /// Whether the body came to its end.
    pub complete: bool,
    /// The first value of `X-Scope-OrgID`.
    pub tenant: Option<String>,
    /// What a push said; of one that cannot be decoded, why.
    pub push: Option<Result<Push, String>>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Not yet answered.
    Open,
    /// Answered with this status.
    Answered(u16),
    /// Reset or broken off on order.
    Broken,
    /// The caller went away first.
    Abandoned,
}

impl Received {
    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All values of a header, in order.
    pub fn header_values(&self, name: &str) -> Vec<&[u8]> {
        self.headers.get_all(name).iter().map(hyper::header::HeaderValue::as_bytes).collect()
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The series of a push that could be decoded.
    pub fn series(&self) -> &[Series] {
        match &self.push {
            Some(Ok(push)) => &push.series,
            _ => &[],
        }
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenant = self.tenant.as_deref().unwrap_or("nobody");
        write!(f, "{} {} of {tenant}, {} bytes, ", self.method, self.target, self.body.len())?;
        match &self.push {
            Some(Ok(push)) => write!(f, "{} series, {} metadata, ", push.series.len(), push.metadata.len())?,
            Some(Err(error)) => write!(f, "{error}, ")?,
            None => {}
        }
        write!(f, "{:?}", self.outcome)
    }
}

impl State {
    /// The requests whose first `X-Scope-OrgID` is exactly `tenant`, in order.
    pub fn of<'s>(&'s self, tenant: &str) -> impl Iterator<Item = &'s Received> + use<'s> {
        let tenant = tenant.to_owned();
        self.requests.iter().filter(move |request| request.tenant.as_deref() == Some(tenant.as_str()))
    }

    /// The requests to exactly this path, in order.
    pub fn to<'s>(&'s self, path: &str) -> impl Iterator<Item = &'s Received> + use<'s> {
        let path = path.to_owned();
        self.requests.iter().filter(move |request| request.path() == path)
    }

    /// Every series sent to `tenant`, whatever was answered, in order.
    pub fn series<'s>(&'s self, tenant: &str) -> impl Iterator<Item = &'s Series> + use<'s> {
        self.of(tenant).flat_map(Received::series)
    }

    /// Every sample sent to `tenant`, whatever was answered, in order.
    pub fn samples<'s>(&'s self, tenant: &str) -> impl Iterator<Item = Sample> + use<'s> {
        self.series(tenant).flat_map(|series| series.samples.iter().copied())
    }

    /// The tenants that anything was sent to, sorted.
    pub fn tenants(&self) -> Vec<&str> {
        let mut tenants: Vec<_> =
            self.requests.iter().filter_map(|request| request.tenant.as_deref()).collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }

    /// What `tenant` stored.
    pub fn store(&self, tenant: &str) -> Option<&Store> {
        self.stores.get(tenant)
    }

    /// Sums over everything received.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The last requests, one a line.
    pub fn summary(&self) -> String {
        let mut summary = format!("{} requests received", self.counts.requests);
        for request in self.requests.iter().rev().take(20).rev() {
            let _ = write!(summary, "\n  {request}");
        }
        summary
    }

    /// Adds a request, under an ID that is returned.
    pub(super) fn record(&mut self, mut received: Received) -> u64 {
        self.count(&received);
        self.last_id += 1;
        received.id = self.last_id;
        self.requests.push(received);
        self.last_id
    }

    /// Adds a request to the sums only.
    pub(super) fn count(&mut self, received: &Received) {
        self.counts.requests += 1;
        self.counts.bytes += received.body.len() as u64;
    }

    pub(super) fn request(&mut self, id: u64) -> Option<&mut Received> {
        self.requests.iter_mut().rev().find(|request| request.id == id)
    }

    /// Forgets all but what was ordered for the future.
    pub(super) fn forget(&mut self) {
        self.requests.clear();
        self.stores.clear();
        self.counts = Counts::default();
    }

    /// Takes the fault that is due for `tenant`: its own, else one of everybody's.
    pub(super) fn fault(&mut self, tenant: &str) -> Option<(Kind, bool)> {
        for key in [tenant, super::EVERYBODY] {
            let Some(queue) = self.faults.get_mut(key) else { continue };
            let Some(fault) = queue.front_mut() else { continue };
            let due = (fault.kind.clone(), fault.stores);
            if let Some(times) = &mut fault.times {
                *times -= 1;
                if *times == 0 {
                    queue.pop_front();
                }
            }
            return Some(due);
        }
        None
    }
}
