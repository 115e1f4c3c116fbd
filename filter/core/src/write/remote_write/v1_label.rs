//! Labels of remote write 1.0, read as the backends' decoders do. Plain ones are [`PlainLabels`](crate::wire::PlainLabels).

use super::super::plan::SplitPlan;
use crate::wire::{Fields, Malformed, Wanted};

/// What a plan looks for.
pub(super) fn wanted(plan: &SplitPlan) -> Wanted {
    let names = plan.labels.iter().map(|label| label.name.as_slice());
    let names = names.chain(plan.forbidden.iter().map(Vec::as_slice));
    // The metric's name, where it is learnt.
    Wanted::of(names.chain(plan.following().map(|_| &b"__name__"[..])))
}

/// Where `rest`, which is the end of `whole`, begins in it.
#[inline]
pub(super) fn offset_in(whole: &[u8], rest: &[u8]) -> usize {
    whole.len().saturating_sub(rest.len())
}

/// `TimeSeries.labels`.
pub(super) const LABELS: u32 = 1;

/// Name and value of any label, as the backends' decoders read it: fields in any order, the last of several wins.
pub(super) fn label(message: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            1 => name = field.value.bytes()?,
            2 => value = field.value.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// All labels of a series.
pub(super) fn labels(content: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), Malformed>> {
    Fields::new(content).filter_map(|field| match field {
        Ok(field) if field.number == LABELS => Some(field.value.bytes().and_then(label)),
        Ok(_) => None,
        Err(problem) => Some(Err(problem)),
    })
}

pub(super) fn labels_are_text(content: &[u8]) -> Result<bool, Malformed> {
    for label in labels(content) {
        let (name, value) = label?;
        if core::str::from_utf8(name).is_err() || core::str::from_utf8(value).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}
