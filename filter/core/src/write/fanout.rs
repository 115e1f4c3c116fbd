//! The parts of one request on their way: sent in waves, answered in any order.

use std::collections::VecDeque;
use std::rc::Rc;

use super::ledger;
use super::outcome::{Answer, Outcome, PartAnswer};
use super::parts::Part;
use super::rejected::Rejected;
use super::rules::CallRules;
use crate::http::Headers;
use crate::isolate::Address;
use crate::tenant::TenantId;

/// A call to an upstream, for one part.
#[derive(Clone, Debug)]
pub struct Call {
    /// What the answer to it is told with.
    pub id: u32,
    /// The part's tenant.
    pub tenant: TenantId,
    /// The headers that tell the backend the part's tenant.
    pub told: Vec<(String, String)>,
    /// What it shares with the other calls of its request.
    pub target: Rc<Target>,
    /// The body.
    pub body: Vec<u8>,
    /// How long the call may take: what is left of its request's time.
    pub timeout_ms: u32,
}

/// Where the calls of a request go, and what they carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Envoy's cluster.
    pub cluster: String,
    /// The headers but for the tenant's, pseudo-headers first.
    pub headers: Vec<(String, String)>,
    /// How the tenants are told.
    pub address: Address,
    /// How long all calls together may take.
    pub timeout_ms: u32,
}

impl Call {
    /// All headers of the call. What tells the tenant stands in for what the calls share.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let shared = self.target.headers.iter().map(|(name, value)| {
            let told = self.told.iter().find(|(known, _)| known == name);
            (name.as_str(), told.map_or(value.as_str(), |(_, told)| told.as_str()))
        });
        let is_shared = |name: &String| self.target.headers.iter().any(|(known, _)| known == name);
        let further = self.told.iter().filter(move |(name, _)| !is_shared(name));
        shared.chain(further.map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

impl Target {
    /// The target of the calls for a request with these headers, which goes to `address` itself. `cluster` is the route's
    /// own. A header whose value is not UTF-8 is not carried.
    pub fn new(
        rules: &CallRules,
        headers: &Headers<'_>,
        cluster: String,
        content_type: &str,
        address: &Address,
    ) -> Self {
        let address = match &rules.path {
            Some(path) => address.elsewhere(path),
            None => address.clone(),
        };
        let pseudo = |name: &str, fixed: Option<&String>| {
            (name.to_owned(), fixed.cloned().unwrap_or_else(|| headers.pseudo(name).to_owned()))
        };
        let mut out = vec![
            pseudo(":method", None),
            (":path".to_owned(), address.path().to_owned()),
            pseudo(":authority", rules.authority.as_ref()),
        ];
        for name in &rules.headers {
            if name == "content-type" {
                out.push((name.clone(), content_type.to_owned()));
            } else {
                let values = headers.all(name).filter_map(|value| core::str::from_utf8(value).ok());
                out.extend(values.map(|value| (name.clone(), value.to_owned())));
            }
        }
        if let Some((on, max)) = &rules.retries {
            out.push(("x-envoy-retry-on".to_owned(), on.clone()));
            out.push(("x-envoy-max-retries".to_owned(), max.clone()));
        }
        Self { cluster, headers: out, address, timeout_ms: rules.timeout_ms }
    }
}

/// A split request whose parts are being sent.
#[derive(Debug)]
pub struct Fanout {
    target: Rc<Target>,
    /// When all of it must be over.
    deadline: u64,
    waiting: VecDeque<(u32, Part)>,
    /// The calls under way, with what they hold.
    flying: Vec<Flying>,
    answers: Vec<PartAnswer>,
    rejected: Rejected,
    /// Whether the parts' prints are wanted.
    prints: bool,
}

#[derive(Debug)]
struct Flying {
    id: u32,
    part: Released,
    print: u64,
}

/// A part whose call ended, or never began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Its tenant.
    pub tenant: TenantId,
    /// The bytes of its body.
    pub bytes: usize,
    /// Its series.
    pub series: u32,
    /// Its samples.
    pub samples: u32,
    /// When it was sent; `None` where it was not.
    pub since: Option<u64>,
}

impl Released {
    fn of(part: &Part, since: Option<u64>) -> Self {
        let Part { tenant, series, samples, body } = part;
        Self { tenant: tenant.clone(), bytes: body.len(), series: *series, samples: *samples, since }
    }
}

