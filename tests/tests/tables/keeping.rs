//! The last good table stays, whatever fails; and before there is one, nothing goes astray.

use anyhow::{Result, ensure};
use scopegate_tests::{
    client::Client,
    remote_write::WriteRequest,
    wait::{DEADLINE, eventually},
};
use serde_json::json;

use crate::gateway::{ORGANIZATION, PROMETHEUS, Plan, configuration, of};

#[tokio::test]
async fn until_it_was_fetched_nothing_is_guessed() -> Result<()> {
    for (until_loaded, status, tenant) in [("refuse", 503, None), ("default", 200, Some("platform"))] {
        let mut plan = Plan::new()?;
        plan.table()?["until_loaded"] = json!(until_loaded);
        plan.kubernetes.label("shop", ORGANIZATION, "org-a");
        plan.kubernetes.state().token = "another".to_owned();
        let world = plan.start().await?;
        world.kubernetes.wait_for("a refusal", |state| !state.requests.is_empty()).await?;
        let answer = world.send(vec![of("shop", 1)]).await?.expect(status)?;
        if status == 503 {
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert!(answer.text().contains("its table organisations"), "{answer}");
        }
        {
            let state = world.cortex.state();
            assert_eq!(state.tenants(), tenant.into_iter().collect::<Vec<_>>());
        }
        world.envoy.wait_for_log("the table organisations was not fetched: the answer was 401").await?;
        world.wait_for_metric("refreshes_total", &["outcome=\"not_permitted\""], |count| count > 0).await?;
        assert_eq!(world.metric("loaded", &[]).await?, Some(0));
        // It comes right by itself.
        world.kubernetes.state().token = crate::gateway::TOKEN.to_owned();
        eventually(DEADLINE, || async {
            ensure!(world.goes_to("shop").await? == "org-a");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn failures_keep_the_last_good_one() -> Result<()> {
    let mut plan = Plan::new()?;
    plan.table()?["max_bytes"] = json!("64KiB");
    plan.kubernetes.label("shop", ORGANIZATION, "org-a");
    let world = plan.start().await?;
    world.wait_until("shop", "org-a").await?;
    // The label is another one meanwhile, and nobody can tell.
    world.kubernetes.label("shop", ORGANIZATION, "org-b");
    for (what, outcome) in [
        ("errors", "status"),
        ("no right", "not_permitted"),
        ("a huge answer", "too_large"),
        ("nothing", "empty"),
    ] {
        {
            let mut state = world.kubernetes.state();
            match what {
                "errors" => state.failures = [503; 1000].into(),
                "no right" => state.failures = [403; 1000].into(),
                "a huge answer" => (state.failures, state.padding) = ([].into(), 100_000),
                _ => {
                    state.padding = 0;
                    state.namespaces.clear();
                }
            }
        }
        let tag = format!("outcome=\"{outcome}\"");
        world.wait_for_metric("refreshes_total", &[&tag], |count| count >= 2).await?;
        let found = world.goes_to("shop").await?;
        // Between two of these it may have been fetched once.
        ensure!(found == "org-a" || found == "org-b", "{what}: {found}");
    }
    world.wait_for_metric("age_seconds", &[], |age| age >= 1).await?;
    world.kubernetes.label("shop", ORGANIZATION, "org-c");
    world.wait_until("shop", "org-c").await?;
    Ok(())
}

/// After a trap a new VM serves: it has the table at once, although nobody answers any more.
#[tokio::test]
async fn a_trap_keeps_the_last_good_one() -> Result<()> {
    let plan = Plan::new()?.with_faults()?;
    plan.kubernetes.label("shop", ORGANIZATION, "org-a");
    let world = plan.start().await?;
    world.wait_until("shop", "org-a").await?;
    world.kubernetes.state().failures = vec![500; 100_000].into();
    world.kubernetes.wait_for("failures", |state| state.requests.iter().any(|(_, s)| *s == 500)).await?;
    let token = world.cluster.token(json!({"sub": PROMETHEUS, "aud": ["scopegate"]}));
    for place in ["headers", "body"] {
        let call =
            WriteRequest::of(vec![of("shop", 1)]).push().bearer(&token).header("x-scopegate-fault", place);
        let answer = Client::http1(world.envoy.listener("gateway")?).send(call).await?;
        ensure!(answer.status >= 500, "{answer}");
    }
    eventually(DEADLINE, || async {
        let found = world.goes_to("shop").await?;
        assert_eq!(found, "org-a", "nobody else ever gets it");
        Ok(())
    })
    .await?;
    world.wait_until("shop", "org-a").await?;
    // And it goes on fetching.
    world.kubernetes.state().failures.clear();
    world.kubernetes.label("shop", ORGANIZATION, "org-b");
    world.wait_until("shop", "org-b").await
}

/// A new configuration has the table at once, although nobody answers any more; but what comes from elsewhere is another
/// table, and nothing is guessed from the old one.
#[tokio::test]
async fn a_new_configuration_keeps_the_last_good_one_of_the_same_source() -> Result<()> {
    let plan = Plan::new()?;
    plan.kubernetes.label("shop", ORGANIZATION, "org-a");
    let (mut world, mut listener) = plan.start_from_file().await?;
    world.wait_until("shop", "org-a").await?;
    assert_eq!(world.goes_to("").await?, "platform");
    world.kubernetes.state().failures = vec![500; 100_000].into();
    world.kubernetes.wait_for("failures", |state| state.requests.iter().any(|(_, s)| *s == 500)).await?;

    let changed = configuration(&mut listener)?;
    changed["callers"][0]["tenants"] = json!(["moved"]);
    changed["tables"]["organisations"]["kubernetes"]["refresh"] = json!("500ms");
    let renamed = changed["tables"]["organisations"].take();
    changed["tables"] = json!({"renamed": renamed});
    for backend in ["metrics", "logs"] {
        changed["write"][backend]["tenant"][0]["table"] = json!("renamed");
    }
    world.update(&listener)?;
    eventually(DEADLINE, || async {
        let answer = world.send(vec![of("shop", 1)]).await?;
        ensure!(answer.status == 200, "never refused: {answer}");
        let own = world.goes_to("").await?;
        ensure!(own == "moved", "still {own}");
        Ok(())
    })
    .await?;
    assert_eq!(world.goes_to("shop").await?, "org-a");

    let changed = configuration(&mut listener)?;
    changed["tables"]["renamed"]["kubernetes"]["label"] = json!("another/label");
    world.update(&listener)?;
    eventually(DEADLINE, || async {
        let answer = world.send(vec![of("shop", 1)]).await?;
        ensure!(answer.status == 503, "{answer}");
        Ok(())
    })
    .await
}
