//! `Export{Metrics,Logs,Trace}ServiceRequest`: the walk over its resources, and how they are put together.
//!
//! What protobuf's decoders would merge (a resource described twice, an attribute with two keys or values) is rejected:
//! they differ in what comes out.

use std::borrow::Cow;

use super::super::parts::Split;
use super::super::pieces::{Frame, Fresh, Pieces, Range};
use super::super::plan::SplitPlan;
use super::super::route::Reason;
use super::head::{Export, Signal};
use super::resource::{Attribute, Kept, Notation, Resource, Walk};
use crate::caller::Rights;
use crate::config::Limits;
use crate::report::Refusal;
use crate::wire::{Field, Fields, Malformed, Value};

/// The list of resources in a request, and the description in a resource, of every signal.
const RESOURCE: u32 = 1;
/// `Resource{Metrics,Logs,Spans}.scope_{metrics,logs,spans}`, and in those `metrics`, `log_records`, `spans`.
const SCOPES: u32 = 2;
const ITEMS: u32 = 2;
/// `Resource.attributes`.
const ATTRIBUTES: u32 = 1;
/// `KeyValue.key`.
const KEY: u32 = 1;
/// `KeyValue.value`.
const VALUE: u32 = 2;
/// `AnyValue.string_value`.
const STRING: u32 = 1;

pub(super) fn split(
    message: &[u8],
    export: Export,
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
            Field { number: RESOURCE, value: Value::Bytes(content) } => {
                let mut resource =
                    read(content, (start, end), export.signal, walk.enough_attributes()).map_err(at)?;
                if holds(message, &resource, plan.edits.nowhere) {
                    resource.attributes = Err(Reason::AccountLabel);
                }
                walk.resource(&resource, &Protobuf)?;
            }
            Field { number: RESOURCE, .. } => return Err(at(Malformed::Unexpected)),
            Field { .. } => walk.gathered.changed = true,
        }
        start = end;
    }
    walk.finish(message, export.encoding)
}

/// Whether one of these names stands in a resource outside of its description, where it may be an attribute of a scope
/// or a data point. In protobuf texts stand as they are.
fn holds(message: &[u8], resource: &Resource<'_>, names: &[&str]) -> bool {
    let (start, end) = resource.content;
    let (from, to) = resource.described_at.unwrap_or((start, start));
    let around = [message.get(start..from), message.get(to..end)];
    names.iter().any(|name| {
        let is_in = |text: &[u8]| text.windows(name.len()).any(|window| window == name.as_bytes());
        around.iter().copied().flatten().any(is_in)
    })
}

/// Reads one resource that ends where `range` ends.
fn read(content: &[u8], range: Range, signal: Signal, enough: usize) -> Result<Resource<'_>, Malformed> {
    let base = range.1.saturating_sub(content.len());
    let mut resource = Resource {
        range,
        content: (base, range.1),
        described_at: None,
        described: (base, base),
        list_at: None,
        attributes: Ok(Vec::new()),
        count: 0,
    };
    let mut fields = Fields::new(content);
    let mut start = base;
    while let Some(field) = fields.next_out_of_line() {
        let field = field?;
        let end = range.1.saturating_sub(fields.remaining());
        match field.number {
            RESOURCE => {
                let content = field.value.bytes()?;
                let described = attributes(content, end, enough)?;
                resource.attributes =
                    if resource.described_at.is_some() { Err(Reason::Form) } else { described };
                resource.described_at = Some((start, end));
                resource.described = (end.saturating_sub(content.len()), end);
            }
            SCOPES => {
                let items = count_items(field.value.bytes()?, signal)?;
                resource.count = resource.count.saturating_add(items);
            }
            _ => {}
        }
        start = end;
    }
    Ok(resource)
}

/// The attributes of a description that ends at `end`; of too many only `enough`.
fn attributes(
    content: &[u8],
    end: usize,
    enough: usize,
) -> Result<Result<Vec<Attribute<'_>>, Reason>, Malformed> {
    let mut attributes = Vec::new();
    let mut odd = None;
    let mut fields = Fields::new(content);
    let mut start = end.saturating_sub(content.len());
    while let Some(field) = fields.next_out_of_line() {
        let field = field?;
        let field_end = end.saturating_sub(fields.remaining());
        if field.number == ATTRIBUTES {
            match attribute(field.value.bytes()?, (start, field_end))? {
                Ok(attribute) if attributes.len() < enough => attributes.push(attribute),
                Ok(_) => {}
                Err(reason) => odd = Some(reason),
            }
        }
        start = field_end;
    }
    Ok(odd.map_or(Ok(attributes), Err))
}

