//! All metrics by name, for the reference page and for the configurations that extract their tags.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It is added to.
    Counter,
    /// It is set.
    Gauge,
    /// It gathers values.
    Histogram,
}

impl MetricKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric as the reference page tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// Its name in Prometheus.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// Its tags; those that are not always there stand in brackets.
    pub tags: &'static [&'static str],
    /// What it counts.
    pub meaning: &'static str,
}

/// The tags, in the order of the reference page, and what they are.
pub const TAGS: &[(&str, &str)] = &[
    ("backend", "the backend's name in the configuration; `none` where a request led to none"),
    (
        "class",
        "what was asked: `write`, `read`, `rules`, `alerts`, `admin`; `unknown` where that is not known",
    ),
    ("decision", "what became of a request"),
    ("reason", "why; the same word as in Envoy's access log (`%RESPONSE_CODE_DETAILS%`)"),
    (
        "outcome",
        "what became of series, of parts, of the refresh of a table, or would have become of a request: see there",
    ),
    ("code", "the upstream's answer by hundreds, such as `2xx`; `0xx` where none came"),
    ("caller", "the caller's name in the configuration; `none` where nobody was recognised"),
    ("table", "the table's name in the configuration"),
    (
        "tenant",
        "the tenant; `~other` for those without metrics of their own, `~several` for several at once, `~none` for none",
    ),
];

/// The regular expression by which Envoy takes a tag out of a name: the first group is cut out, the second is the value.
pub fn tag_pattern(tag: &str) -> String {
    format!(r"({tag}=\.=(.*?);\.;)")
}

