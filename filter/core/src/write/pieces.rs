//! Messages made of ranges of the one that was walked and of a few new bytes, gathered by tenant.
//!
//! Nothing is copied before a part is written: a [`Pieces`] is a list of ranges, and one may stand in another.

use super::encoding::Encoding;
use super::parts::Part;
use crate::config::Limits;
use crate::report::Refusal;
use crate::tenant::TenantId;
use crate::wire::put_len;

/// From where to where, in bytes.
pub(super) type Range = (usize, usize);

/// A message, or a piece of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    list: Vec<Piece>,
    len: usize,
}

/// Offsets fit 32 bits: a message is at most `limits.decoded_bytes` long, and so are the new bytes.
#[derive(Clone, Copy, Debug)]
enum Piece {
    /// Of the message that was walked.
    Raw { start: u32, end: u32 },
    /// Of the new bytes.
    Fresh { start: u32, end: u32 },
}

/// The new bytes of all pieces of a request.
#[derive(Debug, Default)]
pub(super) struct Fresh(Vec<u8>);

impl Pieces {
    /// Adds a range of the message as it stands. Neighbours become one.
    pub(super) fn raw(&mut self, (start, end): Range) {
        self.len = self.len.saturating_add(end.saturating_sub(start));
        let (start, end) = (offset(start), offset(end));
        if start >= end {
            return;
        }
        if let Some(Piece::Raw { end: last, .. }) = self.list.last_mut()
            && *last == start
        {
            *last = end;
            return;
        }
        self.list.push(Piece::Raw { start, end });
    }

    /// Adds a range of the message less the ranges `cuts`, which lie in it, in order, and do not overlap.
    pub(super) fn less(&mut self, (start, end): Range, cuts: impl IntoIterator<Item = Range>) {
        let mut from = start;
        for (cut_start, cut_end) in cuts {
            self.raw((from, cut_start));
            from = cut_end;
        }
        self.raw((from, end));
    }

    /// Adds new bytes.
    pub(super) fn fresh(&mut self, fresh: &mut Fresh, bytes: &[u8]) {
        let start = fresh.0.len();
        fresh.0.extend_from_slice(bytes);
        self.fresh_since(fresh, start);
    }

    /// Adds all pieces of another.
    pub(super) fn append(&mut self, other: &Self) {
        self.len = self.len.saturating_add(other.len);
        self.list.extend_from_slice(&other.list);
    }

    /// Adds a length-delimited field with this content.
    pub(super) fn nest(&mut self, fresh: &mut Fresh, number: u32, content: &Self) {
        let start = fresh.0.len();
        put_len(&mut fresh.0, number, content.len);
        self.fresh_since(fresh, start);
        self.append(content);
    }

    /// Adds a length-delimited field with this new content.
    pub(super) fn field(&mut self, fresh: &mut Fresh, number: u32, content: &[u8]) {
        let start = fresh.0.len();
        put_len(&mut fresh.0, number, content.len());
        fresh.0.extend_from_slice(content);
        self.fresh_since(fresh, start);
    }

    fn fresh_since(&mut self, fresh: &Fresh, start: usize) {
        let end = fresh.0.len();
        self.len = self.len.saturating_add(end.saturating_sub(start));
        self.list.push(Piece::Fresh { start: offset(start), end: offset(end) });
    }

    fn write(&self, message: &[u8], fresh: &Fresh, out: &mut Vec<u8>) {
        for piece in &self.list {
            let (from, start, end) = match *piece {
                Piece::Raw { start, end } => (message, start, end),
                Piece::Fresh { start, end } => (fresh.0.as_slice(), start, end),
            };
            out.extend_from_slice(from.get(start as usize..end as usize).unwrap_or_default());
        }
    }
}

fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// What stands around and between the elements of a part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) head: &'static [u8],
    pub(super) between: &'static [u8],
    pub(super) tail: &'static [u8],
}

