//! The elements of a block, decompressed without `unsafe` and yet quicker than the crate `snap` does it on wasm: whatever
//! is short is copied in one piece of a fixed size, and what that writes too much is written over by the next element.

/// How much longer than the message its room must be: the longest copy there is.
pub(super) const SLACK: usize = 64;

/// Decompresses into the first `len` bytes of `room`, which has [`SLACK`] bytes more. `None` for what is no block of a
/// message of exactly that length.
///
/// Nothing but the end of `room` stops an element from going beyond the message; the length at the end then shows it.
///
/// Never made part of its caller, where the loop would have to share the registers.
#[inline(never)]
pub(super) fn decompress(mut elements: &[u8], room: &mut [u8], len: usize) -> Option<()> {
    let mut at = 0_usize;
    // Nearly all elements have three bytes of tag at most, and others after them.
    while let Some(word) = elements.first_chunk() {
        let word = u32::from_le_bytes(*word);
        let copy = match word & 3 {
            0 => {
                let count = (word >> 2 & 0x3f).saturating_add(1) as usize;
                if count > 16 || copy_exactly::<16>(elements.get(1..)?, room.get_mut(at..)?).is_none() {
                    (elements, at) = literal(elements, room, at)?;
                } else {
                    elements = elements.get(count.saturating_add(1)..)?;
                    at = at.saturating_add(count);
                }
                continue;
            }
            1 => Copy {
                count: (word >> 2 & 7).saturating_add(4) as usize,
                offset: (word >> 5 & 7) << 8 | word >> 8 & 0xff,
                tag: 2,
            },
            2 => Copy {
                count: (word >> 2 & 0x3f).saturating_add(1) as usize,
                offset: word >> 8 & 0xffff,
                tag: 3,
            },
            _ => Copy::read(elements)?,
        };
        elements = elements.get(copy.tag..)?;
        at = copy.write(room, at)?;
    }
    while let Some(tag) = elements.first() {
        match tag & 3 {
            0 => (elements, at) = literal(elements, room, at)?,
            1..4 => {
                let copy = Copy::read(elements)?;
                elements = elements.get(copy.tag..)?;
                at = copy.write(room, at)?;
            }
            _ => return None,
        }
    }
    (at == len).then_some(())
}

/// Bytes that stand in the message already.
struct Copy {
    /// At most 64.
    count: usize,
    /// How far back they begin; fewer than `count` is a pattern that repeats.
    offset: u32,
    /// How long the element is.
    tag: usize,
}

impl Copy {
    /// Reads any copy.
    #[cold]
    fn read(elements: &[u8]) -> Option<Self> {
        let (count, offset, tag) = match *elements {
            [tag, low, ..] if tag & 3 == 1 => {
                ((tag >> 2 & 7).saturating_add(4), u32::from(tag >> 5) << 8 | u32::from(low), 2)
            }
            [tag, a, b, ..] if tag & 3 == 2 => {
                ((tag >> 2).saturating_add(1), u32::from_le_bytes([a, b, 0, 0]), 3)
            }
            [tag, a, b, c, d, ..] if tag & 3 == 3 => {
                ((tag >> 2).saturating_add(1), u32::from_le_bytes([a, b, c, d]), 5)
            }
            _ => return None,
        };
        Some(Self { count: usize::from(count), offset, tag })
    }

    /// Writes it at `at`; gives the end.
    #[inline]
    fn write(&self, room: &mut [u8], at: usize) -> Option<usize> {
        let offset = usize::try_from(self.offset).ok()?;
        let window = room.get_mut(at.checked_sub(offset)?..at.checked_add(SLACK)?)?;
        if offset >= SLACK {
            let (from, to) = window.split_at_mut_checked(offset)?;
            match self.count {
                0..=16 => copy_exactly::<16>(from, to)?,
                17..=32 => copy_exactly::<32>(from, to)?,
                _ => copy_exactly::<SLACK>(from, to)?,
            }
        } else {
            repeat(window, offset, self.count)?;
        }
        at.checked_add(self.count)
    }
}

#[inline]
fn copy_exactly<const N: usize>(from: &[u8], to: &mut [u8]) -> Option<()> {
    *to.first_chunk_mut::<N>()? = *from.first_chunk()?;
    Some(())
}

/// A copy from close by, which may read what it has written.
#[inline(never)]
fn repeat(window: &mut [u8], offset: usize, count: usize) -> Option<()> {
    const STEP: usize = 16;
    if offset == 0 {
        return None;
    }
    if offset < STEP {
        for from in 0..count {
            let byte = *window.get(from)?;
            *window.get_mut(from.checked_add(offset)?)? = byte;
        }
        return Some(());
    }
    for from in (0..count).step_by(STEP) {
        let (from, to) = window.get_mut(from..)?.split_at_mut_checked(offset)?;
        copy_exactly::<STEP>(from, to)?;
    }
    Some(())
}

