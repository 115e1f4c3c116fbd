//! The write rules of one backend, compiled.

use super::also::AlsoRules;
use super::answers::AnswerRules;
use super::format::Format;
use super::label_rules::{LabelRules, ha_labels};
use super::plan::Place;
use super::remote_write::Accepted;
use super::source::Source;
use crate::caller::Rights;
use crate::config::{ConfigError, Fallback, MetadataPolicy, Via, WriteConfig};
use crate::isolate::Isolate;
use crate::operation::Kind;
use crate::report::Refusal;
use crate::table::TableRules;
use crate::tenant::{TenantId, TenantSet};

/// See [`WriteConfig`].
#[derive(Debug)]
pub struct Rules {
    pub(super) sources: Vec<Source>,
    /// The labels by which an HA tracker of the backend decides.
    pub ha_labels: Vec<Vec<u8>>,
    pub(super) on_absent: Verdict,
    pub(super) on_unmapped: Verdict,
    pub(super) strict: bool,
    /// Which labels the series get.
    pub labels: LabelRules,
    remote_write: Accepted,
    pub(super) metadata: MetadataPolicy,
    pub(super) also: AlsoRules,
    /// How the parts are sent.
    pub calls: CallRules,
    /// How the answers to its parts become one.
    pub answers: AnswerRules,
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
        tables: &[TableRules],
        path: &str,
    ) -> Result<Self, ConfigError> {
        let sources = match &config.tenant {
            None => Source::by_default(),
            Some(sources) => Source::compile_all(sources, &format!("{path}.tenant"), tables)?,
        };
        let ha_labels: Vec<Vec<u8>> =
            ha_labels(config).iter().map(|label| label.as_bytes().to_vec()).collect();
        let changes_pair = |source: &Source| source.removed().any(|name| ha_labels.contains(name));
        if let Some(position) = sources.iter().position(changes_pair) {
            return Err(ConfigError::new(
                format!("{path}.tenant[{position}].remove"),
                "an HA tracker decides by this label (ha_labels): taking it off would merge different pairs and lose data",
            ));
        }
        Ok(Self {
            sources,
            ha_labels,
            on_absent: Verdict::compile(&config.on_absent, &format!("{path}.on_absent"))?,
            on_unmapped: Verdict::compile(&config.on_unmapped, &format!("{path}.on_unmapped"))?,
            strict: config.strict,
            labels: LabelRules::compile(config, kind, isolate, path)?,
            metadata: config.metadata,
            remote_write: Accepted::compile(&config.remote_write, &format!("{path}.remote_write"))?,
            also: AlsoRules::compile(&config.also_write, &format!("{path}.also_write"))?,
            calls: CallRules::compile(config, &format!("{path}.calls"))?,
            answers: AnswerRules::compile(&config.answers, &format!("{path}.answers"))?,
        })
    }

    /// Whether metadata follows the series, so that what is written must be learnt.
    pub fn follows_metadata(&self) -> bool {
        self.metadata == MetadataPolicy::Followers
    }

    /// Whether metadata may go elsewhere than a request that has one tenant.
    pub(super) fn metadata_strays(&self, rights: &Rights, own: &TenantSet) -> bool {
        let has_several = own.single().is_none();
        match self.metadata {
            MetadataPolicy::Own => false,
            MetadataPolicy::Followers => has_several || rights.impersonate.is_some(),
            MetadataPolicy::All => has_several,
            MetadataPolicy::Drop => true,
        }
    }

    /// Refuses a format that the backend does not take, whoever needs its body.
    pub fn check(&self, format: Format) -> Result<(), Refusal> {
        match format {
            Format::RemoteWrite(version) => self.remote_write.check(version),
            // In JSON a name can be written in many ways.
            Format::Otlp(export) if export.is_json() && self.labels.remove_account_labels() => {
                Err(Refusal::MediaType { expected: "application/x-protobuf: this backend takes no JSON" })
            }
            Format::Loki(_) | Format::Otlp(_) => Ok(()),
        }
    }

    /// The first source that only the entries of logs have.
    pub fn metadata_source(&self) -> Option<usize> {
        self.sources.iter().position(|source| matches!(source, Source::Labels { place: Place::Metadata, .. }))
    }

    /// Whether a decision depends on the date.
    pub fn needs_date(&self) -> bool {
        !self.also.is_empty()
    }

    /// Headers from which a tenant is taken, in lower case.
    pub fn tenant_headers(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().filter_map(|source| match source {
            Source::Header { name, .. } => Some(name.as_str()),
            _ => None,
        })
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
