//! `X-Grafana-Org-Id`: what it takes away, and how Grafana's list of organisations becomes a table.

use anyhow::Result;
use prost::Message as _;
use scopegate_tests::client::Call;
use scopegate_tests::remote_write::{WriteRequest, series};
use serde_json::json;

use crate::world::{AsGrafana, Expected, FOREIGN, LOGIN, Plan, query};

#[tokio::test]
async fn the_organisation_narrows_what_the_token_allows() -> Result<()> {
    let world = Plan::new()?.start().await?;
    let (acme, both) = (world.person(&["acme"]), world.person(&["bank", "acme"]));
    let cases: Vec<(&str, Call, Expected)> = vec![
        ("no organisation", world.panel(&both), Ok("acme|bank")),
        ("one of two", world.panel(&both).organisation("2"), Ok("acme")),
        ("the other", world.panel(&both).organisation("3"), Ok("bank")),
        ("the only one", world.panel(&acme).organisation("2"), Ok("acme")),
        ("a foreign one", world.panel(&acme).organisation("3"), FOREIGN),
        ("one that is no tenant", world.panel(&both).organisation("1"), FOREIGN),
        ("one that there is not", world.panel(&both).organisation("4"), FOREIGN),
        ("both say the same", world.panel(&both).organisation("2").tenant("acme"), Ok("acme")),
        ("they contradict", world.panel(&both).organisation("2").tenant("bank"), Err((403, "x-scope-orgid"))),
        (
            "one says more",
            world.panel(&both).organisation("2").tenant("acme|bank"),
            Err((403, "x-scope-orgid")),
        ),
        ("a choice alone", world.panel(&both).tenant("bank"), Ok("bank")),
        // Explore and the metric browser.
        (
            "labels",
            Call::get("/prometheus/api/v1/labels?match%5B%5D=up").bearer(&both).organisation("3"),
            Ok("bank"),
        ),
        (
            "build",
            Call::get("/prometheus/api/v1/status/buildinfo").bearer(&acme).organisation("2"),
            Ok("acme"),
        ),
        // Logs go by the same list.
        (
            "logs",
            Call::get("/loki/api/v1/labels")
                .authority("logs.monitoring.svc:8080")
                .bearer(&both)
                .organisation("3"),
            Ok("bank"),
        ),
        // Rules of the backend's ruler are for one tenant.
        ("rules", Call::get("/api/v1/rules").bearer(&both).organisation("2"), Ok("acme")),
        ("rules of two", Call::get("/api/v1/rules").bearer(&both), Err((400, "takes one tenant"))),
    ];
    for (what, call, expected) in cases {
        world.expect(what, call, expected).await?;
    }
    Ok(())
}

/// Where people may write, the organisation says for whom.
#[tokio::test]
async fn a_write_is_for_the_organisation() -> Result<()> {
    let mut plan = Plan::new()?;
    plan.example.configuration()?["callers"][2]["may"] = json!(["read", "write"]);
    plan.example.configuration()?["callers"][2]["on_behalf_of"] = json!(["*"]);
    plan.example.configuration()?["write"]["metrics"] = json!({"tenant": [{"label": "org"}, "caller"]});
    let world = plan.start().await?;
    let both = world.person(&["bank", "acme"]);
    let own = series(&[("__name__", "up"), ("job", "x")], 1, 1.0);
    let of = |tenant: &str| series(&[("__name__", "up"), ("org", tenant)], 1, 1.0);
    for (organisation, tenant) in [("2", "acme"), ("3", "bank")] {
        let write = WriteRequest::of(vec![own.clone()]).push().bearer(&both).organisation(organisation);
        world.cortex.forget();
        world.envoy.http1()?.send(write).await?.expect(200)?;
        let state = world.cortex.state();
        assert_eq!(state.tenants(), [tenant]);
        let raw: Vec<_> = state.series(tenant).map(|series| series.raw.clone()).collect();
        assert_eq!(raw, [own.encode_to_vec()]);
    }
    // A label leads to the other one no more, nor to anybody.
    world.cortex.forget();
    let write = |of| WriteRequest::of(vec![of]).push().bearer(&both);
    world.envoy.http1()?.send(write(of("bank")).organisation("2")).await?.expect(400)?;
    world.envoy.http1()?.send(write(of("third")).organisation("2")).await?.expect(400)?;
    assert!(world.cortex.state().tenants().is_empty(), "{}", world.cortex.state().summary());
    world.envoy.http1()?.send(write(of("third"))).await?.expect(200)?;
    assert_eq!(world.cortex.state().tenants(), ["third"]);
    Ok(())
}

