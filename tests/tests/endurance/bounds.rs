//! Bounds on what is under way: how many calls of one request, of one worker, and how many bytes.

use anyhow::Result;
use scopegate_tests::{
    client::{Answer, Protocol},
    cortex::{Fault, Gate, Outcome, State},
};
use serde_json::json;

use crate::{
    batch::{Batch, assert_all_received},
    gateway::{Builder, Gateway, OWN, bounded},
};

/// Requests that the stand-in has not answered.
fn open(state: &State) -> usize {
    state.requests.iter().filter(|request| request.outcome == Outcome::Open).count()
}

/// A gate before each of these tenants.
fn gates(gateway: &Gateway, tenants: &[String]) -> Vec<Gate> {
    tenants
        .iter()
        .map(|tenant| {
            let gate = Gate::new();
            gateway.cortex.fault(tenant, Fault::hold(&gate));
            gate
        })
        .collect()
}

#[track_caller]
fn assert_busy(answer: &Answer, limit: &str) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer}");
    let text = answer.text();
    assert!(text.starts_with("scopegate: the gateway is busy: ") && text.contains(limit), "{text}");
}

/// Ten parts, three at once: an answer makes room for exactly one more.
#[tokio::test]
async fn parts_go_in_waves() -> Result<()> {
    const AT_ONCE: usize = 3;
    let tenants: Vec<_> = (0..10).map(|number| format!("team-{number}")).collect();
    let policy = bounded(json!({}), json!({"calls_per_request": AT_ONCE}));
    let gateway = Builder::new("gateway", &policy).upstream(Protocol::Http1).start().await?;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        gateway.cortex.forget();
        let gates = gates(&gateway, &tenants);
        let batch = Batch::of(&tenants);
        let mut exchange = gateway.client(protocol)?.open(batch.push()).await?;
        exchange.end();
        for answered in 0..tenants.len() {
            let arrived = tenants.len().min(answered + AT_ONCE);
            let mut most = 0;
            gateway
                .cortex
                .wait_for("the next part", |state| {
                    most = most.max(open(state));
                    state.requests.len() >= arrived
                })
                .await?;
            gateway.wait_for_calls((arrived - answered) as u64).await?;
            assert!(most <= AT_ONCE, "{most} at once");
            // Sometimes the newest is answered first, sometimes the oldest.
            let next = {
                let state = gateway.cortex.state();
                let mut waiting = state.requests.iter().filter(|request| request.outcome == Outcome::Open);
                let next = if answered % 2 == 0 { waiting.next_back() } else { waiting.next() };
                next.and_then(|request| request.tenant.clone())
            };
            let position = tenants.iter().position(|tenant| Some(tenant) == next.as_ref());
            gates[position.unwrap_or_default()].open();
        }
        exchange.finish().await?.expect(200)?;
        assert_all_received("in waves", &gateway.cortex.state(), &[&batch]);
        gateway.wait_for_rest().await?;
        for tenant in &tenants {
            gateway.cortex.heal(tenant);
        }
    }
    Ok(())
}

/// Envoy itself counts: a cluster that takes one request at a time takes fifty parts, one after the other.
#[tokio::test]
async fn one_at_a_time_is_never_two() -> Result<()> {
    let policy = bounded(json!({"cluster": "tight"}), json!({"calls_per_request": 1}));
    let gateway = Gateway::start(&policy).await?;
    let tenants: Vec<_> = (0..50).map(|number| format!("team-{number}")).collect();
    let batch = Batch::of(&tenants);
    gateway.client(Protocol::Http1)?.send(batch.push()).await?.expect(200)?;
    assert_all_received("one at a time", &gateway.cortex.state(), &[&batch]);
    Ok(())
}

/// Whoever got one call goes on with it to the end; whoever gets none is refused, and nothing of it arrives.
#[tokio::test]
async fn calls_of_a_worker_run_out() -> Result<()> {
    let gateway = Gateway::start(&bounded(json!({}), json!({"calls_per_worker": 3}))).await?;
    let tenants: Vec<_> = (0..5).map(|number| format!("team-{number}")).collect();
    let gates = gates(&gateway, &tenants);
    let client = gateway.client(Protocol::Http1)?;
    let (two, three) = (Batch::of(&tenants[..2]), Batch::of(&tenants[2..]));
    let mut first = client.open(two.push()).await?;
    first.end();
    gateway.cortex.wait_for("two parts", |state| state.requests.len() == 2).await?;
    let mut second = client.open(three.push()).await?;
    second.end();
    gateway.cortex.wait_for("one part more", |state| state.requests.len() == 3).await?;
    gateway.wait_for_calls(3).await?;
    for tenants in [&tenants[..2], &["team-x".to_owned(), "team-y".to_owned()]] {
        assert_busy(&client.send(Batch::of(tenants).push()).await?, "(limits.calls_per_worker)");
    }
    // What needs no call of ours goes on.
    let own = Batch::of(&[OWN]);
    client.send(own.push()).await?.expect(200)?;

    gates.iter().for_each(Gate::open);
    first.finish().await?.expect(200)?;
    second.finish().await?.expect(200)?;
    let last = Batch::of(&tenants);
    client.send(last.push()).await?.expect(200)?;
    assert_all_received("in the end", &gateway.cortex.state(), &[&two, &three, &own, &last]);
    gateway.wait_for_rest().await
}

/// Bytes count until their parts are answered, one by one.
#[tokio::test]
async fn bytes_of_a_worker_run_out() -> Result<()> {
    let gateway = Gateway::start(&bounded(json!({}), json!({"held_bytes_per_worker": "64KiB"}))).await?;
    let tenants = ["team-0".to_owned(), "team-1".to_owned()];
    let gates = gates(&gateway, &tenants);
    let client = gateway.client(Protocol::Http2)?;
    // Two parts of three series of 8 KiB.
    let large = Batch::padded(8 << 10, &tenants);
    let mut exchange = client.open(large.push()).await?;
    exchange.end();
    gateway.cortex.wait_for("both parts", |state| state.requests.len() == 2).await?;
    assert_busy(
        &client.send(Batch::padded(8 << 10, &["team-x", "team-y"]).push()).await?,
        "(limits.held_bytes_per_worker)",
    );
    // What no worker could ever hold had better not come again.
    let answer = client.send(Batch::padded(16 << 10, &["team-x", "team-y"]).push()).await?.expect(413)?;
    assert_eq!(
        (answer.header("retry-after"), answer.text().as_str()),
        (
            None,
            "scopegate: the parts of this request are larger than 65536 bytes (limits.held_bytes_per_worker); \
            send smaller batches\n"
        )
    );
    // What is small enough finds room, and what goes on by Envoy's own route is not held here.
    let (small, own) = (Batch::of(&["team-x", "team-y"]), Batch::padded(100 << 10, &[OWN]));
    client.send(small.push()).await?.expect(200)?;
    client.send(own.push()).await?.expect(200)?;

    // One answer makes room for what was refused.
    gates[0].open();
    gateway.wait_for_calls(1).await?;
    let other = Batch::padded(6 << 10, &["team-x", "team-y"]);
    client.send(other.push()).await?.expect(200)?;
    gates[1].open();
    exchange.finish().await?.expect(200)?;
    assert_all_received("in the end", &gateway.cortex.state(), &[&large, &small, &own, &other]);
    gateway.wait_for_rest().await
}
