//! A real Prometheus writes through the gateway for a while, in bad weather. In the end every sample it holds itself is
//! with exactly the right tenant, and the log of the run says that nobody was sent anything twice without need. Where there is no Prometheus, nothing is proven.

mod local;
mod log;
mod page;
mod world;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};
use scopegate_tests::{
    cortex::{Cortex, Fault, Gate, Outcome, Received, State},
    wait::{DEADLINE, eventually},
};

use log::{Counters, Journal, Log, Weather};
use page::{AGENT, FORWARDER, Way};
use world::{RETRIED, World};

/// The tenant of the forwarder that is slow.
const SLOW: &str = "team-c";
/// The tenant of the forwarder that is rate-limited.
const LIMITED: &str = "team-b";
/// The tenants that fail.
const FAILING: [(&Way, &str); 2] = [(&FORWARDER, "team-d"), (&AGENT, "cluster-1")];

/// Waits until so many further pages were scraped.
async fn scrapes(world: &World, count: usize) -> Result<()> {
    let wanted = world.target.served().len() + count;
    eventually(DEADLINE, || async {
        let served = world.target.served().len();
        ensure!(served >= wanted, "{served} of {wanted} scrapes");
        Ok(())
    })
    .await
}

/// Waits until every tenant has taken something that is sent from now on.
async fn flows(world: &World) -> Result<()> {
    let since = SystemTime::now();
    for (cortex, way) in world.backends() {
        cortex
            .wait_for("a part of every tenant", |state| {
                let takes = |tenant: &&str| {
                    let mut parts = state.of(tenant).filter(|request| !request.series().is_empty());
                    parts.any(|request| request.at > since && request.outcome == Outcome::Answered(200))
                };
                way.tenants.iter().all(takes)
            })
            .await?;
    }
    Ok(())
}

/// Waits until something was sent once more that had failed.
async fn retries(world: &World) -> Result<()> {
    let before = world.prometheus.metric(RETRIED).await?;
    world.prometheus.wait_for_metric(RETRIED, |retried| retried > before).await.map(drop)
}

/// One tenant fails, and the sender repeats what it has, until it is well again.
async fn fails(cortex: &Cortex, tenant: &str) -> Result<()> {
    cortex.fault(tenant, Fault::answer(500).body("out of order"));
    cortex
        .wait_for("two failures", |state| {
            state.of(tenant).filter(|request| request.outcome == Outcome::Answered(500)).count() >= 2
        })
        .await?;
    cortex.heal(tenant);
    Ok(())
}

/// What was answered 429, by the bytes of the part.
fn limited(state: &State) -> BTreeMap<&[u8], Vec<&Received>> {
    let mut parts = BTreeMap::<_, Vec<_>>::new();
    for request in state.requests.iter().filter(|request| request.outcome == Outcome::Answered(429)) {
        parts.entry(&*request.body).or_default().push(request);
    }
    parts
}

/// One tenant is over its limit until it has got the same part three times; then it takes that.
async fn is_limited(cortex: &Cortex) -> Result<()> {
    cortex
        .fault(LIMITED, Fault::answer(429).header("retry-after", "1").body("ingestion rate limit exceeded"));
    cortex
        .wait_for("a part three times", |state| limited(state).values().any(|times| times.len() >= 3))
        .await?;
    cortex.heal(LIMITED);
    cortex
        .wait_for("all that was refused", |state| {
            let accepted = |body: &&[u8]| {
                state
                    .of(LIMITED)
                    .any(|request| request.outcome == Outcome::Answered(200) && request.body == *body)
            };
            limited(state).keys().all(accepted)
        })
        .await
}

/// Asserts that nothing arrived that a backend would not take, and metadata with one tenant only.
fn assert_clean(cortex: &Cortex, way: &Way) {
    let state = cortex.state();
    for request in &state.requests {
        assert_eq!(request.header_values("x-scope-orgid").len(), 1, "{request}");
        let limited = way.listener == FORWARDER.listener && request.tenant.as_deref() == Some(LIMITED);
        match request.outcome {
            Outcome::Answered(429) => assert!(limited, "{request}"),
            outcome => assert!(!matches!(outcome, Outcome::Answered(400..=499)), "{request}"),
        }
        assert_eq!(request.header("authorization"), None, "{request}");
    }
    for (tenant, store) in &state.stores {
        let known = |family: &str| {
            store.metadata().iter().any(|metadata| {
                (metadata.family.as_str(), metadata.kind, metadata.help.as_str()) == (family, 1, "Work done.")
            })
        };
        assert_eq!(known("work"), tenant == way.own, "{tenant} of {}", way.listener);
        assert_eq!(store.metadata().is_empty(), tenant != way.own, "{tenant} of {}", way.listener);
    }
}

