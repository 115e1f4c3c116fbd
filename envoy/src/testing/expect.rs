//! What became of a request, compared with what must.

use scopegate_core::config::OneOrMany;
use scopegate_core::http::{arguments, split_query};
use serde_json::Value;

use super::body;
use super::file::{Expect, RefusedCase, SeriesCase, UpstreamCase};
use crate::explain::drive::{Explanation, Upstream};

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// Its path below `expect`.
    pub(crate) path: String,
    /// What it is about, in words.
    pub(crate) what: String,
    /// What must be, and what is; several lines where it is a list.
    pub(crate) expected: Vec<String>,
    pub(crate) got: Vec<String>,
}

/// The caller's name.
pub(crate) fn caller(explained: &Explanation) -> Option<&str> {
    explained.who.facts.as_ref().ok()?.get("caller")?.as_str()
}

/// The tenants that a request goes to or reads from, all of them, in order.
pub(crate) fn tenants(explained: &Explanation) -> Vec<String> {
    let decided = &explained.decided.tenants;
    let mut all: Vec<String> = explained.upstream.iter().flat_map(told).collect();
    // Where they stand in a query or in a path, what was decided says which; of many it names the first.
    if all.len() < decided.len() {
        let is_cut = decided.last().is_some_and(|last| last.starts_with('+'));
        let own = explained.who.facts.as_ref().ok().and_then(|facts| facts.get("tenants")?.as_array());
        all = match own {
            Some(own) if is_cut => own.iter().filter_map(|own| own.as_str().map(str::to_owned)).collect(),
            _ => decided.clone(),
        };
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The tenants that an upstream is told.
fn told(upstream: &Upstream) -> Vec<String> {
    if let Some((_, tenant)) = &upstream.call {
        return vec![tenant.clone()];
    }
    let header = upstream.set.iter().find(|(name, _)| name == "x-scope-orgid");
    header.map_or_else(Vec::new, |(_, tenants)| tenants.split('|').map(str::to_owned).collect())
}

/// Why a request is refused: the reason, the status and the words.
pub(crate) fn refusal(explained: &Explanation) -> Option<(String, u16, String)> {
    let reply = explained.reply.as_ref().filter(|reply| reply.status >= 400)?;
    // Of a write that was taken but for some series nothing else is decided.
    let reason = explained.decided.reason.clone().unwrap_or_else(|| "series_rejected".to_owned());
    let words = String::from_utf8_lossy(&reply.body).trim().to_owned();
    Some((reason, reply.status, words))
}

/// Everything that is not as expected.
pub(crate) fn compare(expect: &Expect, explained: &Explanation) -> Vec<Mismatch> {
    let mut all = Mismatches(Vec::new());
    let Expect {
        caller: caller_expected,
        backend,
        class,
        decision,
        tenants: tenants_expected,
        query,
        arguments,
        path,
        headers,
        upstream,
        narrows_answer,
        refused,
        status,
        message,
    } = expect;
    let decided = &explained.decided;
    all.refused(refused.as_ref(), refusal(explained));
    if refused.is_none() && !all.0.is_empty() {
        // All else follows from it.
        return all.0;
    }
    all.word("caller", "another caller", caller_expected.as_deref(), caller(explained));
    all.word("backend", "another backend", backend.as_deref(), decided.backend.as_deref());
    all.word("class", "another class", class.as_deref(), decided.class.as_deref());
    all.word("decision", "another decision", decision.as_deref(), Some(&decided.decision));
    if let Some(OneOrMany(expected)) = tenants_expected {
        let expected = expected.iter().map(|tenant| tenant.0.clone()).collect();
        all.set("tenants", "other tenants", expected, tenants(explained));
    }
    let request = explained.upstream.iter().find(|upstream| upstream.call.is_none());
    let given = request.map(sent).unwrap_or_default();
    let values = |name: &str| -> Vec<String> {
        given.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    };
    if let Some(query) = query {
        all.list("query", "another query goes on", vec![query.0.clone()], values("query"));
    }
    for (name, OneOrMany(expected)) in arguments {
        let expected = expected.iter().map(|value| value.0.clone()).collect();
        all.list(&format!("arguments.{name}"), "another argument goes on", expected, values(name));
    }
    let path_of = |upstream: &Upstream| split_query(&upstream.path).0.to_owned();
    if let Some(path) = path {
        all.word("path", "another path goes on", Some(path), request.map(path_of).as_deref());
    }
    for (name, expected) in headers {
        let found = request.and_then(|request| {
            request.head.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        });
        let path = format!("headers.{name}");
        if expected.as_ref().map(|text| &text.0) != found {
            let or_none = |text: Option<&String>| text.map_or_else(|| "none".to_owned(), Clone::clone);
            let (expected, got) = (or_none(expected.as_ref().map(|text| &text.0)), or_none(found));
            all.add(&path, "another header goes on", vec![expected], vec![got]);
        }
    }
    if let Some(expected) = upstream {
        all.upstream(expected, &explained.upstream);
    }
    if let Some(expected) = narrows_answer.filter(|expected| *expected != explained.narrows_answer) {
        let got = explained.narrows_answer.to_string();
        all.add("narrows_answer", "the answer is narrowed, or is not", vec![expected.to_string()], vec![got]);
    }
    let reply = explained.reply.as_ref();
    if let Some(expected) = status {
        let got = reply.map_or_else(|| "no answer of its own".to_owned(), |reply| reply.status.to_string());
        all.word("status", "another status", Some(&expected.0.to_string()), Some(&got));
    }
    if let Some(expected) = message {
        let got = reply.map(|reply| String::from_utf8_lossy(&reply.body).trim().to_owned());
        all.words("message", expected, got.unwrap_or_default());
    }
    all.0
}

/// The arguments of URL and form as they go on.
fn sent(request: &Upstream) -> Vec<(String, String)> {
    let form = request.head.iter().any(|(name, value)| {
        name == "content-type" && value.starts_with("application/x-www-form-urlencoded")
    });
    let form = if form { String::from_utf8_lossy(&request.body).into_owned() } else { String::new() };
    let url = split_query(&request.path).1.trim_start_matches('?').to_owned();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    [url, form]
        .iter()
        .flat_map(|all| {
            arguments(all).flatten().map(|one| (text(one.name), text(one.value))).collect::<Vec<_>>()
        })
        .collect()
}

struct Mismatches(Vec<Mismatch>);

impl Mismatches {
    fn add(&mut self, path: &str, what: &str, expected: Vec<String>, got: Vec<String>) {
        self.0.push(Mismatch { path: path.to_owned(), what: what.to_owned(), expected, got });
    }

    fn word(&mut self, path: &str, what: &str, expected: Option<&str>, got: Option<&str>) {
        if let Some(expected) = expected.filter(|expected| Some(*expected) != got) {
            self.add(path, what, vec![expected.to_owned()], vec![got.unwrap_or("none").to_owned()]);
        }
    }

    /// Words that must stand in a text.
    fn words(&mut self, path: &str, expected: &str, got: String) {
        if !got.contains(expected) {
            self.add(path, "the answer has other words", vec![expected.to_owned()], vec![got]);
        }
    }

    fn list(&mut self, path: &str, what: &str, expected: Vec<String>, got: Vec<String>) {
        if expected != got {
            self.add(path, what, expected, got);
        }
    }

    /// Lists whose order says nothing.
    fn set(&mut self, path: &str, what: &str, mut expected: Vec<String>, mut got: Vec<String>) {
        expected.sort_unstable();
        got.sort_unstable();
        self.list(path, what, expected, got);
    }

    fn refused(&mut self, expected: Option<&RefusedCase>, got: Option<(String, u16, String)>) {
        let told = |(reason, status, words): &(String, u16, String)| format!("{reason} ({status}): {words}");
        match (expected, got) {
            (None, None) => {}
            (None, Some(got)) => {
                self.add("", "it is refused", vec!["not refused".to_owned()], vec![told(&got)]);
            }
            (Some(expected), None) => {
                let expected = expected.reason.as_ref().map_or("refused", |reason| &reason.0);
                self.add(
                    "refused",
                    "it is not refused",
                    vec![expected.to_owned()],
                    vec!["not refused".to_owned()],
                );
            }
            (Some(RefusedCase { reason, status, message }), Some((why, code, words))) => {
                // Both forms of writing it have their place.
                let is_bare = status.is_none() && message.is_none();
                let path = if is_bare { "refused" } else { "refused.reason" };
                if let Some(reason) = reason.as_ref().filter(|reason| reason.0 != why) {
                    let got = told(&(why, code, words.clone()));
                    self.add(path, "it is refused for another reason", vec![reason.0.clone()], vec![got]);
                }
                if let Some(status) = status.filter(|status| status.0 != u32::from(code)) {
                    let (expected, got) = (status.0.to_string(), code.to_string());
                    self.add(
                        "refused.status",
                        "it is refused with another status",
                        vec![expected],
                        vec![got],
                    );
                }
                if let Some(message) = message {
                    self.words("refused.message", message, words);
                }
            }
        }
    }

    fn upstream(&mut self, expected: &[UpstreamCase], got: &[Upstream]) {
        let mut left: Vec<&Upstream> = got.iter().collect();
        for (index, case) in expected.iter().enumerate() {
            let path = format!("upstream[{index}]");
            let fits = |upstream: &&Upstream| {
                case.tenant.as_ref().is_none_or(|tenant| told(upstream).join("|") == tenant.0)
                    && case.path.as_ref().is_none_or(|path| split_query(&upstream.path).0 == path.0)
            };
            let Some(at) = left.iter().position(fits) else {
                let wanted = case.tenant.as_ref().map_or("a request", |tenant| &tenant.0).to_owned();
                self.set(
                    &path,
                    "no such request goes upstream",
                    vec![wanted],
                    left.iter().copied().map(line).collect(),
                );
                continue;
            };
            self.one(&path, case, left.remove(at));
        }
        if !left.is_empty() && !self.0.iter().any(|one| one.what == "no such request goes upstream") {
            let got = left.iter().copied().map(line).collect();
            self.add("upstream", "more requests go upstream", vec!["no more".to_owned()], got);
        }
    }

    fn one(&mut self, path: &str, case: &UpstreamCase, got: &Upstream) {
        if let Some(cluster) = &case.cluster {
            let got = got.call.as_ref().map_or("the route's", |(cluster, _)| cluster);
            self.word(&format!("{path}.cluster"), "another cluster", Some(cluster), Some(got));
        }
        let content_type = got.head.iter().find(|(name, _)| name == "content-type");
        let content_type = content_type.map_or("", |(_, value)| value.as_str());
        let read = body::read(content_type, &got.body);
        if let Some(expected) = &case.samples {
            let count = read.as_ref().map(|(_, samples)| samples.to_string());
            let path = format!("{path}.samples");
            self.word(&path, "another number of samples", Some(&expected.0.to_string()), count.as_deref());
        }
        let path = format!("{path}.series");
        match (&case.series, read) {
            (None, _) => {}
            (Some(_), None) => {
                let got = vec!["a body that cannot be read here".to_owned()];
                self.add(&path, "nobody can tell the series", vec!["series".to_owned()], got);
            }
            (Some(SeriesCase::Count(expected)), Some((series, _))) => {
                if usize::try_from(expected.0).ok() != Some(series.len()) {
                    let got = series.iter().map(body::text).collect();
                    self.add(&path, "another number of series", vec![expected.0.to_string()], got);
                }
            }
            (Some(SeriesCase::These(expected)), Some((series, _))) => {
                // What cannot be read is not equal to anything.
                let canonical = |text: &str| {
                    body::labels(text).map_or_else(|_| text.to_owned(), |read| body::text(&read))
                };
                let expected = expected.iter().map(|text| canonical(text)).collect();
                self.set(&path, "other series", expected, series.iter().map(body::text).collect());
            }
        }
    }
}

/// A request that goes upstream, in a line.
fn line(upstream: &Upstream) -> String {
    let tenants = told(upstream);
    if tenants.is_empty() { format!("{} {}", upstream.method, upstream.path) } else { tenants.join("|") }
}

/// What became of a request, in a line.
pub(crate) fn brief(explained: &Explanation) -> String {
    let caller = caller(explained).unwrap_or("nobody");
    if let Some((reason, status, words)) = refusal(explained) {
        return format!("{caller} is refused, {status} {reason}: {words}");
    }
    let decided = &explained.decided;
    let class = decided.class.as_deref().map_or_else(String::new, |class| format!(" ({class})"));
    match tenants(explained).as_slice() {
        [] => format!("{caller}{class}: {}", decided.decision),
        tenants => format!("{caller}{class}: {} for {}", decided.decision, tenants.join(", ")),
    }
}

/// The same for tools.
pub(crate) fn outcome(explained: &Explanation) -> Value {
    let refused = refusal(explained);
    let refused = refused.map(|(reason, status, message)| {
        serde_json::json!({"reason": reason, "status": status, "message": message})
    });
    serde_json::json!({
        "caller": caller(explained),
        "backend": explained.decided.backend,
        "class": explained.decided.class,
        "decision": explained.decided.decision,
        "tenants": tenants(explained),
        "refused": refused,
    })
}
