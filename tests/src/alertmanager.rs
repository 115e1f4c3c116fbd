//! A real Alertmanager that is told of alerts and silences, and asked.

use std::{net::SocketAddr, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    client::{Call, Client},
    process::Process,
    prometheus::listening,
    wait::{DEADLINE, eventually},
};

/// The binary: `ALERTMANAGER_BIN`, else `alertmanager` on the path, if there is one.
pub fn binary() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("ALERTMANAGER_BIN") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("alertmanager")).find(|file| file.is_file())
}

/// A running Alertmanager on a free port, killed on drop with all its data.
#[derive(Debug)]
pub struct Alertmanager {
    // Goes first, before the directory with its log and data.
    _process: Process,
    address: SocketAddr,
    _dir: TempDir,
}

impl Alertmanager {
    /// Starts and waits until it is ready. It tells nobody of its alerts.
    pub async fn start() -> Result<Self> {
        let binary = binary().context("there is no alertmanager here: `cargo xtask setup` brings it")?;
        let dir = tempfile::Builder::new().prefix("scopegate-alertmanager-").tempdir()?;
        let config = json!({
            "route": {"receiver": "nobody", "group_by": ["alertname"], "group_wait": "1s"},
            "receivers": [{"name": "nobody"}],
        });
        let file = dir.path().join("alertmanager.yml");
        std::fs::write(&file, config.to_string())?;
        let mut command = Command::new(&binary);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.path={}", dir.path().join("data").display()));
        command.args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
        // Debian's, unpacked, finds its templates below the folder it was unpacked into.
        command.current_dir(binary.ancestors().nth(3).unwrap_or(dir.path()));
        let mut process = Process::start("alertmanager", command, dir.path())?;
        let address = listening("the Alertmanager", &mut process).await?;
        let client = Client::http1(address);
        eventually(DEADLINE, || async move { client.get("/-/ready").await?.expect(200) }).await?;
        Ok(Self { _process: process, address, _dir: dir })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it answers to a GET, asked directly.
    pub async fn get(&self, path: &str) -> Result<Value> {
        Client::http1(self.address()).get(path).await?.expect(200)?.json()
    }

    /// Posts JSON to it directly.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let call = Call::post(path, body.to_string()).header("content-type", "application/json");
        let answer = Client::http1(self.address()).send(call).await?.expect(200)?;
        if answer.body.is_empty() { Ok(Value::Null) } else { answer.json() }
    }

    /// Makes a silence with these matchers; gives its ID.
    pub async fn silence(&self, matchers: &Value) -> Result<String> {
        let answer = self.post("/api/v2/silences", &silence(matchers)).await?;
        Ok(answer["silenceID"].as_str().context("no ID")?.to_owned())
    }

    /// All its silences, by their IDs: in what state, and with which matchers.
    pub async fn silences(&self) -> Result<Vec<(String, String, Value)>> {
        let silences = self.get("/api/v2/silences").await?;
        let one = |silence: &Value| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&silence["id"]), text(&silence["status"]["state"]), silence["matchers"].clone())
        };
        let mut all: Vec<_> = silences.as_array().context("no list")?.iter().map(one).collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(all)
    }

    /// The label sets of all its alerts, once there are as many as wanted; in order.
    pub async fn alerts(&self, wanted: usize) -> Result<Vec<Value>> {
        eventually(DEADLINE, || async move {
            let alerts = self.get("/api/v2/alerts").await?;
            let mut labels: Vec<Value> =
                alerts.as_array().context("no list")?.iter().map(|alert| alert["labels"].clone()).collect();
            labels.sort_by_key(ToString::to_string);
            ensure!(labels.len() == wanted, "{labels:?}");
            Ok(labels)
        })
        .await
    }
}

/// A silence with these matchers, as clients send it.
pub fn silence(matchers: &Value) -> Value {
    json!({
        "matchers": matchers, "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z",
        "createdBy": "a test", "comment": "none",
    })
}
