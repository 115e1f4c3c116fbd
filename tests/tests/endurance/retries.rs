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

/// What was refused for good meanwhile is told in the end, in words.
#[tokio::test]
async fn a_refusal_is_told_in_the_end() -> Result<()> {
    let gateway = start(&json!({})).await?;
    let [mut one, mut two] = connections(&gateway, Protocol::Http2).await?;
    let batch = Batch::of(&TENANTS);
    gateway.cortex.fault("team-a", Fault::answer(400).body("too many labels\nand more").times(1));
    gateway.cortex.fault("team-b", Fault::reset().times(1));
    gateway.cortex.fault("team-c", Fault::answer(429).header("retry-after", "7").times(2));
    let first = one.send(batch.push()).await?.expect(503)?;
    assert_eq!(first.header("retry-after"), Some("7"));
    let second = two.send(batch.push()).await?.expect(429)?;
    assert_eq!(outcome(&second), ["team-a=400;before", "team-b=200", "team-c=429", "team-d=200;before"]);
    let third = one.send(batch.push()).await?.expect(400)?;
    assert_eq!(
        third.text(),
        "scopegate: 1 of 4 tenants did not accept their part.\ntenant team-a: 400 too many labels\n"
    );
    let parts = [("team-a", 1), ("team-b", 2), ("team-c", 3), ("team-d", 1)];
    assert_received("in the end", &gateway.cortex.state(), &[(&batch, &parts)]);
    let stats = gateway.admin()?.stats("scopegate_parts_total").await?;
    let of = |outcome: &str| stats.iter().find(|(name, _)| name.contains(outcome)).map(|(_, count)| *count);
    assert_eq!((of("=remembered"), of("=not_sent_again"), of("not_remembered")), (Some(3), Some(5), None));
    Ok(())
}

/// How a tenant answers its parts one after the other, and whether that settles it.
fn fault(kind: u32) -> Option<Fault> {
    match kind % 8 {
        0 | 1 => Some(Fault::answer(503).times(1)),
        2 => Some(Fault::answer(500).body("boom").times(1)),
        3 => Some(Fault::reset().times(1)),
        4 => Some(Fault::break_off(200).times(1)),
        5 => Some(Fault::answer(429).times(1)),
        _ => None,
    }
}

/// Senders that come again until all is well, on both workers at once, while failures come and go: every tenant accepts
/// each of its parts exactly once.
#[tokio::test]
async fn failures_come_and_go() -> Result<()> {
    const SENDERS: usize = 8;
    const BATCHES: usize = 12;
    let gateway = start(&json!({})).await?;
    let mut senders = Vec::new();
    let mut seed = 1_u32;
    let mut faults = 0;
    for _ in 0..SENDERS * BATCHES {
        for tenant in TENANTS {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if let Some(fault) = fault(seed >> 16) {
                gateway.cortex.fault(tenant, fault);
                faults += 1;
            }
        }
    }
    for number in 0..SENDERS {
        let mut connections = connections(&gateway, [Protocol::Http1, Protocol::Http2][number % 2]).await?;
        let batches: Vec<_> = (0..BATCHES).map(|_| Batch::of(&TENANTS)).collect();
        senders.push(tokio::spawn(async move {
            for (number, batch) in batches.iter().enumerate() {
                // Each attempt is on the other worker. There are fewer faults than attempts.
                for attempt in 0.. {
                    let answer = connections[(number + attempt) % 2].send(batch.push()).await?;
                    if answer.status == 200 {
                        break;
                    }
                    ensure!([429, 503].contains(&answer.status) && attempt < faults, "{answer}");
                }
            }
            anyhow::Ok(batches)
        }));
    }
    let mut batches = Vec::new();
    for sender in senders {
        batches.extend(sender.await??);
    }
    let state = gateway.cortex.state();
    let mut failed = 0;
    for batch in &batches {
        for tenant in TENANTS {
            let answers = answers(&state, batch, tenant);
            let accepted = answers.iter().filter(|answer| **answer == Outcome::Answered(200)).count();
            assert_eq!(accepted, 1, "{tenant} answered {answers:?}");
            assert_eq!(answers.last(), Some(&Outcome::Answered(200)), "{tenant}");
            failed += answers.len() - 1;
        }
    }
    assert_eq!((batches.len(), failed), (SENDERS * BATCHES, faults), "every fault was met");
    Ok(())
}