/// Every metric of the filter.
pub const METRICS: &[Described] = &[
    Described {
        name: "scopegate_requests_total",
        kind: MetricKind::Counter,
        tags: &["backend", "class", "decision", "[reason]"],
        meaning: "requests by what became of them: `forwarded` by Envoy's own route, `split`, `empty` (nothing of it was to \
                  be sent), `refused` (with its reason), `page` (answered by the gateway itself), and in observe mode \
                  `observed_same` and `observed_different`",
    },
    Described {
        name: "scopegate_refusals_total",
        kind: MetricKind::Counter,
        tags: &["caller", "reason"],
        meaning: "refused requests by who sent them",
    },
    Described {
        name: "scopegate_series_total",
        kind: MetricKind::Counter,
        tags: &["backend", "outcome", "[reason]"],
        meaning: "series (streams of logs, resources of OTLP) of requests that were looked into: `sent`, `rejected` (and named \
                  in the answer), `dropped` (as configured). Dropped for `rate_limited` and `given_up` are parts that were \
                  sent before, or would have been",
    },
    Described {
        name: "scopegate_series_doubled_total",
        kind: MetricKind::Counter,
        tags: &["backend"],
        meaning: "series that were written to a second tenant too (`also_write`); as `sent` they count twice",
    },
    Described {
        name: "scopegate_series_not_sent_total",
        kind: MetricKind::Counter,
        tags: &["backend", "caller", "tenant", "outcome", "reason"],
        meaning: "those of them that were `rejected` or `dropped`, by who sent them: the caller, and its own tenant",
    },
    Described {
        name: "scopegate_metadata_dropped_total",
        kind: MetricKind::Counter,
        tags: &["backend"],
        meaning: "metric metadata that had no tenant to go to",
    },
    Described {
        name: "scopegate_parts_total",
        kind: MetricKind::Counter,
        tags: &["backend", "outcome"],
        meaning: "parts of split requests by what became of them besides being sent: `remembered` for the next attempt \
                  (`not_remembered`: there was no room), `not_sent_again` since they are settled, `soft_error`, \
                  `rate_limited` and `given_up` as [configured](writes.md#options)",
    },
    Described {
        name: "scopegate_calls_total",
        kind: MetricKind::Counter,
        tags: &["backend", "code"],
        meaning: "answers to the calls of split requests",
    },
    Described {
        name: "scopegate_observed_requests_total",
        kind: MetricKind::Counter,
        tags: &["backend", "caller", "tenant", "outcome", "[reason]"],
        meaning: "requests that were only [observed](rollout.md), by the tenant that they named, and by what would have become \
                  of them: `same`, `tenant_added` (they named none), `tenant_changed`, `rewritten`, `split`, `series_rejected`, \
                  `nothing_sent`, `refused` (with the reason)",
    },
    Described {
        name: "scopegate_not_enforced",
        kind: MetricKind::Gauge,
        tags: &["backend"],
        meaning: "how many entries of `callers` (and who is not recognised, as one more) the backend is [not wholly \
                  enforced](rollout.md) for: whoever is observed reaches every tenant of it",
    },
    Described {
        name: "scopegate_tenant_requests_total",
        kind: MetricKind::Counter,
        tags: &["backend", "tenant", "class", "code"],
        meaning: "requests that went on to a tenant, and parts of split requests, by how they were answered",
    },
    Described {
        name: "scopegate_tenant_series_total",
        kind: MetricKind::Counter,
        tags: &["backend", "tenant", "code"],
        meaning: "series of writes that were looked into, by how their part was answered: with `4xx` they were refused by \
                  the backend, with `5xx` and `0xx` the sender is asked to send them again",
    },
    Described {
        name: "scopegate_tenant_samples_total",
        kind: MetricKind::Counter,
        tags: &["backend", "tenant", "code"],
        meaning: "the same for samples and histograms (log entries, data points, spans)",
    },
    Described {
        name: "scopegate_tenant_bytes_total",
        kind: MetricKind::Counter,
        tags: &["backend", "tenant", "code"],
        meaning: "the same for bytes as they were sent (compressed)",
    },
    Described {
        name: "scopegate_tenant_milliseconds_total",
        kind: MetricKind::Counter,
        tags: &["backend", "tenant"],
        meaning: "how long the upstream took until its answers began; divided by the requests it is the mean",
    },
    Described {
        name: "scopegate_tenant_duration_milliseconds",
        kind: MetricKind::Histogram,
        tags: &["backend", "tenant"],
        meaning: "the same as a histogram; only with `metrics.histograms`",
    },
    Described {
        name: "scopegate_table_loaded",
        kind: MetricKind::Gauge,
        tags: &["table"],
        meaning: "1 once a table was fetched for the first time; as for every gauge of a table, it is what the worker told last that \
                  last had something to tell",
    },
    Described {
        name: "scopegate_table_age_seconds",
        kind: MetricKind::Gauge,
        tags: &["table"],
        meaning: "seconds since the table was last fetched",
    },
    Described {
        name: "scopegate_table_entries",
        kind: MetricKind::Gauge,
        tags: &["table"],
        meaning: "how many entries it has",
    },
    Described {
        name: "scopegate_table_invalid_entries",
        kind: MetricKind::Gauge,
        tags: &["table"],
        meaning: "how many entries of its source were left out, since they lead to nothing that could be used",
    },
    Described {
        name: "scopegate_table_refreshes_total",
        kind: MetricKind::Counter,
        tags: &["table", "outcome"],
        meaning: "refreshes: `ok`, or why they failed: `no_call`, `no_answer`, `not_permitted`, `status`, `too_large`, `too_many`, \
                  `malformed`, `empty`, `expired`, `host`",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::rc::Rc;

    use super::*;
    use crate::operation::Class;
    use crate::report::{
        Decision, Metric, Observation, PartOutcome, SeriesOutcome, TableMetric, TenantCount, TenantTag,
    };

    /// One of every shape that a metric may have.
    fn examples() -> Vec<Metric> {
        // Whoever adds a variant adds an example.
        let _ = |metric: Metric| match metric {
            Metric::Requests { .. }
            | Metric::Series { .. }
            | Metric::MetadataDropped { .. }
            | Metric::Parts { .. }
            | Metric::SeriesDoubled { .. }
            | Metric::Calls { .. }
            | Metric::Refusals { .. }
            | Metric::NotSent { .. }
            | Metric::Tenant { .. }
            | Metric::Observed { .. }
            | Metric::NotEnforced { .. }
            | Metric::TenantDuration { .. } => {}
        };
        let requests = |decision| Metric::Requests { backend: Some(0), class: Some(Class::Read), decision };
        let not_sent = |outcome| Metric::NotSent {
            backend: 0,
            caller: Rc::from("c"),
            tenant: TenantTag::Several,
            outcome,
        };
        let observed = |observation| Metric::Observed {
            backend: Some(0),
            caller: None,
            tenant: TenantTag::None,
            observation,
        };
        let tenant = |count| Metric::Tenant { backend: 0, tenant: TenantTag::Other, count };
        vec![
            requests(Decision::Forwarded),
            requests(Decision::Refused("r")),
            Metric::Series { backend: 0, outcome: SeriesOutcome::Sent },
            Metric::Series { backend: 0, outcome: SeriesOutcome::Dropped("r") },
            Metric::MetadataDropped { backend: 0 },
            Metric::Parts { backend: 0, outcome: PartOutcome::Remembered },
            Metric::SeriesDoubled { backend: 0 },
            Metric::Calls { backend: 0, hundred: 2 },
            Metric::Refusals { caller: None, reason: "r" },
            not_sent(SeriesOutcome::Rejected("r")),
            tenant(TenantCount::Requests { class: Class::Write, hundred: 2 }),
            tenant(TenantCount::Series { hundred: 2 }),
            tenant(TenantCount::Samples { hundred: 2 }),
            tenant(TenantCount::Bytes { hundred: 2 }),
            tenant(TenantCount::Milliseconds),
            observed(Observation::Split),
            observed(Observation::Refused("r")),
            Metric::NotEnforced { backend: 0 },
            Metric::TenantDuration { backend: 0, tenant: TenantTag::Other },
        ]
    }

    fn table_examples() -> [TableMetric; 5] {
        // Here too.
        let _ = |metric: TableMetric| match metric {
            TableMetric::Age
            | TableMetric::Entries
            | TableMetric::Invalid
            | TableMetric::Loaded
            | TableMetric::Refreshes(_) => {}
        };
        [
            TableMetric::Age,
            TableMetric::Entries,
            TableMetric::Invalid,
            TableMetric::Loaded,
            TableMetric::Refreshes("ok"),
        ]
    }

    #[test]
    fn the_catalogue_is_what_is_counted() {
        let of_tables = table_examples().map(|metric| {
            let kind = if metric.is_gauge() { MetricKind::Gauge } else { MetricKind::Counter };
            (metric.name("t"), kind)
        });
        let of_requests = examples().into_iter().map(|metric| {
            let kind = match metric {
                Metric::TenantDuration { .. } => MetricKind::Histogram,
                Metric::NotEnforced { .. } => MetricKind::Gauge,
                _ => MetricKind::Counter,
            };
            (metric.name(|_| "b".to_owned()), kind)
        });
        let mut told: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        for (name, kind) in of_requests.chain(of_tables) {
            let mut parts: Vec<&str> = name.split(";.;").collect();
            let base = parts.pop().unwrap();
            let described = METRICS.iter().find(|described| described.name == base).expect(&name);
            let tags: Vec<&str> = parts.iter().map(|tag| tag.split_once("=.=").unwrap().0).collect();
            let fits = |with: bool| {
                let expected = described.tags.iter().filter(|tag| with || !tag.starts_with('['));
                expected.map(|tag| tag.trim_matches(['[', ']'])).eq(tags.iter().copied())
            };
            assert!(fits(true) || fits(false), "{name}: {:?}", described.tags);
            assert!(tags.iter().all(|tag| TAGS.iter().any(|(known, _)| known == tag)), "{name}");
            assert_eq!(described.kind, kind, "{name}");
            told.remove(base);
        }
        assert!(told.is_empty(), "told and not counted: {told:?}");
    }
}
