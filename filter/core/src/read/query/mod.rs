//! Queries as text: matchers put into every selector. Only single selectors are read until the languages are here.

use core::fmt;
use core::ops::Range;

/// A query language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Prometheus'.
    PromQl,
    /// That of `VictoriaMetrics`.
    MetricsQl,
    /// Loki's.
    LogQl,
}

/// A matcher to be put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    label: String,
    op: Op,
    value: String,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Equal,
    /// `=~`, anchored at both ends.
    Regex,
}

/// Why this is no matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatcherProblem {
    /// There is no value.
    NoValue,
}

impl Matcher {
    /// The label has one of these values.
    pub fn any_of<'v>(
        label: &str,
        values: impl IntoIterator<Item = &'v str>,
    ) -> Result<Self, MatcherProblem> {
        let values: Vec<String> = values.into_iter().map(regex_lite::escape).collect();
        let (op, value) = match values.as_slice() {
            [] => return Err(MatcherProblem::NoValue),
            [value] => (Op::Equal, value.replace('\\', "")),
            _ => (Op::Regex, values.join("|")),
        };
        Ok(Self { label: label.to_owned(), op, value })
    }

    /// The label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How it is compared.
    pub fn op(&self) -> Op {
        self.op
    }

    /// The value or the expression, without any quotes.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// What a query may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Syntax and functions that the backend knows only when told so by a flag.
    pub experimental: bool,
}

/// A query with the matchers in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The whole query.
    pub text: String,
    /// Where in it something was put in.
    pub inserted: Vec<Range<usize>>,
}

/// A query that is refused, with the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// Offset in bytes from the beginning of the query.
    pub at: usize,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1:{}: parse error: not one selector", self.at.saturating_add(1))
    }
}

/// Puts the matchers into every selector of a whole query.
pub fn rewrite(
    language: Language,
    text: &str,
    matchers: &[Matcher],
    options: &Options,
) -> Result<Rewritten, QueryError> {
    rewrite_selector(language, text, matchers, options)
}

/// Puts the matchers into a selector that stands alone.
pub fn rewrite_selector(
    _language: Language,
    text: &str,
    matchers: &[Matcher],
    _options: &Options,
) -> Result<Rewritten, QueryError> {
    let quoted = |m: &Matcher| {
        let op = if m.op == Op::Regex { "=~" } else { "=" };
        format!("{}{op}\"{}\"", m.label, m.value.replace('\\', "\\\\"))
    };
    let added = matchers.iter().map(quoted).collect::<Vec<_>>().join(",");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let at = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    let text = match rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some("") => format!("{name}{{{added}}}"),
        Some(inner) if !inner.contains(['{', '}']) => format!("{name}{{{inner},{added}}}"),
        None if rest.is_empty() && !name.is_empty() => format!("{name}{{{added}}}"),
        _ => return Err(QueryError { at }),
    };
    Ok(Rewritten { text, inserted: Vec::new() })
}
