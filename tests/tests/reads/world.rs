//! One Envoy before both backends, with series of two tenants and some of nobody.
//!
//! Every series of a tenant has its name somewhere in its labels, and those that went around the gateway have `nobody`: so
//! an answer that holds the name of another has leaked.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin, route};
use scopegate_tests::client::{Answer, Call, Client};
use scopegate_tests::envoy::Envoy;
use scopegate_tests::identity::basic;
use scopegate_tests::prometheus::Prometheus;
use scopegate_tests::remote_write::{TimeSeries, WriteRequest, series};
use scopegate_tests::victoriametrics::VictoriaMetrics;
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

/// The key of the password hashes.
const KEY: &str = "0123456789abcdef0123456789abcdef";
/// The password of every user; their names are those of their tenants.
pub(crate) const PASSWORD: &str = "secret";
/// The tenants.
pub(crate) const TENANTS: [&str; 2] = ["team-a", "team-b"];
/// What no answer to `team-a` may hold.
pub(crate) const FOREIGN: [&str; 2] = ["team-b", "nobody"];

/// The backends, by the hosts they are called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Prometheus,
    VictoriaMetrics,
}

impl Backend {
    pub(crate) fn host(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus.test",
            Self::VictoriaMetrics => "victoria.test",
        }
    }
}

pub(crate) struct World {
    pub(crate) envoy: Envoy,
    pub(crate) prometheus: Prometheus,
    pub(crate) victoria: VictoriaMetrics,
    /// When the series were written, in milliseconds since 1970.
    pub(crate) written: i64,
}

/// A user of the configuration.
pub(crate) fn user(name: &str, tenants: &[&str]) -> Value {
    let hash = scopegate_core::caller::password_hash(KEY.as_bytes(), name, PASSWORD.as_bytes()).unwrap();
    json!({"username": name, "password": hash, "tenants": tenants})
}

/// Another gateway, of which all goes to one cluster.
pub(crate) async fn gateway_before(
    configuration: &Value,
    address: SocketAddr,
    listener: impl FnOnce(Listener) -> Listener,
) -> Result<Envoy> {
    let listener = listener(Listener::new("gateway"))
        .filter(Plugin::structured(configuration).variable("KEY", KEY).filter())
        .route("/", "backend");
    Envoy::start(&Bootstrap::new().listener(listener).cluster(Cluster::http1("backend", address))).await
}

/// The call as this user.
pub(crate) fn signed(call: Call, user: &str) -> Call {
    call.header("authorization", basic(user, PASSWORD))
}

fn configuration() -> Value {
    let callers = |users: Vec<Value>| json!({"key": {"env": "KEY"}, "users": users});
    json!({
        "backends": [
            {"name": "prometheus", "kind": "prometheus", "host": Backend::Prometheus.host(), "isolate": {"label": "tenant"}},
            {"name": "victoria", "kind": "victoriametrics", "host": Backend::VictoriaMetrics.host(), "isolate": {"label": "tenant"}},
        ],
        "callers": [
            {"name": "users", "may": ["write", "read"], "basic": callers(vec![
                user("team-a", &["team-a"]), user("team-b", &["team-b"]), user("both", &TENANTS),
            ])},
            {"name": "administrators", "may": ["read"], "unfiltered": true, "basic": callers(vec![user("admin", &["platform"])])},
        ],
    })
}

/// The series of one of them. A `tenant` that it says itself must count for nothing.
fn series_of(who: &str, time: i64) -> WriteRequest {
    let own = |labels: &[(&str, &str)], value| -> TimeSeries {
        let mut labels = [labels, &[("owner", who)]].concat();
        labels.sort_unstable();
        series(&labels, time, value)
    };
    let instance = format!("{who}:9090");
    let extra = format!("only_{}", who.replace('-', "_"));
    WriteRequest::of(vec![
        own(&[("__name__", "up"), ("job", "api"), ("instance", &instance)], 1.0),
        own(&[("__name__", "http_requests_total"), ("job", "api"), ("code", "200")], 5.0),
        own(&[("__name__", "http_requests_total"), ("job", "api"), ("code", "500")], 2.0),
        own(&[("__name__", "bucket"), ("job", "api"), ("le", "+Inf")], 7.0),
        own(&[("__name__", &extra), (&extra, "x")], 1.0),
    ])
}

