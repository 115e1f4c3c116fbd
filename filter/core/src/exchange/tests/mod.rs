//! Requests told to an [`Exchange`] event by event, without Envoy. Here is how that is written down; the
//! tables stand beside, one file for each part of a request's life.
#![allow(clippy::too_many_lines, clippy::type_complexity)] // tables are

mod answering;
mod backends;
mod bodies;
mod bounds;
mod calls;
mod events;
mod explained;
mod forward;
mod isolation;
mod labels;
mod metadata;
mod narrow;
mod observe;
mod pages;
mod protocols;
mod reads;
mod refusals;
mod retries;
mod rollout;
mod second;
mod sessions;
mod single;
mod sources;
mod telling;
mod telling_parts;
mod whoami;
mod whoami_secrets;
mod wording;

use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::{Alone, Changes, Exchange, Millis, Process, SlotFailure, Step, Stored, Worker};
use crate::caller::testing::{Known, environment};
use crate::config::Config;
use crate::http::{Headers, Reply};
use crate::policy::Policy;
use crate::write::fanout::Call;
use crate::write::outcome::Answer;
use crate::write::remote_write::testing::{TimeSeries, body, decompress, series};
use crate::write::written::Written;

/// Headers as they are written in tables.
type Head<'a> = &'a [(&'a str, &'a str)];

/// A remote write.
const WRITE: Head<'_> = &[
    (":method", "POST"),
    (":path", "/api/v1/push"),
    (":authority", "metrics.example.org"),
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
];
/// A query.
const QUERY: Head<'_> = &[
    (":method", "GET"),
    (":path", "/prometheus/api/v1/query?query=up"),
    (":authority", "metrics.example.org"),
];
/// The header by which the agent asks for impersonation.
const OPT_IN: (&str, &str) = ("x-scope-impersonate", "true");
const REMOTE_WRITE_2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// One backend, and two callers that another filter has authenticated: `agent`, which may impersonate, and
/// `user`, which may read.
fn base() -> Json {
    let session = |who: &str| json!({"filter_state": "session", "where": [{"claim": "who", "in": who}]});
    json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [
            {"name": "agent", "metadata": session("agent"), "tenants": {"claim": "tenants"}, "may": ["write"],
             "impersonate": {"label": "imp", "tenants": ["cluster-*"]}},
            {"name": "user", "metadata": session("user"), "tenants": {"claim": "tenants"},
             "may": ["write", "read", "rules"], "on_behalf_of": ["team-*"]},
        ],
        "write": {"metrics": {}},
        "limits": {},
    })
}

/// One worker under one configuration, and what its host knows of the requests.
struct World {
    policy: Rc<Policy>,
    worker: Worker,
    known: Known,
    now: Millis,
}

impl World {
    fn new(config: Json) -> Self {
        let config = Config::from_json(config).unwrap();
        let policy = Rc::new(Policy::compile(&config, &environment).unwrap());
        let mut world = Self { policy, worker: Worker::default(), known: Known::default(), now: 5_544_000 };
        world.know("xds cluster_name", b"cortex");
        world
    }

    /// The base, changed.
    fn with(change: impl FnOnce(&mut Json)) -> Self {
        let mut config = base();
        change(&mut config);
        Self::new(config)
    }

    fn know(&mut self, attribute: &str, value: &[u8]) {
        self.known.set(attribute, value);
    }

    /// From here on the requests come from this caller.
    fn caller(mut self, who: &str, tenants: &[&str]) -> Self {
        self.know("filter_state session", json!({"who": who, "tenants": tenants}).to_string().as_bytes());
        self
    }

    /// The head of a request arrives, and a body will follow.
    fn head(&mut self, head: Head<'_>) -> (Exchange, Step) {
        self.arrives(head, false)
    }

    fn arrives(&mut self, head: Head<'_>, end_of_stream: bool) -> (Exchange, Step) {
        let mut exchange = Exchange::new(Rc::clone(&self.policy));
        let step = exchange.head(&mut self.worker, &headers(head), end_of_stream, &self.known, self.now);
        (exchange, step)
    }

