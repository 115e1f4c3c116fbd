//! An Envoy with the filter in front of the stand-in, and who calls it.

use anyhow::Result;
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin, jwt_authn};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::{Cortex, Series, State};
use scopegate_tests::envoy::Envoy;
use scopegate_tests::identity::{Issuer, basic};
use serde_json::{Value, json};

/// The key of the password hashes, as the filter's environment has it.
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) cortex: Cortex,
    pub(crate) envoy: Envoy,
    pub(crate) idp: Issuer,
}

/// Three callers of one Cortex: a privileged agent, forwarders that write by namespace, and users with tokens.
pub(crate) fn configuration() -> Value {
    json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [
            {"name": "agents", "basic": {"key": {"env": "KEY"}, "users": [
                user("agent", &["agent-secret"], &json!(["central"])),
            ]}, "may": ["write"], "impersonate": {"label": "zz_as", "tenants": ["cluster-*"]}},
            {"name": "forwarders", "basic": {"key": {"env": "KEY"}, "users": [
                user("forwarder", &["old-secret", "new-secret"], &json!(["platform"])),
            ]}, "may": ["write", "read"], "on_behalf_of": ["namespace-*"]},
            {"name": "users", "jwt": {"provider": "idp", "issuer": "https://idp.test"},
             "tenants": {"union": [{"claim": "tenant"}, {"claim": "groups", "prefix": "tenant:"}]},
             "may": ["read", "write", "rules"]},
        ],
    })
}

/// The same with tenants by the label `namespace`.
pub(crate) fn by_namespace() -> Value {
    let mut configuration = configuration();
    configuration["write"] = json!({"metrics": {"tenant": [{"label": "namespace"}, "caller"]}});
    configuration
}

/// A user of the configuration.
pub(crate) fn user(name: &str, passwords: &[&str], tenants: &Value) -> Value {
    let hash = |password: &&str| {
        scopegate_core::caller::password_hash(KEY.as_bytes(), name, password.as_bytes()).unwrap()
    };
    json!({"username": name, "password": passwords.iter().map(hash).collect::<Vec<_>>(), "tenants": tenants})
}

/// The agent that may impersonate, asking for it.
pub(crate) fn as_agent(call: Call) -> Call {
    call.header("authorization", basic("agent", "agent-secret")).header("x-scope-impersonate", "true")
}

/// The forwarder that writes by namespace.
pub(crate) fn as_forwarder(call: Call) -> Call {
    call.header("authorization", basic("forwarder", "new-secret"))
}

impl Gateway {
    /// With this configuration, before one Cortex.
    pub(crate) async fn start(configuration: &Value) -> Result<Self> {
        Self::with(configuration, |listener| listener, |bootstrap, _| bootstrap).await
    }

    /// With changes to the listener (filters before ours, routes) and to the whole. The listener has a route to the
    /// cluster `cortex` after those that are added.
    pub(crate) async fn with(
        configuration: &Value,
        listener: impl FnOnce(Listener) -> Listener,
        bootstrap: impl FnOnce(Bootstrap, &Cortex) -> Bootstrap,
    ) -> Result<Self> {
        let cortex = Cortex::start()?;
        let idp = Issuer::new("https://idp.test");
        let before = Listener::new("gateway").buffer_limit(9 << 20).filter(jwt_authn(
            "idp",
            idp.name(),
            &idp.jwks(),
            true,
        ));
        let plugin = Plugin::structured(configuration).variable("KEY", KEY);
        let listener = listener(before).filter(plugin.filter()).route("/", "cortex");
        let whole = Bootstrap::new()
            .listener(listener)
            .cluster(Cluster::http2("cortex", cortex.address()))
            .filter_tags();
        let envoy = Envoy::builder(&bootstrap(whole, &cortex)).concurrency(2).start().await?;
        Ok(Self { cortex, envoy, idp })
    }

    pub(crate) fn http1(&self) -> Result<Client> {
        Ok(Client::http1(self.envoy.listener("gateway")?))
    }

    pub(crate) fn http2(&self) -> Result<Client> {
        Ok(Client::http2(self.envoy.listener("gateway")?))
    }

    /// A user's token with these claims.
    pub(crate) fn token(&self, claims: Value) -> String {
        self.idp.token(claims)
    }

    /// That nothing has reached the backend.
    pub(crate) fn nothing_arrived(&self, what: &str) {
        let state = self.cortex.state();
        assert!(state.requests.is_empty(), "{what}: {}", state.summary());
    }
}

/// The raw series of a tenant, in the order they arrived.
pub(crate) fn raw_series(state: &State, tenant: &str) -> Vec<Vec<u8>> {
    state.series(tenant).map(|series| series.raw.clone()).collect()
}

/// The names of a series' labels.
pub(crate) fn label_names(series: &Series) -> Vec<String> {
    series.labels.iter().map(|label| String::from_utf8_lossy(&label.name).into_owned()).collect()
}
