//! What is loaded: an Envoy of ours, or a peer of which only the process is known, or not even that.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use scopegate_tests::envoy::Envoy;

use crate::case::Subject;
use crate::gateway::Surroundings;
use crate::machine::Pid;

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// What its costs are read from.
    pub(crate) pid: Option<Pid>,
    /// What it held before anything was sent to it, in bytes.
    pub(crate) rest: Option<u64>,
    /// How long it took to start.
    pub(crate) started: Option<Duration>,
    _envoy: Option<Envoy>,
}

impl Server {
    /// Starts the Envoy of a case, or finds the peer.
    pub(crate) async fn start(subject: &Subject, surroundings: &Surroundings) -> Result<Self> {
        let (address, pid, started, envoy) = if let Subject::Peer(peer) = subject {
            (peer.address, peer.pid.map(Pid), None, None)
        } else {
            let before = Instant::now();
            let envoy = surroundings.start(subject).await?;
            let pid = Pid(envoy.process()?.id());
            (envoy.listener("gateway")?, Some(pid), Some(before.elapsed()), Some(envoy))
        };
        let rest = pid.map(Pid::memory).transpose().context("cannot be measured")?;
        Ok(Self { address, pid, rest, started, _envoy: envoy })
    }
}