    /// A request whose body must be looked into arrives, and then its body.
    fn request(&mut self, head: Head<'_>, body: &[u8]) -> (Exchange, Step) {
        let (mut exchange, step) = self.head(head);
        assert!(matches!(step, Step::Buffer), "{step:?}");
        assert!(matches!(exchange.body_progress(&mut self.worker, body.len()), Step::Buffer));
        let step = exchange.body(&mut self.worker, Ok(body.to_vec()), self.now);
        (exchange, step)
    }

    fn answered(&mut self, exchange: &mut Exchange, id: u32, status: u16) -> Step {
        exchange.answered(&mut self.worker, id, says(status), self.now)
    }

    /// What was counted since the last time: tags and name, then by how much. But for what is counted by tenant and by
    /// caller.
    fn counted(&mut self) -> Vec<String> {
        let finer = ["tenant=", "caller="];
        self.counted_finely().into_iter().filter(|line| !finer.iter().any(|tag| line.contains(tag))).collect()
    }

    /// All that was counted since the last time.
    fn counted_finely(&mut self) -> Vec<String> {
        let name = |at: usize| self.policy.backends[at].name.clone();
        let mut lines = Vec::new();
        self.worker.tally.drain(&mut |_, metric, by| {
            let line = metric.name(name).replace("=.=", "=").replace(";.;", " ");
            lines.push(format!("{} {by}", line.replace("scopegate_", "").replace("_total", "")));
        });
        lines.sort_unstable();
        lines
    }
}

fn headers(head: Head<'_>) -> Headers<'_> {
    Headers::new(head.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect())
}

/// The head, and further headers.
fn and<'a>(head: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [head, more].concat()
}

/// The head with another value for one of its headers; without it where the value is empty.
fn but<'a>(head: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut head = head.to_vec();
    head.retain(|(known, _)| *known != name);
    if !value.is_empty() {
        head.push((name, value));
    }
    head
}

/// A series of the metric `up` with these labels.
fn up(labels: &[(&str, &str)]) -> TimeSeries {
    series(&[&[("__name__", "up")], labels].concat())
}

/// The message with these series: the bytes that stand compressed in a body.
fn message(series: &[TimeSeries]) -> Vec<u8> {
    decompress(&body(series))
}

fn says(status: u16) -> Answer {
    Answer { status: Some(status), retry_after: None, message: Vec::new(), written: Written::Untold }
}

/// A step in a line: `go on` with the headers that go (`-name`) and that are set (`name=value`),
/// `go on … with a new body`, `keep`, `call` with its tenants, `wait`, or `answer` with status and reason.
fn describe(step: &Step) -> String {
    match step {
        Step::Continue(Changes { headers, body }) => {
            let mut line = String::from("go on");
            for name in &headers.remove {
                line.extend([" -", name]);
            }
            for (name, value) in &headers.set {
                let is_its_length = name == "content-length"
                    && body.as_ref().is_some_and(|body| body.len().to_string() == *value);
                line.extend([" ", name, "=", if is_its_length { "its own" } else { value }]);
            }
            if body.is_some() {
                line += " with a new body";
            }
            line
        }
        Step::Buffer => "keep".to_owned(),
        Step::Call(calls) => {
            let tenants: Vec<_> = calls.iter().map(|call| call.tenant.as_str()).collect();
            format!("call {}", tenants.join(" "))
        }
        Step::Wait => "wait".to_owned(),
        Step::Read => "read".to_owned(),
        Step::Reply(reply) => format!("answer {} {}", reply.status, reply.details),
    }
}

fn calls(step: Step) -> Vec<Call> {
    match step {
        Step::Call(calls) => calls,
        other => panic!("no calls: {other:?}"),
    }
}

fn answer(step: Step) -> Reply {
    match step {
        Step::Reply(reply) => reply,
        other => panic!("no answer: {other:?}"),
    }
}

fn text(reply: &Reply) -> &str {
    core::str::from_utf8(&reply.body).unwrap()
}

/// The headers of a request after these changes, as Envoy makes them: removing takes every value, setting
/// replaces the first and leaves the others.
fn changed(head: Head<'_>, changes: &Changes) -> Vec<(String, String)> {
    let mut after: Vec<(String, String)> =
        head.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for name in &changes.headers.remove {
        after.retain(|(known, _)| known != name);
    }
    for (name, value) in &changes.headers.set {
        match after.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => after.push((name.clone(), value.clone())),
        }
    }
    after
}
