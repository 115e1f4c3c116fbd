//! A gateway that knows keys of sessions, in front of the stand-in.

use std::path::Path;

use anyhow::{Result, ensure};
use scopegate_tests::{
    bootstrap::{Bootstrap, Cluster, Listener, Plugin, module},
    client::{Answer, Call, Client},
    cortex::Cortex,
    envoy::Envoy,
    remote_write::{WriteRequest, series},
    session::Session,
};
use serde_json::{Value, json};

/// The key that goes, and the one that comes.
pub(crate) const OLD: &str = "old:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
pub(crate) const NEW: &str = "new:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";

/// The local agent, and a weaker entry after it that lets everybody in whom another filter has let in.
pub(crate) fn configuration(keys: &str) -> Value {
    json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [
            {"name": "local", "session": {"attribute": "local", "keys": {"env": keys}}, "tenants": ["central"],
             "may": ["write", "read"], "impersonate": {"label": "zz_as", "tenants": ["cluster-*"]}},
            {"name": "weaker", "metadata": {"namespace": "test"}, "tenants": ["weak"], "may": ["write", "read"]},
        ],
    })
}

/// Its listeners: `both` knows both keys, `new` the new one only. Every request has metadata that the weaker entry takes.
pub(crate) struct Gateway {
    pub(crate) cortex: Cortex,
    pub(crate) envoy: Envoy,
}

impl Gateway {
    pub(crate) async fn start(workers: u32) -> Result<Self> {
        Self::with(workers, &module()).await
    }

    /// With another module.
    pub(crate) async fn with(workers: u32, module: &Path) -> Result<Self> {
        let cortex = Cortex::start()?;
        let metadata = json!({
            "name": "envoy.filters.http.set_metadata",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
                "metadata": [{"metadata_namespace": "test", "value": {"x": true}}],
            }
        });
        let listener = |name: &str, keys: &str| {
            let plugin = Plugin::structured(&configuration(keys))
                .module(module)
                .variable("BOTH", &format!("{NEW},{OLD}"))
                .variable("NEW", NEW);
            // The kernel spreads connections evenly only where each worker has its own socket, as Envoy does by default.
            Listener::new(name)
                .buffer_limit(9 << 20)
                .filter(metadata.clone())
                .filter(plugin.filter())
                .route("/", "cortex")
        };
        let whole = Bootstrap::new()
            .listener(listener("both", "BOTH"))
            .listener(listener("new", "NEW"))
            .cluster(Cluster::http2("cortex", cortex.address()))
            .filter_tags();
        let envoy = Envoy::builder(&whole).concurrency(workers).start().await?;
        Ok(Self { cortex, envoy })
    }

    pub(crate) fn http1(&self, listener: &str) -> Result<Client> {
        Ok(Client::http1(self.envoy.listener(listener)?))
    }

    pub(crate) fn http2(&self, listener: &str) -> Result<Client> {
        Ok(Client::http2(self.envoy.listener(listener)?))
    }

    /// That nothing has reached the backend.
    pub(crate) fn nothing_arrived(&self, what: &str) {
        let state = self.cortex.state();
        assert!(state.requests.is_empty(), "{what}: {}", state.summary());
    }
}

/// The agent, with the old key.
pub(crate) fn agent() -> Session {
    Session::new("local", "central", OLD)
}

/// A write of one series of this name.
pub(crate) fn write(name: &str) -> WriteRequest {
    WriteRequest::of(vec![series(&[("__name__", name)], 1_700_000_000_000, 1.0)])
}

/// A write for two tenants, asking for impersonation.
pub(crate) fn for_others() -> Call {
    let to = |tenant: &str| series(&[("__name__", "info"), ("zz_as", tenant)], 1_700_000_000_000, 1.0);
    WriteRequest::of(vec![to("cluster-1"), to("cluster-2")]).push().header("x-scope-impersonate", "true")
}

/// That it was refused for this reason, in words that tell no secret.
pub(crate) fn refused(what: &str, answer: &Answer, status: u16, words: &str) -> Result<()> {
    ensure!(answer.status == status && answer.text().contains(words), "{what}: {answer}");
    for secret in [OLD, NEW].map(|key| key.split_once(':').map_or(key, |(_, secret)| secret)) {
        ensure!(!answer.text().contains(secret), "{what}: {answer}");
    }
    Ok(())
}
