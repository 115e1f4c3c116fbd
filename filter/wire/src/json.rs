//! JSON, read in place and read strictly.
//!
//! A [`JsonReader`] hands out ranges and strings of the text it was given. It takes exactly what RFC 8259 defines, and
//! less: no empty names (some decoders stop an object there), no lone surrogates (decoders differ in what they make
//! of them), and bounded depth. Whether the bytes of a string are UTF-8 is for the caller to ask, of as much as it uses.

mod tree;

use core::fmt;
use std::borrow::Cow;

pub use tree::{JsonError, json_tree};

/// What is wrong with a text, in words that fit after "the body is malformed: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonProblem {
    /// It is no JSON.
    Syntax,
    /// A string holds a control character, an unknown escape or half a surrogate pair.
    Text,
    /// A name is empty.
    EmptyName,
    /// Values are nested deeper than [`JsonReader::MAX_DEPTH`].
    Depth,
    /// Something follows the value.
    Trailing,
    /// A known member has another type than its protocol says.
    Type,
    /// A known member stands twice, or in two spellings.
    Repeated,
    /// A known member is not there.
    Missing,
    /// A member's name is a known one but for its case, and some decoders take it for that one.
    Case,
    /// It is not UTF-8.
    Utf8,
}

impl fmt::Display for JsonProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "it is no JSON",
            Self::Text => "a string has a control character, an unknown escape or half a surrogate pair",
            Self::EmptyName => "a name is empty",
            Self::Depth => "it is nested too deeply",
            Self::Trailing => "something follows the JSON value",
            Self::Type => "a known member has the wrong type",
            Self::Repeated => "a known member stands twice",
            Self::Missing => "a known member is missing",
            Self::Case => "the name of a known member is not in its exact case",
            Self::Utf8 => "it is not UTF-8",
        })
    }
}

impl core::error::Error for JsonProblem {}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // they are JSON's own
pub enum JsonKind {
    Object,
    Array,
    Text,
    Number,
    Bool,
    Null,
}

/// A string as it stands between its quotes, valid but for its UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonText<'a> {
    raw: &'a [u8],
    escaped: bool,
    at: usize,
}

impl<'a> JsonText<'a> {
    /// Where its first quote stands in the text.
    pub fn at(self) -> usize {
        self.at
    }

    /// Whether it is written with escapes.
    pub fn is_escaped(self) -> bool {
        self.escaped
    }

    /// What it says; `None` where that is not UTF-8.
    #[inline(never)]
    pub fn decode(self) -> Option<Cow<'a, [u8]>> {
        core::str::from_utf8(self.raw).ok()?;
        if !self.escaped {
            return Some(Cow::Borrowed(self.raw));
        }
        let mut out = Vec::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
            let (plain, escape) = rest.split_at_checked(at)?;
            out.extend_from_slice(plain);
            let (c, len) = escaped(escape)?;
            let mut utf8 = [0; 4];
            out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
            rest = escape.get(len..)?;
        }
        out.extend_from_slice(rest);
        Some(Cow::Owned(out))
    }
}

/// The character of an escape that begins here, and its length.
fn escaped(escape: &[u8]) -> Option<(char, usize)> {
    let c = match escape.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let first = hex(escape.get(2..6)?)?;
            if let Some(c) = char::from_u32(first) {
                return Some((c, 6));
            }
            let [b'\\', b'u', second @ ..] = escape.get(6..12)? else { return None };
            let pair = [u16::try_from(first).ok()?, u16::try_from(hex(second)?).ok()?];
            let mut decoded = char::decode_utf16(pair);
            return Some((decoded.next()?.ok()?, 12));
        }
        _ => return None,
    };
    Some((c, 2))
}

fn hex(digits: &[u8]) -> Option<u32> {
    let mut value = 0_u32;
    for digit in digits {
        value = (value << 4) | char::from(*digit).to_digit(16)?;
    }
    Some(value)
}

/// A walk over one text.
#[derive(Clone, Debug)]
pub struct JsonReader<'a> {
    text: &'a [u8],
    at: usize,
}

/// What a value is being skipped in.
#[derive(Clone, Copy)]
enum Frame {
    Object,
    Array { counted: bool },
}

