//! Clients that go away in the middle of a split, and what they leave behind.

use anyhow::Result;
use scopegate_tests::{
    client::{Answer, Protocol, raw::Raw},
    cortex::{EVERYBODY, Fault, Gate, Outcome},
    identity::basic,
    wait::{DEADLINE, eventually},
};
use serde_json::json;

use crate::{
    batch::{Batch, assert_all_received, assert_received},
    gateway::{Builder, CREDENTIALS, Gateway, bounded, policy},
};

const TENANTS: [&str; 2] = ["team-a", "team-b"];

/// Waits until Envoy has read so many bytes more than `before` from its clients.
async fn wait_for_bytes(gateway: &Gateway, before: u64, bytes: usize) -> Result<u64> {
    let wanted = before + bytes as u64;
    gateway.admin()?.wait_for_stat("http.gateway.downstream_cx_rx_bytes_total", |read| read >= wanted).await
}

#[tokio::test]
async fn a_body_that_never_ends() -> Result<()> {
    let gateway = Gateway::start(&policy()).await?;
    let mut read = 0;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let batch = Batch::padded(2000, &TENANTS);
        let body = batch.body();
        let half = &body[..body.len() / 2];
        let client = gateway.client(protocol)?;
        let mut exchange = client.open(batch.push().chunks([half.to_vec()])).await?;
        read = wait_for_bytes(&gateway, read, half.len()).await?;
        gateway.wait_for_requests(1).await?;
        // Some more, which need not arrive.
        exchange.write(half[..10].to_vec()).await?;
        exchange.abort();
        gateway.wait_for_rest().await?;

        let next = Batch::of(&TENANTS);
        client.send(next.push()).await?.expect(200)?;
        assert_all_received("after the upload", &gateway.cortex.state(), &[&next]);
        gateway.cortex.forget();
        read = wait_for_bytes(&gateway, read, next.body().len()).await?;
    }

    // A length that was promised, and a connection that is reset, or closed.
    let head = format!(
        "POST /api/v1/push HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n\
        content-encoding: snappy\r\nauthorization: {}\r\ncontent-length: 1000\r\n\r\n",
        basic(CREDENTIALS.0, CREDENTIALS.1)
    );
    for reset in [true, false] {
        let mut raw = Raw::connect(gateway.envoy.address()?).await?;
        raw.write(&head).await?;
        raw.write([b'x'; 500]).await?;
        read = wait_for_bytes(&gateway, read, head.len() + 500).await?;
        gateway.wait_for_requests(1).await?;
        if reset {
            raw.reset()?;
        } else {
            drop(raw);
        }
        gateway.wait_for_rest().await?;
    }
    assert_eq!(gateway.cortex.state().counts().begun, 0);
    Ok(())
}

#[track_caller]
fn assert_busy(what: &str, answer: &Answer) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{what}: {answer}");
    let expected = "scopegate: the gateway is busy: too many calls are under way (limits.calls_per_worker); \
        send again later\n";
    assert_eq!(answer.text(), expected, "{what}");
}

/// The calls of a client that left go on, and count until their timeout; then there is room again.
async fn calls_outlive_their_client(protocol: Protocol) -> Result<()> {
    let policy = bounded(json!({"timeout": "6s"}), json!({"calls_per_worker": 2}));
    let gateway = Gateway::start(&policy).await?;
    let client = gateway.client(protocol)?;
    let gate = Gate::new();
    gateway.cortex.fault(EVERYBODY, Fault::hold(&gate));
    let batch = Batch::of(&TENANTS);
    let mut exchange = client.open(batch.push()).await?;
    exchange.end();
    gateway.cortex.wait_for("both calls", |state| state.requests.len() == 2).await?;
    assert_busy("while the client waits", &client.send(Batch::of(&TENANTS).push()).await?);

    exchange.abort();
    gateway.wait_for_requests(0).await?;
    assert_busy("after the client left", &client.send(Batch::of(&TENANTS).push()).await?);
    gateway.wait_for_calls(2).await?;
    gateway.cortex.heal(EVERYBODY);
    gate.open();
    gateway.wait_for_calls(0).await?;
    assert_all_received("what was under way", &gateway.cortex.state(), &[&batch]);

    let last = eventually(DEADLINE, || async {
        let batch = Batch::of(&TENANTS);
        let answer = client.send(batch.push()).await?;
        if answer.status == 503 {
            assert_busy("before the timeout", &answer);
        }
        answer.expect(200)?;
        Ok(batch)
    })
    .await?;
    gateway.wait_for_rest().await?;
    let state = gateway.cortex.state();
    assert_all_received("in the end", &state, &[&batch, &last]);
    assert!(state.requests.iter().all(|request| request.outcome == Outcome::Answered(200)));
    Ok(())
}

