//! Times as Go writes them (`time.ParseDuration`), and with the units that auth-gateway's README promises besides.

use std::time::Duration;

const UNITS: [(&str, u128); 10] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

/// A time such as `1h30m` or `1.5s`; nothing negative.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanos: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let (whole, after) = rest.split_at(digits);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => {
                after.split_at(after.find(|char: char| !char.is_ascii_digit()).unwrap_or(after.len()))
            }
            None => ("", after),
        };
        let end = after.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        // More digits than a nanosecond has mean nothing.
        let fraction = fraction.get(..fraction.len().min(18))?;
        let parts: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
        nanos = nanos
            .checked_add(whole.checked_mul(*factor)?)?
            .checked_add(parts.checked_mul(*factor)? / scale)?;
        rest = after;
    }
    Some(Duration::from_nanos(u64::try_from(nanos).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, millis) in [
            ("3s", Some(3_000)),
            ("1m30s", Some(90_000)),
            ("1.5s", Some(1_500)),
            ("+.5h", Some(1_800_000)),
            ("1h2m3s4ms", Some(3_723_004)),
            ("100us", Some(0)),
            ("2d", Some(172_800_000)),
            ("0", Some(0)),
            ("", None),
            ("s", None),
            (".s", None),
            ("3", None),
            ("3 s", None),
            ("-3s", None),
            ("3x", None),
            ("1s2", None),
            ("99999999999999999999999h", None),
            ("340282366920938463463374607431768211455h", None),
        ] {
            let found = parse(text).map(|time| u64::try_from(time.as_millis()).unwrap());
            assert_eq!(found, millis, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written_is_read_or_refused(text in "[0-9.a-zµ+]{0,20}") {
            let _ = parse(&text);
        }

        #[test]
        fn parts_add_up(h in 0_u64..1000, m in 0_u64..1000, s in 0_u64..1000, ms in 0_u64..1000) {
            let expected = ((h * 60 + m) * 60 + s) * 1000 + ms;
            let found = parse(&format!("{h}h{m}m{s}s{ms}ms")).unwrap();
            proptest::prop_assert_eq!(u64::try_from(found.as_millis()).unwrap(), expected);
        }
    }
}
