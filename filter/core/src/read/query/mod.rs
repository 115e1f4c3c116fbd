//! Queries as text: matchers put into every selector of PromQL, MetricsQL and LogQL, for backends that keep tenants
//! apart by nothing else.
//!
//! Only the bytes of the matchers are added; everything else, comments and spacing too, stays as it came. The user's own
//! matchers stay beside ours, so results(rewritten) ⊆ results(query) ∩ tenant, and rewriting again changes no result.
//!
//! A language is a lexer, which cuts the text exactly where the backend does, and a walk over its tokens. The walk knows
//! no precedence and no types, since neither says what a selector is; what it lets through beyond the backend's grammar
//! the backend refuses. The other way round nothing may slip: a word is a selector, and gets the matchers, unless the
//! grammar says that it cannot be one; a call must be of a known function; what is not understood is refused at its
//! position. There is no recursion: open brackets are on a stack of bounded height.

mod logql;
pub mod logsql;
mod matcher;
mod metricsql;
mod names;
mod number;
mod problem;
mod promql;
mod quoted;
mod walk;

#[cfg(test)]
mod tests;

use core::ops::Range;

pub use self::matcher::{Matcher, MatcherProblem, Op, expression_like};
use self::problem::Refused;
pub use self::problem::{Problem, QueryError};
use self::walk::Walk;

/// A query language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// As of Prometheus 3.14; also what older ones, Thanos, Promxy, Cortex and Mimir read.
    PromQl,
    /// As of VictoriaMetrics' `metricsql` 0.87.
    MetricsQl,
    /// As of Loki 3.8.
    LogQl,
}

/// What a query may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Syntax and functions that the backend knows only when told so by a flag. Without it they are refused, since a
    /// backend may read them in another way or not at all.
    pub experimental: bool,
    /// The longest query, in bytes.
    pub max_bytes: usize,
    /// The longest rewritten query, in bytes.
    pub max_rewritten_bytes: usize,
    /// The highest number of brackets open at once.
    pub max_depth: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { experimental: false, max_bytes: 65_536, max_rewritten_bytes: 262_144, max_depth: 100 }
    }
}

/// A query with the matchers in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The whole query.
    pub text: String,
    /// Where in it something was put in, in order; the query without these ranges is the one that came.
    pub inserted: Vec<Range<usize>>,
}

/// Puts the matchers into every selector of a whole query.
pub fn rewrite(
    language: Language,
    text: &str,
    matchers: &[Matcher],
    options: &Options,
) -> Result<Rewritten, QueryError> {
    let walk = match language {
        Language::PromQl => promql::query,
        Language::MetricsQl => metricsql::query,
        Language::LogQl => logql::query,
    };
    walked(language, walk, text, matchers, options)
}

/// Puts the matchers into a selector that stands alone, as `match[]` has it. Anything more is refused.
pub fn rewrite_selector(
    language: Language,
    text: &str,
    matchers: &[Matcher],
    options: &Options,
) -> Result<Rewritten, QueryError> {
    let walk = match language {
        Language::PromQl => promql::selector,
        Language::MetricsQl => metricsql::selector,
        Language::LogQl => logql::selector,
    };
    walked(language, walk, text, matchers, options)
}

fn walked(
    language: Language,
    through: fn(&mut Walk<'_>) -> Result<(), Refused>,
    text: &str,
    matchers: &[Matcher],
    options: &Options,
) -> Result<Rewritten, QueryError> {
    let lexer: walk::Lexer = match language {
        Language::PromQl => promql::lex,
        Language::MetricsQl => metricsql::lex,
        Language::LogQl => logql::lex,
    };
    let walked = || {
        let mut walk = Walk::new(text, options, lexer)?;
        through(&mut walk)?;
        walk.finish(matchers)
    };
    walked().map_err(|refused: Refused| *refused)
}
