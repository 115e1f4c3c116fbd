//! The clients of one case: connections that stay open through the whole run, each with one request at a time.

use std::mem;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, ensure};
use scopegate_tests::client::{Answer, Call, Client, Connection};
use scopegate_tests::wait::INTERVAL;
use tokio::task::JoinSet;

/// Connections to one server, and what is sent on them.
pub(crate) struct Load {
    call: Call,
    lines: Vec<Line>,
}

/// What came of loading a server for a while.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Of each request that was answered with success, how long that took, in microseconds.
    pub(crate) latencies: Vec<u32>,
    /// The requests that were not.
    pub(crate) errors: u64,
    /// What became of one of these.
    pub(crate) error: Option<Error>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

/// One connection, opened when it is needed.
struct Line {
    client: Client,
    connection: Option<Connection>,
}

impl Load {
    /// This many connections, none of them open yet.
    pub(crate) fn new(client: Client, connections: usize, call: Call) -> Self {
        let lines = (0..connections).map(|_| Line { client, connection: None }).collect();
        Self { call, lines }
    }

    /// Sends one request.
    pub(crate) async fn once(&mut self) -> Result<()> {
        let line = self.lines.first_mut().context("no connection")?;
        success(&line.send(self.call.clone()).await?)
    }

    /// Sees to it that every connection is open, which one that rested for long may not be.
    pub(crate) async fn wake(&mut self) -> Result<()> {
        for line in &mut self.lines {
            if line.send(self.call.clone()).await.is_err() {
                line.send(self.call.clone()).await?;
            }
        }
        Ok(())
    }

    /// Sends on all connections for this long, and waits for the last answers.
    pub(crate) async fn run(&mut self, time: Duration) -> Outcome {
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for line in mem::take(&mut self.lines) {
            tasks.spawn(line.run(self.call.clone(), started + time));
        }
        let mut whole = Outcome::default();
        for (line, part) in tasks.join_all().await {
            self.lines.push(line);
            whole.latencies.extend(part.latencies);
            whole.errors += part.errors;
            whole.error = whole.error.or(part.error);
        }
        whole.elapsed = started.elapsed();
        whole
    }
}

impl Line {
    async fn run(mut self, call: Call, until: Instant) -> (Self, Outcome) {
        let mut outcome = Outcome::default();
        loop {
            let sent = Instant::now();
            if sent >= until {
                return (self, outcome);
            }
            match self.send(call.clone()).await.and_then(|answer| success(&answer)) {
                Ok(()) => {
                    outcome.latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
                Err(error) => {
                    outcome.errors += 1;
                    outcome.error.get_or_insert(error);
                    tokio::time::sleep(INTERVAL).await;
                }
            }
        }
    }

    async fn send(&mut self, call: Call) -> Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.client.connect().await?,
        };
        // One that failed is not used again.
        let answer = connection.send(call).await?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

fn success(answer: &Answer) -> Result<()> {
    ensure!((200..300).contains(&answer.status), "answered {}", answer.to_string().trim_end());
    Ok(())
}
