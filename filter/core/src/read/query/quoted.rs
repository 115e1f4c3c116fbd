//! Strings and comments, which the three languages have in common.

use super::Problem;

/// The length of the string at the beginning of `rest` with its quotes; `start` is its place in the query.
///
/// Between `"` or `'` there are Go's escapes and no newline; between backquotes there is neither escape nor limit.
pub(super) fn quoted(rest: &str, start: usize) -> Result<usize, (usize, Problem)> {
    let mut characters = rest.char_indices();
    let Some((_, quote)) = characters.next() else { return Err((start, Problem::Unterminated)) };
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => return Ok(at.saturating_add(1)),
            // Go's readers take it for text that is not UTF-8.
            char::REPLACEMENT_CHARACTER => {
                return Err((start.saturating_add(at), Problem::Character(character)));
            }
            '\n' if quote != '`' => return Err((start, Problem::Unterminated)),
            '\\' if quote != '`' => {
                escape(&mut characters, quote).ok_or((start.saturating_add(at), Problem::Escape))?;
            }
            _ => {}
        }
    }
    Err((start, Problem::Unterminated))
}

/// Passes what follows a backslash.
fn escape(characters: &mut impl Iterator<Item = (usize, char)>, quote: char) -> Option<()> {
    let (_, first) = characters.next()?;
    let (digits, base, mut value) = match first {
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Some(()),
        _ if first == quote => return Some(()),
        'x' => (2, 16, 0),
        'u' => (4, 16, 0),
        'U' => (8, 16, 0),
        _ => (2, 8, first.to_digit(8)?),
    };
    for _ in 0..digits {
        let digit = characters.next()?.1.to_digit(base)?;
        value = value.checked_mul(base)?.checked_add(digit)?;
    }
    if base == 8 && value > 255 {
        return None;
    }
    char::from_u32(value).map(drop)
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
