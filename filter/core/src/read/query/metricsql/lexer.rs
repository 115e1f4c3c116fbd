//! Cuts MetricsQL into tokens, exactly where `metricsql` does.

use super::super::Problem;
use super::super::number::number;
use super::super::promql::starts_fraction;
use super::super::quoted::{comment, quoted};
use super::super::walk::{Kind, Token, symbol};

const PAIRS: &[&str] = &["==", "!=", "=~", "!~", "<=", ">="];
const SINGLES: &str = "{}[](),=<>+-*/%^@";
const UNITS: &[&str] = &[
    "ms", "s", "m", "h", "d", "w", "y", "i", "k", "kb", "ki", "kib", "mb", "mi", "mib", "g", "gb", "gi",
    "gib", "t", "tb", "ti", "tib",
];
/// What Grafana leaves where nothing replaces it. VictoriaMetrics reads them as durations.
const INTERVALS: &[&str] = &["$__interval", "$__rate_interval"];

/// The token at a byte or after it.
pub(in super::super) fn lex(text: &str, from: usize, in_brackets: bool) -> Result<Token, (usize, Problem)> {
    let mut start = from;
    loop {
        let rest = text.get(start..).unwrap_or("");
        let token = |kind, length: usize| Token { kind, start, end: start.saturating_add(length) };
        let Some(first) = rest.chars().next() else { return symbol(rest, start, &[], "") };
        match first {
            ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' => start = start.saturating_add(1),
            '#' => start = start.saturating_add(comment(rest, start)?),
            '"' | '\'' | '`' => {
                let length = quoted(rest, start)?;
                // Here a backslash before a backquote goes on with the string, which then is no string.
                if first == '`' && rest.get(..length).is_some_and(|string| string.ends_with("\\`")) {
                    return Err((start, Problem::Escape));
                }
                return Ok(token(Kind::Quoted, length));
            }
            '$' => {
                let length =
                    rest.bytes().skip(1).take_while(|byte| is_name_byte(*byte)).count().saturating_add(1);
                return match rest.get(..length) {
                    Some(interval) if INTERVALS.contains(&interval) => Ok(token(Kind::Number, length)),
                    _ => Err((start, Problem::Character('$'))),
                };
            }
            ':' if in_brackets => return symbol(rest, start, &[], ":"),
            '_' | ':' | '\\' => return Ok(token(Kind::Word, word(rest, start, in_brackets)?)),
            _ if first.is_alphabetic() => return Ok(token(Kind::Word, word(rest, start, in_brackets)?)),
            _ if first.is_ascii_digit() || starts_fraction(rest) => {
                return Ok(token(Kind::Number, number(rest, start, UNITS, str::eq_ignore_ascii_case)?));
            }
            _ => return symbol(rest, start, PAIRS, SINGLES),
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of the name at the beginning of `rest`, in which a backslash makes any printable character a part of it, as
/// `\xNN` and `\uNNNN` do. Newer and older versions differ in what else it makes, so that is refused.
fn word(rest: &str, start: usize, in_brackets: bool) -> Result<usize, (usize, Problem)> {
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        let is_part = match character {
            '\\' => {
                let digits = match characters.next() {
                    Some((_, 'x' | 'X')) => 2,
                    Some((_, 'u' | 'U')) => 4,
                    Some((_, escaped)) if !escaped.is_control() => 0,
                    _ => return Err((start.saturating_add(at), Problem::Escape)),
                };
                if !(0..digits).all(|_| characters.next().is_some_and(|(_, digit)| digit.is_ascii_hexdigit()))
                {
                    return Err((start.saturating_add(at), Problem::Escape));
                }
                true
            }
            ':' => !in_brackets,
            '_' | '.' => true,
            _ => character.is_alphabetic() || character.is_ascii_digit(),
        };
        if !is_part {
            return Ok(at);
        }
    }
    Ok(rest.len())
}
