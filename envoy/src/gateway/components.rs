//! The components of backends: the paths that each takes, where it runs by itself. What is dangerous or internal is in none of
//! them, and what the filter does not open reaches none.
//!
//! In a path `P` at the beginning stands for the prefix of the Prometheus API, `L` for that of the legacy API, `A` for
//! that of the alertmanager.

use scopegate_core::operation::{Kind, Prefixes};

/// A component and its paths; one with a slash at its end is everything below.
pub(super) type Component = (&'static str, &'static [&'static str]);

/// The components of a kind; none where it does not come in pieces.
pub(super) const fn of(kind: Kind) -> &'static [Component] {
    match kind {
        Kind::Cortex => CORTEX,
        Kind::Mimir => MIMIR,
        Kind::Loki => LOKI,
        _ => &[],
    }
}

/// The path at which an address of that kind says whether it is well.
pub(super) const fn health(kind: Kind) -> &'static str {
    match kind {
        Kind::Cortex | Kind::Mimir | Kind::Loki | Kind::Tempo => "/ready",
        Kind::Prometheus | Kind::Alertmanager => "/-/ready",
        Kind::VictoriaMetrics | Kind::VictoriaMetricsCluster | Kind::VictoriaLogs | Kind::VictoriaTraces => {
            "/health"
        }
    }
}

/// The paths that a kind writes at, where a write may be split: the first that a caller would use.
pub(super) const fn pushes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Cortex => &["/api/v1/push", "L/push", "/api/v1/otlp/v1/metrics"],
        Kind::Mimir => &["/api/v1/push", "/otlp/v1/metrics"],
        Kind::Loki => &["/loki/api/v1/push", "/api/prom/push", "/otlp/v1/logs"],
        Kind::Tempo | Kind::VictoriaTraces => &["/v1/traces"],
        Kind::Prometheus | Kind::VictoriaMetrics => &["/api/v1/write"],
        Kind::VictoriaMetricsCluster | Kind::VictoriaLogs => &["/insert/"],
        Kind::Alertmanager => &[],
    }
}

/// Where a POST only reads: a form in place of a long URL, or Prometheus' remote read.
pub(super) const fn posted_reads(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Cortex => &[
            "P/api/v1/query",
            "P/api/v1/query_range",
            "P/api/v1/query_exemplars",
            "P/api/v1/series",
            "P/api/v1/labels",
            "P/api/v1/read",
            "L/api/v1/query",
            "L/api/v1/query_range",
            "L/api/v1/query_exemplars",
            "L/api/v1/series",
            "L/api/v1/labels",
            "L/api/v1/read",
        ],
        Kind::Mimir | Kind::Prometheus => &[
            "P/api/v1/query",
            "P/api/v1/query_range",
            "P/api/v1/query_exemplars",
            "P/api/v1/series",
            "P/api/v1/labels",
            "P/api/v1/read",
        ],
        Kind::VictoriaMetrics => &[
            "/api/v1/query",
            "/api/v1/query_range",
            "/api/v1/series",
            "/api/v1/labels",
            "/prometheus/api/v1/query",
            "/prometheus/api/v1/query_range",
            "/prometheus/api/v1/series",
            "/prometheus/api/v1/labels",
        ],
        Kind::Loki => &[
            "/loki/api/v1/query",
            "/loki/api/v1/query_range",
            "/loki/api/v1/labels",
            "/loki/api/v1/series",
            "/loki/api/v1/index/stats",
            "/loki/api/v1/index/volume",
            "/loki/api/v1/index/volume_range",
        ],
        _ => &[],
    }
}

/// A path with the backend's prefixes in place of the letters; `None` where its prefix is gone.
pub(super) fn path(kind: Kind, template: &str, prefixes: &Prefixes) -> String {
    let marked = |default: &'static str, prefix: &Option<String>, rest: &str| {
        let prefix = prefix.as_deref().unwrap_or(default);
        format!("{}{rest}", prefix.trim_end_matches('/'))
    };
    let prometheus = if kind == Kind::Prometheus { "/" } else { "/prometheus" };
    match (template.strip_prefix('P'), template.strip_prefix('L'), template.strip_prefix('A')) {
        (Some(rest), _, _) => marked(prometheus, &prefixes.prometheus, rest),
        (_, Some(rest), _) => marked("/api/prom", &prefixes.legacy, rest),
        (_, _, Some(rest)) => marked("/alertmanager", &prefixes.alertmanager, rest),
        _ => template.to_owned(),
    }
}

