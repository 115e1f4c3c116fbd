//! A request told to an exchange, and what that said.

use std::collections::VecDeque;
use std::rc::Rc;

use anyhow::{Result, bail};
use scopegate_core::exchange::explain::{Who, who};
use scopegate_core::exchange::{Changes, Exchange, Step, Worker};
use scopegate_core::http::{Headers, Reply};
use scopegate_core::policy::Policy;
use scopegate_core::session::HEADER;
use scopegate_core::write::fanout::{Call, Released};
use scopegate_core::write::outcome::Answer;
use scopegate_core::write::written::Written;
use serde_json::json;

use super::facts::Facts;
use super::policy::{Loaded, NOW};
use super::queries::{self, Argument};
use super::request::Request;

/// What the filter would do with a request.
pub(crate) struct Explanation {
    pub(crate) request: Request,
    /// What was supposed of the world around.
    pub(crate) suppositions: Vec<String>,
    pub(crate) who: Who,
    pub(crate) decided: Decided,
    /// Lines that the filter would log.
    pub(crate) logs: Vec<String>,
    /// The arguments of the URL, or of a form, that change.
    pub(crate) arguments: Vec<Argument>,
    pub(crate) upstream: Vec<Upstream>,
    pub(crate) narrows_answer: bool,
    /// The answer of the filter itself.
    pub(crate) reply: Option<Reply>,
}

/// What was decided, in the words of the line for the access log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) decision: String,
    pub(crate) reason: Option<String>,
    pub(crate) backend: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) tenants: Vec<String>,
    pub(crate) wildcard: bool,
    pub(crate) series: u32,
    pub(crate) samples: u32,
    pub(crate) parts: u32,
}

/// A request that an upstream gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// The cluster and the tenant of a call that the filter makes; `None` where the request itself goes on by its route.
    pub(crate) call: Option<(String, String)>,
    pub(crate) method: String,
    pub(crate) authority: String,
    pub(crate) path: String,
    /// Everything of its head that can be read as text.
    pub(crate) head: Vec<(String, String)>,
    /// The headers that the filter has set.
    pub(crate) set: Vec<(String, String)>,
    /// The headers that it has taken off.
    pub(crate) removed: Vec<String>,
    pub(crate) body: Vec<u8>,
    /// Whether the body is another than the one that came.
    pub(crate) is_new_body: bool,
    /// Its series and samples, where they were counted.
    pub(crate) counts: Option<(u32, u32)>,
}

impl Explanation {
    /// Whether the sender is told that it did not succeed.
    pub(crate) fn is_refused(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.status >= 400)
    }
}

/// Tells the request to an exchange, to its end.
pub(crate) fn explain(loaded: &Loaded, request: Request, facts: &Facts) -> Result<Explanation> {
    let policy = Rc::clone(&loaded.policy);
    // A proof is good once, so that who it is is asked in a world of its own.
    let anew = facts.anew();
    // Many slots, which nobody needs but who brings a proof.
    if !request.text(HEADER).is_empty() {
        anew.prepare(&policy)?;
        facts.prepare(&policy)?;
    }
    let who = who(&policy, &mut loaded.worker(facts.date)?, &request.headers(), &anew);
    let mut worker = loaded.worker(facts.date)?;
    let mut told = Told { policy: &policy, worker: &mut worker, request: &request, facts };
    let Flow { upstream, end, mut suppositions, narrows_answer } = told.flow()?;
    let note = worker.take_note();
    let decided = note.as_deref().map(Decided::read).unwrap_or_default();
    let (reply, changes) = match end {
        Step::Reply(reply) => (Some(reply), None),
        Step::Continue(changes) => (None, Some(changes)),
        other => bail!("the exchange ended with {other:?}"),
    };
    let mut explanation = Explanation {
        suppositions: [&loaded.suppositions[..], &facts.suppositions].concat(),
        who,
        logs: worker.take_logs(),
        arguments: Vec::new(),
        upstream,
        narrows_answer,
        reply,
        decided,
        request,
    };
    explanation.suppositions.append(&mut suppositions);
    if let Some(changes) = changes {
        let own = explanation.who.facts.as_ref().ok().and_then(|facts| facts.get("tenants")?.as_array());
        let own: Vec<String> =
            own.into_iter().flatten().filter_map(|own| own.as_str().map(str::to_owned)).collect();
        explanation.arguments =
            queries::changed(&policy, &explanation.decided, &own, &explanation.request, &changes);
        explanation.upstream.push(goes_on(&explanation.request, &explanation.decided, changes));
    }
    Ok(explanation)
}

struct Told<'a> {
    policy: &'a Rc<Policy>,
    worker: &'a mut Worker,
    request: &'a Request,
    facts: &'a Facts,
}

struct Flow {
    upstream: Vec<Upstream>,
    end: Step,
    suppositions: Vec<String>,
    narrows_answer: bool,
}