fn push(path: &str, request: &WriteRequest) -> Call {
    Call::post(path, request.body())
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .header("x-prometheus-remote-write-version", "0.1.0")
}

/// Another gateway before the same Prometheus, for clients that cannot name a host: it has that one backend.
pub(crate) async fn gateway_by_address(world: &World) -> Result<Envoy> {
    let mut configuration = configuration();
    configuration["backends"] =
        json!([{"name": "prometheus", "kind": "prometheus", "isolate": {"label": "tenant"}}]);
    let listener = Listener::new("gateway")
        .filter(Plugin::structured(&configuration).variable("KEY", KEY).filter())
        .route("/", "prometheus");
    let cluster = Cluster::http1("prometheus", world.prometheus.address()?);
    Envoy::start(&Bootstrap::new().listener(listener).cluster(cluster)).await
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        let config = json!({"global": {"scrape_interval": "1h"}});
        let prometheus = Prometheus::start_with(&config, &["--web.enable-remote-write-receiver"])
            .await?
            .context("no Prometheus here")?;
        let victoria = VictoriaMetrics::start().await?;
        let mut to_victoria = route("/", "victoria");
        to_victoria["match"]["headers"] =
            json!([{"name": ":authority", "string_match": {"exact": Backend::VictoriaMetrics.host()}}]);
        let listener = Listener::new("gateway")
            .filter(Plugin::structured(&configuration()).variable("KEY", KEY).filter())
            .raw_route(to_victoria)
            .route("/", "prometheus");
        let bootstrap = Bootstrap::new()
            .listener(listener)
            .cluster(Cluster::http1("prometheus", prometheus.address()?))
            .cluster(Cluster::http1("victoria", victoria.address()));
        let envoy = Envoy::start(&bootstrap).await?;
        // A whole second, and one that every backend's clock has passed.
        let written = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())? * 1000 - 5000;
        let world = Self { envoy, prometheus, victoria, written };
        world.write().await?;
        Ok(world)
    }

    /// Tenants write through the gateway, nobody around it.
    async fn write(&self) -> Result<()> {
        let client = self.client()?;
        for tenant in TENANTS {
            let request = series_of(tenant, self.written).with_label("tenant", |_| "forged".to_owned());
            for backend in [Backend::Prometheus, Backend::VictoriaMetrics] {
                client.send(as_user(push("/api/v1/write", &request), backend, tenant)).await?.expect(204)?;
            }
        }
        let nobody = push("/api/v1/write", &series_of("nobody", self.written));
        for backend in [self.prometheus.client()?, Client::http1(self.victoria.address())] {
            backend.send(nobody.clone()).await?.expect(204)?;
        }
        self.victoria.series("up", 3).await?;
        let prometheus = &self.prometheus;
        eventually(DEADLINE, || async move {
            let found = prometheus.query("up").await?;
            ensure!(found.len() == 3, "{found:?}");
            Ok(())
        })
        .await
    }

    pub(crate) fn client(&self) -> Result<Client> {
        Ok(Client::http1(self.envoy.listener("gateway")?))
    }

    /// Sends a call to a backend as this user.
    pub(crate) async fn ask(&self, backend: Backend, user: &str, call: Call) -> Result<Answer> {
        self.client()?.send(as_user(call, backend, user)).await
    }
}

/// The call, to a backend, as this user.
pub(crate) fn as_user(call: Call, backend: Backend, user: &str) -> Call {
    signed(call.authority(backend.host()), user)
}
