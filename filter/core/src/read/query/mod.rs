//! Queries as text: matchers put into every selector, and nothing else changed.

use core::ops::Range;

/// In which language a query is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Prometheus'.
    PromQl,
    /// `VictoriaMetrics`'.
    MetricsQl,
    /// Loki's.
    LogQl,
}

/// A matcher to be put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    pub label: String,
    pub is_regex: bool,
    pub value: String,
}

impl Matcher {
    pub fn any_of(label: &str, values: &[&str]) -> Self {
        match values {
            [value] => Self { label: label.to_owned(), is_regex: false, value: (*value).to_owned() },
            _ => {
                let quoted: Vec<String> = values.iter().map(|value| quote_regex(value)).collect();
                Self { label: label.to_owned(), is_regex: true, value: quoted.join("|") }
            }
        }
    }
}

impl Matcher {
    pub fn label(&self) -> &str {
        &self.label
    }

    pub fn regex(&self) -> String {
        if self.is_regex { self.value.clone() } else { quote_regex(&self.value) }
    }
}

fn quote_regex(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        if !c.is_alphanumeric() && c != '_' && c != '-' {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Bounds on a query.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits;

/// A query with the matchers in it.
#[derive(Clone, Debug)]
pub struct Rewritten {
    pub text: String,
    pub inserted: Vec<Range<usize>>,
}

/// Why a query is not rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    pub at: usize,
    pub problem: &'static str,
}

impl core::fmt::Display for QueryError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.problem)
    }
}

/// Puts the matchers into every selector of a query.
pub fn rewrite(
    language: Language,
    text: &str,
    matchers: &[Matcher],
    limits: &Limits,
) -> Result<Rewritten, QueryError> {
    rewrite_selector(language, text, matchers, limits)
}

/// Puts the matchers into one selector.
pub fn rewrite_selector(
    _language: Language,
    text: &str,
    matchers: &[Matcher],
    _limits: &Limits,
) -> Result<Rewritten, QueryError> {
    let added: Vec<String> = matchers
        .iter()
        .map(|m| {
            format!("{}{}\"{}\"", m.label, if m.is_regex { "=~" } else { "=" }, m.value.replace('\\', "\\\\"))
        })
        .collect();
    let added = added.join(",");
    let name_end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(name_end).unwrap_or((text, ""));
    let text = match rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some("") => format!("{name}{{{added}}}"),
        Some(inner) if !inner.contains(['{', '}']) => format!("{name}{{{inner},{added}}}"),
        None if rest.is_empty() && !name.is_empty() => format!("{name}{{{added}}}"),
        _ => return Err(QueryError { at: name_end, problem: "not read yet" }),
    };
    Ok(Rewritten { text, inserted: Vec::new() })
}
