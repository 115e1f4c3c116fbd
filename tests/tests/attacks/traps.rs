//! The filter traps again and again while honest requests and attacks come: whatever its failure policy, nothing arrives
//! that it did not judge.

use std::time::Duration;

use anyhow::{Result, ensure};
use scopegate_tests::bootstrap::faults_module;
use scopegate_tests::client::{Call, Client};
use scopegate_tests::identity::{Issuer, basic};
use scopegate_tests::remote_write::{WriteRequest, series};
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::json;

use crate::gateway::{Gateway, QUERY, TENANCY, Upstream, as_agent, clean, configuration, plugin};

/// How often each kind of request comes.
const ROUNDS: usize = 6;
/// Streams that hang for a call of a VM that is gone end by Envoy's own limits.
const PATIENCE: Duration = Duration::from_secs(90);

/// Who sends what, and whether it may be served.
fn storm(gateway: &Gateway) -> Vec<(&'static str, Call, bool)> {
    let (a, other) = (gateway.user("a"), gateway.other.token(json!({"tenant": "evil"})));
    let forged = Issuer::new("https://idp.test").token(json!({"tenant": "evil"}));
    let push = || WriteRequest::realistic(2).push();
    let to = |tenant: &str| series(&[("__name__", "up"), ("zz_as", tenant)], 1, 1.0);
    let split = || {
        let call = WriteRequest::of(vec![to("cluster-1"), to("cluster-2")]).push();
        as_agent(call).header("x-scope-impersonate", "true")
    };
    let stolen = TENANCY.iter().fold(Call::get(QUERY), |call, name| call.header(name, "evil"));
    let mut storm = vec![
        ("a query", Call::get(QUERY).bearer(&a), true),
        ("a write", push().bearer(&a), true),
        ("a split", split(), true),
        ("tenancy by nobody", stolen, false),
        ("a write for another", push().tenant("evil"), false),
        ("a foreign tenant", Call::get(QUERY).bearer(&a).tenant("evil"), false),
        ("a forged token", Call::get(QUERY).bearer(&forged).tenant("evil"), false),
        ("another issuer", Call::get(QUERY).bearer(&other).tenant("evil"), false),
        ("a wrong password", push().header("authorization", basic("agent", "x")).tenant("evil"), false),
        ("a closed path", Call::get("/config").bearer(&a), false),
        ("two paths in one", Call::get("/prometheus/../config").bearer(&a), false),
    ];
    for place in ["headers", "body", "answer"] {
        for (what, call) in [
            ("a trap in a split", split()),
            ("a trap in a write", push().bearer(&a)),
            ("a trap by nobody", push().tenant("evil")),
        ] {
            storm.push((what, call.header("x-scopegate-fault", place), what != "a trap by nobody"));
        }
    }
    storm
}

async fn rages(failure_policy: &str) -> Result<()> {
    let module = faults_module();
    ensure!(module.is_file(), "no module with faults at {}", module.display());
    let idp = Issuer::new("https://idp.test");
    let jwks = idp.jwks();
    let plugin = plugin(&configuration()).module(&module).set("failure_policy", json!(failure_policy));
    let gateway = Gateway::listening(
        Upstream::Http2,
        idp,
        &jwks,
        plugin,
        |filter| filter,
        // A stream that waits for a VM that is gone ends by these.
        |listener| listener.durations("10s", "5s"),
    )
    .await?;
    let clients = [gateway.http1()?, gateway.http2()?].map(|client| client.deadline(PATIENCE));
    let (mut served, mut failed) = (0, 0);
    for _ in 0..ROUNDS {
        let mut pending = Vec::new();
        for (what, call, honest) in storm(&gateway) {
            for client in clients {
                pending.push((what, honest, tokio::spawn(send(client, call.clone()))));
            }
        }
        for (what, honest, pending) in pending {
            match pending.await?? {
                200 => {
                    ensure!(honest, "{what} was served");
                    served += 1;
                }
                // Envoy's word for a stream that hung is one of these.
                408 | 500..=599 => failed += 1,
                status => ensure!(!honest && (400..500).contains(&status), "{what}: {status}"),
            }
        }
    }
    ensure!(failed > 0, "nothing trapped");
    {
        let state = gateway.cortex.state();
        ensure!(state.requests.len() >= served, "{} of {served} arrived", state.requests.len());
        state.requests.iter().try_for_each(clean)?;
    }
    // A worker that is closed stays so; one that is made anew serves.
    let client = gateway.http2()?;
    let query = || Call::get(QUERY).bearer(&gateway.user("a"));
    if failure_policy == "FAIL_RELOAD" {
        eventually(DEADLINE, || async { client.send(query()).await?.expect(200).map(drop) }).await?;
    } else {
        for _ in 0..20 {
            client.send(query()).await?.expect(503)?;
        }
    }
    Ok(())
}

async fn send(client: Client, call: Call) -> Result<u16> {
    Ok(client.send(call).await?.status)
}

#[tokio::test]
async fn a_storm_while_the_filter_is_made_anew() -> Result<()> {
    rages("FAIL_RELOAD").await
}

#[tokio::test]
async fn a_storm_while_the_filter_closes() -> Result<()> {
    rages("FAIL_CLOSED").await
}
