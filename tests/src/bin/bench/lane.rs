//! One case under measurement: its server, its clients, and what they did so far.

use std::time::Duration;

use anyhow::{Error, Result};
use scopegate_tests::client::Client;

use crate::case::Case;
use crate::check;
use crate::load::Load;
use crate::machine::{self, Pid};
use crate::numbers::Rounds;
use crate::server::Server;
use crate::sink::Sink;

/// What was measured of one case.
pub(crate) struct Row {
    pub(crate) case: Case,
    /// Requests that were answered with success, per second.
    pub(crate) rate: Option<Rounds>,
    /// CPU time per request, in milliseconds.
    pub(crate) cpu: Option<Rounds>,
    /// Of all rounds, in microseconds, sorted.
    pub(crate) latencies: Vec<u32>,
    /// Memory before anything was sent, and at its peak, in bytes.
    pub(crate) memory: Option<(u64, u64)>,
    pub(crate) started: Option<Duration>,
    /// Requests that were not answered with success.
    pub(crate) errors: u64,
    /// In what it did not do what it says, and was seen to first.
    pub(crate) problem: Option<String>,
}

impl Row {
    /// How much memory it took beyond what it had at rest, in bytes.
    pub(crate) fn growth(&self) -> Option<u64> {
        self.memory.map(|(rest, peak)| peak.saturating_sub(rest))
    }
}

/// A case under measurement.
pub(crate) struct Lane {
    pub(crate) case: Case,
    server: Server,
    load: Load,
    slices: Vec<Slice>,
    latencies: Vec<u32>,
    peak: Option<u64>,
    pub(crate) errors: u64,
    problem: Option<String>,
}

/// What one case did in one round.
struct Slice {
    rate: Option<f64>,
    cpu: Option<f64>,
    /// CPU time that others used meanwhile, where that of the server is known.
    elsewhere: Option<Duration>,
    elapsed: Duration,
}

impl Lane {
    /// Nothing is sent yet.
    pub(crate) fn new(case: Case, server: Server, connections: usize) -> Self {
        let load = Load::new(Client::http1(server.address), connections, case.call());
        Self {
            case,
            server,
            load,
            slices: Vec::new(),
            latencies: Vec::new(),
            peak: None,
            errors: 0,
            problem: None,
        }
    }

    /// Sends one request and looks at what arrives.
    pub(crate) async fn check(&mut self, sink: &Sink) -> Result<()> {
        sink.take();
        sink.keep_bodies(true);
        let sent = self.load.once().await;
        sink.keep_bodies(false);
        sent?;
        check::contents(&self.case, &sink.take())
    }

    /// Loads the server for this long.
    pub(crate) async fn turn(&mut self, sink: &Sink, time: Duration, measured: bool) -> Result<()> {
        let (clients, server) = (Pid(std::process::id()), self.server.pid);
        self.load.wake().await?;
        if let Some(pid) = server {
            pid.reset_peak_memory()?;
        }
        sink.take();
        let costs = || -> Result<_> {
            Ok((machine::busy()?, clients.cpu_time()?, server.map(Pid::cpu_time).transpose()?))
        };
        let before = costs()?;
        let outcome = self.load.run(time).await;
        let after = costs()?;
        let arrived = sink.take();

        let cpu = after.2.zip(before.2).map(|(after, before)| after.saturating_sub(before));
        if let Some(pid) = server {
            self.peak = self.peak.max(Some(pid.peak_memory()?));
        }
        self.errors += outcome.errors;
        if let Some(error) = outcome.error {
            self.note(&error);
        } else if let Err(error) = check::counts(&self.case, outcome.latencies.len() as u64, &arrived) {
            self.note(&error);
        }
        if measured {
            #[expect(clippy::cast_precision_loss, reason = "far less than 2^52")]
            let answered = outcome.latencies.len() as f64;
            let used = after.0.saturating_sub(before.0);
            let own = after.1.saturating_sub(before.1);
            self.slices.push(Slice {
                rate: (answered > 0.0).then(|| answered / outcome.elapsed.as_secs_f64()),
                cpu: cpu.map(|cpu| cpu.as_secs_f64() * 1e3 / answered),
                elsewhere: cpu.map(|cpu| used.saturating_sub(own + cpu)),
                elapsed: outcome.elapsed,
            });
            self.latencies.extend(outcome.latencies);
        }
        Ok(())
    }

    /// CPU time that others used while this case was loaded, and how long it was loaded, where both are known.
    pub(crate) fn elsewhere(&self) -> impl Iterator<Item = (Duration, Duration)> {
        self.slices.iter().filter_map(|slice| Some((slice.elsewhere?, slice.elapsed)))
    }

    /// Notes what is wrong, in one line; what was wrong first is kept.
    pub(crate) fn note(&mut self, error: &Error) {
        const LONGEST: usize = 200;
        self.problem.get_or_insert_with(|| {
            let text = format!("{error:#}");
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            match line.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("{}…", &line[..end]),
                None => line,
            }
        });
    }

    /// The end.
    pub(crate) fn row(mut self, rounds: u16) -> Row {
        self.latencies.sort_unstable();
        // A case that missed a round cannot be compared round by round.
        let whole = self.slices.len() == usize::from(rounds);
        let figures =
            |figure: fn(&Slice) -> Option<f64>| Rounds::of(self.slices.iter().map(figure)).filter(|_| whole);
        Row {
            rate: figures(|slice| slice.rate),
            cpu: figures(|slice| slice.cpu),
            memory: self.server.rest.zip(self.peak),
            started: self.server.started,
            case: self.case,
            latencies: self.latencies,
            errors: self.errors,
            problem: self.problem,
        }
    }
}
