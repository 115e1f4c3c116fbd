//! Numbers, durations and sizes, which the three languages have nearly in common.

use super::Problem;
use super::problem::shown;

/// The length of the number at the beginning of `rest`; `start` is its place in the query.
///
/// It goes as far as letters, digits, dots and underscores do, so that nothing after it can be read as a word; what is
/// then no number, nor numbers each with one of the `units`, is refused. That is where the backends' own readers stop or fail.
pub(super) fn number(
    rest: &str,
    start: usize,
    units: &[&str],
    is_unit: fn(&str, &str) -> bool,
) -> Result<usize, (usize, Problem)> {
    let mut end = run(rest);
    let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
    // The sign of an exponent.
    if let (false, Some(mantissa), Some(signed)) = (is_hex, rest.get(..end), rest.get(end..)) {
        let digits = signed.strip_prefix(['+', '-']).map_or(0, run);
        if digits > 0 && mantissa.strip_suffix(['e', 'E']).is_some_and(is_decimal) {
            end = end.saturating_add(digits).saturating_add(1);
        }
    }
    let found = rest.get(..end).unwrap_or(rest);
    if found.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(end);
    }
    if is_number(found) || is_measure(found, units, is_unit) {
        return Ok(end);
    }
    Err((start, Problem::Number(shown(found))))
}

/// Letters beyond ASCII too: they end in a refusal, or in `µs`.
fn run(text: &str) -> usize {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | 0x80..);
    text.bytes().position(|byte| !is_part(byte)).unwrap_or(text.len())
}

fn is_number(text: &str) -> bool {
    let based = text.get(..2).and_then(|prefix| Some((prefix, text.get(2..)?)));
    match based {
        Some(("0x" | "0X", digits)) => {
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_')
        }
        Some(("0o" | "0O" | "0b" | "0B", digits)) => {
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        }
        _ => match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                is_decimal(mantissa)
                    && !digits.is_empty()
                    && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_')
            }
            None => is_decimal(text),
        },
    }
}

fn is_decimal(text: &str) -> bool {
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let dots = text.bytes().filter(|byte| *byte == b'.').count();
    has_digit && dots < 2 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'))
}

/// Numbers, each with its unit: `1h30m`.
fn is_measure(mut text: &str, units: &[&str], is_unit: fn(&str, &str) -> bool) -> bool {
    while !text.is_empty() {
        let is_digit = |character: char| character.is_ascii_digit() || matches!(character, '.' | '_');
        let Some(at) = text.find(|character| !is_digit(character)) else { return false };
        let (digits, after) = text.split_at_checked(at).unwrap_or((text, ""));
        let (unit, after) =
            after.split_at_checked(after.find(is_digit).unwrap_or(after.len())).unwrap_or((after, ""));
        if !is_decimal(digits) || !units.iter().any(|known| is_unit(known, unit)) {
            return false;
        }
        text = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let cases: &[(&str, Option<usize>)] = &[
            ("1", Some(1)),
            ("1.5 + x", Some(3)),
            (".5", Some(2)),
            ("5.", Some(2)),
            ("1_000", Some(5)),
            ("0x1F", Some(4)),
            ("0xe-x", Some(3)),
            ("1e5", Some(3)),
            ("1e-5)", Some(4)),
            ("1E+05", Some(5)),
            ("1-x", Some(1)),
            ("5m", Some(2)),
            ("1h30m]", Some(5)),
            ("1e-x", None),
            ("1e", None),
            ("1and", None),
            ("5mx", None),
            ("5m.x", None),
            ("5x", None),
            ("1..2", None),
            ("0x", None),
            ("0xg", None),
            ("5m5", None),
            ("5mü", None),
        ];
        for (text, expected) in cases {
            let found = number(text, 0, &["h", "m"], |known, unit| known == unit);
            assert_eq!(found.ok(), *expected, "{text}");
        }
    }
}
