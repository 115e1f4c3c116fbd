//! The tables that people read. At most 120 columns; colours only where a person sees them.

use anstream::println;
use anstyle::{AnsiColor, Style};

use crate::arguments::Arguments;
use crate::budget::{Budget, Measured, Unit};
use crate::lane::Row;
use crate::machine;
use crate::numbers::{Rounds, percentile};
use crate::run::Results;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
/// What failed.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();

/// Prints everything.
pub(crate) fn print(arguments: &Arguments, results: &Results, budgets: &[Budget]) {
    conditions(arguments, results);
    cases(&results.rows);
    goals(budgets);
}

fn conditions(arguments: &Arguments, results: &Results) {
    let (connections, rounds) = (results.connections, arguments.rounds());
    let seconds = arguments.seconds().as_secs_f64();
    let upstream = if arguments.http2_upstream { "HTTP/2" } else { "HTTP/1" };
    println!(
        "{connections} connections, {rounds} rounds of {seconds} s in turns, {upstream} upstream, one Envoy worker a case"
    );
    let (elsewhere, cores) = (results.elsewhere, machine::cores());
    let Some(elsewhere) = elsewhere else { return };
    let text = format!("Other programs kept {elsewhere:.2} of {cores} cores busy meanwhile.");
    if elsewhere > 0.1 {
        println!("{BAD}{text} Distrust requests/s and latencies.{BAD:#}");
    } else {
        println!("{DIM}{text}{DIM:#}");
    }
}

fn cases(rows: &[Row]) {
    println!(
        "\n{BOLD}  {:<24} {:>10} {:>5} {:>9} {:>5} {:>8} {:>8} {:>8} {:>8} {:>7}{BOLD:#}",
        "case", "requests/s", "±%", "CPU ms", "±%", "p50 ms", "p99 ms", "peak MB", "growth", "errors"
    );
    for row in rows {
        let line = format!(
            "{:<24} {:>10} {:>5} {:>9} {:>5} {:>8} {:>8} {:>8} {:>8} {:>7}",
            row.case.name(),
            figure(row.rate.as_ref().map(|rate| (rate.median(), 0))),
            figure(row.rate.as_ref().map(|rate| (rate.spread(), 0))),
            figure(row.cpu.as_ref().map(|cpu| (cpu.median(), 3))),
            figure(row.cpu.as_ref().map(|cpu| (cpu.spread(), 0))),
            figure(milliseconds(&row.latencies, 0.5).map(|time| (time, 2))),
            figure(milliseconds(&row.latencies, 0.99).map(|time| (time, 2))),
            figure(row.memory.map(|(_, peak)| (megabytes(peak), 1))),
            figure(row.growth().map(|growth| (megabytes(growth), 1))),
            row.errors
        );
        if row.problem.is_none() {
            println!("  {line}");
        } else {
            println!("{BAD}✗ {line}{BAD:#}");
        }
    }
    println!(
        "{DIM}  CPU of the process per request; medians of the rounds, ± half their range; growth of memory over rest{DIM:#}"
    );
    for row in rows {
        if let Some(problem) = &row.problem {
            println!("{BAD}✗ {}: {problem}{BAD:#}", row.case.name());
        }
    }
}

fn goals(budgets: &[Budget]) {
    println!(
        "\n{BOLD}  {:<58} {:>9} {:>9}   {}{BOLD:#}",
        "budget, by CPU per request unless it says otherwise", "goal", "measured", "rounds"
    );
    for budget in budgets {
        let unit = budget.unit;
        let goal = budget.goal.map_or("–".to_owned(), |goal| format!("≤ {}", write(unit, goal)));
        let median = budget.measured.rounds().map_or("–".to_owned(), |rounds| write(unit, rounds.median()));
        let note = match &budget.measured {
            Measured::Sound(rounds) => range(unit, rounds),
            Measured::Doubtful(_) => "of a case with errors".to_owned(),
            Measured::Not(needs) => format!("needs {needs}"),
        };
        let line = format!("{:<58} {goal:>9} {median:>9}   {note}", budget.what);
        let line = line.trim_end();
        match (budget.met(), &budget.measured) {
            (Some(true), _) => println!("{GOOD}✓{GOOD:#} {line}"),
            (Some(false), _) => println!("{BAD}✗{BAD:#} {line}"),
            (None, Measured::Sound(_)) => println!("  {line}"),
            (None, Measured::Doubtful(_)) => println!("{BAD}? {line}{BAD:#}"),
            (None, Measured::Not(_)) => println!("{DIM}  {line}{DIM:#}"),
        }
    }
}

/// A figure with so many decimals.
fn figure(figure: Option<(f64, usize)>) -> String {
    figure.map_or("–".to_owned(), |(value, decimals)| format!("{value:.decimals$}"))
}

fn range(unit: Unit, rounds: &Rounds) -> String {
    let (least, greatest) = rounds.range();
    if rounds.all().len() > 1 {
        format!("{} to {}", write(unit, least), write(unit, greatest))
    } else {
        String::new()
    }
}

fn write(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Ratio if value > 0.0 && value < 0.8 => {
            let inverse = format!("{:.1}", 1.0 / value);
            format!("1/{}", inverse.trim_end_matches(".0"))
        }
        Unit::Ratio => format!("{value:.2} ×"),
        Unit::Points => format!("{value:.1}"),
        Unit::Kilobytes => format!("{value:.0} KB"),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Microseconds => format!("{value:.0} µs"),
    }
}

fn milliseconds(latencies: &[u32], share: f64) -> Option<f64> {
    (!latencies.is_empty()).then(|| f64::from(percentile(latencies, share)) / 1e3)
}

#[expect(clippy::cast_precision_loss, reason = "far less than 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_the_budgets_are_written() {
        let cases = [
            (Unit::Ratio, 0.1, "1/10"),
            (Unit::Ratio, 0.12, "1/8.3"),
            (Unit::Ratio, 1.4, "1.40 ×"),
            (Unit::Points, 10.0, "10.0"),
            (Unit::Points, -0.5, "-0.5"),
            (Unit::Kilobytes, 667.3, "667 KB"),
            (Unit::Seconds, 0.346, "0.35 s"),
            (Unit::Microseconds, 12.6, "13 µs"),
        ];
        for (unit, value, expected) in cases {
            assert_eq!(write(unit, value), expected);
        }
    }
}
