//! What the dashboard shows. A new metric gets a panel here; which of the variables choose its series is found out by its tags.
//!
//! Counters begin to exist when they first count, so what compares two of them says what holds where one is not there.

/// A row of panels.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: &'static [Panel],
}

/// A panel.
pub(super) struct Panel {
    pub(super) title: &'static str,
    /// What it shows, and what to do about it.
    pub(super) description: &'static str,
    pub(super) kind: Kind,
    /// Grafana's name of the unit.
    pub(super) unit: &'static str,
    /// Queries with their legends.
    pub(super) queries: &'static [(&'static str, &'static str)],
    /// From where on a number is not well.
    pub(super) worse_from: Option<f64>,
}

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One number, now.
    Number,
    /// Lines over time.
    Lines,
    /// Lines over time that add up.
    Stacked,
}

impl Kind {
    /// Width and height on Grafana's grid.
    pub(super) fn size(self) -> (u32, u32) {
        match self {
            Self::Number => (4, 4),
            Self::Lines | Self::Stacked => (8, 9),
        }
    }
}

const fn number(
    title: &'static str,
    unit: &'static str,
    worse_from: Option<f64>,
    description: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, description, kind: Kind::Number, unit, queries, worse_from }
}

const fn lines(
    title: &'static str,
    unit: &'static str,
    description: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, description, kind: Kind::Lines, unit, queries, worse_from: None }
}

const fn stacked(
    title: &'static str,
    unit: &'static str,
    description: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, description, kind: Kind::Stacked, unit, queries, worse_from: None }
}

/// The variables: a tag, what it is called, and the metric that its values are taken from.
pub(super) const VARIABLES: &[(&str, &str, &str)] = &[
    ("instance", "Envoy", "scopegate_requests_total"),
    ("backend", "Backend", "scopegate_requests_total"),
    ("caller", "Caller", "scopegate_refusals_total"),
    ("tenant", "Tenant", "scopegate_tenant_requests_total"),
];

/// The metrics of Envoy itself that are shown. `scopegate` in them is the name of the filter in Envoy's configuration.
pub(super) const ENVOY: &[&str] = &[
    "envoy_cluster_upstream_rq_pending_overflow",
    "envoy_http_downstream_rq_too_large",
    "envoy_server_live",
    "envoy_server_memory_allocated",
    "envoy_server_memory_physical_size",
    "envoy_wasm_envoy_wasm_runtime_v8_active",
    "envoy_wasm_remote_load_fetch_failures",
    "envoy_wasm_scopegate_vm_reload_backoff",
    "envoy_wasm_scopegate_vm_reload_failure",
    "envoy_wasm_scopegate_vm_reload_success",
];

