//! A whole gateway, compiled from `scopegate.yaml`: what is to be set up, whatever it is set up with. The renderers
//! (`render`) read it and decide nothing; what is wrong with a file is found here, so that `check` finds it too.

mod address;
mod backends;
mod clusters;
mod compile;
mod components;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use scopegate_core::operation::{Kind, Prefixes};
use serde_json::Value;

pub(crate) use address::{Endpoint, Origin};
pub(crate) use compile::{OUR_OWN, compile};

use crate::config::Addresses;
use crate::finding::Severity;

/// A whole gateway. Everything is in a fixed order.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    /// The filter itself.
    pub(crate) filter: Filter,
    /// What the callers connect to.
    pub(crate) listeners: Vec<Listener>,
    /// What who runs it connects to.
    pub(crate) operations: Option<Operations>,
    /// Whose tokens are verified.
    pub(crate) providers: Vec<Provider>,
    /// Where requests go.
    pub(crate) hosts: Vec<VirtualHost>,
    /// Who is called, those of `hosts` first.
    pub(crate) clusters: Vec<Cluster>,
    /// How long a request may be silent, in milliseconds, where its route does not say otherwise.
    pub(crate) stream_idle_timeout: u32,
}

/// The filter and what it needs to be given.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    /// Its configuration, as it is embedded.
    pub(crate) configuration: Value,
    /// The variables of its environment that hold secrets, sorted.
    pub(crate) environment: Vec<String>,
    /// The bytes of a body, or of an answer, that Envoy must be able to hold for it.
    pub(crate) held_bytes: u32,
    /// Whether it must be told the address of the connection (`scopegate.peer`).
    pub(crate) needs_peer: bool,
    /// Whether `Authorization: Bearer` may hold something else than a JWT.
    pub(crate) takes_opaque_tokens: bool,
}

/// A port for the callers.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<ListenerTls>,
    /// In milliseconds.
    pub(crate) request_timeout: u32,
    /// In milliseconds.
    pub(crate) idle_timeout: Option<u32>,
    pub(crate) trusted_hops: u32,
}

/// TLS of a listener, by files.
#[derive(Clone, Debug)]
pub(crate) struct ListenerTls {
    pub(crate) certificate: KeyPair,
    pub(crate) client_ca: Option<String>,
    pub(crate) require_client_certificate: bool,
}

/// A certificate and its key, by files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The port for who runs the gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operations {
    pub(crate) address: SocketAddr,
    /// Where Envoy's admin interface is.
    pub(crate) admin: SocketAddr,
}

/// An issuer of tokens.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    /// Its name, under which the filter finds the payload of a token.
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) jwks: Jwks,
    /// Further headers of tokens.
    pub(crate) headers: Vec<String>,
}

/// Where public keys are.
#[derive(Clone, Debug)]
pub(crate) enum Jwks {
    File(String),
    /// Fetched, through this cluster.
    Url {
        url: String,
        cluster: String,
    },
}

/// Hosts with their routes, of which the first that matches counts.
#[derive(Clone, Debug)]
pub(crate) struct VirtualHost {
    pub(crate) name: String,
    /// `metrics.example.org`, `*.example.org`, or `*`.
    pub(crate) domains: Vec<String>,
    pub(crate) routes: Vec<Route>,
}

/// From a path to a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) path: PathMatch,
    /// What the cluster is told in place of what matched.
    pub(crate) rewrite: Option<String>,
    /// The backend, for the filter.
    pub(crate) backend: String,
    pub(crate) cluster: String,
    /// The `Host` that the cluster is told.
    pub(crate) authority: Option<String>,
    /// In milliseconds, like those below.
    pub(crate) timeout: u32,
    /// How long it may be silent, where that is not as everywhere.
    pub(crate) idle_timeout: Option<u32>,
    /// How long an answer may take to begin.
    pub(crate) response_timeout: Option<u32>,
    /// None where only writes go there.
    pub(crate) retries: Option<Retries>,
}

/// How often a read is tried again: a GET, or what is at one of these paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retries {
    /// 0 for never.
    pub(crate) max: u32,
    /// The paths at which a POST reads, as the cluster is told them.
    pub(crate) reads: Vec<String>,
}

/// A path, or everything below one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PathMatch {
    /// This path alone.
    Exact(String),
    /// Everything that begins so; it ends in a slash.
    Below(String),
}

impl PathMatch {
    /// One that ends in a slash is everything below.
    pub(crate) fn of(path: String) -> Self {
        if path.ends_with('/') { Self::Below(path) } else { Self::Exact(path) }
    }

    /// As it is written.
    pub(crate) fn text(&self) -> &str {
        let (Self::Exact(path) | Self::Below(path)) = self;
        path
    }

    /// Whether a path is matched.
    pub(crate) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Below(above) => path.starts_with(above.as_str()),
        }
    }
}

/// Servers of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) addresses: Addresses,
    /// In milliseconds, like those below.
    pub(crate) dns_refresh: Option<u32>,
    pub(crate) connect_timeout: u32,
    pub(crate) idle_timeout: Option<u32>,
    pub(crate) tls: Option<UpstreamTls>,
    pub(crate) credential: Option<Credential>,
    pub(crate) health: Option<Health>,
    pub(crate) http2: bool,
    pub(crate) max_requests: u32,
    /// Whether it stands behind the filter, so that the gateway is ready only while one of its addresses is well.
    pub(crate) is_backend: bool,
}

/// TLS to servers.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamTls {
    /// The file of the authorities.
    pub(crate) ca: String,
    /// The name, or the address, that the certificate must have.
    pub(crate) name: Name,
    pub(crate) certificate: Option<KeyPair>,
}

/// Who a server must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A DNS name, which is also asked for (SNI).
    Dns(String),
    /// An IP address.
    Address(String),
}

/// What Envoy adds to requests.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    /// `Bearer` or `Basic`.
    pub(crate) scheme: &'static str,
    pub(crate) file: String,
}

/// How an address is asked whether it is well.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) path: String,
    pub(crate) authority: String,
    /// In milliseconds, like the next.
    pub(crate) interval: u32,
    pub(crate) timeout: u32,
}

/// What is wrong with a file, or might be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    /// The field.
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Problem {
    /// Something that cannot be set up.
    pub(crate) fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, path: path.into(), message: message.into(), help: None }
    }

    /// Something that can, and that somebody will be sorry for.
    pub(crate) fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, message) }
    }

    /// With what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A cluster to what is fetched once, by a URL.
pub(crate) fn fetching(name: &str, url: &str) -> Result<Cluster, Problem> {
    clusters::fetching(name.to_owned(), url, None, "")
}

/// The paths of all components of a kind.
pub(crate) fn component_paths(kind: Kind) -> Vec<String> {
    let prefixes = Prefixes::default();
    let templates = components::of(kind).iter().flat_map(|(_, paths)| *paths);
    templates.map(|template| components::path(kind, template, &prefixes)).collect()
}
