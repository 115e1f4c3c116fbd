//! Where one stream goes, and what it goes as. The notations differ only in how a stream is read and put together.

use std::borrow::Cow;

use super::super::encoding::Encoding;
use super::super::metadata::WrittenNames;
use super::super::names::Names;
use super::super::parts::Split;
use super::super::pieces::{Frame, Fresh, Gathered, Pieces, Range};
use super::super::plan::{Place, SplitPlan};
use super::super::rejected::Rejected;
use super::super::route::{Destination, Reason, Router};
use super::labels::Label;
use crate::caller::Rights;
use crate::config::Limits;
use crate::report::{Excerpt, Refusal};

/// One stream as it was read.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    /// All of it: with its tag in protobuf, from brace to brace in JSON.
    pub(super) range: Range,
    /// Of too many labels some are missing.
    pub(super) labels: Result<Vec<Label<'a>>, Reason>,
    /// Where its labels stand: with their tag in protobuf.
    pub(super) labels_at: Range,
    /// Where its entries stand: in all of its content in protobuf, in their list in JSON.
    pub(super) entries_at: Range,
    /// How many entries it has.
    pub(super) count: u32,
    /// Its entries, where they decide.
    pub(super) entries: Vec<Entry<'a>>,
}

/// How much of a stream is read: one more than it may have, so that too many can be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Labels, and pairs of metadata of one entry.
    pub(super) labels: usize,
    /// Entries; 0 where they do not decide.
    pub(super) entries: usize,
}

impl Reach {
    /// Keeps a pair of metadata, unless there are too many of them.
    pub(super) fn keep<'a>(self, pairs: &mut Result<Vec<Pair<'a>>, Reason>, pair: Pair<'a>) {
        match pairs {
            Ok(kept) if kept.len() < self.labels.saturating_sub(1) => kept.push(pair),
            Ok(_) => *pairs = Err(Reason::TooManyLabels),
            Err(_) => {}
        }
    }
}

/// One entry of a stream whose metadata may decide.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// All of it: with its tag in protobuf.
    pub(super) range: Range,
    /// Where its metadata is taken out of: the entry's content in protobuf, the braces of its metadata in JSON.
    pub(super) content: Range,
    pub(super) metadata: Result<Vec<Pair<'a>>, Reason>,
}

/// One pair of structured metadata.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    /// All of it.
    pub(super) range: Range,
    pub(super) name: Cow<'a, [u8]>,
    /// `None` where it is no text.
    pub(super) value: Option<Cow<'a, [u8]>>,
}

/// How streams are put together.
pub(super) trait Notation {
    /// Whether a label may have this name.
    fn takes_name(&self, name: &[u8]) -> bool;

    /// An entry less some of its metadata.
    fn without(&self, fresh: &mut Fresh, entry: &Entry<'_>, cuts: &[Range]) -> Pieces;

    /// A stream with other labels, or with only these of its entries, or both.
    fn stream(
        &self,
        fresh: &mut Fresh,
        stream: &Stream<'_>,
        labels: Option<&[(&[u8], &[u8])]>,
        entries: Option<&[Pieces]>,
    ) -> Pieces;
}

/// The walk over one request.
pub(super) struct Walk<'a, 'p> {
    plan: &'p SplitPlan,
    limits: &'p Limits,
    router: Router<'a>,
    names: Names<'a, 'p>,
    pub(super) gathered: Gathered,
    rejected: Rejected,
    /// How many streams there were by now, or entries that decide.
    streams: u32,
    /// How many streams went to two parts.
    doubled: u32,
}

/// The entries of one stream that go to one part.
#[derive(Default)]
struct Share {
    part: usize,
    entries: Vec<Pieces>,
}

impl<'a, 'p: 'a> Walk<'a, 'p> {
    pub(super) fn new(plan: &'p SplitPlan, rights: &'p Rights, limits: &'p Limits, frame: Frame) -> Self {
        Self {
            plan,
            limits,
            router: Router::new(plan, rights, limits.tenants.0),
            names: Names::new(plan),
            gathered: Gathered::new(frame),
            rejected: Rejected::default(),
            streams: 0,
            doubled: 0,
        }
    }

