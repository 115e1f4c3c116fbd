//! What stays of answers, real ones and generated ones, and what goes on of what is sent.
#![allow(clippy::type_complexity)] // tables are

mod posted;
mod properties;
mod recorded;
mod shapes;

use serde_json::Value as Json;

use super::{At, Narrowed, Own, narrow};
use crate::operation::Alerting;

/// Narrows an answer to these tenants.
fn narrowed(alerting: Alerting, body: &[u8], tenants: &[&str]) -> Result<Narrowed, At> {
    narrow(alerting, body, Own { label: "tenant", admits: &|value| tenants.contains(&value) })
}

/// What a client is sent; `None` where it is told that there is no such thing.
fn left(alerting: Alerting, body: &[u8], tenants: &[&str]) -> Option<Vec<u8>> {
    match narrowed(alerting, body, tenants).unwrap() {
        Narrowed::AsItCame => Some(body.to_vec()),
        Narrowed::Changed(body) => Some(body),
        Narrowed::Foreign => None,
    }
}

/// The same by another reader, which knows nothing of bytes.
fn oracle(alerting: Alerting, body: &[u8], tenants: &[&str]) -> Json {
    let is_own = |labels: &Json| labels["tenant"].as_str().is_some_and(|value| tenants.contains(&value));
    let has_labels = |thing: &Json| is_own(&thing["labels"]);
    let keep = |list: &mut Json, keeps: &mut dyn FnMut(&mut Json) -> bool| {
        if let Some(list) = list.as_array_mut() {
            list.retain_mut(keeps);
            return !list.is_empty();
        }
        false
    };
    let mut keeps_rule = |rule: &mut Json| {
        if let Some(alerts) = rule.get_mut("alerts") {
            keep(alerts, &mut |alert| has_labels(alert));
        }
        has_labels(rule)
    };
    let holds = |silence: &Json| {
        silence["matchers"].as_array().into_iter().flatten().any(|matcher| {
            matcher["name"] == "tenant"
                && matcher["isRegex"] == false
                && matcher["isEqual"] != false
                && matcher["value"].as_str().is_some_and(|value| tenants.contains(&value))
        })
    };
    let mut answer: Json = serde_json::from_slice(body).unwrap();
    match alerting {
        Alerting::Rules => {
            keep(&mut answer["data"]["groups"], &mut |group| keep(&mut group["rules"], &mut keeps_rule));
        }
        Alerting::Alerts => {
            keep(&mut answer["data"]["alerts"], &mut |alert| has_labels(alert));
        }
        Alerting::AlertmanagerAlerts => {
            keep(&mut answer, &mut |alert| has_labels(alert));
        }
        Alerting::AlertGroups => {
            keep(&mut answer, &mut |group| keep(&mut group["alerts"], &mut |alert| has_labels(alert)));
        }
        Alerting::Silences => {
            keep(&mut answer, &mut |silence| holds(silence));
        }
        _ => unreachable!("one thing has no list"),
    }
    answer
}
