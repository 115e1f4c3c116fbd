//! Series of remote write 1.0 whose labels change: written anew, and nothing else of them is touched.

use super::super::labels::LabelEdits;
use super::super::parts::Made;
use super::v1::TIMESERIES;
use super::v1_label::{LABELS, label};
use crate::tenant::TenantId;
use crate::wire::{Fields, Malformed, put_len, varint_len};

/// `Label.name`.
const NAME: u32 = 1;
/// `Label.value`.
const VALUE: u32 = 2;

/// What the edits make of a series.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Edited {
    /// Nothing: it can go on as it stands.
    Same,
    /// A field, which now stands in this range of what was made.
    Made(usize, usize),
    /// No label is left.
    NoLabels,
}

/// The edits of one request, at work.
pub(super) struct Editor<'a> {
    edits: &'a LabelEdits,
    /// The labels of the series at hand.
    labels: Vec<(&'a [u8], &'a [u8])>,
    /// Everything else in it.
    others: Vec<&'a [u8]>,
}

impl<'a> Editor<'a> {
    pub(super) fn new(edits: &'a LabelEdits) -> Self {
        Self { edits, labels: Vec::new(), others: Vec::new() }
    }

    /// Whether there is anything to do.
    pub(super) fn is_idle(&self) -> bool {
        self.edits.is_empty()
    }

    /// Makes the edits in the series `content` of this tenant, less the labels in the ranges `left_out`, which begin at
    /// these offsets in `content`. What changes is appended to `made`.
    pub(super) fn edit(
        &mut self,
        content: &'a [u8],
        left_out: impl Fn(usize) -> bool,
        tenant: &TenantId,
        made: &mut Made,
    ) -> Result<Edited, Malformed> {
        self.labels.clear();
        self.others.clear();
        let mut fields = Fields::new(content);
        let mut start = 0;
        while let Some(field) = fields.next() {
            let field = field?;
            let end = content.len().saturating_sub(fields.remaining());
            if field.number != LABELS {
                self.others.push(content.get(start..end).unwrap_or_default());
            } else if !left_out(start) {
                self.labels.push(label(field.value.bytes()?)?);
            }
            start = end;
        }
        let labels = || self.labels.iter().copied();
        if !self.edits.change(labels, tenant) {
            return Ok(Edited::Same);
        }
        let mut labels = self.labels.clone();
        self.edits.apply(&mut labels, tenant, |text| text, |value| value.is_empty());
        if labels.is_empty() {
            return Ok(Edited::NoLabels);
        }
        let start = made.0.len();
        self.write(&labels, &mut made.0);
        Ok(Edited::Made(start, made.0.len()))
    }

    /// Writes the series: its labels in their order, and then everything else in its own.
    fn write(&self, labels: &[(&'a [u8], &'a [u8])], out: &mut Vec<u8>) {
        let field_len = |number: u32, len: usize| {
            let tag = varint_len(u64::from(number) << 3);
            tag.saturating_add(varint_len(len as u64)).saturating_add(len)
        };
        // As every encoder does, an empty text is left out.
        let texts = |(name, value): &(&'a [u8], &'a [u8])| {
            [(NAME, *name), (VALUE, *value)].into_iter().filter(|(_, text)| !text.is_empty())
        };
        let label_len = |label: &(&'a [u8], &'a [u8])| {
            texts(label).map(|(number, text)| field_len(number, text.len())).fold(0, usize::saturating_add)
        };
        let len = labels.iter().map(|label| field_len(LABELS, label_len(label)));
        let len = len.chain(self.others.iter().map(|other| other.len())).fold(0, usize::saturating_add);
        put_len(out, TIMESERIES, len);
        for label in labels {
            put_len(out, LABELS, label_len(label));
            for (number, text) in texts(label) {
                put_len(out, number, text.len());
                out.extend_from_slice(text);
            }
        }
        for other in &self.others {
            out.extend_from_slice(other);
        }
    }
}

#[cfg(test)]
#[path = "v1_edit_tests.rs"]
mod tests;
