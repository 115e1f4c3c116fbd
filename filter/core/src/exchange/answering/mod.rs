//! Rules, alerts and silences, where a label keeps the tenants apart.
//!
//! What is read is narrowed in its answer, which is held until it is whole: nothing of it goes on before it is known whose
//! it is. What is written gets the tenant's label. Who changes or ends a silence must own it: the backend is asked first.
//! Between that and the change nothing can come that matters: the Alertmanager never gives another silence the same ID, and
//! never other matchers to the same silence (it makes a new one instead).

mod response;

use std::rc::Rc;

use super::tell::{self, Asked, Tracked};
use super::{Exchange, Millis, Phase, Step, Worker};
use crate::http::{Edits, Headers, add_argument};
use crate::isolate::{Address, Isolate};
use crate::operation::{Alerting, Class};
use crate::policy::{Backend, Policy};
use crate::read::answer::{self, Narrowed, Own, Posted};
use crate::report::{Decision, Metric, Refusal};
use crate::tenant::TenantSet;
use crate::write::Encoding;
use crate::write::fanout::{Call, Target};
use crate::write::outcome::Answer;

/// The largest silence that is looked into, in bytes.
const SILENCE_BYTES: usize = 1 << 20;

/// What a client may ask for that its answer then cannot be: compressed, a part, or none because it is known.
const NOT_ASKED: &[&str] =
    &["accept-encoding", "range", "if-range", "if-match", "if-none-match", "if-modified-since"];

/// A request about rules, alerts or silences.
#[derive(Debug)]
pub(super) struct Answering {
    asked: Asked,
    backend: usize,
    class: Class,
    what: Alerting,
    isolate: Rc<Isolate>,
    tenants: TenantSet,
    /// What changes in the head in any case.
    edits: Edits,
    /// Whether the head announces the length of the body.
    announced: bool,
    /// How the backend is asked whose a silence is, and the path of all silences below which it is.
    owner: Option<(Target, String)>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Nothing was done yet; or its body is being kept.
    Request,
    /// The backend is asked whose silence it is. Then the request goes on like this.
    Owner { new_body: Option<Vec<u8>>, bytes: usize, deadline: Millis },
    /// It went on, and its answer is wanted.
    WentOn(Option<Box<Tracked>>),
    /// Its answer is being kept.
    Kept { encoding: Encoding, edits: Edits, media: String },
}

/// A request, as its head tells of it.
pub(super) struct Head<'a> {
    pub(super) asked: Asked,
    pub(super) position: usize,
    pub(super) backend: &'a Backend,
    pub(super) class: Class,
    pub(super) headers: &'a Headers<'a>,
    /// The path without its query, and how much of it stands before the backend's own paths.
    pub(super) path: (&'a str, usize),
    /// The cluster of its route.
    pub(super) cluster: Option<String>,
}

impl Head<'_> {
    /// What the request becomes. `edits` are what changes in any case.
    pub(super) fn decide(
        self,
        what: Alerting,
        tenants: TenantSet,
        mut edits: Edits,
    ) -> Result<Answering, Refusal> {
        let Self { backend, headers, .. } = self;
        edits.remove(headers, "x-scope-orgid");
        for name in NOT_ASKED.iter().filter(|_| what.is_read()) {
            edits.remove(headers, name);
        }
        if let Some(path) = self.filtered(what, &tenants) {
            edits.set(headers, ":path", &path);
        }
        if matches!(what, Alerting::PostAlerts | Alerting::PostSilence) {
            check_json(headers)?;
        }
        let owner = match what {
            Alerting::PostSilence | Alerting::DeleteSilence => self.owner(what)?,
            _ => None,
        };
        Ok(Answering {
            asked: self.asked,
            backend: self.position,
            class: self.class,
            what,
            isolate: Rc::clone(&backend.isolate),
            tenants,
            edits,
            announced: headers.first("content-length").is_some(),
            owner,
            stage: Stage::Request,
        })
    }

    /// The path with the argument by which an Alertmanager narrows by itself: it sends less, and what it sends is narrowed all
    /// the same.
    fn filtered(&self, what: Alerting, tenants: &TenantSet) -> Option<String> {
        use Alerting::{AlertGroups, AlertmanagerAlerts, Silences};
        let (label, tenant) = (self.backend.isolate.label()?, tenants.single()?);
        if !matches!(what, AlertmanagerAlerts | AlertGroups | Silences) || !is_plain_label(label) {
            return None;
        }
        let mut path = self.headers.pseudo(":path").to_owned();
        // No tenant holds a quote or a backslash.
        add_argument(&mut path, "filter", format!("{label}=\"{tenant}\"").as_bytes());
        Some(path)
    }

    /// How it is asked whose a silence is. The calls' `path`, where there is one, stands for the backend's own prefix.
    fn owner(&self, what: Alerting) -> Result<Option<(Target, String)>, Refusal> {
        let calls = &self.backend.write.calls;
        let (path, prefix) = self.path;
        let (prefix, own) = path.split_at_checked(prefix).unwrap_or(("", path));
        let (silences, id) = match what {
            Alerting::DeleteSilence => own.rsplit_once('/').unwrap_or_default(),
            _ => (own.strip_suffix('s').unwrap_or(own), ""),
        };
        if what == Alerting::DeleteSilence && !answer::is_silence_id(id) {
            return Err(Refusal::SilenceId);
        }
        let prefix = calls.path.as_ref().map_or(prefix, |path| path.trim_end_matches('/'));
        let Some(cluster) = calls.cluster.as_ref().or(self.cluster.as_ref()) else { return Ok(None) };
        let address = Address::new(&self.backend.isolate, self.class, path, 0);
        let mut target = Target::new(calls, self.headers, cluster.clone(), "", &address);
        target.headers.retain(|(name, _)| !name.starts_with("content-"));
        for (name, value) in &mut target.headers {
            if name == ":method" {
                "GET".clone_into(value);
            }
        }
        let mut silences = format!("{prefix}{silences}/");
        silences.push_str(id);
        Ok(Some((target, silences)))
    }
}

