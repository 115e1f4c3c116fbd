//! What is told to the outside: refusals as answers, counters as metrics, and what administrators want to know.

mod answer;
mod catalogue;
mod excerpt;
mod journal;
mod naming;
mod observation;
mod otlp;
mod reading;
mod refusal;
mod sketch;
mod table;
mod tally;

pub use answer::{Voice, reply, reply_in};
pub use catalogue::{Described, METRICS, MetricKind, TAGS, tag_pattern};
pub use excerpt::Excerpt;
pub use journal::Journal;
pub(crate) use journal::{Differs, Refused};
pub use naming::{Naming, NamingRules, TenantTag};
pub use observation::Observation;
pub(crate) use otlp::status as otlp_status;
pub use refusal::Refusal;
pub use table::TableMetric;
pub use tally::{Decision, Metric, PartOutcome, SeriesOutcome, Tally, TenantCount};
