//! `prometheus.WriteRequest`: the walk over its series.
//!
//! Nothing is decoded into objects. For each series the walk learns the value of the labels that decide,
//! asks where it goes, and notes its range. It reads labels as the backends' decoders do (any field order,
//! the last of several wins), so that no label can be hidden from it, and it never passes over anything it
//! cannot read.

use super::super::parts::{Cuts, Notes, Split, assemble};
use super::super::plan::SplitPlan;
use super::super::rejected::Rejected;
use super::super::route::{Destination, Reason, Router};
use super::super::snappy;
use crate::caller::Rights;
use crate::config::Limits;
use crate::report::{Excerpt, Refusal};
use crate::wire::{Field, Fields, Malformed, Value};

/// `WriteRequest.timeseries`.
const TIMESERIES: u32 = 1;
/// `WriteRequest.metadata`.
const METADATA: u32 = 3;
/// `TimeSeries.labels`.
const LABELS: u32 = 1;
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
        wanted: Lengths::of(plan),
        found: vec![Found::default(); plan.labels.len()],
        labels: 0,
        max_labels: limits.labels_per_series.0 as usize,
        samples: 0,
        forbidden_seen: false,
        left_out: Vec::new(),
        metadata_dropped: 0,
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
            Field { number: METADATA, value: Value::Bytes(_) } => walk.metadata(start, end)?,
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
    wanted: Lengths,
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
    metadata_dropped: u32,
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
            Destination::Part(_) if self.labels == self.left_out.len() => {
                Destination::Reject(Reason::NoLabels)
            }
            destination => destination,
        };
        match destination {
            Destination::Part(part) => {
                let content_start = end.saturating_sub(content.len());
                let notes = part_notes(&mut self.notes, part)?;
                notes.series = notes.series.saturating_add(1);
                notes.samples = notes.samples.saturating_add(self.samples);
                if self.left_out.is_empty() {
                    notes.raw(start, end);
                } else {
                    notes.less(TIMESERIES, (content_start, end), &self.left_out, &mut self.cuts);
                }
            }
            Destination::Reject(reason) => self.rejected.reject(reason, || describe(content)),
            Destination::Drop(reason) => self.rejected.drop(reason),
        }
        Ok(())
    }

    /// Reads every label of a series: those of the plan go into `found`.
    fn look(&mut self, content: &'a [u8]) -> Result<Result<(), Reason>, Malformed> {
        self.found.fill(Found::default());
        self.forbidden_seen = false;
        self.labels = 0;
        self.samples = 0;
        // Nearly every series begins with all of its labels, and nearly every label is short and plain.
        let mut rest = content;
        while let [0x0a, len @ 0..0x80, after @ ..] = rest
            && let Some((message, next)) = after.split_at_checked(usize::from(*len))
            && let Some((name, value)) = plain_label(message)
        {
            self.labels = self.labels.saturating_add(1);
            if self.wanted.may_hold(name) {
                self.note(name, value, (offset_in(content, rest), offset_in(content, next)));
            }
            rest = next;
        }
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
        let is_ascii = run.iter().fold(0, |all, byte| all | byte) < 0x80;
        Ok(if self.labels > self.max_labels {
            Err(Reason::TooManyLabels)
        } else if self.found.iter().any(|found| found.times > 1) {
            Err(Reason::Duplicate)
        } else if !is_ascii && !labels_are_text(content)? {
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
        self.forbidden_seen |= self.plan.forbidden.iter().any(|forbidden| name == forbidden);
    }

    /// The first label that is present decides; an empty value means that it is absent.
    fn destination(&mut self) -> Result<Destination, Refusal> {
        let decisive = self.found.iter().enumerate().find(|(_, found)| !found.value.is_empty());
        match decisive {
            Some((source, found)) => self.router.by_label(source, found.value),
            None => self.router.absent(),
        }
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
        self.left_out.sort_unstable();
    }

    /// One entry of metric metadata, which stands at `start..end` of the message.
    fn metadata(&mut self, start: usize, end: usize) -> Result<(), Refusal> {
        match self.router.metadata()? {
            Some(part) => part_notes(&mut self.notes, part)?.raw(start, end),
            None => self.metadata_dropped = self.metadata_dropped.saturating_add(1),
        }
        Ok(())
    }

    fn finish(self) -> Result<Split, Refusal> {
        let Self { message, router, notes, cuts, mut rejected, metadata_dropped, .. } = self;
        let (parts, untouched) = assemble(message, router.into_tenants(&mut rejected), &notes, &cuts)
            .ok_or(Refusal::Host { what: "a part could not be compressed" })?;
        Ok(Split { parts, rejected, metadata_dropped, untouched })
    }
}

/// The notes of the part at this position.
fn part_notes(notes: &mut Vec<Notes>, part: usize) -> Result<&mut Notes, Refusal> {
    if part >= notes.len() {
        notes.resize_with(part.saturating_add(1), Notes::default);
    }
    notes.get_mut(part).ok_or(Refusal::Host { what: "a part was lost" })
}

/// The lengths of the names a plan looks for, as a set of bits: most labels are told apart by that alone.
#[derive(Clone, Copy, Debug)]
struct Lengths(u64);

impl Lengths {
    fn of(plan: &SplitPlan) -> Self {
        let names = plan.labels.iter().map(|label| &label.name).chain(&plan.forbidden);
        Self(names.fold(0, |bits, name| bits | Self::bit(name)))
    }

    #[inline]
    fn may_hold(self, name: &[u8]) -> bool {
        self.0 & Self::bit(name) != 0
    }

    /// All long names share the last bit.
    #[inline]
    fn bit(name: &[u8]) -> u64 {
        1 << name.len().min(63)
    }
}

/// Where `rest`, which is the end of `whole`, begins in it.
#[inline]
fn offset_in(whole: &[u8], rest: &[u8]) -> usize {
    whole.len().saturating_sub(rest.len())
}

/// Name and value of a label that is written as almost all are: name, then value, both short.
#[inline]
fn plain_label(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, name_len @ 0..0x80, rest @ ..] = message else { return None };
    match rest.split_at_checked(usize::from(*name_len))? {
        (name, [0x12, value_len @ 0..0x80, value @ ..]) if value.len() == usize::from(*value_len) => {
            Some((name, value))
        }
        _ => None,
    }
}

