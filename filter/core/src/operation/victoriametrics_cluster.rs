//! `VictoriaMetrics`, cluster, as of August 2026: `app/vminsert/main.go`, `app/vmselect/main.go`.
//!
//! Its tenants are accounts, which stand in the path: the gateway puts `/insert/ACCOUNT:PROJECT` before the paths here,
//! so a client names none. With an account in the path, the labels `vm_account_id` and `vm_project_id` are data like any
//! other: they choose an account only at `/insert/multitenant`, which no path here leads to.
//! A read is of one account; `/select/multitenant`, which reads several, is not used.

use super::Method::{Get, Post};
use super::table::{
    INFLUX_PUSH, Mark, Marks, OTHER_WRITE, OTLP_METRICS, PROMETHEUS_FIXED, PROMQL, PROMQL_SELECTORS,
    REMOTE_WRITE, Route, System, TENANT_STATS, closed, open,
};

pub(super) const SYSTEM: System = System {
    marks: Marks { prometheus: Mark::None, legacy: Mark::None, alertmanager: Mark::None },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    open(&[Post], "/prometheus/api/v1/write", REMOTE_WRITE),
    open(&[Post], "/prometheus/api/v1/push", REMOTE_WRITE),
    open(&[Post], "/opentelemetry/v1/metrics", OTLP_METRICS),
    open(&[Post], "/opentelemetry/api/v1/push", OTLP_METRICS),
    open(&[Post], "/prometheus/api/v1/import", OTHER_WRITE),
    open(&[Post], "/prometheus/api/v1/import/csv", OTHER_WRITE),
    open(&[Post], "/prometheus/api/v1/import/native", OTHER_WRITE),
    open(&[Post], "/prometheus/api/v1/import/prometheus", OTHER_WRITE),
    open(&[Post], "/influx/write", INFLUX_PUSH),
    open(&[Post], "/influx/api/v2/write", INFLUX_PUSH),
    // Reads.
    open(&[Get, Post], "/prometheus/api/v1/query", PROMQL),
    open(&[Get, Post], "/prometheus/api/v1/query_range", PROMQL),
    open(&[Get, Post], "/prometheus/api/v1/series", PROMQL_SELECTORS),
    open(&[Get, Post], "/prometheus/api/v1/labels", PROMQL_SELECTORS),
    open(&[Get, Post], "/prometheus/api/v1/label/{name}/values", PROMQL_SELECTORS),
    open(&[Get, Post], "/prometheus/api/v1/export", PROMQL_SELECTORS),
    open(&[Get, Post], "/prometheus/api/v1/export/csv", PROMQL_SELECTORS),
    open(&[Get, Post], "/prometheus/api/v1/export/native", PROMQL_SELECTORS),
    open(&[Get, Post], "/prometheus/federate", PROMQL_SELECTORS),
    open(&[Get], "/prometheus/api/v1/series/count", TENANT_STATS),
    open(&[Get], "/prometheus/api/v1/status/tsdb", TENANT_STATS),
    open(&[Get, Post], "/prometheus/api/v1/query_exemplars", PROMETHEUS_FIXED),
    open(&[Get], "/prometheus/api/v1/status/buildinfo", PROMETHEUS_FIXED),
    // A client that names an account itself, or all of them.
    closed("/insert/*"),
    closed("/select/*"),
    closed("/delete/*"),
    // Reads that know no account, and other protocols for writing.
    closed("/prometheus/*"),
    closed("/graphite/*"),
    closed("/influx/*"),
    closed("/datadog/*"),
    closed("/newrelic/*"),
    // Internal.
    closed("/admin/*"),
    closed("/internal/*"),
    closed("/api/v1/*"),
    closed("/debug/*"),
    closed("/metrics"),
    closed("/flags"),
    closed("/health"),
    closed("/ready"),
    closed("/"),
];

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::testing::{Cases, check, router};

    const CASES: Cases = &[
        ("POST", "/prometheus/api/v1/write", "write remote_write one"),
        ("POST", "/prometheus/api/v1/push", "write remote_write one"),
        ("GET", "/prometheus/api/v1/write", "405 POST"),
        ("POST", "/opentelemetry/v1/metrics", "write otlp_metrics one"),
        ("POST", "/prometheus/api/v1/import", "write other one"),
        ("POST", "/prometheus/api/v1/import/native", "write other one"),
        ("POST", "/prometheus/api/v1/import/prometheus/metrics/job/x", "closed"),
        ("POST", "/influx/write", "write influx_push one"),
        ("POST", "/insert/1/prometheus/api/v1/write", "closed"),
        ("POST", "/insert/multitenant/prometheus/api/v1/write", "closed"),
        ("POST", "/api/v1/write", "closed"),
        ("GET POST", "/prometheus/api/v1/query", "read prometheus_api many"),
        ("GET", "/prometheus/api/v1/label/job/values", "read prometheus_api many"),
        ("GET", "/prometheus/api/v1/status/tsdb", "read other one"),
        ("GET", "/prometheus/api/v1/status/active_queries", "closed"),
        ("GET", "/prometheus/api/v1/status/top_queries", "closed"),
        ("GET", "/prometheus/api/v1/rules", "closed"),
        ("GET", "/prometheus/api/v1/metadata", "closed"),
        ("GET", "/graphite/render", "closed"),
        ("GET", "/select/0/prometheus/api/v1/query", "closed"),
        ("POST", "/delete/0/prometheus/api/v1/admin/tsdb/delete_series", "closed"),
        ("POST", "//insert/1/prometheus/api/v1/write", "not canonical"),
        ("POST", "/x/../insert/1/prometheus/api/v1/write", "not canonical"),
        ("POST", "/%69nsert/1/prometheus/api/v1/write", "not canonical"),
    ];

    #[test]
    fn table() {
        check(&router(Kind::VictoriaMetricsCluster), CASES);
    }
}
