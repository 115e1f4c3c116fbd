//! Any answer about rules, alerts or silences: it is refused, or nothing foreign is left by another reader; and any silence
//! or alert that is sent: it is refused, or it is the tenant's own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_core::operation::Alerting;
use scopegate_core::read::answer::{Narrowed, Own, alerts, narrow, silence};
use scopegate_core::tenant::TenantId;
use serde_json::Value;

const ALL: [Alerting; 9] = [
    Alerting::Rules,
    Alerting::Alerts,
    Alerting::RuleGroup,
    Alerting::Rule,
    Alerting::Alert,
    Alerting::AlertmanagerAlerts,
    Alerting::AlertGroups,
    Alerting::Silences,
    Alerting::Silence,
];

fn list<'a>(value: &'a Value, path: &[&str]) -> impl Iterator<Item = &'a Value> + Clone + use<'a> {
    let value = path.iter().fold(value, |value, name| &value[*name]);
    value.as_array().into_iter().flatten()
}

fn is_own(thing: &Value) {
    assert_eq!(thing["labels"]["t"], "own", "{thing}");
}

fn rule(rule: &Value) {
    is_own(rule);
    list(rule, &["alerts"]).for_each(is_own);
}

fuzz_target!(|input: (u8, &[u8])| {
    let (at, body) = input;
    let what = ALL[usize::from(at) % ALL.len()];
    let own = Own { label: "t", admits: &|value| value == "own" };
    let left = match narrow(what, body, own) {
        Ok(Narrowed::AsItCame) => Some(body.to_vec()),
        Ok(Narrowed::Changed(left)) => Some(left),
        Ok(Narrowed::Foreign) | Err(_) => None,
    };
    // What the other reader does not take (numbers beyond all measure, bytes that are no UTF-8) it cannot judge.
    if let Some(left) = left.and_then(|left| serde_json::from_slice::<Value>(&left).ok()) {
        match what {
            Alerting::Rules => list(&left, &["data", "groups"]).for_each(|group| list(group, &["rules"]).for_each(rule)),
            Alerting::Alerts => list(&left, &["data", "alerts"]).for_each(is_own),
            Alerting::RuleGroup => list(&left, &["rules"]).for_each(rule),
            Alerting::Rule => rule(&left),
            Alerting::Alert => is_own(&left),
            Alerting::AlertmanagerAlerts => list(&left, &[]).for_each(is_own),
            Alerting::AlertGroups => list(&left, &[]).for_each(|group| list(group, &["alerts"]).for_each(is_own)),
            _ => {}
        }
    }
    let tenant = TenantId::new("own").unwrap();
    if let Ok(posted) = alerts(body, "t", &tenant) {
        let sent = posted.body.unwrap_or_else(|| body.to_vec());
        if let Ok(sent) = serde_json::from_slice::<Value>(&sent) {
            list(&sent, &[]).for_each(is_own);
        }
    }
    if let Ok(posted) = silence(body, "t", &tenant) {
        let sent = posted.body.unwrap_or_else(|| body.to_vec());
        if let Ok(sent) = serde_json::from_slice::<Value>(&sent) {
            let about = list(&sent, &["matchers"]).filter(|matcher| matcher["name"] == "t");
            assert!(about.clone().count() > 0, "{sent}");
            for matcher in about {
                assert!(matcher["value"] == "own" && matcher["isRegex"] == false && matcher["isEqual"] != false);
            }
        }
    }
});
