//! A request told to a [`Stream`] by a host that keeps notes.
#![allow(clippy::too_many_lines, clippy::type_complexity)] // tables are

mod calls;
mod dates;
mod failures;
mod phases;
mod responses;
mod retries;
mod sessions;
mod telling;

use std::rc::Rc;

use super::{Flow, Stream};
use crate::shared::{Shared, configure};
use crate::testing::{Fake, Op, body};

/// A worker whose agent may impersonate, and whose user may read.
const CONFIG: &str = r#"{
    "backends": [{"name": "metrics", "kind": "cortex"}],
    "callers": [
        {"name": "agent", "metadata": {"filter_state": "session", "where": [{"claim": "value", "in": "agent"}]},
         "tenants": ["own"], "may": ["write"], "impersonate": {"label": "imp", "tenants": ["cluster-*"]}},
        {"name": "user", "metadata": {"filter_state": "session", "where": [{"claim": "value", "in": "user"}]},
         "tenants": ["own"], "may": ["write", "read"]}
    ],
    "write": {"metrics": {"tenant": ["caller"]}},
    "limits": {"calls_per_request": 2, "request_bytes": 1000}
}"#;

/// The environment of the filter: keys of sessions.
fn environment(name: &str) -> Option<Vec<u8>> {
    (name == "KEYS").then(|| b"k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".to_vec())
}

fn shared(config: &str) -> Rc<Shared> {
    let shared = Rc::new(Shared::default());
    assert!(shared.take(configure(config.as_bytes(), &environment).unwrap()));
    shared
}

/// A request as a client sends it, and who the other filters say it is.
#[derive(Clone)]
struct Request {
    session: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
}

impl Request {
    /// A remote write with much that must not go on.
    fn write(session: &'static str, more: &[(&'static str, &'static str)], body: Vec<u8>) -> Self {
        let head = [
            (":method", "POST"),
            (":path", "/api/v1/push"),
            (":authority", "metrics.example.org"),
            ("content-type", "application/x-protobuf; proto=prometheus.WriteRequest"),
            ("content-encoding", "snappy"),
            ("x-scope-orgid", "evil"),
            ("x-scope-orgid", "worse"),
            ("thanos-tenant", "evil"),
        ];
        Self { session, headers: [&head, more].concat(), body }
    }

    /// The same by the agent, asking for impersonation.
    fn impersonating(tenants: &[&str]) -> Self {
        Self::write("agent", &[("x-scope-impersonate", "true"), ("content-length", "9")], body(tenants))
    }

    fn host(&self) -> Fake {
        let fake = Fake::default();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        *fake.0.headers.borrow_mut() = self.headers.iter().map(own).collect();
        fake.0.body.borrow_mut().clone_from(&self.body);
        let attributes = [("filter_state session", self.session), ("xds cluster_name", "cortex")];
        for (path, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
            fake.0.attributes.borrow_mut().insert((*path).to_owned(), value.as_bytes().to_vec());
        }
        fake
    }
}

/// Gives the answer to a call: its status, some more headers and a body.
fn answer(stream: &mut Stream<Fake>, token: u32, status: &str, more: &[(&str, &str)], body: &[u8]) {
    let headers = [&[(":status", status)], more].concat();
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    *stream.host.0.answer.borrow_mut() = (headers.into_iter().map(own).collect(), body.to_vec());
    stream.call_answered(token, true);
}

/// Tells the whole request, its body in two pieces, and answers every call with 200 in turn. What the last
/// event led to.
fn tell(stream: &mut Stream<Fake>) -> Flow {
    let size = stream.host.0.body.borrow().len();
    let mut flow = stream.request_headers(size == 0);
    if size > 0 {
        flow = stream.request_body(size / 2, false);
        // What went on is kept no more.
        flow = if flow == Flow::Continue { flow } else { stream.request_body(size, true) };
    }
    let mut next = 0;
    loop {
        let token = stream.host.0.calls.borrow().get(next).map(|(token, _)| *token);
        let Some(token) = token else { return flow };
        answer(stream, token, "200", &[], b"");
        next += 1;
    }
}

fn statuses(host: &Fake) -> Vec<u16> {
    host.0.replies.borrow().iter().map(|reply| reply.status).collect()
}

fn headers(host: &Fake) -> Vec<(String, String)> {
    host.0.headers.borrow().clone()
}

fn values(host: &Fake, name: &str) -> Vec<String> {
    headers(host).into_iter().filter(|(known, _)| known == name).map(|(_, value)| value).collect()
}

/// The counters, in words, but for those by tenant and by caller.
fn counted(host: &Fake) -> Vec<String> {
    counted_finely(host).into_iter().filter(|l| !l.contains("tenant=") && !l.contains("caller=")).collect()
}

/// All counters, in words.
fn counted_finely(host: &Fake) -> Vec<String> {
    let words = |(metric, by): &(scopegate_core::report::Metric, u64)| {
        format!("{} {by}", metric.name(|_| "metrics".to_owned()).replace("=.=", "=").replace(";.;", " "))
    };
    let mut lines: Vec<String> = host.0.counts.borrow().iter().map(words).collect();
    lines.sort_unstable();
    lines
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}

/// How often `op` was asked for.
fn asked(host: &Fake, op: Op) -> usize {
    host.0.asked.borrow().get(&op).copied().unwrap_or_default()
}
