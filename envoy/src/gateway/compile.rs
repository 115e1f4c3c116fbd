//! From a file to a gateway, and to everything that is wrong with it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use scopegate_core::config::{Config, ConfigError, Text, Via};
use scopegate_core::policy::Policy;
use serde_json::{Map, Value};

use super::backends::{self, Routes, Upstreams};
use super::{
    Cluster, Endpoint, Filter, Gateway, Jwks, KeyPair, Listener, ListenerTls, Operations, Origin, Problem,
    Provider, address, clusters, components,
};
use crate::check::PLACEHOLDER;
use crate::config::{self, GatewayConfig, ListenerConfig};

/// In milliseconds.
const CALLS_TIMEOUT: u32 = 30_000;
const REQUEST_TIMEOUT: u32 = 120_000;
/// A request that waits for its calls is silent for as long as they take.
const MORE_THAN_CALLS: u32 = 15_000;
/// What Envoy needs besides a body that is held.
const MORE_THAN_BODY: u32 = 1 << 20;
/// Names of clusters that the renderers make.
pub(crate) const OUR_OWN: &str = "scopegate-";

/// The gateway of a file, or what keeps it from being one. Warnings come with either.
pub(crate) fn compile(file: &Value) -> (Option<Gateway>, Vec<Problem>) {
    let mut problems = Vec::new();
    let gateway = match whole(file, &mut problems) {
        Ok(gateway) => Some(gateway),
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    let is_wrong = problems.iter().any(|problem| problem.severity == crate::finding::Severity::Error);
    (gateway.filter(|_| !is_wrong), problems)
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        Self::error(error.path, error.message)
    }
}

fn whole(file: &Value, problems: &mut Vec<Problem>) -> Result<Gateway, Problem> {
    let (filter, members) = config::split(file.clone());
    if filter.get("role").and_then(Value::as_str) == Some("agent") {
        return Err(Problem::error(
            "role",
            "a gateway is made of the gateway's configuration, not of an agent's",
        ));
    }
    let members = GatewayConfig::from_json(&members)?;
    let config = Config::from_json(filter.clone())?;
    let environment = environment(&config)?;
    let stream_idle_timeout = stream_idle_timeout(&config);

    let upstreams = upstreams(&config, &members, problems);
    let routes = backends::routes(&config, &upstreams, stream_idle_timeout, problems);
    let hosts = backends::hosts(&routes, &config, problems);
    let mut configuration = filter;
    calls(&mut configuration, &config, &routes, problems);
    named_clusters(&config, &members, problems);

    let mut clusters = Vec::new();
    for (name, (upstream, origin)) in &upstreams {
        let backend = config.backends.iter().find(|backend| Some(&backend.name) == upstream.backend.as_ref());
        let path = format!("upstreams.{name}");
        match clusters::of(name, upstream, origin, backend.map(|backend| backend.kind), &path) {
            Ok(cluster) => {
                let is_near = |endpoint: &Endpoint| endpoint.ip().is_some_and(|ip| ip.is_loopback());
                let is_open = cluster.tls.is_none() && !cluster.endpoints.iter().all(is_near);
                if cluster.credential.is_some() && is_open {
                    let path = format!("{path}.credential");
                    problems.push(
                        Problem::warning(path, "whoever is on the way reads it")
                            .help("let the URL be `https`"),
                    );
                }
                clusters.push(cluster);
            }
            Err(problem) => problems.push(problem),
        }
    }
    clusters.sort_by_key(|cluster| !cluster.is_backend);
    let providers = providers(&members, &mut clusters, problems)?;
    let listeners = listeners(&members.listeners, problems);
    callers(&config, &members, &listeners, problems);
    Ok(Gateway {
        filter: Filter {
            configuration,
            environment,
            held_bytes: config
                .limits
                .request_bytes
                .0
                .max(config.limits.response_bytes.0)
                .saturating_add(MORE_THAN_BODY),
            needs_peer: config.callers.iter().any(|caller| {
                caller.header.as_ref().is_some_and(|header| !header.proof.address.0.is_empty())
            }),
            takes_opaque_tokens: config.callers.iter().any(|caller| caller.bearer.is_some()),
        },
        operations: operations(&members, &listeners)?,
        listeners,
        providers,
        hosts,
        clusters,
        stream_idle_timeout,
    })
}

