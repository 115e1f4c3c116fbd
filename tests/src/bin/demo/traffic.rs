//! What is sent: by a real Prometheus where there is one, else made up.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use scopegate_tests::client::Client;
use scopegate_tests::identity::now;
use scopegate_tests::prometheus::{Prometheus, Target, config};
use scopegate_tests::remote_write::WriteRequest;
use serde_json::json;
use tokio::task::JoinHandle;

/// The clusters whose series the privileged agent writes.
pub(crate) const CLUSTERS: [&str; 3] = ["cluster-1", "cluster-2", "cluster-3"];
/// The series of each of them.
pub(crate) const NODES: usize = 4;
/// The metric they are of.
pub(crate) const METRIC: &str = "cluster_node_info";

/// Traffic that goes on until it is dropped.
pub(crate) struct Traffic {
    /// What sends, in words.
    pub(crate) sender: String,
    _prometheus: Option<(Prometheus, Target)>,
    generator: Option<JoinHandle<()>>,
}

impl Drop for Traffic {
    fn drop(&mut self) {
        if let Some(generator) = &self.generator {
            generator.abort();
        }
    }
}

/// What a scrape of the local agent gives: one info series a node, each naming the cluster whose tenant it is for, and
/// one of its own.
fn page(scrape: usize) -> String {
    let mut lines = vec![
        "# TYPE agent_scrapes counter".to_owned(),
        format!("agent_scrapes {scrape}"),
        format!("# TYPE {METRIC} gauge"),
    ];
    for cluster in CLUSTERS {
        let info = |node| format!("{METRIC}{{node=\"node-{node}\",zz_opni_impersonate_as=\"{cluster}\"}} 1");
        lines.extend((1..=NODES).map(info));
    }
    lines.join("\n") + "\n"
}

impl Traffic {
    /// A Prometheus that scrapes the local agent and sends what it finds to the Envoy beside it.
    pub(crate) async fn prometheus(beside: SocketAddr) -> Result<Option<Self>> {
        let target = Target::start(page)?;
        let remote_write = json!({"url": format!("http://{beside}/api/v1/push")});
        let started = Prometheus::start(&config(&[target.address()], &[remote_write])).await?;
        Ok(started.map(|prometheus| Self {
            sender: "a real Prometheus, scraping one target every second".to_owned(),
            _prometheus: Some((prometheus, target)),
            generator: None,
        }))
    }

    /// Made-up requests, one a second.
    pub(crate) fn generator(beside: SocketAddr) -> Self {
        let generator = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(1));
            loop {
                ticks.tick().await;
                let millis = i64::try_from(now() * 1000).unwrap_or(i64::MAX);
                let request = WriteRequest::realistic(CLUSTERS.len() * NODES + 1)
                    .with_label("__name__", |n| if n == 0 { "agent_scrapes".into() } else { METRIC.into() })
                    .with_label("zz_opni_impersonate_as", |n| match n {
                        0 => String::new(),
                        n => CLUSTERS[n % CLUSTERS.len()].to_owned(),
                    })
                    .starting_at(millis);
                // What the gateway says is seen in what arrives.
                let _ = Client::http1(beside).send(request.push()).await;
            }
        });
        Self {
            sender: "a generator, since there is no Prometheus on this machine".to_owned(),
            _prometheus: None,
            generator: Some(generator),
        }
    }
}
