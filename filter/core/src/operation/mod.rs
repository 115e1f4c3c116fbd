//! What a request asks for, from the kind of backend, the method and the path alone.
//!
//! Three types matter: [`Kind`] says which system stands behind and so which table of routes holds (one
//! file per system, to be read as the specification); [`Router`] is that table compiled; [`Operation`] is
//! its answer. Whatever no table knows is refused. Nothing here looks at headers, queries or bodies, and
//! nothing ever changes a path: what is not canonical is refused instead.

mod alerting;
mod canonical;
mod compile;
mod configured;
mod method;
mod pattern;
mod router;
mod table;

mod alertmanager;
mod cortex;
mod loki;
mod mimir;
mod prometheus;
mod tempo;
mod victorialogs;
mod victoriametrics;
mod victoriametrics_cluster;
mod victoriatraces;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;

use crate::config::Shape;

pub use alerting::Alerting;
pub use compile::RouterError;
pub use configured::{ExtraPath, Prefixes};
pub use method::{Method, Methods};

pub use router::{Router, Unclassified};

/// Which system stands behind: decides the table of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Cortex: metrics, tenants by `X-Scope-OrgID`.
    Cortex,
    /// Grafana Mimir: metrics, tenants by `X-Scope-OrgID`.
    Mimir,
    /// Grafana Loki: logs, tenants by `X-Scope-OrgID`.
    Loki,
    /// Grafana Tempo: traces, tenants by `X-Scope-OrgID`.
    Tempo,
    /// Prometheus, and what speaks only its API (Thanos Query, Promxy): tenants by a label.
    Prometheus,
    /// `VictoriaMetrics`, single node: tenants by a label.
    VictoriaMetrics,
    /// `VictoriaMetrics`, cluster: tenants by accounts, in the path.
    #[serde(rename = "victoriametrics-cluster")]
    VictoriaMetricsCluster,
    /// `VictoriaLogs`: logs, tenants by accounts, in headers, or by a field.
    VictoriaLogs,
    /// `VictoriaTraces`: traces, tenants by accounts, in headers, or by an attribute.
    VictoriaTraces,
    /// The Alertmanager by itself: alerts and silences, tenants by a label.
    Alertmanager,
}

impl Kind {
    /// The name in configuration, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cortex => "cortex",
            Self::Mimir => "mimir",
            Self::Loki => "loki",
            Self::Tempo => "tempo",
            Self::Prometheus => "prometheus",
            Self::VictoriaMetrics => "victoriametrics",
            Self::VictoriaMetricsCluster => "victoriametrics-cluster",
            Self::VictoriaLogs => "victorialogs",
            Self::VictoriaTraces => "victoriatraces",
            Self::Alertmanager => "alertmanager",
        }
    }

    /// Whether it has Prometheus' JSON API.
    pub const fn has_prometheus_api(self) -> bool {
        matches!(
            self,
            Self::Cortex
                | Self::Mimir
                | Self::Prometheus
                | Self::VictoriaMetrics
                | Self::VictoriaMetricsCluster
        )
    }

    const fn system(self) -> &'static table::System {
        match self {
            Self::Cortex => &cortex::SYSTEM,
            Self::Mimir => &mimir::SYSTEM,
            Self::Loki => &loki::SYSTEM,
            Self::Tempo => &tempo::SYSTEM,
            Self::Prometheus => &prometheus::SYSTEM,
            Self::VictoriaMetrics => &victoriametrics::SYSTEM,
            Self::VictoriaMetricsCluster => &victoriametrics_cluster::SYSTEM,
            Self::VictoriaLogs => &victorialogs::SYSTEM,
            Self::VictoriaTraces => &victoriatraces::SYSTEM,
            Self::Alertmanager => &alertmanager::SYSTEM,
        }
    }
}

/// What a caller needs the right for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Sending metrics, logs or traces.
    Write,
    /// Queries, and the state of rules and alerts.
    Read,
    /// The configuration of recording and alerting rules.
    Rules,
    /// The Alertmanager's API and pages, and its configuration.
    Alerts,
    /// What is dangerous even within one tenant. No table opens such a path; only `paths` of the backend's
    /// configuration does.
    Admin,
}

impl Class {
    /// The name in configuration, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Rules => "rules",
            Self::Alerts => "alerts",
            Self::Admin => "admin",
        }
    }
}

/// The language an endpoint speaks: decides how a write is read, how a query is narrowed and how a refusal
/// is worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Prometheus remote write, 1.0 and 2.0.
    RemoteWrite,
    /// OTLP/HTTP, metrics.
    OtlpMetrics,
    /// OTLP/HTTP, logs.
    OtlpLogs,
    /// OTLP/HTTP, traces.
    OtlpTraces,
    /// Loki's push, protobuf or JSON.
    LokiPush,
    /// `InfluxDB` line protocol.
    InfluxPush,
    /// Prometheus' JSON API: arguments in the URL or in a form.
    PrometheusApi,
    /// Prometheus remote read: a snappy block of protobuf.
    RemoteRead,
    /// Loki's JSON API.
    LokiApi,
    /// Loki's tail: a GET that becomes a websocket, so it must never wait for a body.
    LokiTail,
    /// Tempo's API.
    TempoApi,
    /// Rule groups as YAML.
    RulesApi,
    /// The Alertmanager's API and pages, and its configuration as YAML.
    AlertmanagerApi,
    /// Rules, alerts or silences in JSON, of a backend that may keep tenants apart by a label.
    Alerting(Alerting),
    /// Nothing that is looked into; refusals are plain text.
    Other,
}

impl Protocol {
    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RemoteWrite => "remote_write",
            Self::OtlpMetrics => "otlp_metrics",
            Self::OtlpLogs => "otlp_logs",
            Self::OtlpTraces => "otlp_traces",
            Self::LokiPush => "loki_push",
            Self::InfluxPush => "influx_push",
            Self::PrometheusApi => "prometheus_api",
            Self::RemoteRead => "remote_read",
            Self::LokiApi => "loki_api",
            Self::LokiTail => "loki_tail",
            Self::TempoApi => "tempo_api",
            Self::RulesApi => "rules_api",
            Self::AlertmanagerApi => "alertmanager_api",
            Self::Alerting(alerting) => alerting.as_str(),
            Self::Other => "other",
        }
    }
}

/// How many tenants one request may name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Shape)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Tenancy {
    /// Exactly one. With several the backend answers an error at best; at worst it answers 200 and loses
    /// the data.
    #[default]
    One,
    /// One or several: the backend merges their answers.
    Many,
}

impl Tenancy {
    /// The name in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Many => "many",
        }
    }
}

/// What of a request says which series (or streams) it reaches, and so where it can be narrowed to those of its
/// tenants where a label keeps tenants apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Nothing of any tenant: the answer is the same for everybody. Or an operator opened the path as it is.
    Nothing,
    /// What the expression in `query` selects.
    Query,
    /// What the selectors in `match[]` select; without one, everything.
    Selectors,
    /// What the selector in `query` selects; without one, everything.
    QuerySelector,
    /// What the matchers in a message of Prometheus' remote read select.
    RemoteRead,
    /// Everything, to be narrowed in the answer.
    Answer,
    /// Something that nothing in the request narrows.
    Everything,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What the caller needs the right for.
    pub class: Class,
    /// The language the endpoint speaks.
    pub protocol: Protocol,
    /// How many tenants the request may name.
    pub tenancy: Tenancy,
    /// What of it says which series it reaches.
    pub reach: Reach,
}
