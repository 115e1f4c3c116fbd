//! The labels of a stream as text: `{app="x", env='y'}`, in the notation of Prometheus.
//!
//! Loki reads them with Prometheus' own parser. Here the notation that people and agents write is read, with all its
//! escapes; what that parser takes besides (a metric's name before the braces or quoted in them, comments) is not.

use std::borrow::Cow;

/// A label: its name, its value.
pub(super) type Label<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// Reads labels; `None` where the text is anything else. Names and values are UTF-8, or it is `None` too.
pub(super) fn parse(text: &[u8], enough: usize) -> Option<Vec<Label<'_>>> {
    let mut rest = core::str::from_utf8(text).ok()?.trim_matches(SPACE).strip_prefix('{')?;
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches(SPACE);
        if let Some(after) = rest.strip_prefix('}') {
            return after.is_empty().then_some(labels);
        }
        let (name, after) = name(rest)?;
        rest = after.trim_start_matches(SPACE).strip_prefix('=')?.trim_start_matches(SPACE);
        let (value, after) = quoted(rest)?;
        if labels.len() < enough {
            labels.push((name, value));
        }
        rest = after.trim_start_matches(SPACE);
        // A comma may stand after the last one.
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
}

const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// A name, plain or quoted, and what follows it.
fn name(text: &str) -> Option<(Cow<'_, [u8]>, &str)> {
    if text.starts_with(['"', '\'', '`']) {
        return quoted(text).filter(|(name, _)| !name.is_empty());
    }
    let len = text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    let (name, rest) = text.split_at_checked(len)?;
    is_plain(name.as_bytes()).then_some((Cow::Borrowed(name.as_bytes()), rest))
}

/// Whether a name needs no quotes.
pub(super) fn is_plain(name: &[u8]) -> bool {
    name.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// What a quoted string says, and what follows it.
fn quoted(text: &str) -> Option<(Cow<'_, [u8]>, &str)> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\'' | '`'))?;
    let inner = text.get(1..)?;
    if quote == '`' {
        let (value, rest) = inner.split_once('`')?;
        return Some((Cow::Borrowed(value.as_bytes()), rest));
    }
    let stop = |c: char| c == quote || c == '\\' || c == '\n';
    let len = inner.find(stop)?;
    let (plain, mut rest) = inner.split_at_checked(len)?;
    if let Some(after) = rest.strip_prefix(quote) {
        return Some((Cow::Borrowed(plain.as_bytes()), after));
    }
    let mut value = plain.as_bytes().to_vec();
    loop {
        if let Some(after) = rest.strip_prefix(quote) {
            core::str::from_utf8(&value).ok()?;
            return Some((Cow::Owned(value), after));
        }
        rest = escape(rest.strip_prefix('\\')?, quote, &mut value)?;
        let (plain, after) = rest.split_at_checked(rest.find(stop)?)?;
        value.extend_from_slice(plain.as_bytes());
        rest = after;
    }
}

/// Reads what follows a backslash; gives what follows that.
fn escape<'a>(text: &'a str, quote: char, out: &mut Vec<u8>) -> Option<&'a str> {
    let c = text.chars().next()?;
    let digits = |from: usize, len: usize, radix| {
        let digits = text.get(from..from.checked_add(len)?)?;
        // `from_str_radix` would take a sign.
        let all = digits.chars().all(|c| c.is_digit(radix));
        u32::from_str_radix(digits, radix).ok().filter(|_| all)
    };
    let byte = match c {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        c if c == quote => u8::try_from(c).ok()?,
        'x' => {
            out.push(u8::try_from(digits(1, 2, 16)?).ok()?);
            return text.get(3..);
        }
        '0'..='7' => {
            out.push(u8::try_from(digits(0, 3, 8)?).ok()?);
            return text.get(3..);
        }
        'u' | 'U' => {
            let len = if c == 'u' { 4 } else { 8 };
            let c = char::from_u32(digits(1, len, 16)?)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return text.get(len.checked_add(1)?..);
        }
        _ => return None,
    };
    out.push(byte);
    text.get(1..)
}

