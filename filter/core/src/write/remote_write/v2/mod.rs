//! `io.prometheus.write.v2.Request`: series whose strings stand in one table, taken apart with a table a tenant.
//!
//! In the order a request goes through: [`symbols`] reads the table and marks the names that decide, [`series`]
//! finds what each series says, the walk here asks where it goes and notes its range, and [`rebuild`] writes each
//! tenant's series again over a table that holds what they use and nothing else.
//!
//! Specification: <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>; the message is
//! `io/prometheus/write/v2/types.proto` of Prometheus.

mod rebuild;
mod series;
mod symbols;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use super::super::labels::LabelEdits;
use super::super::metadata::WrittenNames;
use super::super::parts::{Part, Split, offset};
use super::super::plan::SplitPlan;
use super::super::rejected::Rejected;
use super::super::route::{Destination, Reason, Router};
use super::super::snappy::{self, Encoder};
use super::describe::describe;
use crate::caller::Rights;
use crate::config::Limits;
use crate::report::Refusal;
use crate::wire::{Field, Fields, Malformed, Value};
use rebuild::Rebuild;
use series::Look;
use symbols::Symbols;

/// `Request.symbols`.
const SYMBOLS: u32 = 4;
/// `Request.timeseries`.
const TIMESERIES: u32 = 5;

/// Takes apart one request body.
pub(super) fn split(
    body: &[u8],
    plan: &SplitPlan,
    rights: &Rights,
    limits: &Limits,
) -> Result<Split, Refusal> {
    let message = snappy::decode(body, limits.decoded_bytes.0)?;
    let symbols = Symbols::read(&message, plan)?;
    let mut walk = Walk {
        look: Look::new(&symbols, plan, limits),
        router: Router::new(plan, rights, limits.tenants.0),
        gathered: Vec::new(),
        rejected: Rejected::default(),
        doubled: 0,
        takes_exemplars_alone: plan.takes_exemplars_alone,
        edits: &plan.edits,
        // Private extensions of some backends stand in other fields; nobody outside may use them.
        changed: symbols.has_private_fields,
    };
    let mut fields = Fields::new(&message);
    let mut total = 0_u32;
    let mut start = 0;
    while let Some(field) = fields.next() {
        let end = message.len().saturating_sub(fields.remaining());
        let at = |problem| Refusal::Body { problem, offset: start };
        match field.map_err(at)? {
            Field { number: TIMESERIES, value: Value::Bytes(content) } => {
                total = total.saturating_add(1);
                if total > limits.series.0 {
                    return Err(Refusal::TooManySeries { limit: limits.series.0 });
                }
                walk.series(content, start, end)?;
            }
            Field { number: TIMESERIES, .. } => return Err(at(Malformed::Unexpected)),
            Field { .. } => {}
        }
        start = end;
    }
    walk.finish(&message, &symbols, plan)
}

/// The walk over the series of one message.
struct Walk<'a> {
    look: Look<'a>,
    router: Router<'a>,
    /// What each part gets, in the order of the router's tenants.
    gathered: Vec<Gathered>,
    rejected: Rejected,
    /// How many series went to two parts.
    doubled: u32,
    takes_exemplars_alone: bool,
    edits: &'a LabelEdits,
    /// Whether anything of the message does not go on as it came.
    changed: bool,
}

/// The series of one part.
#[derive(Debug, Default)]
struct Gathered {
    /// The ranges of their contents. Offsets fit 32 bits, since a message is at most `limits.decoded_bytes` long.
    series: Vec<(u32, u32)>,
    samples: u32,
}

impl<'a> Walk<'a> {
    /// One series, which stands at `start..end` of the message.
    fn series(&mut self, content: &'a [u8], start: usize, end: usize) -> Result<(), Refusal> {
        let looked = self.look.at(content).map_err(|problem| Refusal::Body { problem, offset: start })?;
        let destination = match looked {
            Err(reason) => Destination::Reject(reason),
            Ok(()) => self.router.route(|label| self.look.value(label))?,
        };
        // A backend refuses a whole request for one series without labels, or with nothing to write.
        let destination = match destination {
            Destination::Part(_) | Destination::Both(..) if self.look.left == 0 => {
                Destination::Reject(Reason::NoLabels)
            }
            Destination::Part(_) | Destination::Both(..) if self.look.samples == 0 => {
                match self.look.has_exemplars {
                    false => Destination::Reject(Reason::NoSamples),
                    // Prometheus sends every exemplar as a series of its own. Its samples must not be lost for that.
                    true if !self.takes_exemplars_alone => Destination::Drop(Reason::NoSamples),
                    true => destination,
                }
            }
            destination => destination,
        };
        let range = (offset(end.saturating_sub(content.len())), offset(end));
        match destination {
            Destination::Part(part) => self.gather(part, range)?,
            Destination::Both(part, second) => {
                self.gather(part, range)?;
                self.gather(second, range)?;
                self.doubled = self.doubled.saturating_add(1);
            }
            Destination::Reject(reason) => {
                self.changed = true;
                self.rejected.reject(reason, || describe(self.look.labels()));
            }
            Destination::Drop(reason) => {
                self.changed = true;
                self.rejected.drop(reason);
            }
        }
        Ok(())
    }

    /// Notes the series at hand for a part.
    fn gather(&mut self, part: usize, range: (u32, u32)) -> Result<(), Refusal> {
        if part >= self.gathered.len() {
            self.gathered.resize_with(part.saturating_add(1), Gathered::default);
        }
        let gathered = self.gathered.get_mut(part).ok_or(Refusal::Host { what: "a part was lost" })?;
        gathered.series.push(range);
        gathered.samples = gathered.samples.saturating_add(self.look.samples);
        self.changed |= self.look.has_labels_to_remove;
        if !self.changed
            && !self.edits.is_empty()
            && let Some(tenant) = self.router.tenant(part)
        {
            self.changed = self.edits.change(|| self.look.labels(), tenant);
        }
        Ok(())
    }

    fn finish<'b>(
        self,
        message: &[u8],
        symbols: &'b Symbols<'b>,
        plan: &'b SplitPlan,
    ) -> Result<Split, Refusal> {
        let Self { router, gathered, mut rejected, changed, doubled, .. } = self;
        let tenants = router.into_tenants(&mut rejected);
        let parts: Vec<_> =
            tenants.iter().zip(&gathered).filter(|(_, gathered)| !gathered.series.is_empty()).collect();
        let untouched = parts.len() == 1 && !changed;
        let mut encoder = Encoder::default();
        let mut rebuild = Rebuild::new(symbols, plan);
        let parts = parts.into_iter().map(|(tenant, gathered)| {
            let mut body = Vec::new();
            if !untouched {
                let ranges = gathered.series.iter();
                let series = ranges.filter_map(|(start, end)| message.get(*start as usize..*end as usize));
                let part = rebuild
                    .part(series, tenant)
                    .map_err(|problem| Refusal::Body { problem, offset: message.len() })?;
                body =
                    encoder.encode(part).ok_or(Refusal::Host { what: "a part could not be compressed" })?;
            }
            let series = offset(gathered.series.len());
            Ok(Part { tenant: tenant.clone(), series, samples: gathered.samples, body })
        });
        let parts = parts.collect::<Result<Vec<_>, Refusal>>()?;
        Ok(Split { parts, rejected, metadata_dropped: 0, names: WrittenNames::default(), doubled, untouched })
    }
}
