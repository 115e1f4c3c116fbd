//! What the head of a remote-write request says about its body.
//!
//! Backends compare the content type literally and take what they do not know for version 1.0, so that a
//! stray space in it loses the data with a success. Here the media type is read properly, and what goes on
//! has its canonical form.

use crate::http::Headers;
use crate::report::Refusal;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

impl Version {
    /// The content type in the form that all backends understand.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::V1 => "application/x-protobuf",
            Self::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }
}

/// The version of a request, from its content type; its encoding and its version header must fit.
pub fn check_head(headers: &Headers<'_>) -> Result<Version, Refusal> {
    const EXPECTED: &str =
        "application/x-protobuf, for remote write 2.0 with ;proto=io.prometheus.write.v2.Request";
    let text = |name: &'static str| match headers.only(name) {
        Ok(value) => Ok(value.map(|value| core::str::from_utf8(value).unwrap_or("\u{fffd}"))),
        Err(_) => Err(Refusal::Repeated(name)),
    };
    let version = text("content-type")?.and_then(version).ok_or(Refusal::MediaType { expected: EXPECTED })?;
    match text("content-encoding")? {
        Some(encoding) if encoding.trim().eq_ignore_ascii_case("snappy") => {}
        _ => return Err(Refusal::Encoding { expected: "snappy" }),
    }
    let (prefixes, expected) = match version {
        Version::V1 => (["0.1.", "1."], "0.1.0"),
        Version::V2 => (["2.", "2."], "2.0.0"),
    };
    match text("x-prometheus-remote-write-version")? {
        Some(given) if !prefixes.iter().any(|prefix| given.starts_with(prefix)) => {
            Err(Refusal::Version { expected })
        }
        _ => Ok(version),
    }
}

fn version(content_type: &str) -> Option<Version> {
    let mut parts = content_type.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("application/x-protobuf") {
        return None;
    }
    let Some(parameter) = parts.next() else { return Some(Version::V1) };
    let (name, value) = parameter.split_once('=')?;
    let known = name.trim().eq_ignore_ascii_case("proto") && parts.next().is_none();
    match value.trim().trim_matches('"') {
        "prometheus.WriteRequest" if known => Some(Version::V1),
        "io.prometheus.write.v2.Request" if known => Some(Version::V2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let media = Err("media_type");
        let snappy = ("content-encoding", "snappy");
        let cases: &[(Pairs<'_>, Result<Version, &str>)] = &[
            (&[("content-type", "application/x-protobuf"), snappy], Ok(Version::V1)),
            (
                &[("content-type", "Application/X-Protobuf"), ("content-encoding", " Snappy ")],
                Ok(Version::V1),
            ),
            (
                &[("content-type", "application/x-protobuf;proto=prometheus.WriteRequest"), snappy],
                Ok(Version::V1),
            ),
            (
                &[("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"), snappy],
                Ok(Version::V2),
            ),
            (
                &[("content-type", "application/x-protobuf; proto=io.prometheus.write.v2.Request"), snappy],
                Ok(Version::V2),
            ),
            (&[("content-type", "application/x-protobuf;proto=other"), snappy], media),
            (
                &[
                    (
                        "content-type",
                        "application/x-protobuf;proto=prometheus.WriteRequest;proto=io.prometheus.write.v2.Request",
                    ),
                    snappy,
                ],
                media,
            ),
            (&[("content-type", "application/json"), snappy], media),
            (&[("content-type", ""), snappy], media),
            (&[snappy], media),
            (
                &[
                    ("content-type", "application/x-protobuf"),
                    ("content-type", "application/x-protobuf"),
                    snappy,
                ],
                Err("repeated_header"),
            ),
            (&[("content-type", "application/x-protobuf")], Err("encoding")),
            (&[("content-type", "application/x-protobuf"), ("content-encoding", "gzip")], Err("encoding")),
            (
                &[("content-type", "application/x-protobuf"), ("content-encoding", "snappy, gzip")],
                Err("encoding"),
            ),
            (
                &[
                    ("content-type", "application/x-protobuf"),
                    snappy,
                    ("x-prometheus-remote-write-version", "0.1.0"),
                ],
                Ok(Version::V1),
            ),
            (
                &[
                    ("content-type", "application/x-protobuf"),
                    snappy,
                    ("x-prometheus-remote-write-version", "2.0.0"),
                ],
                Err("version"),
            ),
            (
                &[
                    ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
                    snappy,
                    ("x-prometheus-remote-write-version", "0.1.0"),
                ],
                Err("version"),
            ),
        ];
        for (pairs, expected) in cases {
            let headers =
                Headers::new(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect());
            assert_eq!(check_head(&headers).map_err(|refusal| refusal.reason()), *expected, "{pairs:?}");
        }
    }
}
