//! Foreign text made fit to be shown.

use core::fmt::{self, Write as _};

/// Bytes from outside, shown within a message: at most `limit` of them, and no control character;
/// what is not UTF-8 is shown as escaped ASCII.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a> {
    bytes: &'a [u8],
    limit: usize,
}

impl<'a> Excerpt<'a> {
    /// The first `limit` bytes.
    pub fn new(bytes: &'a [u8], limit: usize) -> Self {
        Self { bytes, limit }
    }
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.bytes.get(..self.limit).unwrap_or(self.bytes);
        let shown = match core::str::from_utf8(shown) {
            // The cut went through a character.
            Err(error) if error.error_len().is_none() && shown.len() < self.bytes.len() => {
                shown.get(..error.valid_up_to()).unwrap_or(shown)
            }
            _ => shown,
        };
        match core::str::from_utf8(shown) {
            Ok(text) => {
                for c in text.chars() {
                    if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                        write!(f, "{}", c.escape_default())?;
                    } else {
                        f.write_char(c)?;
                    }
                }
            }
            Err(_) => write!(f, "{}", shown.escape_ascii())?,
        }
        if shown.len() < self.bytes.len() { f.write_char('…') } else { Ok(()) }
    }
}
