//! Pushes as JSON: the walk over their streams, and how they are put together.
//!
//! Loki reads the outer object without regard to the case of names, and at its old path everything; the rest with a
//! decoder that takes a list or an object from within a string, lets the last of two members win, and writes a label's
//! name into Prometheus' notation as it came. So names must have their exact case, members their type, and a label's
//! name must be one.

use std::borrow::Cow;

use super::super::parts::Split;
use super::super::pieces::{Frame, Fresh, Pieces, Range};
use super::super::plan::SplitPlan;
use super::super::route::Reason;
use super::head::{Body, Push};
use super::labels::{self, Label};
use super::stream::{Entry, Notation, Pair, Reach, Stream, Walk};
use crate::caller::Rights;
use crate::config::Limits;
use crate::report::Refusal;
use crate::wire::{JsonKind, JsonProblem, JsonReader, JsonText};

const FRAME: Frame = Frame { head: b"{\"streams\":[", between: b",", tail: b"]}" };

/// The names that one of the two forms has.
#[derive(Clone, Copy)]
struct Json<'a> {
    text: &'a [u8],
    is_legacy: bool,
    labels: &'static str,
    entries: &'static str,
}

pub(super) fn split(
    text: &[u8],
    push: Push,
    plan: &SplitPlan,
    rights: &Rights,
    limits: &Limits,
) -> Result<Split, Refusal> {
    let is_legacy = push.body == Body::LegacyJson;
    let (labels, entries) = if is_legacy { ("labels", "entries") } else { ("stream", "values") };
    let form = Json { text, is_legacy, labels, entries };
    let mut reader = JsonReader::new(text, 0);
    let mut walk = Walk::new(plan, rights, limits, FRAME);
    form.request(&mut reader, &mut walk).map_err(|stop| match stop {
        Stop::Refused(refusal) => refusal,
        Stop::Malformed(problem) => Refusal::Json { problem, offset: reader.at() },
    })?;
    walk.finish(text, push.encoding)
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

/// Whether a name is this one. `None` where it is not, but for its case.
fn is(name: &[u8], known: &str) -> Option<bool> {
    if name == known.as_bytes() {
        Some(true)
    } else if name.eq_ignore_ascii_case(known.as_bytes()) {
        None
    } else {
        Some(false)
    }
}

impl<'a> Json<'a> {
    fn request(self, reader: &mut JsonReader<'a>, walk: &mut Walk<'a, 'a>) -> Result<(), Stop> {
        let (mut first, mut seen) = (true, false);
        reader.object()?;
        while let Some(name) = reader.name(&mut first)? {
            let name = name.decode().ok_or(JsonProblem::Utf8)?;
            if !is(&name, "streams").ok_or(JsonProblem::Case)? {
                // Loki's own, or nothing to it.
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
                let stream = self.stream(reader, walk.reach())?;
                walk.stream(&stream, &self)?;
            }
        }
        Ok(reader.end()?)
    }

    /// Reads one stream. What only it is to blame for costs only it.
    fn stream(self, reader: &mut JsonReader<'a>, reach: Reach) -> Result<Stream<'a>, JsonProblem> {
        if reader.peek()? != JsonKind::Object {
            return Err(JsonProblem::Type);
        }
        let start = reader.at();
        let mut stream = Stream {
            range: (start, start),
            labels: Err(Reason::NoLabels),
            labels_at: (start, start),
            entries_at: (start, start),
            count: 0,
            entries: Vec::new(),
        };
        let (mut first, mut labels, mut entries, mut odd) = (true, 0_u32, 0_u32, None);
        reader.object()?;
        while let Some(name) = reader.name(&mut first)? {
            let name = name.decode().unwrap_or_default();
            match (is(&name, self.labels), is(&name, self.entries)) {
                (Some(true), _) => {
                    labels = labels.saturating_add(1);
                    let kind = reader.peek()?;
                    let labels_start = reader.at();
                    stream.labels = match (self.is_legacy, kind) {
                        (true, JsonKind::Text) => text_labels(reader.string()?, reach.labels),
                        (false, JsonKind::Object) => object_labels(reader, reach.labels)?,
                        _ => {
                            reader.skip()?;
                            Err(Reason::Form)
                        }
                    };
                    stream.labels_at = (labels_start, reader.at());
                }
                (_, Some(true)) => {
                    entries = entries.saturating_add(1);
                    match reader.peek()? {
                        JsonKind::Array => {
                            let entries_start = reader.at();
                            self.entries(reader, &mut stream, reach)?;
                            stream.entries_at = (entries_start, reader.at());
                        }
                        JsonKind::Null => {
                            stream.entries_at = reader.skip()?;
                        }
                        _ => {
                            reader.skip()?;
                            odd = Some(Reason::Form);
                        }
                    }
                }
                (Some(false), Some(false)) => {
                    reader.skip()?;
                }
                _ => {
                    reader.skip()?;
                    odd = Some(Reason::Form);
                }
            }
        }
        stream.range.1 = reader.at();
        if labels > 1 || entries > 1 {
            odd = Some(Reason::Form);
        }
        if core::str::from_utf8(self.text.get(start..reader.at()).unwrap_or_default()).is_err() {
            odd = Some(Reason::Text);
        }
        if let Some(reason) = odd {
            stream.labels = Err(reason);
        }
        Ok(stream)
    }

    fn entries(
        self,
        reader: &mut JsonReader<'a>,
        stream: &mut Stream<'a>,
        reach: Reach,
    ) -> Result<(), JsonProblem> {
        let mut first = true;
        reader.array()?;
        while reader.element(&mut first)? {
            // Loki passes over it.
            if reader.peek()? == JsonKind::Null {
                reader.skip()?;
                continue;
            }
            stream.count = stream.count.saturating_add(1);
            if stream.entries.len() < reach.entries {
                let entry = if self.is_legacy { legacy_entry(reader, reach) } else { entry(reader, reach) };
                stream.entries.push(entry?);
            } else {
                reader.skip()?;
            }
        }
        Ok(())
    }
}

/// `["<nanoseconds>", "<line>", {…}]`, the last optional.
fn entry<'a>(reader: &mut JsonReader<'a>, reach: Reach) -> Result<Entry<'a>, JsonProblem> {
    let mut entry = odd_entry(reader)?;
    if reader.peek()? != JsonKind::Array {
        entry.range = reader.skip()?;
        return Ok(entry);
    }
    let (mut first, mut position) = (true, 0_u32);
    let mut is_plain = true;
    entry.metadata = Ok(Vec::new());
    reader.array()?;
    while reader.element(&mut first)? {
        let kind = reader.peek()?;
        match (position, kind) {
            (0 | 1, JsonKind::Text) => {
                reader.string()?;
            }
            (2, JsonKind::Object) => {
                let start = reader.at();
                entry.metadata = metadata(reader, reach)?;
                entry.content = (start, reader.at());
            }
            _ => {
                reader.skip()?;
                is_plain = false;
            }
        }
        position = position.saturating_add(1);
    }
    entry.range.1 = reader.at();
    if !is_plain || position < 2 {
        entry.metadata = Err(Reason::Form);
    }
    Ok(entry)
}

