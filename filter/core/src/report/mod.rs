//! What is told to the outside: refusals as answers, and counters as metrics.

mod answer;
mod excerpt;
mod refusal;
mod table;
mod tally;

pub use answer::reply;
pub use excerpt::Excerpt;
pub use refusal::Refusal;
pub use table::TableMetric;
pub use tally::{Decision, Metric, PartOutcome, SeriesOutcome, Tally};
