//! What somebody may try who has a browser, a token, or the rights of an administrator in one organisation of Grafana.

use anyhow::{Context, Result};
use scopegate_tests::client::Call;
use scopegate_tests::identity::Issuer;
use scopegate_tests::wait::DEADLINE;
use serde_json::json;

use crate::world::{AsGrafana, Expected, FOREIGN, NOBODY, Plan, claims, query};

const REJECTED: Expected = Err((401, ""));

#[tokio::test]
async fn by_tokens() -> Result<()> {
    let mut plan = Plan::new()?;
    // As the page says: tokens that were made for this gateway, and no others of the realm.
    plan.example.filter("envoy.filters.http.jwt_authn")?["providers"]["keycloak"]["audiences"] =
        json!(["scopegate"]);
    let world = plan.start().await?;
    let idp = &world.idp;
    let acme = claims(&["acme"]);
    let mut for_another = acme.clone();
    for_another["aud"] = json!(["wiki"]);
    let calls: Vec<(&str, Call, Expected)> = vec![
        ("a token as it should be", world.panel(&idp.token(acme.clone())).organisation("2"), Ok("acme")),
        ("one that expired", world.panel(&idp.expired(acme.clone())).organisation("2"), REJECTED),
        ("one that nobody signed", world.panel(&idp.unsigned(acme.clone())).organisation("2"), REJECTED),
        (
            "one of another key",
            world.panel(&Issuer::new(idp.name()).token(acme.clone())).organisation("2"),
            REJECTED,
        ),
        (
            "one that was made for another client",
            world.panel(&idp.token(for_another)).organisation("2"),
            Err((403, "Audiences in Jwt are not allowed")),
        ),
        // The second token proves nothing by itself.
        ("X-Id-Token only", query().header("x-id-token", idp.token(acme.clone())).organisation("2"), NOBODY),
        ("no token", query().organisation("2"), NOBODY),
        ("no token and a choice", query().tenant("acme"), NOBODY),
        (
            "a user's name, as Grafana can send it",
            query().header("x-grafana-user", "ann").organisation("2"),
            NOBODY,
        ),
        // What Grafana evaluates without a user.
        ("an alert rule", query().header("fromalert", "true").organisation("2"), NOBODY),
        // The other token may be anybody's: it is not read.
        (
            "another's X-Id-Token beside one's own",
            query().bearer(&idp.token(acme.clone())).header("x-id-token", world.person(&["bank"])),
            Ok("acme"),
        ),
        ("two tokens", query().bearer(&idp.token(acme.clone())).bearer(&world.person(&["bank"])), REJECTED),
    ];
    for (what, call, expected) in calls {
        world.expect(what, call, expected).await?;
    }
    Ok(())
}

/// Somebody in `acme`, as an administrator of the organisation in Grafana, through its data source proxy: every header is
/// theirs to choose but `Authorization`, which Grafana replaces.
#[tokio::test]
async fn by_headers() -> Result<()> {
    let world = Plan::new()?.start().await?;
    let token = world.person(&["acme"]);
    let panel = || world.panel(&token);
    let cases: Vec<(&str, Call, Expected)> = vec![
        ("a foreign organisation", panel().organisation("3"), FOREIGN),
        ("both", panel().organisation("2").organisation("3"), Err((403, "stands more than once"))),
        ("the same twice", panel().organisation("2").organisation("2"), Err((403, "stands more than once"))),
        ("in one value", panel().organisation("2,3"), FOREIGN),
        ("by its name", panel().organisation("bank"), FOREIGN),
        ("empty", panel().organisation(""), FOREIGN),
        ("a zero in front", panel().organisation("02"), FOREIGN),
        (
            "odd bytes",
            panel().organisation("2").header("x-grafana-org-id", b"\xff".as_slice()),
            Err((403, "")),
        ),
        ("a foreign tenant", panel().tenant("bank"), Err((403, "x-scope-orgid"))),
        ("with its own", panel().tenant("acme|bank"), Err((403, "x-scope-orgid"))),
        ("twice", panel().tenant("acme").tenant("bank"), Err((400, "x-scope-orgid"))),
        ("another's policy", panel().header("x-prom-label-policy", "bank:%7B%7D"), Ok("acme")),
        (
            "the header named in Connection",
            panel().organisation("2").header("connection", "x-grafana-org-id"),
            Ok("acme"),
        ),
        ("under another name", panel().header("x_grafana_org_id", "3"), Ok("acme")),
        (
            "a write",
            Call::post("/api/v1/push", "").bearer(&token).organisation("2"),
            Err((403, "no right to `write`")),
        ),
        ("the backend's own pages", Call::get("/config").bearer(&token).organisation("2"), Err((403, ""))),
    ];
    for (what, call, expected) in cases {
        world.expect(what, call, expected).await?;
    }
    // A refusal says the same of an organisation that is another's and of one that there is not.
    let words = |id: &'static str| world.reached(panel().organisation(id));
    assert_eq!(words("3").await?, words("99").await?);
    // Who looks at the access log sees why.
    let log = world.envoy.process()?.wait_for_output("reason=narrow", DEADLINE).await?;
    assert!(log.contains("caller=users"), "{log}");
    Ok(())
}

/// Where others may make subgroups: with the last part of the path alone they could make one that is called like a tenant's;
/// with whole paths, and the pattern of the page, they cannot.
#[tokio::test]
async fn by_the_name_of_a_subgroup() -> Result<()> {
    let page = include_str!("../../../docs/grafana.md");
    assert!(page.contains("`{claim: groups, pattern: \"/organization:{tenant}\"}`"), "another pattern");
    let mut plan = Plan::new()?;
    let callers = plan.example.configuration()?["callers"].as_array_mut().context("no callers")?;
    let users = callers.iter_mut().find(|caller| caller["name"] == "users").context("no users")?;
    users["tenants"] = json!({"claim": "groups", "pattern": "/organization:{tenant}"});
    let world = plan.start_at_once().await?;
    for (what, groups, expected) in [
        ("the tenant's group", json!(["/organization:acme", "/staff"]), Ok("acme")),
        ("a subgroup", json!(["/organization:acme", "/staff/organization:bank"]), Ok("acme")),
        ("below the tenant's group", json!(["/organization:bank/editors"]), Err((403, "has no tenant"))),
        ("the last part alone", json!(["organization:bank"]), Err((403, "has no tenant"))),
    ] {
        let mut person = claims(&[]);
        person["groups"] = groups;
        world.expect(what, world.panel(&world.idp.token(person)), expected).await?;
    }
    Ok(())
}

/// An administrator of an organisation may give it another name, and so lead it elsewhere: to nothing that they have not.
#[tokio::test]
async fn by_the_name_of_an_organisation() -> Result<()> {
    let world = Plan::new()?.start().await?;
    let (acme, both) = (world.person(&["acme"]), world.person(&["acme", "bank"]));
    world.grafana.name(2, "bank - Renamed");
    world.wait_until(&world.panel(&acme).organisation("2"), FOREIGN).await?;
    world.expect("who may read both", world.panel(&both).organisation("2"), Ok("bank")).await?;
    world.expect("without it", world.panel(&acme), Ok("acme")).await
}
