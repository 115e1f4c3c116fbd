//! The report that CI systems read: the XML that `JUnit` has made a habit.

use core::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Ran, Tested, report};

/// Writes the report.
pub(super) fn write(file: &Path, ran: &[Ran]) -> Result<()> {
    std::fs::write(file, text(ran)).with_context(|| format!("cannot write {}", file.display()))
}

/// The report: a suite for each file.
fn text(ran: &[Ran]) -> String {
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"scopegate\">\n");
    for Ran { name, text, unusable, results } in ran {
        let failed = results.iter().filter(|test| !test.failures.is_empty()).count();
        let tests = results.len() + unusable.len();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"{}\">",
            escaped(name),
            unusable.len()
        );
        for finding in unusable {
            let (line, column) = finding.position(text);
            let place = format!("{name}:{line}:{column}: {}", finding.path);
            let _ = writeln!(
                out,
                "    <testcase name=\"the file\" classname=\"{}\"><error message=\"{}\">{}</error></testcase>",
                escaped(name),
                escaped(&finding.message),
                escaped(&place)
            );
        }
        for Tested { name: test, brief, failures, .. } in results {
            let _ = write!(out, "    <testcase name=\"{}\" classname=\"{}\"", escaped(test), escaped(name));
            let [(first, _), ..] = failures.as_slice() else {
                out.push_str("/>\n");
                continue;
            };
            let _ = writeln!(out, "><failure message=\"{}\">{}", escaped(&first.message), escaped(brief));
            for (finding, mismatch) in failures {
                let (line, column) = finding.position(text);
                let place = format!("{name}:{line}:{column}: {}: {}", finding.path, finding.message);
                let _ = writeln!(out, "{}\n{}", escaped(&place), escaped(&report::difference(mismatch)));
            }
            out.push_str("</failure></testcase>\n");
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Text as XML takes it. Most control characters have no place in it at all.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_breaks_out() {
        assert_eq!(escaped("a<b>&\"'\n\u{1b}"), "a&lt;b&gt;&amp;&quot;'\n\u{fffd}");
    }
}
