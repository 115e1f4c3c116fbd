//! Errors in OTLP's own form: a `google.rpc.Status` in the content type of the request.
//!
//! Specification: <https://opentelemetry.io/docs/specs/otlp/#failures-1>.

use serde_json::json;

use crate::wire::{put_len, put_varint};

/// The content type and the body that tell of a failure with this HTTP status.
pub(crate) fn status(json: bool, http: u16, message: &str) -> (&'static str, Vec<u8>) {
    let code = match http {
        400 | 415 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        405 => 12,
        413 | 429 => 8,
        502..=504 => 14,
        _ => 13,
    };
    if json {
        return ("application/json", json!({"code": code, "message": message}).to_string().into_bytes());
    }
    let mut body = Vec::new();
    put_varint(&mut body, 1 << 3);
    put_varint(&mut body, code);
    put_len(&mut body, 2, message.len());
    body.extend_from_slice(message.as_bytes());
    ("application/x-protobuf", body)
}