#[tokio::test]
async fn calls_outlive_their_client_of_http1() -> Result<()> {
    calls_outlive_their_client(Protocol::Http1).await
}

#[tokio::test]
async fn calls_outlive_their_client_of_http2() -> Result<()> {
    calls_outlive_their_client(Protocol::Http2).await
}

/// Parts that wait for others of their request are not sent once nobody waits for the answer.
#[tokio::test]
async fn what_was_not_sent_is_not_sent() -> Result<()> {
    let policy = bounded(json!({"timeout": "3s"}), json!({"calls_per_request": 1, "calls_per_worker": 1}));
    let gateway = Gateway::start(&policy).await?;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        gateway.cortex.forget();
        let client = gateway.client(protocol)?;
        let gate = Gate::new();
        gateway.cortex.fault(EVERYBODY, Fault::hold(&gate));
        let batch = Batch::of(&["team-a", "team-b", "team-c"]);
        let mut exchange = client.open(batch.push()).await?;
        exchange.end();
        gateway.cortex.wait_for("the first call", |state| state.requests.len() == 1).await?;
        // Any of them may be the first.
        let sent = gateway.cortex.state().requests[0].tenant.clone().unwrap_or_default();
        exchange.abort();
        gateway.wait_for_requests(0).await?;
        gateway.cortex.heal(EVERYBODY);
        gate.open();
        gateway.wait_for_calls(0).await?;
        // The same worker would have sent the others before it came to this.
        let last = eventually(DEADLINE, || async {
            let batch = Batch::of(&TENANTS);
            client.send(batch.push()).await?.expect(200)?;
            Ok(batch)
        })
        .await?;
        let (first, both) = ([(sent.as_str(), 1)], [("team-a", 1), ("team-b", 1)]);
        assert_received("in the end", &gateway.cortex.state(), &[(&batch, &first), (&last, &both)]);
    }
    gateway.wait_for_rest().await
}

/// One stream of a connection is given up, the others do not notice.
#[tokio::test]
async fn a_stream_that_is_reset_leaves_its_neighbours_alone() -> Result<()> {
    let gateway = Gateway::start(&policy()).await?;
    let mut connection = gateway.client(Protocol::Http2)?.connect().await?;
    let gate = Gate::new();
    gateway.cortex.fault(EVERYBODY, Fault::hold(&gate));
    let batches = [Batch::of(&TENANTS), Batch::of(&TENANTS), Batch::of(&TENANTS)];
    let mut exchanges = Vec::new();
    for batch in &batches {
        exchanges.push(connection.open(batch.push()).await?);
    }
    // The third is still uploading.
    exchanges[0].end();
    exchanges[1].end();
    gateway.cortex.wait_for("the calls of two", |state| state.requests.len() == 4).await?;
    exchanges.remove(0).abort();
    gateway.wait_for_requests(2).await?;
    gate.open();
    for exchange in exchanges {
        exchange.finish().await?.expect(200)?;
    }
    connection.send(Batch::of(&["team-c", "team-d"]).push()).await?.expect(200)?;
    gateway.wait_for_rest().await?;
    let all: Vec<_> = batches.iter().collect();
    gateway.cortex.wait_for("the end", |state| state.requests.len() == 8).await?;
    let state = gateway.cortex.state();
    let counted = state.requests.iter().filter(|received| all.iter().any(|batch| batch.is_in(received)));
    assert_eq!(counted.count(), 6, "{}", state.summary());
    Ok(())
}

