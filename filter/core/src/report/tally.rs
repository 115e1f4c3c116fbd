//! Counters, gathered during an event and handed to the host after it.

use core::fmt::Write as _;
use core::hash::BuildHasher as _;

use std::rc::Rc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::naming::TenantTag;
use super::observation::Observation;
use crate::operation::Class;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It went on by Envoy's own route.
    Forwarded,
    /// It was sent in parts.
    Split,
    /// Nothing of it was to be sent.
    Empty,
    /// It was refused, for this reason ([`Refusal::reason`](super::Refusal::reason)).
    Refused(&'static str),
    /// The gateway answered it itself.
    Page,
    /// In observe mode: what would have been done agrees with what came in.
    Agreed,
    /// In observe mode: what would have been done differs from what came in.
    Differed,
}

impl Decision {
    /// The words for it in metrics and logs: what, and why where there is a reason.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Forwarded => ("forwarded", ""),
            Self::Split => ("split", ""),
            Self::Empty => ("empty", ""),
            Self::Refused(reason) => ("refused", reason),
            Self::Page => ("page", ""),
            Self::Agreed => ("observed_same", ""),
            Self::Differed => ("observed_different", ""),
        }
    }
}

/// What became of series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeriesOutcome {
    /// Sent to a tenant.
    Sent,
    /// Not sent, and named in the answer, for this reason.
    Rejected(&'static str),
    /// Not sent, as configured.
    Dropped(&'static str),
}

/// What became of parts of split requests besides being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartOutcome {
    /// Settled, and noted for the next attempt of a request that its sender shall send again.
    Remembered,
    /// Settled, and not noted: no room, or the host failed. They are sent again.
    NotRemembered,
    /// Settled by an earlier attempt, and so not sent again.
    NotSentAgain,
    /// Refused for samples that nobody misses, which counts as a success.
    SoftError,
    /// Rate limited, and dropped as configured.
    RateLimited,
    /// Dropped, since the tenant has failed for too long.
    GivenUp,
}

impl PartOutcome {
    fn word(self) -> &'static str {
        match self {
            Self::Remembered => "remembered",
            Self::NotRemembered => "not_remembered",
            Self::NotSentAgain => "not_sent_again",
            Self::SoftError => "soft_error",
            Self::RateLimited => "rate_limited",
            Self::GivenUp => "given_up",
        }
    }
}

/// What is counted of a tenant. `hundred` is the first digit of the upstream's status; 0 where no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the fields are named for what they hold
pub enum TenantCount {
    /// Requests, and parts of split requests.
    Requests { class: Class, hundred: u16 },
    /// Their series.
    Series { hundred: u16 },
    /// Their samples and histograms.
    Samples { hundred: u16 },
    /// Their bytes as they were sent.
    Bytes { hundred: u16 },
    /// The milliseconds until their answers began.
    Milliseconds,
}