impl Frame {
    /// Repeated fields of protobuf stand side by side.
    pub(super) const NONE: Self = Self { head: b"", between: b"", tail: b"" };
}

/// What the parts of a request are made of, in the order of their tenants.
#[derive(Debug)]
pub(super) struct Gathered {
    frame: Frame,
    parts: Vec<Gathering>,
    pub(super) fresh: Fresh,
    /// Whether anything was left out or changed, so that not even a single part is the message itself.
    pub(super) changed: bool,
    /// The bytes of all parts, by now.
    total: usize,
}

#[derive(Clone, Debug, Default)]
struct Gathering {
    pieces: Pieces,
    series: u32,
    samples: u32,
}

impl Gathered {
    pub(super) fn new(frame: Frame) -> Self {
        Self { frame, parts: Vec::new(), fresh: Fresh::default(), changed: false, total: 0 }
    }

    /// Adds an element as it stands.
    pub(super) fn raw(&mut self, part: usize, element: Range, samples: u32) {
        self.total = self.total.saturating_add(element.1.saturating_sub(element.0));
        if let Some(pieces) = self.element(part, samples) {
            pieces.raw(element);
        }
    }

    /// Adds an element that was put together.
    pub(super) fn made(&mut self, part: usize, element: &Pieces, samples: u32) {
        self.changed = true;
        self.total = self.total.saturating_add(element.len);
        if let Some(pieces) = self.element(part, samples) {
            pieces.append(element);
        }
    }

    /// That the parts do not grow without bound: what the elements of several parts share stands in each.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), Refusal> {
        let limit = limits.decoded_bytes.0;
        let all = self.total.max(self.fresh.0.len());
        if all > (limit as usize).saturating_mul(2) {
            Err(Refusal::DecodedTooLarge { limit })
        } else {
            Ok(())
        }
    }

    fn element(&mut self, part: usize, samples: u32) -> Option<&mut Pieces> {
        if part >= self.parts.len() {
            self.parts.resize_with(part.saturating_add(1), Gathering::default);
        }
        let between = self.frame.between;
        let gathering = self.parts.get_mut(part)?;
        if gathering.series > 0 && !between.is_empty() {
            gathering.pieces.fresh(&mut self.fresh, between);
        }
        gathering.series = gathering.series.saturating_add(1);
        gathering.samples = gathering.samples.saturating_add(samples);
        Some(&mut gathering.pieces)
    }

    /// Writes one body a tenant, but for those that got nothing. With `true` the message itself is the one part.
    /// `None` only if a part is too large to be compressed, which no limit allows.
    pub(super) fn assemble(
        self,
        message: &[u8],
        tenants: Vec<TenantId>,
        encoding: Encoding,
    ) -> Option<(Vec<Part>, bool)> {
        let Self { frame, parts, fresh, changed, .. } = self;
        let mut parts: Vec<_> = tenants.into_iter().zip(parts).filter(|(_, part)| part.series > 0).collect();
        let part = |tenant, gathering: &Gathering, body| Part {
            tenant,
            series: gathering.series,
            samples: gathering.samples,
            body,
        };
        if !changed && parts.len() == 1 {
            let only = parts.pop().map(|(tenant, gathering)| part(tenant, &gathering, Vec::new()));
            return Some((only.into_iter().collect(), true));
        }
        let mut encoder = encoding.encoder();
        let mut scratch = Vec::new();
        let written = parts.into_iter().map(|(tenant, gathering)| {
            scratch.clear();
            scratch.reserve(
                gathering.pieces.len.saturating_add(frame.head.len()).saturating_add(frame.tail.len()),
            );
            scratch.extend_from_slice(frame.head);
            gathering.pieces.write(message, &fresh, &mut scratch);
            scratch.extend_from_slice(frame.tail);
            Some(part(tenant, &gathering, encoder.encode(&scratch)?))
        });
        Some((written.collect::<Option<_>>()?, false))
    }
}
