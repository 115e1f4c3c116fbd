//! `prometheus.WriteRequest`: the walk over its series.
//!
//! Nothing is decoded into objects. For each series the walk learns the value of the labels that decide,
//! asks where it goes, and notes its range. It reads labels as the backends' decoders do (any field order,
//! the last of several wins), so that no label can be hidden from it, and it never passes over anything it
//! cannot read.

use super::super::metadata::{Family, Names, Spread, Spreader};
use super::super::parts::{Cuts, Made, Notes, Split, assemble, offset};
use super::super::plan::SplitPlan;
use super::super::rejected::Rejected;
use super::super::route::{Destination, Reason, Router};
use super::super::snappy;
use super::describe::describe;
use super::v1_edit::{Edited, Editor};
use super::v1_label::{LABELS, label, labels, labels_are_text, offset_in, wanted};
use crate::caller::Rights;
use crate::config::Limits;
use crate::report::Refusal;
use crate::sorted;
use crate::wire::{Field, Fields, Malformed, PlainLabels, Value, Wanted, is_ascii};

/// `WriteRequest.timeseries`.
pub(super) const TIMESERIES: u32 = 1;
/// `WriteRequest.metadata`.
const METADATA: u32 = 3;
/// `TimeSeries.samples`.
const SAMPLES: u32 = 2;
/// `TimeSeries.histograms`.
const HISTOGRAMS: u32 = 4;

/// Takes apart one request body.
pub(crate) fn split(
    body: &[u8],
    plan: &SplitPlan,
    rights: &Rights,
    limits: &Limits,
) -> Result<Split, Refusal> {
    let message = snappy::decode(body, limits.decoded_bytes.0)?;
    let mut walk = Walk {
        message: &message,
        plan,
        router: Router::new(plan, rights, limits.tenants.0),
        notes: Vec::new(),
        cuts: Cuts::default(),
        rejected: Rejected::default(),
        wanted: wanted(plan),
        found: vec![Found::default(); plan.labels.len()],
        labels: 0,
        max_labels: limits.labels_per_series.0 as usize,
        samples: 0,
        forbidden_seen: false,
        left_out: Vec::new(),
        editor: Editor::new(&plan.edits),
        made: Made::default(),
        made_limit: limits.decoded_bytes.0,
        metadata_dropped: 0,
        name: &[],
        names: plan.following().is_some().then(Names::default),
        spread: Vec::new(),
        limits,
        doubled: 0,
    };
    let mut fields = Fields::new(&message);
    let mut series = 0_u32;
    let mut start = 0;
    while let Some(field) = fields.next() {
        let end = message.len().saturating_sub(fields.remaining());
        let at = |problem| Refusal::Body { problem, offset: start };
        match field.map_err(at)? {
            Field { number: TIMESERIES, value: Value::Bytes(content) } => {
                series = series.saturating_add(1);
                if series > limits.series.0 {
                    return Err(Refusal::TooManySeries { limit: limits.series.0 });
                }
                walk.series(content, start, end)?;
            }
            Field { number: METADATA, value: Value::Bytes(entry) } => walk.metadata(entry, start, end)?,
            Field { number: TIMESERIES | METADATA, .. } => return Err(at(Malformed::Unexpected)),
            // Private extensions of some backends stand in other fields; nobody outside may use them.
            Field { .. } => {}
        }
        start = end;
    }
    walk.finish()
}

/// The walk over one message.
struct Walk<'a> {
    message: &'a [u8],
    plan: &'a SplitPlan,
    router: Router<'a>,
    notes: Vec<Notes>,
    cuts: Cuts,
    rejected: Rejected,
    /// Which names may be labels of the plan.
    wanted: Wanted,
    /// What was found of each of the plan's labels in the series at hand.
    found: Vec<Found<'a>>,
    /// How many labels the series at hand has, and how many it may have.
    labels: usize,
    max_labels: usize,
    /// How many samples and histograms it has.
    samples: u32,
    /// Whether the series at hand has a label that it must not have.
    forbidden_seen: bool,
    /// The labels to take off the series at hand.
    left_out: Vec<(usize, usize)>,
    /// Changes the labels of the series.
    editor: Editor<'a>,
    /// The series whose labels changed.
    made: Made,
    /// How many bytes of them there may be.
    made_limit: u32,
    metadata_dropped: u32,
    /// The name of the series at hand, where it is learnt.
    name: &'a [u8],
    names: Option<Names<'a>>,
    /// Entries of metadata whose tenants depend on all series: their families and ranges.
    spread: Vec<(Family<'a>, (u32, u32))>,
    limits: &'a Limits,
    /// How many series went to two parts.
    doubled: u32,
}