/// A metric with its tags; the tags' values are few and known. All but [`Metric::TenantDuration`] and
/// [`Metric::NotEnforced`] are counters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Requests, by the backend's position, class and decision.
    Requests {
        /// The backend's position in the configuration; `None` where none was found.
        backend: Option<usize>,
        /// What was asked; `None` where it is not known.
        class: Option<Class>,
        /// What became of it.
        decision: Decision,
    },
    /// Series of requests that were looked into.
    Series {
        /// The backend's position in the configuration.
        backend: usize,
        /// What became of them.
        outcome: SeriesOutcome,
    },
    /// Metric metadata without a tenant to go to, and copies that found no room.
    MetadataDropped {
        /// The backend's position in the configuration.
        backend: usize,
    },
    /// Parts whose answer did not decide by itself.
    Parts {
        /// The backend's position in the configuration.
        backend: usize,
        /// What became of them.
        outcome: PartOutcome,
    },
    /// Series that were sent to a second tenant too (`also_write`).
    SeriesDoubled {
        /// The backend's position in the configuration.
        backend: usize,
    },
    /// Calls for parts of split requests, by the hundred of their status; 0 where no answer came.
    Calls {
        /// The backend's position in the configuration.
        backend: usize,
        /// The first digit of the status.
        hundred: u16,
    },
    /// Refused requests, by who sent them.
    Refusals {
        /// The caller's name; `None` where nobody was recognised.
        caller: Option<Rc<str>>,
        /// Why ([`Refusal::reason`](super::Refusal::reason)).
        reason: &'static str,
    },
    /// Series that were not sent, by who sent them.
    NotSent {
        /// The backend's position in the configuration.
        backend: usize,
        /// The caller's name.
        caller: Rc<str>,
        /// The caller's own tenant.
        tenant: TenantTag,
        /// Rejected or dropped.
        outcome: SeriesOutcome,
    },
    /// What went to a tenant, and how it was answered.
    Tenant {
        /// The backend's position in the configuration.
        backend: usize,
        /// The tenant.
        tenant: TenantTag,
        /// What is counted.
        count: TenantCount,
    },
    /// Requests that were only observed.
    Observed {
        /// The backend's position in the configuration; `None` where none was found.
        backend: Option<usize>,
        /// The caller's name; `None` where nobody was recognised.
        caller: Option<Rc<str>>,
        /// The tenant that they named.
        tenant: TenantTag,
        /// What would have become of them.
        observation: Observation,
    },
    /// A gauge: the entries of callers (who is not recognised is one too) that a backend is not wholly enforced for.
    NotEnforced {
        /// The backend's position in the configuration.
        backend: usize,
    },
    /// A histogram of the milliseconds until the upstream's answer for a tenant began.
    TenantDuration {
        /// The backend's position in the configuration.
        backend: usize,
        /// The tenant.
        tenant: TenantTag,
    },
}

impl Metric {
    /// The metric's name with its tags, in the form that Istio's bootstrap extracts and our own bootstraps too:
    /// `tag=.=value;.;` for each tag, then the name.
    pub fn name(&self, backend_name: impl Fn(usize) -> String) -> String {
        let mut name = String::new();
        let mut tag = |key: &str, value: &str| {
            let _ = write!(name, "{key}=.={value};.;");
        };
        let base = match *self {
            Self::Requests { backend, class, decision } => {
                tag("backend", &backend.map_or_else(|| "none".to_owned(), backend_name));
                tag("class", class.map_or("unknown", Class::as_str));
                let (decision, reason) = decision.words();
                tag("decision", decision);
                if !reason.is_empty() {
                    tag("reason", reason);
                }
                "scopegate_requests_total"
            }
            Self::Series { backend, outcome } => {
                tag("backend", &backend_name(backend));
                outcome.tags(&mut tag);
                "scopegate_series_total"
            }
            Self::MetadataDropped { backend } => {
                tag("backend", &backend_name(backend));
                "scopegate_metadata_dropped_total"
            }
            Self::Parts { backend, outcome } => {
                tag("backend", &backend_name(backend));
                tag("outcome", outcome.word());
                "scopegate_parts_total"
            }
            Self::SeriesDoubled { backend } => {
                tag("backend", &backend_name(backend));
                "scopegate_series_doubled_total"
            }
            Self::Calls { backend, hundred } => {
                tag("backend", &backend_name(backend));
                tag("code", &format!("{hundred}xx"));
                "scopegate_calls_total"
            }
            Self::Refusals { ref caller, reason } => {
                tag("caller", caller.as_deref().unwrap_or("none"));
                tag("reason", reason);
                "scopegate_refusals_total"
            }
            Self::NotSent { backend, ref caller, ref tenant, outcome } => {
                tag("backend", &backend_name(backend));
                tag("caller", caller);
                tag("tenant", tenant.as_str());
                outcome.tags(&mut tag);
                "scopegate_series_not_sent_total"
            }
            Self::Tenant { backend, ref tenant, count } => {
                tag("backend", &backend_name(backend));
                tag("tenant", tenant.as_str());
                let (hundred, base) = match count {
                    TenantCount::Requests { class, hundred } => {
                        tag("class", class.as_str());
                        (Some(hundred), "scopegate_tenant_requests_total")
                    }
                    TenantCount::Series { hundred } => (Some(hundred), "scopegate_tenant_series_total"),
                    TenantCount::Samples { hundred } => (Some(hundred), "scopegate_tenant_samples_total"),
                    TenantCount::Bytes { hundred } => (Some(hundred), "scopegate_tenant_bytes_total"),
                    TenantCount::Milliseconds => (None, "scopegate_tenant_milliseconds_total"),
                };
                if let Some(hundred) = hundred {
                    tag("code", &format!("{hundred}xx"));
                }
                base
            }
            Self::Observed { backend, ref caller, ref tenant, observation } => {
                tag("backend", &backend.map_or_else(|| "none".to_owned(), backend_name));
                tag("caller", caller.as_deref().unwrap_or("none"));
                tag("tenant", tenant.as_str());
                let (outcome, reason) = observation.words();
                tag("outcome", outcome);
                if !reason.is_empty() {
                    tag("reason", reason);
                }
                "scopegate_observed_requests_total"
            }
            Self::NotEnforced { backend } => {
                tag("backend", &backend_name(backend));
                "scopegate_not_enforced"
            }
            Self::TenantDuration { backend, ref tenant } => {
                tag("backend", &backend_name(backend));
                tag("tenant", tenant.as_str());
                "scopegate_tenant_duration_milliseconds"
            }
        };
        name + base
    }
}

