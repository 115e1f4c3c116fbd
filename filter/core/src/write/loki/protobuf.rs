//! `logproto.PushRequest`: the walk over its streams, and how they are put together.

use std::borrow::Cow;

use super::super::encoding::Encoding;
use super::super::parts::Split;
use super::super::pieces::{Frame, Fresh, Pieces, Range};
use super::super::plan::SplitPlan;
use super::super::route::Reason;
use super::labels;
use super::stream::{Entry, Notation, Pair, Reach, Stream, Walk};
use crate::caller::Rights;
use crate::config::Limits;
use crate::report::Refusal;
use crate::wire::{Field, Fields, Malformed, Value};

/// `PushRequest.streams`.
const STREAMS: u32 = 1;
/// `StreamAdapter.labels`.
const LABELS: u32 = 1;
/// `StreamAdapter.entries`.
const ENTRIES: u32 = 2;
/// `EntryAdapter.structuredMetadata`.
const METADATA: u32 = 3;

pub(super) fn split(
    message: &[u8],
    encoding: Encoding,
    plan: &SplitPlan,
    rights: &Rights,
    limits: &Limits,
) -> Result<Split, Refusal> {
    let mut walk = Walk::new(plan, rights, limits, Frame::NONE);
    let mut fields = Fields::new(message);
    let mut start = 0;
    while let Some(field) = fields.next_out_of_line() {
        let end = message.len().saturating_sub(fields.remaining());
        let at = |problem| Refusal::Body { problem, offset: start };
        match field.map_err(at)? {
            Field { number: STREAMS, value: Value::Bytes(content) } => {
                let stream = read(content, (start, end), walk.reach()).map_err(at)?;
                walk.stream(&stream, &Protobuf)?;
            }
            Field { number: STREAMS, .. } => return Err(at(Malformed::Unexpected)),
            // Loki's own; nobody outside may use them.
            Field { .. } => walk.gathered.changed = true,
        }
        start = end;
    }
    walk.finish(message, encoding)
}

/// Reads one stream that ends where `range` ends.
fn read(content: &[u8], range: Range, reach: Reach) -> Result<Stream<'_>, Malformed> {
    let base = range.1.saturating_sub(content.len());
    let mut stream = Stream {
        range,
        labels: Err(Reason::NoLabels),
        labels_at: (base, base),
        entries_at: (base, range.1),
        count: 0,
        entries: Vec::new(),
    };
    let mut has_labels = false;
    let mut fields = Fields::new(content);
    let mut start = base;
    while let Some(field) = fields.next_out_of_line() {
        let field = field?;
        let end = range.1.saturating_sub(fields.remaining());
        match field.number {
            LABELS => {
                let text = field.value.bytes()?;
                stream.labels = if has_labels {
                    Err(Reason::Form)
                } else {
                    labels::parse(text, reach.labels).ok_or(Reason::Form)
                };
                has_labels = true;
                stream.labels_at = (start, end);
            }
            ENTRIES => {
                let content = field.value.bytes()?;
                stream.count = stream.count.saturating_add(1);
                if stream.entries.len() < reach.entries {
                    stream.entries.push(entry(content, (start, end), reach)?);
                }
            }
            _ => {}
        }
        start = end;
    }
    Ok(stream)
}

fn entry(content: &[u8], range: Range, reach: Reach) -> Result<Entry<'_>, Malformed> {
    let base = range.1.saturating_sub(content.len());
    let mut metadata = Ok(Vec::new());
    let mut fields = Fields::new(content);
    let mut start = base;
    while let Some(field) = fields.next_out_of_line() {
        let field = field?;
        let end = range.1.saturating_sub(fields.remaining());
        if field.number == METADATA {
            let pair = pair(field.value.bytes()?, (start, end))?;
            match pair {
                Some(pair) => reach.keep(&mut metadata, pair),
                None => metadata = Err(Reason::Text),
            }
        }
        start = end;
    }
    Ok(Entry { range, content: (base, range.1), metadata })
}

/// A pair as Loki's decoder reads it: fields in any order, the last of several wins. `None` where it is not UTF-8.
fn pair(content: &[u8], range: Range) -> Result<Option<Pair<'_>>, Malformed> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::new(content);
    while let Some(field) = fields.next_out_of_line() {
        let field = field?;
        match field.number {
            1 => name = field.value.bytes()?,
            2 => value = field.value.bytes()?,
            _ => {}
        }
    }
    let is_text = core::str::from_utf8(name).is_ok() && core::str::from_utf8(value).is_ok();
    Ok(is_text.then_some(Pair { range, name: Cow::Borrowed(name), value: Some(Cow::Borrowed(value)) }))
}

struct Protobuf;

impl Notation for Protobuf {
    fn takes_name(&self, _: &[u8]) -> bool {
        true
    }

    fn without(&self, fresh: &mut Fresh, entry: &Entry<'_>, cuts: &[Range]) -> Pieces {
        let mut content = Pieces::default();
        content.less(entry.content, cuts.iter().copied());
        let mut pieces = Pieces::default();
        pieces.nest(fresh, ENTRIES, &content);
        pieces
    }

    fn stream(
        &self,
        fresh: &mut Fresh,
        stream: &Stream<'_>,
        labels: Option<&[(&[u8], &[u8])]>,
        entries: Option<&[Pieces]>,
    ) -> Pieces {
        let mut content = Pieces::default();
        match labels {
            Some(labels) => content.field(fresh, LABELS, &labels::render(labels)),
            None => content.raw(stream.labels_at),
        }
        match entries {
            Some(entries) => entries.iter().for_each(|entry| content.append(entry)),
            None => content.less(stream.entries_at, [stream.labels_at]),
        }
        let mut pieces = Pieces::default();
        pieces.nest(fresh, STREAMS, &content);
        pieces
    }
}
