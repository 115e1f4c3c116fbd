//! What is told to the outside: refusals as answers, and counters as metrics.

mod answer;
mod excerpt;
mod otlp;
mod refusal;
mod table;
mod tally;

pub use answer::{Voice, reply, reply_in};
pub use excerpt::Excerpt;
pub(crate) use otlp::status as otlp_status;
pub use refusal::Refusal;
pub use table::TableMetric;
pub use tally::{Decision, Metric, PartOutcome, SeriesOutcome, Tally};