/// Whether every Alertmanager reads a matcher on this label without quotes.
fn is_plain_label(label: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    label.bytes().all(is_plain) && !label.starts_with(|c: char| c.is_ascii_digit())
}

/// The Alertmanager takes JSON alone, as it is. What it would refuse need not be looked into.
fn check_json(headers: &Headers<'_>) -> Result<(), Refusal> {
    const JSON: &str = "application/json";
    if headers.first("content-encoding").is_some() {
        return Err(Refusal::Encoding { expected: "none" });
    }
    let media = headers.only("content-type").map_err(|_| Refusal::Repeated("content-type"))?;
    let media = media.and_then(|media| media.split(|byte| *byte == b';').next());
    if media.is_some_and(|media| media.trim_ascii().eq_ignore_ascii_case(JSON.as_bytes())) {
        Ok(())
    } else {
        Err(Refusal::MediaType { expected: JSON })
    }
}

impl Answering {
    /// The tenants, as `X-Scope-OrgID` names them.
    pub(super) fn tenants(&self) -> String {
        self.tenants.header()
    }

    /// What is known of it.
    pub(super) fn asked(&self) -> Asked {
        self.asked
    }

    /// Whether the body of the request is being kept.
    pub(super) fn keeps_request(&self) -> bool {
        matches!(self.stage, Stage::Request)
    }

    /// Whether the request went on, and its answer is wanted.
    pub(super) fn wants_answer(&self) -> bool {
        matches!(self.stage, Stage::WentOn(_) | Stage::Kept { .. })
    }

    /// What an event means that changes nothing.
    pub(super) fn as_before(&self) -> Step {
        match self.stage {
            Stage::Request => Step::Buffer,
            Stage::Owner { .. } => Step::Wait,
            Stage::WentOn(_) | Stage::Kept { .. } => Step::Continue(super::Changes::default()),
        }
    }

    /// How much of an answer to the question whose a silence is is looked at.
    pub(super) fn answer_bytes(status: u16) -> usize {
        if status == 200 { SILENCE_BYTES } else { 0 }
    }

    fn narrow(&self, what: Alerting, body: &[u8]) -> Result<Narrowed, Refusal> {
        let admits = |value: &str| self.tenants.as_slice().iter().any(|tenant| tenant.as_str() == value);
        let own = Own { label: self.isolate.label().unwrap_or_default(), admits: &admits };
        answer::narrow(what, body, own).map_err(|(problem, offset)| Refusal::AnswerJson { problem, offset })
    }

    fn post(&self, body: &[u8]) -> Result<Posted, Refusal> {
        let several = || Refusal::SeveralTenants { tenants: self.tenants() };
        let tenant = self.tenants.single().ok_or_else(several)?;
        let label = self.isolate.label().unwrap_or_default();
        match self.what {
            Alerting::PostAlerts => answer::alerts(body, label, tenant),
            _ => answer::silence(body, label, tenant),
        }
    }

    /// The request is gone: what it held is free again, or will be.
    pub(super) fn closed(self, policy: &Policy, worker: &mut Worker, now: Millis) {
        match self.stage {
            Stage::Owner { bytes, deadline, .. } => worker.abandon(1, bytes, deadline),
            Stage::WentOn(Some(tracked)) => tracked.answered(policy, worker, None, now),
            Stage::Request | Stage::WentOn(None) | Stage::Kept { .. } => {}
        }
    }
}

impl Exchange {
    /// The head of such a request has arrived.
    pub(super) fn begin_answering(
        &mut self,
        worker: &mut Worker,
        answering: Box<Answering>,
        now: Millis,
    ) -> Step {
        match answering.what {
            Alerting::PostAlerts | Alerting::PostSilence => {
                self.phase = Phase::Answering(answering);
                Step::Buffer
            }
            Alerting::DeleteSilence => self.ask_owner(worker, answering, None, None, now),
            _ => self.release(worker, answering, None, now),
        }
    }

