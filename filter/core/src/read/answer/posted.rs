//! Silences and alerts as clients send them, with the tenant's label put in.
//!
//! The Alertmanager reads JSON as Go does: names in any case, and in any of Unicode's (`matcherſ` are `matchers`), the last
//! of several wins, and what follows the value is not looked at. So here every member must be one that is known, in its
//! exact spelling, and stand once. A member that is not known may be one that a later Alertmanager reads, such as another
//! list of matchers beside the one that was checked: it is refused.

use super::splice::{self, Splice};
use super::walk::{Matcher, is, text};
use crate::report::Refusal;
use crate::tenant::TenantId;
use crate::wire::{JsonProblem, JsonReader, JsonText};

/// What is sent on in place of what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The new body; `None` where the one that came is right.
    pub body: Option<Vec<u8>>,
    /// The silence that it changes; `None` where it makes one. A UUID in its plain form.
    pub id: Option<String>,
}

/// What a silence may have. `status` and `updatedAt` come back from clients that send what they were shown.
const SILENCE: &[&str] =
    &["matchers", "id", "startsAt", "endsAt", "createdBy", "comment", "annotations", "status", "updatedAt"];

/// What an alert may have. Those after the first five come back in the same way.
const ALERT: &[&str] = &[
    "labels",
    "annotations",
    "startsAt",
    "endsAt",
    "generatorURL",
    "fingerprint",
    "receivers",
    "status",
    "updatedAt",
];

/// A silence for this tenant: it gets a matcher that holds the label to it, where it has none. Another matcher on that
/// label is refused, and so is a list of no matchers, which the Alertmanager would refuse if it were sent on as it is.
pub fn silence(body: &[u8], label: &str, tenant: &TenantId) -> Result<Posted, Refusal> {
    let mut post = Post { reader: JsonReader::new(body, 0), label, tenant, splices: Vec::new() };
    let mut id = None;
    let result = post.whole(|post| post.silence(&mut id));
    post.done(result, body, id)
}

/// Alerts for this tenant: each gets the label where it lacks it. One that names another tenant is refused, and with it
/// all of the request.
pub fn alerts(body: &[u8], label: &str, tenant: &TenantId) -> Result<Posted, Refusal> {
    let mut post = Post { reader: JsonReader::new(body, 0), label, tenant, splices: Vec::new() };
    let result = post.whole(Post::alerts);
    post.done(result, body, None)
}

/// Whether this is a silence's ID in the one form that the Alertmanager gives it.
pub(crate) fn is_silence_id(id: &str) -> bool {
    let at = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    id.len() == 36
        && id.bytes().enumerate().all(|(position, byte)| match byte {
            b'-' => at(position),
            b'0'..=b'9' | b'a'..=b'f' => !at(position),
            _ => false,
        })
}

/// Why a body is not sent on.
enum Problem {
    Json(JsonProblem),
    Other(Refusal),
}

impl From<JsonProblem> for Problem {
    fn from(problem: JsonProblem) -> Self {
        Self::Json(problem)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal)
    }
}

/// A walk over a body that is sent.
struct Post<'a> {
    reader: JsonReader<'a>,
    label: &'a str,
    tenant: &'a TenantId,
    splices: Vec<Splice>,
}

