//! The Envoys under measurement: all alike but for the filter before the router.

use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};
use scopegate_core::caller::password_hash;
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin, module};
use scopegate_tests::envoy::Envoy;
use serde_json::{Value, json};

use crate::case::{CREDENTIALS, LABEL, OWN, Subject, TENANTS};
use crate::module::Modules;

/// What a held body may take, as the documentation advises.
const BUFFER: u32 = 9 << 20;
/// The key of the password hashes, as the filter's environment has it.
const KEY: &str = "a key for measurements";

/// What all of them share.
pub(crate) struct Surroundings {
    pub(crate) sink: SocketAddr,
    pub(crate) http2_upstream: bool,
    pub(crate) connections: usize,
    pub(crate) modules: Modules,
}

impl Surroundings {
    /// Starts the Envoy of a case.
    pub(crate) async fn start(&self, subject: &Subject) -> Result<Envoy> {
        let filter = match subject {
            Subject::Plain => None,
            Subject::Buffering => Some(json!({
                "name": "envoy.filters.http.buffer",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
                    "max_request_bytes": BUFFER,
                }
            })),
            Subject::EmptyFilter => {
                Some(Plugin::structured(&json!({})).module(&self.modules.empty()).filter())
            }
            Subject::CallsAlone => {
                Some(Plugin::structured(&json!({})).module(&self.modules.calls()).filter())
            }
            Subject::HeadersOnly => Some(self.ours("cortex", &json!({}))?),
            Subject::Loki(_) => Some(self.ours("loki", &by_label(&json!({})))?),
            Subject::OneTenant | Subject::ViaCluster | Subject::Second | Subject::Otlp { .. } => {
                Some(self.ours("cortex", &by_label(&json!({})))?)
            }
            Subject::ViaListener => {
                Some(self.ours("cortex", &by_label(&json!({"via": "listener", "cluster": "parts"})))?)
            }
            Subject::Query { narrowed } => Some(self.reading(!narrowed)?),
            Subject::Peer(peer) => bail!("{} was started by somebody else", peer.name),
        };
        let gateway = filter.into_iter().fold(listener(Listener::new("gateway")), Listener::filter);
        let cortex = if self.http2_upstream { Cluster::http2 } else { Cluster::http1 };
        let mut bootstrap = Bootstrap::new().listener(gateway).cluster(cortex("cortex", self.sink));
        if *subject == Subject::ViaListener {
            let parts = listener(Listener::internal("parts"));
            bootstrap = bootstrap.listener(parts).cluster(Cluster::internal("parts", "parts"));
        }
        Envoy::builder(&bootstrap).concurrency(1).start().await
    }

    /// Our filter before a backend whose tenants a label keeps apart, and one caller who reads.
    fn reading(&self, unfiltered: bool) -> Result<Value> {
        let mut policy = self.policy("prometheus")?;
        policy["backends"][0]["isolate"] = json!({"label": "tenant"});
        policy["callers"][0]["may"] = json!(["read"]);
        policy["callers"][0]["unfiltered"] = json!(unfiltered);
        Ok(Plugin::structured(&policy).variable("KEY", KEY).filter())
    }

    /// Our filter: one caller by password, a backend of this kind, and these write rules.
    fn ours(&self, kind: &str, write: &Value) -> Result<Value> {
        let mut policy = self.policy(kind)?;
        policy["write"] = write.clone();
        policy["callers"][0]["on_behalf_of"] = json!(["namespace-*"]);
        Ok(Plugin::structured(&policy).variable("KEY", KEY).filter())
    }

    fn policy(&self, kind: &str) -> Result<Value> {
        ensure!(module().is_file(), "no module at {}: run `cargo xtask wasm`", module().display());
        let (user, password) = CREDENTIALS;
        let hash = match password_hash(KEY.as_bytes(), user, password.as_bytes()) {
            Ok(hash) => hash,
            Err(problem) => bail!(problem),
        };
        Ok(json!({
            "backends": [{"name": "metrics", "kind": kind}],
            "callers": [{
                "name": "forwarders",
                "basic": {"key": {"env": "KEY"}, "users": [{"username": user, "password": hash}]},
                "tenants": [OWN],
                "may": ["write"],
            }],
            // No request is turned away: with many connections there are more calls than one worker makes by default.
            "limits": {"calls_per_worker": (self.connections * TENANTS).max(512)},
        }))
    }
}

/// A listener whose connections may rest while other cases have their turns.
fn listener(listener: Listener) -> Listener {
    let times = json!({"idle_timeout": "3600s", "max_stream_duration": "30s"});
    listener.buffer_limit(BUFFER).manager("common_http_protocol_options", times).route("/", "cortex")
}

/// The write rules by which the label of each series names its tenant.
fn by_label(calls: &Value) -> Value {
    json!({"metrics": {"tenant": [{"label": LABEL}, "caller"], "calls": calls}})
}
