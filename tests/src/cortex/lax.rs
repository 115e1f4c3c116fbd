//! Protobuf as Cortex's generated decoder reads it, laxer than the specification: tags of up to ten bytes, field numbers
//! cut to 32 bits, any order, the last of repeated scalar fields. What hides from a stricter reader is seen here.

use std::fmt;

/// Why a message is refused, in the decoder's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// A varint of more than ten bytes.
    Overflow,
    /// The message ends within a field.
    UnexpectedEof,
    /// A length beyond what fits a signed number.
    InvalidLength,
    /// A tag with a field number that is zero or negative, or an end of a group that never began.
    IllegalTag,
    /// A known field of another wire type.
    WrongWireType(i32),
    /// A wire type that does not exist.
    IllegalWireType(u8),
    /// A reference beyond the table of symbols, or without its partner.
    Reference,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow => f.write_str("proto: integer overflow"),
            Self::UnexpectedEof => f.write_str("unexpected EOF"),
            Self::InvalidLength => f.write_str("proto: negative length found during unmarshaling"),
            Self::IllegalTag => f.write_str("proto: illegal tag"),
            Self::WrongWireType(field) => write!(f, "proto: wrong wireType for field {field}"),
            Self::IllegalWireType(kind) => write!(f, "proto: illegal wireType {kind}"),
            Self::Reference => f.write_str("invalid labelRefs"),
        }
    }
}

impl std::error::Error for Malformed {}

/// One field of a message, its value not yet read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) number: i32,
    kind: u8,
    /// Where its tag begins.
    start: usize,
}

/// Reads a message field by field.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;

impl<'a> Reader<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.data.len()
    }

    /// The next field's tag. Its value must then be read or [skipped](Self::skip).
    pub(crate) fn field(&mut self) -> Result<Option<Field>, Malformed> {
        if self.is_empty() {
            return Ok(None);
        }
        let start = self.at;
        let tag = self.varint()?;
        // The cut to 32 bits is what is imitated.
        #[expect(clippy::cast_possible_truncation)]
        let (number, kind) = ((tag >> 3) as i32, (tag & 7) as u8);
        if kind == 4 || number <= 0 {
            return Err(Malformed::IllegalTag);
        }
        Ok(Some(Field { number, kind, start }))
    }

    pub(crate) fn number(&mut self, field: Field) -> Result<u64, Malformed> {
        Self::expect(field, VARINT)?;
        self.varint()
    }

    pub(crate) fn fixed64(&mut self, field: Field) -> Result<u64, Malformed> {
        Self::expect(field, FIXED64)?;
        let bytes = self.take(8)?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    pub(crate) fn bytes(&mut self, field: Field) -> Result<&'a [u8], Malformed> {
        Self::expect(field, BYTES)?;
        let length = self.length()?;
        self.take(length)
    }

    /// Numbers of 32 bits of a repeated field, packed or one by one. Higher bits are lost, and the last number of a packed
    /// field may run on into what follows it.
    pub(crate) fn references(&mut self, field: Field) -> Result<Vec<u32>, Malformed> {
        // The cut to 32 bits is what is imitated.
        #[expect(clippy::cast_possible_truncation)]
        let cut = |number: u64| number as u32;
        if field.kind == VARINT {
            return Ok(vec![cut(self.varint()?)]);
        }
        Self::expect(field, BYTES)?;
        let length = self.length()?;
        let end = self.at.checked_add(length).ok_or(Malformed::InvalidLength)?;
        if end > self.data.len() {
            return Err(Malformed::UnexpectedEof);
        }
        let mut references = Vec::new();
        while self.at < end {
            references.push(cut(self.varint()?));
        }
        Ok(references)
    }

    /// A number of 32 bits. Higher bits are lost.
    pub(crate) fn reference(&mut self, field: Field) -> Result<u32, Malformed> {
        #[expect(clippy::cast_possible_truncation)]
        self.number(field).map(|number| number as u32)
    }

    /// Passes over a field that is not known.
    pub(crate) fn skip(&mut self, field: Field) -> Result<(), Malformed> {
        self.at = field.start;
        self.skip_any()?;
        if self.at > self.data.len() { Err(Malformed::UnexpectedEof) } else { Ok(()) }
    }

    // May pass the end of the data; whoever reads on or called notices.
    fn skip_any(&mut self) -> Result<(), Malformed> {
        let kind = (self.varint()? & 7) as u8;
        match kind {
            VARINT => drop(self.varint()?),
            FIXED64 => self.at += 8,
            BYTES => {
                let length = self.length()?;
                self.at = self.at.checked_add(length).ok_or(Malformed::InvalidLength)?;
            }
            3 => loop {
                let start = self.at;
                if self.varint()? & 7 == 4 {
                    break;
                }
                self.at = start;
                self.skip_any()?;
            },
            4 => {}
            5 => self.at += 4,
            other => return Err(Malformed::IllegalWireType(other)),
        }
        Ok(())
    }

    fn expect(field: Field, kind: u8) -> Result<(), Malformed> {
        if field.kind == kind { Ok(()) } else { Err(Malformed::WrongWireType(field.number)) }
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        let length = self.varint()?.cast_signed();
        usize::try_from(length).map_err(|_| Malformed::InvalidLength)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(length).ok_or(Malformed::InvalidLength)?;
        let bytes = self.data.get(self.at..end).ok_or(Malformed::UnexpectedEof)?;
        self.at = end;
        Ok(bytes)
    }

    // Up to ten bytes, of which bits beyond the 64th are lost.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.data.get(self.at).ok_or(Malformed::UnexpectedEof)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed::Overflow)
    }
}
