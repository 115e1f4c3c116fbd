//! Namespaces, page by page, with a token that changes.

use anyhow::Result;
use scopegate_core::config::Config;
use scopegate_tests::{
    client::{Call, Client},
    example::{Example, file, yaml},
    remote_write::series,
};
use serde_json::json;

use crate::gateway::{ORGANIZATION, Plan, TOKEN, of};

/// `scopegate.yaml` and the Struct in `envoy.yaml` are the same, and both are accepted.
#[test]
fn both_files_say_the_same() -> Result<()> {
    let alone = yaml(&file("namespaces", "scopegate.yaml"))?;
    assert_eq!(Example::load("namespaces")?.configuration()?, &alone);
    Config::from_json(alone)?;
    Ok(())
}

#[tokio::test]
async fn each_namespace_goes_to_its_organisation() -> Result<()> {
    let mut plan = Plan::new()?;
    plan.table()?["kubernetes"]["page_size"] = json!(2);
    for (namespace, organisation) in
        [("shop", "org-a"), ("bar", "org-b"), ("web", "org-a"), ("odd", "no/org")]
    {
        plan.kubernetes.label(namespace, ORGANIZATION, organisation);
    }
    plan.kubernetes.label("kube-system", "other", "label");
    let world = plan.start().await?;
    world.wait_until("shop", "org-a").await?;

    world.cortex.forget();
    let own = series(&[("__name__", "node_load1"), ("node", "a")], 5, 1.0);
    let sent = vec![
        of("shop", 1),
        of("bar", 2),
        own.clone(),
        of("web", 3),
        of("kube-system", 4),
        of("odd", 5),
        of("new", 6),
    ];
    world.send(sent).await?.expect(200)?;
    {
        let state = world.cortex.state();
        let raw = |tenant: &str| state.series(tenant).map(|series| series.raw.clone()).collect::<Vec<_>>();
        let bytes = |series: &[_]| series.iter().map(prost::Message::encode_to_vec).collect::<Vec<_>>();
        assert_eq!(state.tenants(), ["org-a", "org-b", "platform"]);
        assert_eq!(raw("org-a"), bytes(&[of("shop", 1), of("web", 3)]));
        assert_eq!(raw("org-b"), bytes(&[of("bar", 2)]));
        assert_eq!(raw("platform"), bytes(&[own, of("kube-system", 4), of("odd", 5), of("new", 6)]));
    }
    let (tokens, requests) = {
        let state = world.kubernetes.state();
        (state.tokens.clone(), state.requests.clone())
    };
    assert_eq!(tokens, [TOKEN], "Envoy adds the token, and nothing else came");
    assert!(requests.iter().all(|(_, status)| *status == 200), "{requests:?}");
    assert_eq!(requests[0].0, "/api/v1/namespaces?limit=2");
    assert_eq!(requests[1].0, "/api/v1/namespaces?limit=2&continue=from%20%2B%20%26%20%3D2");
    world.wait_for_metric("loaded", &[], |loaded| loaded == 1).await?;
    world.wait_for_metric("entries", &[], |entries| entries == 3).await?;
    world.wait_for_metric("invalid_entries", &[], |invalid| invalid == 1).await?;
    world.wait_for_metric("refreshes_total", &["outcome=\"ok\""], |count| count > 1).await?;

    // People read the organisations whose groups they are in, and write nothing.
    let user = world.idp.token(json!({"groups": ["organization:org-a", "organization:org-b", "staff"]}));
    let client = Client::http1(world.envoy.listener("gateway")?);
    let query = || Call::query("/prometheus/api/v1/query", &[("query", "up")]).bearer(&user);
    client.send(query().tenant("org-b")).await?.expect(200)?;
    client.send(query().tenant("platform")).await?.expect(403)?;
    client.send(Call::get("/prometheus/api/v1/labels")).await?.expect(401)?;
    Ok(())
}

/// Four workers and the main thread have a filter each, and one of them asks.
#[tokio::test]
async fn one_worker_asks_for_all() -> Result<()> {
    let mut plan = Plan::new()?;
    plan.workers = 4;
    plan.table()?["kubernetes"]["refresh"] = json!("1h");
    plan.kubernetes.label("shop", ORGANIZATION, "org-a");
    let world = plan.start().await?;
    world.wait_until("shop", "org-a").await?;
    // Time for many ticks of all of them.
    world.wait_for_metric("age_seconds", &[], |age| age >= 3).await?;
    assert_eq!(world.kubernetes.state().requests.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_rotated_is_followed() -> Result<()> {
    let plan = Plan::new()?;
    plan.kubernetes.label("shop", ORGANIZATION, "org-a");
    let mut world = plan.start().await?;
    world.wait_until("shop", "org-a").await?;
    for token in ["second-token", "third-token"] {
        // As the kubelet does it: the new one is there before the old one ends.
        world.mount.rotate(token)?;
        world.kubernetes.wait_for("the new token", |state| state.tokens.iter().any(|t| t == token)).await?;
        world.kubernetes.state().token = token.to_owned();
        world.kubernetes.label("shop", ORGANIZATION, &format!("org-{token}"));
        world.wait_until("shop", &format!("org-{token}")).await?;
    }
    Ok(())
}

/// A list that expires while it is read is begun anew, and nothing of the first try is left.
#[tokio::test]
async fn a_list_that_expired_is_begun_anew() -> Result<()> {
    let mut plan = Plan::new()?;
    plan.table()?["kubernetes"]["page_size"] = json!(1);
    for namespace in ["a", "b", "c"] {
        plan.kubernetes.label(namespace, ORGANIZATION, "org-a");
    }
    plan.kubernetes.state().expiring = 2;
    let world = plan.start().await?;
    world.wait_until("c", "org-a").await?;
    let statuses: Vec<u16> =
        world.kubernetes.state().requests.iter().map(|(_, status)| *status).take(7).collect();
    assert_eq!(statuses, [200, 410, 200, 410, 200, 200, 200]);
    assert_eq!(world.metric("refreshes_total", &["outcome=\"expired\""]).await?, None);
    Ok(())
}
