//! Why a query is not sent on, and where in it.

use core::fmt;

/// The longest piece of the query that is shown again.
const SHOWN: usize = 40;

/// A query that is refused, with the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// Offset in bytes from the beginning of the query.
    pub at: usize,
    /// The line, from 1.
    pub line: usize,
    /// The character in its line, from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// A query error on its way out: it is seldom there, and its place is small when it is not.
pub(super) type Refused = Box<QueryError>;

/// What is wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is nothing to put in, so nothing would be kept apart.
    NoMatchers,
    /// More bytes than are looked at.
    TooLong {
        /// The highest number of bytes.
        limit: usize,
    },
    /// More bytes after the matchers were put in than are sent on.
    Outgrown {
        /// The highest number of bytes.
        limit: usize,
    },
    /// More open brackets than are followed.
    TooDeep {
        /// The highest number of brackets open at once.
        limit: usize,
    },
    /// A character that stands nowhere in the language, or not here.
    Character(char),
    /// A string without its closing quote, or a comment without its end.
    Unterminated,
    /// A string with an escape that the language does not have.
    Escape,
    /// A comment that ends at a carriage return for some backends and goes on for others.
    CommentEnd,
    /// Something that begins like a number and is none.
    Number(String),
    /// A token at a place where the grammar has others.
    Unexpected {
        /// The token; empty at the end of the query.
        found: String,
        /// What could stand here.
        expected: &'static str,
    },
    /// A call of a function that the language does not have.
    Function(String),
    /// What only a backend with a feature flag understands.
    Experimental(String),
    /// A filter of MetricsQL that only a `WITH` template could be, and none is.
    Template,
    /// A `WITH` template where labels are named.
    LabelTemplate,
    /// The pipe `stream_context` of `LogsQL`, which no filter narrows.
    StreamContext,
    /// `info()` without a second argument that names a label.
    Info,
}

impl QueryError {
    /// A problem at a byte of the query.
    pub(super) fn new(text: &str, at: usize, problem: Problem) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
        let last = before.rsplit('\n').next().unwrap_or(before);
        Self { at, line, column: last.chars().count().saturating_add(1), problem }
    }
}

/// A piece of a query, cut to what is shown.
pub(super) fn shown(piece: &str) -> String {
    piece.chars().take(SHOWN).collect()
}

impl core::error::Error for QueryError {}

impl fmt::Display for QueryError {
    /// As Prometheus writes it, with line and column.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: parse error: {}", self.line, self.column, self.problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMatchers => f.write_str("there is no matcher to put into the query"),
            Self::TooLong { limit } => write!(f, "the query has more than {limit} bytes"),
            Self::Outgrown { limit } => {
                write!(f, "the query has more than {limit} bytes with the tenant's matchers in it")
            }
            Self::TooDeep { limit } => write!(f, "more than {limit} brackets are open at once"),
            Self::Character(character) => write!(f, "unexpected character {character:?}"),
            Self::Unterminated => f.write_str("a string or comment without its end"),
            Self::Escape => f.write_str("an escape that strings do not have"),
            Self::CommentEnd => {
                f.write_str("a carriage return within a comment: end the line with a newline")
            }
            Self::Number(found) => write!(f, "{found:?} is no number or duration"),
            Self::Unexpected { found, expected } if found.is_empty() => {
                write!(f, "unexpected end, expected {expected}")
            }
            Self::Unexpected { found, expected } => write!(f, "unexpected {found:?}, expected {expected}"),
            Self::Function(name) => write!(f, "unknown function {name:?}"),
            Self::Experimental(what) => {
                write!(f, "{what:?} is experimental and not switched on for this backend")
            }
            Self::Template => f.write_str("no WITH template of this name is defined here"),
            Self::LabelTemplate => {
                f.write_str("labels by a WITH template are not followed here: write them out")
            }
            Self::StreamContext => f.write_str(
                "stream_context would show the lines of other tenants: ask for them by time and by fields",
            ),
            Self::Info => f.write_str(
                "info() is followed only with a second argument that names a label, such as {version=~\".+\"}",
            ),
        }
    }
}
