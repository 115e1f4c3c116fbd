//! What is under way, on one line of the terminal that is taken back; nothing where nobody looks.

use std::io::{IsTerminal, stderr};

/// The line.
pub(crate) struct Progress {
    terminal: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { terminal: stderr().is_terminal() }
    }

    /// Shows this in place of what was shown.
    pub(crate) fn show(&self, text: &str) {
        if self.terminal {
            eprint!("\r\x1b[K… {text}");
        }
    }

    /// Takes the line back.
    pub(crate) fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}
