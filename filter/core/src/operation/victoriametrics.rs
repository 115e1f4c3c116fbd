//! `VictoriaMetrics`, single node, as of August 2026: `app/vminsert/main.go`, `app/vmselect/main.go`,
//! `app/vmstorage/main.go`, `lib/httpserver/httpserver.go`.
//!
//! Its tenants are kept apart by a label, so a read is open here only where `extra_label` and
//! `extra_filters` hold (or the answer can be narrowed), and a write only where `extra_label` does. It
//! looks at methods hardly anywhere and decodes paths before it matches them; here only the documented
//! methods are open, and names must not hold `%2F`. `P` is nothing or `/prometheus`.

use super::Alerting::{Alert, Alerts, Rule, RuleGroup, Rules};
use super::Class::Read;
use super::Method::{Get, Post};
use super::Tenancy::Many;
use super::table::{
    INFLUX_PUSH, Mark, Marks, OTHER_WRITE, OTLP_METRICS, PROMETHEUS_FIXED, PROMQL, PROMQL_SELECTORS,
    REMOTE_WRITE, Route, System, alerting, closed, open,
};

pub(super) const SYSTEM: System = System {
    marks: Marks {
        prometheus: Mark::Fixed(&["", "/prometheus"]),
        legacy: Mark::None,
        alertmanager: Mark::None,
    },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    // Writes.
    open(&[Post], "P/api/v1/write", REMOTE_WRITE),
    open(&[Post], "P/api/v1/push", REMOTE_WRITE),
    open(&[Post], "/opentelemetry/v1/metrics", OTLP_METRICS),
    open(&[Post], "/opentelemetry/api/v1/push", OTLP_METRICS),
    open(&[Post], "P/api/v1/import", OTHER_WRITE),
    open(&[Post], "P/api/v1/import/csv", OTHER_WRITE),
    open(&[Post], "P/api/v1/import/native", OTHER_WRITE),
    open(&[Post], "P/api/v1/import/prometheus", OTHER_WRITE),
    open(&[Post], "/write", INFLUX_PUSH),
    open(&[Post], "/api/v2/write", INFLUX_PUSH),
    open(&[Post], "/influx/write", INFLUX_PUSH),
    open(&[Post], "/influx/api/v2/write", INFLUX_PUSH),
    // Reads.
    open(&[Get, Post], "P/api/v1/query", PROMQL),
    open(&[Get, Post], "P/api/v1/query_range", PROMQL),
    open(&[Get, Post], "P/api/v1/series", PROMQL_SELECTORS),
    open(&[Get, Post], "P/api/v1/labels", PROMQL_SELECTORS),
    open(&[Get, Post], "P/api/v1/label/{name}/values", PROMQL_SELECTORS),
    open(&[Get, Post], "P/api/v1/export", PROMQL_SELECTORS),
    open(&[Get, Post], "P/api/v1/export/csv", PROMQL_SELECTORS),
    open(&[Get, Post], "P/api/v1/export/native", PROMQL_SELECTORS),
    open(&[Get, Post], "P/federate", PROMQL_SELECTORS),
    // Both answer the same to everybody.
    open(&[Get, Post], "P/api/v1/query_exemplars", PROMETHEUS_FIXED),
    open(&[Get], "P/api/v1/status/buildinfo", PROMETHEUS_FIXED),
    // Passed on to vmalert, which knows no `extra_label`: narrowed in the answer.
    open(&[Get], "P/api/v1/rules", alerting(Read, Rules, Many)),
    open(&[Get], "P/api/v1/alerts", alerting(Read, Alerts, Many)),
    open(&[Get], "P/api/v1/group", alerting(Read, RuleGroup, Many)),
    open(&[Get], "P/api/v1/rule", alerting(Read, Rule, Many)),
    open(&[Get], "P/api/v1/alert", alerting(Read, Alert, Many)),
    open(&[Get], "P/vmalert/api/v1/rules", alerting(Read, Rules, Many)),
    open(&[Get], "P/vmalert/api/v1/alerts", alerting(Read, Alerts, Many)),
    open(&[Get], "P/vmalert/api/v1/group", alerting(Read, RuleGroup, Many)),
    open(&[Get], "P/vmalert/api/v1/rule", alerting(Read, Rule, Many)),
    open(&[Get], "P/vmalert/api/v1/alert", alerting(Read, Alert, Many)),
    // Labels in the path (as to a Pushgateway) would be written beside those that are checked.
    closed("P/api/v1/import/*"),
    // Reads that look past `extra_label`, or show what others ask.
    closed("P/api/v1/metadata"),
    closed("P/api/v1/series/count"),
    closed("P/api/v1/status/*"),
    closed("P/api/v1/notifiers"),
    closed("P/api/v1/targets"),
    closed("P/rules"),
    closed("P/alerts"),
    closed("P/notifiers"),
    closed("P/vmalert/*"),
    // Graphite's API, which knows `extra_label` only in part, and under whose prefix the whole Prometheus
    // API is served once more.
    closed("/graphite/*"),
    closed("P/render"),
    closed("P/metrics/*"),
    closed("P/tags"),
    closed("P/tags/*"),
    closed("P/functions"),
    closed("P/functions/*"),
    // Other protocols for writing.
    closed("/query"),
    closed("/influx/*"),
    closed("/datadog/*"),
    closed("/newrelic"),
    closed("/newrelic/*"),
    closed("/zabbixconnector/*"),
    // Dangerous, and internal.
    closed("P/api/v1/admin/*"),
    closed("P/internal/*"),
    closed("/snapshot/*"),
    closed("P/-/*"),
    closed("P/config"),
    closed("P/targets"),
    closed("P/target_response"),
    closed("P/service-discovery"),
    closed("/debug/*"),
    closed("/metrics"),
    closed("/flags"),
    closed("/health"),
    closed("/ping"),
    closed("/ready"),
    // The pages. Their data comes from the API.
    closed("/"),
    closed("P/vmui"),
    closed("P/vmui/"),
    closed("P/vmui/*"),
    closed("P/graph"),
    closed("P/graph/"),
    closed("P/graph/*"),
    closed("P/static/*"),
    closed("P/prettify-query"),
    closed("P/expand-with-exprs"),
    closed("P/metric-relabel-debug"),
    closed("P/target-relabel-debug"),
];

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::testing::{Cases, check, router};

    const WRITE: &str = "write remote_write one";
    const OTLP: &str = "write otlp_metrics one";
    const IMPORT: &str = "write other one";
    const INFLUX: &str = "write influx_push one";
    const PROMQL: &str = "read prometheus_api many";

    const CASES: Cases = &[
        ("POST", "/api/v1/write", WRITE),
        ("POST", "/prometheus/api/v1/write", WRITE),
        ("POST", "/api/v1/push", WRITE),
        ("POST", "/prometheus/api/v1/push", WRITE),
        ("GET", "/api/v1/write", "405 POST"),
        ("POST", "/opentelemetry/v1/metrics", OTLP),
        ("POST", "/opentelemetry/api/v1/push", OTLP),
        ("POST", "/api/v1/import", IMPORT),
        ("POST", "/prometheus/api/v1/import", IMPORT),
        ("POST", "/api/v1/import/csv", IMPORT),
        ("POST", "/api/v1/import/native", IMPORT),
        ("POST", "/api/v1/import/prometheus", IMPORT),
        ("POST", "/api/v1/import/prometheus/metrics/job/x/tenant/other", "closed"),
        ("POST", "/api/v1/import/prometheusx", "closed"),
        ("POST", "/write", INFLUX),
        ("POST", "/api/v2/write", INFLUX),
        ("POST", "/influx/write", INFLUX),
        ("GET", "/influx/query", "closed"),
        ("GET POST", "/api/v1/query", PROMQL),
        ("GET POST", "/prometheus/api/v1/query", PROMQL),
        ("GET POST", "/api/v1/query_range", PROMQL),
        ("GET POST", "/api/v1/series", PROMQL),
        ("GET", "/api/v1/series/count", "closed"),
        ("GET POST", "/api/v1/labels", PROMQL),
        ("GET", "/api/v1/label/job/values", PROMQL),
        ("GET", "/prometheus/api/v1/label/job/values", PROMQL),
        ("GET", "/api/v1/label/a%2Fb/values", "not canonical"),
        ("GET POST", "/api/v1/export", PROMQL),
        ("GET POST", "/api/v1/export/csv", PROMQL),
        ("GET POST", "/prometheus/api/v1/export/native", PROMQL),
        ("GET", "/federate", PROMQL),
        ("GET", "/prometheus/federate", PROMQL),
        ("GET", "/api/v1/query_exemplars", PROMQL),
        ("GET", "/api/v1/rules", "read rules many"),
        ("GET", "/prometheus/api/v1/alerts", "read alerts many"),
        ("GET", "/vmalert/api/v1/rule", "read rule many"),
        ("GET", "/api/v1/group", "read rule_group many"),
        ("GET", "/prometheus/vmalert/api/v1/alert", "read alert many"),
        ("GET", "/vmalert/api/v1/notifiers", "closed"),
        ("POST", "/vmalert/api/v1/rules", "405 GET"),
        ("GET", "/api/v1/status/buildinfo", PROMQL),
        ("GET", "/api/v1/status/tsdb", "closed"),
        ("GET", "/api/v1/status/active_queries", "closed"),
        ("GET", "/api/v1/metadata", "closed"),
        ("POST", "/api/v1/read", "unknown"),
        ("GET", "/graphite/api/v1/query", "closed"),
        ("GET", "/prometheus/graphite/api/v1/query", "unknown"),
        ("GET", "/prometheus/prometheus/api/v1/query", "unknown"),
        ("GET", "/render", "closed"),
        ("POST", "/tags/delSeries", "closed"),
        ("POST", "/api/v1/admin/tsdb/delete_series", "closed"),
        ("POST", "/prometheus/api/v1/admin/tsdb/delete_series", "closed"),
        ("GET POST", "/internal/force_merge", "closed"),
        ("GET", "/snapshot/delete_all", "closed"),
        ("POST", "/datadog/api/v1/series", "closed"),
        ("GET", "/vmui/", "closed"),
        ("GET", "/metrics", "closed"),
        ("GET", "/prometheus/-/reload", "closed"),
        ("GET", "//api/v1/query", "not canonical"),
        ("GET", "/api/v1//query", "not canonical"),
        ("GET", "/api/v1/quer%79", "not canonical"),
    ];

    #[test]
    fn table() {
        check(&router(Kind::VictoriaMetrics), CASES);
    }
}
