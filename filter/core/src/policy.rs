//! The configuration, checked as a whole and compiled: what every decision is made by.

use std::rc::Rc;

use crate::caller::{Caller, Credential, Environment, Impersonate, Tabled};
use crate::config::{BackendConfig, ByTenant, Config, ConfigError, Limits, QueryLanguage, WriteConfig};
use crate::exchange::{Pages, Process, SlotFailure, explained};
use crate::http::{host_name, under_prefix};
use crate::isolate::Isolate;
use crate::operation::{Kind, Router};
use crate::read::{AlsoRead, LabelPolicies};
use crate::report::{NamingRules, Refusal};
use crate::rollout::Rollout;
use crate::session::HEADER;
use crate::sorted;
use crate::table::TableRules;
use crate::write::{Rules, metadata};

/// A compiled configuration. Made at load, shared by all requests of a worker.
#[derive(Debug)]
pub struct Policy {
    /// For whom decisions take effect.
    pub rollout: Rollout,
    /// The backends, in the order of the configuration.
    pub backends: Vec<Backend>,
    /// The callers, in the order of the configuration.
    pub callers: Vec<Caller>,
    /// The tables, in the order of their names.
    pub tables: Vec<TableRules>,
    /// The tables of users, tokens and keys, likewise.
    pub credentials: Vec<TableRules<Credential>>,
    /// The bounds.
    pub limits: Limits,
    /// Which configuration it is: a [hash](crate::write::ledger::version) of its bytes, where there are any.
    pub version: [u8; 16],
    /// What is told to the outside.
    pub telling: Telling,
    /// The gateway's own pages.
    pub pages: Pages,
    /// Headers that say something about tenancy, or prove an identity, in lower case: none of a client's ever goes on.
    tenancy_headers: Vec<String>,
}

/// What is told to the outside, besides answers.
#[derive(Debug)]
pub struct Telling {
    /// Of which requests counters by tenant are kept.
    pub by_tenant: ByTenant,
    /// Which tenants have metrics of their own.
    pub naming: NamingRules,
    /// Whether there is a histogram for each tenant.
    pub histograms: bool,
    /// Whether the access log is told about every request.
    pub access_log: bool,
    /// Whether refusals and keys without a tenant are kept for a report.
    pub journal: bool,
}

/// One backend.
#[derive(Debug)]
pub struct Backend {
    /// Its name in metrics and logs.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How it keeps tenants apart.
    pub isolate: Rc<Isolate>,
    /// Which paths it has.
    pub router: Router,
    /// Whether it reads experimental syntax of its query language.
    pub experimental: bool,
    /// The query language of its metrics.
    pub language: QueryLanguage,
    /// What its reads may see of each tenant.
    pub label_policies: LabelPolicies,
    /// How its writes find their tenants.
    pub write: Rules,
    /// Which tenants are read together with others.
    pub also_read: AlsoRead,
    /// Whether the client's `Authorization` goes on to it.
    pub forward_authorization: bool,
    hosts: Vec<HostPattern>,
    prefix: Option<String>,
}

#[derive(Debug)]
enum HostPattern {
    Exact(String),
    /// Everything that ends so: `.example.org`.
    Below(String),
}

/// Headers by which the backends, or their neighbours, take a tenant from a request; the proof of a session; and the
/// question what would become of a request.
const TENANCY_HEADERS: &[&str] = &[
    "x-scope-orgid",
    "x-prom-label-policy",
    "thanos-tenant",
    "accountid",
    "projectid",
    "vl-extra-fields",
    "vt-extra-fields",
    "x-influxdb-org",
    HEADER,
    explained::HEADER,
];