    /// How much of a stream is read.
    pub(super) fn reach(&self) -> Reach {
        let more = |limit: u32| (limit as usize).saturating_add(1);
        let entries = if self.entries_decide() { more(self.limits.series.0) } else { 0 };
        Reach { labels: more(self.limits.labels_per_series.0), entries }
    }

    /// Whether the entries of streams must be read.
    fn entries_decide(&self) -> bool {
        self.names.look_at(Place::Metadata)
    }

    /// Sends one stream on its way.
    pub(super) fn stream(&mut self, stream: &Stream<'a>, notation: &dyn Notation) -> Result<(), Refusal> {
        // Entries that decide are as many as there may be series: each of them is asked.
        let entries = u32::try_from(stream.entries.len()).unwrap_or(u32::MAX);
        self.streams = self.streams.saturating_add(entries.max(1));
        if self.streams > self.limits.series.0 {
            return Err(Refusal::TooManySeries { limit: self.limits.series.0 });
        }
        self.names.clear();
        let labels = match &stream.labels {
            Ok(labels) => labels,
            Err(reason) => {
                self.leave_out(Destination::Reject(*reason), stream, None);
                return Ok(());
            }
        };
        if labels.len() > self.limits.labels_per_series.0 as usize {
            self.leave_out(Destination::Reject(Reason::TooManyLabels), stream, None);
            return Ok(());
        }
        for (name, value) in labels {
            self.names.note(Place::Label, name, Some(value));
        }
        if self.entries_decide() && !stream.entries.is_empty() {
            return self.by_entry(stream, labels, notation);
        }
        let destination = self.names.destination(&mut self.router)?;
        let destination = self.unless_unlabelled(destination, labels, notation);
        for part in destination.parts() {
            match relabel(self.plan, &self.names, &self.router, part, labels, notation) {
                Ok(Some(labels)) => {
                    let pieces = notation.stream(&mut self.gathered.fresh, stream, Some(&labels), None);
                    self.gathered.made(part, &pieces, stream.count);
                }
                _ => self.gathered.raw(part, stream.range, stream.count),
            }
        }
        match destination {
            Destination::Part(_) => {}
            Destination::Both(..) => self.doubled = self.doubled.saturating_add(1),
            elsewhere => self.leave_out(elsewhere, stream, None),
        }
        self.gathered.check(self.limits)
    }

