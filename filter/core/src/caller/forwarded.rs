//! `x-forwarded-client-cert`: what a proxy tells of the certificate of its own client.
//!
//! Specification: <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert>.

use super::certificate::{Field, Presented};

/// The one certificate that a header describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Forwarded(Vec<(String, String)>);

/// Reads a header that describes exactly one certificate: `KEY=VALUE` with `;` between, a value in double quotes where it
/// holds `,`, `;` or `=`, and a backslash before a quote in it. Whatever else it is, it is nothing.
pub(super) fn read(header: &[u8]) -> Option<Forwarded> {
    let mut rest = core::str::from_utf8(header).ok()?;
    let mut pairs = Vec::new();
    loop {
        let (key, after) = rest.split_once('=')?;
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            unquote(quoted)?
        } else {
            let end = after.find([',', ';', '"', '\\']).unwrap_or(after.len());
            let (value, after) = after.split_at_checked(end)?;
            (value.to_owned(), after)
        };
        pairs.push((key.to_ascii_lowercase(), value));
        if after.is_empty() {
            return Some(Forwarded(pairs));
        }
        // A comma begins the certificate of another hop.
        rest = after.strip_prefix(';')?;
    }
}

/// The text up to the closing quote, and what follows that.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, quoted.get(at..)?.strip_prefix('"')?)),
            '\\' => match characters.next()?.1 {
                escaped @ ('"' | '\\') => value.push(escaped),
                other => {
                    value.push('\\');
                    value.push(other);
                }
            },
            c => value.push(c),
        }
    }
    None
}

impl Forwarded {
    fn all(&self, key: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| known == key).map(|(_, value)| value.clone()).collect()
    }

    /// A key that may stand once.
    fn only(&self, key: &str) -> Option<String> {
        let mut all = self.all(key);
        let value = all.pop();
        if all.is_empty() { value } else { None }
    }
}

impl Presented for Forwarded {
    fn names(&self, field: Field) -> Vec<String> {
        match field {
            Field::Uri => self.all("uri"),
            Field::Dns => self.all("dns"),
            Field::Subject => self.only("subject").into_iter().collect(),
        }
    }

    fn digest(&self) -> Option<String> {
        self.only("hash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(header: &str) -> Option<Vec<(String, String)>> {
        read(header.as_bytes()).map(|forwarded| forwarded.0)
    }

    #[test]
    fn table() {
        let cases: &[(&str, Option<&[(&str, &str)]>)] = &[
            ("URI=spiffe://e.org/a", Some(&[("uri", "spiffe://e.org/a")])),
            (
                r#"By=spiffe://e.org/b;Hash=aa;Subject="CN=a,OU=b";URI=;DNS=a.e.org;DNS=b.e.org"#,
                Some(&[
                    ("by", "spiffe://e.org/b"),
                    ("hash", "aa"),
                    ("subject", "CN=a,OU=b"),
                    ("uri", ""),
                    ("dns", "a.e.org"),
                    ("dns", "b.e.org"),
                ]),
            ),
            (r#"Subject="CN=\"a\";URI=x""#, Some(&[("subject", r#"CN="a";URI=x"#)])),
            (r#"Subject="CN=a\,b""#, Some(&[("subject", r"CN=a\,b")])),
            ("URI=a=b", Some(&[("uri", "a=b")])),
            ("", None),
            ("URI", None),
            ("=a", None),
            ("URI=a,URI=b", None),
            ("URI=a;", None),
            (r#"Subject="CN=a"#, None),
            (r#"Subject="CN=a"x"#, None),
            (r#"Subject=CN"a"#, None),
            ("U I=a", None),
        ];
        for (header, expected) in cases {
            let expected = expected.map(|pairs| {
                pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
            });
            assert_eq!(pairs(header), expected, "{header}");
        }
        assert_eq!(read(b"URI=\xff"), None);
    }

    proptest! {
        #[test]
        fn what_a_proxy_writes_is_read(values in prop::collection::vec((prop::sample::select(vec!["uri", "dns", "hash"]), "[ -~é]{0,12}"), 1..5)) {
            let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
            let header = values.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect::<Vec<_>>().join(";");
            let expected: Vec<_> = values.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            prop_assert_eq!(pairs(&header), Some(expected));
            // Another hop before or after it is another certificate.
            prop_assert_eq!(pairs(&format!("{header},uri=x")), None);
            prop_assert_eq!(pairs(&format!("uri=x,{header}")), None);
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes);
        }
    }
}
