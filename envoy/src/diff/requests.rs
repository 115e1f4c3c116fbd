//! The requests that are asked about where nobody gives any: for each identity and each backend one of every class.

use std::collections::BTreeMap;

use scopegate_core::config::{
    BackendConfig, Config, OneOrMany, TableConfig, TenantSourceConfig, Text, WriteConfig,
};
use scopegate_core::operation::{Class, Kind};

use super::identities::{EXAMPLE, Identity, keys};
use crate::explain::policy::World;
use crate::testing::file::{RequestCase, Stream};

/// A request that is asked about, without who sends it.
pub(super) struct Asked {
    /// What it is, in words.
    pub(super) words: String,
    pub(super) request: RequestCase,
}

/// What a write carries.
#[derive(Clone, Copy)]
enum Carries {
    Series,
    Streams,
    Resources,
    Text(&'static str),
    Nothing,
}

use Carries::{Nothing, Resources, Series, Streams};

/// One operation of each class that a kind of backend has.
const fn operations(kind: Kind) -> &'static [(Class, &'static str, &'static str, Carries)] {
    const RULES: Carries = Carries::Text("name: example\nrules: []\n");
    const ALERTS: Carries = Carries::Text("[]");
    match kind {
        Kind::Cortex => &[
            (Class::Write, "POST", "/api/v1/push", Series),
            (Class::Read, "GET", "/prometheus/api/v1/query?query=up", Nothing),
            (Class::Rules, "POST", "/api/v1/rules/example", RULES),
            (Class::Alerts, "GET", "/api/v1/alerts", Nothing),
        ],
        Kind::Mimir => &[
            (Class::Write, "POST", "/api/v1/push", Series),
            (Class::Read, "GET", "/prometheus/api/v1/query?query=up", Nothing),
            (Class::Rules, "POST", "/prometheus/config/v1/rules/example", RULES),
            (Class::Alerts, "GET", "/api/v1/alerts", Nothing),
        ],
        Kind::Loki => &[
            (Class::Write, "POST", "/loki/api/v1/push", Streams),
            (Class::Read, "GET", "/loki/api/v1/query_range?query=%7Bapp%3D%22x%22%7D", Nothing),
            (Class::Rules, "POST", "/loki/api/v1/rules/example", RULES),
        ],
        Kind::Tempo => {
            &[(Class::Write, "POST", "/v1/traces", Resources), (Class::Read, "GET", "/api/search", Nothing)]
        }
        Kind::Prometheus | Kind::VictoriaMetrics => &[
            (Class::Write, "POST", "/api/v1/write", Series),
            (Class::Read, "GET", "/api/v1/query?query=up", Nothing),
        ],
        Kind::VictoriaMetricsCluster => &[
            (Class::Write, "POST", "/prometheus/api/v1/write", Series),
            (Class::Read, "GET", "/prometheus/api/v1/query?query=up", Nothing),
        ],
        Kind::VictoriaLogs => &[
            (Class::Write, "POST", "/insert/loki/api/v1/push", Streams),
            (Class::Read, "GET", "/select/logsql/query?query=*", Nothing),
        ],
        Kind::VictoriaTraces => &[
            (Class::Write, "POST", "/insert/opentelemetry/v1/traces", Resources),
            (Class::Read, "GET", "/select/jaeger/api/services", Nothing),
        ],
        Kind::Alertmanager => &[
            (Class::Alerts, "POST", "/api/v2/alerts", ALERTS),
            (Class::Read, "GET", "/api/v2/silences", Nothing),
        ],
    }
}

/// What an identity asks of every backend.
pub(super) fn of(identity: &Identity, config: &Config, world: &World) -> Vec<Asked> {
    config.backends.iter().flat_map(|backend| of_backend(identity, backend, config, world)).collect()
}

