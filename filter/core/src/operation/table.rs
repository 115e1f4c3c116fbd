//! What the tables of the systems are made of.

use super::Class::{Alerts, Read, Rules, Write};
use super::Tenancy::{Many, One};
use super::{Alerting, Class, Method, Methods, Operation, Protocol, Reach, Tenancy};

/// One system: which prefixes its own configuration can change, and its routes.
pub(super) struct System {
    pub(super) marks: Marks,
    /// In the order in which they are tried; only among rows with captures or `*` does it matter.
    pub(super) routes: &'static [Route],
}

/// What the letters at the start of a route stand for.
pub(super) struct Marks {
    /// `P`, together with `legacy`: where the Prometheus API is.
    pub(super) prometheus: Mark,
    /// `L`: where Cortex' first API was.
    pub(super) legacy: Mark,
    /// `A`: where the Alertmanager is.
    pub(super) alertmanager: Mark,
}

/// One prefix.
pub(super) enum Mark {
    /// The system has none.
    None,
    /// The system has just these.
    Fixed(&'static [&'static str]),
    /// The system has one; this, unless it was configured.
    Setting(&'static str),
}

/// One row.
pub(super) struct Route {
    /// A [`Pattern`](super::pattern::Pattern), or a mark (`P`, `L`, `A`) and the rest of one.
    pub(super) path: &'static str,
    pub(super) answer: Answer,
}

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// These methods do this.
    Open(Methods, Operation),
    /// Internal, or dangerous even within one tenant: no method, unless configured.
    Closed,
}

impl Answer {
    /// The methods it has an answer for.
    pub(super) const fn methods(self) -> Methods {
        match self {
            Self::Open(methods, _) => methods,
            Self::Closed => Methods::ALL,
        }
    }
}

pub(super) const fn open(methods: &[Method], path: &'static str, operation: Operation) -> Route {
    Route { path, answer: Answer::Open(Methods::of(methods), operation) }
}

pub(super) const fn closed(path: &'static str) -> Route {
    Route { path, answer: Answer::Closed }
}

const fn operation(class: Class, protocol: Protocol, tenancy: Tenancy) -> Operation {
    Operation { class, protocol, tenancy, reach: Reach::Everything }
}

impl Operation {
    const fn reaching(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }
}

/// What is asked about rules, alerts and silences.
pub(super) const fn alerting(class: Class, alerting: Alerting, tenancy: Tenancy) -> Operation {
    operation(class, Protocol::Alerting(alerting), tenancy).reaching(Reach::Answer)
}

// The operations that several systems have.
pub(super) const REMOTE_WRITE: Operation = operation(Write, Protocol::RemoteWrite, One);
pub(super) const OTLP_METRICS: Operation = operation(Write, Protocol::OtlpMetrics, One);
pub(super) const OTLP_LOGS: Operation = operation(Write, Protocol::OtlpLogs, One);
pub(super) const OTLP_TRACES: Operation = operation(Write, Protocol::OtlpTraces, One);
pub(super) const LOKI_PUSH: Operation = operation(Write, Protocol::LokiPush, One);
pub(super) const INFLUX_PUSH: Operation = operation(Write, Protocol::InfluxPush, One);
pub(super) const OTHER_WRITE: Operation = operation(Write, Protocol::Other, One);

const PROMETHEUS: Operation = operation(Read, Protocol::PrometheusApi, Many);
/// A query in Prometheus' API, over one tenant or several.
pub(super) const PROMQL: Operation = PROMETHEUS.reaching(Reach::Query);
/// A read of series, labels or samples by selectors, in Prometheus' API.
pub(super) const PROMQL_SELECTORS: Operation = PROMETHEUS.reaching(Reach::Selectors);
/// A read in Prometheus' API that has the same answer for everybody.
pub(super) const PROMETHEUS_FIXED: Operation = PROMETHEUS.reaching(Reach::Nothing);
/// A read in Prometheus' API of names, types and help texts, which have no labels.
pub(super) const PROMETHEUS_METADATA: Operation = PROMETHEUS;
/// Rules and alerts with their state, in Prometheus' API: the rulers of Cortex, Mimir and Loki resolve one
/// tenant and answer an error to several.
pub(super) const RULE_STATE: Operation =
    operation(Read, Protocol::PrometheusApi, One).reaching(Reach::Answer);
pub(super) const REMOTE_READ: Operation =
    operation(Read, Protocol::RemoteRead, Many).reaching(Reach::RemoteRead);
const LOKI: Operation = operation(Read, Protocol::LokiApi, Many);
const LOKI_ONE: Operation = operation(Read, Protocol::LokiApi, One);
/// A query in LogQL.
pub(super) const LOGQL: Operation = LOKI.reaching(Reach::Query);
/// A read of labels or numbers by a selector in `query`.
pub(super) const LOGQL_SELECTOR: Operation = LOKI.reaching(Reach::QuerySelector);
/// A read of streams by `match[]`.
pub(super) const LOGQL_SERIES: Operation = LOKI.reaching(Reach::Selectors);
/// A read of Loki that knows one tenant only.
pub(super) const LOGQL_ONE: Operation = LOKI_ONE.reaching(Reach::Query);
/// A read of Loki that has the same answer for everybody.
pub(super) const LOKI_FIXED: Operation = LOKI.reaching(Reach::Nothing);
/// The same, for one tenant.
pub(super) const LOKI_FIXED_ONE: Operation = LOKI_ONE.reaching(Reach::Nothing);
pub(super) const LOKI_TAIL: Operation = operation(Read, Protocol::LokiTail, One).reaching(Reach::Query);
pub(super) const TEMPO: Operation = operation(Read, Protocol::TempoApi, Many);
/// A read of Tempo that knows one tenant only.
pub(super) const TEMPO_ONE: Operation = operation(Read, Protocol::TempoApi, One);
/// A read of `VictoriaLogs` and its relatives that has the same answer for everybody.
pub(super) const VICTORIA_FIXED: Operation = operation(Read, Protocol::Other, Many).reaching(Reach::Nothing);
/// A read of spans in the APIs of Jaeger and Tempo, which know accounts and no filters.
pub(super) const JAEGER: Operation = operation(Read, Protocol::Other, Many);
/// A read of logs or spans, by `LogsQL` or what becomes it.
pub(super) const LOGSQL: Operation = operation(Read, Protocol::Other, Many).reaching(Reach::Query);
/// Numbers about one tenant: usage, limits, cardinality.
pub(super) const TENANT_STATS: Operation = operation(Read, Protocol::Other, One);

pub(super) const RULE_CONFIG: Operation = operation(Rules, Protocol::RulesApi, One);
pub(super) const ALERTMANAGER: Operation = operation(Alerts, Protocol::AlertmanagerApi, One);
