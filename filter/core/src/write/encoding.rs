//! How a body is compressed: taken apart with a bound on what comes out, and put together again the same way.
//!
//! What a body says about its own size is never believed, and a body is exactly one compressed stream: what follows
//! it, a second member of gzip too, is refused, since backends differ in what they make of that.
//!
//! Specifications: <https://www.rfc-editor.org/rfc/rfc1952> (gzip), <https://www.rfc-editor.org/rfc/rfc1951>
//! (deflate, which here has no wrapper of zlib: Go's servers expect none).

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::{DeflateDecoder, GzDecoder};

use super::snappy;
use crate::report::Refusal;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all.
    Identity,
    /// One snappy block, without frames.
    Snappy,
    /// One member of gzip.
    Gzip,
    /// Raw deflate.
    Deflate,
}

/// No byte of a deflate stream makes more bytes than this.
const MAX_RATIO: usize = 1032;

impl Encoding {
    /// Decompresses a body into at most `limit` bytes.
    pub(crate) fn decode(self, body: &[u8], limit: u32) -> Result<Cow<'_, [u8]>, Refusal> {
        match self {
            Self::Identity if body.len() > limit as usize => Err(Refusal::DecodedTooLarge { limit }),
            Self::Identity => Ok(Cow::Borrowed(body)),
            Self::Snappy => snappy::decode(body, limit).map(Cow::Owned),
            Self::Gzip => {
                // The last four bytes are the size, modulo 2^32: a hint for how much memory to take at once.
                let size = body.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size));
                let mut decoder = GzDecoder::new(body);
                let message = inflate(&mut decoder, size, body.len(), limit, "gzip")?;
                if decoder.into_inner().is_empty() {
                    Ok(Cow::Owned(message))
                } else {
                    Err(Refusal::Decompression { encoding: "gzip" })
                }
            }
            Self::Deflate => {
                let mut decoder = DeflateDecoder::new(body);
                let message = inflate(&mut decoder, 0, body.len(), limit, "deflate")?;
                if decoder.into_inner().is_empty() {
                    Ok(Cow::Owned(message))
                } else {
                    Err(Refusal::Decompression { encoding: "deflate" })
                }
            }
        }
    }

    /// What compresses bodies this way, one after the other.
    pub(super) fn encoder(self) -> Encoder {
        match self {
            Self::Identity => Encoder::Identity,
            Self::Snappy => Encoder::Snappy(Box::default()),
            Self::Gzip => Encoder::Gzip,
            Self::Deflate => Encoder::Deflate,
        }
    }
}

/// Reads all of a deflate stream that is at most `limit` bytes long and says to be `size` bytes long.
fn inflate(
    decoder: &mut impl Read,
    size: u32,
    compressed: usize,
    limit: u32,
    encoding: &'static str,
) -> Result<Vec<u8>, Refusal> {
    let believed = (size.min(limit) as usize).min(compressed.saturating_mul(MAX_RATIO));
    let mut message = Vec::with_capacity(believed);
    let read = decoder.take(u64::from(limit).saturating_add(1)).read_to_end(&mut message);
    if message.len() > limit as usize {
        return Err(Refusal::DecodedTooLarge { limit });
    }
    read.map(|_| message).map_err(|_| Refusal::Decompression { encoding })
}

/// Compresses messages one after the other.
pub(super) enum Encoder {
    Identity,
    Snappy(Box<snappy::Encoder>),
    Gzip,
    Deflate,
}

impl Encoder {
    /// One body; `None` only for a message of 4 GiB and more.
    pub(super) fn encode(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Identity => Some(message.to_vec()),
            Self::Snappy(encoder) => encoder.encode(message),
            Self::Gzip => {
                let size = u32::try_from(message.len()).ok()?;
                // No name, no time, an unknown system.
                let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
                store(message, &mut out);
                out.extend_from_slice(&crc32fast::hash(message).to_le_bytes());
                out.extend_from_slice(&size.to_le_bytes());
                Some(out)
            }
            Self::Deflate => {
                let mut out = Vec::new();
                store(message, &mut out);
                Some(out)
            }
        }
    }
}

