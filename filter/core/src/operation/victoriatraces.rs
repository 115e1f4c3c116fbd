//! `VictoriaTraces`, as of August 2026: `app/vtinsert/main.go` and the packages below it.
//!
//! Its tenants are accounts, which it takes from the headers `AccountID` and `ProjectID`; without them it takes 0 and
//! 0. It reads `//` as `/`. Reads are not open yet.

use super::Method::Post;
use super::table::{Mark, Marks, OTLP_TRACES, Route, System, closed, open};

pub(super) const SYSTEM: System = System {
    marks: Marks { prometheus: Mark::None, legacy: Mark::None, alertmanager: Mark::None },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    open(&[Post], "/insert/opentelemetry/v1/traces", OTLP_TRACES),
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
        ("GET", "/select/jaeger/api/traces", "closed"),
    ];

    #[test]
    fn table() {
        check(&router(Kind::VictoriaTraces), CASES);
    }
}
