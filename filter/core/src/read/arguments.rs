//! The arguments of a read, in its URL and in a form: what a client may not say goes, selectors are narrowed.
//!
//! Every copy of an argument is treated, since backends differ in which of them they take.

use super::query::{self, Language, Matcher, Options};
use crate::http::{add_argument, arguments, encode};
use crate::operation::Reach;
use crate::report::Refusal;

/// Arguments by which a client could say what its data are labelled with, or which of them it sees.
pub const TENANCY_ARGUMENTS: &[&str] =
    &["extra_label", "extra_filters", "extra_filters[]", "extra_fields", "extra_stream_filters"];

/// How the arguments of a read are changed.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) reach: Reach,
    /// The language of its selectors, and the matchers that go into each; `None` leaves them as they are.
    pub(super) text: Option<(Language, Vec<Matcher>)>,
    /// Whether `query` is in `LogsQL` and may have nothing that looks past the filters which are added.
    pub(super) is_logsql: bool,
    /// The matchers of a selector that is added where one is missing.
    pub(super) absent: Option<Vec<Matcher>>,
    /// What is added to the URL.
    pub(super) added: Vec<(&'static str, String)>,
    pub(super) options: Options,
}

/// A query or a form, read and rewritten.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// What it is now; `None` where it stays as it is.
    pub(super) text: Option<String>,
    /// Whether it has the selector without which everything would be read.
    pub(super) selects: bool,
}

impl Arguments {
    /// Only what a client may not say goes.
    pub(super) fn plain(reach: Reach) -> Self {
        Self {
            reach,
            text: None,
            is_logsql: false,
            absent: None,
            added: Vec::new(),
            options: Options::default(),
        }
    }

    /// Rewrites the arguments of a query (without its `?`) or a form. The error says what the text has, or which
    /// argument cannot be narrowed.
    pub(super) fn rewrite(
        &self,
        text: &str,
        limit: u32,
        refuse: fn(&'static str) -> Refusal,
    ) -> Result<Outcome, Refusal> {
        let mut out = String::new();
        let mut is_first = true;
        let mut outcome = Outcome::default();
        let mut is_changed = false;
        for argument in arguments(text) {
            let argument = argument.map_err(refuse)?;
            if argument.name.contains(&0) || argument.value.contains(&0) {
                return Err(refuse("an escaped NUL among its arguments"));
            }
            if TENANCY_ARGUMENTS.iter().any(|known| known.as_bytes() == argument.name) {
                is_changed = true;
                continue;
            }
            if self.is_logsql && argument.name == b"query" {
                let text = plain_text(&argument.value, refuse)?;
                query::logsql::check(text)
                    .map_err(|error| Refusal::Query { argument: "query", error: error.to_string() })?;
            }
            let narrowed = match &self.text {
                Some((language, matchers)) => {
                    self.narrow(*language, matchers, &argument.name, &argument.value, refuse)?
                }
                None => None,
            };
            outcome.selects |= self.is_selector(&argument.name) && !argument.value.is_empty();
            if !is_first {
                out.push('&');
            }
            is_first = false;
            if let Some(narrowed) = narrowed {
                is_changed = true;
                let name = argument.raw.split_once('=').map_or(argument.raw, |(name, _)| name);
                out.push_str(name);
                out.push('=');
                encode(&mut out, narrowed.as_bytes());
            } else {
                out.push_str(argument.raw);
            }
            if out.len() > limit as usize {
                return Err(Refusal::NarrowedTooLarge { limit });
            }
        }
        outcome.text = is_changed.then_some(out);
        Ok(outcome)
    }

    /// Whether the backend takes this argument for the selector without which it would read everything.
    fn is_selector(&self, name: &[u8]) -> bool {
        match self.reach {
            Reach::Selectors => name == b"match[]",
            Reach::QuerySelector => name == b"query",
            _ => false,
        }
    }

    /// The value of an argument with the matchers in it; `None` where it selects nothing.
    fn narrow(
        &self,
        language: Language,
        matchers: &[Matcher],
        name: &[u8],
        value: &[u8],
        refuse: fn(&'static str) -> Refusal,
    ) -> Result<Option<String>, Refusal> {
        let argument = match name {
            b"query" => "query",
            b"match[]" => "match[]",
            b"match" => "match",
            _ => return Ok(None),
        };
        // Loki takes it for none there, and one is added.
        if argument == "query" && value.is_empty() && self.reach == Reach::QuerySelector {
            return Ok(None);
        }
        let text = plain_text(value, refuse)?;
        let rewritten = if argument == "query" {
            query::rewrite(language, text, matchers, &self.options)
        } else {
            query::rewrite_selector(language, text, matchers, &self.options)
        };
        rewritten
            .map(|rewritten| Some(rewritten.text))
            .map_err(|error| Refusal::Query { argument, error: error.to_string() })
    }

    /// Adds to the path what neither its query nor a form has. Says whether it changed.
    pub(super) fn complete(&self, path: &mut String, selects: bool) -> Result<bool, Refusal> {
        let before = path.len();
        if !selects && let Some(matchers) = &self.absent {
            let argument = match self.reach {
                Reach::Selectors => "match[]",
                Reach::QuerySelector => "query",
                _ => "",
            };
            if !argument.is_empty() {
                add_argument(path, argument, selector(matchers)?.as_bytes());
            }
        }
        for (name, value) in &self.added {
            add_argument(path, name, value.as_bytes());
        }
        Ok(path.len() != before)
    }
}

fn plain_text(value: &[u8], refuse: fn(&'static str) -> Refusal) -> Result<&str, Refusal> {
    core::str::from_utf8(value).map_err(|_| refuse("a text that is not UTF-8 among its arguments"))
}

/// A selector of just these matchers, which reads the same in every language.
pub(super) fn selector(matchers: &[Matcher]) -> Result<String, Refusal> {
    query::rewrite_selector(Language::PromQl, "{}", matchers, &Options::default())
        .map(|rewritten| rewritten.text)
        .map_err(|_| Refusal::NotNarrowed)
}