/// Writes a deflate stream of stored blocks. The parts go a short way, and packing them would cost more time than all
/// the rest of a split.
fn store(message: &[u8], out: &mut Vec<u8>) {
    const BLOCK: usize = 0xffff;
    out.reserve(message.len().saturating_add(64));
    let mut rest = message;
    loop {
        let (block, after) = rest.split_at_checked(BLOCK).unwrap_or((rest, &[]));
        let len = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(after.is_empty()));
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
        if after.is_empty() {
            return;
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Encoding; 4] = [Encoding::Identity, Encoding::Snappy, Encoding::Gzip, Encoding::Deflate];

    fn encoded(encoding: Encoding, message: &[u8]) -> Vec<u8> {
        encoding.encoder().encode(message).unwrap()
    }

    #[test]
    fn one_stream_and_nothing_else() {
        let body = encoded(Encoding::Gzip, b"hello");
        let two = [body.clone(), body.clone()].concat();
        let mut untrue_size = body.clone();
        let last = untrue_size.len() - 1;
        untrue_size[last] = 0xff;
        let mut untrue_sum = body.clone();
        untrue_sum[last - 4] ^= 1;
        let raw = encoded(Encoding::Deflate, b"hello");
        let bad: &[(&str, Encoding, &[u8])] = &[
            ("empty", Encoding::Gzip, b""),
            ("no magic", Encoding::Gzip, b"hello"),
            ("cut", Encoding::Gzip, &body[..body.len() - 1]),
            ("two members", Encoding::Gzip, &two),
            ("garbage after", Encoding::Gzip, &[body.as_slice(), b"\0"].concat()),
            ("untrue size", Encoding::Gzip, &untrue_size),
            ("untrue sum", Encoding::Gzip, &untrue_sum),
            ("deflate as gzip", Encoding::Gzip, &raw),
            ("gzip as deflate", Encoding::Deflate, &body),
            ("cut", Encoding::Deflate, &raw[..raw.len() - 1]),
            ("garbage after", Encoding::Deflate, &[raw.as_slice(), b"\0"].concat()),
            ("empty", Encoding::Deflate, b""),
        ];
        for (name, encoding, body) in bad {
            let refusal = encoding.decode(body, 1 << 20).unwrap_err();
            assert!(matches!(refusal, Refusal::Decompression { .. }), "{name}: {refusal:?}");
        }
    }

    #[test]
    fn what_others_pack_is_read() {
        use flate2::{Compression, bufread};
        let message = b"hello, hello, hello".repeat(5000);
        for level in 0..=9 {
            let (mut gzip, mut raw) = (Vec::new(), Vec::new());
            bufread::GzEncoder::new(&*message, Compression::new(level)).read_to_end(&mut gzip).unwrap();
            bufread::DeflateEncoder::new(&*message, Compression::new(level)).read_to_end(&mut raw).unwrap();
            for (encoding, body) in [(Encoding::Gzip, gzip), (Encoding::Deflate, raw)] {
                assert_eq!(encoding.decode(&body, 1 << 20).as_deref(), Ok(message.as_slice()));
                let limit = 94_999;
                assert_eq!(encoding.decode(&body, limit), Err(Refusal::DecodedTooLarge { limit }));
            }
        }
    }

    #[test]
    fn no_body_makes_more_than_the_limit() {
        let zeros = vec![0; 1 << 20];
        for encoding in ALL {
            let body = encoded(encoding, &zeros);
            assert_eq!(encoding.decode(&body, 1 << 20).as_deref(), Ok(zeros.as_slice()), "{encoding:?}");
            let limit = (1 << 20) - 1;
            assert_eq!(
                encoding.decode(&body, limit),
                Err(Refusal::DecodedTooLarge { limit }),
                "{encoding:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn there_and_back(mut messages: Vec<Vec<u8>>, len in 0_usize..200_000) {
            messages.push(vec![7; len]);
            for encoding in ALL {
                let mut encoder = encoding.encoder();
                for message in &messages {
                    let body = encoder.encode(message).unwrap();
                    let decoded = encoding.decode(&body, 1 << 20);
                    prop_assert_eq!(decoded.as_deref(), Ok(message.as_slice()));
                }
            }
        }

        #[test]
        fn any_bytes_decode_without_panic(body: Vec<u8>) {
            for encoding in ALL {
                let _ = encoding.decode(&body, 1 << 16);
            }
        }
    }
}
