//! A real Envoy: started, awaited, asked, restarted, killed.

mod admin;

use std::{
    collections::BTreeMap,
    fmt::Display,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

pub use self::admin::Admin;
use crate::{
    client::Client,
    ports::Reservation,
    process::{Process, tail},
    wait::{DEADLINE, INTERVAL},
};

/// The binary: `ENVOY_BIN`, else `target/tools/envoy` in the workspace.
pub fn binary() -> PathBuf {
    std::env::var_os("ENVOY_BIN").map_or_else(|| crate::target_file("tools/envoy"), PathBuf::from)
}

/// How to start Envoy.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    bootstrap: String,
    concurrency: u32,
    variables: Vec<(String, String)>,
    files: Vec<(String, String)>,
    log_levels: Vec<String>,
    deadline: Duration,
}

impl Builder {
    /// Sets the number of workers; 1 unless said otherwise.
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// Sets a variable of its environment, as secrets are given.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts a file into the folder that it is started in.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Sets what one of its components logs (`router`, `debug`). They log warnings, and `wasm` also information, unless
    /// said otherwise.
    pub fn log(mut self, component: &str, level: &str) -> Self {
        self.log_levels.push(format!("{component}:{level}"));
        self
    }

    /// Sets how long it may take until it serves; [`DEADLINE`] unless said otherwise.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Starts it and waits until every listener serves.
    ///
    /// # Errors
    /// When it refuses its configuration, what it says about it.
    pub async fn start(self) -> Result<Envoy> {
        let dir = tempfile::Builder::new().prefix("scopegate-envoy-").tempdir()?;
        let running = self.run(&dir, 1).await?;
        let listeners = running.listeners.clone();
        Ok(Envoy { running: Some(running), builder: self, dir, starts: 1, listeners, reserved: Vec::new() })
    }

    async fn run(&self, dir: &TempDir, start: u32) -> Result<Running> {
        let (config, admin) = (dir.path().join("envoy.yaml"), dir.path().join(format!("admin-{start}")));
        std::fs::write(&config, &self.bootstrap)?;
        for (name, text) in &self.files {
            std::fs::write(dir.path().join(name), text)?;
        }
        let mut command = Command::new(binary());
        command.arg("--config-path").arg(&config).arg("--admin-address-path").arg(&admin);
        // Without hot restart any number can run at once.
        command.args(["--disable-hot-restart", "--concurrency", &self.concurrency.to_string()]);
        command.args(["--log-level", "warning", "--component-log-level", &self.log_levels.join(",")]);
        command.envs(self.variables.iter().cloned()).current_dir(dir.path());
        let mut process = Process::start(&format!("envoy-{start}"), command, dir.path())
            .context("no Envoy: run `cargo xtask setup`, or set ENVOY_BIN")?;

        let started = Instant::now();
        loop {
            if let Some(status) = process.ended()? {
                bail!("Envoy did not start ({status}): {}", complaints(&process.log()));
            }
            let left = self.deadline.saturating_sub(started.elapsed());
            match timeout(left, serving(&admin)).await {
                Ok(Ok((admin, listeners))) => return Ok(Running { process, admin, listeners }),
                Ok(Err(_)) => tokio::time::sleep(INTERVAL).await,
                Err(_) => {
                    bail!("Envoy does not serve after {:?}: {}", self.deadline, complaints(&process.log()))
                }
            }
        }
    }
}

/// Where Envoy listens, once it is live and its workers have started.
async fn serving(admin: &std::path::Path) -> Result<(Admin, BTreeMap<String, SocketAddr>)> {
    let address = std::fs::read_to_string(admin).context("no admin address yet")?;
    let admin = Admin::new(address.trim().parse().context("no whole admin address yet")?);
    let state = admin.get("/ready").await?;
    ensure!(state.trim() == "LIVE", "it is {state}");
    ensure!(admin.stat("listener_manager.workers_started").await? == Some(1), "workers have not started");
    let listeners = admin.listeners().await?;
    Ok((admin, listeners))
}

/// The messages of a log that say what is wrong, each with the lines it continues on.
fn complaints(log: &str) -> String {
    let mut complaints = Vec::new();
    let mut wrong = false;
    for line in log.lines() {
        // A message begins with its time.
        if line.starts_with("[2") {
            wrong = line.contains("][critical]") || line.contains("][error]");
        }
        if wrong {
            complaints.push(line);
        }
    }
    if complaints.is_empty() { tail(log) } else { complaints.join("\n") }
}

/// A running Envoy, killed on drop.
#[derive(Debug)]
pub struct Envoy {
    // Goes first, before the directory with its log.
    running: Option<Running>,
    builder: Builder,
    dir: TempDir,
    starts: u32,
    // Kept while it is down.
    listeners: BTreeMap<String, SocketAddr>,
    reserved: Vec<Reservation>,
}

