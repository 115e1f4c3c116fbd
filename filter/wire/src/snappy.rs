//! Snappy blocks, with the declared size checked before anything is allocated.
//!
//! Specification: <https://github.com/google/snappy/blob/main/format_description.txt>.

mod elements;

/// Why a block is not decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is not snappy, or it says what cannot be true.
    Malformed,
    /// It says to be larger than the limit.
    TooLarge,
}

/// No element of a block makes more out of its bytes: a copy of 64 bytes takes three.
const MAX_RATIO: usize = 64_usize.div_ceil(3);

/// Decompresses one block of at most `limit` bytes.
pub fn decode(block: &[u8], limit: u32) -> Result<Vec<u8>, Problem> {
    let (declared, rest) = header(block).ok_or(Problem::Malformed)?;
    if declared > limit {
        return Err(Problem::TooLarge);
    }
    let declared = usize::try_from(declared).map_err(|_| Problem::Malformed)?;
    // A few bytes may claim much: what cannot be true gets no memory.
    if declared > block.len().saturating_mul(MAX_RATIO) {
        return Err(Problem::Malformed);
    }
    let mut message = vec![0; declared.saturating_add(elements::SLACK)];
    elements::decompress(rest, &mut message, declared).ok_or(Problem::Malformed)?;
    message.truncate(declared);
    Ok(message)
}

/// The declared size, a number of at most five bytes and 32 bits, and what follows it.
fn header(block: &[u8]) -> Option<(u32, &[u8])> {
    let mut size = 0_u64;
    for (position, byte) in (0_u32..5).zip(block) {
        size |= u64::from(byte & 0x7f) << position.saturating_mul(7);
        if *byte < 0x80 {
            let rest = block.get(usize::try_from(position).ok()?.saturating_add(1)..)?;
            return Some((u32::try_from(size).ok()?, rest));
        }
    }
    None
}

/// Compresses messages one after the other, with the memory of the first.
pub struct Encoder {
    encoder: snap::raw::Encoder,
    buffer: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { encoder: snap::raw::Encoder::new(), buffer: Vec::new() }
    }
}

impl Encoder {
    /// One block; `None` only for a message of 4 GiB and more.
    pub fn encode(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let bound = snap::raw::max_compress_len(message.len());
        if self.buffer.len() < bound {
            self.buffer.resize(bound, 0);
        }
        let len = self.encoder.compress(message, &mut self.buffer).ok()?;
        self.buffer.get(..len).map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_too_large_or_untrue() {
        let block = |declared: &[u8], rest: &[u8]| [declared, rest].concat();
        let huge = block(&[0xff, 0xff, 0xff, 0xff, 0x0f], &[0]);
        assert_eq!(decode(&huge, 1 << 20), Err(Problem::TooLarge));
        assert_eq!(decode(&huge, u32::MAX), Err(Problem::Malformed));
        assert_eq!(decode(&[], 10), Err(Problem::Malformed));
        assert_eq!(decode(&[0xff], 10), Err(Problem::Malformed));
        assert_eq!(decode(&[3, 0, b'x'], 10), Err(Problem::Malformed));
        assert_eq!(decode(&[0], 10), Ok(Vec::new()));
    }

    #[test]
    fn the_best_compression_there_is_passes() {
        let zeros = vec![0; 1 << 20];
        let block = Encoder::default().encode(&zeros).unwrap();
        assert_eq!(decode(&block, 1 << 20), Ok(zeros));
    }

    proptest! {
        #[test]
        fn there_and_back(messages: Vec<Vec<u8>>) {
            let mut encoder = Encoder::default();
            for message in messages {
                let block = encoder.encode(&message).unwrap();
                prop_assert_eq!(decode(&block, u32::MAX), Ok(message));
            }
        }

        #[test]
        fn any_bytes_decode_without_panic(block: Vec<u8>) {
            let _ = decode(&block, 1 << 16);
        }
    }
}