impl Policy {
    /// Compiles a configuration. `env` gives the environment of the filter, where secrets are.
    pub fn compile(config: &Config, env: &Environment<'_>) -> Result<Self, ConfigError> {
        if config.backends.is_empty() {
            return Err(ConfigError::new("backends", "name at least one backend"));
        }
        if config.callers.is_empty() {
            return Err(ConfigError::new(
                "callers",
                "name at least one caller; without one every request is refused",
            ));
        }
        check_backends(config, "write", config.write.keys())?;
        check_backends(config, "read", config.read.keys())?;
        let (tables, credentials) = compile_tables(config)?;
        let mut backends: Vec<Backend> = Vec::new();
        for (position, backend) in config.backends.iter().enumerate() {
            let path = format!("backends[{position}]");
            if backends.iter().any(|known| known.name == backend.name.0) {
                return Err(ConfigError::new(format!("{path}.name"), "another backend has this name"));
            }
            backends.push(Backend::compile(backend, &path, config.write.get(&backend.name.0), &tables)?);
        }
        let mut callers: Vec<Caller> = Vec::new();
        for (position, caller) in config.callers.iter().enumerate() {
            let path = format!("callers[{position}]");
            check_name(&caller.name, &path)?;
            if callers.iter().any(|known| known.name == caller.name.0) {
                return Err(ConfigError::new(format!("{path}.name"), "another caller has this name"));
            }
            if let Some(earlier) = callers.last().filter(|known| known.is_anonymous()) {
                return Err(ConfigError::new(
                    path,
                    format!("nothing comes after `anonymous` ({}): it takes whoever is left", earlier.name),
                ));
            }
            let known = Tabled { tenants: &tables, credentials: &credentials };
            let caller = Caller::compile(caller, &path, env, known)?;
            // What is bad for the first is refused, and never reaches the second.
            if caller.attribute().is_some() && callers.iter().any(|c| c.attribute() == caller.attribute()) {
                let path = format!("{path}.session.attribute");
                return Err(ConfigError::new(path, "another caller is recognised by this attribute"));
            }
            let mut impersonated = caller.impersonations().map(|right| &right.label);
            let of_a_pair = |label| backends.iter().find(|backend| backend.write.ha_labels.contains(label));
            if let Some(backend) = impersonated.find_map(of_a_pair) {
                return Err(ConfigError::new(
                    format!("{path}.impersonate.label"),
                    format!(
                        "it is taken off, and an HA tracker of {} decides by it (write.{}.ha_labels)",
                        backend.name, backend.name
                    ),
                ));
            }
            drop(impersonated);
            callers.push(caller);
        }
        for backend in &mut backends {
            if let Some(read) = config.read.get(&backend.name) {
                let path = format!("read.{}.label_policy", backend.name);
                backend.experimental = read.experimental;
                backend.language = read.language;
                if read.language != QueryLanguage::PromQl && backend.kind != Kind::Prometheus {
                    let path = format!("read.{}.language", backend.name);
                    return Err(ConfigError::new(path, "only for backends of kind prometheus"));
                }
                backend.label_policies =
                    LabelPolicies::compile(&read.label_policy, backend.kind, &callers, &path)?;
            }
        }
        let limits = config.limits.clone();
        check_limits(&limits)?;
        let mut tenancy_headers: Vec<String> =
            TENANCY_HEADERS.iter().map(|name| (*name).to_owned()).collect();
        tenancy_headers.extend(backends.iter().flat_map(|b| b.write.tenant_headers()).map(str::to_owned));
        tenancy_headers
            .extend(callers.iter().flat_map(Caller::impersonations).map(|right| right.header.clone()));
        tenancy_headers.extend(callers.iter().flat_map(Caller::headers).map(str::to_owned));
        let tenancy_headers = sorted::set(tenancy_headers);
        if let Some(reserved) = tenancy_headers.iter().find(|name| name.starts_with(':') || name.is_empty()) {
            return Err(ConfigError::new(
                "",
                format!("`{reserved}` cannot name a tenant or ask for a right"),
            ));
        }
        for backend in &backends {
            if let Some(name) = backend.write.calls.headers.iter().find(|name| tenancy_headers.contains(name))
            {
                return Err(ConfigError::new(
                    format!("write.{}.calls.headers", backend.name),
                    format!("a call cannot carry `{name}`: what a client says about tenancy goes no further"),
                ));
            }
        }
        let telling = Telling {
            by_tenant: config.metrics.by_tenant,
            naming: NamingRules::compile(config)?,
            histograms: config.metrics.histograms,
            access_log: config.access_log,
            journal: config.report.is_some(),
        };
        let pages = Pages::compile(config)?;
        let (rollout, version) = (Rollout::compile(config), [0; 16]);
        Ok(Self {
            rollout,
            backends,
            callers,
            tables,
            credentials,
            limits,
            version,
            telling,
            pages,
            tenancy_headers,
        })
    }

    /// Whether a backend is told no tenants, and keeps them apart by a label.
    pub fn knows_labels_alone(&self, backend: usize) -> bool {
        self.backends.get(backend).is_some_and(|backend| backend.isolate.label().is_some())
    }

