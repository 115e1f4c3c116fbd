//! What the filter costs: each case a real Envoy with one worker, all of them alive at once and measured in turns, so
//! that a noisy machine hits all alike.
//!
//! `cargo xtask bench` sets everything up and runs this.

mod arguments;
mod budget;
mod case;
mod check;
mod gateway;
mod lane;
mod load;
mod machine;
mod module;
mod numbers;
mod progress;
mod report;
mod run;
mod server;
mod sink;
mod table;

use std::process::ExitCode;

use anstream::eprintln;
use anyhow::Result;
use clap::Parser;

use crate::arguments::Arguments;
use crate::progress::Progress;
use crate::table::BAD;

/// The clients share this one thread; the sink has another, and Envoy's worker its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match bench(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{BAD}bench: {error:#}{BAD:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and reports; true if every case of ours did what it says. Budgets are for people to judge.
async fn bench(arguments: &Arguments) -> Result<bool> {
    let progress = Progress::new();
    let results = run::all(arguments, &progress).await;
    progress.clear();
    let results = results?;
    let budgets = budget::all(&results);
    table::print(arguments, &results, &budgets);
    if let Some(file) = &arguments.json {
        report::write(file, arguments, &results, &budgets)?;
    }
    Ok(results.rows.iter().all(|row| row.case.is_a_peer() || row.problem.is_none()))
}
