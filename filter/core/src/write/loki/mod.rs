//! Loki's push: streams of log entries, as protobuf or JSON.
//!
//! A stream goes where its labels say. Where structured metadata may decide, every entry is asked: a stream then
//! may fall apart, and the entries of each tenant stay together, in their order, under the same labels.
//!
//! Specification: <https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs>; what Loki really reads
//! is in its `pkg/loghttp/push/push.go`, `pkg/util/unmarshal` and `pkg/loghttp`.

mod head;
mod json;
mod labels;
mod protobuf;
mod stream;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use head::{Body, Push, check_head};

use super::outcome::Outcome;
use super::parts::Split;
use super::plan::SplitPlan;
use crate::caller::Rights;
use crate::config::Limits;
use crate::http::Reply;
use crate::report::Refusal;

/// Takes apart one request body.
pub(super) fn split(
    push: Push,
    body: &[u8],
    plan: &SplitPlan,
    rights: &Rights,
    limits: &Limits,
) -> Result<Split, Refusal> {
    let message = push.encoding.decode(body, limits.decoded_bytes.0)?;
    match push.body {
        Body::Protobuf => protobuf::split(&message, push.encoding, plan, rights, limits),
        Body::Json | Body::LegacyJson => json::split(&message, push, plan, rights, limits),
    }
}

/// The one answer for all parts: a success is 204, and everything else is said in plain text.
pub(super) fn reply(outcome: &Outcome, limit: u32) -> Reply {
    let mut reply = outcome.reply(limit);
    if reply.status < 300 {
        reply.status = 204;
    }
    reply
}
