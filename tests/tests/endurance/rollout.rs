//! A gateway is taken into use step by step, and back, while Envoy runs: observed, for a share of the callers, for all,
//! observed again. What arrives is byte for byte what each step says.

use anyhow::{Result, ensure};
use scopegate_core::{caller::password_hash, rollout::Seat, tenant::TenantSet};
use scopegate_tests::{
    client::{Call, Protocol},
    identity::basic,
    wait::{DEADLINE, eventually},
};
use serde_json::{Value, json};

use crate::{
    batch::Batch,
    gateway::{KEY, policy},
    updates::Dynamic,
};

const USERS: usize = 10;

fn name(n: usize) -> String {
    format!("team-{n}")
}

fn by(n: usize, call: Call) -> Call {
    call.header("authorization", basic(&name(n), "a long enough secret"))
}

/// The users write for every tenant, in this mode.
fn configuration(mode: &Value) -> Value {
    let mut policy = policy();
    let users: Vec<Value> = (0..USERS)
        .map(|n| {
            let hash = password_hash(KEY.as_bytes(), &name(n), b"a long enough secret");
            json!({"username": name(n), "password": hash.unwrap_or_default()})
        })
        .collect();
    policy["callers"][0]["basic"]["users"] = json!(users);
    policy["mode"] = mode.clone();
    policy["whoami"] = json!({});
    policy
}

/// Who is enforced, when it is this many hundredths of a percent.
fn enforced(share: u16) -> Vec<usize> {
    let seat = |n: &usize| Seat::of("agents", Some(&name(*n)), &TenantSet::default()).number();
    (0..USERS).filter(|n| seat(n) < share).collect()
}

#[tokio::test]
async fn there_and_back() -> Result<()> {
    let steps = [
        (json!("observe"), 0),
        (json!({"enforce_for": "20%"}), 2_000),
        (json!({"enforce_for": "60%"}), 6_000),
        (json!("enforce"), 10_000),
        (json!({"enforce_for": "20%"}), 2_000),
        (json!("observe"), 0),
    ];
    let some = enforced(2_000);
    assert!(!some.is_empty() && some.len() < enforced(6_000).len() && enforced(6_000).len() < USERS);
    let mut dynamic = Dynamic::start(&configuration(&steps[0].0)).await?;
    // The same bodies at every step: what a gateway remembered of one must not show in the next.
    let batches: Vec<Batch> = (0..USERS).map(|_| Batch::of(&["team-a", "team-b"])).collect();
    for (number, (mode, share)) in steps.iter().enumerate() {
        if number > 0 {
            dynamic.update(&configuration(mode))?;
        }
        let enforced = enforced(*share);
        in_force(&dynamic, &enforced).await?;
        for (n, batch) in batches.iter().enumerate() {
            for protocol in [Protocol::Http1, Protocol::Http2] {
                let what = format!("{mode}, {}", name(n));
                dynamic.cortex.forget();
                let call = by(n, batch.anonymous().tenant("legacy"));
                dynamic.client(protocol).send(call).await?.expect(200)?;
                let state = dynamic.cortex.state();
                if enforced.contains(&n) {
                    assert_eq!(state.requests.len(), 2, "{what}: {}", state.summary());
                    for received in &state.requests {
                        assert!(batch.is_in(received), "{what}: {}", state.summary());
                        assert_eq!(received.header("authorization"), None, "{what}");
                        assert_eq!(received.header_values("x-scope-orgid").len(), 1, "{what}");
                    }
                    assert_ne!(state.requests[0].tenant, state.requests[1].tenant, "{what}");
                } else {
                    let [received] = state.requests.as_slice() else { panic!("{what}: {}", state.summary()) };
                    assert_eq!(received.body, batch.body(), "{what}");
                    assert_eq!(received.header_values("x-scope-orgid"), [b"legacy"], "{what}");
                    let credentials = basic(&name(n), "a long enough secret");
                    assert_eq!(received.header("authorization"), Some(credentials.as_str()), "{what}");
                }
            }
        }
        // Whatever was said before, the gauge says what is now: the callers' entry, and who is not recognised. Envoy may go
        // back to a configuration that it still has; then the next requests say it.
        let open = if *share == 10_000 { 0 } else { 2 };
        eventually(DEADLINE, || async {
            in_force(&dynamic, &enforced).await?;
            let gauges = dynamic.envoy.admin()?.stats("scopegate_not_enforced").await?;
            ensure!(gauges.values().eq([&open]), "{mode}: {gauges:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Waits until just these users are enforced.
async fn in_force(dynamic: &Dynamic, enforced: &[usize]) -> Result<()> {
    eventually(DEADLINE, || async {
        for n in 0..USERS {
            let call = by(n, Call::get("/-/scopegate/whoami"));
            let page = dynamic.client(Protocol::Http1).send(call).await?.expect(200)?.json()?;
            ensure!(page["enforced"]["metrics"] == enforced.contains(&n), "{n}: {page}");
        }
        Ok(())
    })
    .await
}