fn of_backend(identity: &Identity, backend: &BackendConfig, config: &Config, world: &World) -> Vec<Asked> {
    let base = to(identity, backend);
    let none = WriteConfig::default();
    let write = config.write.get(&backend.name.0).unwrap_or(&none);
    let labels = labels(write, &config.tables, world);
    let mut out = Vec::new();
    for (class, method, path, carries) in operations(backend.kind) {
        let words = |more: &str| format!("`{}` {}{more}", class.as_str(), backend.name);
        let with = |series: Vec<String>| carrying(&base(method, &moved(backend, path)), *carries, series);
        if !matches!(carries, Series | Streams | Resources) {
            out.push(Asked { words: words(""), request: with(Vec::new()) });
            continue;
        }
        out.push(Asked { words: words(""), request: with(vec![series(*carries, &[])]) });
        for (label, values) in &labels {
            for value in values {
                let words = words(&format!(" {label}={value}"));
                out.push(Asked { words, request: with(vec![series(*carries, &[(label, value)])]) });
            }
        }
        if let Some((label, (header, value), tenants)) = &identity.impersonates {
            for tenant in tenants {
                let mut request = with(vec![series(*carries, &[(label, tenant)])]);
                request.headers.insert(header.clone(), OneOrMany(vec![Text(value.clone())]));
                out.push(Asked { words: words(&format!(" impersonating {tenant}")), request });
            }
        }
    }
    for extra in &backend.paths {
        let path = extra.path.replace("/*", &format!("/{EXAMPLE}"));
        let path: String = path
            .split('/')
            .map(|part| if part.starts_with('{') { EXAMPLE } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let method = extra.methods.first().map_or("GET", |method| method.as_str());
        let words = format!("`{}` {} {method} {path}", extra.class.as_str(), backend.name);
        out.push(Asked { words, request: base(method, &path) });
    }
    out
}

/// A path where the prefixes of a backend were moved.
fn moved(backend: &BackendConfig, path: &str) -> String {
    match (&backend.prefixes.prometheus, path.strip_prefix("/prometheus/")) {
        (Some(prefix), Some(rest)) => format!("{}/{rest}", prefix.trim_end_matches('/')),
        (Some(prefix), None) if backend.kind == Kind::Prometheus => {
            format!("{}{path}", prefix.trim_end_matches('/'))
        }
        _ => path.to_owned(),
    }
}

/// A request to a backend, as the identity sends it.
fn to<'a>(identity: &'a Identity, backend: &'a BackendConfig) -> impl Fn(&str, &str) -> RequestCase + 'a {
    move |method, path| {
        let prefix = backend.path.as_ref().map_or("", |prefix| prefix.trim_end_matches('/'));
        RequestCase {
            method: Some(Text(method.to_owned())),
            path: Text(format!("{prefix}{path}")),
            host: backend.host.0.first().map(|host| Text(host.replace('*', EXAMPLE))),
            backend: Some(backend.name.clone()),
            ..identity.request.clone()
        }
    }
}

fn carrying(request: &RequestCase, carries: Carries, series: Vec<String>) -> RequestCase {
    let texts: Vec<Text> = series.into_iter().map(Text).collect();
    let mut request = request.clone();
    match carries {
        Series => request.series = Some(texts),
        Resources => request.resources = Some(texts),
        Streams => {
            let stream = |labels| Stream { labels, metadata: BTreeMap::new() };
            request.streams = Some(texts.into_iter().map(stream).collect());
        }
        Carries::Text(text) => request.body = Some(Text(text.to_owned())),
        Nothing => {}
    }
    request
}

/// A series, a stream or a resource with these labels, as text.
fn series(carries: Carries, labels: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let first = if matches!(carries, Series) { "__name__" } else { "app" };
    let labels: Vec<String> = [(first, "up")]
        .iter()
        .chain(labels)
        .map(|(name, value)| format!("\"{}\"=\"{}\"", escaped(name), escaped(value)))
        .collect();
    format!("{{{}}}", labels.join(","))
}

/// The labels that lead to tenants, and values to ask about.
fn labels(
    write: &WriteConfig,
    tables: &BTreeMap<String, TableConfig>,
    world: &World,
) -> Vec<(String, Vec<String>)> {
    let mut out = Vec::new();
    for source in write.tenant.iter().flatten() {
        let TenantSourceConfig::Labels { labels, key, .. } = source else { continue };
        // Of several labels that make one key nobody can say here which values fit together.
        let [label] = labels.as_slice() else { continue };
        let mut values = key.table.as_ref().map_or_else(Vec::new, |table| keys(table, tables, world));
        // What a table has not is decided as well.
        values.extend([EXAMPLE.to_owned(), "unknown".to_owned()]);
        for also in &write.also_write {
            values.extend(also.key.iter().map(|key| key.0.clone()));
        }
        values.sort_unstable();
        values.dedup();
        out.push((label.0.clone(), values));
    }
    out
}
