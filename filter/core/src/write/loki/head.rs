//! What the head of a push says about its body.

use super::super::encoding::Encoding;
use crate::http::Headers;
use crate::report::Refusal;

/// How the body of a push is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Push {
    pub(super) body: Body,
    pub(super) encoding: Encoding,
}

/// In which notation a push stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// `logproto.PushRequest`.
    Protobuf,
    /// `{"streams": [{"stream": {…}, "values": [["<nanoseconds>", "<line>", {…}]]}]}`.
    Json,
    /// What Loki reads at its old path: `{"streams": [{"labels": "{…}", "entries": [{"ts": …, "line": …}]}]}`.
    LegacyJson,
}

impl Push {
    /// The content type in its plain form.
    pub(in super::super) fn content_type(self) -> &'static str {
        match self.body {
            Body::Protobuf => "application/x-protobuf",
            Body::Json | Body::LegacyJson => "application/json",
        }
    }
}

/// The form of a push, from its content type, its encoding and its path.
///
/// Loki takes every content type but JSON's for protobuf, reads protobuf as a snappy block whatever the encoding says,
/// and chooses between its two JSON forms by what stands anywhere in the URL.
pub fn check_head(headers: &Headers<'_>) -> Result<Push, Refusal> {
    const EXPECTED: &str = "application/x-protobuf or application/json";
    let text = |name: &'static str| match headers.only(name) {
        Ok(value) => Ok(value.map(|value| core::str::from_utf8(value).unwrap_or("\u{fffd}"))),
        Err(_) => Err(Refusal::Repeated(name)),
    };
    let media = text("content-type")?.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    let is_json = if media.eq_ignore_ascii_case("application/json") {
        true
    } else if media.eq_ignore_ascii_case("application/x-protobuf") {
        false
    } else {
        return Err(Refusal::MediaType { expected: EXPECTED });
    };
    // Loki compares the encoding literally.
    let encoding = match (is_json, text("content-encoding")?) {
        (false, None | Some("" | "snappy")) => Encoding::Snappy,
        (false, Some(_)) => {
            return Err(Refusal::Encoding { expected: "snappy, or none, around a snappy block" });
        }
        (true, None | Some("")) => Encoding::Identity,
        (true, Some("gzip")) => Encoding::Gzip,
        (true, Some("deflate")) => Encoding::Deflate,
        (true, Some(_)) => return Err(Refusal::Encoding { expected: "gzip, deflate or none" }),
    };
    let is_new = headers.pseudo(":path").to_ascii_lowercase().contains("/loki/api/v1");
    let body = match (is_json, is_new) {
        (false, _) => Body::Protobuf,
        (true, true) => Body::Json,
        (true, false) => Body::LegacyJson,
    };
    Ok(Push { body, encoding })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let push = |body, encoding| Ok(Push { body, encoding });
        let (new, old) = ("/loki/api/v1/push", "/api/prom/push");
        let cases: &[(&str, Option<&str>, Option<&str>, Result<Push, &str>)] = &[
            (new, Some("application/x-protobuf"), None, push(Body::Protobuf, Encoding::Snappy)),
            (new, Some("application/x-protobuf"), Some("snappy"), push(Body::Protobuf, Encoding::Snappy)),
            (old, Some("Application/X-Protobuf ; a=b"), Some(""), push(Body::Protobuf, Encoding::Snappy)),
            (new, Some("application/x-protobuf"), Some("gzip"), Err("encoding")),
            (new, Some("application/json"), None, push(Body::Json, Encoding::Identity)),
            (new, Some("application/json; charset=utf-8"), Some("gzip"), push(Body::Json, Encoding::Gzip)),
            (new, Some("application/json"), Some("deflate"), push(Body::Json, Encoding::Deflate)),
            // Loki would read it as it stands.
            (new, Some("application/json"), Some("snappy"), Err("encoding")),
            (new, Some("application/json"), Some("GZIP"), Err("encoding")),
            (new, Some("application/json"), Some("gzip, gzip"), Err("encoding")),
            (new, Some("application/json"), Some("identity"), Err("encoding")),
            (old, Some("application/json"), None, push(Body::LegacyJson, Encoding::Identity)),
            (
                "/api/prom/push?x=/LOKI/api/v1",
                Some("application/json"),
                None,
                push(Body::Json, Encoding::Identity),
            ),
            (new, Some("text/plain"), None, Err("media_type")),
            (new, Some(""), None, Err("media_type")),
            (new, None, None, Err("media_type")),
        ];
        for (path, content_type, encoding, expected) in cases {
            let mut pairs = vec![(":path", *path)];
            pairs.extend(content_type.map(|value| ("content-type", value)));
            pairs.extend(encoding.map(|value| ("content-encoding", value)));
            let headers = Headers::new(pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect());
            let found = check_head(&headers).map_err(|refusal| refusal.reason());
            assert_eq!(found, *expected, "{pairs:?}");
        }
    }
}
