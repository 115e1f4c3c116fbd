//! The shapes of the answers: where in each the things stand that are somebody's.

use crate::operation::Alerting;

/// Where in a value something is somebody's.
#[derive(Clone, Copy)]
pub(super) enum Value {
    /// It is an object.
    Object(&'static Object),
    /// It is a list of objects, of which the foreign go.
    List(&'static Object),
    /// It is a set of labels, which says whose the object around is.
    Labels,
    /// It is a list of matchers, which says whose the silence around is.
    Matchers,
}

/// An object, of which these members are looked into.
pub(super) struct Object {
    /// Whether it stays.
    pub(super) stays: Stays,
    /// At most eight.
    pub(super) members: &'static [(&'static str, Value)],
}

/// Whether an object stays.
#[derive(Clone, Copy)]
pub(super) enum Stays {
    /// Always. It is nobody's, and each of its known members must be there, or it is another answer than we know.
    Always,
    /// Where the first of its known members says so: its labels or matchers, or a list of which something stays.
    ByFirst,
}

impl Value {
    /// Whether an answer of this shape tells of one thing, which is somebody's or not.
    pub(super) fn is_one_thing(self) -> bool {
        matches!(self, Self::Object(Object { stays: Stays::ByFirst, .. }))
    }
}

const ALERT: Object = Object { stays: Stays::ByFirst, members: &[("labels", Value::Labels)] };

const RULE: Object =
    Object { stays: Stays::ByFirst, members: &[("labels", Value::Labels), ("alerts", Value::List(&ALERT))] };

const RULE_GROUP: Object = Object { stays: Stays::ByFirst, members: &[("rules", Value::List(&RULE))] };

const ALERT_GROUP: Object = Object { stays: Stays::ByFirst, members: &[("alerts", Value::List(&ALERT))] };

const SILENCE: Object = Object { stays: Stays::ByFirst, members: &[("matchers", Value::Matchers)] };

/// `{"status": …, "data": {"groups": […]}}`, of Prometheus, Thanos and vmalert.
const RULES: Object = Object {
    stays: Stays::Always,
    members: &[(
        "data",
        Value::Object(&Object { stays: Stays::Always, members: &[("groups", Value::List(&RULE_GROUP))] }),
    )],
};

/// `{"status": …, "data": {"alerts": […]}}`, of the same.
const ALERTS: Object = Object {
    stays: Stays::Always,
    members: &[(
        "data",
        Value::Object(&Object { stays: Stays::Always, members: &[("alerts", Value::List(&ALERT))] }),
    )],
};

/// The shape of an answer; `None` where it tells of nothing that is somebody's.
pub(super) fn of(alerting: Alerting) -> Option<Value> {
    Some(match alerting {
        Alerting::Rules => Value::Object(&RULES),
        Alerting::Alerts => Value::Object(&ALERTS),
        Alerting::RuleGroup => Value::Object(&RULE_GROUP),
        Alerting::Rule => Value::Object(&RULE),
        Alerting::Alert => Value::Object(&ALERT),
        Alerting::AlertmanagerAlerts => Value::List(&ALERT),
        Alerting::AlertGroups => Value::List(&ALERT_GROUP),
        Alerting::Silences => Value::List(&SILENCE),
        Alerting::Silence => Value::Object(&SILENCE),
        Alerting::PostAlerts | Alerting::PostSilence | Alerting::DeleteSilence => return None,
    })
}
