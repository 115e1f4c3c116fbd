//! The examples of the repository: their files as they are shipped, moved onto this machine's ports.
//!
//! Only addresses, file names and keys are replaced. Everything else in `envoy.yaml` is run as a reader would run it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::bootstrap::module;
use crate::session;

/// An example's Envoy configuration.
#[derive(Debug, Clone)]
pub struct Example {
    bootstrap: Value,
}

/// A file of an example.
pub fn file(example: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example).join(name)
}

/// A YAML file as JSON.
pub fn yaml(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
}

/// The source of a secret that matters to nobody here, so that Envoy need not wait for it.
pub fn any_secret(name: &str) -> String {
    let kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    let secret = json!({"secret": {"inline_string": "any"}});
    json!({"resources": [{"@type": kind, "name": name, "generic_secret": secret}]}).to_string()
}

impl Example {
    /// The example of this name, with our module, its admin interface and its listeners on free ports of the loopback
    /// interface.
    pub fn load(name: &str) -> Result<Self> {
        Self::load_file(name, "envoy.yaml")
    }

    /// The same of another file of the example. What its filter takes from Envoy's environment are the keys of
    /// [`session`](crate::session::KEYS).
    pub fn load_file(name: &str, envoy: &str) -> Result<Self> {
        Self::of(yaml(&file(name, envoy))?)
    }

    /// The same of an Envoy configuration from elsewhere.
    pub fn of(mut bootstrap: Value) -> Result<Self> {
        bootstrap["admin"] = json!({"address": local(0)});
        let mut example = Self { bootstrap };
        for listener in list(&mut example.bootstrap, "/static_resources/listeners")? {
            if listener.get("internal_listener").is_none() {
                listener["address"] = local(0);
            }
        }
        let module = module();
        ensure!(module.is_file(), "no module at {}: run `cargo xtask wasm`", module.display());
        let vm = &mut example.filter("scopegate")?["config"]["vm_config"];
        vm["code"]["local"]["filename"] = json!(module);
        let variables = &mut vm["environment_variables"];
        if *variables == json!({"host_env_keys": ["SCOPEGATE_SESSION_KEYS"]}) {
            *variables = json!({"key_values": {"SCOPEGATE_SESSION_KEYS": session::KEYS}});
        }
        Ok(example)
    }

    /// The filter's configuration, as it stands in `envoy.yaml`.
    pub fn configuration(&mut self) -> Result<&mut Value> {
        Ok(&mut self.filter("scopegate")?["config"]["configuration"]["value"])
    }

    /// Gives a provider of `jwt_authn` its keys.
    pub fn keys(mut self, provider: &str, jwks: &Value) -> Result<Self> {
        let filter = self.filter("envoy.filters.http.jwt_authn")?;
        filter["providers"][provider]["local_jwks"] = json!({"inline_string": jwks.to_string()});
        Ok(self)
    }

    /// Leads to another file of a secret's source.
    pub fn secret_source(mut self, cluster: &str, path: &Path) -> Result<Self> {
        let pointer = "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\
            /http_filters/0/typed_config/credential/typed_config/credential/sds_config/path_config_source/path";
        let clusters = list(&mut self.bootstrap, "/static_resources/clusters")?;
        let cluster =
            clusters.iter_mut().find(|known| known["name"] == cluster).context("no such cluster")?;
        *cluster.pointer_mut(pointer).context("no secret")? = json!(path);
        Ok(self)
    }

    /// Leads a cluster to this address.
    pub fn cluster(mut self, name: &str, address: SocketAddr) -> Result<Self> {
        let clusters = list(&mut self.bootstrap, "/static_resources/clusters")?;
        let cluster =
            clusters.iter_mut().find(|cluster| cluster["name"] == name).context("no such cluster")?;
        cluster["type"] = json!("STATIC");
        let fields = cluster.as_object_mut().context("no cluster")?;
        fields.remove("cluster_type");
        // What stands in for it speaks no TLS.
        fields.remove("transport_socket");
        let endpoint = json!({"endpoint": {"address": address_of(address)}});
        cluster["load_assignment"] =
            json!({"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]});
        Ok(self)
    }

    /// Puts a listener on this port.
    pub fn port(mut self, listener: &str, port: u16) -> Result<Self> {
        let listeners = list(&mut self.bootstrap, "/static_resources/listeners")?;
        let listener =
            listeners.iter_mut().find(|known| known["name"] == listener).context("no such listener")?;
        listener["address"] = local(port);
        Ok(self)
    }

    /// The typed configuration of an HTTP filter of the first listener.
    pub fn filter(&mut self, name: &str) -> Result<&mut Value> {
        const FILTERS: &str =
            "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
        let filters = list(&mut self.bootstrap, FILTERS)?;
        match filters.iter_mut().find(|filter| filter["name"] == name) {
            Some(filter) => Ok(&mut filter["typed_config"]),
            None => bail!("no filter {name}"),
        }
    }

    /// The whole, to add what only a test needs.
    pub fn value(&mut self) -> &mut Value {
        &mut self.bootstrap
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.bootstrap)
    }
}

fn list<'a>(value: &'a mut Value, pointer: &str) -> Result<&'a mut Vec<Value>> {
    value.pointer_mut(pointer).and_then(Value::as_array_mut).with_context(|| format!("no list at {pointer}"))
}

fn local(port: u16) -> Value {
    address_of(SocketAddr::from(([127, 0, 0, 1], port)))
}

fn address_of(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}
