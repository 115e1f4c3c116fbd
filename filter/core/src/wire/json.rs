//! JSON, read in place and read strictly.
//!
//! A [`JsonReader`] hands out ranges and strings of the text it was given. It takes exactly what RFC 8259 defines, and
//! less: no empty names (some decoders stop an object there), no lone surrogates (decoders differ in what they make
//! of them), and bounded depth. Whether the bytes of a string are UTF-8 is for the caller to ask, of as much as it uses.

use core::fmt;
use std::borrow::Cow;

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
        if self.next_byte() != Some(b':') {
            return Err(JsonProblem::Syntax);
        }
        self.advance(1);
        Ok(name)
    }

    /// Reads a string. Another type is an error.
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

    /// Passes over the next value; gives where it stands.
    pub fn skip(&mut self) -> Result<(usize, usize), JsonProblem> {
        let mut count = 0;
        self.skip_counting(&[], &mut count)
    }

    /// Passes over the next value, and counts the elements of all arrays in it that are members with these names.
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn whole(text: &[u8]) -> Result<(), JsonProblem> {
        let mut reader = JsonReader::new(text, 0);
        reader.skip()?;
        reader.end()
    }

    #[test]
    fn table() {
        use JsonProblem::{Depth, EmptyName, Syntax, Text, Trailing};
        let cases: &[(&str, Result<(), JsonProblem>)] = &[
            (r#" { "a" : [ 1 , -0.5e+3, true , false, null, "x\u00e4\ud83d\ude00\n" ] } "#, Ok(())),
            ("[]", Ok(())),
            ("{}", Ok(())),
            ("0", Ok(())),
            ("", Err(Syntax)),
            ("[", Err(Syntax)),
            ("[1,]", Err(Syntax)),
            ("[,1]", Err(Syntax)),
            ("{\"a\":1,}", Err(Syntax)),
            ("{\"a\" 1}", Err(Syntax)),
            ("{a:1}", Err(Syntax)),
            ("{1:1}", Err(Syntax)),
            ("[1 2]", Err(Syntax)),
            ("[1}", Err(Syntax)),
            ("01", Err(Trailing)),
            ("1.", Err(Syntax)),
            (".5", Err(Syntax)),
            ("+1", Err(Syntax)),
            ("-", Err(Syntax)),
            ("1e", Err(Syntax)),
            ("tru", Err(Syntax)),
            ("NaN", Err(Syntax)),
            ("{} {}", Err(Trailing)),
            ("[1] // comment", Err(Trailing)),
            ("\"a", Err(Syntax)),
            ("\"\t\"", Err(Text)),
            (r#""\x""#, Err(Text)),
            (r#""\u12""#, Err(Text)),
            (r#""\ud800""#, Err(Text)),
            (r#""\ud800\u0041""#, Err(Text)),
            (r#""\udc00\ud800""#, Err(Text)),
            (r#"{"":1}"#, Err(EmptyName)),
            (r#"[{"a":{"":1}}]"#, Err(EmptyName)),
        ];
        for (text, expected) in cases {
            assert_eq!(whole(text.as_bytes()), *expected, "{text}");
        }
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(whole(nested(JsonReader::MAX_DEPTH + 1).as_bytes()), Ok(()));
        assert_eq!(whole(nested(JsonReader::MAX_DEPTH + 2).as_bytes()), Err(Depth));
    }

    #[test]
    fn members_elements_and_counts() {
        let text = br#"{"a":[1,"x"],"\u0062":{"spans":[1,{"spans":[{}]}],"other":[1,2]}}"#;
        let mut reader = JsonReader::new(text, 0);
        let mut first = true;
        reader.object().unwrap();
        assert_eq!(&*reader.name(&mut first).unwrap().unwrap().decode().unwrap(), b"a");
        reader.array().unwrap();
        let mut first_element = true;
        assert_eq!(reader.element(&mut first_element), Ok(true));
        assert_eq!(reader.string(), Err(JsonProblem::Type));
        assert_eq!(reader.skip(), Ok((6, 7)));
        assert_eq!(reader.element(&mut first_element), Ok(true));
        assert_eq!(&*reader.string().unwrap().decode().unwrap(), b"x");
        assert_eq!(reader.element(&mut first_element), Ok(false));
        let name = reader.name(&mut first).unwrap().unwrap();
        assert!(name.is_escaped());
        assert_eq!(&*name.decode().unwrap(), b"b");
        let mut count = 0;
        reader.skip_counting(&["spans"], &mut count).unwrap();
        assert_eq!(count, 3);
        assert_eq!(reader.name(&mut first), Ok(None));
        assert_eq!(reader.end(), Ok(()));
    }

    /// JSON as it may come: well-formed values with odd strings.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::hash_map("[^\0]+", inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_bytes_walk_without_panic(text: Vec<u8>) {
            let _ = whole(&text);
        }

        #[test]
        fn what_serde_writes_is_read(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            prop_assert_eq!(whole(text.unwrap().as_bytes()), Ok(()));
        }

        #[test]
        fn what_is_read_serde_reads_too(text in r#"[\[\]{},:"\\ntrue0-9.eEa-z \n]{0,40}"#) {
            if whole(text.as_bytes()).is_ok() {
                // Numbers out of range are for the backend to judge.
                let read = serde_json::from_str::<Value>(&text);
                prop_assert!(read.is_ok() || read.unwrap_err().to_string().contains("out of range"), "{}", text);
            }
        }

        #[test]
        fn strings_say_what_serde_reads(text: String, escape in prop::collection::vec(any::<bool>(), 0..20)) {
            let mut written = String::from('"');
            for (c, escape) in text.chars().zip(escape.into_iter().chain(std::iter::repeat(false))) {
                if escape || c < ' ' || c == '"' || c == '\\' {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        let _ = fmt::Write::write_fmt(&mut written, format_args!("\\u{unit:04x}"));
                    }
                } else {
                    written.push(c);
                }
            }
            written.push('"');
            let mut reader = JsonReader::new(written.as_bytes(), 0);
            let read = reader.string().unwrap();
            prop_assert_eq!(&*read.decode().unwrap(), text.as_bytes());
        }
    }
}
