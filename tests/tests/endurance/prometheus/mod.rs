//! A real Prometheus writes through the gateway for a while, in bad weather. In the end every sample it holds itself is
//! with exactly the right tenant. Where there is no Prometheus, nothing is proven.

mod local;
mod page;
mod world;

use anyhow::{Result, ensure};
use scopegate_tests::{
    cortex::{Cortex, Fault, Gate, Outcome},
    wait::{DEADLINE, eventually},
};

use page::{AGENT, FORWARDER, Way};
use world::World;

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

/// Waits until something was sent once more that had failed.
async fn retries(world: &World) -> Result<()> {
    const RETRIED: &str = "prometheus_remote_storage_samples_retried_total";
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

/// Asserts that nothing arrived that a backend would not take, and metadata with one tenant only.
fn assert_clean(cortex: &Cortex, way: &Way) {
    let state = cortex.state();
    for request in &state.requests {
        assert_eq!(request.header_values("x-scope-orgid").len(), 1, "{request}");
        assert!(!matches!(request.outcome, Outcome::Answered(400..=499)), "{request}");
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

#[tokio::test]
async fn every_sample_reaches_its_tenant() -> Result<()> {
    let Some(mut world) = World::start().await? else {
        eprintln!("no Prometheus here: nothing is proven");
        return Ok(());
    };
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
    let gate = Gate::new();
    world.forwarded.fault("team-c", Fault::hold(&gate));
    let is_held = |outcome| outcome == Outcome::Open;
    world
        .forwarded
        .wait_for("a part that waits", |state| state.of("team-c").any(|request| is_held(request.outcome)))
        .await?;
    scrapes(&world, 3).await?;
    world.forwarded.heal("team-c");
    gate.open();

    fails(&world.forwarded, "team-d").await?;
    fails(&world.impersonated, "cluster-1").await?;

    world.forwarded.down().await?;
    retries(&world).await?;
    scrapes(&world, 3).await?;
    world.forwarded.up()?;

    world.envoy.down()?;
    retries(&world).await?;
    scrapes(&world, 3).await?;
    world.envoy.up().await?;
    scrapes(&world, 3).await?;

    let first = world.settle().await?;
    world.prometheus.down();
    world.prometheus.up().await?;
    world.scrape().await?;
    scrapes(&world, 5).await?;
    let second = world.settle().await?;
    ensure!(second > first, "{second} samples after the restart, {first} before it");

    for (cortex, way) in [(&world.forwarded, &FORWARDER), (&world.impersonated, &AGENT)] {
        assert_clean(cortex, way);
    }
    for lost in ["samples_failed_total", "samples_dropped_total", "metadata_failed_total"] {
        let metric = format!("prometheus_remote_storage_{lost}");
        let lost = world.prometheus.metric(&metric).await?;
        assert!(lost < 1.0, "{metric} is {lost}");
    }
    Ok(())
}
