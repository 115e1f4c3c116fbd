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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        let cases: &[(&[u8], usize, &str)] = &[
            (b"", 10, ""),
            (b"plain", 5, "plain"),
            (b"plainer", 5, "plain…"),
            (b"anything", 0, "…"),
            (b"two\r\nlines\t\0", 40, "two\\r\\nlines\\t\\u{0}"),
            ("\u{85}\u{2028}\u{2029}".as_bytes(), 40, "\\u{85}\\u{2028}\\u{2029}"),
            ("grün".as_bytes(), 40, "grün"),
            // A cut through a character leaves the whole ones as they are.
            ("grün".as_bytes(), 3, "gr…"),
            ("grün".as_bytes(), 4, "grü…"),
            ("🐻🐻".as_bytes(), 7, "🐻…"),
            (b"\xff\"x\"", 40, "\\xff\\\"x\\\""),
            // Half a character that was never whole is no text.
            (b"gr\xc3", 40, "gr\\xc3"),
            (b"gr\xc3\xffxxx", 4, "gr\\xc3\\xff…"),
        ];
        for (bytes, limit, expected) in cases {
            assert_eq!(Excerpt::new(bytes, *limit).to_string(), *expected, "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn short_and_of_one_line(bytes: Vec<u8>, limit in 0_usize..50) {
            let shown = Excerpt::new(&bytes, limit).to_string();
            prop_assert!(!shown.contains(char::is_control));
            // At worst every byte is shown as `\u{85}` or `\xff`, and the mark of a cut follows.
            prop_assert!(shown.len() <= 8 * limit + '…'.len_utf8());
        }
    }
}
