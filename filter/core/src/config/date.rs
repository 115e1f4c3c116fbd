//! Points in time, as people write them: RFC 3339.

use super::scalar::Text;
use super::shape::{Node, ReadResult, Shape};

/// A point in time, in seconds since 1970: `2026-12-31T00:00:00Z`, or with an offset instead of `Z`.
/// Specification: RFC 3339; fractions of a second are cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub u64);

impl Shape for Date {
    fn blank() -> Self {
        Self(0)
    }

    fn read(&mut self, node: &Node<'_>) -> ReadResult {
        let mut text = Text::blank();
        text.read(node)?;
        let parsed = parse(&text).ok_or_else(|| {
            node.error(&format!(
                "expected a date with its time and zone, such as \"2026-12-31T00:00:00Z\", found \"{text}\""
            ))
        })?;
        *self = Self(parsed);
        Ok(())
    }
}

/// Seconds since 1970.
fn parse(text: &str) -> Option<u64> {
    let mut rest = text.as_bytes();
    let year = digits(&mut rest, 4)?;
    let month = after(&mut rest, b"-", 2)?;
    let day = after(&mut rest, b"-", 2)?;
    let hour = after(&mut rest, b"Tt ", 2)?;
    let minute = after(&mut rest, b":", 2)?;
    let second = after(&mut rest, b":", 2)?;
    if let [b'.', fraction @ ..] = rest {
        let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest = fraction.get(count..).filter(|_| count > 0)?;
    }
    // A leap second is the last second of its minute.
    if !(1..=days_in(year, month)?).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let offset = match rest {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), zone @ ..] => {
            let mut zone = zone;
            let hours = digits(&mut zone, 2)?;
            let minutes = after(&mut zone, b":", 2)?;
            if !zone.is_empty() || hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?;
            if *sign == b'+' { seconds } else { seconds.checked_neg()? }
        }
        _ => return None,
    };
    let time = hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second.min(59))?;
    let seconds = days_since_1970(year, month, day)?.checked_mul(86_400)?.checked_add(time)?;
    u64::try_from(seconds.checked_sub(offset)?).ok()
}

fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (number, after) = rest.split_at_checked(count)?;
    if !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    *rest = after;
    core::str::from_utf8(number).ok()?.parse().ok()
}

fn after(rest: &mut &[u8], one_of: &[u8], count: usize) -> Option<i64> {
    let (first, after) = rest.split_first().filter(|(first, _)| one_of.contains(first))?;
    let _ = first;
    *rest = after;
    digits(rest, count)
}

fn is_leap(year: i64) -> bool {
    let by = |number: i64| year.checked_rem(number) == Some(0);
    by(4) && (!by(100) || by(400))
}

fn days_in(year: i64, month: i64) -> Option<i64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if is_leap(year) => Some(29),
        2 => Some(28),
        _ => None,
    }
}

/// Counted rather than computed: it happens once for each date of a configuration.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let years =
        (1970..year).try_fold(0_i64, |days, year| days.checked_add(if is_leap(year) { 366 } else { 365 }))?;
    let months = (1..month).try_fold(0_i64, |days, month| days.checked_add(days_in(year, month)?))?;
    // Before 1970 nothing ends that begins today.
    if year < 1970 { None } else { years.checked_add(months)?.checked_add(day)?.checked_sub(1) }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Date {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "date".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let cases: &[(&str, Option<u64>)] = &[
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:34:56Z", Some(951_827_696)),
            ("2026-12-31T23:59:59Z", Some(1_798_761_599)),
            ("2026-12-31T23:59:60Z", Some(1_798_761_599)),
            ("2026-12-31 23:59:59.999z", Some(1_798_761_599)),
            ("2027-01-01T00:59:59+01:00", Some(1_798_761_599)),
            ("2026-12-31T18:29:59-05:30", Some(1_798_761_599)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400)),
            ("2026-02-29T00:00:00Z", None),
            ("2100-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-00-01T00:00:00Z", None),
            ("2026-01-00T00:00:00Z", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:60:00Z", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01T00:00:00.Z", None),
            ("2026-01-01T00:00:00Z ", None),
            ("2026-01-01T00:00:00+1:00", None),
            ("2026-01-01T00:00:00+24:00", None),
            ("2026-01-01", None),
            ("1969-12-31T23:59:59Z", None),
            ("1970-01-01T00:00:00+01:00", None),
            ("+026-01-01T00:00:00Z", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), *expected, "{text}");
        }
    }
}