/// Name and value of any label.
fn label(message: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    plain_label(message).map_or_else(|| odd_label(message), Ok)
}

/// A label as the backends' decoders read it: fields in any order, the last of several wins.
fn odd_label(message: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            1 => name = field.value.bytes()?,
            2 => value = field.value.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// All labels of a series.
fn labels(content: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), Malformed>> {
    Fields::new(content).filter_map(|field| match field {
        Ok(field) if field.number == LABELS => Some(field.value.bytes().and_then(label)),
        Ok(_) => None,
        Err(problem) => Some(Err(problem)),
    })
}

fn labels_are_text(content: &[u8]) -> Result<bool, Malformed> {
    for label in labels(content) {
        let (name, value) = label?;
        if core::str::from_utf8(name).is_err() || core::str::from_utf8(value).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A series in the notation of queries, cut short.
fn describe(content: &[u8]) -> String {
    const SHOWN: usize = 8;
    let mut metric = String::new();
    let mut rest = Vec::new();
    let mut more = false;
    for (name, value) in labels(content).flatten() {
        if name == b"__name__" {
            metric = Excerpt::new(value, 80).to_string();
        } else if rest.len() < SHOWN {
            rest.push(format!("{}=\"{}\"", Excerpt::new(name, 40), Excerpt::new(value, 40)));
        } else {
            more = true;
        }
    }
    if more {
        rest.push("…".to_owned());
    }
    format!("{metric}{{{}}}", rest.join(", "))
}

#[cfg(test)]
#[path = "v1_tests.rs"]
mod tests;