/// Goes through all weathers. The journal has them even where this fails.
async fn day(world: &mut World, journal: &mut Journal) -> Result<()> {
    world.scrape().await?;
    for (cortex, way) in world.backends() {
        cortex
            .wait_for("samples of every tenant, and metadata", |state| {
                let has_samples = |tenant: &&str| state.store(tenant).is_some_and(|store| store.count() > 20);
                let has_metadata = state.store(way.own).is_some_and(|store| !store.metadata().is_empty());
                has_metadata && way.tenants.iter().all(has_samples)
            })
            .await?;
    }

    // One tenant is slow: the others have their parts, and the request waits for all.
    journal.note(Weather::SlowTenant, world).await?;
    let gate = Gate::new();
    world.forwarded.fault(SLOW, Fault::hold(&gate));
    let is_held = |outcome| outcome == Outcome::Open;
    world
        .forwarded
        .wait_for("a part that waits", |state| state.of(SLOW).any(|request| is_held(request.outcome)))
        .await?;
    scrapes(world, 3).await?;
    world.forwarded.heal(SLOW);
    gate.open();
    flows(world).await?;

    journal.note(Weather::RateLimitedTenant, world).await?;
    is_limited(&world.forwarded).await?;
    flows(world).await?;

    journal.note(Weather::FailingTenants, world).await?;
    for ((cortex, _), (_, tenant)) in world.backends().into_iter().zip(FAILING) {
        fails(cortex, tenant).await?;
    }
    flows(world).await?;

    journal.note(Weather::BackendRestarts, world).await?;
    journal.goes_down(Some(FORWARDER.listener), Counters::default());
    world.forwarded.down().await?;
    journal.is_down();
    retries(world).await?;
    scrapes(world, 3).await?;
    world.forwarded.up()?;
    flows(world).await?;

    journal.note(Weather::GatewayRestarts, world).await?;
    journal.goes_down(None, world.gateway_counters().await?);
    world.envoy.down()?;
    journal.is_down();
    retries(world).await?;
    scrapes(world, 3).await?;
    world.envoy.up().await?;
    flows(world).await?;
    let first = world.settle().await?;

    journal.note(Weather::SenderRestarts, world).await?;
    journal.goes_down(None, world.sender_counters().await?);
    world.prometheus.down();
    journal.is_down();
    world.prometheus.up().await?;
    world.scrape().await?;
    scrapes(world, 5).await?;
    let second = world.settle().await?;
    ensure!(second > first, "{second} samples after the restart, {first} before it");
    journal.note(Weather::End, world).await
}

/// Fails where the log does not say what it should.
fn check(log: &Log) -> Result<()> {
    use Weather::{
        BackendRestarts, Calm, End, FailingTenants, GatewayRestarts, RateLimitedTenant, SenderRestarts,
        SlowTenant,
    };
    let weathers: Vec<_> = log.events.iter().map(|event| event.weather).collect();
    let expected = [
        Calm,
        SlowTenant,
        RateLimitedTenant,
        FailingTenants,
        BackendRestarts,
        GatewayRestarts,
        SenderRestarts,
        End,
    ];
    ensure!(weathers == expected, "not the events: {weathers:?}");
    for event in &log.events {
        let weather = event.weather;
        let (is_limited, is_failing) = (weather == RateLimitedTenant, weather == FailingTenants);
        let counters = event.counters;
        ensure!(counters.lost == 0 && counters.dropped == 0, "{weather}: something was lost");
        let retries = is_limited || is_failing || matches!(weather, BackendRestarts | GatewayRestarts);
        ensure!((counters.retried > 0) == retries, "{weather}: {} samples retried", counters.retried);
        if is_limited || is_failing {
            // Each further attempt left out at least one part of somebody else.
            ensure!(counters.spared >= 2, "{weather}: only {} parts were not sent again", counters.spared);
        }
        for way in [&FORWARDER, &AGENT] {
            for tenant in way.tenants {
                let parts = event.of(way, tenant);
                let name = format!("{weather}: {tenant} of {}", way.listener);
                ensure!(parts.accepted > 0 || weather == End, "{name} accepted nothing");
                ensure!(parts.twice == 0, "{name} accepted {} parts twice", parts.twice);
                let limited = is_limited && (way.listener, *tenant) == (FORWARDER.listener, LIMITED);
                ensure!((parts.limited > 0) == limited, "{name} answered 429 {} times", parts.limited);
                let fails =
                    |(of, who): (&Way, &str)| (of.listener, who) == (way.listener, *tenant) && is_failing;
                let failing = FAILING.into_iter().any(fails);
                ensure!((parts.failed > 0) == failing, "{name} answered 5xx {} times", parts.failed);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_sample_reaches_its_tenant() -> Result<()> {
    let Some(mut world) = World::start().await? else {
        eprintln!("no Prometheus here: nothing is proven");
        return Ok(());
    };
    let mut journal = Journal::new();
    let ended = day(&mut world, &mut journal).await;
    let log = journal.log(&world);
    ended.and_then(|()| check(&log)).with_context(|| format!("the log of the run:\n{log}"))?;
    println!("{log}");

    for (cortex, way) in world.backends() {
        assert_clean(cortex, way);
    }
    // The sender heard how long to wait, and waited.
    for (_, attempts) in limited(&world.forwarded.state()) {
        for pair in attempts.windows(2) {
            let waited = pair[1].at.duration_since(pair[0].at)?;
            // Some leeway, as the clock may be set meanwhile.
            assert!(waited >= Duration::from_millis(950), "only {waited:?} before {}", pair[1]);
        }
    }
    Ok(())
}
