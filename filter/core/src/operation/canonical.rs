//! Whether a path is written in the one form that every parser behind reads alike.
//!
//! Backends are laxer than any table: Go's routers clean `..` and doubled slashes or decode before they
//! match, so `/api/v1/quer%79` is a query to some and unknown to others. Rewriting a path would break what
//! must survive (`%2F` in a rule namespace), so whatever has a second spelling is refused.
//! Specification: RFC 3986, 3.3 and 6.2.2.

use core::str::Bytes;

/// What a canonical path has that only some routes take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// It ends with a slash, and is more than that slash.
    pub(super) trailing_slash: bool,
    /// It has a `%2F`.
    pub(super) encoded_slash: bool,
}

/// The segment that is being read, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Empty,
    Dot,
    DotDot,
    Name,
}

impl Part {
    fn end(self) -> Result<(), &'static str> {
        if matches!(self, Self::Dot | Self::DotDot) { Err("a dot segment") } else { Ok(()) }
    }
}

/// Checks a path without its query. An error says what is wrong, to follow "the path has …".
///
/// In a canonical path an escape stands only for a character that cannot stand for itself. So decoding it
/// once and decoding it to the end give the same, and no decoding makes a dot segment.
pub(super) fn check(path: &str) -> Result<Shape, &'static str> {
    let rest = path.strip_prefix('/').ok_or("no leading slash")?;
    let mut shape = Shape::default();
    // Between slashes, raw or encoded, and between raw slashes alone.
    let mut part = Part::Empty;
    let mut empty = true;
    let mut bytes = rest.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'/' if empty => return Err("a doubled slash"),
            b'/' => {
                part.end()?;
                (part, empty) = (Part::Empty, true);
                continue;
            }
            b'.' => {
                part = match part {
                    Part::Empty => Part::Dot,
                    Part::Dot => Part::DotDot,
                    Part::DotDot | Part::Name => Part::Name,
                };
            }
            b'%' => match escaped(&mut bytes)? {
                b'/' => {
                    part.end()?;
                    part = Part::Empty;
                    shape.encoded_slash = true;
                }
                _ => part = Part::Name,
            },
            _ if is_plain(byte) => part = Part::Name,
            _ => return Err(why_not_plain(byte)),
        }
        empty = false;
    }
    part.end()?;
    shape.trailing_slash = empty && !rest.is_empty();
    Ok(shape)
}

/// Whether `byte` may stand for itself in a path: RFC 3986's `pchar` but for `;`, which some servers take
/// as the start of a parameter that is no part of the path.
pub(super) const fn is_plain(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'!' | b'$' | b'&'..=b',' | b'=' | b':' | b'@')
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

const fn why_not_plain(byte: u8) -> &'static str {
    match byte {
        b'\\' => "a backslash",
        b'#' => "a fragment",
        b'?' => "a query",
        b';' => "a path parameter",
        0..0x20 | 0x7f => "a control character",
        0x80.. => "a character outside ASCII",
        _ => "a character that must be escaped",
    }
}

