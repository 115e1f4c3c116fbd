//! The run: every server is started and checked, then all are loaded in turns.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::arguments::Arguments;
use crate::case;
use crate::gateway::Surroundings;
use crate::lane::{Lane, Row};
use crate::module::Modules;
use crate::progress::Progress;
use crate::server::Server;
use crate::sink::Sink;

/// Everything that was measured.
pub(crate) struct Results {
    pub(crate) rows: Vec<Row>,
    /// How many cores other programs kept busy while a case was loaded.
    pub(crate) elsewhere: Option<f64>,
    pub(crate) connections: usize,
}

/// Measures the cases that are asked for.
pub(crate) async fn all(arguments: &Arguments, progress: &Progress) -> Result<Results> {
    let cases = case::all(arguments);
    ensure!(!cases.is_empty(), "no case has that in its name");
    let sink = Sink::start(arguments.sink_port)?;
    let connections = arguments.connections();
    let surroundings = Surroundings {
        sink: sink.address(),
        http2_upstream: arguments.http2_upstream,
        connections,
        modules: Modules::write(500)?,
    };
    let mut lanes = Vec::new();
    for case in cases {
        progress.show(&format!("starting {}", case.name()));
        let server = Server::start(&case.subject, &surroundings).await.with_context(|| case.name())?;
        lanes.push(Lane::new(case, server, connections));
    }
    for lane in &mut lanes {
        progress.show(&format!("checking {}", lane.case.name()));
        // A peer may first have to find out that the sink of an earlier run is gone.
        let mut tries = if lane.case.is_a_peer() { 10 } else { 1 };
        while let Err(error) = lane.check(&sink).await {
            tries -= 1;
            if tries == 0 {
                lane.note(&error);
                break;
            }
        }
    }
    let rounds = arguments.rounds();
    // The first is not measured: V8 compiles again what runs often.
    for round in 0..=rounds {
        let last = lanes.len() - 1;
        for turn in 0..lanes.len() {
            // There and back, so that what changes slowly hits all alike.
            let lane = &mut lanes[if round % 2 == 0 { turn } else { last - turn }];
            let name = lane.case.name();
            progress.show(&match round {
                0 => format!("warming up: {name}"),
                _ => format!("round {round} of {rounds}: {name}"),
            });
            if let Err(error) = lane.turn(&sink, arguments.seconds(), round > 0).await {
                lane.errors += 1;
                lane.note(&error);
            }
        }
    }
    let (elsewhere, elapsed) = lanes
        .iter()
        .flat_map(Lane::elsewhere)
        .fold((Duration::ZERO, Duration::ZERO), |sums, more| (sums.0 + more.0, sums.1 + more.1));
    let elsewhere = (!elapsed.is_zero()).then(|| elsewhere.div_duration_f64(elapsed));
    Ok(Results { rows: lanes.into_iter().map(|lane| lane.row(rounds)).collect(), elsewhere, connections })
}
