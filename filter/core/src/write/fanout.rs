//! The parts of one request on their way: sent in waves, answered in any order.

use std::collections::VecDeque;
use std::rc::Rc;

use super::outcome::{Answer, Outcome, PartAnswer};
use super::parts::Part;
use super::rejected::Rejected;
use super::rules::CallRules;
use crate::http::Headers;
use crate::tenant::TenantId;

/// A call to an upstream, for one part.
#[derive(Clone, Debug)]
pub struct Call {
    /// What the answer to it is told with.
    pub id: u32,
    /// The part's tenant.
    pub tenant: TenantId,
    /// What it shares with the other calls of its request.
    pub target: Rc<Target>,
    /// The body.
    pub body: Vec<u8>,
}

/// Where the calls of a request go, and what they carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Envoy's cluster.
    pub cluster: String,
    /// The headers but for the tenant's, pseudo-headers first.
    pub headers: Vec<(String, String)>,
    /// How long a call may take.
    pub timeout_ms: u32,
}

impl Call {
    /// All headers of the call.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let shared = self.target.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        shared.chain([("x-scope-orgid", self.tenant.as_str())])
    }
}

impl Target {
    /// The target of the calls for a request with these headers. `cluster` is the route's own. A header whose
    /// value is not UTF-8 is not carried.
    pub fn new(rules: &CallRules, headers: &Headers<'_>, cluster: String, content_type: &str) -> Self {
        let pseudo = |name: &str, fixed: Option<&String>| {
            (name.to_owned(), fixed.cloned().unwrap_or_else(|| headers.pseudo(name).to_owned()))
        };
        let mut out = vec![
            pseudo(":method", None),
            pseudo(":path", rules.path.as_ref()),
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
        Self { cluster, headers: out, timeout_ms: rules.timeout_ms }
    }
}

/// A split request whose parts are being sent.
#[derive(Debug)]
pub struct Fanout {
    target: Rc<Target>,
    waiting: VecDeque<(u32, Part)>,
    /// The calls under way, with what they hold.
    flying: Vec<Flying>,
    answers: Vec<PartAnswer>,
    rejected: Rejected,
}

#[derive(Debug)]
struct Flying {
    id: u32,
    tenant: TenantId,
    bytes: usize,
}

/// What a fanout lets go of when one of its calls ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// The bytes of its body.
    pub bytes: usize,
}

impl Fanout {
    /// A fanout that has sent nothing yet.
    pub fn new(target: Rc<Target>, parts: Vec<Part>, rejected: Rejected) -> Self {
        let waiting = (0..).zip(parts).collect();
        Self { target, waiting, flying: Vec::new(), answers: Vec::new(), rejected }
    }

    /// How many bytes have not been sent.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(|(_, part)| part.body.len()).fold(0, usize::saturating_add)
    }

    /// How many bytes the calls under way hold.
    pub fn flying_bytes(&self) -> usize {
        self.flying.iter().map(|flying| flying.bytes).fold(0, usize::saturating_add)
    }

    /// How many calls are under way.
    pub fn flying(&self) -> usize {
        self.flying.len()
    }

    /// How long a call may take.
    pub fn timeout_ms(&self) -> u32 {
        self.target.timeout_ms
    }

    /// Takes the next part to send.
    pub fn next_call(&mut self) -> Option<Call> {
        let (id, part) = self.waiting.pop_front()?;
        self.flying.push(Flying { id, tenant: part.tenant.clone(), bytes: part.body.len() });
        Some(Call { id, tenant: part.tenant, target: Rc::clone(&self.target), body: part.body })
    }

    /// Takes the answer to a call; `None` where no such call is under way.
    pub fn answered(&mut self, id: u32, answer: Answer) -> Option<Released> {
        let position = self.flying.iter().position(|flying| flying.id == id)?;
        let Flying { tenant, bytes, .. } = self.flying.swap_remove(position);
        self.answers.push(PartAnswer { tenant, answer });
        Some(Released { bytes })
    }

    /// The outcome, once every part is answered.
    pub fn outcome(&mut self) -> Option<Outcome> {
        (self.waiting.is_empty() && self.flying.is_empty()).then(|| Outcome {
            answers: core::mem::take(&mut self.answers),
            rejected: core::mem::take(&mut self.rejected),
        })
    }
}
