//! One answer for many, in OTLP's own form.
//!
//! A sender of OTLP sends again on 429, 502, 503 and 504 only. What is lost for good while the rest was accepted is a
//! partial success: 200, how much was rejected, and why. That is never sent again, so it is said only where nothing
//! can be made good by that.
//!
//! Specification: <https://opentelemetry.io/docs/specs/otlp/#partial-success-1>.

use core::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::super::outcome::Outcome;
use super::head::Export;
use crate::http::Reply;
use crate::report::{Excerpt, otlp_status};
use crate::wire::{Fields, Value, json_tree, put_len, put_varint};

/// What a backend rejected of what it accepted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Partial {
    rejected: u64,
    message: String,
}

/// The combined answer, with at most `limit` bytes of explanation.
pub(in super::super) fn reply(export: Export, outcome: &Outcome, limit: u32) -> Reply {
    let mut reply = outcome.reply(limit);
    reply.headers.retain(|(name, _)| *name != "content-type");
    let mut message = String::from_utf8_lossy(&reply.body).into_owned();
    let mut rejected = u64::from(outcome.rejected.samples());
    let mut accepted = false;
    for part in &outcome.answers {
        if !part.answer.is_success() {
            rejected = rejected.saturating_add(u64::from(part.samples));
            continue;
        }
        accepted = true;
        let partial = read(&part.answer.message);
        rejected = rejected.saturating_add(partial.rejected);
        if !partial.message.is_empty() || partial.rejected > 0 {
            let said = Excerpt::new(partial.message.as_bytes(), 256);
            let line = format!("tenant {}: {} rejected: {said}\n", part.who(), partial.rejected);
            if message.len().saturating_add(line.len()) <= limit as usize {
                let _ = message.write_str(&line);
            }
        }
    }
    // Whatever is to be sent again is above that.
    let is_final = reply.status < 429;
    let body = if reply.status < 300 || (accepted && is_final) {
        reply.status = 200;
        success(export, rejected, message.trim_end())
    } else {
        otlp_status(export.is_json(), reply.status, message.trim_end()).1
    };
    reply.body = body;
    reply.headers.push(("content-type", export.content_type().to_owned()));
    reply
}

/// `Export…ServiceResponse`.
fn success(export: Export, rejected: u64, message: &str) -> Vec<u8> {
    let is_whole = rejected == 0 && message.is_empty();
    if export.is_json() {
        return if is_whole {
            b"{}".to_vec()
        } else {
            // Numbers of 64 bits are strings in protobuf's JSON.
            let rejected = (export.signal.rejected().to_owned(), Json::from(rejected.to_string()));
            let message = ("errorMessage".to_owned(), Json::from(message));
            let partial = Json::Object([rejected, message].into_iter().collect());
            json!({ "partialSuccess": partial }).to_string().into_bytes()
        };
    }
    if is_whole {
        return Vec::new();
    }
    let mut partial = Vec::new();
    put_varint(&mut partial, 1 << 3);
    put_varint(&mut partial, rejected);
    put_len(&mut partial, 2, message.len());
    partial.extend_from_slice(message.as_bytes());
    let mut body = Vec::new();
    put_len(&mut body, 1, partial.len());
    body.extend_from_slice(&partial);
    body
}

/// What the body of a success says, which may be cut short: as much as can be read.
fn read(body: &[u8]) -> Partial {
    if body.trim_ascii_start().first() == Some(&b'{') {
        return read_json(body)
            .unwrap_or_else(|| Partial { rejected: 0, message: String::from_utf8_lossy(body).into_owned() });
    }
    let mut partial = Partial::default();
    // The length of the one field that a response has is passed over, since the body may be shorter.
    let Some(mut content) = body.strip_prefix(b"\x0a") else { return partial };
    while let Some((byte, rest)) = content.split_first() {
        content = rest;
        if *byte < 0x80 {
            break;
        }
    }
    let mut fields = Fields::new(content);
    loop {
        let left = fields.remaining();
        match fields.next() {
            Some(Ok(field)) => match (field.number, field.value) {
                // Less than nothing is nothing.
                (1, Value::Varint(number)) => {
                    partial.rejected = i64::try_from(number).unwrap_or(0).unsigned_abs();
                }
                (2, Value::Bytes(text)) => partial.message = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            },
            Some(Err(_)) => {
                let start = content.len().saturating_sub(left);
                let text = content.get(start..).unwrap_or_default();
                partial.message = String::from_utf8_lossy(text).into_owned();
                return partial;
            }
            None => return partial,
        }
    }
}

fn read_json(body: &[u8]) -> Option<Partial> {
    let body = json_tree(body).ok()?;
    let member = |of: &Json, names: &[&str]| names.iter().find_map(|name| of.get(name).cloned());
    let Some(partial) = member(&body, &["partialSuccess", "partial_success"]) else {
        return Some(Partial::default());
    };
    let number = member(
        &partial,
        &[
            "rejectedDataPoints",
            "rejectedLogRecords",
            "rejectedSpans",
            "rejected_data_points",
            "rejected_log_records",
            "rejected_spans",
        ],
    );
    let rejected = match number {
        Some(Json::Number(number)) => number.as_u64(),
        Some(Json::String(number)) => number.parse().ok(),
        _ => None,
    };
    let message = member(&partial, &["errorMessage", "error_message"]);
    let message = message.and_then(|message| message.as_str().map(str::to_owned));
    Some(Partial { rejected: rejected.unwrap_or(0), message: message.unwrap_or_default() })
}
