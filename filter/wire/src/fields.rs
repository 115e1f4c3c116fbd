//! A walk over the fields of one message.

use core::fmt;

/// What is wrong with a message, in words that fit after "the body is malformed: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The message ends inside a tag, a number or a length-delimited value.
    Truncated,
    /// A number takes more than ten bytes, or more than 64 bits.
    Varint,
    /// A tag is not in its shortest form, is zero, or has a field number above 2^29 − 1.
    Tag,
    /// A wire type that no message of this protocol has (groups, 6 and 7).
    WireType,
    /// A known field has another wire type than its definition says.
    Unexpected,
    /// A string is not UTF-8.
    Text,
    /// The symbol table does not begin with the empty string.
    Symbols,
    /// A reference points outside of the symbol table.
    Reference,
    /// References to labels come without their partners.
    Pairs,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "it ends in the middle of a field",
            Self::Varint => "a number is longer than 64 bits",
            Self::Tag => "a field tag is not in its shortest form or out of range",
            Self::WireType => "a field has an unknown wire type",
            Self::Unexpected => "a known field has the wrong wire type",
            Self::Text => "a string is not UTF-8",
            Self::Symbols => "its symbol table does not begin with the empty string",
            Self::Reference => "a reference points outside of the symbol table",
            Self::Pairs => "a list of label references is not made of pairs",
        })
    }
}

impl core::error::Error for Malformed {}

/// The value of one field, borrowed from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: a string, bytes, a message or a packed list.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// The bytes of a length-delimited field; any other wire type is an error.
    #[inline]
    pub fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed::Unexpected),
        }
    }

    /// The text of a string field.
    #[inline]
    pub fn text(self) -> Result<&'a str, Malformed> {
        core::str::from_utf8(self.bytes()?).map_err(|_| Malformed::Text)
    }
}

/// One field: its number, its value, and how many bytes of the message follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field number, 1 to 2^29 − 1.
    pub number: u32,
    /// The value.
    pub value: Value<'a>,
}

/// The fields of one message in the order they stand. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Starts at the beginning of `message`.
    #[inline]
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// How many bytes are still to be read: with the message's length, the offset reached.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next field, by way of a function that stands once in the module: for messages of few fields.
    #[inline(never)]
    pub fn next_out_of_line(&mut self) -> Option<Result<Field<'a>, Malformed>> {
        self.next()
    }

    /// The next field, if it is as nearly all are: a number up to 15, and at most 16 KiB of bytes. Small enough to become
    /// part of the loop around it.
    #[inline]
    fn common(&mut self) -> Option<Field<'a>> {
        let [tag @ 8..0x80, first, second, ..] = *self.rest else { return None };
        if tag & 7 != 2 {
            return None;
        }
        let (start, len) = match (first, second) {
            (0..0x80, _) => (2, usize::from(first)),
            (_, 0..0x80) => (3, usize::from(first & 0x7f) | usize::from(second) << 7),
            _ => return None,
        };
        let (value, rest) = self.rest.get(start..)?.split_at_checked(len)?;
        self.rest = rest;
        Some(Field { number: u32::from(tag >> 3), value: Value::Bytes(value) })
    }

    /// The next field, whatever it is.
    fn any(&mut self) -> Option<Result<Field<'a>, Malformed>> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.advance();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }

    fn advance(&mut self) -> Result<Field<'a>, Malformed> {
        let tag = tag(&mut self.rest)?;
        let value = match tag & 7 {
            2 => Value::Bytes(delimited(&mut self.rest)?),
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => Value::Fixed64(u64::from_le_bytes(fixed(&mut self.rest)?)),
            5 => Value::Fixed32(u32::from_le_bytes(fixed(&mut self.rest)?)),
            _ => return Err(Malformed::WireType),
        };
        Ok(Field { number: tag >> 3, value })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.common() {
            Some(field) => Some(Ok(field)),
            None => self.any(),
        }
    }
}

/// A tag: field number and wire type, shortest form only.
#[inline]
fn tag(input: &mut &[u8]) -> Result<u32, Malformed> {
    // Field numbers 1 to 15 take one byte; those are all that these protocols use often.
    if let [first @ 8..0x80, rest @ ..] = *input {
        *input = rest;
        return Ok(u32::from(*first));
    }
    long_tag(input)
}

#[cold]
fn long_tag(input: &mut &[u8]) -> Result<u32, Malformed> {
    let before = input.len();
    let value = varint(input)?;
    let taken = before.saturating_sub(input.len());
    match u32::try_from(value) {
        Ok(tag) if tag >> 3 != 0 && taken == varint_len(value) => Ok(tag),
        _ => Err(Malformed::Tag),
    }
}

/// Takes a number of at most 64 bits. Longer than needed is allowed: it reads the same everywhere.
#[inline]
pub fn varint(input: &mut &[u8]) -> Result<u64, Malformed> {
    match *input {
        [first @ 0..0x80, rest @ ..] => {
            *input = rest;
            Ok(u64::from(*first))
        }
        [first, second @ 0..0x80, rest @ ..] => {
            *input = rest;
            Ok(u64::from(first & 0x7f) | (u64::from(*second) << 7))
        }
        _ => long_varint(input),
    }
}