    /// The body of what is posted is whole.
    pub(super) fn posted(
        &mut self,
        worker: &mut Worker,
        answering: Box<Answering>,
        body: Result<Vec<u8>, &'static str>,
        now: Millis,
    ) -> Step {
        let posted = body.map_err(|what| Refusal::Host { what }).and_then(|body| answering.post(&body));
        match posted {
            Ok(Posted { body, id: Some(id) }) => self.ask_owner(worker, answering, Some(&id), body, now),
            Ok(Posted { body, id: None }) => self.release(worker, answering, body, now),
            Err(refusal) => self.refuse_asked(worker, answering.asked, &refusal, now),
        }
    }

    /// Asks the backend whose silence it is. `id` is what is missing in the path.
    fn ask_owner(
        &mut self,
        worker: &mut Worker,
        mut answering: Box<Answering>,
        id: Option<&str>,
        new_body: Option<Vec<u8>>,
        now: Millis,
    ) -> Step {
        let asked = answering.asked;
        let (Some((mut target, mut path)), Some(tenant)) =
            (answering.owner.take(), answering.tenants.as_slice().first().cloned())
        else {
            return self.refuse_asked(
                worker,
                asked,
                &Refusal::Host { what: "the route has no cluster" },
                now,
            );
        };
        path.push_str(id.unwrap_or_default());
        for (name, value) in &mut target.headers {
            if name == ":path" {
                path.clone_into(value);
            }
        }
        let bytes = new_body.as_ref().map_or(0, Vec::len);
        if let Err(refusal) = worker.admit(&self.policy.limits, 1, bytes, now) {
            return self.refuse_asked(worker, asked, &refusal, now);
        }
        let timeout_ms = target.timeout_ms;
        let deadline = now.saturating_add(u64::from(timeout_ms));
        answering.stage = Stage::Owner { new_body, bytes, deadline };
        self.phase = Phase::Answering(answering);
        let target = Rc::new(target);
        Step::Call(vec![Call { id: 0, tenant, told: Vec::new(), target, body: Vec::new(), timeout_ms }])
    }

    /// The backend has said whose silence it is.
    pub(super) fn owner_told(
        &mut self,
        worker: &mut Worker,
        mut answering: Box<Answering>,
        answer: &Answer,
        now: Millis,
    ) -> Step {
        let stage = core::mem::replace(&mut answering.stage, Stage::Request);
        let Stage::Owner { new_body, bytes, .. } = stage else {
            answering.stage = stage;
            self.phase = Phase::Answering(answering);
            return self.as_before();
        };
        worker.release(1, bytes);
        let hundred = answer.status.map_or(0, |status| status / 100);
        worker.tally.add(Metric::Calls { backend: answering.backend, hundred }, 1);
        let refusal = match answer.status {
            Some(200) if answer.message.len() >= SILENCE_BYTES => {
                Some(Refusal::Answer { what: "the silence is too large" })
            }
            Some(200) => match answering.narrow(Alerting::Silence, &answer.message) {
                Ok(Narrowed::AsItCame) => None,
                Ok(Narrowed::Changed(_) | Narrowed::Foreign) => Some(Refusal::NotOwn),
                Err(refusal) => Some(refusal),
            },
            Some(404) => Some(Refusal::NotOwn),
            status => Some(Refusal::OwnerUnknown { status }),
        };
        match refusal {
            None => self.release(worker, answering, new_body, now),
            Some(refusal) => self.refuse_asked(worker, answering.asked, &refusal, now),
        }
    }

    /// The request goes on.
    fn release(
        &mut self,
        worker: &mut Worker,
        mut answering: Box<Answering>,
        body: Option<Vec<u8>>,
        now: Millis,
    ) -> Step {
        let policy = Rc::clone(&self.policy);
        let Answering { backend, class, asked, announced, .. } = *answering;
        let tenants = answering.tenants();
        worker.count_request(Some(backend), Some(class), Decision::Forwarded);
        // What is read is told of when it is answered: Envoy keeps the first line about a request.
        if !answering.what.is_read() {
            tell::note_whole(&policy, worker, asked, &tenants, Decision::Forwarded);
        }
        let tracked = Tracked::whole(&policy, worker, (backend, class), &tenants, now);
        let mut edits = core::mem::take(&mut answering.edits);
        if let Some(body) = body.as_ref().filter(|_| announced) {
            edits.set.push(("content-length".to_owned(), body.len().to_string()));
        }
        if !answering.what.is_read() {
            return self.go_on(edits, body, tracked);
        }
        answering.stage = Stage::WentOn(tracked);
        self.phase = Phase::Answering(answering);
        Step::Continue(super::Changes { headers: edits, body })
    }

    /// It is refused before it went on.
    pub(super) fn refuse_asked(
        &mut self,
        worker: &mut Worker,
        asked: Asked,
        refusal: &Refusal,
        now: Millis,
    ) -> Step {
        let policy = Rc::clone(&self.policy);
        let reply = tell::refuse(&policy, worker, asked, refusal, now);
        self.answer(reply)
    }
}
