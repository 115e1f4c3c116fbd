//! An Envoy with the filter, and requests that make every metric move.

use anyhow::Result;
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin, faults_module};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::{Cortex, Fault};
use scopegate_tests::envoy::Envoy;
use scopegate_tests::identity::basic;
use scopegate_tests::prometheus::Target;
use scopegate_tests::remote_write::{MetricMetadata, WriteRequest, push, series};
use serde_json::{Value, json};

const KEY: &str = "0123456789abcdef0123456789abcdef";
/// How many calls a worker may have under way.
const CALLS: usize = 4;
/// The host of the backend that is only observed.
const OBSERVED: &str = "observed.example.org";

/// A running gateway, and what stands around it.
pub(crate) struct World {
    pub(crate) envoy: Envoy,
    cortex: Cortex,
    _table: Target,
}

fn configuration() -> Result<Value> {
    let hash = scopegate_core::caller::password_hash(KEY.as_bytes(), "forwarder", b"secret");
    let hash = hash.map_err(anyhow::Error::msg)?;
    Ok(json!({
        "backends": [
            {"name": "metrics", "kind": "cortex"},
            {"name": "observed", "kind": "cortex", "host": OBSERVED, "mode": "observe"},
        ],
        "callers": [{
            "name": "forwarders",
            "basic": {"key": {"env": "KEY"}, "users": [
                {"username": "forwarder", "password": [hash], "tenants": ["platform"]},
            ]},
            "may": ["write", "read"],
            "on_behalf_of": ["team-*"],
        }],
        "tables": {"organisations": {"http": {"cluster": "table", "path": "/", "authority": "table", "refresh": "1s"}}},
        "write": {"metrics": {
            "tenant": [{"label": "namespace", "table": "organisations"}],
            "on_absent": "reject_series",
            "metadata": "drop",
            "on_unmapped": "reject_series",
            "also_write": [{"tenant": "team-a", "to": "team-next", "until": "2999-01-01T00:00:00Z"}],
            "calls": {"timeout": "1s"},
            "answers": {"rate_limited": "drop", "give_up": {"after": "1s"}},
        }},
        "limits": {"request_bytes": "64KiB", "calls_per_worker": CALLS},
        "metrics": {"by_tenant": "all", "histograms": true, "tenants": {"pinned": ["team-a", "team-b", "team-c"]}},
    }))
}

impl World {
    /// The gateway on the listener `gateway`, and the same on `small`, whose buffer is smaller than the filter's limit.
    pub(crate) async fn start() -> Result<Self> {
        let cortex = Cortex::start()?;
        cortex.fault("team-b", Fault::answer(500));
        cortex.fault("team-c", Fault::answer(429));
        cortex.fault("team-slow", Fault::hang());
        let table = Target::fixed(
            r#"{"a": "team-a", "b": "team-b", "c": "team-c", "slow": "team-slow", "bad": "no tenant"}"#,
        )?;
        let plugin = Plugin::structured(&configuration()?).variable("KEY", KEY).module(&faults_module());
        let listener = |name: &str| Listener::new(name).filter(plugin.clone().filter()).route("/", "cortex");
        let bootstrap = Bootstrap::new()
            .listener(listener("gateway"))
            .listener(listener("small").buffer_limit(16 << 10))
            .cluster(Cluster::http2("cortex", cortex.address()))
            .cluster(Cluster::http1("table", table.address()))
            .filter_tags();
        let envoy = Envoy::builder(&bootstrap).start().await?;
        Ok(Self { envoy, cortex, _table: table })
    }

    fn client(&self, listener: &str) -> Result<Client> {
        Ok(Client::http1(self.envoy.listener(listener)?))
    }

    /// One request of every kind. How they are answered is other tests' business; here it is counted.
    pub(crate) async fn round(&self) -> Result<()> {
        let one = |namespace: &str| series(&[("__name__", "up"), ("namespace", namespace)], 1, 1.0);
        let of = |namespaces: &[&str]| WriteRequest::of(namespaces.iter().map(|name| one(name)).collect());
        let noise: Vec<u8> = (0..70_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let client = self.client("gateway")?;
        let metadata = WriteRequest {
            metadata: vec![MetricMetadata {
                metric_family_name: "nobodys".to_owned(),
                ..MetricMetadata::default()
            }],
            ..WriteRequest::default()
        }
        .push();
        let split = of(&["a", "b", "c", "unknown"]).push();
        let calls = [
            as_forwarder(of(&["a"]).push()),
            as_forwarder(split.clone()),
            // Again: what was settled is not sent again.
            as_forwarder(split),
            as_forwarder(metadata),
            as_forwarder(Call::get("/prometheus/api/v1/query?query=up")),
            as_forwarder(Call::get("/config")),
            Call::get("/prometheus/api/v1/query?query=up"),
            Call::get("/prometheus/api/v1/query?query=up")
                .header("authorization", basic("forwarder", "guessed")),
            as_forwarder(push(noise.clone())),
            as_forwarder(Call::get("/prometheus/api/v1/query?query=up").authority(OBSERVED))
                .tenant("elsewhere"),
        ];
        for call in calls {
            client.send(call).await?;
        }
        self.client("small")?.send(as_forwarder(push(noise[..32 << 10].to_vec()))).await?;
        self.overload(&of(&["a", "slow"])).await
    }

    /// As many requests as take all calls, which nobody answers, and one more.
    async fn overload(&self, slow: &WriteRequest) -> Result<()> {
        let client = self.client("gateway")?;
        let arrived = self.cortex.state().requests.len();
        let under_way: Vec<_> = (0..CALLS)
            .map(|_| {
                tokio::spawn({
                    let call = as_forwarder(slow.push());
                    async move { client.send(call).await }
                })
            })
            .collect();
        self.cortex.wait_for("the calls", |state| state.requests.len() >= arrived + CALLS).await?;
        client.send(as_forwarder(slow.push())).await?;
        for request in under_way {
            request.await??;
        }
        Ok(())
    }

    /// Makes the module trap.
    pub(crate) async fn trap(&self) -> Result<()> {
        let call =
            as_forwarder(Call::get("/prometheus/api/v1/labels")).header("x-scopegate-fault", "headers");
        self.client("gateway")?.send(call).await?;
        Ok(())
    }
}

fn as_forwarder(call: Call) -> Call {
    call.header("authorization", basic("forwarder", "secret"))
}
