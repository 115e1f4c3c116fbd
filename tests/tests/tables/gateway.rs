//! `examples/namespaces` as it is shipped, between stand-ins for the Kubernetes API, Cortex and Loki.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use scopegate_tests::{
    bootstrap::faults_module,
    client::{Answer, Client},
    cortex::Cortex,
    envoy::Envoy,
    example::{Example, file, yaml},
    identity::Issuer,
    kubernetes::{Kubernetes, Mount},
    loki,
    ports::Reservation,
    remote_write::{TimeSeries, WriteRequest, series},
    wait::{DEADLINE, eventually},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The label of the example.
pub(crate) const ORGANIZATION: &str = "appuio.io/organization";
/// Who may write.
pub(crate) const PROMETHEUS: &str = "system:serviceaccount:monitoring:prometheus";
/// Who may push logs.
pub(crate) const FORWARDER: &str = "system:serviceaccount:monitoring:log-forwarder";
/// The host by which Loki is called.
pub(crate) const LOGS: &str = "logs.monitoring.svc:8080";
/// The token of Envoy's own service account, at first.
pub(crate) const TOKEN: &str = "first-token";

pub(crate) struct World {
    pub(crate) cortex: Cortex,
    /// The same stand-in once more: it reads pushes as Loki does.
    pub(crate) loki: Cortex,
    pub(crate) kubernetes: Kubernetes,
    pub(crate) mount: Mount,
    pub(crate) cluster: Issuer,
    pub(crate) idp: Issuer,
    pub(crate) envoy: Envoy,
    address: SocketAddr,
    files: TempDir,
    /// How often the file with the listener was written.
    versions: u32,
}

/// A world that is not started yet.
pub(crate) struct Plan {
    pub(crate) cortex: Cortex,
    pub(crate) loki: Cortex,
    pub(crate) kubernetes: Kubernetes,
    pub(crate) mount: Mount,
    pub(crate) cluster: Issuer,
    pub(crate) idp: Issuer,
    pub(crate) files: TempDir,
    pub(crate) example: Example,
    pub(crate) workers: u32,
}

impl Plan {
    /// The example, with frequent refreshes and two workers.
    pub(crate) fn new() -> Result<Self> {
        let (cortex, loki) = (Cortex::start()?, Cortex::start()?);
        let (kubernetes, mount) = (Kubernetes::start(TOKEN)?, Mount::new(TOKEN)?);
        let cluster = Issuer::new("https://kubernetes.default.svc.cluster.local");
        let idp = Issuer::new("https://idp.example.org");
        let files = tempfile::tempdir()?;
        let source = files.path().join("kube-token.yaml");
        fs::write(&source, token_source(&mount.token())?)?;
        let example = without_grafana(Example::load("namespaces")?)?
            .keys("cluster", &cluster.jwks())?
            .keys("keycloak", &idp.jwks())?
            .cluster("cortex", cortex.address())?
            .cluster("loki", loki.address())?
            .cluster("kube-api", kubernetes.address())?
            .secret_source("kube-api", &source)?;
        let mut plan = Self { cortex, loki, kubernetes, mount, cluster, idp, files, example, workers: 2 };
        plan.table()?["kubernetes"]["refresh"] = json!("300ms");
        Ok(plan)
    }

    /// The table of the example.
    pub(crate) fn table(&mut self) -> Result<&mut Value> {
        Ok(&mut self.example.configuration()?["tables"]["organisations"])
    }

    /// The write rules of the example.
    pub(crate) fn write(&mut self) -> Result<&mut Value> {
        Ok(&mut self.example.configuration()?["write"]["metrics"])
    }

    /// A module that can be made to trap.
    pub(crate) fn with_faults(mut self) -> Result<Self> {
        let module = faults_module();
        ensure!(module.is_file(), "no module at {}: run `cargo xtask test`", module.display());
        let config = &mut self.example.filter("scopegate")?["config"];
        config["vm_config"]["code"]["local"]["filename"] = json!(module);
        Ok(self)
    }

    pub(crate) async fn start(self) -> Result<World> {
        let Self { cortex, loki, kubernetes, mount, cluster, idp, files, example, workers } = self;
        let envoy = Envoy::builder(&example).concurrency(workers).start().await?;
        let address = envoy.listener("gateway")?;
        Ok(World { cortex, loki, kubernetes, mount, cluster, idp, envoy, address, files, versions: 0 })
    }

    /// Starts it with its listener in a file of its own, as a `ConfigMap` brings it. Gives the listener too, for
    /// [`World::update`].
    pub(crate) async fn start_from_file(mut self) -> Result<(World, Value)> {
        let port = Reservation::any()?;
        self.example = self.example.port("gateway", port.address().port())?;
        let whole = self.example.value();
        let mut listener = whole["static_resources"]["listeners"][0].take();
        listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        whole["static_resources"]["listeners"] = json!([]);
        let path = self.files.path();
        symlink("current/listeners.json", path.join("listeners.json"))?;
        whole["dynamic_resources"] = json!({"lds_config": {"path_config_source": {
            "path": path.join("listeners.json"), "watched_directory": {"path": path},
        }}});
        write(path, 1, &listener)?;
        let Self { cortex, loki, kubernetes, mount, cluster, idp, files, example, workers } = self;
        let envoy = Envoy::builder(&example).concurrency(workers).start().await?;
        let address = port.address();
        Ok((
            World { cortex, loki, kubernetes, mount, cluster, idp, envoy, address, files, versions: 1 },
            listener,
        ))
    }
}

