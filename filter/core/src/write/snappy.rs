//! Snappy blocks, and how the client is told about one that cannot be read.

use crate::report::Refusal;
use crate::wire::snappy::{self, Problem};

pub(crate) use crate::wire::snappy::Encoder;

/// Decompresses one block of at most `limit` bytes.
pub(crate) fn decode(block: &[u8], limit: u32) -> Result<Vec<u8>, Refusal> {
    snappy::decode(block, limit).map_err(|problem| match problem {
        Problem::Malformed => Refusal::Compression,
        Problem::TooLarge => Refusal::DecodedTooLarge { limit },
    })
}
