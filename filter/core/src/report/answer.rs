//! The one place where a refusal becomes an HTTP answer, in the form its protocol has for errors.

use serde_json::json;

use super::otlp;
use super::refusal::Refusal;
use crate::http::Reply;
use crate::operation::Protocol;

/// The form in which a sender reads errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Voice {
    /// Plain text.
    #[default]
    Text,
    /// Prometheus' JSON.
    PrometheusJson,
    /// The Alertmanager's JSON.
    AlertmanagerJson,
    /// OTLP's status, in the notation of the request.
    Otlp {
        /// Whether that is JSON.
        json: bool,
    },
}

impl Voice {
    /// The form for a request with this content type. `protocol` is `None` where it is not known yet.
    pub fn of(protocol: Option<Protocol>, content_type: Option<&[u8]>) -> Self {
        match protocol {
            Some(Protocol::Alerting(alerting)) if alerting.is_alertmanagers() => Self::AlertmanagerJson,
            Some(Protocol::PrometheusApi | Protocol::RulesApi | Protocol::Alerting(_)) => {
                Self::PrometheusJson
            }
            Some(Protocol::AlertmanagerApi) => Self::AlertmanagerJson,
            Some(Protocol::OtlpMetrics | Protocol::OtlpLogs | Protocol::OtlpTraces) => {
                const JSON: &[u8] = b"application/json";
                let media = content_type.and_then(|value| value.get(..JSON.len()));
                Self::Otlp { json: media.is_some_and(|media| media.eq_ignore_ascii_case(JSON)) }
            }
            _ => Self::Text,
        }
    }
}

/// The answer to a request that is refused. `protocol` is `None` where it is not known yet.
pub fn reply(refusal: &Refusal, protocol: Option<Protocol>) -> Reply {
    reply_in(refusal, Voice::of(protocol, None))
}

/// The answer to a request that is refused, in this form.
pub fn reply_in(refusal: &Refusal, voice: Voice) -> Reply {
    let status = match (refusal.status(), voice) {
        // OTLP's senders do not send again after a 500, and nothing was wrong with what they sent.
        (500, Voice::Otlp { .. }) => 503,
        (status, _) => status,
    };
    let mut headers = Vec::new();
    match refusal {
        Refusal::NoCaller { challenges, .. } => {
            headers.extend(challenges.iter().map(|challenge| ("www-authenticate", challenge.clone())));
        }
        Refusal::BadCredential { challenge } => headers.push(("www-authenticate", challenge.clone())),
        Refusal::Method { allow } => headers.push(("allow", allow.to_string())),
        Refusal::Overloaded { .. } | Refusal::NotSigned { .. } | Refusal::TableNotLoaded { .. } => {
            headers.push(("retry-after", "1".to_owned()));
        }
        _ => {}
    }
    let message = format!("scopegate: {refusal}");
    let (content_type, body) = match voice {
        Voice::PrometheusJson => {
            let error_type = match status {
                400 | 413 | 415 => "bad_data",
                401 | 403 => "forbidden",
                404 | 405 => "not_found",
                503 => "unavailable",
                _ => "internal",
            };
            let body = json!({"status": "error", "errorType": error_type, "error": message}).to_string();
            ("application/json", body.into_bytes())
        }
        Voice::AlertmanagerJson => {
            let body = json!({"code": status, "message": message}).to_string();
            ("application/json", body.into_bytes())
        }
        Voice::Otlp { json } => otlp::status(json, status, &message),
        Voice::Text => ("text/plain; charset=utf-8", (message + "\n").into_bytes()),
    };
    headers.push(("content-type", content_type.to_owned()));
    Reply { status, headers, body, details: refusal.reason() }
}