/// Whose tokens are verified; what their keys are fetched through is added to the clusters.
fn providers(
    members: &GatewayConfig,
    clusters: &mut Vec<Cluster>,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Provider>, Problem> {
    let mut providers = Vec::new();
    for (name, provider) in &members.identity_providers {
        let path = format!("identity_providers.{name}.jwks");
        let jwks = match (&provider.jwks.file, &provider.jwks.url) {
            (Some(file), None) => Jwks::File(file.0.clone()),
            (None, Some(url)) => {
                let cluster = format!("{OUR_OWN}jwks-{name}");
                let fetching = clusters::fetching(cluster.clone(), url, provider.jwks.tls.as_ref(), &path)?;
                if fetching.tls.is_none() {
                    problems.push(
                        Problem::warning(
                            format!("{path}.url"),
                            "whoever is on the way of these keys can sign tokens of his own",
                        )
                        .help("write `https`"),
                    );
                }
                clusters.push(fetching);
                Jwks::Url { url: url.0.clone(), cluster }
            }
            _ => return Err(Problem::error(path, "give exactly one of `url` and `file`")),
        };
        let texts = |list: &[Text]| list.iter().map(|text| text.0.clone()).collect();
        providers.push(Provider {
            name: name.clone(),
            issuer: provider.issuer.0.clone(),
            audiences: texts(&provider.audiences.0),
            jwks,
            headers: texts(&provider.headers),
        });
    }
    Ok(providers)
}

/// The variables that hold secrets, found by compiling the configuration as the filter does.
fn environment(config: &Config) -> Result<Vec<String>, Problem> {
    let asked = RefCell::new(BTreeSet::new());
    let env = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        let value = std::env::var_os(name).map(std::ffi::OsString::into_encoded_bytes);
        Some(value.unwrap_or_else(|| PLACEHOLDER.as_bytes().to_vec()))
    };
    Policy::compile(config, &env)?;
    Ok(asked.into_inner().into_iter().collect())
}

fn stream_idle_timeout(config: &Config) -> u32 {
    let timeouts = config.write.values().filter_map(|write| write.calls.timeout).map(|timeout| timeout.0);
    let longest = timeouts.chain([CALLS_TIMEOUT]).max().unwrap_or(CALLS_TIMEOUT);
    longest.saturating_add(MORE_THAN_CALLS)
}

fn upstreams<'c>(config: &Config, members: &'c GatewayConfig, problems: &mut Vec<Problem>) -> Upstreams<'c> {
    let mut upstreams = Upstreams::new();
    for (name, upstream) in &members.upstreams {
        let path = format!("upstreams.{name}");
        if name.starts_with(OUR_OWN) || name.is_empty() {
            problems.push(Problem::error(&path, format!("a name that begins with `{OUR_OWN}` is taken")));
        }
        match &upstream.backend {
            Some(backend) if config.backends.iter().all(|known| known.name != *backend) => {
                let known: Vec<&str> = config.backends.iter().map(|backend| &*backend.name.0).collect();
                problems.push(
                    Problem::error(format!("{path}.backend"), format!("there is no backend `{backend}`"))
                        .help(format!("there are: {}", known.join(", "))),
                );
            }
            None if upstream.component.is_some() || !upstream.paths.is_empty() => {
                problems.push(Problem::error(&path, "of which backend? Name it as its `backend`"));
            }
            _ => {}
        }
        match Origin::parse(upstream.url.0.iter().map(|url| &*url.0), &format!("{path}.url")) {
            Ok(origin) => {
                upstreams.insert(name, (upstream, origin));
            }
            Err(problem) => problems.push(problem),
        }
    }
    upstreams
}

