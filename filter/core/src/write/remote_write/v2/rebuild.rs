//! The message of one tenant: its series over a table of symbols that holds what they use, and nothing else.
//!
//! References are numbered anew in the order of their first use. All other fields of a series go on byte for byte, and in
//! their order after the labels; so do fields that are not known here.

use hashbrown::HashMap;

use super::super::super::plan::SplitPlan;
use super::series::{EXEMPLARS, HELP, LABELS, METADATA, UNIT};
use super::symbols::{Symbols, reference_of, references};
use super::{SYMBOLS, TIMESERIES};
use crate::tenant::TenantId;
use crate::wire::{Fields, Malformed, Value, put_len, put_varint, varint_len};

/// Writes one part after the other, with the memory of the first.
pub(super) struct Rebuild<'a> {
    symbols: &'a Symbols<'a>,
    plan: &'a SplitPlan,
    table: Table<'a>,
    /// The series of the part at hand.
    series: Vec<u8>,
    /// The references of the labels at hand, as they came.
    references: Vec<u32>,
    /// Labels, packed.
    packed: Vec<u8>,
    /// The rest of the series at hand.
    rest: Vec<u8>,
}

/// The table of the part at hand.
struct Table<'a> {
    /// For each symbol of the request: in which part it was used last, and its number there. So nothing is cleared
    /// between parts.
    used: Vec<(u32, u32)>,
    /// Which part is at hand, from 1.
    part: u32,
    /// The table's fields.
    fields: Vec<u8>,
    len: u32,
    /// The numbers of texts, where edits bring some of their own.
    texts: Option<HashMap<&'a [u8], u32>>,
}

/// The value of a label in the middle of edits.
#[derive(Clone, Copy)]
enum Edited<'a> {
    /// What came: the references of its name and value.
    Came { name: u32, value: u32 },
    /// A text of ours.
    Ours(&'a [u8]),
}

impl<'a> Rebuild<'a> {
    pub(super) fn new(symbols: &'a Symbols<'a>, plan: &'a SplitPlan) -> Self {
        let table = Table {
            used: Vec::new(),
            part: 0,
            fields: Vec::new(),
            len: 0,
            texts: (!plan.edits.is_empty()).then(HashMap::new),
        };
        Self {
            symbols,
            plan,
            table,
            series: Vec::new(),
            references: Vec::new(),
            packed: Vec::new(),
            rest: Vec::new(),
        }
    }

