//! Prometheus, as of 3.x of August 2026: `web/web.go`, `web/api/v1/api.go`.
//!
//! Its tenants are kept apart by a label, so a read is open here only where the label can be enforced: in
//! `query`, in `match[]`, or in the answer. Several tenants can then be one matcher. Prometheus decodes a
//! path before it matches it, so names must not hold `%2F`. Its prefix is before everything it serves.

use super::Alerting::{Alerts, Rules};
use super::Class::Read;
use super::Method::{Get, Post};
use super::Tenancy::Many;
use super::table::{
    Mark, Marks, OTLP_METRICS, PROMETHEUS_FIXED, PROMQL, PROMQL_SELECTORS, REMOTE_READ, REMOTE_WRITE, Route,
    System, alerting, closed, open,
};

pub(super) const SYSTEM: System = System {
    marks: Marks { prometheus: Mark::Setting(""), legacy: Mark::None, alertmanager: Mark::None },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    // Receivers, each behind a flag.
    open(&[Post], "P/api/v1/write", REMOTE_WRITE),
    open(&[Post], "P/api/v1/otlp/v1/metrics", OTLP_METRICS),
    // With selectors in `query`.
    open(&[Get, Post], "P/api/v1/query", PROMQL),
    open(&[Get, Post], "P/api/v1/query_range", PROMQL),
    open(&[Get, Post], "P/api/v1/query_exemplars", PROMQL),
    // With selectors in `match[]`.
    open(&[Get, Post], "P/api/v1/series", PROMQL_SELECTORS),
    open(&[Get, Post], "P/api/v1/labels", PROMQL_SELECTORS),
    open(&[Get], "P/api/v1/label/{name}/values", PROMQL_SELECTORS),
    open(&[Get], "P/federate", PROMQL_SELECTORS),
    // With matchers in a protobuf message.
    open(&[Post], "P/api/v1/read", REMOTE_READ),
    // Narrowed in the answer.
    open(&[Get], "P/api/v1/rules", alerting(Read, Rules, Many)),
    open(&[Get], "P/api/v1/alerts", alerting(Read, Alerts, Many)),
    // Without any tenant's data.
    open(&[Get, Post], "P/api/v1/format_query", PROMETHEUS_FIXED),
    open(&[Get, Post], "P/api/v1/parse_query", PROMETHEUS_FIXED),
    open(&[Get], "P/api/v1/status/buildinfo", PROMETHEUS_FIXED),
    // Reads that no label can narrow, or not yet: metric names of all tenants, completion, targets.
    closed("P/api/v1/metadata"),
    closed("P/api/v1/search/*"),
    closed("P/api/v1/targets"),
    closed("P/api/v1/targets/*"),
    closed("P/api/v1/scrape_pools"),
    closed("P/api/v1/scrape_pools/*"),
    closed("P/api/v1/alertmanagers"),
    closed("P/api/v1/status/*"),
    closed("P/api/v1/features"),
    closed("P/api/v1/notifications"),
    closed("P/api/v1/notifications/*"),
    closed("P/api/v1/openapi.yaml"),
    // Dangerous, and internal.
    closed("P/api/v1/admin/*"),
    closed("P/-/*"),
    closed("P/debug/*"),
    closed("P/metrics"),
    closed("P/version"),
    closed("P/consoles/*"),
    closed("P/user/*"),
    // The pages. Their data comes from the API.
    closed("P/"),
    closed("P/graph"),
    closed("P/query"),
    closed("P/alerts"),
    closed("P/rules"),
    closed("P/targets"),
    closed("P/config"),
    closed("P/flags"),
    closed("P/status"),
    closed("P/tsdb-status"),
    closed("P/service-discovery"),
    closed("P/alertmanager-discovery"),
    closed("P/agent"),
    closed("P/assets/*"),
    closed("P/static/*"),
    closed("P/classic/*"),
];

#[cfg(test)]
mod tests {
    use super::super::testing::{Cases, check, router};
    use super::super::{Kind, Prefixes, Router};

    const PROMQL: &str = "read prometheus_api many";

    const CASES: Cases = &[
        ("POST", "/api/v1/write", "write remote_write one"),
        ("POST", "/api/v1/push", "unknown"),
        ("POST", "/api/v1/otlp/v1/metrics", "write otlp_metrics one"),
        ("GET POST", "/api/v1/query", PROMQL),
        ("GET POST", "/api/v1/query_range", PROMQL),
        ("GET POST", "/api/v1/query_exemplars", PROMQL),
        ("GET POST", "/api/v1/series", PROMQL),
        ("DELETE", "/api/v1/series", "405 GET, POST"),
        ("GET POST", "/api/v1/labels", PROMQL),
        ("GET", "/api/v1/label/job/values", PROMQL),
        ("GET", "/api/v1/label/a%2Fb/values", "not canonical"),
        ("GET", "/federate", PROMQL),
        ("GET", "/api/v1/rules", "read rules many"),
        ("GET", "/api/v1/alerts", "read alerts many"),
        ("GET POST", "/api/v1/format_query", PROMQL),
        ("GET POST", "/api/v1/parse_query", PROMQL),
        ("GET", "/api/v1/status/buildinfo", PROMQL),
        ("POST", "/api/v1/status/buildinfo", "405 GET"),
        ("GET", "/api/v1/status/tsdb", "closed"),
        ("GET", "/api/v1/status/tsdb/blocks", "closed"),
        ("GET", "/api/v1/metadata", "closed"),
        ("POST", "/api/v1/read", "read remote_read many"),
        ("GET", "/api/v1/targets/metadata", "closed"),
        ("POST PUT", "/api/v1/admin/tsdb/delete_series", "closed"),
        ("POST PUT", "/-/quit", "closed"),
        ("GET", "/metrics", "closed"),
        ("GET", "/", "closed"),
        ("GET", "/graph", "closed"),
        ("GET", "/prometheus/api/v1/query", "unknown"),
        ("GET", "/api/v1/quer%79", "not canonical"),
        ("GET", "//api/v1/query", "not canonical"),
    ];

    #[test]
    fn table() {
        check(&router(Kind::Prometheus), CASES);
    }

    #[test]
    fn route_prefix() {
        let prefixes = Prefixes { prometheus: Some("/prom".into()), ..Prefixes::default() };
        let router = Router::new(Kind::Prometheus, &prefixes, &[]).unwrap();
        check(
            &router,
            &[
                ("GET", "/prom/api/v1/query", PROMQL),
                ("GET", "/prom/federate", PROMQL),
                ("GET", "/prom/", "closed"),
                ("GET", "/prom/-/healthy", "closed"),
                ("GET", "/api/v1/query", "unknown"),
                ("GET", "/federate", "unknown"),
            ],
        );
    }
}