fn attribute(content: &[u8], range: Range) -> Result<Result<Attribute<'_>, Reason>, Malformed> {
    let (mut name, mut value): (Option<&[u8]>, Option<&[u8]>) = (None, None);
    let mut value_at = (range.1, range.1);
    let mut is_plain = true;
    let mut fields = Fields::new(content);
    let mut start = range.1.saturating_sub(content.len());
    while let Some(field) = fields.next_out_of_line() {
        let field = field?;
        let end = range.1.saturating_sub(fields.remaining());
        match field.number {
            KEY => is_plain &= name.replace(field.value.bytes()?).is_none(),
            VALUE => {
                is_plain &= value.replace(field.value.bytes()?).is_none();
                value_at = (start, end);
            }
            _ => {}
        }
        start = end;
    }
    if !is_plain {
        return Ok(Err(Reason::Form));
    }
    let text = text(value.unwrap_or_default())?;
    let name = name.unwrap_or_default();
    if core::str::from_utf8(name).is_err() || text.is_some_and(|text| core::str::from_utf8(text).is_err()) {
        return Ok(Err(Reason::Text));
    }
    Ok(Ok(Attribute { range, name: Cow::Borrowed(name), text: text.map(Cow::Borrowed), value: value_at }))
}

/// What a value says; `None` where it is of another type, or of several.
fn text(value: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let (mut text, mut count) = (None, 0_u32);
    let mut fields = Fields::new(value);
    while let Some(field) = fields.next_out_of_line() {
        let field = field?;
        count = count.saturating_add(1);
        if field.number == STRING {
            text = Some(field.value.bytes()?);
        }
    }
    Ok(text.filter(|_| count == 1))
}

/// How many data points, log records or spans a scope has.
fn count_items(scope: &[u8], signal: Signal) -> Result<u32, Malformed> {
    let mut count = 0_u32;
    let mut items = Fields::new(scope);
    while let Some(item) = items.next_out_of_line() {
        let item = item?;
        if item.number != ITEMS {
            continue;
        }
        let item = item.value.bytes()?;
        if signal != Signal::Metrics {
            count = count.saturating_add(1);
            continue;
        }
        let mut series = Fields::new(item);
        while let Some(data) = series.next_out_of_line() {
            let data = data?;
            // Gauge, sum, histogram, exponential histogram, summary: their points are field 1 in each.
            if matches!(data.number, 5 | 7 | 9 | 10 | 11) {
                let mut points = Fields::new(data.value.bytes()?);
                while let Some(point) = points.next_out_of_line() {
                    count = count.saturating_add(u32::from(point?.number == 1));
                }
            }
        }
    }
    Ok(count)
}

struct Protobuf;

impl Notation for Protobuf {
    fn with(&self, fresh: &mut Fresh, resource: &Resource<'_>, attributes: &[(&[u8], Kept<'_>)]) -> Pieces {
        let own = resource.attributes.as_deref().unwrap_or_default();
        let mut described = Pieces::default();
        for (name, value) in attributes {
            let mut attribute = Pieces::default();
            match value {
                Kept::As(position) => match own.get(*position) {
                    Some(own) if *own.name == **name => {
                        described.raw(own.range);
                        continue;
                    }
                    Some(own) => {
                        attribute.field(fresh, KEY, name);
                        attribute.raw(own.value);
                    }
                    None => continue,
                },
                Kept::Text(text) => {
                    let mut value = Pieces::default();
                    value.field(fresh, STRING, text);
                    attribute.field(fresh, KEY, name);
                    attribute.nest(fresh, VALUE, &value);
                }
            }
            described.nest(fresh, ATTRIBUTES, &attribute);
        }
        described.less(resource.described, own.iter().map(|attribute| attribute.range));
        let mut content = Pieces::default();
        let (start, end) = resource.described_at.unwrap_or((resource.content.0, resource.content.0));
        content.raw((resource.content.0, start));
        content.nest(fresh, RESOURCE, &described);
        content.raw((end, resource.content.1));
        let mut pieces = Pieces::default();
        pieces.nest(fresh, RESOURCE, &content);
        pieces
    }
}
