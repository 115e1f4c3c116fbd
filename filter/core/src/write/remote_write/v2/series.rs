//! What one series says: which of the plan's labels it has, and whether it can be sent at all.

use super::super::super::labels::LabelEdits;
use super::super::super::plan::SplitPlan;
use super::super::super::route::Reason;
use super::symbols::{Symbols, reference_of, references};
use crate::config::Limits;
use crate::wire::{Fields, Malformed, Value};

/// `TimeSeries.labels_refs`, and `Exemplar.labels_refs`.
pub(super) const LABELS: u32 = 1;
/// `TimeSeries.samples`.
const SAMPLES: u32 = 2;
/// `TimeSeries.histograms`.
const HISTOGRAMS: u32 = 3;
/// `TimeSeries.exemplars`.
pub(super) const EXEMPLARS: u32 = 4;
/// `TimeSeries.metadata`.
pub(super) const METADATA: u32 = 5;
/// `TimeSeries.created_timestamp`, which newer senders leave out for one in each sample.
const CREATED: u32 = 6;
/// `Metadata.help_ref`.
pub(super) const HELP: u32 = 3;
/// `Metadata.unit_ref`.
pub(super) const UNIT: u32 = 4;

/// Looks at one series after the other, with the memory of the first.
pub(super) struct Look<'a> {
    symbols: &'a Symbols<'a>,
    /// How many labels a series may have.
    max_labels: usize,
    /// The references of the labels, names and values in turn; of too many only one more than there may be.
    references: Vec<u32>,
    /// What was found of each of the plan's labels.
    found: Vec<Found<'a>>,
    /// How many labels are left once those are off that the plan removes.
    pub(super) left: usize,
    /// Whether there are such.
    pub(super) has_labels_to_remove: bool,
    /// How many samples and histograms there are.
    pub(super) samples: u32,
    /// Whether there are exemplars.
    pub(super) has_exemplars: bool,
    /// What changes in the labels.
    edits: &'a LabelEdits,
}

/// A label that decides, in one series.
#[derive(Clone, Copy, Debug, Default)]
struct Found<'a> {
    value: &'a [u8],
    times: u32,
}

impl<'a> Look<'a> {
    pub(super) fn new(symbols: &'a Symbols<'a>, plan: &'a SplitPlan, limits: &Limits) -> Self {
        Self {
            symbols,
            max_labels: limits.labels_per_series.0 as usize,
            references: Vec::new(),
            found: vec![Found::default(); plan.labels.len()],
            left: 0,
            has_labels_to_remove: false,
            samples: 0,
            has_exemplars: false,
            edits: &plan.edits,
        }
    }

    /// Reads a series. The inner error rejects the series, the outer one the message.
    pub(super) fn at(&mut self, content: &[u8]) -> Result<Result<(), Reason>, Malformed> {
        let symbols = self.symbols;
        self.references.clear();
        self.samples = 0;
        self.has_exemplars = false;
        let enough = self.max_labels.saturating_add(1).saturating_mul(2);
        let mut is_text = true;
        for field in Fields::new(content) {
            let field = field?;
            match field.number {
                LABELS => {
                    let references_so_far = &mut self.references;
                    references(field.value, |reference| {
                        if references_so_far.len() < enough {
                            references_so_far.push(reference);
                        }
                        Ok(())
                    })?;
                }
                SAMPLES | HISTOGRAMS => {
                    field.value.bytes()?;
                    self.samples = self.samples.saturating_add(1);
                }
                EXEMPLARS => {
                    self.has_exemplars = true;
                    is_text &= exemplar_is_text(symbols, field.value.bytes()?)?;
                }
                METADATA => is_text &= metadata_is_text(symbols, field.value.bytes()?)?,
                CREATED => match field.value {
                    Value::Varint(_) => {}
                    _ => return Err(Malformed::Unexpected),
                },
                _ => {}
            }
        }
        let labels = self.read_labels(is_text)?;
        Ok(labels)
    }

    /// Reads the labels: those of the plan go into `found`.
    fn read_labels(&mut self, mut is_text: bool) -> Result<Result<(), Reason>, Malformed> {
        self.found.fill(Found::default());
        self.has_labels_to_remove = false;
        let mut removed = 0_usize;
        let mut forbidden = false;
        let pairs = self.references.chunks(2);
        let count = pairs.len();
        for pair in pairs {
            let [name, value] = pair else { return Err(Malformed::Pairs) };
            let (name, value) = (self.symbols.get(*name)?, self.symbols.get(*value)?);
            is_text &= name.is_text && value.is_text;
            let kind = name.name;
            if let Some(found) = kind.source.and_then(|source| self.found.get_mut(source as usize)) {
                *found = Found { value: value.text, times: found.times.saturating_add(1) };
            }
            forbidden |= kind.forbidden;
            self.has_labels_to_remove |= kind.removed;
            let is_gone =
                kind.removed || (!self.edits.is_empty() && self.edits.takes_off(name.text, value.text));
            removed = removed.saturating_add(usize::from(is_gone));
        }
        self.left = if self.edits.always_label() { 1 } else { count.saturating_sub(removed) };
        Ok(if count > self.max_labels {
            Err(Reason::TooManyLabels)
        } else if self.found.iter().any(|found| found.times > 1) {
            Err(Reason::Duplicate)
        } else if !is_text {
            Err(Reason::Text)
        } else if forbidden {
            Err(Reason::Impersonation)
        } else {
            Ok(())
        })
    }

    /// The value of the plan's label at this position; empty where it is absent.
    pub(super) fn value(&self, label: usize) -> &'a [u8] {
        self.found.get(label).map_or(&[], |found| found.value)
    }

    /// The labels of the series, as names and values.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let text = |reference: &u32| self.symbols.get(*reference).map(|symbol| symbol.text).ok();
        self.references.chunks_exact(2).filter_map(move |pair| match pair {
            [name, value] => Some((text(name)?, text(value)?)),
            _ => None,
        })
    }
}

/// Checks an exemplar; whether its labels are UTF-8.
fn exemplar_is_text(symbols: &Symbols<'_>, exemplar: &[u8]) -> Result<bool, Malformed> {
    let (mut count, mut is_text) = (0_usize, true);
    for field in Fields::new(exemplar) {
        let field = field?;
        if field.number == LABELS {
            references(field.value, |reference| {
                count = count.saturating_add(1);
                is_text &= symbols.get(reference)?.is_text;
                Ok(())
            })?;
        }
    }
    if count.is_multiple_of(2) { Ok(is_text) } else { Err(Malformed::Pairs) }
}

/// Checks metadata; whether its texts are UTF-8.
fn metadata_is_text(symbols: &Symbols<'_>, metadata: &[u8]) -> Result<bool, Malformed> {
    let mut is_text = true;
    for field in Fields::new(metadata) {
        let field = field?;
        if matches!(field.number, HELP | UNIT) {
            let Value::Varint(reference) = field.value else { return Err(Malformed::Unexpected) };
            is_text &= symbols.get(reference_of(reference)?)?.is_text;
        }
    }
    Ok(is_text)
}
