//! A real `VictoriaMetrics`, single node, that is written to and asked.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{
    client::{Call, Client},
    ports::Reservation,
    process::Process,
    wait::{DEADLINE, eventually},
};

/// The binary: `VICTORIA_METRICS_BIN`, else `victoria-metrics` on the path, if there is one.
pub fn binary() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("VICTORIA_METRICS_BIN") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("victoria-metrics")).find(|file| file.is_file())
}

/// A running `VictoriaMetrics` on a free port, killed on drop with all its data.
#[derive(Debug)]
pub struct VictoriaMetrics {
    // Goes first, before the directory with its log and data.
    _process: Process,
    reserved: Reservation,
    _dir: TempDir,
}

impl VictoriaMetrics {
    /// Starts and waits until it is ready.
    pub async fn start() -> Result<Self> {
        let binary = binary().context("there is no victoria-metrics here: `cargo xtask setup` brings it")?;
        let dir = tempfile::Builder::new().prefix("scopegate-victoriametrics-").tempdir()?;
        let reserved = Reservation::any()?;
        let mut command = Command::new(binary);
        command.arg("-storageDataPath=data").arg(format!("-httpListenAddr={}", reserved.address()));
        command.arg("-search.latencyOffset=0s").arg("-memory.allowedPercent=5").current_dir(dir.path());
        let process = Process::start("victoriametrics", command, dir.path())?;
        let client = Client::http1(reserved.address());
        eventually(DEADLINE, || async move { client.get("/health").await?.expect(200) }).await?;
        Ok(Self { _process: process, reserved, _dir: dir })
    }

    /// Where it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.reserved.address()
    }

    /// The labels of all series that a selector finds, once there are as many as wanted; in order.
    pub async fn series(&self, selector: &str, wanted: usize) -> Result<Vec<BTreeMap<String, String>>> {
        let client = Client::http1(self.address());
        let found = || async move {
            // What was written is seen after this, at the latest.
            client.get("/internal/force_flush").await?.expect(200)?;
            let call = Call::query("/api/v1/series", &[("match[]", selector), ("start", "0")]);
            let answer = client.send(call).await?.expect(200)?.json()?;
            let mut series: Vec<BTreeMap<String, String>> = serde_json::from_value(answer["data"].clone())?;
            series.sort();
            anyhow::ensure!(series.len() == wanted, "{selector} finds {series:?}");
            Ok(series)
        };
        eventually(DEADLINE, found).await
    }
}
