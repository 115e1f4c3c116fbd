//! `FAIL_CLOSED`: after a trap the worker refuses everything, for good.

use anyhow::Result;
use scopegate_tests::{
    client::{Call, Protocol},
    cortex::{EVERYBODY, Fault, Gate},
};

use super::{OWN, Shipped, TENANTS, assert_failed, batch, push};
use crate::batch::assert_all_received;

impl Shipped {
    /// Sends requests of every kind, on connections of their own; all are refused.
    async fn assert_closed(&self) -> Result<()> {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            for (what, call) in [
                ("a split", push(&batch(&TENANTS))),
                ("a write", push(&batch(&[OWN]))),
                ("a query", self.query()),
                ("nobody's write", batch(&[OWN]).anonymous()),
                ("a write with a tenant", batch(&[OWN]).anonymous().tenant("team-a")),
                ("an unknown path", Call::get("/").tenant("team-a")),
            ] {
                assert_failed(what, &self.client(protocol)?.send(call).await?);
            }
        }
        Ok(())
    }
}

async fn closes(place: &str) -> Result<()> {
    let shipped = Shipped::start("FAIL_CLOSED", 1).await?;
    let gate = Gate::new();
    shipped.cortex.fault(EVERYBODY, Fault::hold(&gate));
    let held = batch(&TENANTS);
    let pending = shipped.spawn(Protocol::Http1, push(&held))?;
    shipped.cortex.wait_for("the parts", |state| state.requests.len() == 2).await?;
    shipped.cortex.heal(EVERYBODY);
    let victim = batch(&["team-d", "team-e"]);
    let call = push(&victim).header("x-scopegate-fault", place);
    let trapped = shipped.spawn(Protocol::Http2, call)?;
    shipped.envoy.wait_for_log("Uncaught RuntimeError: unreachable").await?;
    shipped.assert_closed().await?;
    gate.open();
    assert_failed("what was under way", &pending.await??);
    assert_failed("the one that trapped", &trapped.await??);
    // The idle time has passed, longer than a VM takes to come back, and none has.
    shipped.assert_closed().await?;
    shipped.wait_for_rest().await?;
    let arrived = if place == "answer" { vec![&held, &victim] } else { vec![&held] };
    assert_all_received(place, &shipped.cortex.state(), &arrived);
    Ok(())
}

#[tokio::test]
async fn nothing_passes_after_a_trap_in_the_headers() -> Result<()> {
    closes("headers").await
}

#[tokio::test]
async fn nothing_passes_after_a_trap_in_an_answer() -> Result<()> {
    closes("answer").await
}

#[tokio::test]
async fn one_worker_is_closed_after_the_other() -> Result<()> {
    let shipped = Shipped::start("FAIL_CLOSED", 2).await?;
    let [mut first, mut second] = shipped.connections().await?;
    let victim = || push(&batch(&TENANTS)).header("x-scopegate-fault", "body");
    assert_failed("the first that trapped", &first.send(victim()).await?);
    let mut arrived = Vec::new();
    for _ in 0..20 {
        let batch = batch(&TENANTS);
        assert_failed("the first worker", &first.send(push(&batch)).await?);
        second.send(push(&batch)).await?.expect(200)?;
        arrived.push(batch);
    }
    assert_failed("the second that trapped", &second.send(victim()).await?);
    for _ in 0..20 {
        for connection in [&mut first, &mut second] {
            assert_failed("a worker", &connection.send(push(&batch(&TENANTS))).await?);
        }
    }
    shipped.assert_closed().await?;
    shipped.wait_for_rest().await?;
    assert_all_received("over two workers", &shipped.cortex.state(), &arrived.iter().collect::<Vec<_>>());
    Ok(())
}
