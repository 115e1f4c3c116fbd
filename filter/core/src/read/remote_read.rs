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
    snappy::Encoder::default().encode(&narrowed).ok_or(Refusal::DecodedTooLarge { limit: decoded_limit })
}

/// A matcher as a message. It is a regular expression even where one value is meant: Prometheus leaves out a plain matcher
/// that says the same as one of its external labels.
fn encoded(matcher: &Matcher) -> Vec<u8> {
    const NOT_EQUAL: u8 = 1;
    const REGEX: u8 = 2;
    let mut message = vec![0x08, if matcher.op() == Op::NotEqual { NOT_EQUAL } else { REGEX }];
    put_bytes(&mut message, 2, matcher.label().as_bytes());
    match matcher.op() {
        Op::Regex | Op::NotEqual => put_bytes(&mut message, 3, matcher.value().as_bytes()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    struct ReadRequest {
        #[prost(message, repeated, tag = "1")]
        queries: Vec<Query>,
        #[prost(int32, repeated, tag = "2")]
        accepted: Vec<i32>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Query {
        #[prost(int64, tag = "1")]
        start: i64,
        #[prost(int64, tag = "2")]
        end: i64,
        #[prost(message, repeated, tag = "3")]
        matchers: Vec<LabelMatcher>,
        #[prost(bytes, optional, tag = "4")]
        hints: Option<Vec<u8>>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct LabelMatcher {
        #[prost(int32, tag = "1")]
        kind: i32,
        #[prost(string, tag = "2")]
        name: String,
        #[prost(string, tag = "3")]
        value: String,
    }

    fn matcher(kind: i32, name: &str, value: &str) -> LabelMatcher {
        LabelMatcher { kind, name: name.to_owned(), value: value.to_owned() }
    }

    fn block(message: &[u8]) -> Vec<u8> {
        snappy::Encoder::default().encode(message).unwrap()
    }

    fn narrowed(message: &[u8], tenants: &[&str]) -> Result<ReadRequest, &'static str> {
        let matchers = [Matcher::any_of("tenant", tenants.iter().copied()).unwrap()];
        let body = narrow(&block(message), &matchers, 1 << 20).map_err(|refusal| refusal.reason())?;
        Ok(ReadRequest::decode(snappy::decode(&body, 1 << 20).unwrap().as_slice()).unwrap())
    }

    #[test]
    fn every_query_gets_the_matcher() {
        let query = |matchers: &[LabelMatcher]| Query {
            start: 1,
            end: -1,
            matchers: matchers.to_vec(),
            hints: Some(vec![8, 1]),
        };
        let up = matcher(0, "__name__", "up");
        let foreign = matcher(0, "tenant", "b");
        let request = ReadRequest {
            queries: vec![
                query(core::slice::from_ref(&up)),
                query(&[]),
                query(core::slice::from_ref(&foreign)),
            ],
            accepted: vec![1, 0],
        };
        for (tenants, value) in [(&["a.b"][..], "a\\.b"), (&["a", "b"], "a|b")] {
            let ours = matcher(2, "tenant", value);
            let mut expected = request.clone();
            expected.queries.iter_mut().for_each(|query| query.matchers.push(ours.clone()));
            assert_eq!(narrowed(&request.encode_to_vec(), tenants), Ok(expected));
        }
        // Fields that nobody knows go no further.
        let private = [request.encode_to_vec(), vec![0x1a, 1, b'x']].concat();
        assert_eq!(narrowed(&private, &["a"]).unwrap().accepted, [1, 0]);
    }

    #[test]
    fn hostile_messages_are_refused() {
        for (what, message) in [
            ("a tag that wraps to 1", &[0x8a, 0x80, 0x80, 0x80, 0x80, 0x01, 0][..]),
            ("a long tag", &[0x8a, 0x00, 0]),
            ("a query that is a number", &[0x08, 1]),
            ("a length past the end", &[0x0a, 9]),
            ("a group", &[0x0b, 0x0c]),
            ("a broken query", &[0x0a, 1, 0x08]),
            ("a matcher that is a number", &[0x0a, 2, 0x18, 1]),
            ("a name that is not UTF-8", &[0x0a, 5, 0x1a, 3, 0x12, 1, 0xff]),
        ] {
            assert_eq!(narrowed(message, &["a"]), Err("malformed_body"), "{what}");
        }
        // Many empty queries would grow.
        let many = [0x0a, 0].repeat(100_000);
        assert_eq!(narrowed(&many, &["a"]), Err("query_too_large"));
    }

    proptest! {
        #[test]
        fn any_request_gets_it(
            names in proptest::collection::vec(("[a-z]{0,5}", ".{0,9}", 0..4), 0..5),
            queries in 0_usize..4,
        ) {
            let matchers: Vec<_> = names.iter().map(|(name, value, kind)| matcher(*kind, name, value)).collect();
            let query = Query { start: 5, end: 7, matchers, hints: None };
            let request = ReadRequest { queries: vec![query; queries], accepted: vec![] };
            let mut expected = request.clone();
            expected.queries.iter_mut().for_each(|query| query.matchers.push(matcher(2, "tenant", "a")));
            prop_assert_eq!(narrowed(&request.encode_to_vec(), &["a"]), Ok(expected));
        }

        #[test]
        fn any_bytes_are_read_without_panic(message: Vec<u8>) {
            let matchers = [Matcher::any_of("tenant", ["a"]).unwrap()];
            let _ = narrow(&block(&message), &matchers, 1 << 20);
        }
    }
}
