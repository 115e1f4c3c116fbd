//! A body with some of its ranges replaced, and every other byte as it came.

use std::borrow::Cow;

/// A range of a body, and what stands there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Splice {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) text: Cow<'static, str>,
}

impl Splice {
    /// Leaves the range out.
    pub(super) fn cut(start: usize, end: usize) -> Self {
        Self { start, end, text: Cow::Borrowed("") }
    }

    /// Puts a text in between.
    pub(super) fn insert(at: usize, text: String) -> Self {
        Self { start: at, end: at, text: Cow::Owned(text) }
    }
}

/// The body with these splices, which are in order and do not overlap.
pub(super) fn apply(body: &[u8], splices: &[Splice]) -> Vec<u8> {
    let more = splices.iter().map(|splice| splice.text.len()).fold(0, usize::saturating_add);
    let mut out = Vec::with_capacity(body.len().saturating_add(more));
    let mut at = 0;
    for splice in splices {
        out.extend_from_slice(body.get(at..splice.start).unwrap_or_default());
        out.extend_from_slice(splice.text.as_bytes());
        at = splice.end;
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out
}
