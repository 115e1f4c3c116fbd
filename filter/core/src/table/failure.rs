//! Why a table could not be refreshed.

use core::fmt;

/// Why a table could not be refreshed. The last good one stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Envoy would not make the call: the cluster is unknown, has no healthy host or no room.
    NoCall,
    /// No answer came in time, or it broke off.
    NoAnswer,
    /// The answer has this status.
    Status(u16),
    /// The answer, or the table, is larger than `max_bytes`.
    TooLarge,
    /// The table has more entries than `max_entries`, or more pages than are read.
    TooMany,
    /// The answer is not what the source should give.
    Malformed,
    /// The table has no entry at all.
    Empty,
    /// The list changed so often that it could not be read to its end (410).
    Expired,
    /// The host could not keep the table.
    Host,
}

impl Failure {
    /// One word, for metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoCall => "no_call",
            Self::NoAnswer => "no_answer",
            Self::Status(401 | 403) => "not_permitted",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::TooMany => "too_many",
            Self::Malformed => "malformed",
            Self::Empty => "empty",
            Self::Expired => "expired",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCall => f.write_str(
                "the call could not be made: the cluster is unknown, or has no healthy host or no room",
            ),
            Self::NoAnswer => f.write_str("no answer came in time, or it broke off"),
            Self::Status(401) => f.write_str("the answer was 401: the cluster must add a valid token"),
            Self::Status(403) => f.write_str("the answer was 403: the token's owner may not read this"),
            Self::Status(status) => write!(f, "the answer was {status}"),
            Self::TooLarge => f.write_str("the answer or the table is larger than max_bytes"),
            Self::TooMany => f.write_str("there are more entries than max_entries, or too many pages"),
            Self::Malformed => f.write_str("the answer is not what the source should give"),
            Self::Empty => f.write_str("the table has no entry, which counts as a failure"),
            Self::Expired => f.write_str("the list changed too often to be read to its end"),
            Self::Host => f.write_str("Envoy could not keep the table"),
        }
    }
}
