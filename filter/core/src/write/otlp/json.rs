//! Exports as JSON: the walk over their resources, and how they are put together.
//!
//! Decoders take every name in two spellings (`resourceLogs`, `resource_logs`), and gather lists that stand twice. So a
//! known member stands once here, in one of its spellings.

use super::super::parts::Split;
use super::super::pieces::{Frame, Fresh, Pieces, Range};
use super::super::plan::SplitPlan;
use super::super::route::Reason;
use super::head::{Export, Signal};
use super::resource::{Attribute, Kept, Notation, Resource, Walk};
use crate::caller::Rights;
use crate::config::Limits;
use crate::report::Refusal;
use crate::wire::{JsonKind, JsonProblem, JsonReader};

/// What stands around the resources of a part.
fn frame(signal: Signal) -> Frame {
    let head: &[u8] = match signal {
        Signal::Metrics => b"{\"resourceMetrics\":[",
        Signal::Logs => b"{\"resourceLogs\":[",
        Signal::Traces => b"{\"resourceSpans\":[",
    };
    Frame { head, between: b",", tail: b"]}" }
}

pub(super) fn split(
    text: &[u8],
    export: Export,
    plan: &SplitPlan,
    rights: &Rights,
    limits: &Limits,
) -> Result<Split, Refusal> {
    let mut reader = JsonReader::new(text, 0);
    let mut walk = Walk::new(plan, rights, limits, frame(export.signal));
    request(text, &mut reader, export.signal, &mut walk).map_err(|stop| match stop {
        Stop::Refused(refusal) => refusal,
        Stop::Malformed(problem) => Refusal::Json { problem, offset: reader.at() },
    })?;
    walk.finish(text, export.encoding)
}

/// Why a walk ends early.
enum Stop {
    Malformed(JsonProblem),
    Refused(Refusal),
}

impl From<JsonProblem> for Stop {
    fn from(problem: JsonProblem) -> Self {
        Self::Malformed(problem)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Whether a name is one of these. `None` where it is not, but for its case.
fn is(name: &[u8], known: &[&str]) -> Option<bool> {
    if known.iter().any(|known| name == known.as_bytes()) {
        Some(true)
    } else if known.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) {
        None
    } else {
        Some(false)
    }
}

fn request<'a>(
    text: &'a [u8],
    reader: &mut JsonReader<'a>,
    signal: Signal,
    walk: &mut Walk<'a>,
) -> Result<(), Stop> {
    let (mut first, mut seen) = (true, false);
    reader.object()?;
    while let Some(name) = reader.name(&mut first)? {
        let name = name.decode().ok_or(JsonProblem::Utf8)?;
        if !is(&name, &signal.list()).ok_or(JsonProblem::Case)? {
            walk.gathered.changed = true;
            reader.skip()?;
            continue;
        }
        if seen {
            return Err(JsonProblem::Repeated.into());
        }
        seen = true;
        let mut first = true;
        reader.array()?;
        while reader.element(&mut first)? {
            let resource = resource(text, reader, signal, walk.enough_attributes())?;
            walk.resource(&resource, &Json { text })?;
        }
    }
    Ok(reader.end()?)
}

/// Reads one resource. What only it is to blame for costs only it.
fn resource<'a>(
    text: &'a [u8],
    reader: &mut JsonReader<'a>,
    signal: Signal,
    enough: usize,
) -> Result<Resource<'a>, JsonProblem> {
    if reader.peek()? != JsonKind::Object {
        return Err(JsonProblem::Type);
    }
    let start = reader.at();
    let mut resource = Resource {
        range: (start, start),
        content: (start.saturating_add(1), start),
        described_at: None,
        described: (start, start),
        list_at: None,
        attributes: Ok(Vec::new()),
        count: 0,
    };
    let (mut first, mut odd) = (true, None);
    reader.object()?;
    while let Some(name) = reader.name(&mut first)? {
        let name = name.decode().unwrap_or_default();
        match (is(&name, &["resource"]), reader.peek()?) {
            (Some(true), JsonKind::Object) => {
                if resource.described_at.is_some() {
                    odd = Some(Reason::Form);
                }
                let start = reader.at();
                describe(reader, &mut resource, enough)?;
                resource.described_at = Some((start, reader.at()));
                resource.described = inner((start, reader.at()));
            }
            (Some(false), _) => {
                reader.skip_counting(signal.items(), &mut resource.count)?;
            }
            _ => {
                reader.skip()?;
                odd = Some(Reason::Form);
            }
        }
    }
    resource.range.1 = reader.at();
    resource.content = inner(resource.range);
    if core::str::from_utf8(text.get(start..reader.at()).unwrap_or_default()).is_err() {
        odd = Some(Reason::Text);
    }
    if let Some(reason) = odd {
        resource.attributes = Err(reason);
    }
    Ok(resource)
}

/// What stands between the braces.
fn inner((start, end): Range) -> Range {
    (start.saturating_add(1), end.saturating_sub(1))
}

/// Reads the description of a resource; of too many attributes only `enough`.
fn describe<'a>(
    reader: &mut JsonReader<'a>,
    resource: &mut Resource<'a>,
    enough: usize,
) -> Result<(), JsonProblem> {
    let (mut first, mut odd) = (true, None);
    let mut attributes = Vec::new();
    reader.object()?;
    while let Some(name) = reader.name(&mut first)? {
        let name = name.decode().unwrap_or_default();
        match (is(&name, &["attributes"]), reader.peek()?) {
            (Some(true), JsonKind::Array) => {
                if resource.list_at.is_some() {
                    odd = Some(Reason::Form);
                }
                let start = reader.at();
                let mut first = true;
                reader.array()?;
                while reader.element(&mut first)? {
                    match attribute(reader)? {
                        Ok(attribute) if attributes.len() < enough => attributes.push(attribute),
                        Ok(_) => {}
                        Err(reason) => odd = Some(reason),
                    }
                }
                resource.list_at = Some((start, reader.at()));
            }
            (Some(false), _) => {
                reader.skip()?;
            }
            _ => {
                reader.skip()?;
                odd = Some(Reason::Form);
            }
        }
    }
    resource.attributes = odd.map_or(Ok(attributes), Err);
    Ok(())
}