/// Many at once, at every stage, both ways and over two workers: nothing stays behind.
#[tokio::test]
async fn a_crowd_that_leaves() -> Result<()> {
    // Each third is split, forwarded by Envoy's own route, and still uploading.
    const CLIENTS: usize = 12;
    const PARTS: usize = CLIENTS / 3 * 2 + CLIENTS / 3;
    let routed = bounded(json!({"timeout": "20s", "via": "listener", "cluster": "parts"}), json!({}));
    let gateway = Builder::new("gateway", &policy()).beside("routed", &routed).workers(2).start().await?;
    for listener in ["gateway", "routed"] {
        gateway.cortex.forget();
        let gate = Gate::new();
        gateway.cortex.fault(EVERYBODY, Fault::hold(&gate));
        let (mut exchanges, mut held) = (Vec::new(), Vec::new());
        for number in 0..CLIENTS {
            let protocol = if number % 2 == 0 { Protocol::Http1 } else { Protocol::Http2 };
            let tenants: &[&str] = if number % 3 == 1 { &["team-c"] } else { &TENANTS };
            let batch = Batch::of(tenants);
            let call = batch.push().chunks([batch.body()]);
            let mut exchange = gateway.client_of(listener, protocol)?.open(call).await?;
            if number % 3 < 2 {
                exchange.end();
                held.push(batch);
            }
            exchanges.push(exchange);
        }
        gateway.cortex.wait_for("all that was whole", |state| state.requests.len() == PARTS).await?;
        let gauge = format!("http.{listener}.downstream_rq_active");
        gateway.admin()?.wait_for_stat(&gauge, |active| active == CLIENTS as u64).await?;
        drop(exchanges);
        gateway.admin()?.wait_for_stat(&gauge, |active| active == 0).await?;
        gateway
            .cortex
            .wait_for("the end of what Envoy forwarded itself", |state| {
                state.of("team-c").all(|request| request.outcome == Outcome::Abandoned)
            })
            .await?;
        gate.open();
        gateway.wait_for_rest().await?;
        assert_all_received(listener, &gateway.cortex.state(), &held.iter().collect::<Vec<_>>());

        gateway.cortex.heal(EVERYBODY);
        gateway.cortex.forget();
        let last = Batch::of(&TENANTS);
        gateway.client_of(listener, Protocol::Http1)?.send(last.push()).await?.expect(200)?;
        assert_all_received(listener, &gateway.cortex.state(), &[&last]);
        let connections = format!("http.{listener}.downstream_cx_active");
        gateway.admin()?.wait_for_stat(&connections, |active| active == 0).await?;
    }
    Ok(())
}

/// Against the advice, Envoy's idle time of a stream is shorter than the time of the calls: the client hears of it,
/// nothing stays behind, and what was not sent is not sent.
#[tokio::test]
async fn a_request_that_outlives_its_stream() -> Result<()> {
    let limits = json!({"calls_per_request": 1, "calls_per_worker": 1});
    let policy = bounded(json!({"timeout": "4s"}), limits);
    let gateway = Builder::new("gateway", &policy).idle("2s").start().await?;
    gateway.cortex.fault(EVERYBODY, Fault::hang());
    let answer = gateway.client(Protocol::Http1)?.send(Batch::of(&TENANTS).push()).await?.expect(504)?;
    assert_eq!(answer.text(), "stream timeout");
    gateway.wait_for_requests(0).await?;
    gateway.cortex.heal(EVERYBODY);
    assert_eq!(gateway.cortex.state().requests.len(), 1, "the other part was not sent");
    gateway.cortex.forget();
    let last = eventually(DEADLINE, || async {
        let batch = Batch::of(&TENANTS);
        gateway.client(Protocol::Http2)?.send(batch.push()).await?.expect(200)?;
        Ok(batch)
    })
    .await?;
    gateway.wait_for_rest().await?;
    assert_all_received("in the end", &gateway.cortex.state(), &[&last]);
    Ok(())
}

/// Two tenants hang and only one call may be under way: the third tenant's part is sent all the same, if not in the
/// first request then in one of those that are sent again.
#[tokio::test]
async fn nobody_starves_behind_tenants_that_hang() -> Result<()> {
    let policy = bounded(json!({"timeout": "1s"}), json!({"calls_per_request": 1}));
    let gateway = Builder::new("gateway", &policy).idle("3s").start().await?;
    gateway.cortex.fault("team-a", Fault::hang());
    gateway.cortex.fault("team-b", Fault::hang());
    let client = gateway.client(Protocol::Http1)?;
    eventually(DEADLINE, || async {
        // In one time for all of them, and with an answer of the filter's own.
        let answer = client.send(Batch::of(&["team-a", "team-b", "team-c"]).push()).await?.expect(503)?;
        assert!(answer.text().starts_with("scopegate: "), "{answer}");
        let arrived = gateway.cortex.state().of("team-c").next().is_some();
        anyhow::ensure!(arrived, "team-c has not had its turn");
        Ok(())
    })
    .await
}
