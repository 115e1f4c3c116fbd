//! What is remembered of a request for when it comes again outlives the VM that noted it, and is never more than what
//! that VM knew.

use anyhow::Result;
use scopegate_tests::{client::Protocol, cortex::Fault};

use super::{Shipped, assert_failed, batch, push};
use crate::batch::assert_received;

/// None of those that other requests here are for.
const TENANTS: [&str; 3] = ["team-x", "team-y", "team-z"];

/// Traps the one worker's VM with a request that nobody else sees, and waits for the next VM.
async fn trap(shipped: &Shipped) -> Result<()> {
    let call = push(&batch(&TENANTS)).header("x-scopegate-fault", "headers");
    let answer = shipped.client(Protocol::Http1)?.send(call).await?;
    assert_failed("the one that trapped", &answer);
    shipped.recovered(Protocol::Http1).await?;
    Ok(())
}

#[tokio::test]
async fn what_was_settled_is_still_known() -> Result<()> {
    let shipped = Shipped::start("FAIL_RELOAD", 1).await?;
    let sent = batch(&TENANTS);
    shipped.cortex.fault("team-y", Fault::answer(503).times(2));
    for _ in 0..2 {
        shipped.client(Protocol::Http1)?.send(push(&sent)).await?.expect(503)?;
        trap(&shipped).await?;
    }
    let answer = shipped.client(Protocol::Http1)?.send(push(&sent)).await?.expect(200)?;
    let outcome = answer.header("x-scopegate-outcome").unwrap_or_default();
    assert!(outcome.contains("team-x=200;before") && outcome.contains("team-y=200,"), "{outcome}");
    let mut state = shipped.cortex.state();
    state.requests.retain(|request| sent.is_in(request));
    let parts = [("team-x", 1), ("team-y", 3), ("team-z", 1)];
    assert_received("over two traps", &state, &[(&sent, &parts)]);
    Ok(())
}

/// Parts that were on their way when the VM failed count as not sent, although they arrived.
#[tokio::test]
async fn what_no_vm_saw_settled_is_sent_again() -> Result<()> {
    let shipped = Shipped::start("FAIL_RELOAD", 1).await?;
    let sent = batch(&TENANTS);
    let call = push(&sent).header("x-scopegate-fault", "answer");
    assert_failed("the one that trapped", &shipped.client(Protocol::Http1)?.send(call).await?);
    shipped.recovered(Protocol::Http1).await?;
    shipped.client(Protocol::Http1)?.send(push(&sent)).await?.expect(200)?;
    shipped.wait_for_rest().await?;
    let mut state = shipped.cortex.state();
    state.requests.retain(|request| sent.is_in(request));
    assert_received("over a trap", &state, &[(&sent, &TENANTS.map(|tenant| (tenant, 2)))]);
    Ok(())
}