impl SeriesOutcome {
    fn tags(self, tag: &mut impl FnMut(&str, &str)) {
        let (outcome, reason) = match self {
            Self::Sent => ("sent", ""),
            Self::Rejected(reason) => ("rejected", reason),
            Self::Dropped(reason) => ("dropped", reason),
        };
        tag("outcome", outcome);
        if !reason.is_empty() {
            tag("reason", reason);
        }
    }
}

/// What the host has not taken yet.
///
/// A metric keeps its number once it was counted, so that neither the sums nor the host look for it a second time. Like
/// the host's own, they are kept for ever; [`Naming`](super::Naming) bounds them.
#[derive(Debug, Default)]
pub struct Tally {
    /// All metrics that there were, by their numbers, and what is counted of each.
    known: Vec<(Metric, u64)>,
    numbers: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// Those of which something is counted.
    counted: Vec<usize>,
    values: Vec<(usize, u64)>,
    gauges: Vec<(Metric, u64)>,
}

impl Tally {
    /// Counts `by` more.
    pub fn add(&mut self, metric: Metric, by: u64) {
        if by == 0 {
            return;
        }
        let number = self.number(metric);
        if let Some((_, count)) = self.known.get_mut(number) {
            if *count == 0 {
                self.counted.push(number);
            }
            *count = count.saturating_add(by);
        }
    }

    /// Hands over what was counted since the last time: number, metric and sum.
    pub fn drain(&mut self, take: &mut dyn FnMut(usize, &Metric, u64)) {
        for number in self.counted.drain(..) {
            if let Some((metric, count)) = self.known.get_mut(number) {
                take(number, metric, core::mem::take(count));
            }
        }
    }

    /// Notes a value for a histogram.
    pub fn record(&mut self, metric: Metric, value: u64) {
        let number = self.number(metric);
        self.values.push((number, value));
    }

    /// Sets a gauge.
    pub fn set(&mut self, gauge: Metric, value: u64) {
        self.gauges.push((gauge, value));
    }