/// A label that decides, in one series.
#[derive(Clone, Copy, Debug, Default)]
struct Found<'a> {
    value: &'a [u8],
    times: u32,
    /// The whole field, tag and all, as offsets into the series' content.
    range: (usize, usize),
}

impl<'a> Walk<'a> {
    /// One series, which stands at `start..end` of the message.
    fn series(&mut self, content: &'a [u8], start: usize, end: usize) -> Result<(), Refusal> {
        let looked = self.look(content).map_err(|problem| Refusal::Body { problem, offset: start })?;
        self.find_left_out(end.saturating_sub(content.len()));
        let destination = match looked {
            Ok(()) => self.destination()?,
            Err(reason) => Destination::Reject(reason),
        };
        // A backend refuses a whole request for one series without labels.
        let destination = match destination {
            Destination::Part(_) | Destination::Both(..) if self.labels == self.left_out.len() => {
                Destination::Reject(Reason::NoLabels)
            }
            destination => destination,
        };
        match destination {
            Destination::Part(part) => {
                self.note_series(part, content, start, end)?;
            }
            Destination::Both(part, second) => {
                if self.note_series(part, content, start, end)? {
                    self.note_series(second, content, start, end)?;
                    self.doubled = self.doubled.saturating_add(1);
                }
            }
            Destination::Reject(reason) => {
                self.rejected.reject(reason, || describe(labels(content).flatten()));
            }
            Destination::Drop(reason) => self.rejected.drop(reason),
        }
        Ok(())
    }

    /// Notes the series at hand for a part; gives whether it went there.
    fn note_series(
        &mut self,
        part: usize,
        content: &'a [u8],
        start: usize,
        end: usize,
    ) -> Result<bool, Refusal> {
        let content_start = end.saturating_sub(content.len());
        let edited = if self.editor.is_idle() { Edited::Same } else { self.edit(part, content, end)? };
        if edited == Edited::NoLabels {
            self.rejected.reject(Reason::NoLabels, || describe(labels(content).flatten()));
            return Ok(false);
        }
        let notes = part_notes(&mut self.notes, part)?;
        notes.series = notes.series.saturating_add(1);
        notes.samples = notes.samples.saturating_add(self.samples);
        if let Some(names) = &mut self.names {
            names.note(self.name, part);
        }
        if let Edited::Made(from, to) = edited {
            notes.made(from, to);
        } else if self.left_out.is_empty() {
            notes.raw(start, end);
        } else {
            notes.less(TIMESERIES, (content_start, end), &self.left_out, &mut self.cuts);
        }
        Ok(true)
    }

    /// Changes the labels of a series that goes to this part, and whose content ends at `end` of the message.
    #[cold]
    fn edit(&mut self, part: usize, content: &'a [u8], end: usize) -> Result<Edited, Refusal> {
        let start = end.saturating_sub(content.len());
        let tenant = self.router.tenant(part).ok_or(Refusal::Host { what: "a tenant was lost" })?;
        let left_out = |at: usize| self.left_out.iter().any(|(from, _)| *from == start.saturating_add(at));
        let edited = self.editor.edit(content, left_out, tenant, &mut self.made);
        if self.made.0.len() > self.made_limit as usize {
            return Err(Refusal::DecodedTooLarge { limit: self.made_limit });
        }
        edited.map_err(|problem| Refusal::Body { problem, offset: start })
    }

    /// Reads every label of a series: those of the plan go into `found`.
    fn look(&mut self, content: &'a [u8]) -> Result<Result<(), Reason>, Malformed> {
        self.found.fill(Found::default());
        self.forbidden_seen = false;
        self.name = &[];
        self.samples = 0;
        // Nearly every series begins with all of its labels, and nearly every label is short and plain.
        let mut plain = PlainLabels::new(content, self.wanted);
        while let Some(label) = plain.next_wanted() {
            let end = offset_in(content, plain.rest());
            self.note(label.name(), label.value(), (end.saturating_sub(label.size()), end));
        }
        self.labels = plain.count();
        let mut rest = plain.rest();
        let mut labels_end = offset_in(content, rest);
        let mut fields = Fields::new(rest);
        while let Some(field) = fields.next() {
            let field = field?;
            let end = content.len().saturating_sub(fields.remaining());
            match field.number {
                LABELS => {
                    let (name, value) = label(field.value.bytes()?)?;
                    self.labels = self.labels.saturating_add(1);
                    self.note(name, value, (offset_in(content, rest), end));
                    labels_end = end;
                }
                SAMPLES | HISTOGRAMS => self.samples = self.samples.saturating_add(1),
                _ => {}
            }
            rest = content.get(end..).unwrap_or_default();
        }
        // All ASCII is all UTF-8, and is quick to see for the whole run of labels at once.
        let run = content.get(..labels_end).unwrap_or(content);
        Ok(if self.labels > self.max_labels {
            Err(Reason::TooManyLabels)
        } else if self.found.iter().any(|found| found.times > 1) {
            Err(Reason::Duplicate)
        } else if !is_ascii(run) && !labels_are_text(content)? {
            Err(Reason::Text)
        } else if self.forbidden_seen {
            Err(Reason::Impersonation)
        } else {
            Ok(())
        })
    }

