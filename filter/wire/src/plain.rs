//! Labels of remote write 1.0 in the form that almost all have, looked through as quickly as can be.

/// The names that a reader looks for, as sets of their lengths and of their first bytes: nearly all other labels are told
/// apart by these alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    lengths: u64,
    firsts: u64,
}

impl Wanted {
    /// Whatever has one of these names passes; what passes may have another one.
    pub fn of<'n>(names: impl Iterator<Item = &'n [u8]>) -> Self {
        names.fold(Self::default(), |Self { lengths, firsts }, name| Self {
            lengths: lengths | bit(name.len()),
            firsts: firsts | bit(first(name)),
        })
    }

    #[inline]
    fn may_hold(self, label: &Plain<'_>) -> bool {
        self.lengths & bit(label.name_len) != 0 && self.firsts & bit(first(label.name())) != 0
    }
}

/// All numbers from 63 on share the last bit.
#[inline]
fn bit(number: usize) -> u64 {
    1 << number.min(63)
}

/// The first byte of a name in a form of which [`bit`] tells the letters apart.
#[inline]
fn first(name: &[u8]) -> usize {
    usize::from(name.first().copied().unwrap_or_default() & 0x3f)
}

/// The plain labels that a series begins with: nearly always all that it has.
#[derive(Clone, Debug)]
pub struct PlainLabels<'a> {
    rest: &'a [u8],
    count: usize,
    wanted: Wanted,
}

impl<'a> PlainLabels<'a> {
    /// Those that `series` begins with.
    #[inline]
    pub fn new(series: &'a [u8], wanted: Wanted) -> Self {
        Self { rest: series, count: 0, wanted }
    }

    /// The next label that may be wanted, and what follows it in the series. `None` where the next label is not plain, or there
    /// is none.
    ///
    /// Most of the time of a walk goes here. Never made part of its caller, where the loop would have to share the registers.
    #[inline(never)]
    pub fn next_wanted(&mut self) -> Option<Plain<'a>> {
        let (wanted, mut rest, mut count) = (self.wanted, self.rest, self.count);
        let found = loop {
            let Some((label, next)) = Plain::read(rest) else { break None };
            count = count.saturating_add(1);
            rest = next;
            if wanted.may_hold(&label) {
                break Some(label);
            }
        };
        (self.rest, self.count) = (rest, count);
        found
    }

    /// What follows the labels that were passed.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many were passed.
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }
}

/// A label that is written as almost all are: name, then value, both short. That is
/// `0a len 0a name_len name 12 value_len value`, and each length is below 128.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    label: &'a [u8],
    name_len: usize,
}

impl<'a> Plain<'a> {
    /// Reads the label that `rest` begins with, and gives what follows it: tags and lengths are compared as words, and name and
    /// value are not cut out before somebody wants them.
    #[inline]
    fn read(rest: &'a [u8]) -> Option<(Self, &'a [u8])> {
        const HEAD: usize = 4;
        let head = u32::from_le_bytes(*rest.first_chunk::<HEAD>()?);
        if head & 0x00ff_80ff != 0x000a_000a {
            return None;
        }
        let (len, name_len) = (head >> 8 & 0x7f, head >> 24);
        let (label, next) = rest.split_at_checked((len as usize).saturating_add(2))?;
        let name_end = (name_len as usize).saturating_add(HEAD);
        let middle = label.get(name_end..name_end.saturating_add(2))?;
        // With room for these two bytes the name is no longer than the label, so the value's length is below 128 too.
        let value_len = len.saturating_sub(name_len).saturating_sub(4);
        let middle = u16::from_le_bytes(*middle.first_chunk()?);
        (u32::from(middle) == (value_len << 8 | 0x12))
            .then_some((Self { label, name_len: name_len as usize }, next))
    }

    /// How many bytes it takes, tag and length included.
    #[inline]
    pub fn size(&self) -> usize {
        self.label.len()
    }

    /// The name.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.label.get(4..self.name_len.saturating_add(4)).unwrap_or_default()
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &'a [u8] {
        self.label.get(self.name_len.saturating_add(6)..).unwrap_or_default()
    }
}

