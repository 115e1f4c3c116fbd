//! Grafana Loki, the main branch of August 2026 (after 3.7): `pkg/loki/modules.go`, `pkg/loki/loki.go`,
//! `pkg/util/constants/api_paths.go`, `pkg/compactor/ui.go`, `pkg/ui/handler.go`.
//!
//! Loki decodes a path before it matches it: `%2F` would be a slash there, so names must not hold it.
//! None of its prefixes can be changed.

use super::Method::{Delete, Get, Post};
use super::table::{
    LOGQL, LOGQL_ONE, LOGQL_SELECTOR, LOGQL_SERIES, LOKI_FIXED, LOKI_FIXED_ONE, LOKI_PUSH, LOKI_TAIL, Mark,
    Marks, OTLP_LOGS, RULE_CONFIG, Route, System, alerting, closed, open,
};
use super::{Alerting, Class::Read, Tenancy::One};

pub(super) const SYSTEM: System = System {
    marks: Marks { prometheus: Mark::None, legacy: Mark::None, alertmanager: Mark::None },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    // Distributor.
    open(&[Post], "/loki/api/v1/push", LOKI_PUSH),
    open(&[Post], "/api/prom/push", LOKI_PUSH),
    open(&[Post], "/otlp/v1/logs", OTLP_LOGS),
    // Querier and query frontend.
    open(&[Get, Post], "/loki/api/v1/query", LOGQL),
    open(&[Get, Post], "/loki/api/v1/query_range", LOGQL),
    open(&[Get, Post], "/loki/api/v1/label", LOGQL_SELECTOR),
    open(&[Get, Post], "/loki/api/v1/labels", LOGQL_SELECTOR),
    open(&[Get, Post], "/loki/api/v1/label/{name}/values", LOGQL_SELECTOR),
    open(&[Get, Post], "/loki/api/v1/series", LOGQL_SERIES),
    open(&[Get, Post], "/loki/api/v1/index/stats", LOGQL_SELECTOR),
    open(&[Get, Post], "/loki/api/v1/index/shards", LOGQL_SELECTOR),
    open(&[Get, Post], "/loki/api/v1/index/volume", LOGQL_SELECTOR),
    open(&[Get, Post], "/loki/api/v1/index/volume_range", LOGQL_SELECTOR),
    open(&[Get, Post], "/loki/api/v1/patterns", LOGQL_SELECTOR),
    open(&[Get, Post], "/loki/api/v1/detected_labels", LOGQL_SELECTOR),
    // Over several tenants these answer 200 and nothing ("not yet supported").
    open(&[Get, Post], "/loki/api/v1/detected_fields", LOGQL_ONE),
    open(&[Get, Post], "/loki/api/v1/detected_field/{name}/values", LOGQL_ONE),
    // POST is registered as well, but nothing that is no GET becomes a websocket.
    open(&[Get], "/loki/api/v1/tail", LOKI_TAIL),
    open(&[Get], "/api/prom/tail", LOKI_TAIL),
    open(&[Get, Post], "/api/prom/query", LOGQL),
    open(&[Get, Post], "/api/prom/label", LOGQL_SELECTOR),
    open(&[Get, Post], "/api/prom/label/{name}/values", LOGQL_SELECTOR),
    open(&[Get, Post], "/api/prom/series", LOGQL_SERIES),
    // These two ask for no tenant.
    open(&[Get, Post], "/loki/api/v1/format_query", LOKI_FIXED),
    open(&[Get], "/loki/api/v1/status/buildinfo", LOKI_FIXED),
    // The limits that Grafana's Logs Drilldown asks for: the tenant's own, those the operator publishes.
    open(&[Get], "/loki/api/v1/drilldown-limits", LOKI_FIXED_ONE),
    // Ruler: the state of rules and alerts. Where a label keeps the tenants apart, narrowed in the answer.
    open(&[Get], "/prometheus/api/v1/rules", alerting(Read, Alerting::Rules, One)),
    open(&[Get], "/prometheus/api/v1/alerts", alerting(Read, Alerting::Alerts, One)),
    // Ruler: their configuration. Where a label keeps the tenants apart it stays with whoever runs the Loki: a group's
    // texts would read everybody's streams.
    open(&[Get], "/loki/api/v1/rules", RULE_CONFIG),
    open(&[Get, Post, Delete], "/loki/api/v1/rules/{namespace}", RULE_CONFIG),
    open(&[Get, Delete], "/loki/api/v1/rules/{namespace}/{group}", RULE_CONFIG),
    open(&[Get], "/api/prom/rules", RULE_CONFIG),
    open(&[Get, Post, Delete], "/api/prom/rules/{namespace}", RULE_CONFIG),
    open(&[Get, Delete], "/api/prom/rules/{namespace}/{group}", RULE_CONFIG),
    // Dangerous with a tenant: they delete its logs, or throw away its caches.
    closed("/loki/api/v1/delete"),
    closed("/loki/api/v1/cache/*"),
    // Internal: they ask for no tenant and show or change all; `/ui/` even proxies to any node.
    closed("/config"),
    closed("/config/*"),
    closed("/services"),
    closed("/memberlist"),
    closed("/ready"),
    closed("/log_level"),
    closed("/metrics"),
    closed("/debug/*"),
    closed("/analytics"),
    closed("/ring"),
    closed("/partition-ring"),
    closed("/distributor/*"),
    closed("/ingester/*"),
    closed("/flush"),
    closed("/flush/*"),
    closed("/pattern/*"),
    closed("/ingest-limits/*"),
    closed("/ingest-limits-frontend/*"),
    closed("/compactor/*"),
    closed("/ruler/*"),
    closed("/scheduler/*"),
    closed("/indexgateway/*"),
    closed("/sync-indexes"),
    closed("/dataobj/*"),
    closed("/dataobj-consumer/*"),
    closed("/ui/*"),
];

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::testing::{Cases, check, router};

    const PUSH: &str = "write loki_push one";
    const LOGQL: &str = "read loki_api many";
    const ONE: &str = "read loki_api one";
    const TAIL: &str = "read loki_tail one";
    const RULES: &str = "rules rules_api one";

    const CASES: Cases = &[
        ("POST", "/loki/api/v1/push", PUSH),
        ("POST", "/api/prom/push", PUSH),
        ("GET PUT", "/loki/api/v1/push", "405 POST"),
        ("POST", "/otlp/v1/logs", "write otlp_logs one"),
        ("POST", "/otlp/v1/metrics", "unknown"),
        ("POST", "/api/v1/push", "unknown"),
        ("GET POST", "/loki/api/v1/query", LOGQL),
        ("GET POST", "/loki/api/v1/query_range", LOGQL),
        ("GET POST", "/loki/api/v1/label", LOGQL),
        ("GET POST", "/loki/api/v1/labels", LOGQL),
        ("GET POST", "/loki/api/v1/label/app/values", LOGQL),
        ("GET", "/loki/api/v1/label/a%20b/values", LOGQL),
        ("GET", "/loki/api/v1/label/a%2Fb/values", "not canonical"),
        ("GET POST", "/loki/api/v1/series", LOGQL),
        ("GET POST", "/loki/api/v1/index/stats", LOGQL),
        ("GET POST", "/loki/api/v1/index/shards", LOGQL),
        ("GET POST", "/loki/api/v1/index/volume", LOGQL),
        ("GET POST", "/loki/api/v1/index/volume_range", LOGQL),
        ("GET POST", "/loki/api/v1/patterns", LOGQL),
        ("GET POST", "/loki/api/v1/detected_labels", LOGQL),
        ("GET POST", "/loki/api/v1/detected_fields", ONE),
        ("GET POST", "/loki/api/v1/detected_field/level/values", ONE),
        ("GET", "/loki/api/v1/tail", TAIL),
        ("GET", "/api/prom/tail", TAIL),
        ("POST", "/loki/api/v1/tail", "405 GET"),
        ("GET POST", "/api/prom/query", LOGQL),
        ("GET POST", "/api/prom/label", LOGQL),
        ("GET POST", "/api/prom/label/app/values", LOGQL),
        ("GET POST", "/api/prom/series", LOGQL),
        ("GET", "/api/prom/query_range", "unknown"),
        ("GET POST", "/loki/api/v1/format_query", LOGQL),
        ("GET", "/loki/api/v1/status/buildinfo", LOGQL),
        ("GET", "/loki/api/v1/drilldown-limits", ONE),
        ("GET", "/prometheus/api/v1/rules", "read rules one"),
        ("GET", "/prometheus/api/v1/alerts", "read alerts one"),
        ("GET", "/prometheus/api/v1/query", "unknown"),
        ("GET", "/loki/api/v1/rules", RULES),
        ("GET POST DELETE", "/loki/api/v1/rules/ns", RULES),
        ("GET DELETE", "/loki/api/v1/rules/ns/group", RULES),
        ("POST", "/loki/api/v1/rules/ns/group", "405 GET, DELETE"),
        ("GET DELETE", "/loki/api/v1/rules/ns%2Fgroup", "not canonical"),
        ("GET DELETE", "/loki/api/v1/rules/ns%252Fx", "not canonical"),
        ("GET", "/api/prom/rules", RULES),
        ("GET POST DELETE", "/api/prom/rules/ns", RULES),
        ("GET DELETE", "/api/prom/rules/ns/group", RULES),
        ("GET POST PUT DELETE", "/loki/api/v1/delete", "closed"),
        ("POST", "/loki/api/v1/cache/generation_numbers/increase", "closed"),
        ("GET", "/config", "closed"),
        ("GET", "/config/tenant/v1/limits", "closed"),
        ("GET POST", "/log_level", "closed"),
        ("GET", "/ready", "closed"),
        ("GET POST", "/ring", "closed"),
        ("POST", "/flush/tenant", "closed"),
        ("POST", "/ingester/shutdown", "closed"),
        ("GET", "/compactor/ui/api/v1/deletes", "closed"),
        ("GET", "/ingest-limits/usage/team-a", "closed"),
        ("GET", "/ui/api/v1/proxy/node-1/config", "closed"),
        ("PUT", "/sync-indexes", "closed"),
        ("GET", "/loki/api/v1/quer%79", "not canonical"),
        ("GET", "/loki/api/v1/query/", "not canonical"),
        ("GET", "/alertmanager", "unknown"),
        ("GET", "/alertmanager/", "not canonical"),
    ];

    #[test]
    fn table() {
        check(&router(Kind::Loki), CASES);
    }
}