    /// The backend a request is for: the one that the route's metadata names, else the one with the best
    /// match of host and path. Gives its position, and the path below its prefix.
    pub fn backend<'a>(
        &self,
        named: Option<&str>,
        authority: &str,
        path: &'a str,
    ) -> Result<(usize, &'a str), Refusal> {
        if let Some(name) = named {
            let position =
                self.backends.iter().position(|b| b.name == name).ok_or(Refusal::UnknownBackend)?;
            let prefix = self.backends.get(position).and_then(|backend| backend.prefix.as_deref());
            return Ok((position, prefix.and_then(|prefix| under_prefix(path, prefix)).unwrap_or(path)));
        }
        let host = host_name(authority);
        let candidates = self.backends.iter().enumerate().filter_map(|(position, backend)| {
            let host_rank = backend.host_rank(host)?;
            let (rest, prefix_len) = match &backend.prefix {
                Some(prefix) => (under_prefix(path, prefix)?, prefix.len()),
                None => (path, 0),
            };
            Some(((host_rank, prefix_len), position, rest))
        });
        let best = candidates.max_by_key(|(rank, position, _)| (*rank, core::cmp::Reverse(*position)));
        best.map(|(_, position, rest)| (position, rest)).ok_or(Refusal::NoBackend)
    }

    /// Whether a request can be for one of several backends.
    pub fn has_choice(&self) -> bool {
        self.backends.len() > 1
    }

    /// Whether a decision depends on the date, so that the host must tell it.
    pub fn needs_date(&self) -> bool {
        self.backends.iter().any(|backend| backend.write.needs_date() || !backend.also_read.is_empty())
    }

    /// The rights of all callers to impersonate.
    pub fn impersonations(&self) -> impl Iterator<Item = &Impersonate> {
        self.callers.iter().flat_map(Caller::impersonations)
    }

    /// Makes what the workers of a process share, before any of them serves.
    pub fn make_slots(&self, process: &dyn Process) -> Result<(), SlotFailure> {
        if self.backends.iter().any(|backend| backend.write.follows_metadata()) {
            metadata::make_slots(process)?;
        }
        self.callers.iter().try_for_each(|caller| caller.make_slots(process))
    }

    /// Headers of a client that never go on, in lower case.
    pub fn tenancy_headers(&self) -> &[String] {
        &self.tenancy_headers
    }

    /// Whether a header of a client is about tenancy: one of [`Policy::tenancy_headers`], or one that some servers read as
    /// the same, since CGI and its kin write `-` as `_`.
    pub fn is_about_tenancy(&self, name: &[u8]) -> bool {
        let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
        self.tenancy_headers.iter().any(|known| {
            known.len() == name.len()
                && known.bytes().zip(name).all(|(one, other)| plain(one) == plain(*other))
        })
    }
}

impl Backend {
    fn compile(
        config: &BackendConfig,
        path: &str,
        write: Option<&WriteConfig>,
        tables: &[TableRules],
    ) -> Result<Self, ConfigError> {
        check_name(&config.name, path)?;
        let isolate = Isolate::compile(config.isolate.as_ref(), config.kind, &format!("{path}.isolate"))?;
        let mut hosts = Vec::new();
        for (position, host) in config.host.0.iter().enumerate() {
            hosts.push(
                HostPattern::compile(host)
                    .map_err(|problem| ConfigError::new(format!("{path}.host[{position}]"), problem))?,
            );
        }
        let prefix = config.path.as_ref().map(|prefix| prefix.trim_end_matches('/').to_owned());
        let odd = |prefix: &String| {
            !prefix.starts_with('/') || prefix.contains("//") || prefix.contains(['?', '#', '%', ';', '\\'])
        };
        if prefix.as_ref().is_some_and(odd) {
            return Err(ConfigError::new(
                format!("{path}.path"),
                "a path prefix starts with `/`, is more than that, and stands in its plain form",
            ));
        }
        let router = Router::new(config.kind, &config.prefixes, &config.paths)
            .map_err(|error| ConfigError::new(format!("{path}.{}", error.field()), error.to_string()))?;
        let name = config.name.0.clone();
        let mut write = Rules::compile(
            write.unwrap_or(&WriteConfig::default()),
            config.kind,
            &isolate,
            tables,
            &format!("write.{name}"),
        )?;
        if let Some(position) = write.metadata_source().filter(|_| config.kind != Kind::Loki) {
            return Err(ConfigError::new(
                format!("write.{name}.tenant[{position}]"),
                "only log entries have structured metadata: this is for backends of kind loki",
            ));
        }
        let forward_authorization = config.forward_authorization;
        if forward_authorization {
            write.calls.headers.push("authorization".to_owned());
        }
        let also_read = AlsoRead::compile(&config.also_read, &isolate, &format!("{path}.also_read"))?;
        let isolate = Rc::new(isolate);
        Ok(Self {
            name,
            kind: config.kind,
            isolate,
            router,
            experimental: false,
            language: QueryLanguage::default(),
            label_policies: LabelPolicies::default(),
            write,
            also_read,
            forward_authorization,
            hosts,
            prefix,
        })
    }