    /// The message of the part of this tenant with these series.
    pub(super) fn part<'b>(
        &mut self,
        series: impl Iterator<Item = &'b [u8]>,
        tenant: &'a TenantId,
    ) -> Result<&[u8], Malformed> {
        self.table.begin(self.symbols);
        self.series.clear();
        for content in series {
            self.series(content, tenant)?;
        }
        self.table.fields.extend_from_slice(&self.series);
        Ok(&self.table.fields)
    }

    fn series(&mut self, content: &[u8], tenant: &'a TenantId) -> Result<(), Malformed> {
        self.references.clear();
        for field in Fields::new(content) {
            let field = field?;
            if field.number == LABELS {
                references(field.value, |reference| {
                    self.references.push(reference);
                    Ok(())
                })?;
            }
        }
        self.packed.clear();
        if self.plan.edits.is_empty() || !self.edited_labels(tenant)? {
            self.labels()?;
        }
        self.rest.clear();
        let mut fields = Fields::new(content);
        let mut start = 0;
        while let Some(field) = fields.next() {
            let field = field?;
            let end = content.len().saturating_sub(fields.remaining());
            match (field.number, field.value) {
                (LABELS, _) => {}
                (EXEMPLARS, Value::Bytes(exemplar)) => self.exemplar(exemplar)?,
                (METADATA, Value::Bytes(metadata)) => self.metadata(metadata)?,
                _ => self.rest.extend_from_slice(content.get(start..end).unwrap_or_default()),
            }
            start = end;
        }
        let labels = self.packed.len();
        let header = varint_len(u64::from(LABELS) << 3).saturating_add(varint_len(labels as u64));
        let len = header.saturating_add(labels).saturating_add(self.rest.len());
        put_len(&mut self.series, TIMESERIES, len);
        put_len(&mut self.series, LABELS, labels);
        self.series.extend_from_slice(&self.packed);
        self.series.extend_from_slice(&self.rest);
        Ok(())
    }

    /// The labels as they came, less those that the plan removes.
    fn labels(&mut self) -> Result<(), Malformed> {
        for pair in self.references.chunks_exact(2) {
            let [name, value] = pair else { continue };
            if self.symbols.get(*name)?.name.removed {
                continue;
            }
            for reference in [*name, *value] {
                let number = self.table.number(self.symbols, reference)?;
                put_varint(&mut self.packed, u64::from(number));
            }
        }
        Ok(())
    }

    /// The labels with the plan's edits, where these change anything.
    fn edited_labels(&mut self, tenant: &'a TenantId) -> Result<bool, Malformed> {
        let mut labels: Vec<(&'a [u8], Edited<'a>)> = Vec::new();
        for pair in self.references.chunks_exact(2) {
            let [name, value] = pair else { continue };
            let symbol = self.symbols.get(*name)?;
            if !symbol.name.removed {
                labels.push((symbol.text, Edited::Came { name: *name, value: *value }));
            }
        }
        let symbols = self.symbols;
        let text = |value: &Edited<'a>| match value {
            Edited::Came { value, .. } => symbols.get(*value).map(|symbol| symbol.text).unwrap_or_default(),
            Edited::Ours(text) => text,
        };
        let edits = &self.plan.edits;
        if !edits.change(|| labels.iter().map(|(name, value)| (*name, text(value))), tenant) {
            return Ok(false);
        }
        edits.apply(&mut labels, tenant, Edited::Ours, |value| text(value).is_empty());
        for (text, edited) in labels {
            let (name, value) = match edited {
                Edited::Came { name, value } => {
                    // It may have another name by now.
                    let name = if self.symbols.get(name)?.text == text {
                        self.table.number(self.symbols, name)?
                    } else {
                        self.table.number_of_text(text)
                    };
                    (name, self.table.number(self.symbols, value)?)
                }
                Edited::Ours(value) => (self.table.number_of_text(text), self.table.number_of_text(value)),
            };
            put_varint(&mut self.packed, u64::from(name));
            put_varint(&mut self.packed, u64::from(value));
        }
        Ok(true)
    }

    /// An exemplar, its labels packed and first.
    fn exemplar(&mut self, exemplar: &[u8]) -> Result<(), Malformed> {
        // The labels of the series stand in `packed`, and are not written yet.
        let labels_end = self.packed.len();
        for field in Fields::new(exemplar) {
            let field = field?;
            if field.number == LABELS {
                references(field.value, |reference| {
                    let number = self.table.number(self.symbols, reference)?;
                    put_varint(&mut self.packed, u64::from(number));
                    Ok(())
                })?;
            }
        }
        let labels = self.packed.get(labels_end..).unwrap_or_default();
        let others = || others(exemplar, |number| number == LABELS);
        let mut len = others().map(<[u8]>::len).fold(0, usize::saturating_add);
        if !labels.is_empty() {
            let header = varint_len(u64::from(LABELS) << 3).saturating_add(varint_len(labels.len() as u64));
            len = len.saturating_add(header).saturating_add(labels.len());
        }
        put_len(&mut self.rest, EXEMPLARS, len);
        if !labels.is_empty() {
            put_len(&mut self.rest, LABELS, labels.len());
            self.rest.extend_from_slice(labels);
        }
        for other in others() {
            self.rest.extend_from_slice(other);
        }
        self.packed.truncate(labels_end);
        Ok(())
    }

    /// Metadata, with references to the same texts.
    fn metadata(&mut self, metadata: &[u8]) -> Result<(), Malformed> {
        let labels_end = self.packed.len();
        let mut fields = Fields::new(metadata);
        let mut start = 0;
        while let Some(field) = fields.next() {
            let field = field?;
            let end = metadata.len().saturating_sub(fields.remaining());
            match (field.number, field.value) {
                (HELP | UNIT, Value::Varint(reference)) => {
                    let number = self.table.number(self.symbols, reference_of(reference)?)?;
                    put_varint(&mut self.packed, u64::from(field.number) << 3);
                    put_varint(&mut self.packed, u64::from(number));
                }
                _ => self.packed.extend_from_slice(metadata.get(start..end).unwrap_or_default()),
            }
            start = end;
        }
        let rewritten = self.packed.get(labels_end..).unwrap_or_default();
        put_len(&mut self.rest, METADATA, rewritten.len());
        self.rest.extend_from_slice(rewritten);
        self.packed.truncate(labels_end);
        Ok(())
    }
}

impl<'a> Table<'a> {
    /// Begins the table of the next part, with the empty string that every table begins with.
    fn begin(&mut self, symbols: &Symbols<'a>) {
        self.used.resize(symbols.len(), (0, 0));
        self.part = self.part.saturating_add(1);
        self.fields.clear();
        self.len = 0;
        if let Some(texts) = &mut self.texts {
            texts.clear();
        }
        let empty = self.number_of_text(b"");
        if let Some(first) = self.used.first_mut() {
            *first = (self.part, empty);
        }
    }

    /// The number of a symbol of the request, which is put into the table when it is used first.
    #[inline]
    fn number(&mut self, symbols: &Symbols<'a>, reference: u32) -> Result<u32, Malformed> {
        let used = self.used.get(reference as usize).ok_or(Malformed::Reference)?;
        if used.0 == self.part {
            return Ok(used.1);
        }
        let number = self.number_of_text(symbols.get(reference)?.text);
        if let Some(used) = self.used.get_mut(reference as usize) {
            *used = (self.part, number);
        }
        Ok(number)
    }

    /// The number of a text. Without edits each symbol of the request asks once, and no other text does.
    fn number_of_text(&mut self, text: &'a [u8]) -> u32 {
        let number = self.len;
        if let Some(texts) = &mut self.texts {
            let known = *texts.entry(text).or_insert(number);
            if known != number {
                return known;
            }
        }
        put_len(&mut self.fields, SYMBOLS, text.len());
        self.fields.extend_from_slice(text);
        self.len = number.saturating_add(1);
        number
    }
}

/// The fields of a message but for those of some numbers, tags and all.
fn others(message: &[u8], left_out: impl Fn(u32) -> bool) -> impl Iterator<Item = &[u8]> {
    let mut fields = Fields::new(message);
    let mut start = 0;
    core::iter::from_fn(move || {
        loop {
            let field = fields.next()?.ok()?;
            let end = message.len().saturating_sub(fields.remaining());
            let whole = message.get(start..end).unwrap_or_default();
            start = end;
            if !left_out(field.number) {
                return Some(whole);
            }
        }
    })
}
