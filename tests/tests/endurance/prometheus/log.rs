//! The log of a run: what was done when, and what the backends, the sender and the gateway saw of it until the next.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use bytes::Bytes;
use scopegate_tests::cortex::Outcome;

use super::{page::Way, world::World};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    Calm,
    SlowTenant,
    RateLimitedTenant,
    FailingTenants,
    BackendRestarts,
    GatewayRestarts,
    SenderRestarts,
    End,
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calm => "all is well",
            Self::SlowTenant => "a tenant of the forwarder is slow",
            Self::RateLimitedTenant => "a tenant of the forwarder is rate-limited",
            Self::FailingTenants => "a tenant of each way fails",
            Self::BackendRestarts => "the backend of the forwarder restarts",
            Self::GatewayRestarts => "Envoy restarts",
            Self::SenderRestarts => "Prometheus restarts",
            Self::End => "the end",
        })
    }
}

/// Sums over the run, of every process that took part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counters {
    /// Samples that the sender sent once more.
    pub(super) retried: u64,
    /// Samples and metadata that the sender gave up or never sent.
    pub(super) lost: u64,
    /// Parts that the gateway did not send once more.
    pub(super) spared: u64,
    /// Series that the gateway dropped or rejected.
    pub(super) dropped: u64,
}

impl Counters {
    fn with(self, other: Self, change: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            retried: change(self.retried, other.retried),
            lost: change(self.lost, other.lost),
            spared: change(self.spared, other.spared),
            dropped: change(self.dropped, other.dropped),
        }
    }
}

/// Parts of one tenant by how they ended. Metadata, which are the same again and again, are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Parts {
    pub(super) accepted: usize,
    /// Samples in them.
    pub(super) samples: usize,
    /// Answered 429.
    pub(super) limited: usize,
    /// Answered 5xx.
    pub(super) failed: usize,
    /// Not answered, or answered to nobody.
    pub(super) unanswered: usize,
    /// Those of the accepted that had been accepted before, though nothing was restarted meanwhile.
    pub(super) twice: usize,
    /// Those of the accepted that had been accepted before something was restarted.
    pub(super) after_restart: usize,
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accepted ({} samples)", self.accepted, self.samples)?;
        let rest = [
            (self.limited, "answered 429"),
            (self.failed, "answered 5xx"),
            (self.unanswered, "unanswered"),
            (self.twice, "ACCEPTED TWICE"),
            (self.after_restart, "accepted again after a restart"),
        ];
        rest.iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}

/// One thing that was done, and what was seen from then until the next.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) weather: Weather,
    /// Since the beginning of the run.
    at: Duration,
    /// By listener and tenant.
    pub(super) parts: BTreeMap<(&'static str, String), Parts>,
    pub(super) counters: Counters,
}

impl Event {
    /// The parts of a tenant.
    pub(super) fn of(&self, way: &Way, tenant: &str) -> Parts {
        self.parts.get(&(way.listener, tenant.to_owned())).copied().unwrap_or_default()
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counters { retried, lost, spared, dropped } = self.counters;
        writeln!(f, "+{:>4.1}s {}", self.at.as_secs_f64(), self.weather)?;
        for ((listener, tenant), parts) in &self.parts {
            writeln!(f, "       {listener:>9} {tenant:<9} {parts}")?;
        }
        writeln!(f, "       sender: {retried} samples retried, {lost} lost")?;
        writeln!(f, "       gateway: {spared} parts not sent again, {dropped} series dropped")
    }
}

/// What becomes the log.
#[derive(Debug)]
pub(super) struct Journal {
    marks: Vec<(Weather, SystemTime, Counters)>,
    restarts: Vec<Restart>,
    /// What processes had counted that were killed.
    gone: Counters,
}

/// The time in which something was killed. What was under way then may be sent again.
#[derive(Debug)]
struct Restart {
    from: SystemTime,
    to: Option<SystemTime>,
    /// Where it is one backend only, its listener.
    listener: Option<&'static str>,
}

impl Journal {
    pub(super) fn new() -> Self {
        let begun = (Weather::Calm, SystemTime::now(), Counters::default());
        Self { marks: vec![begun], restarts: Vec::new(), gone: Counters::default() }
    }

    /// Ends one event, and begins the next.
    pub(super) async fn note(&mut self, weather: Weather, world: &World) -> Result<()> {
        let counters = self.sum(world.counters().await?);
        self.marks.push((weather, SystemTime::now(), counters));
        Ok(())
    }

    /// Says that a process goes down now that had counted this.
    pub(super) fn goes_down(&mut self, listener: Option<&'static str>, counted: Counters) {
        self.gone = self.sum(counted);
        self.restarts.push(Restart { from: SystemTime::now(), to: None, listener });
    }

    /// Says that it is down.
    pub(super) fn is_down(&mut self) {
        if let Some(restart) = self.restarts.last_mut() {
            restart.to = Some(SystemTime::now());
        }
    }

    fn sum(&self, counted: Counters) -> Counters {
        self.gone.with(counted, u64::saturating_add)
    }

    /// Whether what was accepted at these times may be the same, since the first answer, or the memory of it, was lost.
    fn was_lost(&self, way: &Way, first: SystemTime, second: SystemTime) -> bool {
        self.restarts.iter().any(|restart| {
            let concerns = restart.listener.is_none_or(|listener| listener == way.listener);
            concerns && restart.to.is_none_or(|to| first <= to) && restart.from <= second
        })
    }

    /// The log so far.
    pub(super) fn log(&self, world: &World) -> Log {
        let begun = self.marks.first().map_or(SystemTime::UNIX_EPOCH, |(_, at, _)| *at);
        let mut events = Vec::new();
        for (index, (weather, at, before)) in self.marks.iter().enumerate() {
            let after = self.marks.get(index + 1).map_or(before, |(_, _, counters)| counters);
            events.push(Event {
                weather: *weather,
                at: at.duration_since(begun).unwrap_or_default(),
                parts: BTreeMap::new(),
                counters: after.with(*before, u64::saturating_sub),
            });
        }
        for (cortex, way) in world.backends() {
            let mut accepted = BTreeMap::<(String, Bytes), SystemTime>::new();
            for request in cortex.state().requests.iter().filter(|request| !request.series().is_empty()) {
                let tenant = request.tenant.clone().unwrap_or_default();
                let next = self.marks.partition_point(|(_, at, _)| *at <= request.at);
                let Some(event) = events.get_mut(next.saturating_sub(1)) else { continue };
                let parts = event.parts.entry((way.listener, tenant.clone())).or_default();
                match request.outcome {
                    Outcome::Answered(200..=299) => {
                        parts.accepted += 1;
                        parts.samples +=
                            request.series().iter().map(|series| series.samples.len()).sum::<usize>();
                        match accepted.insert((tenant, request.body.clone()), request.at) {
                            Some(first) if self.was_lost(way, first, request.at) => parts.after_restart += 1,
                            Some(_) => parts.twice += 1,
                            None => {}
                        }
                    }
                    Outcome::Answered(429) => parts.limited += 1,
                    Outcome::Answered(_) => parts.failed += 1,
                    Outcome::Open | Outcome::Broken | Outcome::Abandoned => parts.unanswered += 1,
                }
            }
        }
        Log { events }
    }
}

/// The events of a run, in their order.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) events: Vec<Event>,
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events.iter().try_for_each(|event| event.fmt(f))
    }
}
