//! What became of the tests, as people read it, and as tools do.

use core::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::expect::Mismatch;
use super::{Ran, Tested};
use crate::check::as_json;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The number of the form for tools: another one where a field changes its meaning.
const VERSION: u32 = 1;

/// The most lines that are shown of a list.
const LINES: usize = 20;

/// What must be and what is. Of lists the lines that differ are marked.
pub(super) fn difference(mismatch: &Mismatch) -> String {
    let Mismatch { expected, got, .. } = mismatch;
    let none = ["none".to_owned()];
    let or_none = |lines: &[String]| if lines.is_empty() { none.to_vec() } else { lines.to_vec() };
    if let ([expected], [got]) = (or_none(expected).as_slice(), or_none(got).as_slice()) {
        return format!("expected {expected}\n     got {got}");
    }
    let mut lines: Vec<String> = Vec::new();
    let mut left: Vec<&String> = got.iter().collect();
    for line in expected {
        if let Some(at) = left.iter().position(|known| *known == line) {
            left.remove(at);
            lines.push(format!("  {line}"));
        } else {
            lines.push(format!("- {line}"));
        }
    }
    lines.extend(left.iter().map(|line| format!("+ {line}")));
    if lines.len() > LINES {
        let more = lines.len() - LINES;
        // What is the same on both sides says least.
        lines.sort_by_key(|line| line.starts_with(' '));
        lines.truncate(LINES);
        lines.push(format!("… and {more} more"));
    }
    format!("expected (-), got (+):\n{}", lines.join("\n"))
}

/// As people read it.
pub(super) fn text(ran: &[Ran]) -> String {
    let mut out = String::new();
    let (mut passed, mut failed) = (0, 0);
    for Ran { name, text, unusable, results } in ran {
        let _ = writeln!(out, "{name}");
        for finding in unusable {
            let _ = writeln!(out, "{}", finding.render(name, text));
        }
        for Tested { name: test, brief, failures, .. } in results {
            if failures.is_empty() {
                passed += 1;
                let _ = writeln!(out, "  {GOOD}ok{GOOD:#}    {}", visible(test));
                continue;
            }
            failed += 1;
            let _ = writeln!(out, "  {BAD}FAIL{BAD:#}  {}", visible(test));
            let _ = writeln!(out, "        {}", visible(brief));
            for (finding, _) in failures {
                let _ = writeln!(out, "{}", finding.render(name, text));
            }
        }
    }
    let unusable = ran.iter().filter(|ran| !ran.unusable.is_empty()).count();
    let _ = write!(out, "{passed} passed, {failed} failed");
    if unusable > 0 {
        let _ = write!(out, ", {unusable} unusable");
    }
    if passed + failed == 0 {
        out.push_str(": no test was run");
    }
    out.push('\n');
    out
}

/// Text without what a terminal would take for orders.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// As tools read it.
pub(super) fn json(ran: &[Ran]) -> Value {
    let failed = |test: &&Tested| !test.failures.is_empty();
    let all = || ran.iter().flat_map(|ran| &ran.results);
    let files: Vec<Value> = ran.iter().map(file).collect();
    json!({
        "version": VERSION,
        "passed": all().filter(|test| !failed(test)).count(),
        "failed": all().filter(failed).count(),
        "files": files,
    })
}

fn file(Ran { name, text, unusable, results }: &Ran) -> Value {
    let test = |test: &Tested| {
        let failure = |(finding, mismatch): &(_, Mismatch)| {
            let mut failure = as_json(finding, name, text);
            if let Some(fields) = failure.as_object_mut() {
                fields.remove("help");
                fields.insert("expected".to_owned(), json!(mismatch.expected));
                fields.insert("got".to_owned(), json!(mismatch.got));
            }
            failure
        };
        json!({
            "name": test.name,
            "path": test.path,
            "passed": test.failures.is_empty(),
            "outcome": test.outcome,
            "failures": test.failures.iter().map(failure).collect::<Vec<_>>(),
        })
    };
    json!({
        "file": name,
        "findings": unusable.iter().map(|finding| as_json(finding, name, text)).collect::<Vec<_>>(),
        "tests": results.iter().map(test).collect::<Vec<_>>(),
    })
}
