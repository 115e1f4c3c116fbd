//! A sender that is asked to send again: on whichever worker its request arrives, it goes only to the tenants that are
//! left, and in the end everybody has been told what became of every part.

use anyhow::{Context, Result, ensure};
use scopegate_tests::{
    client::{Answer, Call, Connection, Protocol},
    cortex::{Fault, Outcome, State},
    wait::{DEADLINE, eventually},
};
use serde_json::{Value, json};

use crate::{
    batch::{Batch, assert_received},
    gateway::{Builder, Gateway, policy},
};

const TENANTS: [&str; 4] = ["team-a", "team-b", "team-c", "team-d"];

/// A gateway of two workers whose answers follow these rules.
async fn start(answers: &Value) -> Result<Gateway> {
    let mut policy = policy();
    policy["write"]["metrics"]["answers"] = answers.clone();
    Builder::new("gateway", &policy).workers(2).start().await
}

/// A connection to each of the two workers.
async fn connections(gateway: &Gateway, protocol: Protocol) -> Result<[Connection; 2]> {
    let accepted = || async {
        let stats = gateway.admin()?.stats(r"^listener\.127.*worker_\d\.downstream_cx_total$").await?;
        let of = |worker| stats.iter().find(|(name, _)| name.contains(worker)).map_or(0, |(_, count)| *count);
        anyhow::Ok([of("worker_0"), of("worker_1")])
    };
    let mut found = [None, None];
    while let [None, _] | [_, None] = found {
        let before = accepted().await?;
        let connection = gateway.client(protocol)?.connect().await?;
        let after = eventually(DEADLINE, || async {
            let after = accepted().await?;
            ensure!(after != before, "nobody has accepted");
            Ok(after)
        })
        .await?;
        found[usize::from(after[1] > before[1])].get_or_insert(connection);
    }
    let [first, second] = found;
    Ok([first.context("no first worker")?, second.context("no second worker")?])
}

/// How each part of a batch was answered, in the order in which it was sent.
fn answers(state: &State, batch: &Batch, tenant: &str) -> Vec<Outcome> {
    state.of(tenant).filter(|received| batch.is_in(received)).map(|received| received.outcome).collect()
}

/// The outcome header, sorted by tenant.
fn outcome(answer: &Answer) -> Vec<&str> {
    let mut parts: Vec<_> = answer.header("x-scopegate-outcome").unwrap_or_default().split(", ").collect();
    parts.sort_unstable();
    parts
}

/// How the pushes of one batch arrive.
fn ways(batch: &Batch) -> [Call; 3] {
    let body = batch.body();
    let (first, second) = body.split_at(body.len() / 2);
    let whole = batch.push();
    [whole.clone(), whole.clone().chunks([first.to_vec(), second.to_vec()]), whole.trailer("x-end", "yes")]
}

/// Attempt after attempt, each on the other worker: the failing are sent their part again, the others are not.
#[tokio::test]
async fn only_what_failed_is_sent_again() -> Result<()> {
    let gateway = start(&json!({})).await?;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connections = connections(&gateway, protocol).await?;
        for (padding, way) in [(0, 0), (0, 1), (0, 2), (100 << 10, 0), (100 << 10, 1), (100 << 10, 2)] {
            gateway.cortex.forget();
            let batch = Batch::padded(padding, &TENANTS);
            let call = &ways(&batch)[way];
            gateway.cortex.fault("team-b", Fault::answer(503).times(1));
            gateway.cortex.fault("team-c", Fault::answer(500).times(2));
            let what = format!("{protocol:?} {padding} {way}");

            let first = connections[0].send(call.clone()).await?.expect(503)?;
            assert_eq!(outcome(&first), ["team-a=200", "team-b=503", "team-c=500", "team-d=200"], "{what}");
            let second = connections[1].send(call.clone()).await?.expect(503)?;
            assert_eq!(
                outcome(&second),
                ["team-a=200;before", "team-b=200", "team-c=500", "team-d=200;before"],
                "{what}"
            );
            let third = connections[0].send(call.clone()).await?.expect(200)?;
            assert_eq!(
                outcome(&third),
                ["team-a=200;before", "team-b=200;before", "team-c=200", "team-d=200;before"],
                "{what}"
            );
            let parts = [("team-a", 1), ("team-b", 2), ("team-c", 3), ("team-d", 1)];
            assert_received(&what, &gateway.cortex.state(), &[(&batch, &parts)]);
            // Once all is well nothing is remembered: who sends again wants it again.
            connections[1].send(call.clone()).await?.expect(200)?;
            let parts = [("team-a", 2), ("team-b", 3), ("team-c", 4), ("team-d", 2)];
            assert_received(&what, &gateway.cortex.state(), &[(&batch, &parts)]);
        }
    }
    Ok(())
}
