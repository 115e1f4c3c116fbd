//! `VictoriaLogs` 1.52 (August 2026): `app/vlinsert/main.go`, `app/vlselect/main.go` and the packages below them. What
//! 1.26 (July 2025) has besides is nothing.
//!
//! Its tenants are accounts, which it takes from the headers `AccountID` and `ProjectID`; without them it takes 0 and
//! 0, for which `-journald.tenantID` and `-splunk.tenantID` then name another. Or a field keeps them apart within one
//! account. It reads `//` as `/`.

use super::Method::{Get, Head, Post, Put};
use super::table::{
    LOGSQL, LOKI_PUSH, Mark, Marks, OTHER_WRITE, OTLP_LOGS, Route, System, VICTORIA_FIXED, closed, open,
};

pub(super) const SYSTEM: System = System {
    marks: Marks { prometheus: Mark::None, legacy: Mark::None, alertmanager: Mark::None },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    open(&[Post], "/insert/loki/api/v1/push", LOKI_PUSH),
    open(&[Post], "/insert/opentelemetry/v1/logs", OTLP_LOGS),
    open(&[Post], "/insert/jsonline", OTHER_WRITE),
    open(&[Post], "/insert/elasticsearch/_bulk", OTHER_WRITE),
    open(&[Post], "/insert/datadog/api/v2/logs", OTHER_WRITE),
    open(&[Post], "/api/v2/logs", OTHER_WRITE),
    open(&[Post], "/insert/splunk/services/collector/event", OTHER_WRITE),
    open(&[Post], "/insert/splunk/services/collector/event/1.0", OTHER_WRITE),
    open(&[Post], "/services/collector/event", OTHER_WRITE),
    open(&[Post], "/services/collector/event/1.0", OTHER_WRITE),
    open(&[Post], "/insert/journald/upload", OTHER_WRITE),
    // What senders ask before they send. The answers are the same for everybody.
    open(&[Get], "/insert/ready", OTHER_WRITE),
    open(&[Get], "/insert/loki/ready", OTHER_WRITE),
    open(&[Get], "/insert/datadog/api/v1/validate", OTHER_WRITE),
    open(&[Get], "/api/v1/validate", OTHER_WRITE),
    open(&[Get], "/insert/splunk/services/collector/health", OTHER_WRITE),
    open(&[Get], "/services/collector/health", OTHER_WRITE),
    open(&[Get, Head], "/insert/elasticsearch", OTHER_WRITE),
    open(&[Get, Head], "/insert/elasticsearch/", OTHER_WRITE),
    open(&[Get], "/insert/elasticsearch/_license", OTHER_WRITE),
    open(&[Get], "/insert/elasticsearch/_nodes/*", OTHER_WRITE),
    open(&[Get, Head, Put], "/insert/elasticsearch/_ilm/policy/*", OTHER_WRITE),
    open(&[Get, Head, Put], "/insert/elasticsearch/_index_template/*", OTHER_WRITE),
    open(&[Get, Head, Put], "/insert/elasticsearch/_ingest/*", OTHER_WRITE),
    open(&[Get, Head, Put], "/insert/elasticsearch/_rollup/*", OTHER_WRITE),
    open(&[Get, Head, Put], "/insert/elasticsearch/_logstash/*", OTHER_WRITE),
    open(&[Get, Head, Put], "/insert/elasticsearch/logstash/*", OTHER_WRITE),
    // Reads, in LogsQL.
    open(&[Get, Post], "/select/logsql/query", LOGSQL),
    open(&[Get, Post], "/select/logsql/tail", LOGSQL),
    open(&[Get, Post], "/select/logsql/hits", LOGSQL),
    open(&[Get, Post], "/select/logsql/facets", LOGSQL),
    open(&[Get, Post], "/select/logsql/stats_query", LOGSQL),
    open(&[Get, Post], "/select/logsql/stats_query_range", LOGSQL),
    open(&[Get, Post], "/select/logsql/field_names", LOGSQL),
    open(&[Get, Post], "/select/logsql/field_values", LOGSQL),
    open(&[Get, Post], "/select/logsql/stream_field_names", LOGSQL),
    open(&[Get, Post], "/select/logsql/stream_field_values", LOGSQL),
    open(&[Get, Post], "/select/logsql/stream_ids", LOGSQL),
    open(&[Get, Post], "/select/logsql/streams", LOGSQL),
    open(&[Get, Post], "/select/logsql/query_time_range", LOGSQL),
    open(&[Get], "/select/buildinfo", VICTORIA_FIXED),
    // `native` and `multitenant` name an account for every entry.
    closed("/insert/*"),
    closed("/internal/*"),
    // The pages; `tenant_ids`, which lists all accounts; and vmalert, which knows neither accounts nor filters.
    closed("/select/*"),
    closed("/delete/*"),
    // Other protocols for writing.
    closed("/api/v1/*"),
    closed("/api/v2/*"),
    closed("/services/*"),
    // Internal.
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
        ("POST", "/insert/loki/api/v1/push", "write loki_push one"),
        ("GET", "/insert/loki/api/v1/push", "405 POST"),
        ("POST", "/insert/opentelemetry/v1/logs", "write otlp_logs one"),
        ("POST", "/insert/jsonline", "write other one"),
        ("POST", "/insert/elasticsearch/_bulk", "write other one"),
        ("POST PUT", "/insert/elasticsearch/_search", "closed"),
        ("GET HEAD", "/insert/elasticsearch/", "write other one"),
        ("PUT", "/insert/elasticsearch/_index_template/x", "write other one"),
        ("POST", "/insert/splunk/services/collector/event/1.0", "write other one"),
        ("POST", "/services/collector/event", "write other one"),
        ("POST", "/services/collector/raw", "closed"),
        ("POST", "/api/v2/logs", "write other one"),
        ("GET", "/api/v2/logs", "405 POST"),
        ("GET", "/api/v1/validate", "write other one"),
        ("POST", "/insert/journald/upload", "write other one"),
        ("GET", "/insert/ready", "write other one"),
        ("POST", "/insert/native", "closed"),
        ("POST", "/insert/multitenant/native", "closed"),
        ("POST", "/internal/insert", "closed"),
        ("GET POST", "/select/logsql/query", "read other many"),
        ("GET POST", "/select/logsql/tail", "read other many"),
        ("GET", "/select/logsql/streams", "read other many"),
        ("GET", "/select/logsql/query_time_range", "read other many"),
        ("GET", "/select/logsql/tenant_ids", "closed"),
        ("GET", "/select/tenant_ids", "closed"),
        ("GET", "/select/vmalert/api/v1/rules", "closed"),
        ("GET", "/select/buildinfo", "read other many"),
        ("GET", "/select/vmui/", "not canonical"),
        ("GET", "/select/vmui/x", "closed"),
        ("GET", "/internal/select/query", "closed"),
        ("GET", "//select/logsql/query", "not canonical"),
        ("POST", "/delete/run_task", "closed"),
        ("POST", "/insert//jsonline", "not canonical"),
    ];

    #[test]
    fn table() {
        check(&router(Kind::VictoriaLogs), CASES);
    }
}