fn long_varint(input: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0_u64;
    let mut rest = *input;
    for position in 0..10_u32 {
        let [byte, after @ ..] = rest else { return Err(Malformed::Truncated) };
        rest = after;
        if position == 9 && *byte > 1 {
            return Err(Malformed::Varint);
        }
        value |= u64::from(byte & 0x7f) << position.saturating_mul(7);
        if *byte < 0x80 {
            *input = rest;
            return Ok(value);
        }
    }
    Err(Malformed::Varint)
}

#[inline]
fn delimited<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let len = varint(input)?;
    let len = usize::try_from(len).map_err(|_| Malformed::Truncated)?;
    let (value, rest) = input.split_at_checked(len).ok_or(Malformed::Truncated)?;
    *input = rest;
    Ok(value)
}

#[inline]
fn fixed<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (value, rest) = input.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
    *input = rest;
    Ok(*value)
}

/// How many bytes `value` takes as a varint.
#[inline]
pub fn varint_len(value: u64) -> usize {
    // One byte for every begun group of seven bits, and one byte for zero.
    let bits = 64_u32.saturating_sub((value | 1).leading_zeros());
    bits.div_ceil(7) as usize
}

/// Appends `value` as a varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends tag and length of a length-delimited field; `len` bytes must follow.
#[inline]
pub fn put_len(out: &mut Vec<u8>, number: u32, len: usize) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, len as u64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn walk(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        Fields::new(message).map(|field| Ok((field?.number, field?.value))).collect()
    }

    #[test]
    fn table() {
        let cases: &[(&str, &[u8], Result<Vec<(u32, Value<'_>)>, Malformed>)] = &[
            ("empty", &[], Ok(vec![])),
            ("varint", &[0x08, 0x96, 0x01], Ok(vec![(1, Value::Varint(150))])),
            ("bytes", &[0x12, 2, b'h', b'i'], Ok(vec![(2, Value::Bytes(b"hi"))])),
            ("fixed64", &[0x09, 1, 0, 0, 0, 0, 0, 0, 0], Ok(vec![(1, Value::Fixed64(1))])),
            ("fixed32", &[0x0d, 1, 0, 0, 0], Ok(vec![(1, Value::Fixed32(1))])),
            ("field 16", &[0x82, 0x01, 0], Ok(vec![(16, Value::Bytes(b""))])),
            ("length longer than needed", &[0x0a, 0x81, 0x00, b'x'], Ok(vec![(1, Value::Bytes(b"x"))])),
            ("field 0", &[0x02, 0], Err(Malformed::Tag)),
            ("tag longer than needed", &[0x8a, 0x00, 0], Err(Malformed::Tag)),
            (
                "field 2^32 + 1, which wraps to 1",
                &[0x8a, 0x80, 0x80, 0x80, 0x80, 0x01, 0],
                Err(Malformed::Tag),
            ),
            (
                "largest field",
                &[0xfa, 0xff, 0xff, 0xff, 0x0f, 0],
                Ok(vec![((1 << 29) - 1, Value::Bytes(b""))]),
            ),
            ("group", &[0x0b], Err(Malformed::WireType)),
            ("wire type 7", &[0x0f], Err(Malformed::WireType)),
            ("length past the end", &[0x0a, 2, b'x'], Err(Malformed::Truncated)),
            ("length of 4 GiB", &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], Err(Malformed::Truncated)),
            ("half a tag", &[0x8a], Err(Malformed::Truncated)),
            ("half a fixed64", &[0x09, 1, 2, 3], Err(Malformed::Truncated)),
            (
                "eleven bytes",
                &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
                Err(Malformed::Varint),
            ),
            (
                "65 bits",
                &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
                Err(Malformed::Varint),
            ),
        ];
        for (name, message, expected) in cases {
            assert_eq!(&walk(message), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_walk_without_panic(message: Vec<u8>) {
            let _ = walk(&message);
        }

        /// The quick way reads what the thorough way reads.
        #[test]
        fn common_fields_are_read_as_all_others(tag: u8, first: u8, second: u8, len in 0_usize..300) {
            let message = [vec![tag, first, second], vec![0; len]].concat();
            let (mut quick, mut thorough) = (Fields::new(&message), Fields::new(&message));
            if let Some(field) = quick.common() {
                prop_assert_eq!(Some(Ok(field)), thorough.any());
                prop_assert_eq!(quick.remaining(), thorough.remaining());
            } else {
                prop_assert_eq!(quick.remaining(), message.len());
            }
        }

        #[test]
        fn what_is_put_is_read(value: u64, number in 1_u32..(1 << 29), bytes: Vec<u8>) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            let mut input = out.as_slice();
            prop_assert_eq!(varint(&mut input), Ok(value));
            out.clear();
            put_len(&mut out, number, bytes.len());
            out.extend_from_slice(&bytes);
            prop_assert_eq!(walk(&out), Ok(vec![(number, Value::Bytes(bytes.as_slice()))]));
        }
    }
}
