//! The same figures for programs: one JSON file.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::budget::{Budget, Unit};
use crate::lane::Row;
use crate::machine;
use crate::numbers::{Rounds, percentile};
use crate::run::Results;

/// Writes it.
pub(crate) fn write(file: &Path, arguments: &Arguments, results: &Results, budgets: &[Budget]) -> Result<()> {
    let report = json!({
        "connections": results.connections,
        "rounds": arguments.rounds(),
        "seconds": arguments.seconds().as_secs_f64(),
        "http2_upstream": arguments.http2_upstream,
        "cores": machine::cores(),
        "cores_busy_elsewhere": results.elsewhere,
        "cases": results.rows.iter().map(case).collect::<Vec<_>>(),
        "budgets": budgets.iter().map(budget).collect::<Vec<_>>(),
    });
    std::fs::write(file, format!("{report:#}\n")).with_context(|| file.display().to_string())
}

fn case(row: &Row) -> Value {
    json!({
        "name": row.case.name(),
        "series": row.case.series,
        "requests_per_second": rounds(row.rate.as_ref()),
        "cpu_milliseconds_per_request": rounds(row.cpu.as_ref()),
        "p50_microseconds": percentile(&row.latencies, 0.5),
        "p99_microseconds": percentile(&row.latencies, 0.99),
        "memory_at_rest_bytes": row.memory.map(|(rest, _)| rest),
        "memory_peak_bytes": row.memory.map(|(_, peak)| peak),
        "start_seconds": row.started.map(|time| time.as_secs_f64()),
        "requests": row.latencies.len(),
        "errors": row.errors,
        "problem": row.problem,
    })
}

fn budget(budget: &Budget) -> Value {
    let unit = match budget.unit {
        Unit::Ratio => "ratio",
        Unit::Points => "percent points",
        Unit::Kilobytes => "kilobytes",
        Unit::Seconds => "seconds",
        Unit::Microseconds => "microseconds",
    };
    json!({
        "what": budget.what,
        "unit": unit,
        "goal": budget.goal,
        "measured": rounds(budget.measured.rounds()),
        "met": budget.met(),
    })
}

fn rounds(rounds: Option<&Rounds>) -> Value {
    rounds.map_or(Value::Null, |rounds| json!({"median": rounds.median(), "rounds": rounds.all()}))
}