/// Writes any literal at `at`; gives the elements after it, and the end.
#[inline(never)]
fn literal<'a>(elements: &'a [u8], room: &mut [u8], at: usize) -> Option<(&'a [u8], usize)> {
    let (tag, rest) = elements.split_first()?;
    let short = usize::from(tag >> 2);
    let (less_one, rest) = match short.checked_sub(59) {
        None | Some(0) => (short, rest),
        Some(bytes) => {
            let (bytes, rest) = rest.split_at_checked(bytes)?;
            let long = bytes.iter().rev().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
            (usize::try_from(long).ok()?, rest)
        }
    };
    let count = less_one.checked_add(1)?;
    let (bytes, rest) = rest.split_at_checked(count)?;
    let end = at.checked_add(count)?;
    room.get_mut(at..end)?.copy_from_slice(bytes);
    Some((rest, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn own(elements: &[u8], len: usize) -> Option<Vec<u8>> {
        let mut room = vec![0; len + SLACK];
        decompress(elements, &mut room, len)?;
        room.truncate(len);
        Some(room)
    }

    fn theirs(elements: &[u8], len: usize) -> Option<Vec<u8>> {
        let mut block = Vec::new();
        crate::put_varint(&mut block, len as u64);
        block.extend_from_slice(elements);
        snap::raw::Decoder::new().decompress_vec(&block).ok()
    }

    #[derive(Debug, Clone)]
    enum Element {
        Literal(Vec<u8>),
        Copy { kind: u8, count: u8, offset: u32, possible: bool },
    }

    fn element() -> impl Strategy<Value = Element> {
        let offset = prop_oneof![0_u32..20, 0_u32..100, 0_u32..1000];
        let copy = (1_u8..4, 1_u8..65, offset, prop::bool::weighted(0.99));
        prop_oneof![
            1 => prop::collection::vec(any::<u8>(), 1..300).prop_map(Element::Literal),
            4 => copy.prop_map(|(kind, count, offset, possible)| Element::Copy { kind, count, offset, possible }),
        ]
    }

    /// The elements as bytes, and how long they say that their message is.
    fn written(elements: &[Element]) -> (Vec<u8>, usize) {
        let (mut out, mut len) = (vec![0, b'x'], 1);
        for element in elements {
            match element {
                Element::Literal(bytes) => {
                    let [low, high, ..] = (bytes.len() - 1).to_le_bytes();
                    match bytes.len() {
                        0..=60 => out.push(low << 2),
                        61..=256 => out.extend([60 << 2, low]),
                        _ => out.extend([61 << 2, low, high]),
                    }
                    out.extend(bytes);
                    len += bytes.len();
                }
                Element::Copy { kind, count, offset, possible } => {
                    let offset = if *possible { 1 + offset % u32::try_from(len).unwrap() } else { *offset };
                    let [a, b, c, d] = offset.to_le_bytes();
                    let mut count = *count;
                    match kind {
                        1 => {
                            count = 4 + count % 8;
                            out.extend([b << 5 | (count - 4) << 2 | 1, a]);
                        }
                        2 => out.extend([(count - 1) << 2 | 2, a, b]),
                        _ => out.extend([(count - 1) << 2 | 3, a, b, c, d]),
                    }
                    len += usize::from(count);
                }
            }
        }
        (out, len)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Whatever the elements are, possible or not, cut off or with a wrong length: the same message as `snap` makes of
        /// them, or none as well.
        #[test]
        fn as_snap_does_it(
            elements in prop::collection::vec(element(), 0..40),
            cut in prop_oneof![9 => Just(0_usize), 1 => 1_usize..5],
            more in prop_oneof![9 => Just(0_isize), 1 => -70_isize..70],
        ) {
            let (mut bytes, len) = written(&elements);
            bytes.truncate(bytes.len().saturating_sub(cut));
            let len = len.saturating_add_signed(more);
            prop_assert_eq!(own(&bytes, len), theirs(&bytes, len));
        }

        #[test]
        fn any_bytes_as_snap_does_it(bytes: Vec<u8>, len in 0_usize..200) {
            prop_assert_eq!(own(&bytes, len), theirs(&bytes, len));
        }

        #[test]
        fn what_snap_compressed(words in prop::collection::vec("[a-c]{1,9}", 0..200)) {
            let message = words.concat().into_bytes();
            let block = snap::raw::Encoder::new().compress_vec(&message).unwrap();
            let header = crate::varint_len(message.len() as u64);
            prop_assert_eq!(own(&block[header..], message.len()), Some(message));
        }
    }
}