#[derive(Debug)]
struct Running {
    process: Process,
    admin: Admin,
    listeners: BTreeMap<String, SocketAddr>,
}

impl Envoy {
    /// Prepares a start with this bootstrap, in YAML or JSON, such as a [`Bootstrap`](crate::bootstrap::Bootstrap).
    /// Its admin interface must be on port 0, and so should its listeners.
    pub fn builder(bootstrap: &(impl Display + ?Sized)) -> Builder {
        Builder {
            bootstrap: bootstrap.to_string(),
            concurrency: 1,
            variables: Vec::new(),
            files: Vec::new(),
            log_levels: vec!["wasm:info".to_owned()],
            deadline: DEADLINE,
        }
    }

    /// Starts with this bootstrap and one worker.
    pub async fn start(bootstrap: &(impl Display + ?Sized)) -> Result<Self> {
        Self::builder(bootstrap).start().await
    }

    /// Where the listener `name` listens, or listened while Envoy is down.
    pub fn listener(&self, name: &str) -> Result<SocketAddr> {
        self.listeners
            .get(name)
            .copied()
            .with_context(|| format!("no listener {name:?} in {:?}", self.listeners))
    }

    /// Where it listens, if it has one listener that is not internal.
    pub fn address(&self) -> Result<SocketAddr> {
        let mut all = self.listeners.values();
        match (all.next(), all.next()) {
            (Some(only), None) => Ok(*only),
            _ => bail!("not one listener: {:?}", self.listeners),
        }
    }

    /// An HTTP/1 client of [`address`](Self::address).
    pub fn http1(&self) -> Result<Client> {
        Ok(Client::http1(self.address()?))
    }

    /// An HTTP/2 client of [`address`](Self::address).
    pub fn http2(&self) -> Result<Client> {
        Ok(Client::http2(self.address()?))
    }

    /// Its admin interface.
    pub fn admin(&self) -> Result<Admin> {
        Ok(self.running()?.admin)
    }

    /// The process: its log (standard error), access log (standard output), CPU time and memory.
    pub fn process(&self) -> Result<&Process> {
        Ok(&self.running()?.process)
    }

    /// Waits until a line of its log contains `text`, and returns the line.
    pub async fn wait_for_log(&self, text: &str) -> Result<String> {
        self.process()?.wait_for_log(text, DEADLINE).await
    }

    /// Kills it and keeps its ports: connections are refused until [`up`](Self::up).
    pub fn down(&mut self) -> Result<()> {
        self.reserved =
            self.listeners.values().map(|address| Reservation::of(*address)).collect::<Result<_>>()?;
        self.running = None;
        Ok(())
    }

    /// Starts it again on the same ports.
    pub async fn up(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "it is up");
        self.builder.bootstrap = with_ports(&self.builder.bootstrap, &self.listeners);
        self.starts += 1;
        let running = self.builder.run(&self.dir, self.starts).await?;
        ensure!(
            running.listeners == self.listeners,
            "other ports: give the listeners of a YAML text fixed ones"
        );
        self.running = Some(running);
        self.reserved.clear();
        Ok(())
    }

    /// Kills it and starts it again on the same ports.
    pub async fn restart(&mut self) -> Result<()> {
        self.down()?;
        self.up().await
    }

    /// Kills it and starts it again on the same ports with another bootstrap, whose listeners bear the same names.
    pub async fn restart_with(&mut self, bootstrap: &(impl Display + ?Sized)) -> Result<()> {
        self.down()?;
        self.builder.bootstrap = bootstrap.to_string();
        self.up().await
    }

    /// Asks it to end by itself, and waits for the end. [`up`](Self::up) starts it again.
    pub async fn quit(&mut self) -> Result<()> {
        self.reserved =
            self.listeners.values().map(|address| Reservation::of(*address)).collect::<Result<_>>()?;
        let mut running = self.running.take().context("it is down")?;
        running.admin.post("/quitquitquit").await?;
        let started = Instant::now();
        while running.process.ended()?.is_none() {
            ensure!(started.elapsed() < DEADLINE, "it does not end");
            tokio::time::sleep(INTERVAL).await;
        }
        Ok(())
    }

    fn running(&self) -> Result<&Running> {
        self.running.as_ref().context("Envoy is down")
    }
}

/// The same bootstrap with the ports that were found. A bootstrap that is not JSON stays as it is.
fn with_ports(bootstrap: &str, ports: &BTreeMap<String, SocketAddr>) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(bootstrap) else { return bootstrap.to_owned() };
    let listeners = value.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut);
    for listener in listeners.into_iter().flatten() {
        let port = listener["name"].as_str().and_then(|name| ports.get(name)).map(SocketAddr::port);
        if let (Some(port), Some(address)) = (port, listener.pointer_mut("/address/socket_address")) {
            address["port_value"] = json!(port);
        }
    }
    value.to_string()
}
