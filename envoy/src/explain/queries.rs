//! Which arguments of a URL or a form a read has after it was narrowed, and what was put into them.

use std::ops::Range;

use scopegate_core::exchange::Changes;
use scopegate_core::http::{arguments, split_query};
use scopegate_core::policy::Policy;
use scopegate_core::read::TENANCY_ARGUMENTS;
use scopegate_core::read::query::{Language, Matcher, Options, rewrite, rewrite_selector};

use super::drive::Decided;
use super::request::Request;

/// An argument that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argument {
    /// `url` or `form`.
    pub(crate) place: &'static str,
    pub(crate) name: String,
    /// What came; `None` where the filter has added it.
    pub(crate) before: Option<String>,
    /// What goes on; `None` where the filter has taken it off.
    pub(crate) after: Option<String>,
    /// The bytes of it that were put in.
    pub(crate) inserted: Vec<Range<usize>>,
}

/// The arguments that these changes change. `own` are the caller's own tenants.
pub(crate) fn changed(
    policy: &Policy,
    decided: &Decided,
    own: &[String],
    request: &Request,
    changes: &Changes,
) -> Vec<Argument> {
    let backend = policy.backends.iter().find(|backend| Some(&backend.name) == decided.backend.as_ref());
    let label = backend.and_then(|backend| backend.isolate.label());
    let matchers = matchers(label.unwrap_or_default(), decided, own, &request.text("x-scope-orgid"));
    let mut all = Vec::new();
    if let Some((_, path)) = changes.headers.set.iter().find(|(name, _)| name == ":path") {
        let before = request.text(":path");
        all.extend(compared("url", query(&before), query(path), &matchers));
    }
    let is_form = request.text("content-type").starts_with("application/x-www-form-urlencoded");
    if let (true, Some(body)) = (is_form, &changes.body)
        && let (Ok(before), Ok(after)) = (core::str::from_utf8(&request.body), core::str::from_utf8(body))
    {
        all.extend(compared("form", before, after, &matchers));
    }
    all
}

/// What may have been put in. Of many tenants what was decided names the first few only; they are the caller's own, or
/// those that it chose. Which it was shows in what goes on.
fn matchers(label: &str, decided: &Decided, own: &[String], choice: &str) -> Vec<Matcher> {
    let mut chosen: Vec<String> = choice.split('|').map(str::to_owned).collect();
    chosen.sort_unstable();
    chosen.dedup();
    let sets = [decided.tenants.as_slice(), own, &chosen];
    sets.into_iter().filter_map(|set| Matcher::any_of(label, set.iter().map(String::as_str)).ok()).collect()
}

fn query(path: &str) -> &str {
    split_query(path).1.trim_start_matches('?')
}

/// The order of arguments stays: what is narrowed stands where it stood, and what is added comes last.
fn compared(place: &'static str, before: &str, after: &str, matchers: &[Matcher]) -> Vec<Argument> {
    let mut new = read(after).into_iter().peekable();
    let mut all = Vec::new();
    for (name, before) in read(before) {
        // A copy of the client's never goes on; one of the same name that does is ours, and comes last.
        let stays = !TENANCY_ARGUMENTS.contains(&name.as_str());
        let after = new.next_if(|(known, _)| stays && *known == name).map(|(_, value)| value);
        if after.as_ref() != Some(&before) {
            let inserted = after.as_ref().map_or_else(Vec::new, |after| inserted(&before, after, matchers));
            all.push(Argument { place, name, before: Some(before), after, inserted });
        }
    }
    all.extend(new.map(|(name, after)| {
        let inserted = Vec::from([Range { start: 0, end: after.len() }]);
        Argument { place, name, before: None, after: Some(after), inserted }
    }));
    all
}

fn read(text: &str) -> Vec<(String, String)> {
    let text_of = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    arguments(text).flatten().map(|argument| (text_of(argument.name), text_of(argument.value))).collect()
}

/// What was put in: as the rewriting tells, where it makes the very text that goes on; else unknown.
fn inserted(before: &str, after: &str, matchers: &[Matcher]) -> Vec<Range<usize>> {
    let options = Options { experimental: true, ..Options::default() };
    for matcher in matchers {
        for language in [Language::PromQl, Language::MetricsQl, Language::LogQl] {
            for by in [rewrite, rewrite_selector] {
                let made = by(language, before, core::slice::from_ref(matcher), &options);
                if let Ok(made) = made.as_ref()
                    && made.text == after
                {
                    return made.inserted.clone();
                }
            }
        }
    }
    Vec::new()
}
