//! The Prometheus, the Envoy between, and the two backends behind it.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use scopegate_tests::{
    bootstrap::{Bootstrap, Cluster, Listener},
    cortex::{Cortex, Label},
    envoy::Envoy,
    prometheus::{Prometheus, Target, config},
    remote_write::STALE,
    wait::{DEADLINE, eventually},
};
use serde_json::{Value, json};

use super::{
    local::{AllSeries, all_series},
    log::Counters,
    page::{AGENT, FORWARDER, Way, page},
};
use crate::gateway::{CREDENTIALS, plugin, policy, user};

/// What Prometheus counts of samples that it sent once more.
pub(super) const RETRIED: &str = "prometheus_remote_storage_samples_retried_total";

/// Everything that takes part.
pub(super) struct World {
    pub(super) prometheus: Prometheus,
    pub(super) target: Target,
    pub(super) envoy: Envoy,
    /// Behind the listener of the [`FORWARDER`].
    pub(super) forwarded: Cortex,
    /// Behind the listener of the [`AGENT`].
    pub(super) impersonated: Cortex,
}

impl World {
    /// Starts it all; nothing is scraped yet. `None` where there is no Prometheus.
    pub(super) async fn start() -> Result<Option<Self>> {
        let (forwarded, impersonated) = (Cortex::start()?, Cortex::start()?);
        let by_namespace = Listener::new(FORWARDER.listener)
            .filter(plugin(&policy()).filter())
            .route("/", FORWARDER.listener);
        // This Prometheus takes `headers` in its configuration and never sends them.
        let asking = json!([{
            "name": "envoy.http.early_header_mutation.header_mutation",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                "mutations": [{"append": {
                    "header": {"key": "x-scope-impersonate", "value": "true"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"
                }}]
            }
        }]);
        let by_agent = Listener::new(AGENT.listener)
            .manager("early_header_mutation_extensions", asking)
            .filter(plugin(&impersonation()).filter())
            .route("/", AGENT.listener);
        let bootstrap = Bootstrap::new()
            .listener(by_namespace)
            .listener(by_agent)
            .cluster(Cluster::http2(FORWARDER.listener, forwarded.address()))
            .cluster(Cluster::http1(AGENT.listener, impersonated.address()));
        let envoy = Envoy::builder(&bootstrap).concurrency(2).start().await?;
        let target = Target::start(page)?;
        let prometheus = Prometheus::start(&configuration(&envoy, &[])?).await?;
        Ok(prometheus.map(|prometheus| Self { prometheus, target, envoy, forwarded, impersonated }))
    }