impl Post<'_> {
    fn whole(&mut self, walk: impl FnOnce(&mut Self) -> Result<(), Problem>) -> Result<(), Problem> {
        walk(self)?;
        Ok(self.reader.end()?)
    }

    fn done(&self, result: Result<(), Problem>, body: &[u8], id: Option<String>) -> Result<Posted, Refusal> {
        match result {
            Ok(()) if self.splices.is_empty() => Ok(Posted { body: None, id }),
            Ok(()) => Ok(Posted { body: Some(splice::apply(body, &self.splices)), id }),
            Err(Problem::Json(problem)) => Err(Refusal::Json { problem, offset: self.reader.at() }),
            Err(Problem::Other(refusal)) => Err(refusal),
        }
    }

    fn silence(&mut self, id: &mut Option<String>) -> Result<(), Problem> {
        let mut seen = 0;
        let mut first = true;
        self.reader.object()?;
        while let Some(name) = self.reader.name(&mut first)? {
            match known(name, SILENCE, &mut seen)? {
                "matchers" => self.matchers()?,
                "id" => *id = self.id()?,
                _ => {
                    self.reader.skip()?;
                }
            }
        }
        if seen & 1 == 0 { Err(Refusal::NoMatchers.into()) } else { Ok(()) }
    }

    /// An absent one may be written in three ways.
    fn id(&mut self) -> Result<Option<String>, Problem> {
        if self.reader.null()? {
            return Ok(None);
        }
        let id = text(self.reader.string()?)?;
        match id.as_str() {
            "" => Ok(None),
            text if is_silence_id(text) => Ok(Some(id)),
            _ => Err(Refusal::SilenceId.into()),
        }
    }

    fn matchers(&mut self) -> Result<(), Problem> {
        let Self { label, tenant, .. } = *self;
        let (mut any, mut has_own) = (false, false);
        let mut first = true;
        if self.reader.null()? {
            return Err(Refusal::NoMatchers.into());
        }
        self.reader.array()?;
        let start = self.reader.at();
        while self.reader.element(&mut first)? {
            any = true;
            let matcher = Matcher::read(&mut self.reader)?;
            if let Some(name) = matcher.unknown {
                return Err(unknown(name));
            }
            if matcher.name.is_none() || matcher.value.is_none() {
                return Err(JsonProblem::Missing.into());
            }
            if matcher.is_about(label) {
                if !matcher.holds(label, &|value| value == tenant.as_str())? {
                    return Err(Refusal::ForeignMatcher { label: label.to_owned() }.into());
                }
                has_own = true;
            }
        }
        if !any {
            return Err(Refusal::NoMatchers.into());
        }
        if !has_own {
            let (label, tenant) = (quoted(label), quoted(tenant.as_str()));
            let matcher = format!(r#"{{"name":{label},"value":{tenant},"isRegex":false,"isEqual":true}},"#);
            self.splices.push(Splice::insert(start, matcher));
        }
        Ok(())
    }

    fn alerts(&mut self) -> Result<(), Problem> {
        let mut first = true;
        self.reader.array()?;
        while self.reader.element(&mut first)? {
            let mut seen = 0;
            let mut first = true;
            self.reader.object()?;
            while let Some(name) = self.reader.name(&mut first)? {
                match known(name, ALERT, &mut seen)? {
                    "labels" => self.labels()?,
                    _ => {
                        self.reader.skip()?;
                    }
                }
            }
            if seen & 1 == 0 {
                return Err(JsonProblem::Missing.into());
            }
        }
        Ok(())
    }

    fn labels(&mut self) -> Result<(), Problem> {
        let Self { label, tenant, .. } = *self;
        let mut has_it = false;
        let mut first = true;
        self.reader.object()?;
        let start = self.reader.at();
        while let Some(name) = self.reader.name(&mut first)? {
            let value = self.reader.string()?;
            if !is(name, label) {
                continue;
            }
            if has_it {
                return Err(JsonProblem::Repeated.into());
            }
            has_it = true;
            let said = text(value)?;
            if said.is_empty() {
                // To the Alertmanager that is no label.
                let (start, end) = (value.at(), self.reader.at());
                self.splices.push(Splice { start, end, text: quoted(tenant.as_str()).into() });
            } else if said != tenant.as_str() {
                return Err(Refusal::ForeignLabel { label: label.to_owned() }.into());
            }
        }
        if first {
            // The Alertmanager refuses an alert without labels, and would not with ours.
            return Err(JsonProblem::Missing.into());
        }
        if !has_it {
            let text = format!("{}:{},", quoted(label), quoted(tenant.as_str()));
            self.splices.push(Splice::insert(start, text));
        }
        Ok(())
    }
}

/// Which of the known members this is; each stands at most once.
fn known(name: JsonText<'_>, members: &[&'static str], seen: &mut u32) -> Result<&'static str, Problem> {
    let mut bit = 1_u32;
    for member in members {
        if is(name, member) {
            if *seen & bit != 0 {
                return Err(JsonProblem::Repeated.into());
            }
            *seen |= bit;
            return Ok(member);
        }
        bit <<= 1;
    }
    Err(unknown(name))
}

fn unknown(name: JsonText<'_>) -> Problem {
    Refusal::UnknownMember { name: name.decode().unwrap_or_default().into_owned() }.into()
}

/// A string of JSON that says this.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