/// What people call their organisations.
#[tokio::test]
async fn names_of_every_kind() -> Result<()> {
    let plan = Plan::new()?;
    for (id, name) in [
        (10, "acme - ACME - Berlin - 2"),
        (11, "acme-eu - ACME in Europe"),
        (12, "acme - Blümchen & Söhne 🌷 – “Quoted”"),
        (13, "acme"),
        (14, "аcme - with a Cyrillic letter"),
        (15, " - acme"),
        (16, "acme/../bank - x"),
        (17, "acme|bank - x"),
        (18, "acme \u{2013} with a dash"),
        (19, "acme -without a space"),
    ] {
        plan.grafana.name(id, name);
    }
    let world = plan.start().await?;
    let token = world.person(&["acme", "acme-eu", "bank"]);
    for (id, expected) in [
        ("10", Ok("acme")),
        ("11", Ok("acme-eu")),
        ("12", Ok("acme")),
        ("13", Ok("acme")),
        ("14", FOREIGN),
        ("15", FOREIGN),
        ("16", FOREIGN),
        ("17", FOREIGN),
        ("18", FOREIGN),
        ("19", FOREIGN),
    ] {
        world.expect(id, world.panel(&token).organisation(id), expected).await?;
    }
    // `Main Org.` is none either.
    world.wait_for_metric("invalid_entries", "", 7).await?;
    world.wait_for_metric("entries", "", 6).await
}

/// More organisations than Grafana gives at once.
#[tokio::test]
async fn page_by_page() -> Result<()> {
    let plan = Plan::new()?;
    for id in 4..=2100 {
        plan.grafana.name(id, &format!("org-{id} - Number {id}"));
    }
    let world = plan.start().await?;
    let token = world.person(&["org-1000", "org-1001", "org-2100"]);
    for (id, tenant) in [("1000", "org-1000"), ("1001", "org-1001"), ("2100", "org-2100")] {
        world.expect(id, world.panel(&token).organisation(id), Ok(tenant)).await?;
    }
    let requests = world.grafana.state().requests.clone();
    let pages: Vec<_> = requests.iter().take(3).map(|(target, status)| (target.as_str(), *status)).collect();
    let path = "/api/orgs?perpage=1000&page=";
    assert_eq!(
        pages,
        [0, 1, 2]
            .map(|page| (format!("{path}{page}"), 200))
            .each_ref()
            .map(|(path, status)| (path.as_str(), *status))
    );
    Ok(())
}

/// Before the list is there, without the right login, and once Grafana is out of order.
#[tokio::test]
async fn the_list_comes_and_stays() -> Result<()> {
    const NOT_YET: Expected = Err((503, "has not fetched its table grafana yet"));
    let plan = Plan::new()?;
    plan.grafana.state().authorization = "Basic other".to_owned();
    let world = plan.start_at_once().await?;
    world.wait_for_metric("refreshes_total", "outcome=\"not_permitted\"", 1).await?;
    let token = world.person(&["acme"]);
    let call = world.panel(&token).organisation("2");
    world.expect("not there yet", call.clone(), NOT_YET).await?;
    world.expect("not there yet, and foreign", world.panel(&token).organisation("3"), NOT_YET).await?;
    // Who needs no list does not wait for it, and who is nobody learns nothing of it.
    world.expect("no organisation", world.panel(&token), Ok("acme")).await?;
    world.expect("nobody", query().organisation("2"), Err((401, ""))).await?;
    world.grafana.state().authorization = scopegate_tests::identity::basic(LOGIN[0], LOGIN[1]);
    world.wait_until(&call, Ok("acme")).await?;

    // The last list stays.
    world.grafana.state().is_down = true;
    world.wait_for_metric("refreshes_total", "outcome=\"status\"", 2).await?;
    world.expect("Grafana is down", call.clone(), Ok("acme")).await?;
    world.grafana.state().is_down = false;

    // A new organisation is there after a refresh; one that is deleted is no longer.
    world.grafana.name(4, "acme - New");
    world.grafana.state().organisations.remove(&2);
    world.wait_until(&world.panel(&token).organisation("4"), Ok("acme")).await?;
    world.wait_until(&call, FOREIGN).await?;

    // The administrator's password changes: Envoy follows its file.
    world.grafana.state().authorization = scopegate_tests::identity::basic(LOGIN[0], "next");
    world.log_in([LOGIN[0], "next"])?;
    world.grafana.name(5, "acme - Newer");
    world.wait_until(&world.panel(&token).organisation("5"), Ok("acme")).await
}