/// Those of auth-gateway, without the dangerous ones, and what Cortex has besides.
const CORTEX: &[Component] = &[
    ("distributor", &["/api/v1/push", "L/push", "/api/v1/otlp/v1/metrics"]),
    (
        "frontend",
        &[
            "P/api/v1/query",
            "P/api/v1/query_range",
            "P/api/v1/query_exemplars",
            "P/api/v1/format_query",
            "P/api/v1/parse_query",
            "P/api/v1/series",
            "P/api/v1/labels",
            "P/api/v1/label/",
            "P/api/v1/metadata",
            "P/api/v1/read",
            "P/api/v1/status/buildinfo",
            "L/api/v1/query",
            "L/api/v1/query_range",
            "L/api/v1/query_exemplars",
            "L/api/v1/format_query",
            "L/api/v1/parse_query",
            "L/api/v1/series",
            "L/api/v1/labels",
            "L/api/v1/label/",
            "L/api/v1/metadata",
            "L/api/v1/read",
            "L/api/v1/status/buildinfo",
        ],
    ),
    (
        "ruler",
        &[
            "P/api/v1/rules",
            "P/api/v1/alerts",
            "L/api/v1/rules",
            "L/api/v1/alerts",
            "/api/v1/rules",
            "/api/v1/rules/",
            "L/rules",
            "L/rules/",
        ],
    ),
    ("alertmanager", &["A", "A/", "/api/v1/alerts"]),
];

const MIMIR: &[Component] = &[
    ("distributor", &["/api/v1/push", "/api/v1/push/influx/write", "/otlp/v1/metrics"]),
    (
        "frontend",
        &[
            "P/api/v1/query",
            "P/api/v1/query_range",
            "P/api/v1/query_exemplars",
            "P/api/v1/format_query",
            "P/api/v1/series",
            "P/api/v1/labels",
            "P/api/v1/label/",
            "P/api/v1/cardinality/label_names",
            "P/api/v1/cardinality/label_values",
            "P/api/v1/cardinality/active_series",
            "P/api/v1/cardinality/active_native_histogram_metrics",
            "P/api/v1/metadata",
            "P/api/v1/read",
            "P/api/v1/status/buildinfo",
        ],
    ),
    ("ruler", &["P/api/v1/rules", "P/api/v1/alerts", "P/config/v1/rules", "P/config/v1/rules/"]),
    ("alertmanager", &["A", "A/", "/api/v1/alerts"]),
];

const LOKI: &[Component] = &[
    ("distributor", &["/loki/api/v1/push", "/api/prom/push", "/otlp/v1/logs"]),
    (
        "ruler",
        &[
            "/prometheus/api/v1/rules",
            "/prometheus/api/v1/alerts",
            "/loki/api/v1/rules",
            "/loki/api/v1/rules/",
            "/api/prom/rules",
            "/api/prom/rules/",
        ],
    ),
    ("frontend", &["/loki/api/v1/", "/api/prom/"]),
];

#[cfg(test)]
mod tests {
    use scopegate_core::operation::{Class, Router};

    use super::*;

    fn class(router: &Router, path: &str) -> Option<Class> {
        let path = if path.ends_with('/') { format!("{path}name") } else { path.to_owned() };
        let values = format!("{path}/values");
        ["GET", "POST", "DELETE"]
            .iter()
            .flat_map(|method| [router.classify(method, &path), router.classify(method, &values)])
            .find_map(|found| found.ok().map(|operation| operation.class))
    }

    /// Each component takes what its name says, and nothing that the filter keeps closed.
    #[test]
    fn components_take_what_the_filter_opens() {
        let prefixes = Prefixes::default();
        for kind in [Kind::Cortex, Kind::Mimir, Kind::Loki] {
            let router = Router::new(kind, &prefixes, &[]).unwrap();
            for (component, paths) in of(kind) {
                for template in *paths {
                    if kind == Kind::Loki && *component == "frontend" {
                        continue;
                    }
                    let path = path(kind, template, &prefixes);
                    let classes: &[Class] = match *component {
                        "distributor" => &[Class::Write],
                        "frontend" => &[Class::Read],
                        "ruler" => &[Class::Rules, Class::Read],
                        _ => &[Class::Alerts],
                    };
                    let found = class(&router, &path);
                    assert!(
                        found.is_some_and(|class| classes.contains(&class)),
                        "{kind:?} {component} {path}: {found:?}"
                    );
                }
            }
            for template in posted_reads(kind) {
                let path = path(kind, template, &prefixes);
                let found = router.classify("POST", &path).map(|operation| operation.class);
                assert_eq!(found, Ok(Class::Read), "{kind:?} {path}");
            }
        }
    }

    #[test]
    fn moved_prefixes() {
        let prefixes =
            Prefixes { prometheus: Some("/p".into()), legacy: Some("/old".into()), alertmanager: None };
        for (template, expected) in [
            ("P/api/v1/query", "/p/api/v1/query"),
            ("L/push", "/old/push"),
            ("A", "/alertmanager"),
            ("/api/v1/push", "/api/v1/push"),
        ] {
            assert_eq!(path(Kind::Cortex, template, &prefixes), expected);
        }
        assert_eq!(path(Kind::Prometheus, "P/api/v1/read", &Prefixes::default()), "/api/v1/read");
    }
}
