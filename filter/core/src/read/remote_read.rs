//! Prometheus' remote read: a snappy block of protobuf, in which every query gets further matchers.
//!
//! `ReadRequest {queries = 1, accepted_response_types = 2}`, `Query {…, matchers = 3, …}`,
//! `LabelMatcher {type = 1, name = 2, value = 3}`. The matchers of a query are AND-ed. Specification:
//! <https://github.com/prometheus/prometheus/blob/main/prompb/remote.proto>.

use super::query::{Matcher, Op};
use crate::http::Headers;
use crate::report::Refusal;
use crate::wire::{Fields, Malformed, put_len};
use crate::write::snappy;

/// Whether the head announces such a message.
pub(super) fn check(headers: &Headers<'_>) -> Result<(), Refusal> {
    let only = |name: &'static str| headers.only(name).map_err(|_| Refusal::Repeated(name));
    if only("content-type")? != Some(b"application/x-protobuf") {
        return Err(Refusal::MediaType { expected: "application/x-protobuf" });
    }
    if only("content-encoding")? != Some(b"snappy") {
        return Err(Refusal::Encoding { expected: "snappy" });
    }
    Ok(())
}

/// The body with the matchers in each of its queries.
pub(super) fn narrow(body: &[u8], matchers: &[Matcher], decoded_limit: u32) -> Result<Vec<u8>, Refusal> {
    let message = snappy::decode(body, decoded_limit)?;
    let mut added = Vec::new();
    for matcher in matchers {
        put_bytes(&mut added, 3, &encoded(matcher));
    }
    let narrowed = rewrite(&message, &added, decoded_limit)?;
    snappy::Encoder::new().encode(&narrowed).ok_or(Refusal::DecodedTooLarge { limit: decoded_limit })
}

/// A matcher as a message. It is a regular expression even where one value is meant: Prometheus leaves out a plain matcher
/// that says the same as one of its external labels.
fn encoded(matcher: &Matcher) -> Vec<u8> {
    const REGEX: u8 = 2;
    let mut message = vec![0x08, REGEX];
    put_bytes(&mut message, 2, matcher.label().as_bytes());
    match matcher.op() {
        Op::Regex => put_bytes(&mut message, 3, matcher.value().as_bytes()),
        Op::Equal => put_bytes(&mut message, 3, regex_lite::escape(matcher.value()).as_bytes()),
    }
    message
}

fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_len(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// The message with `added` at the end of each query. Fields that are not known here go no further.
fn rewrite(message: &[u8], added: &[u8], limit: u32) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(message.len().saturating_add(added.len()));
    let mut fields = Fields::new(message);
    loop {
        let before = message.len().saturating_sub(fields.remaining());
        let Some(field) = fields.next() else { return Ok(out) };
        let at = |problem| Refusal::Body { problem, offset: before };
        let field = field.map_err(at)?;
        match field.number {
            1 => {
                let query = field.value.bytes().map_err(at)?;
                check_query(query).map_err(at)?;
                if out.len().saturating_add(query.len()).saturating_add(added.len()) > limit as usize {
                    return Err(Refusal::NarrowedTooLarge { limit });
                }
                put_bytes(&mut out, 1, &[query, added].concat());
            }
            2 => {
                let after = message.len().saturating_sub(fields.remaining());
                out.extend_from_slice(message.get(before..after).unwrap_or_default());
            }
            _ => {}
        }
    }
}

/// Whether a query is made of fields that every reader takes for the same.
fn check_query(query: &[u8]) -> Result<(), Malformed> {
    for field in Fields::new(query) {
        let field = field?;
        if field.number == 3 {
            for field in Fields::new(field.value.bytes()?) {
                let field = field?;
                if matches!(field.number, 2 | 3) {
                    field.value.text()?;
                }
            }
        }
    }
    Ok(())
}
