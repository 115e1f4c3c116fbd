//! Rules, alerts and silences, as backends tell of them and as clients send them, narrowed to tenants by a label.
//!
//! [`narrow`] leaves out of an answer what is not a tenant's own. Nothing is built and printed again: the bytes of the
//! foreign are cut out, each with one comma, and all other bytes stay as they came, members that nobody here knows among
//! them. The shapes of the answers are a table (`shape`); an answer of another shape is an error, and never goes on.
//!
//! - A rule is a tenant's own where its own labels say so, whatever its alerts say: its text, its annotations and its
//!   state are about all of its alerts. A rule whose label comes with its alerts alone is nobody's, and the alerts of it
//!   are seen among the alerts. In a rule that stays, alerts of others are left out all the same.
//! - The text of a rule that stays is shown as it is: who gave the rule the tenant's label gave it the text.
//! - A group stays where one of its rules, or alerts, does.
//! - A silence is a tenant's own where one of its matchers holds the label to exactly that tenant.
//!
//! `posted` is what clients send to the Alertmanager: with the tenant's label put in, and nothing that an Alertmanager
//! could read otherwise than we did.

mod posted;
mod shape;
mod splice;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use posted::is_silence_id;
pub use posted::{Posted, alerts, silence};

use crate::operation::Alerting;
use crate::wire::{JsonProblem, JsonReader};

/// Whose an object with labels is.
#[derive(Clone, Copy)]
pub struct Own<'a> {
    /// The label that keeps the tenants apart.
    pub label: &'a str,
    /// Whether this value of the label is the caller's.
    pub admits: &'a dyn Fn(&str) -> bool,
}

/// What is left of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Narrowed {
    /// All of it.
    AsItCame,
    /// A part of it.
    Changed(Vec<u8>),
    /// It tells of one thing, and that is not the caller's.
    Foreign,
}

/// What is wrong with a body, and at which byte of it.
pub type At = (JsonProblem, usize);

/// Leaves in an answer what is the caller's own.
///
/// Specifications: <https://prometheus.io/docs/prometheus/latest/querying/api/#rules>,
/// <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>,
/// <https://docs.victoriametrics.com/vmalert/#web>.
pub fn narrow(alerting: Alerting, body: &[u8], own: Own<'_>) -> Result<Narrowed, At> {
    let Some(shape) = shape::of(alerting) else { return Ok(Narrowed::AsItCame) };
    let mut walk = walk::Walk { reader: JsonReader::new(body, 0), own, cuts: Vec::new() };
    let stays = walk.value(shape).and_then(|stays| walk.reader.end().map(|()| stays));
    let stays = stays.map_err(|problem| (problem, walk.reader.at()))?;
    Ok(match (stays, walk.cuts.is_empty()) {
        // A list of nothing is an answer; a thing that is nobody's is not.
        (false, _) if shape.is_one_thing() => Narrowed::Foreign,
        (_, true) => Narrowed::AsItCame,
        (_, false) => Narrowed::Changed(splice::apply(body, &walk.cuts)),
    })
}