    /// How well the backend fits a host: `None` not at all, 0 for one that names no hosts.
    fn host_rank(&self, host: &str) -> Option<usize> {
        if self.hosts.is_empty() {
            return Some(0);
        }
        self.hosts.iter().filter_map(|pattern| pattern.rank(host)).max()
    }
}

impl HostPattern {
    fn compile(text: &str) -> Result<Self, &'static str> {
        let pattern = match text.strip_prefix('*') {
            Some(below) if below.starts_with('.') => Self::Below(below.to_ascii_lowercase()),
            _ => Self::Exact(text.to_ascii_lowercase()),
        };
        let (Self::Exact(host) | Self::Below(host)) = &pattern;
        let is_ipv6 = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || host.contains('*') || (host.contains(':') && !is_ipv6) {
            return Err("a host is a name without port, such as metrics.example.org or *.example.org");
        }
        Ok(pattern)
    }

    /// Exact beats below, and the longer beats the shorter.
    fn rank(&self, host: &str) -> Option<usize> {
        match self {
            Self::Exact(name) => name.eq_ignore_ascii_case(host).then_some(usize::MAX),
            Self::Below(below) => {
                let at = host.len().checked_sub(below.len()).filter(|at| *at > 0)?;
                host.get(at..).filter(|tail| tail.eq_ignore_ascii_case(below)).map(str::len)
            }
        }
    }
}

/// The tables of tenants, and those of users, tokens and keys: what a caller names for its credentials is one of the latter.
fn compile_tables(config: &Config) -> Result<(Vec<TableRules>, Vec<TableRules<Credential>>), ConfigError> {
    let named = config.callers.iter().flat_map(|caller| {
        let basic = caller.basic.as_ref().and_then(|basic| basic.table.as_ref());
        let bearer = caller.bearer.as_ref().and_then(|bearer| bearer.table.as_ref());
        let session = caller.session.as_ref().and_then(|session| session.keys.table.as_ref());
        basic.into_iter().chain(bearer).chain(session)
    });
    let named: Vec<&str> = named.map(|name| &**name).collect();
    let (credentials, tenants): (Vec<_>, Vec<_>) =
        config.tables.iter().partition(|(name, _)| named.contains(&name.as_str()));
    let tenants = tenants.into_iter().map(|(name, table)| TableRules::tenants(name, table));
    let credentials = credentials.into_iter().map(|(name, table)| TableRules::credentials(name, table));
    Ok((tenants.collect::<Result<_, _>>()?, credentials.collect::<Result<_, _>>()?))
}

/// What is said by backend, under `field`, is said of backends that there are.
fn check_backends<'a>(
    config: &Config,
    field: &str,
    mut names: impl Iterator<Item = &'a String>,
) -> Result<(), ConfigError> {
    let stray = names.find(|name| config.backends.iter().all(|backend| backend.name.0 != **name));
    let Some(name) = stray else { return Ok(()) };
    let known: Vec<&str> = config.backends.iter().map(|backend| &*backend.name).collect();
    Err(ConfigError::new(
        format!("{field}.{name}"),
        format!("no backend has this name; there are: {}", known.join(", ")),
    ))
}

/// Names stand in metrics, where they must not look like anything else.
fn check_name(name: &str, path: &str) -> Result<(), ConfigError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.len() <= 64 && name.chars().all(plain) {
        return Ok(());
    }
    Err(ConfigError::new(
        format!("{path}.name"),
        "a name is made of 1 to 64 of the characters A-Z a-z 0-9 - _",
    ))
}

fn check_limits(limits: &Limits) -> Result<(), ConfigError> {
    let fields = [
        ("request_bytes", limits.request_bytes.0),
        ("decoded_bytes", limits.decoded_bytes.0),
        ("series", limits.series.0),
        ("labels_per_series", limits.labels_per_series.0),
        ("tenants", limits.tenants.0),
        ("calls_per_request", limits.calls_per_request.0),
        ("calls_per_worker", limits.calls_per_worker.0),
        ("held_bytes_per_worker", limits.held_bytes_per_worker.0),
        ("response_bytes", limits.response_bytes.0),
        ("answer_bytes", limits.answer_bytes.0),
    ];
    match fields.iter().find(|(_, value)| *value == 0) {
        Some((field, _)) => Err(ConfigError::new(format!("limits.{field}"), "0 would refuse every request")),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