/// Reads what follows a `%`; returns the byte, or the first of several that make one character.
fn escaped(bytes: &mut Bytes<'_>) -> Result<u8, &'static str> {
    const BROKEN: &str = "a broken percent escape";
    let byte = hex_pair(bytes).ok_or(BROKEN)?;
    match byte {
        b'.' => Err("an escaped dot"),
        _ if is_unreserved(byte) => Err("a character escaped without need"),
        0..0x20 | 0x7f => Err("an escaped control character"),
        b'\\' => Err("an escaped backslash"),
        // A percent sign may be meant, but not where a second decoding would make something of it.
        b'%' if hex_pair(&mut bytes.clone()).is_some() => Err("a doubly escaped character"),
        0x80.. => {
            let character = utf8(byte, bytes).ok_or("an escape that is not UTF-8")?;
            if character.is_control() { Err("an escaped control character") } else { Ok(byte) }
        }
        _ => Ok(byte),
    }
}

fn hex_pair(bytes: &mut Bytes<'_>) -> Option<u8> {
    let mut digit = || char::from(bytes.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (high, low) = (digit()?, digit()?);
    Some(high.wrapping_mul(16).wrapping_add(low))
}

/// The character whose UTF-8 starts with `first` and goes on with the escapes that follow. Only strict
/// UTF-8: an overlong form of `.` or `/` is none.
fn utf8(first: u8, bytes: &mut Bytes<'_>) -> Option<char> {
    let length = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let mut buffer = [first, 0, 0, 0];
    for slot in buffer.iter_mut().take(length).skip(1) {
        if bytes.next()? != b'%' {
            return None;
        }
        *slot = hex_pair(bytes)?;
    }
    core::str::from_utf8(buffer.get(..length)?).ok()?.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical() {
        let cases: &[(&str, bool, bool)] = &[
            ("/", false, false),
            ("/a", false, false),
            ("/a/", true, false),
            ("/a/b.c/...", false, false),
            ("/.a/a./..a/a..", false, false),
            ("/a%2Fb", false, true),
            ("/a%2fb/", true, true),
            ("/%2F", false, true),
            ("/a%2F%2Fb", false, true),
            ("/a%20b%22%3C%7B", false, false),
            ("/100%25", false, false),
            ("/100%25/x", false, false),
            ("/100%25zz", false, false),
            ("/caf%C3%A9/%F0%9F%90%BB/%E2%82%AC", false, false),
            ("/a%3Fb%23c%3Bd", false, false),
            ("/!$&'()*+,=:@-_~", false, false),
            ("/v1:push@2", false, false),
        ];
        for (path, trailing_slash, encoded_slash) in cases {
            let expected = Shape { trailing_slash: *trailing_slash, encoded_slash: *encoded_slash };
            assert_eq!(check(path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn hostile() {
        let cases: &[(&str, &str)] = &[
            ("", "no leading slash"),
            ("*", "no leading slash"),
            ("a/b", "no leading slash"),
            ("%2Fapi", "no leading slash"),
            (" /a", "no leading slash"),
            ("http://host/api/v1/push", "no leading slash"),
            ("//", "a doubled slash"),
            ("//a", "a doubled slash"),
            ("/a//b", "a doubled slash"),
            ("/a//", "a doubled slash"),
            ("/.", "a dot segment"),
            ("/..", "a dot segment"),
            ("/a/./b", "a dot segment"),
            ("/a/../b", "a dot segment"),
            ("/a/..", "a dot segment"),
            ("/../a", "a dot segment"),
            ("/a%2F..", "a dot segment"),
            ("/a%2F../b", "a dot segment"),
            ("/a%2f..%2fb", "a dot segment"),
            ("/..%2Fa", "a dot segment"),
            ("/.%2Fa", "a dot segment"),
            ("/%2e%2e/a", "an escaped dot"),
            ("/%2E%2E/a", "an escaped dot"),
            ("/.%2e/a", "an escaped dot"),
            ("/%2e./a", "an escaped dot"),
            ("/a%2F%2E%2E%2Fb", "an escaped dot"),
            ("/%252e%252e/a", "a doubly escaped character"),
            ("/%252F", "a doubly escaped character"),
            ("/%25%32%65", "a character escaped without need"),
            ("/a\\b", "a backslash"),
            ("/a/..\\b", "a backslash"),
            ("/a%5Cb", "an escaped backslash"),
            ("/a%5c..%5cb", "an escaped backslash"),
            ("/a\0", "a control character"),
            ("/a\tb", "a control character"),
            ("/a\r\nx", "a control character"),
            ("/a\x7f", "a control character"),
            ("/a%00", "an escaped control character"),
            ("/a%0d%0a", "an escaped control character"),
            ("/a%7F", "an escaped control character"),
            ("/a%C2%85", "an escaped control character"),
            ("/é", "a character outside ASCII"),
            ("/a／b", "a character outside ASCII"),
            ("/a#b", "a fragment"),
            ("/a?b", "a query"),
            ("/a;b=c", "a path parameter"),
            ("/..;/a", "a path parameter"),
            ("/a b", "a character that must be escaped"),
            ("/{a}", "a character that must be escaped"),
            ("/a|b", "a character that must be escaped"),
            ("/a\"b", "a character that must be escaped"),
            ("/a[b]", "a character that must be escaped"),
            ("/a%", "a broken percent escape"),
            ("/a%2", "a broken percent escape"),
            ("/a%zz", "a broken percent escape"),
            ("/a%2Gb", "a broken percent escape"),
            ("/a%+2", "a broken percent escape"),
            ("/a%u002e", "a broken percent escape"),
            ("/%C0%AE%C0%AE/a", "an escape that is not UTF-8"),
            ("/%E0%80%AE", "an escape that is not UTF-8"),
            ("/%ED%A0%80", "an escape that is not UTF-8"),
            ("/%F5%80%80%80", "an escape that is not UTF-8"),
            ("/%C3", "an escape that is not UTF-8"),
            ("/%C3a", "an escape that is not UTF-8"),
            ("/%FF", "an escape that is not UTF-8"),
            ("/%80", "an escape that is not UTF-8"),
            ("/api/v1/quer%79", "a character escaped without need"),
            ("/%61pi", "a character escaped without need"),
            ("/a%2Db", "a character escaped without need"),
            ("/a%7Eb", "a character escaped without need"),
        ];
        for (path, expected) in cases {
            assert_eq!(check(path), Err(*expected), "{path:?}");
        }
    }
}