/// Says where the parts of split writes go, where the configuration does not.
fn calls(configuration: &mut Value, config: &Config, routes: &[Routes<'_>], problems: &mut Vec<Problem>) {
    let impersonated = config.callers.iter().any(|caller| caller.impersonate.is_some());
    for one in routes {
        let name = &one.backend.name.0;
        let write = config.write.get(name);
        let calls = write.map(|write| &write.calls);
        if write.is_none() && !impersonated {
            continue;
        }
        let path = format!("write.{name}.calls");
        if calls.is_some_and(|calls| calls.via == Via::Listener) {
            problems.push(
                Problem::error(format!("{path}.via"), "an internal listener is not rendered")
                    .help("leave it at `cluster`, or write Envoy's configuration by hand (docs/envoy.md)"),
            );
            continue;
        }
        let pushes = components::pushes(one.backend.kind).iter().filter_map(|push| one.find(push));
        let mut targets: Vec<_> = pushes.collect();
        targets.dedup_by(|a, b| a.cluster == b.cluster);
        // Parts go with the path of their request, so nothing rewrites it on their way.
        let is_rewritten = targets.iter().any(|route| route.rewrite.is_some());
        if is_rewritten && calls.is_none_or(|calls| calls.path.is_none()) {
            problems.push(
                Problem::error(path.clone(), "parts of split writes go with the path of their request, and the upstream has another")
                    .help(format!("say where they go: {path}.path, such as `/api/v1/push` with what the URL and the backend's own path make of it")),
            );
        }
        let [target] = targets.as_slice() else { continue };
        let set = |configuration: &mut Value, field: &str, value: &str| {
            let map = object(object(object(configuration, "write"), name), "calls");
            if map.get(field).is_none_or(Value::is_null)
                && let Some(map) = map.as_object_mut()
            {
                map.insert(field.to_owned(), Value::from(value));
            }
        };
        let is_named_elsewhere = calls.is_some_and(|calls| calls.cluster.is_some());
        if !is_named_elsewhere {
            set(configuration, "cluster", &target.cluster);
            if let Some(authority) = &target.authority {
                set(configuration, "authority", authority);
            }
        }
    }
}

/// The object at a field, made where there is none.
fn object<'v>(value: &'v mut Value, field: &str) -> &'v mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let slot = &mut value[field];
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    slot
}

/// Every cluster that the filter calls must be an upstream.
fn named_clusters(config: &Config, members: &GatewayConfig, problems: &mut Vec<Problem>) {
    let calls = config.write.iter().filter_map(|(name, write)| {
        write.calls.cluster.as_ref().map(|cluster| (format!("write.{name}.calls.cluster"), cluster))
    });
    let tables = config.tables.iter().flat_map(|(name, table)| {
        [
            table.http.as_ref().map(|http| (format!("tables.{name}.http.cluster"), &http.cluster)),
            table
                .kubernetes
                .as_ref()
                .map(|table| (format!("tables.{name}.kubernetes.cluster"), &table.cluster)),
            table.grafana.as_ref().map(|table| (format!("tables.{name}.grafana.cluster"), &table.cluster)),
        ]
    });
    for (path, cluster) in calls.chain(tables.flatten()) {
        if !members.upstreams.contains_key(&cluster.0) {
            let known: Vec<&str> = members.upstreams.keys().map(String::as_str).collect();
            problems.push(
                Problem::error(path, format!("there is no upstream `{cluster}`"))
                    .help(format!("there are: {}", known.join(", "))),
            );
        }
    }
}

