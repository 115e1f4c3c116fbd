//! Answers of real servers: Debian's Prometheus 2.42 and Alertmanager 0.25, and Prometheus and Loki of August 2026.

use serde_json::Value as Json;

use super::{left, oracle};
use crate::operation::Alerting::{self, AlertGroups, AlertmanagerAlerts, Alerts, Rules, Silence, Silences};

const LISTS: &[(Alerting, &str)] = &[
    (Rules, include_str!("recorded/prometheus-2.42-rules.json")),
    (Rules, include_str!("recorded/prometheus-3-rules.json")),
    (Rules, include_str!("recorded/prometheus-3-rules-page.json")),
    (Alerts, include_str!("recorded/prometheus-2.42-alerts.json")),
    (Alerts, include_str!("recorded/prometheus-3-alerts.json")),
    (Rules, include_str!("recorded/loki-3-rules.json")),
    (Alerts, include_str!("recorded/loki-3-alerts.json")),
    (AlertmanagerAlerts, include_str!("recorded/alertmanager-0.25-alerts.json")),
    (AlertGroups, include_str!("recorded/alertmanager-0.25-groups.json")),
    (Silences, include_str!("recorded/alertmanager-0.25-silences.json")),
];

#[test]
fn each_tenant_is_told_its_own() {
    for (alerting, body) in LISTS {
        let body = body.as_bytes();
        let both = left(*alerting, body, &["team-a", "team-b"]).unwrap();
        for tenants in [&["team-a"][..], &["team-b"], &["team-a", "team-b"], &["nobody"], &[]] {
            let got = left(*alerting, body, tenants).unwrap();
            let text = core::str::from_utf8(&got).unwrap();
            let read: Json = serde_json::from_str(text).unwrap();
            assert_eq!(read, oracle(*alerting, body, tenants), "{alerting:?} {tenants:?}");
            for other in ["team-a", "team-b"].iter().filter(|other| !tenants.contains(other)) {
                assert!(!text.contains(other), "{alerting:?} {tenants:?}: {text}");
            }
            // One answer narrowed twice is narrowed once.
            assert_eq!(left(*alerting, &got, tenants).unwrap(), got);
            assert_eq!(left(*alerting, &both, tenants).unwrap(), got);
        }
    }
}

/// What stays is what came, byte for byte, and so is what stands around it.
#[test]
fn bytes_stay() {
    let rules = LISTS[0].1;
    let rule = |name: &str| {
        let at = rules.find(&format!("\"name\":\"{name}\"")).unwrap();
        let start = rules[..at].rfind("{\"state\"").max(rules[..at].rfind("{\"name\"")).unwrap_or(at - 1);
        let start = if rules[at - 1..].starts_with('{') { at - 1 } else { start };
        let end = at + rules[at..].find("ing\"}").unwrap() + 5;
        &rules[start..end]
    };
    let got = String::from_utf8(left(Rules, rules.as_bytes(), &["team-a"]).unwrap()).unwrap();
    let (head, _) = rules.split_once("{\"name\":\"only-b\"").unwrap();
    let (_, group) = rules.split_once("{\"name\":\"shared\"").unwrap();
    let (group_head, _) = group.split_once(rule("AlwaysA")).unwrap();
    let (_, tail) = group.split_once(rule("a:up:sum")).unwrap();
    let expected = [head, "{\"name\":\"shared\"", group_head, rule("AlwaysA"), ",", rule("a:up:sum"), tail];
    assert_eq!(got, expected.concat());
    let page = LISTS[2].1;
    assert_eq!(left(Rules, page.as_bytes(), &["team-a"]).unwrap(), page.as_bytes());
    let got = String::from_utf8(left(Rules, page.as_bytes(), &["team-b"]).unwrap()).unwrap();
    assert!(got.starts_with(r#"{"status":"success","data":{"groups":[],"groupNextToken":""#), "{got}");
}

#[test]
fn one_silence_is_shown_or_not() {
    let body = include_str!("recorded/alertmanager-0.25-silence.json").as_bytes();
    assert_eq!(left(Silence, body, &["team-b"]).as_deref(), Some(body));
    assert_eq!(left(Silence, body, &["team-a"]), None);
}
