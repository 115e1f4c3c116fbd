//! OTLP over HTTP: metrics, logs and traces, as protobuf or JSON.
//!
//! The three signals look alike as far as the gateway reads them: a list of resources, each with attributes and with
//! what it sent. A resource goes where its attributes say, all of it.
//!
//! Specification: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>; messages:
//! <https://github.com/open-telemetry/opentelemetry-proto>. What Cortex, Mimir, Loki and Tempo really read is in the
//! collector's `pdata`.

mod answer;
mod head;
mod json;
mod protobuf;
mod resource;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(super) use answer::reply;
pub use head::{Export, Signal, check_head};

use super::parts::Split;
use super::plan::SplitPlan;
use crate::caller::Rights;
use crate::config::Limits;
use crate::report::Refusal;

/// Takes apart one request body.
pub(super) fn split(
    export: Export,
    body: &[u8],
    plan: &SplitPlan,
    rights: &Rights,
    limits: &Limits,
) -> Result<Split, Refusal> {
    let message = export.encoding.decode(body, limits.decoded_bytes.0)?;
    if export.is_json() {
        json::split(&message, export, plan, rights, limits)
    } else {
        protobuf::split(&message, export, plan, rights, limits)
    }
}