impl Told<'_> {
    fn flow(&mut self) -> Result<Flow> {
        let body = &self.request.body;
        let mut exchange = Exchange::new(Rc::clone(self.policy));
        let (mut upstream, mut suppositions) = (Vec::new(), Vec::new());
        let mut waiting: VecDeque<(Call, Option<Released>)> = VecDeque::new();
        let mut parts: Vec<Released> = Vec::new();
        let mut step = exchange.head(self.worker, &self.request.headers(), body.is_empty(), self.facts, NOW);
        loop {
            step = match step {
                Step::Buffer => match exchange.body_progress(self.worker, body.len()) {
                    Step::Buffer => exchange.body(self.worker, Ok(body.clone()), NOW),
                    refused => refused,
                },
                Step::Read => exchange.body(self.worker, Ok(body.clone()), NOW),
                Step::Call(calls) => {
                    if parts.is_empty() && waiting.is_empty() {
                        parts = exchange.parts();
                        suppositions.push("every call is answered 200".to_owned());
                    }
                    for call in calls {
                        let size = call.body.len();
                        let is_its = |part: &Released| part.tenant == call.tenant && part.bytes == size;
                        let part = parts.iter().position(is_its).map(|at| parts.swap_remove(at));
                        upstream.push(Upstream::call(&call, part.as_ref()));
                        waiting.push_back((call, part));
                    }
                    Step::Wait
                }
                Step::Wait => {
                    let Some((call, part)) = waiting.pop_front() else {
                        bail!("the exchange waits for nothing");
                    };
                    if part.is_none() {
                        suppositions.push("the silence that is asked for is the caller's own".to_owned());
                    }
                    let answer = self.answer(&call, part.as_ref());
                    exchange.answered(self.worker, call.id, answer, NOW)
                }
                end @ (Step::Continue(_) | Step::Reply(_)) => {
                    let narrows_answer = exchange.narrows_answer();
                    if narrows_answer && matches!(end, Step::Continue(_)) {
                        // Such a request is told of when it is answered: by something that goes on as it came.
                        let head = vec![(&b":status"[..], &b"204"[..])];
                        exchange.answer_head(self.worker, &Headers::new(head), true, NOW);
                    }
                    return Ok(Flow { upstream, end, suppositions, narrows_answer });
                }
            };
        }
    }

    /// What an upstream says when all went well: it has written what it got; or the silence belongs to who asks.
    fn answer(&self, call: &Call, part: Option<&Released>) -> Answer {
        let (message, written) = if let Some(part) = part {
            (Vec::new(), Written::Counts([u64::from(part.samples), 0, 0]))
        } else {
            let labels = self.policy.backends.iter().filter_map(|backend| backend.isolate.label());
            let tenant = call.tenant.as_str();
            let matchers: Vec<_> = labels
                .map(|label| json!({"name": label, "value": tenant, "isRegex": false, "isEqual": true}))
                .collect();
            (json!({ "matchers": matchers }).to_string().into_bytes(), Written::Untold)
        };
        Answer { status: Some(200), retry_after: None, message, written }
    }
}

impl Upstream {
    fn call(call: &Call, part: Option<&Released>) -> Self {
        let value = |wanted: &str| {
            let found = call.headers().find(|(name, _)| *name == wanted);
            found.map_or_else(String::new, |(_, value)| value.to_owned())
        };
        Self {
            call: Some((call.target.cluster.clone(), call.tenant.as_str().to_owned())),
            method: value(":method"),
            authority: value(":authority"),
            path: value(":path"),
            head: call.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            set: call.told.iter().filter(|(name, _)| !name.starts_with(':')).cloned().collect(),
            removed: Vec::new(),
            body: call.body.clone(),
            is_new_body: true,
            counts: part.map(|part| (part.series, part.samples)),
        }
    }
}

/// The request after its changes, as Envoy makes them: removing takes every value, setting replaces the first.
fn goes_on(request: &Request, decided: &Decided, changes: Changes) -> Upstream {
    let Changes { headers, body } = changes;
    let mut after = request.clone();
    after.head.retain(|(name, _)| !headers.remove.contains(name));
    for (name, value) in &headers.set {
        after.set(name, value.as_bytes());
    }
    Upstream {
        call: None,
        method: after.text(":method"),
        authority: after.text(":authority"),
        path: after.text(":path"),
        head: after
            .head
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), String::from_utf8(value.clone()).ok()?)))
            .collect(),
        removed: headers
            .remove
            .into_iter()
            .filter(|name| after.head.iter().all(|(known, _)| known != name))
            .collect(),
        set: headers.set.into_iter().filter(|(name, _)| !name.starts_with(':')).collect(),
        is_new_body: body.is_some(),
        body: body.unwrap_or_else(|| request.body.clone()),
        counts: (decided.parts == 1).then_some((decided.series, decided.samples)),
    }
}

impl Decided {
    /// Reads the line for the access log: always the same words in the same order, `-` for what is not known.
    fn read(line: &str) -> Self {
        let word = |name: &str| {
            let found = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.filter(|value| *value != "-").map(str::to_owned)
        };
        let number = |name| word(name).and_then(|number| number.parse().ok()).unwrap_or_default();
        Self {
            decision: word("decision").unwrap_or_default(),
            reason: word("reason"),
            backend: word("backend"),
            class: word("class"),
            tenants: word("tenants").map_or_else(Vec::new, |all| all.split('|').map(str::to_owned).collect()),
            wildcard: word("wildcard").is_some(),
            series: number("series"),
            samples: number("samples"),
            parts: number("parts"),
        }
    }
}
