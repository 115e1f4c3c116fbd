//! What can be asked about rules, alerts and silences, where each answer has its own shape.

/// What is asked about rules, alerts and silences. Where a label keeps the tenants apart no backend narrows these by
/// itself: the answer is narrowed, and what is sent is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alerting {
    /// Prometheus' groups of rules with their state.
    Rules,
    /// Prometheus' active alerts.
    Alerts,
    /// One group of rules of vmalert.
    RuleGroup,
    /// One rule of vmalert.
    Rule,
    /// One alert of vmalert.
    Alert,
    /// The Alertmanager's alerts.
    AlertmanagerAlerts,
    /// The Alertmanager's alerts by group.
    AlertGroups,
    /// The Alertmanager's silences.
    Silences,
    /// One silence.
    Silence,
    /// Alerts are sent to the Alertmanager.
    PostAlerts,
    /// A silence is made, or changed.
    PostSilence,
    /// A silence is ended.
    DeleteSilence,
}

impl Alerting {
    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Alerts => "alerts",
            Self::RuleGroup => "rule_group",
            Self::Rule => "rule",
            Self::Alert => "alert",
            Self::AlertmanagerAlerts => "alertmanager_alerts",
            Self::AlertGroups => "alert_groups",
            Self::Silences => "silences",
            Self::Silence => "silence",
            Self::PostAlerts => "post_alerts",
            Self::PostSilence => "post_silence",
            Self::DeleteSilence => "delete_silence",
        }
    }

    /// Whether it is one of the Alertmanager's, which words its errors otherwise than Prometheus.
    pub const fn is_alertmanagers(self) -> bool {
        !matches!(self, Self::Rules | Self::Alerts | Self::RuleGroup | Self::Rule | Self::Alert)
    }

    /// Whether the answer lists what several tenants may have.
    pub const fn is_read(self) -> bool {
        !matches!(self, Self::PostAlerts | Self::PostSilence | Self::DeleteSilence)
    }
}
