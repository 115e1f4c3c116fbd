//! An Envoy with the filter in front of one backend whose tenants a label keeps apart, and who calls it.

use std::net::SocketAddr;

use anyhow::Result;
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin};
use scopegate_tests::client::{Answer, Call, Client};
use scopegate_tests::envoy::Envoy;
use scopegate_tests::identity::basic;
use serde_json::{Value, json};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) envoy: Envoy,
}

/// Three callers of one backend: `alice` and `bob` have a tenant each, and `both` has both.
pub(crate) fn configuration(kind: &str) -> Value {
    let user = |name: &str, tenants: Value| {
        let hash = scopegate_core::caller::password_hash(KEY.as_bytes(), name, b"secret").unwrap();
        json!({"username": name, "password": [hash], "tenants": tenants})
    };
    json!({
        "backends": [{"name": "alerting", "kind": kind, "isolate": {"label": "tenant"}}],
        "callers": [
            {"name": "users", "basic": {"key": {"env": "KEY"}, "users": [
                user("alice", json!(["team-a"])), user("bob", json!(["team-b"])), user("both", json!(["team-a", "team-b"])),
            ]}, "may": ["read", "alerts"]},
        ],
    })
}

/// A call of this user.
pub(crate) fn by(user: &str, call: Call) -> Call {
    call.header("authorization", basic(user, "secret"))
}

/// The same with a body of JSON.
pub(crate) fn post(user: &str, path: &str, body: &Value) -> Call {
    by(user, Call::post(path, body.to_string()).header("content-type", "application/json"))
}

impl Gateway {
    /// In front of a backend of this kind, which speaks HTTP/1.
    pub(crate) async fn start(kind: &str, backend: SocketAddr) -> Result<Self> {
        Self::with(&configuration(kind), Cluster::http1("backend", backend), |listener| listener).await
    }

    pub(crate) async fn with(
        configuration: &Value,
        cluster: Cluster,
        listener: impl FnOnce(Listener) -> Listener,
    ) -> Result<Self> {
        let plugin = Plugin::structured(configuration).variable("KEY", KEY);
        let listener = listener(Listener::new("gateway").filter(plugin.filter())).route("/", "backend");
        let bootstrap = Bootstrap::new().listener(listener).cluster(cluster).filter_tags();
        Ok(Self { envoy: Envoy::builder(&bootstrap).concurrency(2).start().await? })
    }

    pub(crate) fn http1(&self) -> Result<Client> {
        Ok(Client::http1(self.envoy.listener("gateway")?))
    }

    pub(crate) fn http2(&self) -> Result<Client> {
        Ok(Client::http2(self.envoy.listener("gateway")?))
    }

    pub(crate) async fn send(&self, call: Call) -> Result<Answer> {
        self.http1()?.send(call).await
    }

    /// What a user is shown.
    pub(crate) async fn get(&self, user: &str, path: &str) -> Result<Value> {
        self.send(by(user, Call::get(path))).await?.expect(200)?.json()
    }
}