/// `{"key": "…", "value": {"stringValue": "…"}}`.
fn attribute<'a>(reader: &mut JsonReader<'a>) -> Result<Result<Attribute<'a>, Reason>, JsonProblem> {
    if reader.peek()? != JsonKind::Object {
        reader.skip()?;
        return Ok(Err(Reason::Form));
    }
    let start = reader.at();
    let (mut first, mut odd) = (true, None);
    let (mut key, mut value) = (None, None);
    reader.object()?;
    while let Some(name) = reader.name(&mut first)? {
        let name = name.decode().unwrap_or_default();
        match (is(&name, &["key"]), is(&name, &["value"]), reader.peek()?) {
            (Some(true), _, JsonKind::Text) => {
                if key.replace(reader.string()?).is_some() {
                    odd = Some(Reason::Form);
                }
            }
            (_, Some(true), JsonKind::Object) => {
                let start = reader.at();
                let text = text(reader)?;
                if value.replace((text, (start, reader.at()))).is_some() {
                    odd = Some(Reason::Form);
                }
            }
            (Some(false), Some(false), _) => {
                reader.skip()?;
            }
            _ => {
                reader.skip()?;
                odd = Some(Reason::Form);
            }
        }
    }
    let range = (start, reader.at());
    let (Some(key), Some((text, value)), None) = (key, value, odd) else {
        return Ok(Err(odd.unwrap_or(Reason::Form)));
    };
    Ok(key.decode().map(|name| Attribute { range, name, text, value }).ok_or(Reason::Text))
}

/// What a value says; `None` where it is of another type, or of several.
fn text<'a>(reader: &mut JsonReader<'a>) -> Result<Option<std::borrow::Cow<'a, [u8]>>, JsonProblem> {
    let (mut first, mut text, mut members) = (true, None, 0_u32);
    reader.object()?;
    while let Some(name) = reader.name(&mut first)? {
        members = members.saturating_add(1);
        let name = name.decode().unwrap_or_default();
        if is(&name, &["stringValue", "string_value"]) == Some(true) && reader.peek()? == JsonKind::Text {
            text = reader.string()?.decode();
        } else {
            reader.skip()?;
        }
    }
    Ok(text.filter(|_| members == 1))
}

/// A string with its quotes; all that comes here is UTF-8.
fn string(text: &[u8]) -> Vec<u8> {
    serde_json::Value::from(String::from_utf8_lossy(text)).to_string().into_bytes()
}

struct Json<'a> {
    text: &'a [u8],
}

impl Json<'_> {
    /// The list of attributes.
    fn list(fresh: &mut Fresh, own: &[Attribute<'_>], attributes: &[(&[u8], Kept<'_>)]) -> Pieces {
        let mut list = Pieces::default();
        list.fresh(fresh, b"[");
        let mut before: &[u8] = b"";
        for (name, value) in attributes {
            let kept = match value {
                Kept::As(position) => own.get(*position),
                Kept::Text(_) => None,
            };
            list.fresh(fresh, before);
            before = b",";
            match (kept, value) {
                (Some(own), _) if *own.name == **name => list.raw(own.range),
                (Some(own), _) => {
                    list.fresh(fresh, &[b"{\"key\":", string(name).as_slice(), b",\"value\":"].concat());
                    list.raw(own.value);
                    list.fresh(fresh, b"}");
                }
                (None, Kept::Text(text)) => {
                    let (name, text) = (string(name), string(text));
                    let parts: [&[u8]; 5] =
                        [b"{\"key\":", &name, b",\"value\":{\"stringValue\":", &text, b"}}"];
                    list.fresh(fresh, &parts.concat());
                }
                (None, Kept::As(_)) => {}
            }
        }
        list.fresh(fresh, b"]");
        list
    }

    /// An object with the inside `content`, in which `member` stands at `at`, or before everything where it is new.
    fn object(
        &self,
        fresh: &mut Fresh,
        content: Range,
        at: Option<Range>,
        name: &[u8],
        member: &Pieces,
    ) -> Pieces {
        let mut object = Pieces::default();
        object.fresh(fresh, b"{");
        if let Some((start, end)) = at {
            object.raw((content.0, start));
            object.append(member);
            object.raw((end, content.1));
        } else {
            object.fresh(fresh, name);
            object.append(member);
            let inside = self.text.get(content.0..content.1).unwrap_or_default();
            if !inside.trim_ascii().is_empty() {
                object.fresh(fresh, b",");
            }
            object.raw(content);
        }
        object.fresh(fresh, b"}");
        object
    }
}

impl Notation for Json<'_> {
    fn with(&self, fresh: &mut Fresh, resource: &Resource<'_>, attributes: &[(&[u8], Kept<'_>)]) -> Pieces {
        let own = resource.attributes.as_deref().unwrap_or_default();
        let list = Self::list(fresh, own, attributes);
        let described = match resource.described_at {
            Some(_) => self.object(fresh, resource.described, resource.list_at, b"\"attributes\":", &list),
            None => self.object(fresh, (0, 0), None, b"\"attributes\":", &list),
        };
        self.object(fresh, resource.content, resource.described_at, b"\"resource\":", &described)
    }
}
