//! What is told to the outside: refusals as answers, counters as metrics, and what administrators want to know.

mod answer;
mod catalogue;
mod excerpt;
mod journal;
mod naming;
mod refusal;
mod sketch;
mod tally;

pub use answer::reply;
pub use catalogue::{Described, METRICS, TAGS, tag_pattern};
pub use excerpt::Excerpt;
pub use journal::Journal;
pub(crate) use journal::Refused;
pub use naming::{Naming, NamingRules, TenantTag};
pub use refusal::Refusal;
pub use tally::{Decision, Metric, SeriesOutcome, Tally, TenantCount};
