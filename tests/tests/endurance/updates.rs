//! Configurations that change while Envoy runs: a listener that comes from a file, as a `ConfigMap` of Kubernetes brings
//! it. A bad one changes nothing, a good one is in force for what comes after it, and what is under way ends as it began.

use std::{fs, net::SocketAddr, os::unix::fs::symlink};

use anyhow::{Context, Result, ensure};
use scopegate_tests::{
    bootstrap::{Bootstrap, Cluster, Listener},
    client::{Call, Client, Protocol},
    cortex::{Cortex, Fault, Gate},
    envoy::Envoy,
    ports::Reservation,
    wait::{DEADLINE, eventually},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    batch::{Batch, Naming, assert_all_received, assert_received},
    gateway::{LABEL, OWN, known, plugin, policy, wait_for_rest},
};

/// An Envoy whose listener stands in a file.
pub(crate) struct Dynamic {
    pub(crate) envoy: Envoy,
    pub(crate) cortex: Cortex,
    files: Files,
    port: Reservation,
}

/// The directory with the listener's file, of which a version is swapped for the next all at once.
struct Files {
    dir: TempDir,
    versions: u32,
}

impl Files {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        symlink("current/listeners.json", dir.path().join("listeners.json"))?;
        Ok(Self { dir, versions: 0 })
    }

    /// Puts this text in the place of the file.
    fn write(&mut self, text: &str) -> Result<()> {
        self.versions += 1;
        let version = format!("version-{}", self.versions);
        let path = |name: &str| self.dir.path().join(name);
        fs::create_dir(path(&version))?;
        fs::write(path(&version).join("listeners.json"), text)?;
        symlink(&version, path("next"))?;
        Ok(fs::rename(path("next"), path("current"))?)
    }
}

/// The file with a listener at this address and this configuration of the filter.
fn listeners(address: SocketAddr, configuration: &Value) -> Result<String> {
    let listener = Listener::new("gateway").filter(plugin(configuration).filter()).route("/", "cortex");
    let mut bootstrap = Bootstrap::new().listener(listener).into_value();
    let listener = bootstrap.pointer_mut("/static_resources/listeners/0").context("no listener")?;
    listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    listener["address"]["socket_address"]["port_value"] = json!(address.port());
    Ok(json!({"resources": [listener]}).to_string())
}

impl Dynamic {
    /// Starts with this configuration of the filter.
    pub(crate) async fn start(configuration: &Value) -> Result<Self> {
        let (cortex, port, mut files) = (Cortex::start()?, Reservation::any()?, Files::new()?);
        files.write(&listeners(port.address(), configuration)?)?;
        let source = json!({"path_config_source": {
            "path": files.dir.path().join("listeners.json"),
            "watched_directory": {"path": files.dir.path()},
        }});
        let bootstrap = Bootstrap::new()
            .cluster(Cluster::http2("cortex", cortex.address()))
            .set("dynamic_resources", json!({"lds_config": source}));
        let envoy = Envoy::start(&bootstrap).await?;
        Ok(Self { envoy, cortex, files, port })
    }

    /// A client of it.
    pub(crate) fn client(&self, protocol: Protocol) -> Client {
        match protocol {
            Protocol::Http1 => Client::http1(self.port.address()),
            Protocol::Http2 => Client::http2(self.port.address()),
        }
    }

    /// Puts this configuration in the place of the one before.
    pub(crate) fn update(&mut self, configuration: &Value) -> Result<()> {
        self.files.write(&listeners(self.port.address(), configuration)?)
    }

    /// Waits until so many updates of the file had this end.
    async fn wait_for_updates(&self, end: &str, count: u64) -> Result<()> {
        let counter = format!("listener_manager.lds.update_{end}");
        self.envoy.admin()?.wait_for_stat(&counter, |updates| updates >= count).await.map(drop)
    }

    /// Sends a batch, which must go through.
    async fn sends(&self, protocol: Protocol, batch: Batch) -> Result<Batch> {
        self.client(protocol).send(batch.push()).await?.expect(200)?;
        Ok(batch)
    }
}

