//! Envoy's admin interface.

use std::{collections::BTreeMap, net::SocketAddr};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    client::{Call, Client},
    wait::{DEADLINE, eventually},
};

/// A client of the admin interface.
#[derive(Debug, Clone, Copy)]
pub struct Admin {
    client: Client,
    address: SocketAddr,
}

impl Admin {
    /// The admin interface at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self { client: Client::http1(address), address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The text behind a path. A status other than 200 is no error: `/ready` answers 503 while it is not.
    pub async fn get(&self, path: &str) -> Result<String> {
        Ok(self.client.get(path).await?.text())
    }

    /// POSTs to a path, such as `/reset_counters` or `/logging?wasm=debug`.
    pub async fn post(&self, path: &str) -> Result<String> {
        Ok(self.client.send(Call::post(path, "")).await?.expect(200)?.text())
    }

    /// The value of the counter or gauge of this name, if there is one. Many appear only with their first increment.
    pub async fn stat(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.stats(&format!("^{}$", literally(name))).await?.remove(name))
    }

    /// All counters and gauges whose names match `regex` somewhere.
    pub async fn stats(&self, regex: &str) -> Result<BTreeMap<String, u64>> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("format", "json")
            .append_pair("filter", regex)
            .finish();
        let answer = self.client.get(&format!("/stats?{query}")).await?.expect(200)?.json()?;
        let stats = answer["stats"].as_array().context("no list of statistics")?;
        // Histograms stand in the same list, in another shape.
        Ok(stats
            .iter()
            .filter_map(|stat| Some((stat["name"].as_str()?.to_owned(), stat["value"].as_u64()?)))
            .collect())
    }

    /// Waits until a counter or gauge is as `wanted` says (0 while there is none), and returns it.
    pub async fn wait_for_stat(&self, name: &str, wanted: impl Fn(u64) -> bool) -> Result<u64> {
        let wanted = &wanted;
        eventually(DEADLINE, || async move {
            let value = self.stat(name).await?.unwrap_or_default();
            if wanted(value) { Ok(value) } else { bail!("{name} is {value}") }
        })
        .await
    }

    /// All statistics as Prometheus would scrape them, with tags extracted.
    pub async fn prometheus(&self) -> Result<String> {
        Ok(self.client.get("/stats/prometheus").await?.expect(200)?.text())
    }

    /// The whole configuration in force.
    pub async fn config_dump(&self) -> Result<Value> {
        self.client.get("/config_dump").await?.expect(200)?.json()
    }

    /// Where each listener that is not internal listens, by name.
    pub async fn listeners(&self) -> Result<BTreeMap<String, SocketAddr>> {
        let answer = self.client.get("/listeners?format=json").await?.expect(200)?.json()?;
        let mut listeners = BTreeMap::new();
        for listener in answer["listener_statuses"].as_array().into_iter().flatten() {
            let socket = &listener["local_address"]["socket_address"];
            if let (Some(name), Some(ip)) = (listener["name"].as_str(), socket["address"].as_str()) {
                let port = socket["port_value"].as_u64().context("a listener without a port")?;
                listeners.insert(name.to_owned(), SocketAddr::new(ip.parse()?, u16::try_from(port)?));
            }
        }
        Ok(listeners)
    }
}

/// A regular expression for exactly this text.
fn literally(text: &str) -> String {
    text.chars().fold(String::new(), |mut regex, c| {
        if !c.is_alphanumeric() && c != '_' {
            regex.push('\\');
        }
        regex.push(c);
        regex
    })
}
