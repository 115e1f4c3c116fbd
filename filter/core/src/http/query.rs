//! Queries and forms: arguments read, taken off and added, and not another byte changed.
//!
//! What two parsers could read in two ways is refused: `;`, which some take for `&`, and escapes that are none.
//! Specification: <https://url.spec.whatwg.org/#urlencoded-parsing>, as far as servers agree on it.

use core::fmt::Write as _;

/// One argument of a query or a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument<'a> {
    /// As it stands there.
    pub raw: &'a str,
    /// Its name, decoded.
    pub name: Vec<u8>,
    /// Its value, decoded; empty where there is none.
    pub value: Vec<u8>,
}

/// The arguments between the `&` of a query (without its `?`) or of a form. An error says what the text has.
pub fn arguments(text: &str) -> impl Iterator<Item = Result<Argument<'_>, &'static str>> {
    let between = if text.is_empty() { None } else { Some(text.split('&')) };
    between.into_iter().flatten().map(|raw| {
        if raw.contains(';') {
            return Err("a `;` among its arguments");
        }
        let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
        let problem = "a broken escape among its arguments";
        Ok(Argument { raw, name: decode(name).ok_or(problem)?, value: decode(value).ok_or(problem)? })
    })
}

/// The query (with its `?`, or empty) without the arguments `names`; `None` where it has none of them and can stay as it
/// is. Names are compared as a backend would read them, decoded. The error says what the query has.
pub fn without_arguments(query: &str, names: &[&str]) -> Result<Option<String>, &'static str> {
    let Some(text) = query.strip_prefix('?') else { return Ok(None) };
    let mut kept = String::new();
    let mut is_changed = false;
    for argument in arguments(text) {
        let argument = argument?;
        if names.iter().any(|known| known.as_bytes() == argument.name) {
            is_changed = true;
        } else {
            kept.push(if kept.is_empty() { '?' } else { '&' });
            kept.push_str(argument.raw);
        }
    }
    Ok(is_changed.then_some(kept))
}

/// Whether a query (with its `?`, or empty) has an argument of this name, as servers read it.
pub fn has_argument(query: &str, name: &str) -> bool {
    let text = query.strip_prefix('?').unwrap_or(query);
    text.split('&').map(|raw| raw.split_once('=').map_or(raw, |(given, _)| given)).any(|given| {
        given == name || (given.contains('%') && decode(given).is_some_and(|given| given == name.as_bytes()))
    })
}

/// Adds an argument to a path with or without a query. Its name stands there as it is given.
pub fn add_argument(path: &mut String, name: &str, value: &[u8]) {
    path.push(if path.contains('?') { '&' } else { '?' });
    path.push_str(name);
    path.push('=');
    encode(path, value);
}

/// Appends a text with every byte escaped that could mean something in a query, a form, a path or a list in a header.
pub fn encode(out: &mut String, text: &[u8]) {
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// A name or value as servers read it; `None` where an escape is broken.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        out.push(match first {
            b'+' => b' ',
            b'%' => {
                let [high, low, after @ ..] = rest else { return None };
                rest = after;
                hex(*high)? << 4 | hex(*low)?
            }
            other => *other,
        });
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        let names = ["extra_label", "extra_filters[]"];
        let cases: &[(&str, Result<Option<&str>, ()>)] = &[
            ("", Ok(None)),
            ("?", Ok(None)),
            ("?a=b&c", Ok(None)),
            ("?a=%zz", Err(())),
            ("?a=%2", Err(())),
            ("?%=1", Err(())),
            ("?a=1;extra_label=x", Err(())),
            ("?extra_label=a=b", Ok(Some(""))),
            ("?extra_label", Ok(Some(""))),
            ("?a=1&extra_label=x=y&b=2&extra_label=", Ok(Some("?a=1&b=2"))),
            ("?extra%5Flabel=x=y", Ok(Some(""))),
            ("?%65xtra_label=x&a=%5b", Ok(Some("?a=%5b"))),
            ("?extra_filters%5B%5D=x&extra_filters[]=y&extra_filters=z", Ok(Some("?extra_filters=z"))),
            ("?Extra_label=x&extra+label=y&xextra_label=", Ok(None)),
            ("?&&extra_label=1&", Ok(Some("?&&"))),
        ];
        for (query, expected) in cases {
            let expected = expected.map(|kept| kept.map(str::to_owned));
            assert_eq!(without_arguments(query, &names).map_err(|_| ()), expected, "{query}");
        }
        for (query, expected) in [
            ("?access_token=x", true),
            ("?query=up&access_token", true),
            ("?query=up&%61ccess%5ftoken=", true),
            ("?query=rate(access_token[5m])", false),
            ("?Access_token=x&access_token_=&query=&%zz=&%=", false),
            ("", false),
            ("?", false),
        ] {
            assert_eq!(has_argument(query, "access_token"), expected, "{query}");
        }
        let mut path = "/write".to_owned();
        add_argument(&mut path, "extra_label", "tenant=a b&c=ü%;".as_bytes());
        add_argument(&mut path, "x", b"");
        assert_eq!(path, "/write?extra_label=tenant%3Da%20b%26c%3D%C3%BC%25%3B&x=");
    }

    proptest! {
        #[test]
        fn what_is_added_is_found(before in "[a-z&=%25]{0,9}", value: Vec<u8>) {
            let mut path = format!("/p?{before}");
            prop_assume!(without_arguments(&path[2..], &["x"]).is_ok_and(|kept| kept.is_none()));
            add_argument(&mut path, "x", &value);
            let (_, query) = path.split_once('?').unwrap();
            let last = query.rsplit_once('=').unwrap().1;
            prop_assert_eq!(decode(last), Some(value));
            let kept = without_arguments(&path[2..], &["x"]).unwrap().unwrap();
            prop_assert_eq!(kept, format!("?{before}"));
        }

        #[test]
        fn any_query_is_read_without_panic(query in ".{0,40}") {
            let _ = without_arguments(&format!("?{query}"), &["x"]);
        }
    }
}
