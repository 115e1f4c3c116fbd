//! A real Prometheus that scrapes, sends and is asked.

mod target;

use std::{
    collections::BTreeMap, fmt::Display, net::SocketAddr, path::PathBuf, process::Command, time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use self::target::Target;
use crate::{
    client::{Call, Client},
    process::{Process, tail},
    wait::{DEADLINE, INTERVAL, eventually},
};

/// The binary: `PROMETHEUS_BIN`, else `prometheus` on the path, if there is one.
pub fn binary() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("PROMETHEUS_BIN") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("prometheus")).find(|file| file.is_file())
}

/// A configuration that scrapes every target once a second under the job `target` and sends everything as each of
/// `remote_writes` (Prometheus' own `remote_write` entries) says, in small batches and with short backoffs.
///
/// The Prometheus of Debian 12 (`2.42.0+ds`) takes `headers` there and never sends them, so tests identify themselves by
/// `basic_auth` or `authorization`.
pub fn config(targets: &[SocketAddr], remote_writes: &[Value]) -> Value {
    let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
    let remote_writes: Vec<_> = remote_writes.iter().map(|remote_write| {
        let mut whole = json!({
            "queue_config": {
                "max_samples_per_send": 500, "batch_send_deadline": "200ms", "min_backoff": "50ms", "max_backoff": "500ms"
            },
            "metadata_config": {"send": true, "send_interval": "1s"},
        });
        for (field, value) in remote_write.as_object().into_iter().flatten() {
            whole[field] = value.clone();
        }
        whole
    }).collect();
    json!({
        "global": {"scrape_interval": "1s", "external_labels": {"cluster": "test"}},
        "scrape_configs": [{"job_name": "target", "static_configs": [{"targets": targets}]}],
        "remote_write": remote_writes,
    })
}

/// A running Prometheus on a free port, killed on drop with all its data.
#[derive(Debug)]
pub struct Prometheus {
    // Goes first, before the directory with its log.
    running: Option<Running>,
    binary: PathBuf,
    dir: TempDir,
    starts: u32,
    arguments: Vec<String>,
}

#[derive(Debug)]
struct Running {
    process: Process,
    address: SocketAddr,
    client: Client,
}

impl Prometheus {
    /// Starts with this configuration (YAML or JSON) and waits until it is ready. `None` if there is no Prometheus here.
    pub async fn start(config: &(impl Display + ?Sized)) -> Result<Option<Self>> {
        Self::start_with(config, &[]).await
    }

    /// The same with further arguments on its command line.
    pub async fn start_with(config: &(impl Display + ?Sized), arguments: &[&str]) -> Result<Option<Self>> {
        let Some(binary) = binary() else { return Ok(None) };
        let dir = tempfile::Builder::new().prefix("scopegate-prometheus-").tempdir()?;
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut prometheus = Self { running: None, binary, dir, starts: 0, arguments };
        prometheus.configure(&config.to_string())?;
        prometheus.up().await?;
        Ok(Some(prometheus))
    }

    /// Kills it. Its data stay.
    pub fn down(&mut self) {
        self.running = None;
    }

    /// Starts it again on the same data, on another port.
    pub async fn up(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "it is up");
        self.starts += 1;
        let mut command = Command::new(&self.binary);
        command
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg("--web.listen-address=127.0.0.1:0");
        command.arg("--web.enable-lifecycle").args(&self.arguments).current_dir(self.dir.path());
        let mut process = Process::start(&format!("prometheus-{}", self.starts), command, self.dir.path())?;

