//! The walk over an answer, which notes what must go.

use super::Own;
use super::shape::{Object, Stays, Value};
use super::splice::Splice;
use crate::wire::{JsonProblem, JsonReader, JsonText};

/// A walk over one answer.
pub(super) struct Walk<'a> {
    pub(super) reader: JsonReader<'a>,
    pub(super) own: Own<'a>,
    /// What goes, in order.
    pub(super) cuts: Vec<Splice>,
}

impl Walk<'_> {
    /// Walks over the next value; whether something of it stays. `null` is nothing.
    pub(super) fn value(&mut self, value: Value) -> Result<bool, JsonProblem> {
        if self.reader.null()? {
            return Ok(false);
        }
        match value {
            Value::Object(object) => self.object(object),
            Value::List(object) => self.list(object),
            Value::Labels => self.labels(),
            Value::Matchers => self.matchers(),
        }
    }

    fn object(&mut self, object: &Object) -> Result<bool, JsonProblem> {
        let mut by_first = false;
        let mut seen = [false; 8];
        let mut first = true;
        self.reader.object()?;
        while let Some(name) = self.reader.name(&mut first)? {
            let known = object.members.iter().zip(0..).find(|((known, _), _)| is(name, known));
            let Some(((_, value), at)) = known else {
                self.reader.skip()?;
                continue;
            };
            once(seen.get_mut(at))?;
            let stays = self.value(*value)?;
            by_first |= stays && at == 0;
        }
        match object.stays {
            Stays::ByFirst => Ok(by_first),
            Stays::Always if seen.iter().take(object.members.len()).all(|seen| *seen) => Ok(true),
            Stays::Always => Err(JsonProblem::Missing),
        }
    }

    /// Each element that goes takes one comma with it: the one before, or, while none has stayed, the one after.
    fn list(&mut self, object: &Object) -> Result<bool, JsonProblem> {
        let mut any_stays = false;
        // Where what goes begins, while none has stayed; and where the last element ended.
        let mut leading = None;
        let mut last_end = 0;
        let mut first = true;
        self.reader.array()?;
        while self.reader.element(&mut first)? {
            self.reader.peek()?;
            let start = self.reader.at();
            if let Some(from) = leading.take() {
                self.cuts.push(Splice::cut(from, start));
            }
            let before = self.cuts.len();
            let stays = self.object(object)?;
            let end = self.reader.at();
            if stays {
                any_stays = true;
            } else {
                self.cuts.truncate(before);
                if any_stays {
                    self.cuts.push(Splice::cut(last_end, end));
                } else {
                    leading = Some(start);
                }
            }
            last_end = end;
        }
        if let Some(from) = leading {
            self.cuts.push(Splice::cut(from, last_end));
        }
        Ok(any_stays)
    }

    fn labels(&mut self) -> Result<bool, JsonProblem> {
        let Own { label, admits } = self.own;
        let mut seen = false;
        let mut is_own = false;
        let mut first = true;
        self.reader.object()?;
        while let Some(name) = self.reader.name(&mut first)? {
            let value = self.reader.string()?;
            if is(name, label) {
                once(Some(&mut seen))?;
                is_own = admits(&text(value)?);
            }
        }
        Ok(is_own)
    }

    fn matchers(&mut self) -> Result<bool, JsonProblem> {
        let Own { label, admits } = self.own;
        let mut is_own = false;
        let mut first = true;
        self.reader.array()?;
        while self.reader.element(&mut first)? {
            let matcher = Matcher::read(&mut self.reader)?;
            is_own |= matcher.holds(label, admits)?;
        }
        Ok(is_own)
    }
}

/// A matcher of a silence.
#[derive(Default)]
pub(super) struct Matcher<'a> {
    pub(super) name: Option<JsonText<'a>>,
    pub(super) value: Option<JsonText<'a>>,
    pub(super) is_regex: Option<bool>,
    /// True where it is absent: Alertmanagers before 0.22 have no other.
    pub(super) is_equal: Option<bool>,
    /// The first of its members that is none of these.
    pub(super) unknown: Option<JsonText<'a>>,
}

impl<'a> Matcher<'a> {
    pub(super) fn read(reader: &mut JsonReader<'a>) -> Result<Self, JsonProblem> {
        let mut matcher = Self::default();
        let mut first = true;
        reader.object()?;
        while let Some(name) = reader.name(&mut first)? {
            if is(name, "name") {
                fill(&mut matcher.name, reader.string()?)?;
            } else if is(name, "value") {
                fill(&mut matcher.value, reader.string()?)?;
            } else if is(name, "isRegex") {
                fill(&mut matcher.is_regex, reader.boolean()?)?;
            } else if is(name, "isEqual") {
                fill(&mut matcher.is_equal, reader.boolean()?)?;
            } else {
                reader.skip()?;
                matcher.unknown.get_or_insert(name);
            }
        }
        Ok(matcher)
    }

    /// Whether it is about this label.
    pub(super) fn is_about(&self, label: &str) -> bool {
        self.name.is_some_and(|name| is(name, label))
    }

    /// Whether it holds the label to exactly one value, and that is admitted.
    pub(super) fn holds(&self, label: &str, admits: &dyn Fn(&str) -> bool) -> Result<bool, JsonProblem> {
        let is_equality = self.is_regex == Some(false) && self.is_equal != Some(false);
        match self.value {
            Some(value) if is_equality && self.is_about(label) => Ok(admits(&text(value)?)),
            _ => Ok(false),
        }
    }
}

/// Whether a string says this.
pub(super) fn is(text: JsonText<'_>, known: &str) -> bool {
    text.decode().is_some_and(|decoded| *decoded == *known.as_bytes())
}

/// What a string says.
pub(super) fn text(text: JsonText<'_>) -> Result<String, JsonProblem> {
    let decoded = text.decode().ok_or(JsonProblem::Utf8)?;
    String::from_utf8(decoded.into_owned()).map_err(|_| JsonProblem::Utf8)
}

fn once(seen: Option<&mut bool>) -> Result<(), JsonProblem> {
    match seen.map(|seen| core::mem::replace(seen, true)) {
        Some(false) => Ok(()),
        _ => Err(JsonProblem::Repeated),
    }
}

fn fill<T>(slot: &mut Option<T>, value: T) -> Result<(), JsonProblem> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(JsonProblem::Repeated),
    }
}
