//! A gateway under test: an Envoy with the filter in front of the stand-in, and who calls it.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use scopegate_core::caller::password_hash;
use scopegate_tests::{
    bootstrap::{Bootstrap, Cluster, Listener, Plugin},
    client::{Call, Client, Protocol},
    cortex::Cortex,
    envoy::{Admin, Envoy},
    identity::basic,
    wait::{DEADLINE, eventually},
};
use serde_json::{Value, json};

/// The caller's own tenant.
pub(crate) const OWN: &str = "own";
/// The label that names the tenant of a series.
pub(crate) const LABEL: &str = "namespace";
/// The user name and the password of the caller.
pub(crate) const CREDENTIALS: (&str, &str) = ("agent", "a long enough secret");

/// The key of the passwords.
pub(crate) const KEY: &str = "a key of the tests alone";

/// One caller that writes for every tenant by label and reads its own, in front of one Cortex.
pub(crate) fn policy() -> Value {
    json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [{
            "name": "agents",
            "basic": {"key": {"env": "KEY"}, "users": [user()]},
            "tenants": [OWN],
            "may": ["write", "read"],
            "on_behalf_of": ["*"],
        }],
        "write": {"metrics": {"tenant": [{"label": LABEL}, "caller"], "calls": {"timeout": "20s"}}},
    })
}

/// The [`policy`] with the calls made like this, and these limits.
pub(crate) fn bounded(calls: Value, limits: Value) -> Value {
    let mut policy = policy();
    policy["write"]["metrics"]["calls"] = calls;
    policy["limits"] = limits;
    policy
}

/// The caller as it stands in a configuration.
pub(crate) fn user() -> Value {
    let (name, password) = CREDENTIALS;
    // A key that is too short would be refused by the filter as well.
    let hash = password_hash(KEY.as_bytes(), name, password.as_bytes()).unwrap_or_default();
    json!({"username": name, "password": hash})
}

/// The call with the caller's credentials.
pub(crate) fn known(call: Call) -> Call {
    call.header("authorization", basic(CREDENTIALS.0, CREDENTIALS.1))
}

/// The filter with this configuration and the key of its passwords.
pub(crate) fn plugin(configuration: &Value) -> Plugin {
    Plugin::structured(configuration).variable("KEY", KEY)
}

/// A running gateway. Envoy goes first, so that the end of the stand-in is not what its log ends with.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) envoy: Envoy,
    pub(crate) cortex: Cortex,
}

/// How to start a [`Gateway`].
#[must_use]
pub(crate) struct Builder {
    listeners: Vec<(String, Plugin)>,
    upstream: Protocol,
    workers: u32,
    idle: &'static str,
}

impl Builder {
    /// A listener with this configuration of the filter, one worker, and HTTP/2 to the stand-in.
    pub(crate) fn new(listener: &str, configuration: &Value) -> Self {
        Self { listeners: Vec::new(), upstream: Protocol::Http2, workers: 1, idle: "60s" }
            .beside(listener, configuration)
    }

    /// One more listener, with another configuration of the filter.
    pub(crate) fn beside(mut self, name: &str, configuration: &Value) -> Self {
        self.listeners.push((name.to_owned(), plugin(configuration)));
        self
    }

    /// Speaks this protocol to the stand-in.
    pub(crate) fn upstream(mut self, protocol: Protocol) -> Self {
        self.upstream = protocol;
        self
    }

    /// Sets the number of workers.
    pub(crate) fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// Sets how long a stream may be idle.
    pub(crate) fn idle(mut self, time: &'static str) -> Self {
        self.idle = time;
        self
    }

    /// Starts it.
    pub(crate) async fn start(self) -> Result<Gateway> {
        let cortex = Cortex::start()?;
        let mut bootstrap = clusters(Bootstrap::new(), self.upstream, cortex.address());
        for (name, plugin) in self.listeners {
            let listener = Listener::new(&name)
                .buffer_limit(9 << 20)
                .durations("300s", self.idle)
                .filter(plugin.filter());
            bootstrap = bootstrap.listener(listener.route("/", "cortex"));
        }
        let envoy = Envoy::builder(&bootstrap).concurrency(self.workers).start().await?;
        Ok(Gateway { envoy, cortex })
    }
}

/// Adds the clusters: `cortex` is the stand-in, and so is `tight`, for one request at a time; `nobody` has no host, and
/// `parts` leads to the stand-in by an internal listener without the filter.
fn clusters(bootstrap: Bootstrap, upstream: Protocol, cortex: SocketAddr) -> Bootstrap {
    let to_cortex = |name| match upstream {
        Protocol::Http1 => Cluster::http1(name, cortex),
        Protocol::Http2 => Cluster::http2(name, cortex),
    };
    bootstrap
        .cluster(to_cortex("cortex"))
        .cluster(to_cortex("tight").set("circuit_breakers", json!({"thresholds": [{"max_requests": 1}]})))
        .cluster(to_cortex("nobody").set("load_assignment", json!({"cluster_name": "nobody"})))
        .cluster(Cluster::internal("parts", "inner"))
        .listener(Listener::internal("inner").route("/", "cortex"))
}

impl Gateway {
    /// Starts one with this configuration of the filter.
    pub(crate) async fn start(configuration: &Value) -> Result<Self> {
        Builder::new("gateway", configuration).start().await
    }

    /// A client of the listener `gateway`.
    pub(crate) fn client(&self, protocol: Protocol) -> Result<Client> {
        self.client_of("gateway", protocol)
    }

    /// A client of this listener.
    pub(crate) fn client_of(&self, listener: &str, protocol: Protocol) -> Result<Client> {
        let address = self.envoy.listener(listener)?;
        Ok(match protocol {
            Protocol::Http1 => Client::http1(address),
            Protocol::Http2 => Client::http2(address),
        })
    }

    /// Envoy's admin interface.
    pub(crate) fn admin(&self) -> Result<Admin> {
        self.envoy.admin()
    }

    /// Waits until this many requests of clients are under way.
    pub(crate) async fn wait_for_requests(&self, count: u64) -> Result<()> {
        self.admin()?
            .wait_for_stat("http.gateway.downstream_rq_active", |active| active == count)
            .await
            .map(drop)
    }

    /// Waits until this many calls and forwarded requests are under way to the stand-in.
    pub(crate) async fn wait_for_calls(&self, count: u64) -> Result<()> {
        self.admin()?
            .wait_for_stat("cluster.cortex.upstream_rq_active", |active| active == count)
            .await
            .map(drop)
    }

    /// Waits until nothing is under way.
    pub(crate) async fn wait_for_rest(&self) -> Result<()> {
        wait_for_rest(self.admin()?).await
    }
}

/// Waits until nothing is under way in an Envoy, of clients or to clusters.
pub(crate) async fn wait_for_rest(admin: Admin) -> Result<()> {
    eventually(DEADLINE, || async move {
        let mut active = admin.stats("rq_active$").await?;
        // Asking is a request as well.
        active.retain(|name, count| name != "http.admin.downstream_rq_active" && *count > 0);
        ensure!(active.is_empty(), "still under way: {active:?}");
        Ok(())
    })
    .await
}
