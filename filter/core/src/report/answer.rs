//! The one place where a refusal becomes an HTTP answer, in the form its protocol has for errors.

use serde_json::json;

use super::refusal::Refusal;
use crate::http::Reply;
use crate::operation::Protocol;

/// The answer to a request that is refused. `protocol` is `None` where it is not known yet.
pub fn reply(refusal: &Refusal, protocol: Option<Protocol>) -> Reply {
    let status = refusal.status();
    let mut headers = Vec::new();
    match refusal {
        Refusal::NoCaller { challenges, .. } => {
            headers.extend(challenges.iter().map(|challenge| ("www-authenticate", challenge.clone())));
        }
        Refusal::BadCredential { challenge } => headers.push(("www-authenticate", challenge.clone())),
        Refusal::Method { allow } => headers.push(("allow", allow.to_string())),
        Refusal::Overloaded { .. } | Refusal::TableNotLoaded { .. } => {
            headers.push(("retry-after", "1".to_owned()));
        }
        _ => {}
    }
    let message = format!("scopegate: {refusal}");
    let body = if protocol.is_some_and(speaks_prometheus_json) {
        headers.push(("content-type", "application/json".to_owned()));
        let error_type = match status {
            400 => "bad_data",
            401 | 403 => "forbidden",
            404 | 405 => "not_found",
            503 => "unavailable",
            _ => "internal",
        };
        json!({"status": "error", "errorType": error_type, "error": message}).to_string()
    } else {
        headers.push(("content-type", "text/plain; charset=utf-8".to_owned()));
        message + "\n"
    };
    Reply { status, headers, body: body.into_bytes(), details: refusal.reason() }
}

/// Protocols whose clients show the `error` of a Prometheus-style JSON answer.
fn speaks_prometheus_json(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::PrometheusApi | Protocol::RulesApi | Protocol::AlertmanagerApi)
}
