//! Cortex, as of 1.21: `pkg/api/api.go`, `pkg/api/handlers.go`, `pkg/cortex/modules.go`,
//! `pkg/configs/api/api.go`, `pkg/alertmanager`.
//!
//! Cortex matches the path as it was sent (`UseEncodedPath`), so names in a path may hold `%2F`.

use super::Method::{Delete, Get, Head, Post};
use super::table::{
    ALERTMANAGER, Mark, Marks, OTLP_METRICS, PROMETHEUS_FIXED, PROMETHEUS_METADATA, PROMQL, PROMQL_SELECTORS,
    REMOTE_READ, REMOTE_WRITE, RULE_CONFIG, RULE_STATE, Route, System, TENANT_STATS, closed, open,
};

pub(super) const SYSTEM: System = System {
    marks: Marks {
        prometheus: Mark::Setting("/prometheus"),
        legacy: Mark::Setting("/api/prom"),
        alertmanager: Mark::Setting("/alertmanager"),
    },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    // Distributor.
    open(&[Post], "/api/v1/push", REMOTE_WRITE),
    open(&[Post], "L/push", REMOTE_WRITE),
    open(&[Post], "/api/v1/otlp/v1/metrics", OTLP_METRICS),
    // Querier and query frontend.
    open(&[Get, Post], "P/api/v1/query", PROMQL),
    open(&[Get, Post], "P/api/v1/query_range", PROMQL),
    open(&[Get, Post], "P/api/v1/query_exemplars", PROMQL),
    open(&[Get, Post], "P/api/v1/format_query", PROMETHEUS_FIXED),
    open(&[Get, Post], "P/api/v1/parse_query", PROMETHEUS_FIXED),
    open(&[Get, Post], "P/api/v1/labels", PROMQL_SELECTORS),
    open(&[Get], "P/api/v1/label/{name%2F}/values", PROMQL_SELECTORS),
    // DELETE is answered with "not implemented", whatever it names.
    open(&[Get, Post, Delete], "P/api/v1/series", PROMQL_SELECTORS),
    open(&[Get], "P/api/v1/metadata", PROMETHEUS_METADATA),
    open(&[Post], "P/api/v1/read", REMOTE_READ),
    // Only with `-api.build-info-enabled`; it resolves no tenant.
    open(&[Get], "P/api/v1/status/buildinfo", PROMETHEUS_FIXED),
    open(&[Get], "/api/v1/user_stats", TENANT_STATS),
    open(&[Get], "L/user_stats", TENANT_STATS),
    // Ruler: the state of rules and alerts.
    open(&[Get], "P/api/v1/rules", RULE_STATE),
    open(&[Get], "P/api/v1/alerts", RULE_STATE),
    // Ruler: their configuration.
    open(&[Get], "/api/v1/rules", RULE_CONFIG),
    open(&[Get, Post, Delete], "/api/v1/rules/{namespace%2F}", RULE_CONFIG),
    open(&[Get, Delete], "/api/v1/rules/{namespace%2F}/{group%2F}", RULE_CONFIG),
    open(&[Get], "L/rules", RULE_CONFIG),
    open(&[Get, Post, Delete], "L/rules/{namespace%2F}", RULE_CONFIG),
    open(&[Get, Delete], "L/rules/{namespace%2F}/{group%2F}", RULE_CONFIG),
    // Alertmanager: its configuration, then its API and pages. What older versions take from the upstream
    // Alertmanager and override with a 404 stays closed here, should an override ever be missing.
    open(&[Get, Post, Delete], "/api/v1/alerts", ALERTMANAGER),
    closed("A/metrics"),
    closed("A/-/*"),
    closed("A/debug/*"),
    open(&[Get, Head], "A", ALERTMANAGER),
    open(&[Get, Head], "A/", ALERTMANAGER),
    open(&[Get, Head, Post, Delete], "A/*", ALERTMANAGER),
    // Dangerous with a tenant: they delete its data or its configuration, change its limits, or write past
    // the distributor.
    closed("/purger/*"),
    closed("/ruler/delete_tenant_config"),
    closed("/multitenant_alertmanager/delete_tenant_config"),
    closed("/api/v1/user-overrides"),
    closed("/ingester/push"),
    closed("/push"),
    // Internal: they ask for no tenant and show or change all.
    closed("/"),
    closed("/config"),
    closed("/runtime_config"),
    closed("/services"),
    closed("/memberlist"),
    closed("/ready"),
    closed("/metrics"),
    closed("/debug/*"),
    closed("/channelz"),
    closed("/channelz/*"),
    closed("/status"),
    closed("/distributor/*"),
    closed("/all_user_stats"),
    closed("/ha-tracker"),
    closed("/ingester/*"),
    closed("/flush"),
    closed("/shutdown"),
    closed("/ring"),
    closed("/ruler/*"),
    closed("/ruler_ring"),
    closed("/multitenant_alertmanager/*"),
    closed("/store-gateway/*"),
    closed("/compactor/*"),
    closed("/parquet-converter/*"),
    // The deprecated configs service: tenants' configuration in one, everyone's in the other.
    closed("L/configs/*"),
    closed("/private/*"),
];

