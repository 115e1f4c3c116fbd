//! What a client would rather read.

use super::Headers;

/// Whether a client says that it would rather have HTML than JSON (RFC 9110, section 12.5.1). Browsers do; who says
/// nothing, or likes both alike, does not.
pub fn prefers_html(headers: &Headers<'_>) -> bool {
    quality(headers, "text", "html") > quality(headers, "application", "json")
}

/// How much a client likes a media type, in thousandths: what the most particular range says that the type is in. A client
/// without any range likes everything.
fn quality(headers: &Headers<'_>, kind: &str, subtype: &str) -> u16 {
    let mut best: Option<(u8, u16)> = None;
    let mut any = false;
    let values = headers.all("accept").filter_map(|value| core::str::from_utf8(value).ok());
    for range in values.flat_map(|value| value.split(',')) {
        any = true;
        let mut parts = range.split(';').map(str::trim);
        let Some((of_kind, of_subtype)) = parts.next().and_then(|media| media.split_once('/')) else {
            continue;
        };
        let rank = if of_kind.eq_ignore_ascii_case(kind) && of_subtype.eq_ignore_ascii_case(subtype) {
            2
        } else if of_kind.eq_ignore_ascii_case(kind) && of_subtype == "*" {
            1
        } else if (of_kind, of_subtype) == ("*", "*") {
            0
        } else {
            continue;
        };
        let weight = parts.filter_map(|parameter| parameter.split_once('=')).find_map(|(name, value)| {
            name.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()).unwrap_or_default())
        });
        best = best.max(Some((rank, weight.unwrap_or(1000))));
    }
    match best {
        Some((_, quality)) => quality,
        None if any => 0,
        None => 1000,
    }
}

/// A weight: `0`, `1`, or with up to three digits after the dot, at most 1.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let digits = fraction.bytes().chain([b'0'; 3]).take(3).filter(|_| is_number);
    let fraction = digits.fold(0_u16, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u16::from(digit.saturating_sub(b'0')))
    });
    match (whole, fraction) {
        _ if !is_number => None,
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_weight_is_read() {
        for weight in 0..=1000_u16 {
            let text = format!("{}.{:03}", weight / 1000, weight % 1000);
            for zeros in 0..=3 {
                let short = &text[..text.len() - zeros];
                if text[short.len()..].bytes().all(|byte| byte == b'0') {
                    assert_eq!(thousandths(short), Some(weight), "{short}");
                }
            }
        }
        assert_eq!((thousandths("1"), thousandths("0")), (Some(1000), Some(0)));
    }

    proptest! {
        /// Whatever a client says: HTML only to who names it, or a range that it is in.
        #[test]
        fn html_is_asked_for(values in proptest::collection::vec("[a-z/*;,=q.01 -]{0,30}|text/html|\\PC{0,8}", 0..4)) {
            let pairs = values.iter().map(|value| (&b"accept"[..], value.as_bytes())).collect();
            let asked = values.iter().any(|value| value.to_ascii_lowercase().contains("text/"));
            prop_assert!(asked || !prefers_html(&Headers::new(pairs)));
        }
    }

    #[test]
    fn browsers_read_html_and_programs_json() {
        let cases: &[(&[&str], bool)] = &[
            // Firefox, Chrome, Safari.
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], true),
            (
                &[
                    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
                   application/signed-exchange;v=b3;q=0.7",
                ],
                true,
            ),
            // curl, wget, Grafana, fetch() by default, and who says nothing.
            (&["*/*"], false),
            (&["application/json, text/plain, */*"], false),
            (&["application/json"], false),
            (&[], false),
            (&[""], false),
            // Both alike, and in every order and notation.
            (&["text/html, application/json"], false),
            (&["text/html;q=0.5, application/json;q=0.4"], true),
            (&["text/html;q=0.4, application/json;q=0.5"], false),
            (&["text/html ; Q=0.5 , application/json ; q=0.45"], true),
            (&["TEXT/HTML"], true),
            (&["text/*"], true),
            (&["text/*;q=0.3, */*;q=0.4"], false),
            (&["text/html;level=1"], true),
            (&["application/json;q=0.1", "text/html;q=0.2"], true),
            (&["text/html;q=0, */*"], false),
            (&["text/html;q=0"], false),
            (&["application/*;q=0.5, text/html;q=0.501"], true),
            // The more particular range counts, not the larger weight.
            (&["*/*, text/html;q=0.2, application/json;q=0.3"], false),
            // What is no weight is none.
            (&["text/html;q=2"], false),
            (&["text/html;q=1.001"], false),
            (&["text/html;q=0.1234"], false),
            (&["text/html;q=-1"], false),
            (&["text/html;q="], false),
            (&["text/html;q=0.x"], false),
            (&["text/html;q=1.000"], true),
            (&["text"], false),
            (&["\u{ff}"], false),
        ];
        for (accept, expected) in cases {
            let pairs = accept.iter().map(|value| (&b"accept"[..], value.as_bytes())).collect();
            assert_eq!(prefers_html(&Headers::new(pairs)), *expected, "{accept:?}");
        }
        let odd = Headers::new(vec![(b"accept", b"text/html\xff")]);
        assert!(!prefers_html(&odd));
    }
}
