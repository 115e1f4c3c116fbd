//! `VictoriaTraces` 0.12 (September 2026): `app/vtinsert/main.go`, `app/vtselect/main.go` and the packages below them.
//!
//! Its tenants are accounts, which it takes from the headers `AccountID` and `ProjectID`; without them it takes 0 and
//! 0. Or a resource attribute keeps them apart within one account: then only the endpoints of `LogsQL` can be narrowed,
//! since the APIs of Jaeger and Tempo heed no `extra_filters` up to 0.12. It reads `//` as `/`.

use super::Method::{Get, Post};
use super::table::{
    JAEGER, LOGSQL, Mark, Marks, OTHER_WRITE, OTLP_TRACES, Route, System, VICTORIA_FIXED, closed, open,
};

pub(super) const SYSTEM: System = System {
    marks: Marks { prometheus: Mark::None, legacy: Mark::None, alertmanager: Mark::None },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    open(&[Post], "/insert/opentelemetry/v1/traces", OTLP_TRACES),
    open(&[Get], "/insert/ready", OTHER_WRITE),
    // Reads: the APIs of Jaeger and Tempo, and LogsQL.
    open(&[Get], "/select/jaeger/api/services", JAEGER),
    open(&[Get], "/select/jaeger/api/services/{service}/operations", JAEGER),
    open(&[Get], "/select/jaeger/api/traces", JAEGER),
    open(&[Get], "/select/jaeger/api/traces/{id}", JAEGER),
    open(&[Get], "/select/jaeger/api/dependencies", JAEGER),
    open(&[Get], "/select/jaeger/api/v3/services", JAEGER),
    open(&[Get], "/select/jaeger/api/v3/operations", JAEGER),
    open(&[Get], "/select/jaeger/api/v3/traces", JAEGER),
    open(&[Get], "/select/jaeger/api/v3/traces/{id}", JAEGER),
    open(&[Get], "/select/tempo/api/echo", VICTORIA_FIXED),
    open(&[Get], "/select/tempo/api/search", JAEGER),
    open(&[Get], "/select/tempo/api/v2/search/tags", JAEGER),
    open(&[Get], "/select/tempo/api/v2/search/tag/{tag}/values", JAEGER),
    open(&[Get], "/select/tempo/api/metrics/query_range", JAEGER),
    open(&[Get], "/select/tempo/api/traces/{id}", JAEGER),
    open(&[Get], "/select/tempo/api/v2/traces/{id}", JAEGER),
    open(&[Get], "/select/buildinfo", VICTORIA_FIXED),
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
        ("GET", "/select/jaeger/api/v3/traces/0af7", "read other many"),
        ("GET", "/select/tempo/api/search", "read other many"),
        ("GET", "/select/tempo/api/v2/search/tag/resource.a/values", "read other many"),
        ("GET", "/select/tempo/api/v2/traces/0af7", "read other many"),
        ("GET", "/select/tempo/api/echo", "read other many"),
        ("GET", "/select/tempo/api/status/config", "closed"),
        ("GET", "/insert/ready", "write other one"),
        ("GET", "/select/tenant_ids", "closed"),
    ];

    #[test]
    fn table() {
        check(&router(Kind::VictoriaTraces), CASES);
    }
}
