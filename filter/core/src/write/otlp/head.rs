//! What the head of an export says about its body.

use super::super::encoding::Encoding;
use crate::http::Headers;
use crate::report::Refusal;

/// How the body of an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    pub(super) signal: Signal,
    pub(super) json: bool,
    pub(super) encoding: Encoding,
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // they are OTLP's own
pub enum Signal {
    Metrics,
    Logs,
    Traces,
}

impl Signal {
    /// The name of the list of resources in JSON, in both spellings that decoders take.
    pub(super) fn list(self) -> [&'static str; 2] {
        match self {
            Self::Metrics => ["resourceMetrics", "resource_metrics"],
            Self::Logs => ["resourceLogs", "resource_logs"],
            Self::Traces => ["resourceSpans", "resource_spans"],
        }
    }

    /// The names of the lists whose elements are counted, in JSON.
    pub(super) fn items(self) -> &'static [&'static str] {
        match self {
            Self::Metrics => &["dataPoints", "data_points"],
            Self::Logs => &["logRecords", "log_records"],
            Self::Traces => &["spans"],
        }
    }

    /// The name of the count of what was rejected, in JSON.
    pub(super) fn rejected(self) -> &'static str {
        match self {
            Self::Metrics => "rejectedDataPoints",
            Self::Logs => "rejectedLogRecords",
            Self::Traces => "rejectedSpans",
        }
    }
}

impl Export {
    /// Whether it is JSON.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// The content type in the form that all backends understand.
    pub(in super::super) fn content_type(self) -> &'static str {
        if self.json { "application/json" } else { "application/x-protobuf" }
    }
}

/// The form of an export, from its content type and its encoding. Backends compare both literally.
pub fn check_head(signal: Signal, headers: &Headers<'_>) -> Result<Export, Refusal> {
    const EXPECTED: &str = "application/x-protobuf or application/json";
    let text = |name: &'static str| match headers.only(name) {
        Ok(value) => Ok(value.map(|value| core::str::from_utf8(value).unwrap_or("\u{fffd}"))),
        Err(_) => Err(Refusal::Repeated(name)),
    };
    let media = text("content-type")?.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    let json = if media.eq_ignore_ascii_case("application/json") {
        true
    } else if media.eq_ignore_ascii_case("application/x-protobuf") {
        false
    } else {
        return Err(Refusal::MediaType { expected: EXPECTED });
    };
    let encoding = match text("content-encoding")? {
        None | Some("") => Encoding::Identity,
        Some("gzip") => Encoding::Gzip,
        Some(_) => return Err(Refusal::Encoding { expected: "gzip or none" }),
    };
    Ok(Export { signal, json, encoding })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let export = |json, encoding| Ok(Export { signal: Signal::Logs, json, encoding });
        let cases: &[(Option<&str>, Option<&str>, Result<Export, &str>)] = &[
            (Some("application/x-protobuf"), None, export(false, Encoding::Identity)),
            (Some("application/x-protobuf"), Some("gzip"), export(false, Encoding::Gzip)),
            (Some("Application/JSON; charset=utf-8"), Some(""), export(true, Encoding::Identity)),
            (Some("application/json"), Some("gzip"), export(true, Encoding::Gzip)),
            (Some("application/json"), Some("Gzip"), Err("encoding")),
            (Some("application/json"), Some("zstd"), Err("encoding")),
            (Some("application/json"), Some("deflate"), Err("encoding")),
            (Some("application/protobuf"), None, Err("media_type")),
            (Some("application/grpc"), None, Err("media_type")),
            (None, None, Err("media_type")),
        ];
        for (content_type, encoding, expected) in cases {
            let mut pairs = Vec::new();
            pairs.extend(content_type.map(|value| ("content-type", value)));
            pairs.extend(encoding.map(|value| ("content-encoding", value)));
            let headers = Headers::new(pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect());
            let found = check_head(Signal::Logs, &headers).map_err(|refusal| refusal.reason());
            assert_eq!(found, *expected, "{pairs:?}");
        }
        let twice =
            Headers::new(vec![(b"content-type", b"application/json"), (b"content-type", b"text/plain")]);
        assert_eq!(check_head(Signal::Logs, &twice), Err(Refusal::Repeated("content-type")));
    }
}