        let address = listening("Prometheus", &mut process).await?;
        let client = Client::http1(address);
        eventually(DEADLINE, || async move { client.get("/-/ready").await?.expect(200) }).await?;
        self.running = Some(Running { process, address, client });
        Ok(())
    }

    /// Gives it another configuration and waits until that is in force.
    pub async fn reload(&self, config: &(impl Display + ?Sized)) -> Result<()> {
        self.configure(&config.to_string())?;
        self.client()?.send(Call::post("/-/reload", "")).await?.expect(200)?;
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.running.as_ref().context("Prometheus is down")?.address)
    }

    /// A client of its API.
    pub fn client(&self) -> Result<Client> {
        Ok(self.running.as_ref().context("Prometheus is down")?.client)
    }

    /// The process with its log.
    pub fn process(&self) -> Result<&Process> {
        Ok(&self.running.as_ref().context("Prometheus is down")?.process)
    }

    /// Evaluates a query now: labels and value of each result.
    pub async fn query(&self, query: &str) -> Result<Vec<(BTreeMap<String, String>, f64)>> {
        let answer = self
            .client()?
            .send(Call::form("/api/v1/query", &[("query", query)]))
            .await?
            .expect(200)?
            .json()?;
        let results = answer["data"]["result"].as_array().context("no vector")?;
        results
            .iter()
            .map(|result| {
                let labels = serde_json::from_value(result["metric"].clone())?;
                let value = result["value"][1].as_str().context("no value")?.parse()?;
                Ok((labels, value))
            })
            .collect()
    }

    /// All samples it holds of a selector: labels, then times in milliseconds since 1970 and values.
    pub async fn samples(&self, selector: &str) -> Result<Vec<(BTreeMap<String, String>, Vec<(i64, f64)>)>> {
        let query = Call::form("/api/v1/query", &[("query", &format!("{selector}[1d]"))]);
        let answer = self.client()?.send(query).await?.expect(200)?.json()?;
        let results = answer["data"]["result"].as_array().context("no matrix")?;
        results
            .iter()
            .map(|result| {
                let values = result["values"].as_array().context("no values")?;
                let samples = values.iter().map(|point| {
                    let time = point[0].as_f64().context("no time")?;
                    #[expect(clippy::cast_possible_truncation, reason = "written with three digits")]
                    let time = (time * 1000.0).round() as i64;
                    Ok((time, point[1].as_str().context("no value")?.parse()?))
                });
                Ok((serde_json::from_value(result["metric"].clone())?, samples.collect::<Result<_>>()?))
            })
            .collect()
    }

    /// The sum over all series of one of its own metrics, such as `prometheus_remote_storage_samples_total`; 0 if there
    /// is none. It is read from the process, not from what was scraped.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let page = self.client()?.get("/metrics").await?.expect(200)?.text();
        let values = page.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(['{', ' ']).then(|| rest.rsplit_once(' '))??.1.parse::<f64>().ok()
        });
        Ok(values.sum())
    }

    /// Waits until one of its own metrics is as `wanted` says, and returns it.
    pub async fn wait_for_metric(&self, name: &str, wanted: impl Fn(f64) -> bool) -> Result<f64> {
        let wanted = &wanted;
        eventually(DEADLINE, || async move {
            let value = self.metric(name).await?;
            if wanted(value) { Ok(value) } else { bail!("{name} is {value}") }
        })
        .await
    }

    fn configure(&self, config: &str) -> Result<()> {
        Ok(std::fs::write(self.dir.path().join("prometheus.yml"), config)?)
    }
}

/// Waits until the log of a Prometheus, or of one of its relatives, says where it listens.
pub(crate) async fn listening(name: &str, process: &mut Process) -> Result<SocketAddr> {
    let started = Instant::now();
    loop {
        if let Some(status) = process.ended()? {
            bail!("{name} did not start ({status}): {}", tail(&process.log()));
        }
        match address(&process.log()) {
            Some(address) => return Ok(address),
            None if started.elapsed() > DEADLINE => {
                bail!("{name} does not listen: {}", tail(&process.log()))
            }
            None => tokio::time::sleep(INTERVAL).await,
        }
    }
}

fn address(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("msg=\"Listening on\""))?;
    line.rsplit_once("address=")?.1.trim().parse().ok()
}
