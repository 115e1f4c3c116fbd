//! Every component gets its own, byte for byte, with the tenant of who sent it; and nothing else gets anywhere.

use anyhow::Result;
use scopegate_tests::client::Call;
use scopegate_tests::nginx::Nginx;
use scopegate_tests::remote_write::{WriteRequest, series};

use crate::world::{Component, GRAFANA, TEAM_A, TEAM_B, World, by};

/// What a request was, and who must get it.
type Case<'w> = (Call, (&'static str, &'static str), &'w Component, &'static str);

#[tokio::test]
async fn every_component_gets_its_own_and_nothing_else_gets_anywhere() -> Result<()> {
    let world = World::start().await?;
    every_component_gets_its_own(&world).await?;
    nothing_else_gets_anywhere(&world).await
}

async fn every_component_gets_its_own(world: &World) -> Result<()> {
    let gateway = world.gateway()?;
    let (distributor, frontend, ruler, alertmanager) =
        (&world.distributor, &world.frontend, &world.ruler, &world.alertmanager);
    let push = WriteRequest::of(vec![series(&[("__name__", "up"), ("job", "a")], 1_000, 1.0)]);
    let group = "name: g\nrules: [{record: r, expr: up}]\n";
    let cases: Vec<Case<'_>> = vec![
        (push.push(), TEAM_A, distributor, "team-a"),
        (push.push(), TEAM_B, distributor, "team-b"),
        (push.push().tenant("team-b"), GRAFANA, distributor, "team-b"),
        (Call::query("/prometheus/api/v1/query", &[("query", "up")]), TEAM_A, frontend, "team-a"),
        (Call::form("/prometheus/api/v1/query_range", &[("query", "up")]), TEAM_B, frontend, "team-b"),
        (Call::query("/api/prom/api/v1/query", &[("query", "up")]), GRAFANA, frontend, "team-a|team-b"),
        (Call::get("/prometheus/api/v1/label/a%2Fb/values"), TEAM_A, frontend, "team-a"),
        (Call::get("/prometheus/api/v1/rules"), TEAM_A, ruler, "team-a"),
        (
            Call::post("/api/v1/rules/a%2Fb", group).header("content-type", "application/yaml"),
            TEAM_A,
            ruler,
            "team-a",
        ),
        (Call::get("/api/prom/rules/ns"), TEAM_B, ruler, "team-b"),
        (Call::get("/alertmanager/api/v2/silences"), TEAM_A, alertmanager, "team-a"),
        (Call::post("/api/v1/alerts", "alertmanager_config: x\n"), TEAM_B, alertmanager, "team-b"),
    ];
    for (call, user, component, tenant) in cases {
        let what = format!("{call} by {}", user.0);
        let sent = call.clone();
        let answer = gateway.send(by(user, call)).await?;
        assert!(answer.status < 500 && answer.status != 404 && answer.status != 401, "{what}: {answer:?}");
        let arrived = component.only()?;
        assert_eq!(arrived.header_values("x-scope-orgid"), [tenant.as_bytes()], "{what}");
        assert_eq!(arrived.target, sent.target(), "{what}");
        assert_eq!(arrived.body, sent.whole_body(), "{what}");
        assert_eq!(arrived.header("authorization"), None, "{what}");
        for other in [distributor, frontend, ruler, alertmanager] {
            other.nothing();
        }
    }
    // By TLS, asked for and called by its name.
    let seen = alertmanager.nginx[0].as_ref().map(Nginx::seen).transpose()?.unwrap_or_default();
    assert!(!seen.is_empty());
    for request in &seen {
        assert_eq!(request["sni"], "alertmanager.example.org", "{request}");
        assert_eq!(request["host"], "alertmanager.example.org", "{request}");
    }
    Ok(())
}

async fn nothing_else_gets_anywhere(world: &World) -> Result<()> {
    let gateway = world.gateway()?;
    let query = || Call::query("/prometheus/api/v1/query", &[("query", "up")]);
    let push = || WriteRequest::of(vec![series(&[("__name__", "up")], 1_000, 1.0)]).push();
    let wrong = ("team-a", "5b0e7b1c1f0c4bd2a9c8d0a4a1a7f3e7");
    for (call, status) in [
        (query(), 401),
        (by(wrong, query()), 401),
        (by(("nobody", TEAM_A.1), query()), 401),
        (by(TEAM_A, query().tenant("team-b")), 403),
        (by(TEAM_A, push().tenant("team-b")), 403),
        // Several tenants are read together; a write names one.
        (by(GRAFANA, push()), 400),
        // What the old gateway led every tenant to.
        (by(TEAM_A, Call::post("/ruler/delete_tenant_config", "")), 403),
        (by(TEAM_A, Call::post("/multitenant_alertmanager/delete_tenant_config", "")), 403),
        (by(TEAM_A, Call::get("/alertmanager/metrics")), 403),
        // What is the operators'.
        (by(TEAM_A, Call::get("/metrics")), 403),
        (by(TEAM_A, Call::get("/ready")), 403),
        (by(TEAM_A, Call::get("/heap")), 404),
        (by(TEAM_A, Call::get("/debug/pprof/heap")), 403),
        (Call::get("/metrics"), 401),
        (by(TEAM_A, Call::get("/api/v1/unknown")), 404),
        (by(TEAM_A, Call::get("/prometheus/api/v1/../../../config")), 400),
    ] {
        let what = call.to_string();
        let answer = gateway.send(call).await?;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    for component in [&world.distributor, &world.frontend, &world.ruler, &world.alertmanager] {
        component.nothing();
    }
    Ok(())
}
