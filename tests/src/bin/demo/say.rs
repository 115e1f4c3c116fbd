//! Words and colours. Colours only where a person sees them.

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// A new chapter.
pub(crate) fn chapter(title: &str) {
    println!("\n{BOLD}{title}{BOLD:#}");
}

/// A line of it.
pub(crate) fn line(text: &str) {
    println!("  {text}");
}

/// A line that explains.
pub(crate) fn aside(text: &str) {
    println!("  {DIM}{text}{DIM:#}");
}

/// A line that was expected to hold, and whether it does.
pub(crate) fn check(holds: bool, text: &str) -> bool {
    if holds {
        println!("  {GOOD}✓{GOOD:#} {text}");
    } else {
        println!("  {BAD}✗{BAD:#} {text}");
    }
    holds
}

/// What ended the demo.
pub(crate) fn failure(text: &str) {
    eprintln!("{BAD}demo: {text}{BAD:#}");
}
