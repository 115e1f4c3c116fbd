//! The parts of a request: ranges of the message that was walked, gathered by tenant.

use super::metadata::WrittenNames;
use super::rejected::Rejected;
use super::snappy::Encoder;
use crate::tenant::TenantId;
use crate::wire::{put_len, varint_len};

/// What became of a message that was walked.
#[derive(Debug)]
pub struct Split {
    /// One body a tenant, in the order in which the tenants first appear.
    pub parts: Vec<Part>,
    /// The series that are not sent, and why.
    pub rejected: Rejected,
    /// Metric metadata entries that had no tenant to go to.
    pub metadata_dropped: u32,
    /// Which metrics are written for whom; empty unless metadata follows them.
    pub(crate) names: WrittenNames,
    /// How many series are in two parts, since they are also written elsewhere.
    pub doubled: u32,
    /// The message is the one part, byte for byte: what came in can go on as it is.
    pub untouched: bool,
}

/// What one tenant gets.
#[derive(Debug)]
pub struct Part {
    /// The tenant.
    pub tenant: TenantId,
    /// How many series: streams of logs, resources of OTLP.
    pub series: u32,
    /// How many samples and histograms: entries of logs, data points, spans.
    pub samples: u32,
    /// The body, compressed; empty where the message is untouched.
    pub body: Vec<u8>,
}

/// Ranges of the walked message, noted for one part.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pieces: Vec<Piece>,
    /// The length of the part's message.
    len: usize,
    pub(super) series: u32,
    pub(super) samples: u32,
}

/// A piece of a part's message. Offsets fit 32 bits, since a message is at most `limits.decoded_bytes` long.
#[derive(Clone, Copy, Debug)]
enum Piece {
    /// The range as it stands, tags and all.
    Raw { start: u32, end: u32 },
    /// A length-delimited field `number` with the content `start..end` less some of its ranges.
    Less { number: u32, start: u32, end: u32, cuts: u32, first_cut: u32, len: u32 },
    /// A range of what was made, tags and all.
    Made { start: u32, end: u32 },
}

/// Fields that were written anew, in the order in which they are noted. Offsets into it fit 32 bits as well.
#[derive(Debug, Default)]
pub(super) struct Made(pub(super) Vec<u8>);

/// Ranges that are left out of pieces.
#[derive(Debug, Default)]
pub(super) struct Cuts(Vec<(u32, u32)>);

impl Notes {
    /// Adds the range as it stands. Neighbours become one.
    #[inline]
    pub(super) fn raw(&mut self, start: usize, end: usize) {
        self.len = self.len.saturating_add(end.saturating_sub(start));
        let (start, end) = (offset(start), offset(end));
        if let Some(Piece::Raw { end: last, .. }) = self.pieces.last_mut()
            && *last == start
        {
            *last = end;
            return;
        }
        self.pieces.push(Piece::Raw { start, end });
    }

    /// Adds a range of what was made. Neighbours become one.
    pub(super) fn made(&mut self, start: usize, end: usize) {
        self.len = self.len.saturating_add(end.saturating_sub(start));
        let (start, end) = (offset(start), offset(end));
        if let Some(Piece::Made { end: last, .. }) = self.pieces.last_mut()
            && *last == start
        {
            *last = end;
            return;
        }
        self.pieces.push(Piece::Made { start, end });
    }

    /// Adds the field `number` with the content `start..end` less the ranges `left_out`, which are in order
    /// and do not overlap.
    pub(super) fn less(
        &mut self,
        number: u32,
        (start, end): (usize, usize),
        left_out: &[(usize, usize)],
        cuts: &mut Cuts,
    ) {
        let first_cut = offset(cuts.0.len());
        let mut len = end.saturating_sub(start);
        for (from, to) in left_out {
            len = len.saturating_sub(to.saturating_sub(*from));
            cuts.0.push((offset(*from), offset(*to)));
        }
        let header = varint_len(u64::from(number) << 3).saturating_add(varint_len(len as u64));
        self.len = self.len.saturating_add(header).saturating_add(len);
        self.pieces.push(Piece::Less {
            number,
            start: offset(start),
            end: offset(end),
            cuts: offset(left_out.len()),
            first_cut,
            len: offset(len),
        });
    }

    /// Whether the part is all of a message of this length, as it stands.
    fn is_whole(&self, message_len: usize) -> bool {
        match self.pieces.as_slice() {
            [] => message_len == 0,
            [Piece::Raw { start: 0, end }] => *end as usize == message_len,
            _ => false,
        }
    }

    /// Writes the part's message to `out`.
    fn write(&self, message: &[u8], cuts: &Cuts, made: &Made, out: &mut Vec<u8>) {
        out.clear();
        out.reserve(self.len);
        let copy = |out: &mut Vec<u8>, start: u32, end: u32| {
            out.extend_from_slice(message.get(start as usize..end as usize).unwrap_or_default());
        };
        for piece in &self.pieces {
            match *piece {
                Piece::Raw { start, end } => copy(out, start, end),
                Piece::Less { number, start, end, cuts: count, first_cut, len } => {
                    put_len(out, number, len as usize);
                    let mut from = start;
                    for (cut_start, cut_end) in cuts.0.iter().skip(first_cut as usize).take(count as usize) {
                        copy(out, from, *cut_start);
                        from = *cut_end;
                    }
                    copy(out, from, end);
                }
                Piece::Made { start, end } => {
                    out.extend_from_slice(made.0.get(start as usize..end as usize).unwrap_or_default());
                }
            }
        }
    }
}

/// Offsets into a message whose length was checked against a 32 bit limit.
pub(super) fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Copies the noted ranges of `message`, and of what was `made`, into one compressed body a tenant. Parts that got nothing are left
/// out. `None` only if a part is too large to be compressed, which no limit allows.
pub(super) fn assemble(
    message: &[u8],
    tenants: Vec<TenantId>,
    notes: &[Notes],
    cuts: &Cuts,
    made: &Made,
) -> Option<(Vec<Part>, bool)> {
    let mut parts: Vec<(TenantId, &Notes)> =
        tenants.into_iter().zip(notes).filter(|(_, n)| !n.pieces.is_empty()).collect();
    if let [(_, only)] = parts.as_slice()
        && only.is_whole(message.len())
    {
        let part = parts.pop().map(|(tenant, notes)| part(tenant, notes, Vec::new()));
        return Some((part.into_iter().collect(), true));
    }
    let mut encoder = Encoder::default();
    let mut scratch = Vec::new();
    let compressed = parts.into_iter().map(|(tenant, notes)| {
        notes.write(message, cuts, made, &mut scratch);
        Some(part(tenant, notes, encoder.encode(&scratch)?))
    });
    Some((compressed.collect::<Option<_>>()?, false))
}

fn part(tenant: TenantId, notes: &Notes, body: Vec<u8>) -> Part {
    Part { tenant, series: notes.series, samples: notes.samples, body }
}