/// The dashboard from top to bottom.
pub(super) const ROWS: &[Row] = &[
    Row {
        title: "At a glance",
        panels: &[
            number(
                "Requests",
                "reqps",
                None,
                "Requests that the filter decided about.",
                &[("sum(rate(scopegate_requests_total[$__rate_interval]))", "requests")],
            ),
            number(
                "Refused",
                "percentunit",
                Some(0.05),
                "The share of them that was refused. The reasons stand below.",
                &[(
                    "(sum(rate(scopegate_requests_total{decision=\"refused\"}[$__rate_interval])) or vector(0)) \
                     / sum(rate(scopegate_requests_total[$__rate_interval]))",
                    "refused",
                )],
            ),
            number(
                "Samples taken",
                "cps",
                None,
                "Samples, log entries, data points and spans that backends took, of writes that were looked into.",
                &[("sum(rate(scopegate_tenant_samples_total{code=\"2xx\"}[$__rate_interval]))", "samples")],
            ),
            number(
                "Series not sent",
                "cps",
                Some(0.001),
                "Series that were rejected or dropped: data that no tenant gets.",
                &[("sum(rate(scopegate_series_not_sent_total[$__rate_interval]))", "series")],
            ),
            number(
                "Failures of the module",
                "short",
                Some(1.0),
                "How often the module was made anew after a failure, in the chosen time. Each failure costs requests.",
                &[("sum(increase(envoy_wasm_scopegate_vm_reload_success[$__range]))", "failures")],
            ),
            number(
                "Oldest table",
                "s",
                Some(600.0),
                "Seconds since the table that is the oldest was last fetched.",
                &[("max(scopegate_table_age_seconds)", "age")],
            ),
        ],
    },
    Row {
        title: "Requests",
        panels: &[
            stacked(
                "What became of requests",
                "reqps",
                "forwarded: by Envoy's own route. split: in parts, one for each tenant. empty: nothing of it was to be sent. \
                 page: answered by the gateway itself. observed: only compared with what came.",
                &[("sum by (decision) (rate(scopegate_requests_total[$__rate_interval]))", "{{decision}}")],
            ),
            stacked(
                "What was asked",
                "reqps",
                "unknown: refused before it was known.",
                &[(
                    "sum by (backend, class) (rate(scopegate_requests_total[$__rate_interval]))",
                    "{{backend}} {{class}}",
                )],
            ),
            stacked(
                "Refusals by reason",
                "reqps",
                "The reasons are explained on the page Observability; the same word stands in Envoy's access log.",
                &[("sum by (reason) (rate(scopegate_refusals_total[$__rate_interval]))", "{{reason}}")],
            ),
            stacked(
                "Refusals by caller",
                "reqps",
                "none: nobody was recognised.",
                &[(
                    "topk(20, sum by (caller, reason) (rate(scopegate_refusals_total[$__rate_interval])))",
                    "{{caller}} {{reason}}",
                )],
            ),
            lines(
                "Too large",
                "reqps",
                "Bodies that were answered 413: over the filter's limits, or over Envoy's buffer, which should be the larger one.",
                &[
                    (
                        "sum by (reason) (rate(scopegate_refusals_total\
                         {reason=~\"body_too_large|too_many_series|too_many_symbols|query_too_large\"}[$__rate_interval]))",
                        "{{reason}}",
                    ),
                    (
                        "sum by (envoy_http_conn_manager_prefix) (rate(envoy_http_downstream_rq_too_large[$__rate_interval])) > 0",
                        "Envoy's buffer: {{envoy_http_conn_manager_prefix}}",
                    ),
                ],
            ),
            lines(
                "Not enforced",
                "short",
                "How many entries of callers each backend is not wholly enforced for (mode: observe). Whoever is observed \
                 reaches every tenant.",
                &[("max by (backend) (scopegate_not_enforced)", "{{backend}}")],
            ),
            stacked(
                "Observed requests",
                "reqps",
                "What would have become of requests that were only observed. Enforce once there is nothing but `same`.",
                &[(
                    "topk(20, sum by (caller, outcome, reason) (rate(scopegate_observed_requests_total[$__rate_interval])))",
                    "{{caller}} {{outcome}} {{reason}}",
                )],
            ),
        ],
    },
    Row {
        title: "Tenants",
        panels: &[
            lines(
                "Requests by tenant",
                "reqps",
                "Requests that went on to a tenant, and parts of split requests. ~other: tenants without metrics of their own.",
                &[(
                    "topk(20, sum by (tenant) (rate(scopegate_tenant_requests_total[$__rate_interval])))",
                    "{{tenant}}",
                )],
            ),
            lines(
                "Samples by tenant",
                "cps",
                "Samples, log entries, data points and spans that the backend took.",
                &[(
                    "topk(20, sum by (tenant) (rate(scopegate_tenant_samples_total{code=\"2xx\"}[$__rate_interval])))",
                    "{{tenant}}",
                )],
            ),
            lines(
                "Bytes by tenant",
                "Bps",
                "As they were sent, compressed.",
                &[(
                    "topk(20, sum by (tenant) (rate(scopegate_tenant_bytes_total[$__rate_interval])))",
                    "{{tenant}}",
                )],
            ),
            lines(
                "Series that backends did not take",
                "cps",
                "4xx: refused for good. 5xx, 0xx: the sender is asked to send them again. 0xx: no answer came, or they were not sent.",
                &[(
                    "topk(20, sum by (tenant, code) (rate(scopegate_tenant_series_total{code!=\"2xx\"}[$__rate_interval])))",
                    "{{tenant}} {{code}}",
                )],
            ),
            lines(
                "Share of requests that failed",
                "percentunit",
                "The share of a tenant's requests that were answered 5xx, or not at all.",
                &[(
                    "topk(20, sum by (tenant) (rate(scopegate_tenant_requests_total{code=~\"5xx|0xx\"}[$__rate_interval])) \
                     / sum by (tenant) (rate(scopegate_tenant_requests_total[$__rate_interval])))",
                    "{{tenant}}",
                )],
            ),
            lines(
                "Latency by tenant",
                "ms",
                "The mean time until the upstream's answer began.",
                &[(
                    "topk(20, sum by (tenant) (rate(scopegate_tenant_milliseconds_total[$__rate_interval])) \
                     / (sum by (tenant) (rate(scopegate_tenant_requests_total{code!=\"0xx\"}[$__rate_interval])) > 0))",
                    "{{tenant}}",
                )],
            ),
            lines(
                "Latency, the slowest hundredth",
                "ms",
                "Only with `metrics.histograms` in the filter's configuration.",
                &[
                    (
                        "histogram_quantile(0.99, sum by (le, backend) \
                         (rate(scopegate_tenant_duration_milliseconds_bucket[$__rate_interval])))",
                        "99 % {{backend}}",
                    ),
                    (
                        "histogram_quantile(0.5, sum by (le, backend) \
                         (rate(scopegate_tenant_duration_milliseconds_bucket[$__rate_interval])))",
                        "50 % {{backend}}",
                    ),
                ],
            ),
            lines(
                "Share of tenants without metrics of their own",
                "percentunit",
                "Where it is much, raise `metrics.tenants.max`, or name the tenants that matter in `metrics.tenants.pinned`.",
                &[(
                    "(sum(rate(scopegate_tenant_requests_total{tenant=\"~other\"}[$__rate_interval])) or vector(0)) \
                     / sum(rate(scopegate_tenant_requests_total[$__rate_interval]))",
                    "~other",
                )],
            ),
        ],
    },
    Row {
        title: "Splitting writes",
        panels: &[
            lines(
                "Calls of a split request",
                "short",
                "How many tenants a split request has, less those that are not sent again.",
                &[(
                    "sum by (backend) (rate(scopegate_calls_total[$__rate_interval])) \
                     / (sum by (backend) (rate(scopegate_requests_total{decision=\"split\"}[$__rate_interval])) > 0)",
                    "{{backend}}",
                )],
            ),
            stacked(
                "Calls by their answers",
                "reqps",
                "0xx: no answer came.",
                &[(
                    "sum by (backend, code) (rate(scopegate_calls_total[$__rate_interval]))",
                    "{{backend}} {{code}}",
                )],
            ),
            stacked(
                "Series",
                "cps",
                "Of requests that were looked into. rejected: and named in the answer. dropped: as configured.",
                &[(
                    "sum by (outcome, reason) (rate(scopegate_series_total[$__rate_interval]))",
                    "{{outcome}} {{reason}}",
                )],
            ),
            lines(
                "Series that were not sent",
                "cps",
                "By who sent them: the caller, its own tenant, and why.",
                &[(
                    "topk(20, sum by (caller, tenant, reason) (rate(scopegate_series_not_sent_total[$__rate_interval])))",
                    "{{caller}} {{tenant}} {{reason}}",
                )],
            ),
            stacked(
                "Memory for retries",
                "cps",
                "Parts of requests that their senders shall send again. remembered: settled, and so not_sent_again. \
                 not_remembered: there was no room (`limits.remembered_bytes`). given_up: dropped, since the tenant has failed \
                 for too long.",
                &[("sum by (outcome) (rate(scopegate_parts_total[$__rate_interval]))", "{{outcome}}")],
            ),
            lines(
                "Written twice, and metadata without a tenant",
                "cps",
                "Series that go to a second tenant too (`also_write`), and metric metadata that had no tenant to go to.",
                &[
                    (
                        "sum by (backend) (rate(scopegate_series_doubled_total[$__rate_interval]))",
                        "doubled {{backend}}",
                    ),
                    (
                        "sum by (backend) (rate(scopegate_metadata_dropped_total[$__rate_interval]))",
                        "metadata dropped {{backend}}",
                    ),
                ],
            ),
        ],
    },
    Row {
        title: "Tables",
        panels: &[
            lines(
                "Age",
                "s",
                "Seconds since a table was last fetched. The last good one stays in force.",
                &[("max by (table) (scopegate_table_age_seconds)", "{{table}}")],
            ),
            lines(
                "Entries",
                "short",
                "left out: entries of its source that lead to nothing that could be used.",
                &[
                    ("max by (table) (scopegate_table_entries)", "{{table}}"),
                    ("max by (table) (scopegate_table_invalid_entries)", "{{table}} left out"),
                    ("min by (table) (scopegate_table_loaded)", "{{table}} loaded"),
                ],
            ),
            stacked(
                "Refreshes",
                "cps",
                "ok, or why they failed.",
                &[(
                    "sum by (table, outcome) (rate(scopegate_table_refreshes_total[$__rate_interval]))",
                    "{{table}} {{outcome}}",
                )],
            ),
        ],
    },
    Row {
        title: "The module in Envoy",
        panels: &[
            lines(
                "Failures of the module",
                "short",
                "made anew: after it had trapped. waiting: requests that were answered 503 meanwhile. failed: it could not be \
                 made anew. not fetched: its code did not come.",
                &[
                    (
                        "sum by (instance) (increase(envoy_wasm_scopegate_vm_reload_success[$__rate_interval]))",
                        "made anew {{instance}}",
                    ),
                    (
                        "sum by (instance) (increase(envoy_wasm_scopegate_vm_reload_backoff[$__rate_interval]))",
                        "waiting {{instance}}",
                    ),
                    (
                        "sum by (instance) (increase(envoy_wasm_scopegate_vm_reload_failure[$__rate_interval]))",
                        "failed {{instance}}",
                    ),
                    (
                        "sum by (instance) (increase(envoy_wasm_remote_load_fetch_failures[$__rate_interval]))",
                        "not fetched {{instance}}",
                    ),
                ],
            ),
            lines(
                "Memory",
                "bytes",
                "Of the whole Envoy: what it holds, and what the kernel gave it. The memory of a module never shrinks.",
                &[
                    ("envoy_server_memory_allocated", "allocated {{instance}}"),
                    ("envoy_server_memory_physical_size", "physical {{instance}}"),
                ],
            ),
            lines(
                "Modules",
                "short",
                "One for each worker, and one more. Others of the same Envoy count as well.",
                &[
                    ("envoy_wasm_envoy_wasm_runtime_v8_active", "modules {{instance}}"),
                    ("envoy_server_live", "Envoy is live {{instance}}"),
                ],
            ),
            lines(
                "Overload",
                "reqps",
                "overloaded: the worker had no call, or no memory, to spare. Circuit breakers: parts of requests that found no room \
                 in a cluster.",
                &[
                    (
                        "sum by (backend) (rate(scopegate_requests_total{reason=\"overloaded\"}[$__rate_interval]))",
                        "overloaded {{backend}}",
                    ),
                    (
                        "sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_pending_overflow[$__rate_interval]))",
                        "circuit breaker {{envoy_cluster_name}}",
                    ),
                ],
            ),
        ],
    },
];
