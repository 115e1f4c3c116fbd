//! Grafana Mimir, the main branch of August 2026 (after 3.0): `pkg/api/api.go`, `pkg/api/handlers.go`, `pkg/alertmanager/alertmanager.go`.
//!
//! Mimir matches the path as it was sent (`UseEncodedPath`), so names in a path may hold `%2F`. Nothing is
//! left of Cortex' legacy prefix.

use super::Method::{Delete, Get, Head, Post};
use super::table::{
    ALERTMANAGER, INFLUX_PUSH, Mark, Marks, OTLP_METRICS, PROMETHEUS_FIXED, PROMETHEUS_METADATA, PROMQL,
    PROMQL_SELECTORS, REMOTE_READ, REMOTE_WRITE, RULE_CONFIG, RULE_STATE, Route, System, TENANT_STATS,
    closed, open,
};

pub(super) const SYSTEM: System = System {
    marks: Marks {
        prometheus: Mark::Setting("/prometheus"),
        legacy: Mark::None,
        alertmanager: Mark::Setting("/alertmanager"),
    },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    // Distributor.
    open(&[Post], "/api/v1/push", REMOTE_WRITE),
    open(&[Post], "/otlp/v1/metrics", OTLP_METRICS),
    open(&[Post], "/api/v1/push/influx/write", INFLUX_PUSH),
    // Querier and query frontend.
    open(&[Get, Post], "P/api/v1/query", PROMQL),
    open(&[Get, Post], "P/api/v1/query_range", PROMQL),
    open(&[Get, Post], "P/api/v1/query_exemplars", PROMQL),
    open(&[Get, Post], "P/api/v1/format_query", PROMETHEUS_FIXED),
    open(&[Get, Post], "P/api/v1/labels", PROMQL_SELECTORS),
    open(&[Get], "P/api/v1/label/{name%2F}/values", PROMQL_SELECTORS),
    // DELETE is answered with "not implemented", whatever it names.
    open(&[Get, Post, Delete], "P/api/v1/series", PROMQL_SELECTORS),
    open(&[Get], "P/api/v1/metadata", PROMETHEUS_METADATA),
    open(&[Post], "P/api/v1/read", REMOTE_READ),
    // Build information asks for no tenant.
    open(&[Get], "P/api/v1/status/buildinfo", PROMETHEUS_FIXED),
    open(&[Get], "/api/v1/status/buildinfo", PROMETHEUS_FIXED),
    // Cardinality "guarantees the context is for a single tenant".
    open(&[Get, Post], "P/api/v1/cardinality/label_names", TENANT_STATS),
    open(&[Get, Post], "P/api/v1/cardinality/label_values", TENANT_STATS),
    open(&[Get, Post], "P/api/v1/cardinality/active_series", TENANT_STATS),
    open(&[Get, Post], "P/api/v1/cardinality/active_native_histogram_metrics", TENANT_STATS),
    open(&[Get], "/api/v1/user_stats", TENANT_STATS),
    open(&[Get], "/api/v1/user_limits", TENANT_STATS),
    // Ruler: the state of rules and alerts.
    open(&[Get], "P/api/v1/rules", RULE_STATE),
    open(&[Get], "P/api/v1/alerts", RULE_STATE),
    // Ruler: their configuration. A group may name foreign tenants in `source_tenants`, which `read/rule_group` checks.
    open(&[Get], "P/config/v1/rules", RULE_CONFIG),
    open(&[Get, Post, Delete], "P/config/v1/rules/{namespace%2F}", RULE_CONFIG),
    open(&[Get, Delete], "P/config/v1/rules/{namespace%2F}/{group%2F}", RULE_CONFIG),
    // Alertmanager: its configuration, then its API and pages. What comes from the upstream Alertmanager
    // and is overridden with a 404 stays closed here too.
    open(&[Get, Post, Delete], "/api/v1/alerts", ALERTMANAGER),
    open(&[Get], "A/api/v1/status/buildinfo", PROMETHEUS_FIXED),
    closed("A/metrics"),
    closed("A/-/*"),
    closed("A/debug/*"),
    open(&[Get, Head], "A", ALERTMANAGER),
    open(&[Get, Head], "A/", ALERTMANAGER),
    open(&[Get, Head, Post, Delete], "A/*", ALERTMANAGER),
    // Dangerous with a tenant: they delete its data or its configuration, put blocks into its storage past
    // every check, or belong to a Grafana that manages this Alertmanager.
    closed("/compactor/delete_tenant"),
    closed("/compactor/delete_tenant_status"),
    closed("/ruler/delete_tenant_config"),
    closed("/multitenant_alertmanager/delete_tenant_config"),
    closed("/api/v1/upload/*"),
    closed("/api/v1/grafana/*"),
    closed("/api/v1/analyze"),
    closed("/ingester/tsdb_metrics"),
    // Internal: they ask for no tenant and show or change all.
    closed("/"),
    closed("/static/*"),
    closed("/config"),
    closed("/runtime_config"),
    closed("/api/v1/status/config"),
    closed("/api/v1/status/flags"),
    closed("/services"),
    closed("/memberlist"),
    closed("/ready"),
    closed("/metrics"),
    closed("/debug/*"),
    closed("/distributor/*"),
    closed("/ingester/*"),
    closed("/ruler/*"),
    closed("/multitenant_alertmanager/*"),
    closed("/store-gateway/*"),
    closed("/compactor/*"),
    closed("/querier/*"),
    closed("/query-scheduler/*"),
    closed("/overrides-exporter/*"),
    closed("/usage-tracker/*"),
];