impl Fanout {
    /// A fanout at `now`, in milliseconds, that has sent nothing yet and may send `at_once` parts at once.
    ///
    /// Where that is not all of them, the one that goes first changes with the time: if some upstreams hang, a request
    /// that is sent again must not wait for the same ones every time.
    pub fn new(
        target: Rc<Target>,
        mut parts: Vec<Part>,
        rejected: Rejected,
        at_once: usize,
        now: u64,
    ) -> Self {
        let deadline = now.saturating_add(u64::from(target.timeout_ms));
        if at_once < parts.len() {
            let first = now.checked_rem(parts.len() as u64).and_then(|first| usize::try_from(first).ok());
            parts.rotate_left(first.unwrap_or_default());
        }
        let waiting = (0..).zip(parts).collect();
        Self { target, deadline, waiting, flying: Vec::new(), answers: Vec::new(), rejected, prints: false }
    }

    /// Adds the answers to parts that need not be sent.
    pub fn answered_before(&mut self, answers: Vec<PartAnswer>) {
        self.answers.extend(answers);
    }

    /// Takes the [print](ledger::print) of every part that is sent.
    pub fn take_prints(&mut self) {
        self.prints = true;
    }

    /// How many bytes have not been sent.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(|(_, part)| part.body.len()).fold(0, usize::saturating_add)
    }

    /// How many bytes the calls under way hold.
    pub fn flying_bytes(&self) -> usize {
        self.flying.iter().map(|flying| flying.part.bytes).fold(0, usize::saturating_add)
    }

    /// How many calls are under way.
    pub fn flying(&self) -> usize {
        self.flying.len()
    }

    /// When all of it must be over.
    pub fn deadline(&self) -> u64 {
        self.deadline
    }

    /// The parts that no answer has come for: those on their way, and those that are not sent.
    pub fn unanswered(&self) -> impl Iterator<Item = Released> + '_ {
        let waiting = self.waiting.iter().map(|(_, part)| Released::of(part, None));
        self.flying.iter().map(|flying| flying.part.clone()).chain(waiting)
    }

    /// Takes the next part to send, with what is left of the time. Once there is none left there is no next.
    pub fn next_call(&mut self, now: u64) -> Option<Call> {
        let left = self.deadline.checked_sub(now).filter(|left| *left > 0)?;
        let (id, part) = self.waiting.pop_front()?;
        let print = if self.prints { ledger::print(&part.tenant, &part.body) } else { 0 };
        self.flying.push(Flying { id, part: Released::of(&part, Some(now)), print });
        Some(Call {
            id,
            told: self.target.address.tell(&part.tenant),
            tenant: part.tenant,
            target: Rc::clone(&self.target),
            body: part.body,
            timeout_ms: u32::try_from(left).unwrap_or(u32::MAX),
        })
    }

    /// Gives up the parts for which no time is left; gives the bytes they held.
    pub fn expire(&mut self, now: u64) -> usize {
        if now < self.deadline {
            return 0;
        }
        let bytes = self.waiting_bytes();
        self.answers.extend(self.waiting.drain(..).map(|(_, part)| {
            let answer = Answer::failed("it was not sent, since no time was left (calls.timeout)");
            PartAnswer {
                sent: false,
                series: part.series,
                samples: part.samples,
                ..PartAnswer::new(part.tenant, answer)
            }
        }));
        bytes
    }

    /// Takes the answer to a call; `None` where no such call is under way.
    pub fn answered(&mut self, id: u32, answer: Answer) -> Option<Released> {
        let position = self.flying.iter().position(|flying| flying.id == id)?;
        let Flying { part, print, .. } = self.flying.swap_remove(position);
        let Released { series, samples, .. } = part;
        self.answers.push(PartAnswer {
            samples,
            series,
            print,
            ..PartAnswer::new(part.tenant.clone(), answer)
        });
        Some(part)
    }

    /// The outcome, once every part is answered.
    pub fn outcome(&mut self) -> Option<Outcome> {
        (self.waiting.is_empty() && self.flying.is_empty()).then(|| Outcome {
            answers: core::mem::take(&mut self.answers),
            rejected: core::mem::take(&mut self.rejected),
        })
    }
}