/// Swaps a version of the listener's file for the next, all at once.
fn write(path: &Path, version: u32, listener: &Value) -> Result<()> {
    let name = format!("version-{version}");
    fs::create_dir(path.join(&name))?;
    fs::write(path.join(&name).join("listeners.json"), json!({"resources": [listener]}).to_string())?;
    symlink(&name, path.join("next"))?;
    Ok(fs::rename(path.join("next"), path.join("current"))?)
}

/// The configuration of the filter within a listener.
pub(crate) fn configuration(listener: &mut Value) -> Result<&mut Value> {
    let filters = listener
        .pointer_mut("/filter_chains/0/filters/0/typed_config/http_filters")
        .and_then(Value::as_array_mut)
        .context("no filters")?;
    let filter = filters.iter_mut().find(|filter| filter["name"] == "scopegate").context("no filter")?;
    Ok(&mut filter["typed_config"]["config"]["configuration"]["value"])
}

/// What the example's README says to take out where there is no Grafana.
fn without_grafana(mut example: Example) -> Result<Example> {
    let configuration = example.configuration()?;
    configuration["tables"].as_object_mut().context("no tables")?.remove("grafana");
    for caller in configuration["callers"].as_array_mut().context("no callers")? {
        caller.as_object_mut().context("no caller")?.remove("narrow");
    }
    let clusters = example.value()["static_resources"]["clusters"].as_array_mut().context("no clusters")?;
    clusters.retain(|cluster| cluster["name"] != "grafana");
    Ok(example)
}

/// The shipped `kube-token.yaml`, for a token elsewhere.
fn token_source(token: &Path) -> Result<String> {
    let mut source = yaml(&file("namespaces", "kube-token.yaml"))?;
    let filename =
        source.pointer_mut("/resources/0/generic_secret/secret/filename").context("no file name")?;
    *filename = json!(token);
    Ok(source.to_string())
}

/// A series of a namespace.
pub(crate) fn of(namespace: &str, n: i64) -> TimeSeries {
    series(&[("__name__", "up"), ("namespace", namespace), ("pod", &format!("pod-{n}"))], n, 1.0)
}

impl World {
    /// Sends these series as the cluster's Prometheus.
    pub(crate) async fn send(&self, series: Vec<TimeSeries>) -> Result<Answer> {
        let token = self.cluster.token(json!({"sub": PROMETHEUS, "aud": ["scopegate"]}));
        let client = Client::http1(self.address);
        client.send(WriteRequest::of(series).push().bearer(&token)).await
    }

    /// Pushes these streams as the cluster's log forwarder.
    pub(crate) async fn push(&self, form: loki::Form, streams: &[loki::Stream]) -> Result<Answer> {
        let token = self.cluster.token(json!({"sub": FORWARDER, "aud": ["scopegate"]}));
        let call = loki::push(form, streams).authority(LOGS).bearer(&token);
        Client::http1(self.address).send(call).await
    }

    /// Puts another listener in the place of the one that is there.
    pub(crate) fn update(&mut self, listener: &Value) -> Result<()> {
        self.versions += 1;
        write(self.files.path(), self.versions, listener)
    }

    /// Sends one series of this namespace, and tells to whom it went.
    pub(crate) async fn goes_to(&self, namespace: &str) -> Result<String> {
        self.cortex.forget();
        self.send(vec![of(namespace, 1)]).await?.expect(200)?;
        let state = self.cortex.state();
        ensure!(state.requests.len() == 1, "{}", state.summary());
        state.requests[0].tenant.clone().context("no tenant")
    }

    /// Waits until series of this namespace go to this tenant, whichever worker takes them.
    pub(crate) async fn wait_until(&self, namespace: &str, tenant: &str) -> Result<()> {
        eventually(DEADLINE, || async {
            for _ in 0..4 {
                let found = self.goes_to(namespace).await?;
                ensure!(found == tenant, "{namespace} goes to {found}");
            }
            Ok(())
        })
        .await
    }

    /// A metric of the table, as Prometheus would scrape it.
    pub(crate) async fn metric(&self, name: &str, tags: &[&str]) -> Result<Option<u64>> {
        let text = self.envoy.admin()?.prometheus().await?;
        let line = text.lines().find(|line| {
            line.starts_with(&format!("scopegate_table_{name}{{"))
                && line.contains("table=\"organisations\"")
                && tags.iter().all(|tag| line.contains(tag))
        });
        line.and_then(|line| line.rsplit_once(' ')).map(|(_, value)| Ok(value.parse()?)).transpose()
    }

    /// Waits until a metric of the table is as `wanted` says; 0 while there is none.
    pub(crate) async fn wait_for_metric(
        &self,
        name: &str,
        tags: &[&str],
        wanted: impl Fn(u64) -> bool,
    ) -> Result<u64> {
        let wanted = &wanted;
        eventually(DEADLINE, || async move {
            let value = self.metric(name, tags).await?.unwrap_or_default();
            ensure!(wanted(value), "{name} {tags:?} is {value}");
            Ok(value)
        })
        .await
    }
}
