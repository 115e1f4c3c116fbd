//! The same proof again: to the same worker, to others at the same moment, to another
//! listener. Each is good once.

use anyhow::{Context, Result, ensure};
use scopegate_tests::client::Call;
use tokio::task::JoinSet;

use crate::gateway::{Gateway, agent, for_others, refused, write};

#[tokio::test]
async fn a_proof_is_good_once() -> Result<()> {
    let gateway = Gateway::start(2).await?;
    let query = Call::query("/prometheus/api/v1/query", &[("query", "up")]);
    for (what, call) in [("a write", write("up").push()), ("for others", for_others()), ("a query", query)] {
        let call = agent().sign(call);
        // One connection is one worker.
        let mut connection = gateway.http2("both")?.connect().await?;
        connection.send(call.clone()).await?.expect(200).context(what)?;
        gateway.cortex.forget();
        refused(what, &connection.send(call.clone()).await?, 401, "was used before")?;
        for _ in 0..8 {
            refused(what, &gateway.http2("both")?.send(call.clone()).await?, 401, "was used before")?;
        }
        gateway.nothing_arrived(what);
    }
    // Both listeners are of one process.
    let call = scopegate_tests::session::Session::new("local", "central", crate::gateway::NEW)
        .sign(write("up").push());
    gateway.http1("new")?.send(call.clone()).await?.expect(200)?;
    refused("at another listener", &gateway.http1("both")?.send(call).await?, 401, "was used before")
}

/// Whoever sees a proof on its way can use it up, but for nothing else than the request it is for.
#[tokio::test]
async fn a_proof_is_used_up_by_its_head() -> Result<()> {
    let gateway = Gateway::start(2).await?;
    let call = agent().sign(write("up").push());
    let other = call.clone().body("something else");
    refused("another body", &gateway.http1("both")?.send(other).await?, 401, "another body")?;
    refused("the right one", &gateway.http1("both")?.send(call).await?, 401, "was used before")?;
    // One that proves nothing uses up nothing.
    let call = agent().sign(write("up").push());
    let to_another_path = Call::post("/api/prom/push", call.whole_body());
    let proof = agent().proof("POST", "/api/v1/push", &call.whole_body());
    let header = scopegate_core::session::HEADER;
    refused(
        "another path",
        &gateway.http1("both")?.send(to_another_path.header(header, &proof)).await?,
        401,
        "not good",
    )?;
    gateway.nothing_arrived("before");
    gateway.http1("both")?.send(write("up").push().header(header, &proof)).await?.expect(200)?;
    Ok(())
}

/// Four workers are given the same proofs at the same time: of each exactly one is taken.
#[tokio::test(flavor = "multi_thread")]
async fn workers_agree() -> Result<()> {
    const PROOFS: usize = 40;
    const TIMES: usize = 8;
    let gateway = Gateway::start(4).await?;
    let mut connections = Vec::new();
    for _ in 0..TIMES {
        connections.push(gateway.http2("both")?.connect().await?);
    }
    for round in 0..PROOFS {
        let call = agent().sign(write("up").push());
        let mut sent = JoinSet::new();
        for mut connection in connections.drain(..) {
            let call = call.clone();
            sent.spawn(async move { (connection.send(call).await, connection) });
        }
        let mut good = 0;
        while let Some(done) = sent.join_next().await {
            let (answer, connection) = done?;
            let answer = answer?;
            match answer.status {
                200 => good += 1,
                _ => refused("again", &answer, 401, "was used before")?,
            }
            connections.push(connection);
        }
        ensure!(good == 1, "round {round}: {good} were taken");
    }
    let arrived = gateway.cortex.state().requests.len();
    ensure!(arrived == PROOFS, "{arrived} arrived");
    // It was more than one worker that answered.
    let page = gateway.envoy.admin()?.get("/stats?filter=worker_.*downstream_cx_total").await?;
    let busy = page.lines().filter(|line| line.contains("both") || line.contains("listener."));
    let busy = busy.filter(|line| !line.ends_with(": 0")).count();
    ensure!(busy > 1, "one worker has answered all: {page}");
    Ok(())
}