    /// Each backend, and the way that leads to it.
    pub(super) fn backends(&self) -> [(&Cortex, &'static Way); 2] {
        [(&self.forwarded, &FORWARDER), (&self.impersonated, &AGENT)]
    }

    /// What the running Prometheus and Envoy have counted.
    pub(super) async fn counters(&self) -> Result<Counters> {
        let sender = self.sender_counters().await?;
        let gateway = self.gateway_counters().await?;
        Ok(Counters { retried: sender.retried, lost: sender.lost, ..gateway })
    }

    /// What the running Prometheus has counted.
    pub(super) async fn sender_counters(&self) -> Result<Counters> {
        // They count samples, so nothing is cut or negative.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let whole = |count: f64| count as u64;
        let mut counters =
            Counters { retried: whole(self.prometheus.metric(RETRIED).await?), ..Counters::default() };
        for lost in ["samples_failed_total", "samples_dropped_total", "metadata_failed_total"] {
            let lost = self.prometheus.metric(&format!("prometheus_remote_storage_{lost}")).await?;
            counters.lost += whole(lost);
        }
        Ok(counters)
    }

    /// What the filter has counted in the running Envoy.
    pub(super) async fn gateway_counters(&self) -> Result<Counters> {
        let page = self.envoy.admin()?.prometheus().await?;
        // The tags stand in the name where nothing takes them out, so both are looked for in the whole line.
        let sum = |name: &str, outcomes: &[&str]| {
            let lines = page.lines().filter(|line| !line.starts_with('#') && line.contains(name));
            let lines = lines.filter(|line| outcomes.iter().any(|outcome| line.contains(outcome)));
            lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
        };
        Ok(Counters {
            spared: sum("scopegate_parts_total", &["not_sent_again"]),
            dropped: sum("scopegate_series_total", &["dropped", "rejected"]),
            ..Counters::default()
        })
    }

    /// Begins to scrape, once the senders have begun: what is older than a sender is never sent.
    pub(super) async fn scrape(&self) -> Result<()> {
        eventually(DEADLINE, || async {
            let log = self.prometheus.process()?.log();
            let begun = log.lines().filter(|line| line.contains("msg=\"Replaying WAL\"")).count();
            ensure!(begun == 2, "{begun} of 2 senders have begun");
            Ok(())
        })
        .await?;
        self.prometheus.reload(&configuration(&self.envoy, std::slice::from_ref(&self.target))?).await
    }

    /// Stops scraping and waits until each tenant has exactly what is its own of all that Prometheus holds. Returns how
    /// many samples those are.
    pub(super) async fn settle(&self) -> Result<usize> {
        self.prometheus.reload(&configuration(&self.envoy, &[])?).await?;
        // A target that is gone ends with stale markers, the last thing that is written of it.
        let held = eventually(DEADLINE, || async {
            let held = all_series(&self.prometheus).await?;
            let mut of_up = held.iter().filter(|(labels, _)| labels.contains(&Label::new("__name__", "up")));
            let last = of_up.next().and_then(|(_, samples)| samples.values().next_back());
            ensure!(last == Some(&STALE), "no stale marker yet, but {last:x?}");
            Ok(held)
        })
        .await?;
        for (cortex, way) in self.backends() {
            let expected = by_tenant(&held, way);
            eventually(DEADLINE, || async { compare(&expected, cortex) }).await?;
            let stale = |samples: &BTreeMap<i64, u64>| samples.values().any(|bits| *bits == STALE);
            for tenant in way.tenants {
                ensure!(expected[*tenant].values().any(stale), "no stale marker of {tenant}");
            }
            ensure!(expected.len() == way.tenants.len(), "not the tenants: {:?}", expected.keys());
        }
        Ok(held.values().map(BTreeMap::len).sum())
    }
}

/// The same caller, with the right to impersonate.
fn impersonation() -> Value {
    json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [{
            "name": "agents",
            "basic": {"key": {"env": "KEY"}, "users": [user()]},
            "tenants": [AGENT.own],
            "may": ["write"],
            "impersonate": {"label": AGENT.label, "tenants": "cluster-*"},
        }],
    })
}

/// Prometheus' configuration: scrapes these targets often, and sends everything both ways.
fn configuration(envoy: &Envoy, targets: &[Target]) -> Result<Value> {
    let mut senders = Vec::new();
    for way in [&FORWARDER, &AGENT] {
        senders.push(json!({
            "name": way.listener,
            "url": format!("http://{}/api/v1/push", envoy.listener(way.listener)?),
            "basic_auth": {"username": CREDENTIALS.0, "password": CREDENTIALS.1},
        }));
    }
    let targets: Vec<_> = targets.iter().map(Target::address).collect();
    let mut config = config(&targets, &senders);
    config["global"]["scrape_interval"] = json!("300ms");
    for sender in config["remote_write"].as_array_mut().into_iter().flatten() {
        // Without it a 429 loses the batch.
        sender["queue_config"]["retry_on_http_429"] = json!(true);
    }
    Ok(config)
}

/// What each tenant should have of these series.
fn by_tenant(held: &AllSeries, way: &Way) -> BTreeMap<String, AllSeries> {
    let mut tenants = BTreeMap::<_, AllSeries>::new();
    for (labels, samples) in held {
        let (tenant, labels) = way.tenant(labels.clone());
        tenants.entry(tenant).or_default().insert(labels, samples.clone());
    }
    tenants
}

/// Fails with the first difference between what tenants should have and what they have.
fn compare(expected: &BTreeMap<String, AllSeries>, cortex: &Cortex) -> Result<()> {
    let state = cortex.state();
    if let Some(stranger) = state.stores.keys().find(|tenant| !expected.contains_key(*tenant)) {
        bail!("{stranger} has samples and should have none");
    }
    for (tenant, expected) in expected {
        let empty = AllSeries::new();
        let stored = state.store(tenant).map_or(&empty, |store| store.series());
        if stored == expected {
            continue;
        }
        let differs = |labels: &&Vec<_>| stored.get(*labels) != expected.get(*labels);
        let labels = expected.keys().chain(stored.keys()).find(differs);
        let labels =
            labels.map(|labels| labels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        let count = |series: &AllSeries| series.values().map(BTreeMap::len).sum::<usize>();
        bail!("{tenant} has {} of {} samples, and not all of {labels:?}", count(stored), count(expected));
    }
    Ok(())
}
