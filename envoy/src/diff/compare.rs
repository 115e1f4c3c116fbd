//! What became of a request in both configurations, and what of it is another.

use std::collections::BTreeSet;

use scopegate_core::policy::Policy;
use serde_json::Value;

use super::Question;
use crate::explain::drive::{Explanation, Upstream};
use crate::testing::{body, expect};

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) caller: Option<String>,
    /// The tenants that it goes to or reads from.
    pub(super) tenants: BTreeSet<String>,
    /// The reason and the status of a refusal.
    pub(super) refused: Option<(String, u16)>,
    /// That it reaches more than the tenants that it is for: whatever it names, where it is only observed; or all that
    /// there is, where nothing is narrowed.
    pub(super) boundless: Option<&'static str>,
    /// What upstreams get, in words: the name of each thing and what it is.
    sent: Vec<(String, String)>,
    /// The caller's rights, likewise.
    rights: Vec<(String, String)>,
}

/// What of a request is another.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) who: String,
    pub(super) what: String,
    pub(super) old: Answer,
    pub(super) new: Answer,
    /// What of the same tenants' requests is another.
    pub(super) sent: Vec<Differing>,
}

/// The name of something, and both of its values; empty for what is not there.
pub(super) type Differing = (String, String, String);

impl Answer {
    pub(super) fn new(policy: &Policy, explained: &Explanation) -> Self {
        let decided = &explained.decided;
        let facts = explained.who.facts.as_ref().ok();
        let backend = policy.backends.iter().find(|backend| Some(&backend.name) == decided.backend.as_ref());
        let is_unfiltered = facts.and_then(|facts| facts.get("unfiltered")) == Some(&Value::Bool(true))
            && decided.class.as_deref() == Some("read")
            && backend.is_some_and(|backend| backend.isolate.label().is_some());
        let boundless = if decided.decision.starts_with("observed") {
            Some("whatever it names")
        } else if is_unfiltered && decided.decision == "forwarded" {
            Some("every tenant")
        } else {
            None
        };
        let refused = expect::refusal(explained).map(|(reason, status, _)| (reason, status));
        let is_whole =
            refused.as_ref().is_some_and(|_| explained.upstream.iter().all(|one| one.call.is_none()));
        let tenants = if is_whole || boundless.is_some() {
            BTreeSet::new()
        } else {
            expect::tenants(explained).into_iter().collect()
        };
        Self {
            caller: expect::caller(explained).map(str::to_owned),
            tenants,
            refused,
            boundless,
            sent: explained.upstream.iter().flat_map(sent).collect(),
            rights: rights(explained),
        }
    }

    /// Whether anything of it goes on.
    pub(super) fn is_allowed(&self) -> bool {
        self.boundless.is_some() || self.refused.is_none() || !self.tenants.is_empty()
    }
}

/// What differs, where anything does.
pub(super) fn compare(question: &Question, old: &Answer, new: &Answer) -> Option<Change> {
    let told = |answer: &Answer| {
        (answer.caller.clone(), answer.tenants.clone(), answer.refused.clone(), answer.boundless)
    };
    // What is sent to other tenants is another request anyway.
    let same = old.tenants == new.tenants && old.is_allowed() && new.is_allowed();
    let sent = if same { differing(&old.sent, &new.sent) } else { Vec::new() };
    let change = || Change {
        who: question.who.clone(),
        what: question.what.clone(),
        sent: sent.clone(),
        old: old.clone(),
        new: new.clone(),
    };
    (told(old) != told(new) || !sent.is_empty()).then(change)
}

/// Which rights of a caller are others. Somebody who was nobody has all of them anew, which is told of its requests.
pub(super) fn compare_rights(old: &Answer, new: &Answer) -> Vec<Differing> {
    if old.caller.is_none() || new.caller.is_none() {
        return Vec::new();
    }
    differing(&old.rights, &new.rights)
}

/// The things whose values differ.
fn differing(old: &[(String, String)], new: &[(String, String)]) -> Vec<Differing> {
    let value = |all: &[(String, String)], name: &str| {
        let values: Vec<&str> =
            all.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
        values.join(", ")
    };
    let names: BTreeSet<&String> = old.iter().chain(new).map(|(name, _)| name).collect();
    let both = names.into_iter().map(|name| (name.clone(), value(old, name), value(new, name)));
    both.filter(|(_, old, new)| old != new).collect()
}

/// A request that an upstream gets: its URL, what the filter did to its head, and its series.
fn sent(upstream: &Upstream) -> Vec<(String, String)> {
    let to = upstream.call.as_ref().map_or_else(String::new, |(_, tenant)| format!(" for {tenant}"));
    let mut out = vec![(format!("request{to}"), format!("{} {}", upstream.method, upstream.path))];
    if let Some((cluster, _)) = &upstream.call {
        out.push((format!("cluster{to}"), cluster.clone()));
    }
    let told = upstream.set.iter().filter(|(name, _)| name != "content-length");
    out.extend(told.map(|(name, value)| (format!("header {name}{to}"), value.clone())));
    let mut removed: Vec<&str> = upstream.removed.iter().map(String::as_str).collect();
    removed.sort_unstable();
    out.push((format!("headers taken off{to}"), removed.join(", ")));
    let content_type = upstream.head.iter().find(|(name, _)| name == "content-type");
    let content_type = content_type.map_or("", |(_, value)| value.as_str());
    if let Some((series, _)) = body::read(content_type, &upstream.body) {
        out.extend(series.iter().map(|labels| (format!("series{to}"), body::text(labels))));
    } else if let Ok(text) = core::str::from_utf8(&upstream.body)
        && !text.is_empty()
    {
        out.push((format!("body{to}"), text.to_owned()));
    }
    out
}

/// What the caller may do, as the page `whoami` tells it.
fn rights(explained: &Explanation) -> Vec<(String, String)> {
    let Ok(Value::Object(facts)) = &explained.who.facts else { return Vec::new() };
    let told = [
        ("tenants", "tenants"),
        ("may_name", "may name"),
        ("may", "may"),
        ("on_behalf_of", "may write for"),
        ("impersonate", "may impersonate"),
        ("unfiltered", "reads unfiltered"),
        ("enforced", "enforced"),
    ];
    let words = |fact: &Value| match fact {
        Value::Null | Value::Bool(false) => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Array(items) => {
            let mut items: Vec<String> =
                items.iter().map(|item| item.as_str().unwrap_or_default().to_owned()).collect();
            items.sort_unstable();
            items.join(", ")
        }
        other => other.to_string(),
    };
    told.into_iter()
        .filter_map(|(name, title)| Some((title.to_owned(), words(facts.get(name)?))))
        .filter(|(_, words)| !words.is_empty())
        .collect()
}
