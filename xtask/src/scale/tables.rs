//! The tables, as Markdown.

use std::fmt::Write as _;

use super::model::{MEASURED, PLAN, Scenario};

const MILLIONS: f64 = 1e7;

const SCENARIOS: [Scenario; 8] = [
    Scenario {
        name: "to begin with: 100,000 series a second, 10 tenants a request",
        series: 1e5,
        batch: 500.0,
        tenants: 10.0,
    },
    Scenario {
        name: "10,000 tenants, each with a sender of its own",
        series: MILLIONS,
        batch: 2000.0,
        tenants: 0.0,
    },
    Scenario { name: "looked into, one tenant a request", series: MILLIONS, batch: 2000.0, tenants: 1.0 },
    Scenario { name: "10 tenants a request", series: MILLIONS, batch: 2000.0, tenants: 10.0 },
    Scenario { name: "the same in batches of 500", series: MILLIONS, batch: 500.0, tenants: 10.0 },
    Scenario { name: "100 tenants a request", series: MILLIONS, batch: 2000.0, tenants: 100.0 },
    Scenario { name: "the same in batches of 10,000", series: MILLIONS, batch: 10_000.0, tenants: 100.0 },
    Scenario {
        name: "500 tenants a request (the default limit)",
        series: MILLIONS,
        batch: 2000.0,
        tenants: 500.0,
    },
];

/// Names and tables.
pub(super) fn all() -> [(&'static str, String); 4] {
    [("inputs", inputs()), ("units", units()), ("scenarios", scenarios()), ("memory", memory())]
}

fn inputs() -> String {
    let m = &MEASURED;
    let mut table = "| request | ms of CPU |\n|---|---|\n".to_owned();
    for (what, cost) in [
        ("decided by the head, the body streams through", m.head),
        ("500 series looked into, all of one tenant", m.one[0]),
        ("2000 series looked into, all of one tenant", m.one[1]),
        ("500 series split among 10 tenants", m.split[0]),
        ("2000 series split among 10 tenants", m.split[1]),
        ("2000 series split among 100 tenants", m.hundred),
        ("2000 series split among 1000 tenants", m.thousand),
    ] {
        let _ = writeln!(table, "| {what} | {} |", number(cost));
    }
    table
}

fn units() -> String {
    let m = &MEASURED;
    let mut table = "| unit | from | µs of CPU |\n|---|---|---|\n".to_owned();
    for (what, from, cost) in [
        ("`series`", "(2000 among 10 − 500 among 10) ÷ 1500", m.series()),
        ("`part`", "(2000 among 1000 − 2000 among 10) ÷ 990", m.part()),
        ("`request`", "500 among 10 − 500 `series` − 10 `part`", m.request()),
        ("`seen`: a series of a request for one tenant", "(2000 − 500 of one tenant) ÷ 1500", m.seen()),
    ] {
        let _ = writeln!(table, "| {what} | {from} | {} |", number(cost * 1e3));
    }
    let predicted = m.cost(2000.0, 100.0);
    let _ = writeln!(
        table,
        "\nTo compare: for 2000 series among 100 tenants, which are not in it, the formula says {} ms, and {} ms were measured.",
        number(predicted),
        number(m.hundred)
    );
    table
}

fn scenarios() -> String {
    let mut table = "| what comes | requests/s | ms a request | cores busy | Envoys | calls/s | calls under way, a worker |\n\
                     |---|---|---|---|---|---|---|\n"
        .to_owned();
    for scenario in &SCENARIOS {
        let needs = scenario.needs(&MEASURED, &PLAN);
        let calls = if needs.calls > 0.0 { count(needs.calls) } else { "–".to_owned() };
        let under_way = if needs.calls > 0.0 { number(needs.under_way) } else { "–".to_owned() };
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {calls} | {under_way} |",
            scenario.name,
            count(needs.requests),
            number(needs.cost),
            number(needs.cores),
            count(needs.envoys),
        );
    }
    table
}

fn memory() -> String {
    let mut table =
        "| workers | with the table | with all that workers may hold (64MiB each) |\n|---|---|---|\n"
            .to_owned();
    for workers in [1.0, 2.0, 4.0, 8.0, 16.0] {
        let memory = MEASURED.memory(workers);
        let most = memory + workers * 67.1;
        let _ = writeln!(table, "| {} | {} MB | {} MB |", count(workers), count(memory), count(most));
    }
    table
}

/// Three digits, and commas between thousands.
fn number(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        ..1000.0 => format!("{value:.0}"),
        _ => {
            let step = 10_f64.powf(value.log10().floor() - 2.0);
            count((value / step).round() * step)
        }
    }
}

/// A whole number, with commas between thousands.
fn count(value: f64) -> String {
    let whole = format!("{value:.0}");
    let mut text = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_no_more_exact_than_they_are() {
        for (value, text) in [
            (0.063_13, "0.063"),
            (2.0, "2.00"),
            (64.5, "64.5"),
            (999.0, "999"),
            (12_345.0, "12,300"),
            (10_000_000.0, "10,000,000"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
