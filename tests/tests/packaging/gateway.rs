//! An Envoy with a module that came from somewhere else.

use anyhow::Result;
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::Cortex;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::identity::basic;
use serde_json::{Value, json};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A running gateway before one Cortex.
pub(crate) struct Gateway {
    pub(crate) cortex: Cortex,
    pub(crate) envoy: Envoy,
}

impl Gateway {
    /// With the filter's code from `code`, as Envoy's `AsyncDataSource`, and clusters that it may come from.
    pub(crate) async fn start(code: Value, clusters: Vec<Cluster>) -> Result<Self> {
        let cortex = Cortex::start()?;
        let hash = scopegate_core::caller::password_hash(KEY.as_bytes(), "writer", b"secret")
            .map_err(anyhow::Error::msg)?;
        let configuration = json!({
            "backends": [{"name": "metrics", "kind": "cortex"}],
            "callers": [{"name": "writers", "may": ["read"], "basic": {"key": {"env": "KEY"}, "users": [
                {"username": "writer", "password": [hash], "tenants": ["team-a"]},
            ]}}],
        });
        let mut filter = Plugin::structured(&configuration).variable("KEY", KEY).filter();
        filter["typed_config"]["config"]["vm_config"]["code"] = code;
        let listener = Listener::new("gateway").filter(filter).route("/", "cortex");
        let own = Bootstrap::new().listener(listener).cluster(Cluster::http2("cortex", cortex.address()));
        let bootstrap = clusters.into_iter().fold(own, Bootstrap::cluster);
        Ok(Self { envoy: Envoy::start(&bootstrap).await?, cortex })
    }

    fn client(&self) -> Result<Client> {
        Ok(Client::http1(self.envoy.listener("gateway")?))
    }

    /// A read by someone, or by nobody.
    pub(crate) async fn read(&self, user: Option<&str>) -> Result<u16> {
        let call = Call::get("/prometheus/api/v1/query?query=up");
        let call = match user {
            Some(user) => call.header("authorization", basic(user, "secret")),
            None => call,
        };
        Ok(self.client()?.send(call).await?.status)
    }

    /// That the filter decides here.
    pub(crate) async fn works(&self) -> Result<()> {
        assert_eq!(self.read(None).await?, 401);
        assert_eq!(self.read(Some("stranger")).await?, 401);
        assert!(self.cortex.state().requests.is_empty());
        assert_eq!(self.read(Some("writer")).await?, 200);
        let state = self.cortex.state();
        let tenants: Vec<_> = state.requests.iter().map(|request| request.tenant.as_deref()).collect();
        assert_eq!(tenants, [Some("team-a")]);
        Ok(())
    }
}
