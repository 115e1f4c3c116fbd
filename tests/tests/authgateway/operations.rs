//! The port for who runs the gateway.

use anyhow::Result;
use scopegate_tests::client::Call;

use crate::world::{TEAM_A, World, by};

#[tokio::test]
async fn it_tells_operators_what_they_ask() -> Result<()> {
    let mut world = World::start().await?;
    nothing_of_tenants_is_there(&world).await?;
    ready_is_true_only_while_upstreams_are_well(&mut world).await
}

async fn ready_is_true_only_while_upstreams_are_well(world: &mut World) -> Result<()> {
    let operations = world.operations()?;
    operations.wait_for("/ready", 200).await?;
    // One address of a component is enough …
    world.distributor.down(0);
    world.distributor.down(1);
    let admin = world.envoy.admin()?;
    admin.wait_for_stat("cluster.distributor.membership_healthy", |healthy| healthy == 1).await?;
    operations.0.get("/ready").await?.expect(200)?;
    // … and without any it is not ready.
    world.distributor.down(2);
    operations.wait_for("/ready", 503).await?;
    world.distributor.up(1).await?;
    operations.wait_for("/ready", 200).await?;
    // Every component counts.
    world.ruler.down(0);
    operations.wait_for("/ready", 503).await?;
    world.ruler.up(0).await?;
    operations.wait_for("/ready", 200).await
}

async fn nothing_of_tenants_is_there(world: &World) -> Result<()> {
    let operations = world.operations()?;
    let query = || by(TEAM_A, Call::query("/prometheus/api/v1/query", &[("query", "up")]));
    world.gateway()?.send(query()).await?.expect(200)?;
    let metrics = operations.0.get("/metrics").await?.expect(200)?;
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    for line in ["scopegate_requests_total{", "envoy_cluster_membership_healthy{"] {
        assert!(text.contains(line), "{line} is missing");
    }
    let heap = operations.0.get("/heap").await?;
    assert!(heap.status == 200 || heap.status == 501, "{heap:?}");
    // Neither what changes Envoy, nor what tells its configuration, nor a tenant's path.
    for call in [
        Call::post("/quitquitquit", ""),
        Call::get("/config_dump"),
        Call::get("/stats"),
        Call::get("/clusters"),
        Call::get("/metrics/../config_dump"),
        Call::post("/api/v1/push", "x").tenant("team-a"),
        query(),
    ] {
        let what = call.to_string();
        assert_eq!(operations.0.send(call).await?.status, 404, "{what}");
    }
    world.frontend.only()?;
    world.distributor.nothing();
    Ok(())
}
