//! Protobuf by hand, for messages that no library writes: any field numbers, tags longer than need be, fields repeated or
//! out of order, lengths that lie.

use super::compress;

/// A message in the making.
///
/// ```
/// use scopegate_tests::remote_write::wire::{Tag, Wire};
///
/// let label = Wire::new().bytes(1, b"name").bytes(2, b"shown").bytes(Tag::padded(2, 3), b"stored");
/// let series = Wire::new().message(1, &label);
/// let body = Wire::new().message((1u64 << 32) + 1, &series).compressed();
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Wire(Vec<u8>);

/// A field's number, and by how many bytes its tag is longer than need be.
#[derive(Debug, Clone, Copy)]
pub struct Tag {
    number: u64,
    padding: usize,
}

impl Tag {
    /// The tag of field `number` with `padding` superfluous bytes.
    pub fn padded(number: u64, padding: usize) -> Self {
        Self { number, padding }
    }
}

impl From<u64> for Tag {
    fn from(number: u64) -> Self {
        Self { number, padding: 0 }
    }
}

impl Wire {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a varint field.
    pub fn varint(self, tag: impl Into<Tag>, value: u64) -> Self {
        self.tag(tag, 0).number(value, 0)
    }

    /// Adds a field of eight bytes, such as a double's bits.
    pub fn fixed64(self, tag: impl Into<Tag>, bits: u64) -> Self {
        self.tag(tag, 1).raw(&bits.to_le_bytes())
    }

    /// Adds a field of bytes or text.
    pub fn bytes(self, tag: impl Into<Tag>, bytes: &[u8]) -> Self {
        self.tag(tag, 2).number(bytes.len() as u64, 0).raw(bytes)
    }

    /// Adds a message.
    pub fn message(self, tag: impl Into<Tag>, message: &Self) -> Self {
        self.bytes(tag, &message.0)
    }

    /// Adds a label, well formed.
    pub fn label(self, name: &str, value: &str) -> Self {
        self.message(1, &Self::new().bytes(1, name.as_bytes()).bytes(2, value.as_bytes()))
    }

    /// Adds a sample, well formed.
    pub fn sample(self, timestamp: i64, value: f64) -> Self {
        self.message(2, &Self::new().fixed64(1, value.to_bits()).varint(2, timestamp.cast_unsigned()))
    }

    /// Adds a tag alone, of any wire type.
    pub fn tag(self, tag: impl Into<Tag>, wire_type: u8) -> Self {
        let tag = tag.into();
        self.number(tag.number << 3 | u64::from(wire_type), tag.padding)
    }

    /// Adds a varint alone, longer than need be by `padding` bytes.
    pub fn number(mut self, mut value: u64, padding: usize) -> Self {
        let start = self.0.len();
        loop {
            // The low seven bits.
            let byte = value.to_le_bytes()[0] & 0x7f;
            value >>= 7;
            if value == 0 {
                self.0.push(byte);
                break;
            }
            self.0.push(byte | 0x80);
        }
        for _ in 0..padding {
            if let Some(last) = self.0[start..].last_mut() {
                *last |= 0x80;
            }
            self.0.push(0);
        }
        self
    }

    /// Adds bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The message, compressed as a body.
    pub fn compressed(self) -> Vec<u8> {
        compress(&self.0)
    }
}

/// A block of snappy that claims to hold `length` bytes, and holds `rest` whatever that means.
pub fn claiming(length: u64, rest: &[u8]) -> Vec<u8> {
    Wire::new().number(length, 0).raw(rest).into_bytes()
}