/// `{"ts": "<RFC 3339>", "line": "<line>", "structuredMetadata": {…}}`, the last optional.
fn legacy_entry<'a>(reader: &mut JsonReader<'a>, reach: Reach) -> Result<Entry<'a>, JsonProblem> {
    let mut entry = odd_entry(reader)?;
    if reader.peek()? != JsonKind::Object {
        entry.range = reader.skip()?;
        return Ok(entry);
    }
    let (mut first, mut times, mut is_plain) = (true, 0_u32, true);
    entry.metadata = Ok(Vec::new());
    reader.object()?;
    while let Some(name) = reader.name(&mut first)? {
        let name = name.decode().unwrap_or_default();
        match is(&name, "structuredMetadata") {
            Some(true) if reader.peek()? == JsonKind::Object => {
                let start = reader.at();
                entry.metadata = metadata(reader, reach)?;
                entry.content = (start, reader.at());
                times = times.saturating_add(1);
            }
            Some(false) => {
                reader.skip()?;
            }
            _ => {
                reader.skip()?;
                is_plain = false;
            }
        }
    }
    entry.range.1 = reader.at();
    if !is_plain || times > 1 {
        entry.metadata = Err(Reason::Form);
    }
    Ok(entry)
}

/// An entry at whose beginning the reader stands, of which nothing is known.
fn odd_entry<'a>(reader: &mut JsonReader<'a>) -> Result<Entry<'a>, JsonProblem> {
    reader.peek()?;
    let at = (reader.at(), reader.at());
    Ok(Entry { range: at, content: at, metadata: Err(Reason::Form) })
}

/// An object of metadata. An object in it would be read as the metadata itself.
fn metadata<'a>(
    reader: &mut JsonReader<'a>,
    reach: Reach,
) -> Result<Result<Vec<Pair<'a>>, Reason>, JsonProblem> {
    let (mut first, mut odd) = (true, None);
    let mut pairs = Ok(Vec::new());
    reader.object()?;
    while let Some(name) = reader.name(&mut first)? {
        let value = match reader.peek()? {
            JsonKind::Text => reader.string()?.decode(),
            JsonKind::Object | JsonKind::Array => {
                reader.skip()?;
                odd = Some(Reason::Form);
                None
            }
            _ => {
                reader.skip()?;
                None
            }
        };
        match name.decode() {
            Some(decoded) => {
                let range = (name.at(), reader.at());
                reach.keep(&mut pairs, Pair { range, name: decoded, value });
            }
            None => odd = Some(Reason::Text),
        }
    }
    Ok(odd.map_or(pairs, Err))
}