fn listeners(configs: &[ListenerConfig], problems: &mut Vec<Problem>) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    if configs.is_empty() {
        let address = ([0, 0, 0, 0], 8080).into();
        listeners.push(Listener {
            name: "gateway".to_owned(),
            address,
            tls: None,
            request_timeout: REQUEST_TIMEOUT,
            idle_timeout: None,
            trusted_hops: 0,
        });
    }
    for (position, config) in configs.iter().enumerate() {
        let path = format!("listeners[{position}]");
        let name = config.name.as_ref().map_or("gateway", |name| &name.0).to_owned();
        if name == "operations" || listeners.iter().any(|known| known.name == name) {
            problems.push(Problem::error(format!("{path}.name"), format!("the name `{name}` is taken")));
        }
        let address = match address::listening(&config.address, &format!("{path}.address")) {
            Ok(address) => address,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let tls = config.tls.as_ref().map(|tls| ListenerTls {
            certificate: KeyPair { certificate: tls.certificate.0.clone(), key: tls.key.0.clone() },
            client_ca: tls.client_ca.as_ref().map(|file| file.0.clone()),
            require_client_certificate: tls.require_client_certificate,
        });
        if tls.as_ref().is_some_and(|tls| tls.require_client_certificate && tls.client_ca.is_none()) {
            let path = format!("{path}.tls.require_client_certificate");
            problems.push(Problem::error(path, "by which authority? Give its file as `client_ca`"));
        }
        listeners.push(Listener {
            name,
            address,
            tls,
            request_timeout: config.request_timeout.map_or(REQUEST_TIMEOUT, |time| time.0),
            idle_timeout: config.idle_timeout.map(|time| time.0),
            trusted_hops: config.trusted_hops.map_or(0, |hops| hops.0),
        });
    }
    listeners
}

fn operations(members: &GatewayConfig, listeners: &[Listener]) -> Result<Option<Operations>, Problem> {
    let Some(config) = &members.operations else { return Ok(None) };
    let admin = config.admin.as_ref().map_or("127.0.0.1:9901", |admin| &admin.0);
    let admin = address::listening(admin, "operations.admin")?;
    if !admin.ip().is_loopback() {
        let message = "whoever reaches Envoy's admin interface can read everything and stop it";
        return Err(Problem::error("operations.admin", message).help("put it on 127.0.0.1"));
    }
    let address = address::listening(&config.address, "operations.address")?;
    let is_taken = listeners.iter().any(|listener| listener.address == address) || admin == address;
    if is_taken && address.port() != 0 {
        return Err(Problem::error("operations.address", "this address is taken: give it a port of its own"));
    }
    Ok(Some(Operations { address, admin }))
}

/// What callers are recognised by must be there.
fn callers(config: &Config, members: &GatewayConfig, listeners: &[Listener], problems: &mut Vec<Problem>) {
    let asks =
        listeners.iter().any(|listener| listener.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()));
    for (position, caller) in config.callers.iter().enumerate() {
        let path = format!("callers[{position}]");
        if let Some(jwt) = caller.jwt.as_ref().filter(|jwt| jwt.namespace.is_none()) {
            let path = format!("{path}.jwt.provider");
            for name in &jwt.provider.0 {
                let Some(provider) = members.identity_providers.get(&name.0) else {
                    let message = format!("there is no identity provider `{name}`");
                    let example =
                        format!("identity_providers: {{{name}: {{issuer: …, jwks: {{url: https://…}}}}}}");
                    problems.push(Problem::error(&path, message).help(example));
                    continue;
                };
                if jwt.provider.0.len() == 1
                    && !jwt.issuer.0.is_empty()
                    && !jwt.issuer.0.contains(&provider.issuer)
                {
                    let message = format!(
                        "`{name}` verifies tokens of `{}`, which this caller does not take",
                        provider.issuer
                    );
                    problems.push(Problem::error(&path, message));
                }
            }
        }
        let certificate = caller.certificate.is_some()
            || caller.header.as_ref().is_some_and(|header| header.proof.certificate.is_some());
        if certificate && !asks {
            problems.push(
                Problem::error(
                    path.clone(),
                    "no listener asks for certificates, so nobody is recognised by one",
                )
                .help("give a listener `tls` with a `client_ca`"),
            );
        }
        if caller.metadata.is_some() {
            problems.push(
                Problem::warning(format!("{path}.metadata"), "the filter that leaves this is not rendered")
                    .help("put it before the filter by hand"),
            );
        }
    }
}
