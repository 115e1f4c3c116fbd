//! The write rules of one backend, compiled.

use super::label_rules::LabelRules;
use crate::config::{ConfigError, Fallback, TenantSourceConfig, Via, WriteConfig};
use crate::isolate::Isolate;
use crate::operation::Kind;
use crate::tenant::TenantId;

/// See [`WriteConfig`].
#[derive(Debug)]
pub struct Rules {
    pub(super) sources: Vec<Source>,
    pub(super) on_absent: Verdict,
    pub(super) on_unmapped: Verdict,
    pub(super) strict: bool,
    /// Which labels the series get.
    pub labels: LabelRules,
    /// How the parts are sent.
    pub calls: CallRules,
}

/// A place where a tenant may stand.
#[derive(Debug)]
pub(super) enum Source {
    Caller,
    /// In lower case.
    Header(String),
    Label {
        name: Vec<u8>,
        remove: bool,
    },
}

/// What becomes of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Tenant(TenantId),
    Reject,
    Drop,
}

/// See [`CallsConfig`](crate::config::CallsConfig).
#[derive(Debug)]
pub struct CallRules {
    /// The cluster; the route's own where it is `None`.
    pub cluster: Option<String>,
    /// The path; the request's own where it is `None`.
    pub path: Option<String>,
    /// The authority; the request's own where it is `None`.
    pub authority: Option<String>,
    /// How long one call may take.
    pub timeout_ms: u32,
    /// `x-envoy-retry-on` and `x-envoy-max-retries`.
    pub retries: Option<(String, String)>,
    /// Headers of the request that a call carries, in lower case.
    pub headers: Vec<String>,
}

const DEFAULT_TIMEOUT_MS: u32 = 30_000;

/// What a call always carries, where the request has it.
const CARRIED: &[&str] = &[
    "content-type",
    "content-encoding",
    "user-agent",
    "x-prometheus-remote-write-version",
    "x-request-id",
    "traceparent",
    "tracestate",
    "b3",
];

/// What a call never carries: framing and routing are the gateway's own, credentials end at it, and the
/// tenant is set by it.
const NEVER_CARRIED: &[&str] = &[
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Rules {
    /// Compiles the rules that stand at `path`, for a backend that keeps its tenants apart like this.
    pub fn compile(
        config: &WriteConfig,
        kind: Kind,
        isolate: &Isolate,
        path: &str,
    ) -> Result<Self, ConfigError> {
        let sources = match &config.tenant {
            None => vec![Source::Header("x-scope-orgid".to_owned()), Source::Caller],
            Some(sources) if sources.is_empty() => {
                return Err(ConfigError::new(format!("{path}.tenant"), "name at least one source"));
            }
            Some(sources) => sources.iter().map(Source::compile).collect(),
        };
        let last = sources.len().saturating_sub(1);
        if let Some(at) =
            sources.iter().position(|source| matches!(source, Source::Caller)).filter(|at| *at < last)
        {
            let after = at.saturating_add(1);
            return Err(ConfigError::new(
                format!("{path}.tenant[{after}]"),
                "this source is never reached: every request has a caller",
            ));
        }
        let twice = sources.iter().enumerate().find(|(at, source)| {
            sources.iter().take(*at).any(|earlier| match (earlier, source) {
                (Source::Label { name: a, .. }, Source::Label { name: b, .. }) => a == b,
                (Source::Header(a), Source::Header(b)) => a == b,
                _ => false,
            })
        });
        if let Some((at, _)) = twice {
            return Err(ConfigError::new(format!("{path}.tenant[{at}]"), "this source is listed twice"));
        }
        Ok(Self {
            sources,
            on_absent: Verdict::compile(&config.on_absent, &format!("{path}.on_absent"))?,
            on_unmapped: Verdict::compile(&config.on_unmapped, &format!("{path}.on_unmapped"))?,
            strict: config.strict,
            labels: LabelRules::compile(config, kind, isolate, path)?,
            calls: CallRules::compile(config, &format!("{path}.calls"))?,
        })
    }

    /// Headers from which a tenant is taken, in lower case.
    pub fn tenant_headers(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().filter_map(|source| match source {
            Source::Header(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

impl Source {
    fn compile(config: &TenantSourceConfig) -> Self {
        match config {
            TenantSourceConfig::Caller => Self::Caller,
            TenantSourceConfig::Header(name) => Self::Header(name.to_ascii_lowercase()),
            TenantSourceConfig::Label { label, remove } => {
                Self::Label { name: label.as_bytes().to_vec(), remove: *remove }
            }
        }
    }
}

impl Verdict {
    fn compile(config: &Fallback, path: &str) -> Result<Self, ConfigError> {
        Ok(match config {
            Fallback::RejectSeries => Self::Reject,
            Fallback::Drop => Self::Drop,
            Fallback::Tenant(name) => Self::Tenant(
                TenantId::new(name)
                    .map_err(|error| ConfigError::new(format!("{path}.tenant"), error.to_string()))?,
            ),
        })
    }
}

impl CallRules {
    fn compile(config: &WriteConfig, path: &str) -> Result<Self, ConfigError> {
        let calls = &config.calls;
        let owned = |text: &Option<crate::config::Text>| text.as_ref().map(|text| text.0.clone());
        if calls.via == Via::Listener {
            if calls.cluster.is_none() {
                return Err(ConfigError::new(
                    format!("{path}.cluster"),
                    "missing: with `via: listener` name the cluster that leads into the internal listener",
                ));
            }
            let theirs = [("path", calls.path.is_some()), ("retries", calls.retries.is_some())];
            if let Some((field, _)) = theirs.iter().find(|(_, given)| *given) {
                return Err(ConfigError::new(
                    format!("{path}.{field}"),
                    "not with `via: listener`: this is for the routes of the internal listener",
                ));
            }
        }
        if calls.path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            return Err(ConfigError::new(format!("{path}.path"), "a path starts with `/`"));
        }
        let mut headers: Vec<String> = CARRIED.iter().map(|name| (*name).to_owned()).collect();
        for (position, name) in calls.headers.iter().enumerate() {
            let name = name.to_ascii_lowercase();
            let ours = name.starts_with(':') || name.starts_with("x-envoy-") || name == "x-scope-orgid";
            if ours || NEVER_CARRIED.contains(&name.as_str()) {
                return Err(ConfigError::new(
                    format!("{path}.headers[{position}]"),
                    "a call cannot carry this header: the gateway or Envoy sets it",
                ));
            }
            if !headers.contains(&name) {
                headers.push(name);
            }
        }
        let timeout_ms = calls.timeout.map_or(DEFAULT_TIMEOUT_MS, |timeout| timeout.0);
        if timeout_ms == 0 {
            return Err(ConfigError::new(format!("{path}.timeout"), "a call needs time: give more than 0"));
        }
        Ok(Self {
            cluster: owned(&calls.cluster),
            path: owned(&calls.path),
            authority: owned(&calls.authority),
            timeout_ms,
            retries: calls.retries.as_ref().map(|retries| (retries.on.0.clone(), retries.max.0.to_string())),
            headers,
        })
    }
}
