//! The lines people see while a command works. All go to stderr: stdout belongs to the programs that are run.

use std::env;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use anyhow::Error;

/// How to talk to whoever started this.
pub(crate) struct Ui {
    /// Someone watches: a line may be shown for a while and taken back.
    terminal: bool,
    colour: bool,
}

/// What a line says about its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It is there.
    Done,
    /// It is not there, and that is bearable.
    Spare,
    /// It is not there, and something cannot work.
    Missing,
}

const BOLD: &str = "1";
const RED: &str = "31";

impl Mark {
    fn sign(self) -> (&'static str, &'static str) {
        match self {
            Self::Done => ("✓", "32"),
            Self::Spare => ("!", "33"),
            Self::Missing => ("✗", RED),
        }
    }
}

impl Ui {
    pub(crate) fn new() -> Self {
        let terminal = stderr().is_terminal();
        let no_color = env::var("NO_COLOR").is_ok_and(|value| !value.is_empty());
        let dumb = env::var("TERM").is_ok_and(|value| value == "dumb");
        Self { terminal: terminal && !dumb, colour: terminal && !dumb && !no_color }
    }

    /// The result of a step, one line.
    pub(crate) fn step(&self, mark: Mark, text: &str) {
        self.print(&self.step_line(mark, text));
    }

    /// What is under way; on a terminal the next line takes its place, elsewhere nothing is shown.
    pub(crate) fn busy(&self, text: &str) {
        if self.terminal {
            eprint!("\r\x1b[K… {text}");
        }
    }

    /// The header of a stage.
    pub(crate) fn stage(&self, name: &str) {
        self.print(&self.painted(BOLD, &format!("▸ {name}")));
    }

    /// A plain line.
    pub(crate) fn print(&self, line: &str) {
        let take_back = if self.terminal { "\r\x1b[K" } else { "" };
        eprintln!("{take_back}{line}");
    }

    /// Why a command failed.
    pub(crate) fn error(&self, error: &Error) {
        self.print(&format!("{}: {error:#}", self.painted(RED, "error")));
    }

    fn step_line(&self, mark: Mark, text: &str) -> String {
        let (sign, colour) = mark.sign();
        match mark {
            Mark::Spare => self.painted(colour, &format!("{sign} {text}")),
            Mark::Done | Mark::Missing => format!("{} {text}", self.painted(colour, sign)),
        }
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A command's stages: a header for each, and how long they took at the end.
pub(crate) struct Stages<'a> {
    ui: &'a Ui,
    start: Instant,
    done: Vec<(String, Duration)>,
}

impl<'a> Stages<'a> {
    pub(crate) fn new(ui: &'a Ui) -> Self {
        Self { ui, start: Instant::now(), done: Vec::new() }
    }

    /// Announces and runs one stage; its time counts also when it fails.
    pub(crate) fn stage<T, E>(&mut self, name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.ui.stage(name);
        let start = Instant::now();
        let result = work();
        self.done.push((name.to_owned(), start.elapsed()));
        result
    }
}

impl Drop for Stages<'_> {
    fn drop(&mut self) {
        self.ui.print(&summary(&self.done, self.start.elapsed()));
    }
}

/// `setup 0.3 s · tests 1 min 05 s · all 1 min 06 s`
fn summary(done: &[(String, Duration)], all: Duration) -> String {
    let mut parts: Vec<_> = done.iter().map(|(name, time)| format!("{name} {}", elapsed(*time))).collect();
    parts.push(format!("all {}", elapsed(all)));
    parts.join(" · ")
}

/// A time as people say it.
fn elapsed(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_one_line() {
        let plain = Ui { terminal: false, colour: false };
        let colour = Ui { terminal: true, colour: true };
        let cases = [
            (Mark::Done, "✓ envoy", "\x1b[32m✓\x1b[0m envoy"),
            (Mark::Spare, "! envoy", "\x1b[33m! envoy\x1b[0m"),
            (Mark::Missing, "✗ envoy", "\x1b[31m✗\x1b[0m envoy"),
        ];
        for (mark, expected, expected_in_colour) in cases {
            assert_eq!(plain.step_line(mark, "envoy"), expected);
            assert_eq!(colour.step_line(mark, "envoy"), expected_in_colour);
        }
    }

    #[test]
    fn times_read_well() {
        for (millis, expected) in
            [(0, "0.0 s"), (340, "0.3 s"), (9_900, "9.9 s"), (59_999, "59 s"), (65_000, "1 min 05 s")]
        {
            assert_eq!(elapsed(Duration::from_millis(millis)), expected);
        }
        let done =
            [("setup".to_owned(), Duration::from_millis(300)), ("tests".to_owned(), Duration::from_secs(65))];
        assert_eq!(
            summary(&done, Duration::from_secs(66)),
            "setup 0.3 s · tests 1 min 05 s · all 1 min 06 s"
        );
    }
}