    /// Sends each entry of a stream to where it belongs.
    fn by_entry(
        &mut self,
        stream: &Stream<'a>,
        labels: &[Label<'a>],
        notation: &dyn Notation,
    ) -> Result<(), Refusal> {
        let mut shares: Vec<Share> = Vec::new();
        let (mut is_cut, mut is_doubled) = (false, false);
        for (position, entry) in stream.entries.iter().enumerate() {
            self.names.clear_place(Place::Metadata);
            let destination = match &entry.metadata {
                Ok(metadata) => {
                    for pair in metadata {
                        self.names.note(Place::Metadata, &pair.name, pair.value.as_ref());
                    }
                    self.names.destination(&mut self.router)?
                }
                Err(reason) => Destination::Reject(*reason),
            };
            let destination = self.unless_unlabelled(destination, labels, notation);
            if matches!(destination, Destination::Reject(_) | Destination::Drop(_)) {
                self.leave_out(destination, stream, Some(position));
                continue;
            }
            is_doubled |= matches!(destination, Destination::Both(..));
            let cuts: Vec<Range> = entry
                .metadata
                .iter()
                .flatten()
                .filter(|pair| self.names.is_removed(Place::Metadata, &pair.name))
                .map(|pair| pair.range)
                .collect();
            let pieces = if cuts.is_empty() {
                let mut pieces = Pieces::default();
                pieces.raw(entry.range);
                pieces
            } else {
                is_cut = true;
                notation.without(&mut self.gathered.fresh, entry, &cuts)
            };
            for part in destination.parts() {
                match shares.iter_mut().find(|share| share.part == part) {
                    Some(share) => share.entries.push(pieces.clone()),
                    None => shares.push(Share { part, entries: vec![pieces.clone()] }),
                }
            }
        }
        self.doubled = self.doubled.saturating_add(u32::from(is_doubled));
        for share in shares {
            let whole = !is_cut && share.entries.len() == stream.entries.len();
            let count = u32::try_from(share.entries.len()).unwrap_or(u32::MAX);
            let labels = relabel(self.plan, &self.names, &self.router, share.part, labels, notation)
                .unwrap_or_default();
            if whole && labels.is_none() {
                self.gathered.raw(share.part, stream.range, count);
            } else {
                let entries = if whole { None } else { Some(share.entries.as_slice()) };
                let pieces = notation.stream(&mut self.gathered.fresh, stream, labels.as_deref(), entries);
                self.gathered.made(share.part, &pieces, count);
            }
            self.gathered.check(self.limits)?;
        }
        Ok(())
    }

    /// A stream, or one of its entries, is not sent.
    fn leave_out(&mut self, destination: Destination, stream: &Stream<'a>, entry: Option<usize>) {
        self.gathered.changed = true;
        match destination {
            Destination::Reject(reason) => self.rejected.reject(reason, || describe(stream, entry)),
            Destination::Drop(reason) => self.rejected.drop(reason),
            Destination::Part(_) | Destination::Both(..) => {}
        }
    }

    /// The destination, unless no label would be left there, or one of a name that it cannot have.
    fn unless_unlabelled(
        &self,
        destination: Destination,
        labels: &[Label<'a>],
        notation: &dyn Notation,
    ) -> Destination {
        let relabelled =
            |part| relabel(self.plan, &self.names, &self.router, part, labels, notation).map(drop);
        destination.parts().try_for_each(relabelled).map_or_else(Destination::Reject, |()| destination)
    }

    pub(super) fn finish(self, message: &[u8], encoding: Encoding) -> Result<Split, Refusal> {
        let Self { router, gathered, mut rejected, doubled, .. } = self;
        let (parts, untouched) = gathered
            .assemble(message, router.into_tenants(&mut rejected), encoding)
            .ok_or(Refusal::Host { what: "a part could not be compressed" })?;
        let names = WrittenNames::default();
        Ok(Split { parts, rejected, metadata_dropped: 0, names, doubled, untouched })
    }
}

/// The labels of a stream for this part; `Ok(None)` where they stay as they are.
fn relabel<'l>(
    plan: &'l SplitPlan,
    names: &Names<'_, '_>,
    router: &'l Router<'_>,
    part: usize,
    labels: &'l [Label<'_>],
    notation: &dyn Notation,
) -> Result<Option<Vec<(&'l [u8], &'l [u8])>>, Reason> {
    let mut changed: Vec<(&[u8], &[u8])> = labels
        .iter()
        .filter(|(name, _)| !names.is_removed(Place::Label, name))
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let mut is_changed = changed.len() != labels.len();
    if let Some(tenant) = router.tenant(part).filter(|_| !plan.edits.is_empty())
        && plan.edits.change(|| changed.iter().copied(), tenant)
    {
        plan.edits.apply(&mut changed, tenant, |text| text, |value| value.is_empty());
        let same = |(one, other): (&(&[u8], &[u8]), &Label<'_>)| one.0 == &*other.0 && one.1 == &*other.1;
        is_changed |= changed.len() != labels.len() || !changed.iter().zip(labels).all(same);
    }
    // Loki refuses a whole request for one stream without labels, and drops empty ones.
    if changed.iter().all(|(_, value)| value.is_empty()) {
        return Err(Reason::NoLabels);
    }
    if is_changed && !changed.iter().all(|(name, _)| notation.takes_name(name)) {
        return Err(Reason::Form);
    }
    Ok(is_changed.then_some(changed))
}

/// A stream in Loki's notation, cut short.
fn describe(stream: &Stream<'_>, entry: Option<usize>) -> String {
    const SHOWN: usize = 8;
    let labels = stream.labels.as_deref().unwrap_or_default();
    let mut shown: Vec<_> = labels
        .iter()
        .take(SHOWN)
        .map(|(name, value)| format!("{}=\"{}\"", Excerpt::new(name, 40), Excerpt::new(value, 40)))
        .collect();
    if labels.len() > SHOWN {
        shown.push("…".to_owned());
    }
    let labels = shown.join(", ");
    match entry {
        Some(entry) => format!("{{{labels}}}, entry {}", entry.saturating_add(1)),
        None => format!("{{{labels}}}"),
    }
}
