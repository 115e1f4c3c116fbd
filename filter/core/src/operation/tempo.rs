//! Grafana Tempo, the main branch of August 2026 (after 3.0.2): `cmd/tempo/app/modules.go`, `cmd/tempo/app/app.go`, `pkg/api/http.go`,
//! `modules/frontend/frontend.go`; and what 2.x had.
//!
//! Tempo decodes a path before it matches it, so names must not hold `%2F`; a tag's name may, since its
//! place takes slashes too (`{tagName:.*}`) and no other route looks like it. Most routes take any method
//! there, and only those that mean something here. A `http_api_prefix` belongs into the backend's `path`.

use super::Method::{Get, Post};
use super::table::{Mark, Marks, OTLP_TRACES, Route, System, TEMPO, TEMPO_ONE, closed, open};

pub(super) const SYSTEM: System = System {
    marks: Marks { prometheus: Mark::None, legacy: Mark::None, alertmanager: Mark::None },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    // Distributor: the OTLP receiver, on a port of its own.
    open(&[Post], "/v1/traces", OTLP_TRACES),
    // Query frontend. It asks each tenant by itself and merges (`multi_tenant_queries_enabled`, on by
    // default).
    open(&[Get], "/api/traces/{id}", TEMPO),
    open(&[Get], "/api/v2/traces/{id}", TEMPO),
    open(&[Post], "/api/v2/traces/diff", TEMPO),
    open(&[Get], "/api/search", TEMPO),
    open(&[Get], "/api/search/tags", TEMPO),
    open(&[Get], "/api/v2/search/tags", TEMPO),
    open(&[Get], "/api/search/tag/{tag%2F}/values", TEMPO),
    open(&[Get], "/api/v2/search/tag/{tag%2F}/values", TEMPO),
    open(&[Get], "/api/metrics/query", TEMPO),
    open(&[Get], "/api/metrics/query_range", TEMPO),
    // Until 2.x; several tenants are an error there.
    open(&[Get], "/api/metrics/summary", TEMPO_ONE),
    // These two ask for no tenant.
    open(&[Get], "/api/echo", TEMPO),
    open(&[Get], "/api/status/buildinfo", TEMPO),
    // Dangerous with a tenant: its limits; a server of tools for language models; the queriers behind the
    // frontend.
    closed("/api/overrides"),
    closed("/api/mcp"),
    closed("/querier/*"),
    // Other ways to write and to read that nothing here looks into: Jaeger's and Zipkin's receivers, and
    // gRPC, which Grafana uses to stream searches.
    closed("/api/traces"),
    closed("/api/v2/spans"),
    closed("/opentelemetry.proto.collector.trace.v1.TraceService/*"),
    closed("/tempopb.StreamingQuerier/*"),
    // Internal: they ask for no tenant and show or change all.
    closed("/ready"),
    closed("/metrics"),
    closed("/usage_metrics"),
    closed("/debug/*"),
    closed("/status"),
    closed("/status/*"),
    closed("/static/*"),
    closed("/memberlist"),
    closed("/partition-ring"),
    closed("/partition/*"),
    closed("/distributor/*"),
    closed("/ingester/*"),
    closed("/live-store/*"),
    closed("/metrics-generator/*"),
    closed("/compactor/*"),
    closed("/backend-worker/*"),
    closed("/flush"),
    closed("/shutdown"),
];

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::testing::{Cases, check, router};

    const TEMPO: &str = "read tempo_api many";

    const CASES: Cases = &[
        ("POST", "/v1/traces", "write otlp_traces one"),
        ("GET", "/v1/traces", "405 POST"),
        ("POST", "/v1/metrics", "unknown"),
        ("GET", "/api/traces/0af7651916cd43dd8448eb211c80319c", TEMPO),
        ("GET", "/api/v2/traces/0af7651916cd43dd8448eb211c80319c", TEMPO),
        ("POST", "/api/traces/0af7", "405 GET"),
        ("GET", "/api/traces/a%2Fb", "not canonical"),
        ("POST", "/api/v2/traces/diff", TEMPO),
        // What Tempo would take for the ID `diff`.
        ("GET", "/api/v2/traces/diff", TEMPO),
        ("PUT", "/api/v2/traces/diff", "405 GET, POST"),
        ("GET", "/api/search", TEMPO),
        ("POST", "/api/search", "405 GET"),
        ("GET", "/api/search/tags", TEMPO),
        ("GET", "/api/v2/search/tags", TEMPO),
        ("GET", "/api/search/tag/service.name/values", TEMPO),
        ("GET", "/api/v2/search/tag/resource.service.name/values", TEMPO),
        ("GET", "/api/v2/search/tag/span.k8s.io%2Fname/values", TEMPO),
        ("GET", "/api/v2/search/tag/a/b/values", "unknown"),
        ("GET", "/api/v2/search/tag/..%2F..%2Fx/values", "not canonical"),
        ("GET", "/api/metrics/query", TEMPO),
        ("GET", "/api/metrics/query_range", TEMPO),
        ("GET", "/api/metrics/summary", "read tempo_api one"),
        ("GET", "/api/metrics/other", "unknown"),
        ("GET", "/api/echo", TEMPO),
        ("GET", "/api/status/buildinfo", TEMPO),
        ("GET POST PATCH DELETE", "/api/overrides", "closed"),
        ("GET POST", "/api/mcp", "closed"),
        ("GET", "/querier/api/traces/0af7", "closed"),
        ("POST", "/api/traces", "closed"),
        ("POST", "/api/v2/spans", "closed"),
        ("POST", "/tempopb.StreamingQuerier/Search", "closed"),
        ("POST", "/opentelemetry.proto.collector.trace.v1.TraceService/Export", "closed"),
        ("GET", "/status/overrides/team-a", "closed"),
        ("GET", "/status/usage-stats", "closed"),
        ("GET", "/memberlist", "closed"),
        ("GET", "/live-store/ring", "closed"),
        ("GET", "/partition/ring", "closed"),
        ("GET", "/metrics", "closed"),
        ("GET", "/", "unknown"),
    ];

    #[test]
    fn table() {
        check(&router(Kind::Tempo), CASES);
    }
}
