//! Labels of remote write 1.0: read quickly where they are plain, and as the backends' decoders do where they are not.

use super::super::plan::SplitPlan;
use crate::wire::{Fields, Malformed};

/// The names a plan looks for, as sets of their lengths and of their first bytes: nearly all other labels are told
/// apart by these alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    lengths: u64,
    firsts: u64,
}

impl Wanted {
    pub(super) fn of(plan: &SplitPlan) -> Self {
        let names = plan.labels.iter().map(|label| label.name.as_slice());
        let names = names.chain(plan.forbidden.iter().map(Vec::as_slice));
        // The metric's name, where it is learnt.
        let names = names.chain(plan.following().map(|_| &b"__name__"[..]));
        names.fold(Self { lengths: 0, firsts: 0 }, |Self { lengths, firsts }, name| Self {
            lengths: lengths | bit(name.len()),
            firsts: firsts | bit(first(name)),
        })
    }

    #[inline]
    pub(super) fn may_hold(self, label: &Plain<'_>) -> bool {
        self.lengths & bit(label.name_len) != 0 && self.firsts & bit(first(label.name())) != 0
    }
}

/// All numbers from 63 on share the last bit.
#[inline]
fn bit(number: usize) -> u64 {
    1 << number.min(63)
}

/// The first byte of a name in a form of which [`bit`] tells the letters apart.
#[inline]
fn first(name: &[u8]) -> usize {
    usize::from(name.first().copied().unwrap_or_default() & 0x3f)
}

/// Where `rest`, which is the end of `whole`, begins in it.
#[inline]
pub(super) fn offset_in(whole: &[u8], rest: &[u8]) -> usize {
    whole.len().saturating_sub(rest.len())
}

/// A label that is written as almost all are: name, then value, both short. That is
/// `0a len 0a name_len name 12 value_len value`, and each length is below 128.
pub(super) struct Plain<'a> {
    label: &'a [u8],
    name_len: usize,
}

impl<'a> Plain<'a> {
    /// Reads the label that `rest` begins with, and gives what follows it. Most of the time of a walk goes here: tags and
    /// lengths are compared as words, and name and value are not cut out before somebody wants them.
    #[inline]
    pub(super) fn read(rest: &'a [u8]) -> Option<(Self, &'a [u8])> {
        const HEAD: usize = 4;
        let head = u32::from_le_bytes(*rest.first_chunk::<HEAD>()?);
        if head & 0x00ff_80ff != 0x000a_000a {
            return None;
        }
        let (len, name_len) = (head >> 8 & 0x7f, head >> 24);
        let (label, next) = rest.split_at_checked((len as usize).saturating_add(2))?;
        let name_end = (name_len as usize).saturating_add(HEAD);
        let middle = label.get(name_end..name_end.saturating_add(2))?;
        // With room for these two bytes the name is no longer than the label, so the value's length is below 128 too.
        let value_len = len.saturating_sub(name_len).saturating_sub(4);
        let middle = u16::from_le_bytes(*middle.first_chunk()?);
        (u32::from(middle) == (value_len << 8 | 0x12))
            .then_some((Self { label, name_len: name_len as usize }, next))
    }

    #[inline]
    pub(super) fn name(&self) -> &'a [u8] {
        self.label.get(4..self.name_len.saturating_add(4)).unwrap_or_default()
    }

    #[inline]
    pub(super) fn value(&self) -> &'a [u8] {
        self.label.get(self.name_len.saturating_add(6)..).unwrap_or_default()
    }
}

/// Whether all bytes are ASCII. In words, since the last bytes of vectors would be taken one by one.
#[inline]
pub(super) fn is_ascii(run: &[u8]) -> bool {
    let (words, rest) = run.as_chunks();
    let words = words.iter().fold(0, |all, word| all | u64::from_le_bytes(*word));
    let rest = rest.iter().fold(0, |all, byte| all | byte);
    words & 0x8080_8080_8080_8080 == 0 && rest < 0x80
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
