//! `VictoriaTraces`, as of August 2026: `app/vtinsert/main.go`, `app/vtselect/main.go` and the packages below them.
//!
//! Its tenants are accounts, which it takes from the headers `AccountID` and `ProjectID`; without them it takes 0 and
//! 0. It reads `//` as `/`.

use super::Method::{Get, Post};
use super::table::{LOGSQL, Mark, Marks, OTLP_TRACES, Route, System, closed, open};

pub(super) const SYSTEM: System = System {
    marks: Marks { prometheus: Mark::None, legacy: Mark::None, alertmanager: Mark::None },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    open(&[Post], "/insert/opentelemetry/v1/traces", OTLP_TRACES),
    // Reads: Jaeger's API, and LogsQL.
    open(&[Get], "/select/jaeger/api/services", LOGSQL),
    open(&[Get], "/select/jaeger/api/services/{service}/operations", LOGSQL),
    open(&[Get], "/select/jaeger/api/traces", LOGSQL),
    open(&[Get], "/select/jaeger/api/traces/{id}", LOGSQL),
    open(&[Get], "/select/jaeger/api/dependencies", LOGSQL),
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
    closed("/insert/*"),
    closed("/internal/*"),
    closed("/select/*"),
    closed("/delete/*"),
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
        ("POST", "/insert/opentelemetry/v1/traces", "write otlp_traces one"),
        ("GET", "/insert/opentelemetry/v1/traces", "405 POST"),
        ("POST", "/insert/native", "closed"),
        ("POST", "/insert/multitenant/native", "closed"),
        ("POST", "/internal/insert", "closed"),
        ("GET", "/select/jaeger/api/traces", "read other many"),
        ("POST", "/select/jaeger/api/traces", "405 GET"),
        ("GET", "/select/jaeger/api/traces/0af7", "read other many"),
        ("GET", "/select/jaeger/api/services/a%20b/operations", "read other many"),
        ("GET POST", "/select/logsql/query", "read other many"),
        ("GET", "/select/tempo/api/search", "closed"),
    ];

    #[test]
    fn table() {
        check(&router(Kind::VictoriaTraces), CASES);
    }
}
