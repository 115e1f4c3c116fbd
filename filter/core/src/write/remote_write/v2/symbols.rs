//! The table of symbols: all strings of a request, and what each means as the name of a label.

use super::super::super::plan::SplitPlan;
use super::{SYMBOLS, TIMESERIES};
use crate::report::Refusal;
use crate::wire::{Field, Fields, Malformed, Value, varint};

/// How many symbols are looked into: twenty for each of 50 000 series, which have most of them in common.
const MAX_SYMBOLS: u32 = 1 << 20;

/// The table of one request.
pub(super) struct Symbols<'a> {
    list: Vec<Symbol<'a>>,
    /// Whether every symbol is UTF-8, as nearly always.
    pub(super) all_text: bool,
    /// Whether the message has top-level fields that are not the protocol's.
    pub(super) has_private_fields: bool,
}

/// One string, and what a label of this name would be.
#[derive(Clone, Copy)]
pub(super) struct Symbol<'a> {
    pub(super) text: &'a [u8],
    pub(super) is_text: bool,
    pub(super) name: Name,
}

/// What the plan says about labels of a name. The same string may stand in the table several times, so this is known for
/// each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The position of the plan's label that has this name.
    pub(super) source: Option<u32>,
    /// No series may have it.
    pub(super) forbidden: bool,
    /// It is taken off because it decides.
    pub(super) removed: bool,
}

impl<'a> Symbols<'a> {
    /// Reads the table, which may stand anywhere in the message, and checks all top-level fields.
    pub(super) fn read(message: &'a [u8], plan: &SplitPlan) -> Result<Self, Refusal> {
        let mut symbols = Self { list: Vec::new(), all_text: true, has_private_fields: false };
        let mut fields = Fields::new(message);
        let mut start = 0;
        while let Some(field) = fields.next() {
            let at = |problem| Refusal::Body { problem, offset: start };
            match field.map_err(at)? {
                Field { number: SYMBOLS, value: Value::Bytes(text) } => {
                    if symbols.list.len() >= MAX_SYMBOLS as usize {
                        return Err(Refusal::TooManySymbols { limit: MAX_SYMBOLS });
                    }
                    if symbols.list.is_empty() && !text.is_empty() {
                        return Err(at(Malformed::Symbols));
                    }
                    let is_text = core::str::from_utf8(text).is_ok();
                    symbols.all_text &= is_text;
                    symbols.list.push(Symbol { text, is_text, name: Name::of(text, plan) });
                }
                Field { number: SYMBOLS, .. } => return Err(at(Malformed::Unexpected)),
                Field { number: TIMESERIES, .. } => {}
                Field { .. } => symbols.has_private_fields = true,
            }
            start = message.len().saturating_sub(fields.remaining());
        }
        Ok(symbols)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The symbol that a reference points to.
    #[inline]
    pub(super) fn get(&self, reference: u32) -> Result<&Symbol<'a>, Malformed> {
        self.list.get(reference as usize).ok_or(Malformed::Reference)
    }
}

impl Name {
    fn of(name: &[u8], plan: &SplitPlan) -> Self {
        let source = plan.labels.iter().position(|label| label.name == name);
        Self {
            removed: source.and_then(|at| plan.labels.get(at)).is_some_and(|label| label.remove),
            source: source.and_then(|at| u32::try_from(at).ok()),
            forbidden: plan.forbidden.iter().any(|forbidden| forbidden == name),
        }
    }
}

/// Hands on each reference of a repeated field: packed or one by one, which both decoders of this protocol take.
#[inline]
pub(super) fn references(
    value: Value<'_>,
    mut take: impl FnMut(u32) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    match value {
        Value::Varint(reference) => take(reference_of(reference)?),
        Value::Bytes(mut packed) => {
            while !packed.is_empty() {
                take(reference_of(varint(&mut packed)?)?)?;
            }
            Ok(())
        }
        Value::Fixed64(_) | Value::Fixed32(_) => Err(Malformed::Unexpected),
    }
}

/// A number as a reference. Decoders cut what has more than 32 bits, so that it would point elsewhere there.
#[inline]
pub(super) fn reference_of(number: u64) -> Result<u32, Malformed> {
    u32::try_from(number).map_err(|_| Malformed::Reference)
}
