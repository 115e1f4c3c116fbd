//! `VictoriaLogs`, as of August 2026: `app/vlinsert/main.go`, `app/vlselect/main.go` and the packages below them.
//!
//! Its tenants are accounts, which it takes from the headers `AccountID` and `ProjectID`; without them it takes 0 and
//! 0. It reads `//` as `/`.

use super::Method::{Get, Post};
use super::table::{LOGSQL, LOKI_PUSH, Mark, Marks, OTHER_WRITE, OTLP_LOGS, Route, System, closed, open};

pub(super) const SYSTEM: System = System {
    marks: Marks { prometheus: Mark::None, legacy: Mark::None, alertmanager: Mark::None },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    open(&[Post], "/insert/loki/api/v1/push", LOKI_PUSH),
    open(&[Post], "/insert/opentelemetry/v1/logs", OTLP_LOGS),
    open(&[Post], "/insert/jsonline", OTHER_WRITE),
    open(&[Post], "/insert/elasticsearch/_bulk", OTHER_WRITE),
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
    // `native` and `multitenant` name an account for every entry.
    closed("/insert/*"),
    closed("/internal/*"),
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
        ("POST", "/insert/native", "closed"),
        ("POST", "/insert/multitenant/native", "closed"),
        ("POST", "/internal/insert", "closed"),
        ("GET POST", "/select/logsql/query", "read other many"),
        ("GET POST", "/select/logsql/tail", "read other many"),
        ("GET", "/select/logsql/streams", "read other many"),
        ("GET", "/select/logsql/tenant_ids", "closed"),
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
