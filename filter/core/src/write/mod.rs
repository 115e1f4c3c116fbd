//! Writes: which tenant each series belongs to, taking a request apart, and one answer for all parts.
//!
//! In the order a request goes through: [`plan`] decides from the head what must be looked into, a
//! protocol (`remote_write`) walks the body and notes a tenant for every series, `parts` copies the
//! noted ranges into one body a tenant, [`fanout`] sends them in waves, and [`outcome`] makes one answer.
//! A new protocol is a module beside `remote_write`; the rest stays as it is.

mod also;
mod answers;
#[cfg(test)]
mod edit_tests;
mod encoding;
pub mod failing;
pub mod fanout;
mod format;
mod key;
mod label_rules;
pub mod labels;
pub mod ledger;
pub mod loki;
pub(crate) mod metadata;
mod names;
pub mod otlp;
pub mod outcome;
mod parts;
mod pieces;
mod plan;
pub mod rejected;
pub mod remote_write;
mod route;
mod rules;
pub(crate) mod snappy;
mod source;
#[cfg(test)]
mod testing;
pub mod written;

pub use answers::AnswerRules;
pub(crate) use encoding::Encoding;
pub use format::Format;
pub use parts::{Part, Split};
pub use plan::{Plan, SplitPlan, Wanted, plan};
pub use rules::{CallRules, Rules};