/// The options: a rate limit that is dropped, and samples that nobody misses.
#[tokio::test]
async fn options_decide_what_the_sender_hears() -> Result<()> {
    let gateway = start(&json!({"rate_limited": "drop", "soft_errors": "success"})).await?;
    let old = "user=team-b: err: out of bounds. timestamp=2020-01-01T00:00:00Z, series={__name__=\"up\"}\n";
    gateway.cortex.fault("team-a", Fault::answer(429).times(1));
    gateway.cortex.fault("team-b", Fault::answer(400).body(old).times(1));
    let client = gateway.client(Protocol::Http1)?;
    let batch = Batch::of(&TENANTS);
    let answer = client.send(batch.push()).await?.expect(200)?;
    assert_eq!(outcome(&answer), ["team-a=429;dropped", "team-b=400;soft", "team-c=200", "team-d=200"]);
    // A tenant that is alone in its request is answered by the same rules, and gets the body as it came.
    let alone = Batch::of(&["team-a"]);
    gateway.cortex.fault("team-a", Fault::answer(429).times(1));
    let answer = client.send(alone.push()).await?.expect(200)?;
    assert_eq!(outcome(&answer), ["team-a=429;dropped"]);
    let (once, all) = ([("team-a", 1)], TENANTS.map(|tenant| (tenant, 1)));
    assert_received("each once", &gateway.cortex.state(), &[(&batch, &all), (&alone, &once)]);
    let stats = gateway.admin()?.stats("scopegate_series_total").await?;
    let dropped = stats.iter().find(|(name, _)| name.contains("rate_limited")).map(|(_, count)| *count);
    assert_eq!(dropped, Some(6), "{stats:?}");
    Ok(())
}

/// A tenant that keeps failing stops holding up the others, and comes back once it accepts again.
#[tokio::test]
async fn a_tenant_that_keeps_failing_is_given_up() -> Result<()> {
    let gateway = start(&json!({"give_up": {"attempts": 5, "try_every": "1s"}})).await?;
    let mut connections = connections(&gateway, Protocol::Http1).await?;
    gateway.cortex.fault("team-b", Fault::answer(500).body("the ring is broken"));
    let batch = Batch::of(&TENANTS);
    for attempt in 0..4 {
        connections[attempt % 2].send(batch.push()).await?.expect(503)?;
    }
    let answer = connections[0].send(batch.push()).await?.expect(400)?;
    assert_eq!(
        answer.text(),
        "scopegate: 1 of 4 tenants did not accept their part.\ntenant team-b: given up: 500 the ring is broken\n"
    );
    // Both workers know of it, and it is tried about once a second.
    let mut next = 0;
    let mut batches = Vec::new();
    let tried = |state: &State| state.of("team-b").count();
    while tried(&gateway.cortex.state()) < 8 {
        let batch = Batch::of(&TENANTS);
        next += 1;
        connections[next % 2].send(batch.push()).await?.expect(400)?;
        batches.push(batch);
    }
    assert!(batches.len() > 10, "{} batches for three tries", batches.len());
    for batch in &batches {
        for tenant in ["team-a", "team-c", "team-d"] {
            let answers = answers(&gateway.cortex.state(), batch, tenant);
            assert_eq!(answers, [Outcome::Answered(200)], "{tenant}");
        }
    }
    gateway.cortex.heal("team-b");
    let back = eventually(DEADLINE, || async {
        let batch = Batch::of(&TENANTS);
        gateway.client(Protocol::Http1)?.send(batch.push()).await?.expect(200)
    })
    .await?;
    assert_eq!(outcome(&back), TENANTS.map(|tenant| format!("{tenant}=200")));
    Ok(())
}
