//! LogQL.
use super::walk::{Token, Walk};
use super::{Problem, QueryError};
pub(super) fn query(walk: &mut Walk<'_>) -> Result<(), QueryError> {
    Err(walk.unexpected("nothing"))
}
pub(super) fn selector(walk: &mut Walk<'_>) -> Result<(), QueryError> {
    Err(walk.unexpected("nothing"))
}
pub(super) fn lex(text: &str, from: usize, b: bool) -> Result<Token, (usize, Problem)> {
    super::promql::lex(text, from, b)
}