    /// Takes the gauges that were set since the last time.
    pub fn drain_gauges(&mut self) -> impl Iterator<Item = (Metric, u64)> + '_ {
        self.gauges.drain(..)
    }

    /// Hands over the values that were noted since the last time: number, metric and value.
    pub fn drain_values(&mut self, take: &mut dyn FnMut(usize, &Metric, u64)) {
        for (number, value) in self.values.drain(..) {
            if let Some((metric, _)) = self.known.get(number) {
                take(number, metric, value);
            }
        }
    }

    fn number(&mut self, metric: Metric) -> usize {
        let found = hash(&self.hasher, &metric);
        let known = &self.known;
        let is_it = |number: &usize| known.get(*number).is_some_and(|(known, _)| *known == metric);
        if let Some(number) = self.numbers.find(found, is_it) {
            return *number;
        }
        let number = known.len();
        self.known.push((metric, 0));
        let (known, hasher) = (&self.known, &self.hasher);
        let rehash = |number: &usize| known.get(*number).map_or(0, |(metric, _)| hash(hasher, metric));
        self.numbers.insert_unique(found, number, rehash);
        number
    }
}

/// Out of line: a metric has many parts, and hashing them is long.
#[inline(never)]
fn hash(hasher: &DefaultHashBuilder, metric: &Metric) -> u64 {
    hasher.hash_one(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tags_and_then_the_metric() {
        let requests = |backend, class, decision| Metric::Requests { backend, class, decision };
        let series = |outcome| Metric::Series { backend: 0, outcome };
        let cases = [
            (
                requests(Some(1), Some(Class::Read), Decision::Forwarded),
                "backend=b1 class=read decision=forwarded requests",
            ),
            (
                requests(None, None, Decision::Refused("no_backend")),
                "backend=none class=unknown decision=refused reason=no_backend requests",
            ),
            (
                requests(Some(0), Some(Class::Write), Decision::Split),
                "backend=b0 class=write decision=split requests",
            ),
            (
                requests(Some(0), Some(Class::Write), Decision::Empty),
                "backend=b0 class=write decision=empty requests",
            ),
            (
                requests(Some(0), Some(Class::Rules), Decision::Agreed),
                "backend=b0 class=rules decision=observed_same requests",
            ),
            (
                requests(Some(0), Some(Class::Alerts), Decision::Differed),
                "backend=b0 class=alerts decision=observed_different requests",
            ),
            (series(SeriesOutcome::Sent), "backend=b0 outcome=sent series"),
            (
                series(SeriesOutcome::Rejected("unmapped")),
                "backend=b0 outcome=rejected reason=unmapped series",
            ),
            (
                series(SeriesOutcome::Dropped("no_tenant")),
                "backend=b0 outcome=dropped reason=no_tenant series",
            ),
            (Metric::MetadataDropped { backend: 2 }, "backend=b2 metadata_dropped"),
            (
                Metric::Parts { backend: 0, outcome: PartOutcome::NotSentAgain },
                "backend=b0 outcome=not_sent_again parts",
            ),
            (Metric::SeriesDoubled { backend: 1 }, "backend=b1 series_doubled"),
            (Metric::Calls { backend: 0, hundred: 5 }, "backend=b0 code=5xx calls"),
        ];
        for (metric, words) in cases {
            let (tags, name) = words.rsplit_once(' ').unwrap();
            let tags = tags.replace('=', "=.=").replace(' ', ";.;");
            assert_eq!(metric.name(|at| format!("b{at}")), format!("{tags};.;scopegate_{name}_total"));
        }
    }

    #[test]
    fn sums_are_taken_once_and_do_not_overflow() {
        let (one, two) = (Metric::MetadataDropped { backend: 1 }, Metric::MetadataDropped { backend: 2 });
        let mut tally = Tally::default();
        for by in [1, 2, u64::MAX] {
            tally.add(one.clone(), by);
        }
        tally.add(two.clone(), 0);
        let mut taken = Vec::new();
        for _ in 0..2 {
            tally.drain(&mut |number, metric, by| taken.push((number, metric.clone(), by)));
        }
        assert_eq!(taken, [(0, one.clone(), u64::MAX)]);
        taken.clear();
        tally.add(two.clone(), 2);
        tally.add(one.clone(), 1);
        tally.drain(&mut |number, metric, by| taken.push((number, metric.clone(), by)));
        assert_eq!(taken, [(1, two, 2), (0, one, 1)]);
    }
}