impl<'a> JsonReader<'a> {
    /// How deep values may be nested in one that is skipped.
    pub const MAX_DEPTH: usize = 100;

    /// Starts at this byte of the text.
    pub fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at }
    }

    /// Where it stands, as an offset into the text.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The type of the next value, at whose beginning it then stands.
    #[inline(never)]
    pub fn peek(&mut self) -> Result<JsonKind, JsonProblem> {
        match self.next_byte() {
            Some(b'{') => Ok(JsonKind::Object),
            Some(b'[') => Ok(JsonKind::Array),
            Some(b'"') => Ok(JsonKind::Text),
            Some(b'-' | b'0'..=b'9') => Ok(JsonKind::Number),
            Some(b't' | b'f') => Ok(JsonKind::Bool),
            Some(b'n') => Ok(JsonKind::Null),
            _ => Err(JsonProblem::Syntax),
        }
    }

    /// Enters an object; [`Self::name`] gives its members. Another type is an error.
    pub fn object(&mut self) -> Result<(), JsonProblem> {
        self.enter(JsonKind::Object)
    }

    /// Enters an array; [`Self::element`] tells whether there is one more. Another type is an error.
    pub fn array(&mut self) -> Result<(), JsonProblem> {
        self.enter(JsonKind::Array)
    }

    fn enter(&mut self, kind: JsonKind) -> Result<(), JsonProblem> {
        if self.peek()? != kind {
            return Err(JsonProblem::Type);
        }
        self.advance(1);
        Ok(())
    }

    /// The name of the next member, whose value must then be read; `None` at the object's end, which is left. `first`
    /// is true before the first member, and false afterwards.
    #[inline(never)] // the module's size counts more here
    pub fn name(&mut self, first: &mut bool) -> Result<Option<JsonText<'a>>, JsonProblem> {
        if !self.more(b'}', first)? {
            return Ok(None);
        }
        self.member().map(Some)
    }

    /// Whether there is one more element, which must then be read; else the array is left. `first` is true before the
    /// first element, and false afterwards.
    pub fn element(&mut self, first: &mut bool) -> Result<bool, JsonProblem> {
        self.more(b']', first)
    }

    #[inline(never)]
    fn more(&mut self, close: u8, first: &mut bool) -> Result<bool, JsonProblem> {
        let next = self.next_byte().ok_or(JsonProblem::Syntax)?;
        if next == close {
            self.advance(1);
            return Ok(false);
        }
        if *first {
            *first = false;
        } else if next == b',' {
            self.advance(1);
        } else {
            return Err(JsonProblem::Syntax);
        }
        Ok(true)
    }

    /// A name and the colon after it.
    fn member(&mut self) -> Result<JsonText<'a>, JsonProblem> {
        let name = self.string()?;
        if name.raw.is_empty() {
            return Err(JsonProblem::EmptyName);
        }
        self.colon()?;
        Ok(name)
    }

    fn colon(&mut self) -> Result<(), JsonProblem> {
        if self.next_byte() != Some(b':') {
            return Err(JsonProblem::Syntax);
        }
        self.advance(1);
        Ok(())
    }

    /// Reads a string. Another type is an error.
    #[inline(never)]
    pub fn string(&mut self) -> Result<JsonText<'a>, JsonProblem> {
        match self.next_byte() {
            Some(b'"') => self.advance(1),
            Some(_) => return Err(JsonProblem::Type),
            None => return Err(JsonProblem::Syntax),
        }
        let start = self.at;
        let mut is_escaped = false;
        loop {
            let rest = self.rest();
            let len = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
                .ok_or(JsonProblem::Syntax)?;
            let special = rest.get(len..).unwrap_or_default();
            match special.first() {
                Some(b'"') => {
                    self.advance(len);
                    let raw = self.text.get(start..self.at).unwrap_or_default();
                    self.advance(1);
                    return Ok(JsonText { raw, escaped: is_escaped, at: start.saturating_sub(1) });
                }
                Some(b'\\') => {
                    let (_, escape) = escaped(special).ok_or(JsonProblem::Text)?;
                    is_escaped = true;
                    self.advance(len.saturating_add(escape));
                }
                _ => return Err(JsonProblem::Text),
            }
        }
    }

    /// Reads `true` or `false`. Another type is an error.
    pub fn boolean(&mut self) -> Result<bool, JsonProblem> {
        if self.peek()? != JsonKind::Bool {
            return Err(JsonProblem::Type);
        }
        let is_true = self.byte() == Some(b't');
        self.word()?;
        Ok(is_true)
    }

    /// Passes over `null`, if it is next; whether it was.
    pub fn null(&mut self) -> Result<bool, JsonProblem> {
        let is_null = self.peek()? == JsonKind::Null;
        if is_null {
            self.word()?;
        }
        Ok(is_null)
    }

    /// Passes over the next value; gives where it stands.
    pub fn skip(&mut self) -> Result<(usize, usize), JsonProblem> {
        let mut count = 0;
        self.skip_counting(&[], &mut count)
    }

    /// Passes over the next value, and counts the elements of all arrays in it that are members with these names.
    #[inline(never)]
    pub fn skip_counting(&mut self, names: &[&str], count: &mut u32) -> Result<(usize, usize), JsonProblem> {
        self.peek()?;
        let start = self.at;
        let mut stack: Vec<Frame> = Vec::new();
        let mut counted = false;
        loop {
            if stack.len() > Self::MAX_DEPTH {
                return Err(JsonProblem::Depth);
            }
            match self.peek()? {
                JsonKind::Object => {
                    self.advance(1);
                    if self.next_byte() != Some(b'}') {
                        stack.push(Frame::Object);
                        counted = self.counts(names)?;
                        continue;
                    }
                    self.advance(1);
                }
                JsonKind::Array => {
                    self.advance(1);
                    if self.next_byte() != Some(b']') {
                        stack.push(Frame::Array { counted });
                        *count = count.saturating_add(u32::from(counted));
                        counted = false;
                        continue;
                    }
                    self.advance(1);
                }
                JsonKind::Text => {
                    self.string()?;
                }
                JsonKind::Number => self.number()?,
                JsonKind::Bool | JsonKind::Null => self.word()?,
            }
            loop {
                let Some(frame) = stack.last().copied() else { return Ok((start, self.at)) };
                match (self.next_byte(), frame) {
                    (Some(b','), Frame::Object) => {
                        self.advance(1);
                        counted = self.counts(names)?;
                        break;
                    }
                    (Some(b','), Frame::Array { counted: counts }) => {
                        self.advance(1);
                        *count = count.saturating_add(u32::from(counts));
                        counted = false;
                        break;
                    }
                    (Some(b'}'), Frame::Object) | (Some(b']'), Frame::Array { .. }) => {
                        self.advance(1);
                        stack.pop();
                    }
                    _ => return Err(JsonProblem::Syntax),
                }
            }
        }
    }

    /// Reads a name within a value that is skipped; whether it is one of these.
    fn counts(&mut self, names: &[&str]) -> Result<bool, JsonProblem> {
        let name = self.member().map_err(|problem| match problem {
            JsonProblem::Type => JsonProblem::Syntax,
            other => other,
        })?;
        Ok(names.iter().any(|known| known.as_bytes() == name.raw))
    }

    /// That nothing follows but space.
    pub fn end(&mut self) -> Result<(), JsonProblem> {
        if self.next_byte().is_none() { Ok(()) } else { Err(JsonProblem::Trailing) }
    }

    fn number(&mut self) -> Result<(), JsonProblem> {
        if self.byte() == Some(b'-') {
            self.advance(1);
        }
        match self.byte() {
            Some(b'0') => self.advance(1),
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.advance(1);
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.advance(1);
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.advance(1);
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonProblem> {
        let len = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.advance(len);
        if len > 0 { Ok(()) } else { Err(JsonProblem::Syntax) }
    }

    fn word(&mut self) -> Result<(), JsonProblem> {
        let words: [&[u8]; 3] = [b"true", b"false", b"null"];
        let word = words.iter().find(|word| self.rest().starts_with(word)).ok_or(JsonProblem::Syntax)?;
        self.advance(word.len());
        Ok(())
    }

    /// The next byte that is no space, at which it then stands.
    fn next_byte(&mut self) -> Option<u8> {
        while let Some(byte) = self.byte() {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.advance(1);
        }
        None
    }

    fn byte(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, by: usize) {
        self.at = self.at.saturating_add(by);
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