/// Writes labels, so that [`parse`] and Loki read the same.
pub(super) fn render(labels: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (position, (name, value)) in labels.iter().enumerate() {
        if position > 0 {
            out.extend_from_slice(b", ");
        }
        if is_plain(name) {
            out.extend_from_slice(name);
        } else {
            quote(name, &mut out);
        }
        out.push(b'=');
        quote(value, &mut out);
    }
    out.push(b'}');
    out
}

fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            0..0x20 | 0x7f => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        let text_of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Some(parse(text.as_bytes(), usize::MAX)?.iter().map(|(n, v)| (text_of(n), text_of(v))).collect())
    }

    #[test]
    fn table() {
        let cases: &[(&str, Option<&[(&str, &str)]>)] = &[
            ("{}", Some(&[])),
            (" {\t} \n", Some(&[])),
            (r#"{app="x"}"#, Some(&[("app", "x")])),
            (r#"{ app = "x" , b='y', c=`z`, }"#, Some(&[("app", "x"), ("b", "y"), ("c", "z")])),
            (r#"{a="1",a="2"}"#, Some(&[("a", "1"), ("a", "2")])),
            (
                r#"{"service.name"="x", 'ä'="y", `b c`="z"}"#,
                Some(&[("service.name", "x"), ("ä", "y"), ("b c", "z")]),
            ),
            (r#"{a="q\"q\\ \a\b\f\n\r\t\v"}"#, Some(&[("a", "q\"q\\ \x07\x08\x0c\n\r\t\x0b")])),
            (r#"{a='it\'s "x"'}"#, Some(&[("a", "it's \"x\"")])),
            (r#"{a="\x41\101\u00e4\U0001f600 \xc3\xa4"}"#, Some(&[("a", "AAä😀 ä")])),
            (r"{a=`\x41{}`}", Some(&[("a", r"\x41{}")])),
            (r#"{a="} , b=\"c"}"#, Some(&[("a", "} , b=\"c")])),
            (r#"{a=""}"#, Some(&[("a", "")])),
            ("", None),
            ("{", None),
            ("a", None),
            (r#"{a="x"} x"#, None),
            (r#"{a="x"}{}"#, None),
            (r#"up{a="x"}"#, None),
            (r#"{"up", a="x"}"#, None),
            (r#"{,a="x"}"#, None),
            (r#"{a="x",,}"#, None),
            (r#"{a="x" b="y"}"#, None),
            (r#"{a!="x"}"#, None),
            (r#"{a=~"x"}"#, None),
            (r#"{a=="x"}"#, None),
            (r#"{1a="x"}"#, None),
            (r#"{a.b="x"}"#, None),
            (r#"{=""}"#, None),
            (r#"{""="x"}"#, None),
            ("{a=\"x\" # a comment\n}", None),
            ("{a=\"x\ny\"}", None),
            (r#"{a="x}"#, None),
            (r#"{a="\q"}"#, None),
            (r#"{a="\'"}"#, None),
            (r#"{a='\"'}"#, None),
            (r#"{a="\x4"}"#, None),
            (r#"{a="\x+4"}"#, None),
            (r#"{a="\400"}"#, None),
            (r#"{a="\08"}"#, None),
            (r#"{a="\ud800"}"#, None),
            (r#"{a="\U00110000"}"#, None),
            (r#"{a="\xff"}"#, None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|labels| {
                labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
            });
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(parse(b"{a=\"\xff\"}", usize::MAX), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(labels in prop::collection::vec((".+", ".*"), 0..6)) {
            let pairs: Vec<_> = labels.iter().map(|(n, v): &(String, String)| (n.as_bytes(), v.as_bytes())).collect();
            let text = String::from_utf8(render(&pairs)).unwrap();
            prop_assert_eq!(read(&text), Some(labels));
        }

        #[test]
        fn any_text_is_read_without_panic(text: Vec<u8>, like in r#"\{[a-z"'`=\\,x0-9 }]*"#) {
            let _ = (parse(&text, 3), parse(like.as_bytes(), 3));
        }
    }
}
