//! Strings and comments, which the three languages have in common.

use super::Problem;

/// The length of the string at the beginning of `rest` with its quotes; `start` is its place in the query.
///
/// Between `"` or `'` there are Go's escapes and no newline; between backquotes there is neither escape nor limit.
pub(super) fn quoted(rest: &str, start: usize) -> Result<usize, (usize, Problem)> {
    let Some((quote, mut after)) = rest.as_bytes().split_first() else {
        return Err((start, Problem::Unterminated));
    };
    let is_raw = *quote == b'`';
    loop {
        let here = rest.len().saturating_sub(after.len());
        match after {
            [byte, ..] if byte == quote => return Ok(here.saturating_add(1)),
            [b'\n', ..] if !is_raw => return Err((start, Problem::Unterminated)),
            [b'\\', escaped @ ..] if !is_raw => {
                after = escape(escaped, *quote).ok_or((start.saturating_add(here), Problem::Escape))?;
            }
            // U+FFFD, which Go's readers take for text that is not UTF-8.
            [0xef, 0xbf, 0xbd, ..] => {
                return Err((start.saturating_add(here), Problem::Character(char::REPLACEMENT_CHARACTER)));
            }
            [_, rest @ ..] => after = rest,
            [] => return Err((start, Problem::Unterminated)),
        }
    }
}

/// What comes after an escape, of which the backslash has passed.
fn escape(escaped: &[u8], quote: u8) -> Option<&[u8]> {
    let (first, after) = escaped.split_first()?;
    let (digits, base) = match first {
        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' => return Some(after),
        _ if *first == quote => return Some(after),
        b'x' => (after.get(..2)?, 16),
        b'u' => (after.get(..4)?, 16),
        b'U' => (after.get(..8)?, 16),
        _ => (escaped.get(..3)?, 8),
    };
    let mut value = 0_u32;
    for digit in digits {
        value = value.checked_mul(base)?.checked_add(char::from(*digit).to_digit(base)?)?;
    }
    if base == 8 && value > 255 || char::from_u32(value).is_none() {
        return None;
    }
    if base == 8 { escaped.get(3..) } else { after.get(digits.len()..) }
}

/// The length of the comment at the beginning of `rest`, which goes to the end of its line.
///
/// Some backends end a line at a carriage return, others go on, so there is none without its newline.
pub(super) fn comment(rest: &str, start: usize) -> Result<usize, (usize, Problem)> {
    let end = rest.find('\n').unwrap_or(rest.len());
    let line = rest.get(..end).unwrap_or(rest);
    let line = line.strip_suffix('\r').filter(|_| end < rest.len()).unwrap_or(line);
    match line.find('\r') {
        Some(at) => Err((start.saturating_add(at), Problem::CommentEnd)),
        None => Ok(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        let cases: &[(&str, Result<usize, usize>)] = &[
            (r#""" rest"#, Ok(2)),
            (r#""a}'`"b"#, Ok(6)),
            (r#"'a"b'"#, Ok(5)),
            ("`a\\`", Ok(4)),
            ("`a\n\"`", Ok(5)),
            (r#""\"""#, Ok(4)),
            (r#""\\""#, Ok(4)),
            (r#""\a\b\f\n\r\t\v\x7f\u00e4\U0010ffff\377""#, Ok(40)),
            ("\"ü\"", Ok(4)),
            (r#""\'""#, Err(1)),
            (r#"'\"'"#, Err(1)),
            (r#""\400""#, Err(1)),
            (r#""\x7""#, Err(1)),
            (r#""\8""#, Err(1)),
            (r#""\ud800""#, Err(1)),
            (r#""\U00110000""#, Err(1)),
            (r#""\{""#, Err(1)),
            (r#""a"#, Err(0)),
            ("\"a\n\"", Err(0)),
            ("`a", Err(0)),
            (r#""\"#, Err(1)),
            ("\"a\u{fffd}\"", Err(2)),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text, 0).map_err(|(at, _)| at), *expected, "{text}");
        }
    }

    #[test]
    fn comments() {
        let cases: &[(&str, Result<usize, usize>)] = &[
            ("#", Ok(1)),
            ("# a\nb", Ok(3)),
            ("# a\r\nb", Ok(4)),
            ("# a\rb\n", Err(3)),
            ("# a\r", Err(3)),
            ("# a\r\r\n", Err(3)),
        ];
        for (text, expected) in cases {
            assert_eq!(comment(text, 0).map_err(|(at, _)| at), *expected, "{text:?}");
        }
    }
}
