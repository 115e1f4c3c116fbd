//! What a registry asks for with 401: the header `WWW-Authenticate`.

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with every request.
    Basic,
    /// A token, from somewhere else.
    Bearer {
        /// Where tokens are given out.
        realm: String,
        /// For whom.
        service: Option<String>,
    },
}

/// The first challenge that is understood.
pub(super) fn parse<'a>(mut headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    headers.find_map(parse_one)
}

fn parse_one(header: &str) -> Option<Challenge> {
    let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service) = (None, None);
    let mut rest = rest.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = value(after)?;
        match name.trim_matches([' ', ',']).to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value),
            "service" => service = Some(value),
            _ => {}
        }
        rest = after;
    }
    Some(Challenge::Bearer { realm: realm?, service })
}

/// A token or a quoted text, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        return Some((text.get(..end)?.trim().to_owned(), text.get(end..)?));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever a text is, quoted it is read again; and nothing that comes makes it fail.
        #[test]
        fn quoted_texts_are_read_again(realm in "\\PC*", service in "\\PC*", other in "\\PC*") {
            let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let header = format!("Bearer scope={}, realm={},service={}", quoted(&other), quoted(&realm), quoted(&service));
            prop_assert_eq!(parse_one(&header), Some(Challenge::Bearer { realm, service: Some(service) }));
            let _ = parse_one(&other);
            let _ = parse_one(&format!("Bearer {other}"));
        }
    }

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        let cases = [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                "Bearer realm=\"https://auth.example/token\",service=\"registry\",scope=\"repository:a:pull,push\"",
                bearer("https://auth.example/token", Some("registry")),
            ),
            (
                "Bearer scope=\"a\\\"b,realm=\\\"c\", realm=\"https://auth.example\"",
                bearer("https://auth.example", None),
            ),
            ("bearer Realm=https://auth.example, Service=s", bearer("https://auth.example", Some("s"))),
            ("Bearer service=\"s\"", None),
            ("Bearer realm=\"https://auth.example", None),
            ("Negotiate", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(parse(std::iter::once(header)), expected, "{header}");
        }
        assert_eq!(parse(["Negotiate", "Basic realm=\"x\""].into_iter()), Some(Challenge::Basic));
    }
}
