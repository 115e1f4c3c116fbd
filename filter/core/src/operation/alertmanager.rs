//! The Alertmanager, 0.25 to 0.29 and later as of August 2026: `api/v2/openapi.yaml`, `ui/web.go`.
//!
//! Its tenants are kept apart by a label: reads are narrowed in the answer, and what is written is checked against the
//! silences that are there. Its API 1 is gone since 0.27 and closed before. `A` is its `--web.route-prefix`.

use super::Alerting::{
    AlertGroups, AlertmanagerAlerts, DeleteSilence, PostAlerts, PostSilence, Silence, Silences,
};
use super::Class::{Alerts, Read};
use super::Method::{Delete, Get, Post};
use super::Tenancy::{Many, One};
use super::table::{Mark, Marks, Route, System, alerting, closed, open};

pub(super) const SYSTEM: System = System {
    marks: Marks { prometheus: Mark::None, legacy: Mark::None, alertmanager: Mark::Setting("") },
    routes: ROUTES,
};

const ROUTES: &[Route] = &[
    open(&[Get], "A/api/v2/alerts", alerting(Read, AlertmanagerAlerts, Many)),
    open(&[Get], "A/api/v2/alerts/groups", alerting(Read, AlertGroups, Many)),
    open(&[Get], "A/api/v2/silences", alerting(Read, Silences, Many)),
    open(&[Get], "A/api/v2/silence/{id}", alerting(Read, Silence, Many)),
    // Who sends names one tenant; who ends a silence may own several.
    open(&[Post], "A/api/v2/alerts", alerting(Alerts, PostAlerts, One)),
    open(&[Post], "A/api/v2/silences", alerting(Alerts, PostSilence, One)),
    open(&[Delete], "A/api/v2/silence/{id}", alerting(Alerts, DeleteSilence, Many)),
    // The whole configuration with its secrets' surroundings, and the receivers of all tenants.
    closed("A/api/v2/status"),
    closed("A/api/v2/receivers"),
    closed("A/api/v1/*"),
    closed("A/-/*"),
    closed("A/metrics"),
    closed("A/debug/*"),
    // The pages. Their data comes from the API.
    closed("A/"),
    closed("A/script.js"),
    closed("A/favicon.ico"),
    closed("A/lib/*"),
];

#[cfg(test)]
mod tests {
    use super::super::testing::{Cases, check, router};
    use super::super::{Kind, Prefixes, Router};

    const CASES: Cases = &[
        ("GET", "/api/v2/alerts", "read alertmanager_alerts many"),
        ("POST", "/api/v2/alerts", "alerts post_alerts one"),
        ("DELETE HEAD PUT", "/api/v2/alerts", "405 GET, POST"),
        ("GET", "/api/v2/alerts/groups", "read alert_groups many"),
        ("POST", "/api/v2/alerts/groups", "405 GET"),
        ("GET", "/api/v2/silences", "read silences many"),
        ("POST", "/api/v2/silences", "alerts post_silence one"),
        ("GET", "/api/v2/silence/x", "read silence many"),
        ("DELETE", "/api/v2/silence/x", "alerts delete_silence many"),
        ("POST", "/api/v2/silence/x", "405 GET, DELETE"),
        ("DELETE", "/api/v2/silence/x/", "not canonical"),
        ("DELETE", "/api/v2/silence/a%2Fb", "not canonical"),
        ("DELETE", "/api/v2/silence/", "not canonical"),
        ("GET", "/api/v2/status", "closed"),
        ("GET", "/api/v2/receivers", "closed"),
        ("GET POST", "/api/v1/alerts", "closed"),
        ("POST", "/-/reload", "closed"),
        ("GET", "/metrics", "closed"),
        ("GET", "/", "closed"),
        ("GET", "/alertmanager/api/v2/alerts", "unknown"),
        ("GET", "//api/v2/alerts", "not canonical"),
    ];

    #[test]
    fn table() {
        check(&router(Kind::Alertmanager), CASES);
    }

    #[test]
    fn route_prefix() {
        let prefixes = Prefixes { alertmanager: Some("/am".into()), ..Prefixes::default() };
        let router = Router::new(Kind::Alertmanager, &prefixes, &[]).unwrap();
        check(
            &router,
            &[
                ("GET", "/am/api/v2/alerts", "read alertmanager_alerts many"),
                ("GET", "/am/", "closed"),
                ("GET", "/api/v2/alerts", "unknown"),
            ],
        );
    }
}