#[cfg(test)]
mod tests {
    use super::super::testing::{Cases, check, router};
    use super::super::{Kind, Prefixes, Router};

    const WRITE: &str = "write remote_write one";
    const PROMQL: &str = "read prometheus_api many";
    const STATE: &str = "read prometheus_api one";
    const RULES: &str = "rules rules_api one";
    const ALERTS: &str = "alerts alertmanager_api one";

    const CASES: Cases = &[
        ("POST", "/api/v1/push", WRITE),
        ("POST", "/api/prom/push", WRITE),
        ("GET PUT HEAD OPTIONS", "/api/v1/push", "405 POST"),
        ("POST", "/prometheus/push", "unknown"),
        ("POST", "/prometheus/api/v1/push", "unknown"),
        ("POST", "/api/v1/push/influx/write", "unknown"),
        ("POST", "/api/v1/otlp/v1/metrics", "write otlp_metrics one"),
        ("POST", "/otlp/v1/metrics", "unknown"),
        ("GET POST", "/prometheus/api/v1/query", PROMQL),
        ("GET POST", "/api/prom/api/v1/query", PROMQL),
        ("HEAD PUT DELETE", "/prometheus/api/v1/query", "405 GET, POST"),
        ("get Get GET\0 TRACE", "/prometheus/api/v1/query", "405 GET, POST"),
        ("GET", "/api/v1/query", "unknown"),
        ("GET POST", "/prometheus/api/v1/query_range", PROMQL),
        ("GET POST", "/api/prom/api/v1/query_exemplars", PROMQL),
        ("GET POST", "/prometheus/api/v1/format_query", PROMQL),
        ("GET POST", "/prometheus/api/v1/parse_query", PROMQL),
        ("GET POST", "/prometheus/api/v1/labels", PROMQL),
        ("GET POST DELETE", "/prometheus/api/v1/series", PROMQL),
        ("GET", "/prometheus/api/v1/label/job/values", PROMQL),
        ("GET", "/api/prom/api/v1/label/__name__/values", PROMQL),
        ("GET", "/prometheus/api/v1/label/a%20b/values", PROMQL),
        ("GET", "/prometheus/api/v1/label/a%2Fb/values", PROMQL),
        ("POST", "/prometheus/api/v1/label/job/values", "405 GET"),
        ("GET", "/prometheus/api/v1/label/a/b/values", "unknown"),
        ("GET", "/prometheus/api/v1/label//values", "not canonical"),
        ("GET", "/prometheus/api/v1/label/job", "unknown"),
        ("GET", "/prometheus/api/v1/metadata", PROMQL),
        ("POST", "/prometheus/api/v1/read", "read remote_read many"),
        ("GET", "/prometheus/api/v1/read", "405 POST"),
        ("GET", "/prometheus/api/v1/status/buildinfo", PROMQL),
        ("GET", "/api/prom/api/v1/status/buildinfo", PROMQL),
        ("GET", "/prometheus/api/v1/status/config", "unknown"),
        ("GET", "/api/v1/user_stats", "read other one"),
        ("GET", "/api/prom/user_stats", "read other one"),
        ("GET", "/prometheus/api/v1/rules", STATE),
        ("GET", "/api/prom/api/v1/rules", STATE),
        ("GET", "/prometheus/api/v1/alerts", STATE),
        ("GET", "/api/prom/api/v1/alerts", STATE),
        ("POST", "/prometheus/api/v1/alerts", "405 GET"),
        ("GET", "/api/v1/rules", RULES),
        ("POST", "/api/v1/rules", "405 GET"),
        ("GET POST DELETE", "/api/v1/rules/ns", RULES),
        ("GET POST DELETE", "/api/v1/rules/a%2Fb%20c", RULES),
        ("GET DELETE", "/api/v1/rules/ns/group", RULES),
        ("GET DELETE", "/api/v1/rules/a%2fb/c%2Fd", RULES),
        ("POST", "/api/v1/rules/ns/group", "405 GET, DELETE"),
        ("GET", "/api/v1/rules/ns/group/more", "unknown"),
        ("GET", "/api/v1/rules/", "not canonical"),
        ("GET", "/api/v1/rules/ns/", "not canonical"),
        ("GET", "/api/v1/rules/..", "not canonical"),
        ("GET", "/api/v1/rules/a%2F..%2Fb", "not canonical"),
        ("GET POST DELETE", "/api/prom/rules/ns", RULES),
        ("GET DELETE", "/api/prom/rules/ns/group", RULES),
        ("GET POST DELETE", "/api/v1/alerts", ALERTS),
        ("GET HEAD", "/alertmanager", ALERTS),
        ("GET HEAD", "/alertmanager/", ALERTS),
        ("GET HEAD POST DELETE", "/alertmanager/api/v2/silences", ALERTS),
        ("GET", "/alertmanager/assets/index.js", ALERTS),
        ("PUT PATCH", "/alertmanager/api/v2/silences", "405 GET, HEAD, POST, DELETE"),
        ("GET", "/alertmanagers", "unknown"),
        ("GET", "/alertmanager/api/v2/alerts/", "not canonical"),
        ("GET POST", "/alertmanager/-/reload", "closed"),
        ("POST", "/alertmanager/-%2Freload", "not canonical"),
        ("POST", "/alertmanager/%2D/reload", "not canonical"),
        ("GET", "/alertmanager/metrics", "closed"),
        ("GET", "/alertmanager/debug/pprof/heap", "closed"),
        ("POST", "/purger/delete_tenant", "closed"),
        ("POST", "/ruler/delete_tenant_config", "closed"),
        ("POST", "/multitenant_alertmanager/delete_tenant_config", "closed"),
        ("GET", "/multitenant_alertmanager/configs", "closed"),
        ("GET POST DELETE", "/api/v1/user-overrides", "closed"),
        ("POST", "/ingester/push", "closed"),
        ("POST", "/push", "closed"),
        ("GET", "/", "closed"),
        ("GET", "/config", "closed"),
        ("GET", "/runtime_config", "closed"),
        ("GET", "/memberlist", "closed"),
        ("GET", "/metrics", "closed"),
        ("GET", "/debug/fgprof", "closed"),
        ("GET POST", "/ingester/shutdown", "closed"),
        ("GET POST", "/distributor/ring", "closed"),
        ("GET POST", "/ruler_ring", "closed"),
        ("GET", "/parquet-converter/ring", "closed"),
        ("GET", "/all_user_stats", "closed"),
        ("GET", "/api/prom/configs/rules", "closed"),
        ("GET", "/private/api/prom/configs/rules", "closed"),
        ("GET", "/prometheus/config/v1/rules", "unknown"),
        ("GET", "/loki/api/v1/query", "unknown"),
    ];

    #[test]
    fn table() {
        check(&router(Kind::Cortex), CASES);
    }

    #[test]
    fn moved_prefixes() {
        let prefixes = Prefixes {
            prometheus: Some("/p".into()),
            legacy: Some("/old/api".into()),
            alertmanager: Some("/am".into()),
        };
        let router = Router::new(Kind::Cortex, &prefixes, &[]).unwrap();
        check(
            &router,
            &[
                ("GET", "/p/api/v1/query", PROMQL),
                ("GET", "/old/api/api/v1/query", PROMQL),
                ("POST", "/old/api/push", WRITE),
                ("POST", "/api/v1/push", WRITE),
                ("GET", "/old/api/rules/a%2Fb", RULES),
                ("GET", "/am/api/v2/status", ALERTS),
                ("GET", "/prometheus/api/v1/query", "unknown"),
                ("POST", "/api/prom/push", "unknown"),
                ("GET", "/alertmanager/api/v2/status", "unknown"),
            ],
        );
    }
}