    /// Notes a label that may be one of the plan.
    fn note(&mut self, name: &[u8], value: &'a [u8], range: (usize, usize)) {
        for (found, source) in self.found.iter_mut().zip(&self.plan.labels) {
            if name == source.name {
                *found = Found { value, times: found.times.saturating_add(1), range };
            }
        }
        if self.names.is_some() && name == b"__name__" {
            self.name = value;
        }
        self.forbidden_seen |= self.plan.forbidden.iter().any(|forbidden| name == forbidden);
    }

    /// The first label that is present decides; an empty value means that it is absent.
    fn destination(&mut self) -> Result<Destination, Refusal> {
        let found = &self.found;
        self.router.route(|label| found.get(label).map_or(&[], |found| found.value))
    }

    /// Notes the labels to take off, as ranges of the message.
    fn find_left_out(&mut self, content_start: usize) {
        self.left_out.clear();
        for (found, source) in self.found.iter().zip(&self.plan.labels) {
            if source.remove && found.times > 0 {
                let (start, end) = found.range;
                self.left_out.push((content_start.saturating_add(start), content_start.saturating_add(end)));
            }
        }
        // Nearly always one, or none.
        if !self.left_out.is_sorted() {
            self.left_out = sorted::set(core::mem::take(&mut self.left_out));
        }
    }

    /// One entry of metric metadata, which stands at `start..end` of the message.
    fn metadata(&mut self, entry: &'a [u8], start: usize, end: usize) -> Result<(), Refusal> {
        match self.plan.spread {
            Spread::Own => match self.router.metadata()? {
                Some(part) => {
                    part_notes(&mut self.notes, part)?.raw(start, end);
                    if let Some(second) = self.router.second(part)? {
                        part_notes(&mut self.notes, second)?.raw(start, end);
                    }
                }
                None => self.metadata_dropped = self.metadata_dropped.saturating_add(1),
            },
            Spread::Drop => self.metadata_dropped = self.metadata_dropped.saturating_add(1),
            Spread::All | Spread::Followers(_) => {
                let limit = self.limits.series.0;
                if self.spread.len() >= limit as usize {
                    return Err(Refusal::TooManySeries { limit });
                }
                let family =
                    Family::read(entry).map_err(|problem| Refusal::Body { problem, offset: start })?;
                self.spread.push((family, (offset(start), offset(end))));
            }
        }
        Ok(())
    }

    /// Metadata whose tenants depend on all series of the request, or on earlier ones. It stands after the series then.
    fn spread(&mut self) -> Result<(), Refusal> {
        if self.spread.is_empty() {
            return Ok(());
        }
        let none = Names::default();
        let names = self.names.as_ref().unwrap_or(&none);
        let own = self.router.metadata()?;
        let budget = self.limits.decoded_bytes.0 as usize;
        let mut spreader = Spreader::new(&self.plan.spread, names, &mut self.router, budget);
        for (family, (start, end)) in &self.spread {
            let (start, end) = (*start as usize, *end as usize);
            let parts = spreader.parts(*family, end.saturating_sub(start), own, &mut self.router);
            if parts.is_empty() {
                self.metadata_dropped = self.metadata_dropped.saturating_add(1);
            }
            for part in parts {
                part_notes(&mut self.notes, *part)?.raw(start, end);
            }
        }
        self.metadata_dropped = self.metadata_dropped.saturating_add(spreader.left_out);
        Ok(())
    }

    fn finish(mut self) -> Result<Split, Refusal> {
        self.spread()?;
        let Self { message, router, notes, cuts, made, mut rejected, metadata_dropped, .. } = self;
        let doubled = self.doubled;
        let names = self.names.map(|names| names.written(router.tenants())).unwrap_or_default();
        let tenants = router.into_tenants(&mut rejected);
        let (parts, untouched) = assemble(message, tenants, &notes, &cuts, &made)
            .ok_or(Refusal::Host { what: "a part could not be compressed" })?;
        Ok(Split { parts, rejected, metadata_dropped, names, doubled, untouched })
    }
}

/// The notes of the part at this position.
fn part_notes(notes: &mut Vec<Notes>, part: usize) -> Result<&mut Notes, Refusal> {
    if part >= notes.len() {
        notes.resize_with(part.saturating_add(1), Notes::default);
    }
    notes.get_mut(part).ok_or(Refusal::Host { what: "a part was lost" })
}

#[cfg(test)]
#[path = "v1_tests.rs"]
pub(super) mod tests;
