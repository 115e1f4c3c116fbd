//! From an upstream to a cluster.

use scopegate_core::config::{Millis, Text};
use scopegate_core::operation::Kind;

use super::{Cluster, Credential, Endpoint, Health, KeyPair, Name, Origin, Problem, UpstreamTls, components};
use crate::config::{Addresses, HealthCheckConfig, HealthConfig, UpstreamConfig, UpstreamTlsConfig};

/// Where Debian, Ubuntu and Alpine keep the system's authorities; Envoy's image is one of them.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// In milliseconds.
const CONNECT_TIMEOUT: u32 = 2_000;
const HEALTH_INTERVAL: u32 = 10_000;
const HEALTH_TIMEOUT: u32 = 2_000;
const MAX_REQUESTS: u32 = 8192;

/// The cluster of an upstream, whose fields are below `path`, before a backend of that kind or none.
pub(super) fn of(
    name: &str,
    upstream: &UpstreamConfig,
    origin: &Origin,
    kind: Option<Kind>,
    path: &str,
) -> Result<Cluster, Problem> {
    let millis = |time: Option<Millis>| time.map(|time| time.0);
    Ok(Cluster {
        name: name.to_owned(),
        endpoints: origin.endpoints.clone(),
        addresses: upstream.addresses,
        dns_refresh: millis(upstream.dns_refresh),
        connect_timeout: millis(upstream.connect_timeout).unwrap_or(CONNECT_TIMEOUT),
        idle_timeout: millis(upstream.idle_timeout),
        tls: tls(upstream.tls.as_ref(), origin, &format!("{path}.tls"))?,
        credential: credential(upstream, path)?,
        health: health(upstream, origin, kind, path)?,
        http2: upstream.http2,
        max_requests: upstream.max_requests.map_or(MAX_REQUESTS, |count| count.0),
        is_backend: kind.is_some(),
    })
}

/// A cluster to what is fetched now and then: keys, the module.
pub(super) fn fetching(
    name: String,
    url: &str,
    tls_config: Option<&UpstreamTlsConfig>,
    path: &str,
) -> Result<Cluster, Problem> {
    // What follows the host is the path of what is fetched.
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..].find(['/', '?']).map_or(url.len(), |at| after_scheme + at);
    let origin = Origin::parse([&url[..end]], &format!("{path}.url"))?;
    Ok(Cluster {
        name,
        tls: tls(tls_config, &origin, &format!("{path}.tls"))?,
        endpoints: origin.endpoints,
        addresses: Addresses::All,
        dns_refresh: None,
        connect_timeout: CONNECT_TIMEOUT,
        idle_timeout: None,
        credential: None,
        health: None,
        http2: false,
        max_requests: MAX_REQUESTS,
        is_backend: false,
    })
}

fn tls(
    config: Option<&UpstreamTlsConfig>,
    origin: &Origin,
    path: &str,
) -> Result<Option<UpstreamTls>, Problem> {
    if !origin.is_https {
        return match config {
            Some(_) => {
                Err(Problem::error(path, "the URL says `http`, which has no TLS").help("write `https`"))
            }
            None => Ok(None),
        };
    }
    let default = UpstreamTlsConfig::default();
    let config = config.unwrap_or(&default);
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.0.clone());
    let names: Vec<Name> = origin.endpoints.iter().map(Endpoint::name).collect();
    let name = match (&config.sni, names.split_first()) {
        (Some(sni), _) => Name::Dns(sni.0.clone()),
        (None, Some((first, rest))) if rest.iter().all(|name| name == first) => first.clone(),
        _ => {
            return Err(Problem::error(path, "several hosts: which name must their certificates have?")
                .help("give `sni`"));
        }
    };
    let certificate = key_pair(text(&config.certificate), text(&config.key), path)?;
    let ca = text(&config.ca).unwrap_or_else(|| SYSTEM_AUTHORITIES.to_owned());
    Ok(Some(UpstreamTls { ca, name, certificate }))
}

fn key_pair(
    certificate: Option<String>,
    key: Option<String>,
    path: &str,
) -> Result<Option<KeyPair>, Problem> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(KeyPair { certificate, key })),
        (None, None) => Ok(None),
        _ => Err(Problem::error(path, "`certificate` and `key` belong together")),
    }
}

fn credential(upstream: &UpstreamConfig, path: &str) -> Result<Option<Credential>, Problem> {
    let Some(config) = &upstream.credential else { return Ok(None) };
    let (scheme, file) = match (&config.bearer_file, &config.basic_file) {
        (Some(file), None) => ("Bearer", file),
        (None, Some(file)) => ("Basic", file),
        _ => {
            let path = format!("{path}.credential");
            return Err(Problem::error(path, "give exactly one of `bearer_file` and `basic_file`"));
        }
    };
    Ok(Some(Credential { scheme, file: file.0.clone() }))
}

fn health(
    upstream: &UpstreamConfig,
    origin: &Origin,
    kind: Option<Kind>,
    path: &str,
) -> Result<Option<Health>, Problem> {
    let default = HealthCheckConfig::default();
    let check = match (&upstream.health, kind) {
        (Some(HealthConfig::None), _) | (None, None) => return Ok(None),
        (Some(HealthConfig::Check(check)), _) => check,
        (None, Some(_)) => &default,
    };
    let asked = match (&check.path, kind) {
        (Some(asked), _) => asked.0.clone(),
        (None, Some(kind)) => components::health(kind).to_owned(),
        (None, None) => {
            let path = format!("{path}.health.path");
            return Err(Problem::error(path, "say at which path it tells that it is well"));
        }
    };
    if !asked.starts_with('/') {
        return Err(Problem::error(format!("{path}.health.path"), "a path begins with a slash"));
    }
    Ok(Some(Health {
        path: format!("{}{asked}", origin.path),
        authority: upstream
            .authority
            .as_ref()
            .map_or_else(|| origin.authority.clone(), |name| name.0.clone()),
        interval: check.interval.map_or(HEALTH_INTERVAL, |time| time.0),
        timeout: check.timeout.map_or(HEALTH_TIMEOUT, |time| time.0),
    }))
}
