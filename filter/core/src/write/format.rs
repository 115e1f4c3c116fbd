//! The formats of writes: how a body is taken apart, and how its sender is answered.
//!
//! A new format is a module beside `remote_write`, a variant here, and a line in each `match`.

use super::loki;
use super::otlp::{self, Signal};
use super::outcome::{Answer, Outcome};
use super::parts::Split;
use super::plan::SplitPlan;
use super::remote_write::{self, Version};
use super::written;
use crate::caller::Rights;
use crate::config::Limits;
use crate::http::{Headers, Reply};
use crate::operation::Protocol;
use crate::report::{Refusal, Voice};

/// In which form the body of a write is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A snappy block with `prometheus.WriteRequest` or `io.prometheus.write.v2.Request`.
    RemoteWrite(Version),
    /// Loki's push.
    Loki(loki::Push),
    /// OTLP's export of metrics, logs or traces.
    Otlp(otlp::Export),
}

impl Format {
    /// The format of a request's body, from its head. `Ok(None)` for protocols that cannot be looked into.
    pub fn of(protocol: Protocol, headers: &Headers<'_>) -> Result<Option<Self>, Refusal> {
        match protocol {
            Protocol::RemoteWrite => remote_write::check_head(headers).map(|v| Some(Self::RemoteWrite(v))),
            Protocol::LokiPush => loki::check_head(headers).map(|push| Some(Self::Loki(push))),
            Protocol::OtlpMetrics => otlp::check_head(Signal::Metrics, headers).map(|e| Some(Self::Otlp(e))),
            Protocol::OtlpLogs => otlp::check_head(Signal::Logs, headers).map(|e| Some(Self::Otlp(e))),
            Protocol::OtlpTraces => otlp::check_head(Signal::Traces, headers).map(|e| Some(Self::Otlp(e))),
            _ => Ok(None),
        }
    }

    /// Whether a head that is not understood is refused even where nobody needs the body: a backend would read
    /// the body as something else, and lose it with a success.
    pub fn is_strict(protocol: Protocol) -> bool {
        protocol == Protocol::RemoteWrite
    }

    /// The content type in the form that all backends understand.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::RemoteWrite(version) => version.content_type(),
            Self::Loki(push) => push.content_type(),
            Self::Otlp(export) => export.content_type(),
        }
    }

    /// Takes apart one request body.
    pub fn split(
        self,
        body: &[u8],
        plan: &SplitPlan,
        rights: &Rights,
        limits: &Limits,
    ) -> Result<Split, Refusal> {
        match self {
            Self::RemoteWrite(version) => remote_write::split(version, body, plan, rights, limits),
            Self::Loki(push) => loki::split(push, body, plan, rights, limits),
            Self::Otlp(export) => otlp::split(export, body, plan, rights, limits),
        }
    }

    /// The answer to one part, as a sender of this format would take it.
    pub fn judge(self, answer: Answer) -> Answer {
        match self {
            Self::RemoteWrite(Version::V2) => written::must_tell(answer),
            Self::RemoteWrite(Version::V1) | Self::Loki(_) | Self::Otlp(_) => answer,
        }
    }

    /// The one answer for all parts, with at most `limit` bytes of explanation.
    pub fn reply(self, outcome: &Outcome, limit: u32) -> Reply {
        match self {
            Self::RemoteWrite(Version::V1) => outcome.reply(limit),
            Self::RemoteWrite(Version::V2) => written::reply(outcome, limit),
            Self::Loki(_) => loki::reply(outcome, limit),
            Self::Otlp(export) => otlp::reply(export, outcome, limit),
        }
    }

    /// The form in which its sender reads errors.
    pub fn voice(self) -> Voice {
        match self {
            Self::RemoteWrite(_) | Self::Loki(_) => Voice::Text,
            Self::Otlp(export) => Voice::Otlp { json: export.is_json() },
        }
    }

    /// Whether more of the head of an answer with this status is looked at.
    pub fn wants_answer_headers(self, status: u16) -> bool {
        status >= 300 || self == Self::RemoteWrite(Version::V2)
    }

    /// How much of the body of an answer with this status is looked at.
    pub fn answer_bytes(self, status: u16) -> usize {
        match (self, status) {
            (_, 300..) => Answer::MESSAGE_BYTES,
            (Self::Otlp(_), _) => Answer::SUCCESS_BYTES,
            _ => 0,
        }
    }
}
