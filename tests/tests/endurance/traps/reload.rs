//! `FAIL_RELOAD`, one worker: what becomes of everything that was under way when the VM failed.

use anyhow::Result;
use scopegate_tests::{
    client::{Exchange, Protocol},
    cortex::{EVERYBODY, Fault, Gate},
};

use super::{OWN, Pending, Shipped, TENANTS, assert_failed, batch, push};
use crate::batch::{Batch, assert_all_received};

/// Requests at every stage, and what of them the backend has seen.
struct UnderWay {
    pending: Vec<(&'static str, Pending)>,
    uploading: Vec<(&'static str, Exchange)>,
    arrived: Vec<Batch>,
    gate: Gate,
}

impl UnderWay {
    async fn start(shipped: &Shipped) -> Result<Self> {
        let gate = Gate::new();
        shipped.cortex.fault(EVERYBODY, Fault::hold(&gate));
        let (first, second, own) = (batch(&TENANTS), batch(&["team-a", "team-c"]), batch(&[OWN]));
        let pending = vec![
            ("a split over HTTP/1", shipped.spawn(Protocol::Http1, push(&first))?),
            ("a split over HTTP/2", shipped.spawn(Protocol::Http2, push(&second))?),
            ("a forwarded write", shipped.spawn(Protocol::Http1, push(&own))?),
        ];
        let mut uploading = Vec::new();
        for (what, protocol) in
            [("an upload over HTTP/1", Protocol::Http1), ("an upload over HTTP/2", Protocol::Http2)]
        {
            let half = batch(&TENANTS).body()[..50].to_vec();
            let call = push(&batch(&TENANTS)).chunks([half]);
            uploading.push((what, shipped.client(protocol)?.open(call).await?));
        }
        // Its head is with the backend, tenant and all, and the rest of its body is to come.
        let query = shipped.query().chunks(["query="]);
        uploading.push(("a query", shipped.client(Protocol::Http2)?.open(query).await?));
        let under_way = (pending.len() + uploading.len()) as u64;
        shipped
            .cortex
            .wait_for("what was sent", |state| state.requests.len() == 5 && state.counts().begun == 6)
            .await?;
        shipped.wait_for_requests(under_way).await?;
        shipped.cortex.heal(EVERYBODY);
        Ok(Self { pending, uploading, arrived: vec![first, second, own], gate })
    }
}

/// What the test of one place does with the calls that were under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// They are answered while the failed VM is still there.
    Before,
    /// They are answered once a new VM serves.
    After,
}

async fn trapped(place: &str, answers: Answers) -> Result<()> {
    let shipped = Shipped::start("FAIL_RELOAD", 1).await?;
    let UnderWay { mut pending, uploading, mut arrived, gate } = UnderWay::start(&shipped).await?;

    let victim = batch(&["team-d", "team-e"]);
    let call = push(&victim).header("x-scopegate-fault", place);
    pending.push(("the one that trapped", shipped.spawn(Protocol::Http1, call)?));
    shipped.envoy.wait_for_log("Uncaught RuntimeError: unreachable").await?;
    if place == "answer" {
        // Both of its parts were on their way before.
        arrived.push(victim);
    }
    if answers == Answers::Before {
        gate.open();
    }
    // What arrives of them from now on, no filter sees.
    for (what, mut exchange) in uploading {
        // Nobody need read it any more.
        let _ = exchange.write("more").await;
        exchange.end();
        assert_failed(what, &exchange.answer().await?);
    }
    arrived.push(shipped.recovered(Protocol::Http1).await?);
    gate.open();
    for (what, pending) in pending {
        assert_failed(what, &pending.await??);
    }

    arrived.push(shipped.recovered(Protocol::Http2).await?);
    shipped.client(Protocol::Http1)?.send(shipped.query()).await?.expect(200)?;
    shipped.wait_for_rest().await?;
    shipped.assert_tenants(&["team-a", "team-b", "team-c", "team-d", "team-e", OWN]);
    let mut state = shipped.cortex.state();
    // The query that broke off is not taken for a whole one.
    let queries: Vec<_> = state.to("/prometheus/api/v1/query").map(|query| query.complete).collect();
    assert_eq!(queries, [false, true], "{}", state.summary());
    state.requests.retain(|request| request.path() == "/api/v1/push");
    assert_all_received(place, &state, &arrived.iter().collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn in_the_headers() -> Result<()> {
    trapped("headers", Answers::Before).await
}

#[tokio::test]
async fn in_the_body() -> Result<()> {
    trapped("body", Answers::After).await
}

#[tokio::test]
async fn in_an_answer() -> Result<()> {
    trapped("answer", Answers::Before).await
}

#[tokio::test]
async fn in_an_answer_before_the_others() -> Result<()> {
    trapped("answer", Answers::After).await
}