#[cfg(test)]
mod tests {
    use super::super::testing::{Cases, check, router};
    use super::super::{Kind, Prefixes, Router};

    const PROMQL: &str = "read prometheus_api many";
    const STATE: &str = "read prometheus_api one";
    const STATS: &str = "read other one";
    const RULES: &str = "rules rules_api one";
    const ALERTS: &str = "alerts alertmanager_api one";

    const CASES: Cases = &[
        ("POST", "/api/v1/push", "write remote_write one"),
        ("POST", "/api/prom/push", "unknown"),
        ("POST", "/otlp/v1/metrics", "write otlp_metrics one"),
        ("POST", "/api/v1/otlp/v1/metrics", "unknown"),
        ("POST", "/api/v1/push/influx/write", "write influx_push one"),
        ("GET", "/api/v1/push/influx/write", "405 POST"),
        ("GET POST", "/prometheus/api/v1/query", PROMQL),
        ("GET POST", "/prometheus/api/v1/query_range", PROMQL),
        ("GET POST", "/prometheus/api/v1/query_exemplars", PROMQL),
        ("GET POST", "/prometheus/api/v1/format_query", PROMQL),
        ("GET", "/prometheus/api/v1/parse_query", "unknown"),
        ("GET", "/api/prom/api/v1/query", "unknown"),
        ("GET POST", "/prometheus/api/v1/labels", PROMQL),
        ("GET", "/prometheus/api/v1/label/a%2Fb/values", PROMQL),
        ("GET POST DELETE", "/prometheus/api/v1/series", PROMQL),
        ("GET", "/prometheus/api/v1/metadata", PROMQL),
        ("POST", "/prometheus/api/v1/read", "read remote_read many"),
        ("GET", "/prometheus/api/v1/status/buildinfo", PROMQL),
        ("GET", "/api/v1/status/buildinfo", PROMQL),
        ("GET", "/alertmanager/api/v1/status/buildinfo", PROMQL),
        ("GET POST", "/prometheus/api/v1/cardinality/label_names", STATS),
        ("GET POST", "/prometheus/api/v1/cardinality/label_values", STATS),
        ("GET POST", "/prometheus/api/v1/cardinality/active_series", STATS),
        ("GET POST", "/prometheus/api/v1/cardinality/active_native_histogram_metrics", STATS),
        ("GET", "/prometheus/api/v1/cardinality/other", "unknown"),
        ("GET", "/api/v1/user_stats", STATS),
        ("GET", "/api/v1/user_limits", STATS),
        ("GET", "/prometheus/api/v1/rules", STATE),
        ("GET", "/prometheus/api/v1/alerts", STATE),
        ("GET", "/prometheus/config/v1/rules", RULES),
        ("GET POST DELETE", "/prometheus/config/v1/rules/a%2Fb", RULES),
        ("GET DELETE", "/prometheus/config/v1/rules/a%2Fb/c%2Fd", RULES),
        ("PUT", "/prometheus/config/v1/rules/a", "405 GET, POST, DELETE"),
        ("GET", "/api/v1/rules", "unknown"),
        ("POST", "/api/v1/rules/ns", "unknown"),
        ("GET POST DELETE", "/api/v1/alerts", ALERTS),
        ("GET", "/alertmanager/", ALERTS),
        ("POST", "/alertmanager/api/v2/alerts", ALERTS),
        ("GET", "/alertmanager/metrics", "closed"),
        ("POST", "/alertmanager/-/reload", "closed"),
        ("POST", "/compactor/delete_tenant", "closed"),
        ("GET", "/compactor/delete_tenant_status", "closed"),
        ("POST", "/ruler/delete_tenant_config", "closed"),
        ("POST", "/api/v1/upload/block/01ABC/start", "closed"),
        ("GET POST DELETE", "/api/v1/grafana/config", "closed"),
        ("POST", "/api/v1/analyze", "closed"),
        ("GET", "/ingester/tsdb/team-a", "closed"),
        ("GET", "/ruler/tenant/team-a/rule_groups", "closed"),
        ("GET", "/store-gateway/tenant/team-a/blocks", "closed"),
        ("GET", "/usage-tracker/instance-ring", "closed"),
        ("GET", "/api/v1/status/config", "closed"),
        ("GET", "/config", "closed"),
        ("GET", "/debug/pprof/heap", "closed"),
        ("GET", "/purger/delete_tenant", "unknown"),
    ];

    #[test]
    fn table() {
        check(&router(Kind::Mimir), CASES);
    }

    #[test]
    fn moved_prefixes() {
        let prefixes = Prefixes { prometheus: Some("/p".into()), ..Prefixes::default() };
        let router = Router::new(Kind::Mimir, &prefixes, &[]).unwrap();
        check(
            &router,
            &[
                ("GET", "/p/api/v1/query", PROMQL),
                ("GET", "/p/config/v1/rules/a%2Fb/c", RULES),
                ("GET", "/prometheus/api/v1/query", "unknown"),
                ("GET", "/alertmanager/", ALERTS),
            ],
        );
    }
}
