//! Envoy configuration for tests, built as JSON (which Envoy takes as it takes YAML).
//!
//! The defaults are what a careful operator writes, with every limit that is not under test raised out of the way. What has
//! no method here is set with [`Bootstrap::set`], [`Listener::manager`] or [`Cluster::set`].

mod cluster;
mod filters;
mod listener;

use std::fmt;

use scopegate_core::report;
use serde_json::{Value, json};

pub use self::{
    cluster::Cluster,
    filters::{Plugin, faults_module, jwt_authn, lenient_jwt_authn, lua, module},
    listener::{Listener, route},
};

/// A whole bootstrap: an admin interface on a free port, listeners and clusters. It prints as JSON.
#[derive(Debug, Clone)]
#[must_use]
pub struct Bootstrap {
    value: Value,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self::new()
    }
}

impl Bootstrap {
    /// Neither listeners nor clusters yet.
    pub fn new() -> Self {
        Self {
            value: json!({
                "node": {"id": "scopegate-tests", "cluster": "scopegate-tests"},
                "admin": {"address": socket_address("127.0.0.1", 0)},
                "static_resources": {"listeners": [], "clusters": []},
                // Any listener may be internal, and this costs nothing.
                "bootstrap_extensions": [{
                    "name": "envoy.bootstrap.internal_listener",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
                    }
                }]
            }),
        }
    }

    /// Adds a listener.
    pub fn listener(mut self, listener: Listener) -> Self {
        push(&mut self.value["static_resources"]["listeners"], listener.into_value());
        self
    }

    /// Adds a listener as Envoy's `Listener` message.
    pub fn raw_listener(mut self, listener: Value) -> Self {
        push(&mut self.value["static_resources"]["listeners"], listener);
        self
    }

    /// Adds a cluster as Envoy's `Cluster` message.
    pub fn raw_cluster(mut self, cluster: Value) -> Self {
        push(&mut self.value["static_resources"]["clusters"], cluster);
        self
    }

    /// Adds a cluster.
    pub fn cluster(mut self, cluster: Cluster) -> Self {
        push(&mut self.value["static_resources"]["clusters"], cluster.into_value());
        self
    }

    /// Sets which parts of a statistic's name become its tags: names and regular expressions of which the first group is
    /// cut out and the second is the value.
    pub fn stats_tags(self, tags: &[(&str, &str)]) -> Self {
        let tags: Vec<_> =
            tags.iter().map(|(name, regex)| json!({"tag_name": name, "regex": regex})).collect();
        self.set("stats_config", json!({"use_all_default_tags": true, "stats_tags": tags}))
    }

    /// Takes the tags out of the filter's metrics, as the shipped bootstraps do.
    pub fn filter_tags(self) -> Self {
        let tags: Vec<_> = report::TAGS.iter().map(|(name, _)| (*name, report::tag_pattern(name))).collect();
        let tags: Vec<_> = tags.iter().map(|(name, regex)| (*name, regex.as_str())).collect();
        self.stats_tags(&tags)
    }

    /// Sets a top-level field.
    pub fn set(mut self, field: &str, value: Value) -> Self {
        self.value[field] = value;
        self
    }

    /// The configuration as it is given to Envoy.
    pub fn into_value(self) -> Value {
        self.value
    }
}

impl fmt::Display for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.value)
    }
}

fn socket_address(address: &str, port: u16) -> Value {
    json!({"socket_address": {"address": address, "port_value": port}})
}

fn push(list: &mut Value, value: Value) {
    if let Value::Array(list) = list {
        list.push(value);
    }
}
