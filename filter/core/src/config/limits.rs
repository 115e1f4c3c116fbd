//! Bounds. Every one of them has a default, and nothing is without one.

use super::scalar::{ByteSize, Count};
use super::shape::Shape;

/// Bounds on what one request, and one worker of Envoy, may use.
#[derive(Clone, Debug, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest body that is looked into, or is part of a session's proof, as sent (compressed); beyond it 413. Envoy's own buffer limit
    /// (`per_connection_buffer_limit_bytes`, 1MiB unless raised, or the route's
    /// `request_body_buffer_limit`) must be at least as large. Bodies that nobody looks into are not limited.
    pub request_bytes: ByteSize,
    /// The largest body after decompression; beyond it 413.
    pub decoded_bytes: ByteSize,
    /// The most series in one request that is looked into, and the most log entries where their metadata decides; beyond
    /// it 413.
    pub series: Count,
    /// The most labels that a series (a stream of Loki, a resource of OTLP) of such a request may have, and the most
    /// metadata of a log entry that decides; one with more is rejected, and the others go on.
    pub labels_per_series: Count,
    /// The most tenants one request may go to or read from; beyond it 400.
    pub tenants: Count,
    /// How many calls of one split request are under way at once; further parts wait for them.
    pub calls_per_request: Count,
    /// How many calls are under way at once in one worker. A request that finds no call free is answered
    /// 503 and may be sent again. Envoy's circuit breaker on the cluster (`max_requests`, 1024 unless
    /// raised) counts all workers.
    pub calls_per_worker: Count,
    /// The bytes of split requests that one worker holds until their answers come; beyond it 503.
    pub held_bytes_per_worker: ByteSize,
    /// The bytes in which the workers of one Envoy remember together what need not be sent again
    /// (`answers.remember`). Beyond it the oldest is forgotten, and sent again.
    pub remembered_bytes: ByteSize,
    /// The largest answer that is narrowed to its tenants (rules, alerts and silences where a label keeps them apart), both
    /// as it comes and decompressed; beyond it 502. Envoy's own buffer limit (`per_connection_buffer_limit_bytes`, 1MiB
    /// unless raised) must be at least as large: an answer beyond that becomes a plain 500 of Envoy's.
    pub response_bytes: ByteSize,
    /// The longest explanation in an answer; the rest is cut off.
    pub answer_bytes: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: ByteSize(8 << 20),
            decoded_bytes: ByteSize(32 << 20),
            series: Count(50_000),
            labels_per_series: Count(200),
            tenants: Count(500),
            calls_per_request: Count(32),
            calls_per_worker: Count(1024),
            held_bytes_per_worker: ByteSize(64 << 20),
            remembered_bytes: ByteSize(1 << 20),
            response_bytes: ByteSize(8 << 20),
            answer_bytes: ByteSize(4 << 10),
        }
    }
}