/// The labels of a stream as an object.
fn object_labels<'a>(
    reader: &mut JsonReader<'a>,
    enough: usize,
) -> Result<Result<Vec<Label<'a>>, Reason>, JsonProblem> {
    let (mut first, mut odd) = (true, None);
    let mut labels = Vec::new();
    reader.object()?;
    while let Some(name) = reader.name(&mut first)? {
        let value = if reader.peek()? == JsonKind::Text {
            reader.string()?.decode()
        } else {
            reader.skip()?;
            odd = Some(Reason::Form);
            continue;
        };
        match (name.decode(), value) {
            (Some(name), Some(value)) if labels::is_plain(&name) => {
                if labels.len() < enough {
                    labels.push((name, value));
                }
            }
            (Some(_), Some(_)) => odd = Some(Reason::Form),
            _ => odd = Some(Reason::Text),
        }
        // Loki takes the escapes out of a name twice.
        if name.is_escaped() {
            odd = Some(Reason::Form);
        }
    }
    Ok(odd.map_or(Ok(labels), Err))
}

/// The labels of a stream as text within the text.
fn text_labels(text: JsonText<'_>, enough: usize) -> Result<Vec<Label<'_>>, Reason> {
    match text.decode() {
        Some(Cow::Borrowed(text)) => labels::parse(text, enough).ok_or(Reason::Form),
        Some(Cow::Owned(text)) => {
            let labels = labels::parse(&text, enough).ok_or(Reason::Form)?;
            let own = |text: Cow<'_, [u8]>| Cow::Owned(text.into_owned());
            Ok(labels.into_iter().map(|(name, value)| (own(name), own(value))).collect())
        }
        None => Err(Reason::Text),
    }
}

impl Json<'_> {
    fn write_labels(self, labels: &[(&[u8], &[u8])]) -> Vec<u8> {
        if self.is_legacy {
            return string(&labels::render(labels)).into_bytes();
        }
        let members: Vec<_> =
            labels.iter().map(|(name, value)| format!("{}:{}", string(name), string(value))).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    }
}

/// A string with its quotes; all that comes here is UTF-8.
fn string(text: &[u8]) -> String {
    serde_json::Value::from(String::from_utf8_lossy(text)).to_string()
}

impl Notation for Json<'_> {
    fn takes_name(&self, name: &[u8]) -> bool {
        self.is_legacy || labels::is_plain(name)
    }

    fn without(&self, fresh: &mut Fresh, entry: &Entry<'_>, cuts: &[Range]) -> Pieces {
        let mut pieces = Pieces::default();
        pieces.raw((entry.range.0, entry.content.0));
        let kept = entry.metadata.iter().flatten().filter(|pair| !cuts.contains(&pair.range));
        let mut before: &[u8] = b"{";
        for pair in kept {
            pieces.fresh(fresh, before);
            pieces.raw(pair.range);
            before = b",";
        }
        pieces.fresh(fresh, if before == b"{" { b"{}" } else { b"}" });
        pieces.raw((entry.content.1, entry.range.1));
        pieces
    }

    fn stream(
        &self,
        fresh: &mut Fresh,
        stream: &Stream<'_>,
        labels: Option<&[(&[u8], &[u8])]>,
        entries: Option<&[Pieces]>,
    ) -> Pieces {
        let mut new_labels = Pieces::default();
        match labels {
            Some(labels) => new_labels.fresh(fresh, &self.write_labels(labels)),
            None => new_labels.raw(stream.labels_at),
        }
        let mut new_entries = Pieces::default();
        match entries {
            Some(entries) => {
                let mut before: &[u8] = b"[";
                for entry in entries {
                    new_entries.fresh(fresh, before);
                    new_entries.append(entry);
                    before = b",";
                }
                new_entries.fresh(fresh, b"]");
            }
            None => new_entries.raw(stream.entries_at),
        }
        let mut members = [(stream.labels_at, new_labels), (stream.entries_at, new_entries)];
        if stream.entries_at < stream.labels_at {
            members.reverse();
        }
        let mut pieces = Pieces::default();
        let mut from = stream.range.0;
        for ((start, end), member) in &members {
            pieces.raw((from, *start));
            pieces.append(member);
            from = *end;
        }
        pieces.raw((from, stream.range.1));
        pieces
    }
}