/// A configuration that the filter refuses, and how its log says so.
fn bad() -> [(Value, &'static str); 2] {
    let (mut unknown, mut nobody) = (policy(), policy());
    unknown["write"]["metrics"]["tenants"] = json!([]);
    nobody["callers"][0]["tenants"] = json!(7);
    [
        (unknown, "the configuration is refused: write.metrics.tenants: unknown field `tenants`"),
        (nobody, "the configuration is refused: callers[0].tenants: "),
    ]
}

#[tokio::test]
async fn a_bad_configuration_stops_envoy_at_its_start() -> Result<()> {
    let cortex = Cortex::start()?;
    for (configuration, message) in bad() {
        let listener = Listener::new("gateway").filter(plugin(&configuration).filter()).route("/", "cortex");
        let bootstrap =
            Bootstrap::new().listener(listener).cluster(Cluster::http2("cortex", cortex.address()));
        let Err(error) = Envoy::start(&bootstrap).await else { panic!("it started: {message}") };
        assert!(format!("{error:#}").contains(message), "{error:#}");
    }
    Ok(())
}

#[tokio::test]
async fn updates_change_what_comes_after_them() -> Result<()> {
    let mut dynamic = Dynamic::start(&policy()).await?;
    let mut arrived = vec![dynamic.sends(Protocol::Http1, Batch::of(&["team-a", OWN])).await?];

    // Under way from here on: a split whose call is held, and an upload.
    let gate = Gate::new();
    dynamic.cortex.fault("team-held", Fault::hold(&gate));
    let (held, uploaded) = (Batch::of(&["team-held", "team-b"]), Batch::of(&["team-c", OWN]));
    let mut holding = dynamic.client(Protocol::Http1).open(held.push()).await?;
    holding.end();
    let body = uploaded.body();
    let (first, rest) = body.split_at(body.len() / 2);
    let call = uploaded.push().chunks([first.to_vec()]);
    let mut uploading = dynamic.client(Protocol::Http2).open(call).await?;
    dynamic.cortex.wait_for("the parts", |state| state.requests.len() == 4).await?;
    dynamic.envoy.admin()?.wait_for_stat("http.gateway.downstream_rq_active", |active| active == 2).await?;

    for (number, (configuration, message)) in (1..).zip(bad()) {
        dynamic.update(&configuration)?;
        dynamic.wait_for_updates("rejected", number).await?;
        dynamic.envoy.wait_for_log(message).await?;
        for protocol in [Protocol::Http1, Protocol::Http2] {
            arrived.push(dynamic.sends(protocol, Batch::of(&["team-a", OWN])).await?);
        }
    }
    dynamic.files.write("{\"resources\": [")?;
    dynamic.wait_for_updates("failure", 1).await?;
    arrived.push(dynamic.sends(Protocol::Http1, Batch::of(&["team-a", OWN])).await?);

    let mut moved = policy();
    moved["callers"][0]["tenants"] = json!(["moved"]);
    dynamic.update(&moved)?;
    let query = || known(Call::get("/prometheus/api/v1/labels"));
    eventually(DEADLINE, || async {
        dynamic.client(Protocol::Http1).send(query()).await?.expect(200)?;
        let state = dynamic.cortex.state();
        let tenant = state.to("/prometheus/api/v1/labels").last().and_then(|query| query.tenant.as_deref());
        ensure!(tenant == Some("moved"), "still {tenant:?}");
        Ok(())
    })
    .await?;
    let naming = Naming { label: LABEL, removed: false, own: "moved" };
    for protocol in [Protocol::Http1, Protocol::Http2] {
        arrived.push(dynamic.sends(protocol, Batch::named(naming, 0, &["team-a", "moved"])).await?);
    }

    // What began before ends as it would have.
    uploading.write(rest.to_vec()).await?;
    uploading.finish().await?.expect(200)?;
    gate.open();
    holding.answer().await?.expect(200)?;
    arrived.extend([held, uploaded]);
    wait_for_rest(dynamic.envoy.admin()?).await?;
    let mut state = dynamic.cortex.state();
    state.requests.retain(|request| request.path() == "/api/v1/push");
    assert_all_received("over all updates", &state, &arrived.iter().collect::<Vec<_>>());
    Ok(())
}

/// What is remembered of a request for when it comes again was decided by one configuration, and leaves out nothing
/// under another, however little that differs; under the first one it holds still.
#[tokio::test]
async fn under_a_new_configuration_nothing_is_left_out() -> Result<()> {
    const TENANTS: [&str; 3] = ["team-a", "team-b", "team-c"];
    let (mut first, mut second) = (policy(), policy());
    first["callers"][0]["may"] = json!(["write", "read", "admin"]);
    second["callers"][0]["may"] = first["callers"][0]["may"].clone();
    second["report"] = json!({});
    let mut dynamic = Dynamic::start(&first).await?;
    let batch = Batch::of(&TENANTS);
    let attempt = async |dynamic: &Dynamic, status: u16| {
        let answer = dynamic.client(Protocol::Http1).send(batch.push()).await?.expect(status)?;
        let outcome = answer.header("x-scopegate-outcome").unwrap_or_default();
        let mut parts: Vec<_> = outcome.split(", ").map(str::to_owned).collect();
        parts.sort_unstable();
        anyhow::Ok(parts)
    };
    // Only the second one has a report.
    let in_force = async |dynamic: &Dynamic, status: u16| {
        let report = || known(Call::get("/-/scopegate/report"));
        let client = dynamic.client(Protocol::Http1);
        eventually(DEADLINE, || async { client.send(report()).await?.expect(status).map(drop) }).await
    };

    dynamic.cortex.fault("team-b", Fault::answer(503).times(2));
    in_force(&dynamic, 404).await?;
    assert_eq!(attempt(&dynamic, 503).await?, ["team-a=200", "team-b=503", "team-c=200"]);
    dynamic.update(&second)?;
    in_force(&dynamic, 200).await?;
    assert_eq!(attempt(&dynamic, 503).await?, ["team-a=200", "team-b=503", "team-c=200"], "all of it again");
    assert_eq!(attempt(&dynamic, 200).await?, ["team-a=200;before", "team-b=200", "team-c=200;before"]);
    dynamic.update(&first)?;
    in_force(&dynamic, 404).await?;
    assert_eq!(attempt(&dynamic, 200).await?, ["team-a=200;before", "team-b=200", "team-c=200;before"]);
    // And where labels lead elsewhere, everybody who is meant now gets it.
    dynamic.cortex.fault("team-b", Fault::answer(503).times(1));
    assert_eq!(attempt(&dynamic, 503).await?, ["team-a=200", "team-b=503", "team-c=200"]);
    let mut moved = second.clone();
    moved["write"]["metrics"]["tenant"] = json!([{"label": LABEL, "table": "moved"}, "caller"]);
    moved["tables"]["moved"] =
        json!({"static": {"team-a": "team-b", "team-b": "team-b", "team-c": "team-a"}});
    dynamic.update(&moved)?;
    in_force(&dynamic, 200).await?;
    assert_eq!(attempt(&dynamic, 200).await?, ["team-a=200", "team-b=200"]);
    wait_for_rest(dynamic.envoy.admin()?).await?;

    let mut state = dynamic.cortex.state();
    state.requests.retain(|request| request.path() == "/api/v1/push");
    let before = state.requests.len() - 2;
    let last = state.requests.split_off(before);
    let series = |tenant: &str| {
        let of = last.iter().filter(|request| request.tenant.as_deref() == Some(tenant));
        of.filter_map(|request| request.push.as_ref()?.as_ref().ok())
            .map(|push| push.series.len())
            .sum::<usize>()
    };
    assert_eq!((series("team-a"), series("team-b")), (3, 6));
    assert_received("over all", &state, &[(&batch, &[("team-a", 3), ("team-b", 5), ("team-c", 3)])]);
    Ok(())
}

/// Where the first configuration is bad there is no listener, rather than one without the filter.
#[tokio::test]
async fn nobody_listens_before_the_first_good_one() -> Result<()> {
    let [(configuration, message), _] = bad();
    let mut dynamic = Dynamic::start(&configuration).await?;
    dynamic.envoy.wait_for_log(message).await?;
    dynamic.wait_for_updates("rejected", 1).await?;
    assert!(dynamic.client(Protocol::Http1).connect().await.is_err());

    dynamic.update(&policy())?;
    let batch = eventually(DEADLINE, || dynamic.sends(Protocol::Http2, Batch::of(&["team-a", OWN]))).await?;
    assert_all_received("after the good one", &dynamic.cortex.state(), &[&batch]);
    Ok(())
}