/// Whether all bytes are ASCII. In words, since the last bytes of vectors would be taken one by one.
#[inline(never)]
pub fn is_ascii(run: &[u8]) -> bool {
    let (words, rest) = run.as_chunks();
    let words = words.iter().fold(0, |all, word| all | u64::from_le_bytes(*word));
    let rest = rest.iter().fold(0, |all, byte| all | byte);
    words & 0x8080_8080_8080_8080 == 0 && rest < 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fields, put_len};
    use proptest::prelude::*;

    /// The field `labels` of a series.
    fn label(name: &[u8], value: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        for (number, bytes) in [(1, name), (2, value)] {
            put_len(&mut content, number, bytes.len());
            content.extend_from_slice(bytes);
        }
        let mut field = Vec::new();
        put_len(&mut field, 1, content.len());
        field.extend(content);
        field
    }

    fn wanted(names: &[&[u8]]) -> Wanted {
        Wanted::of(names.iter().copied())
    }

    #[test]
    fn stops_at_what_is_wanted_and_before_what_is_not_plain() {
        let long = [b'v'; 128];
        let mut series = [label(b"__name__", b"up"), label(b"job", b"a"), label(b"tenant", b"t1")].concat();
        series.extend(label(b"zone", &long));
        let mut labels = PlainLabels::new(&series, wanted(&[b"tenant"]));
        let found = labels.next_wanted().unwrap();
        assert_eq!((found.name(), found.value(), found.size()), (&b"tenant"[..], &b"t1"[..], 14));
        assert_eq!(labels.count(), 3);
        assert!(labels.next_wanted().is_none());
        assert_eq!((labels.count(), labels.rest()), (3, &label(b"zone", &long)[..]));
    }

    proptest! {
        /// No wanted label is passed over, and what is told of a label is what the walk over fields reads.
        #[test]
        fn sees_what_the_walk_over_fields_sees(
            labels in prop::collection::vec(("[a-z]{0,70}", "[a-z]{0,130}"), 0..8),
            names in prop::collection::vec("[a-z]{1,3}", 0..4),
            tail: Vec<u8>,
        ) {
            let all: Vec<_> = labels.iter().map(|(name, value)| label(name.as_bytes(), value.as_bytes())).collect();
            let series = [all.concat(), tail].concat();
            let wanted = wanted(&names.iter().map(String::as_bytes).collect::<Vec<_>>());
            let mut plain = PlainLabels::new(&series, wanted);
            let mut found = Vec::new();
            while let Some(label) = plain.next_wanted() {
                found.push((label.name(), label.value()));
            }
            let passed = series.len() - plain.rest().len();
            let mut expected = Vec::new();
            let mut count = 0;
            for field in Fields::new(&series[..passed]) {
                let mut parts = Fields::new(field.unwrap().value.bytes().unwrap());
                let mut part = || parts.next().unwrap().unwrap().value.bytes().unwrap();
                let (name, value) = (part(), part());
                count += 1;
                if names.iter().any(|wanted| wanted.as_bytes() == name) {
                    expected.push((name, value));
                }
            }
            prop_assert_eq!(plain.count(), count);
            found.retain(|(name, _)| names.iter().any(|wanted| wanted.as_bytes() == *name));
            prop_assert_eq!(found, expected);
        }

        /// What is taken for a label is one, the same as to the walk over fields; and every short label is taken.
        #[test]
        fn plain_labels_are_read_as_all_others(
            name in prop::collection::vec(any::<u8>(), 0..140),
            value in prop::collection::vec(any::<u8>(), 0..140),
            at: prop::sample::Index,
            byte: Option<u8>,
            rest: [u8; 3],
        ) {
            let mut series = label(&name, &value);
            series.extend(rest);
            if let Some(byte) = byte {
                let at = at.index(series.len());
                series[at] = byte;
            }
            if let Some((plain, rest)) = Plain::read(&series) {
                let mut fields = Fields::new(&series);
                let field = fields.next().unwrap().unwrap();
                prop_assert_eq!(field.number, 1);
                let parts: Vec<_> = Fields::new(field.value.bytes().unwrap()).map(Result::unwrap).collect();
                let numbers: Vec<_> = parts.iter().map(|part| part.number).collect();
                prop_assert_eq!(numbers, [1, 2]);
                prop_assert_eq!(parts[0].value.bytes(), Ok(plain.name()));
                prop_assert_eq!(parts[1].value.bytes(), Ok(plain.value()));
                prop_assert_eq!(fields.remaining(), rest.len());
            } else {
                prop_assert!(byte.is_some() || name.len() + value.len() + 4 >= 128);
            }
        }

        #[test]
        fn ascii_is_ascii(bytes: Vec<u8>) {
            prop_assert_eq!(is_ascii(&bytes), bytes.is_ascii());
        }

        #[test]
        fn any_bytes_are_passed_without_panic(bytes: Vec<u8>) {
            let mut labels = PlainLabels::new(&bytes, Wanted { lengths: u64::MAX, firsts: u64::MAX });
            while labels.next_wanted().is_some() {}
            prop_assert!(labels.rest().len() <= bytes.len());
        }
    }
}
