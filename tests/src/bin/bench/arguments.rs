//! The command line.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;

/// Measures Scopegate in a real Envoy against the project's budgets.
///
/// The cases take turns on the same machine at the same time, each in an Envoy of its own with one worker. Only
/// ratios of one run count.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask bench",
    after_help = "Examples:
  cargo xtask bench                                every case, about three minutes
  cargo xtask bench --quick                        a glance: does every case work?
  cargo xtask bench --case plain --case buffering --case 'one tenant'
  cargo xtask bench --memory                       2000 series over 64 connections
  cargo xtask bench --sink-port 9009 --peer other=http://127.0.0.1:8080/push,pid=4711
                                                   beside another splitter, started by hand, whose
                                                   upstream is http://127.0.0.1:9009/api/v1/push"
)]
pub(crate) struct Arguments {
    /// Connections of the clients, each with one request under way; 8 unless said otherwise, with --memory 64
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    connections: Option<u16>,
    /// How long each case is loaded in a round; 2 unless said otherwise
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    seconds: Option<Duration>,
    /// How many rounds are measured, after one that is not; 5 unless said otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Only the cases with this in their names; may be repeated
    #[arg(long = "case", value_name = "FILTER")]
    pub(crate) cases: Vec<String>,
    /// Measure the memory of the cases with 2000 series, and only those
    #[arg(long)]
    pub(crate) memory: bool,
    /// Let our Envoys speak HTTP/2 to the upstream
    #[arg(long)]
    pub(crate) http2_upstream: bool,
    /// The upstream's port, for peers that have to be told; by default a free one
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "PORT")]
    pub(crate) sink_port: u16,
    /// Another splitter to measure beside ours, with its process ID for its CPU time and memory; may be repeated.
    /// Its requests name each tenant in the labels `namespace` and `__tenant__`
    #[arg(long = "peer", value_name = "NAME=URL[,pid=N]", value_parser = peer)]
    pub(crate) peers: Vec<Peer>,
    /// Write all figures to this file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Two short rounds: too short to be trusted, long enough to see whether everything works
    #[arg(long)]
    quick: bool,
}

/// A splitter that somebody else started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) pid: Option<u32>,
}

impl Arguments {
    pub(crate) fn connections(&self) -> usize {
        usize::from(self.connections.unwrap_or(if self.memory { 64 } else { 8 }))
    }

    pub(crate) fn seconds(&self) -> Duration {
        self.seconds.unwrap_or(Duration::from_millis(if self.quick { 300 } else { 2000 }))
    }

    pub(crate) fn rounds(&self) -> u16 {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 })
    }
}

fn seconds(text: &str) -> Result<Duration> {
    let time = Duration::try_from_secs_f64(text.parse()?)?;
    ensure!(time >= Duration::from_millis(50), "CPU time is counted in steps of 10 ms: take 0.05 or more");
    Ok(time)
}

fn peer(text: &str) -> Result<Peer> {
    let (name, rest) = text.split_once('=').context("give NAME=URL")?;
    let (url, pid) = match rest.split_once(',') {
        None => (rest, None),
        Some((url, pid)) => {
            let pid = pid.strip_prefix("pid=").context("after the comma goes pid=N")?;
            (url, Some(pid.parse().context("pid=N with a number")?))
        }
    };
    let url = url.strip_prefix("http://").context("give an http:// URL")?;
    let (host, path) = url.find('/').map_or((url, "/api/v1/push"), |slash| url.split_at(slash));
    let Some(address) = host.to_socket_addrs().context("give a host and a port")?.next() else {
        bail!("{host} has no address")
    };
    Ok(Peer { name: name.to_owned(), address, path: path.to_owned(), pid })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn peers_have_names_addresses_and_perhaps_processes() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        let cases = [
            ("a=http://127.0.0.1:8080/push,pid=7", Some(("a", "/push", Some(7)))),
            ("a=http://127.0.0.1:8080", Some(("a", "/api/v1/push", None))),
            ("http://127.0.0.1:8080/push", None),
            ("a=127.0.0.1:8080", None),
            ("a=http://127.0.0.1", None),
            ("a=http://127.0.0.1:8080,7", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(name, path, pid)| Peer {
                name: name.to_owned(),
                address,
                path: path.to_owned(),
                pid,
            });
            assert_eq!(peer(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn times_are_long_enough_to_be_counted() {
        for (text, expected) in [("2", Some(2000)), ("0.3", Some(300)), ("0.01", None), ("-1", None)] {
            assert_eq!(seconds(text).ok(), expected.map(Duration::from_millis), "{text}");
        }
    }
}
