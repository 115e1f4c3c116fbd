//! Bodies on their way: in pieces, with trailers, too large, wrongly labelled, and not even looked at.

use anyhow::Result;
use scopegate_tests::bootstrap::Cluster;
use scopegate_tests::client::Call;
use scopegate_tests::remote_write::wire::{Wire, claiming};
use scopegate_tests::remote_write::{WriteRequest, compress, push};
use serde_json::json;

use crate::gateway::{Gateway, as_forwarder, by_namespace, configuration};

/// A body in pieces, without a length, and with trailers, over both protocols.
#[tokio::test]
async fn pieces_and_trailers() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let body = WriteRequest::realistic(200).body();
    let pieces: Vec<Vec<u8>> = body.chunks(700).map(<[u8]>::to_vec).collect();
    for client in [gateway.http1()?, gateway.http2()?] {
        for trailers in [false, true] {
            gateway.cortex.forget();
            let call = as_forwarder(push(Vec::new())).chunks(pieces.clone());
            let call =
                if trailers { call.trailer("x-checksum", "1").trailer("x-scope-orgid", "b") } else { call };
            client.send(call).await?.expect(200)?;
            let state = gateway.cortex.state();
            assert_eq!(state.requests.len(), 10, "{}", state.summary());
            assert_eq!(state.series("namespace-3").count(), 20);
            assert!(!state.tenants().contains(&"b"));
        }
    }
    // One tenant: the body that came goes on, with its trailers.
    let request = WriteRequest::realistic(20).with_label("namespace", |_| "namespace-1".into());
    gateway.cortex.forget();
    let call = as_forwarder(push(Vec::new())).chunks([request.body()]).trailer("x-checksum", "1");
    gateway.http2()?.send(call).await?.expect(200)?;
    let state = gateway.cortex.state();
    assert_eq!(state.requests[0].body, request.body());
    assert_eq!(state.requests[0].trailers.get("x-checksum").and_then(|value| value.to_str().ok()), Some("1"));
    Ok(())
}

/// Nobody needs the body: it streams on before it is whole.
#[tokio::test]
async fn a_body_that_nobody_needs_is_not_held() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    let body = WriteRequest::realistic(200).body();
    let (first, second) = body.split_at(1000);
    for client in [gateway.http1()?, gateway.http2()?] {
        gateway.cortex.forget();
        let before = gateway.cortex.state().counts().begun;
        let mut exchange = client.open(as_forwarder(push(Vec::new())).chunks([first.to_vec()])).await?;
        gateway
            .cortex
            .wait_for("the head arrives before the body has ended", |state| state.counts().begun > before)
            .await?;
        assert!(gateway.cortex.state().requests.is_empty());
        exchange.write(second.to_vec()).await?;
        exchange.end();
        exchange.finish().await?.expect(200)?;
        assert_eq!(gateway.cortex.state().requests[0].body, body);
    }
    Ok(())
}

/// Larger than is looked into: refused by what is announced, by what has come, and by what it claims to hold.
#[tokio::test]
async fn too_large() -> Result<()> {
    let mut configuration = by_namespace();
    configuration["limits"] =
        json!({"request_bytes": "64KiB", "decoded_bytes": "1MiB", "series": 500, "tenants": 5});
    let gateway = Gateway::start(&configuration).await?;
    let client = gateway.http1()?;
    let noise: Vec<u8> = (0..70_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let refused = |answer: scopegate_tests::client::Answer, status: u16, words: &str| {
        assert_eq!(answer.status, status, "{answer}");
        assert!(answer.text().contains(words), "{answer}");
    };
    refused(client.send(as_forwarder(push(noise.clone()))).await?, 413, "limits.request_bytes");
    let pieces = noise.chunks(9_000).map(<[u8]>::to_vec).collect::<Vec<_>>();
    refused(client.send(as_forwarder(push(Vec::new())).chunks(pieces)).await?, 413, "limits.request_bytes");
    refused(
        client.send(as_forwarder(push(compress(&vec![0; 1_200_000])))).await?,
        413,
        "limits.decoded_bytes",
    );
    refused(
        client.send(as_forwarder(push(claiming(u64::from(u32::MAX), b"x")))).await?,
        413,
        "limits.decoded_bytes",
    );
    refused(client.send(as_forwarder(push(claiming(1 << 20, b"x")))).await?, 400, "no valid snappy block");
    let many = WriteRequest::realistic(501).with_label("namespace", |_| "namespace-1".to_owned());
    refused(client.send(as_forwarder(many.push())).await?, 413, "limits.series");
    refused(client.send(as_forwarder(WriteRequest::realistic(10).push())).await?, 400, "at most 5 tenants");
    gateway.nothing_arrived("too large");
    client.send(as_forwarder(WriteRequest::realistic(5).push())).await?.expect(200)?;
    Ok(())
}

/// Envoy's own limit is below ours: Envoy answers 413, and goes on serving.
#[tokio::test]
async fn envoys_own_limit() -> Result<()> {
    let gateway =
        Gateway::with(&by_namespace(), |listener| listener.buffer_limit(32 << 10), |bootstrap, _| bootstrap)
            .await?;
    let noise: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    gateway.http1()?.send(as_forwarder(push(noise))).await?.expect(413)?;
    gateway.nothing_arrived("too large for Envoy");
    gateway.http1()?.send(as_forwarder(WriteRequest::realistic(5).push())).await?.expect(200)?;
    Ok(())
}

/// Wrongly labelled or not a message at all.
#[tokio::test]
async fn malformed() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let client = gateway.http1()?;
    let body = WriteRequest::realistic(5).body();
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        headers.iter().fold(as_forwarder(Call::post("/api/v1/push", body.to_vec())), |call, (name, value)| {
            call.header(name, value)
        })
    };
    let (protobuf, snappy) = (("content-type", "application/x-protobuf"), ("content-encoding", "snappy"));
    let version = |value| ("x-prometheus-remote-write-version", value);
    let cases: Vec<(&str, Call, u16)> = vec![
        ("no content type", post(&[snappy], &body), 415),
        ("JSON", post(&[("content-type", "application/json"), snappy], &body), 415),
        (
            "an unknown message",
            post(&[("content-type", "application/x-protobuf;proto=x"), snappy], &body),
            415,
        ),
        ("no encoding", post(&[protobuf], &body), 415),
        ("gzip", post(&[protobuf, ("content-encoding", "gzip")], &body), 415),
        ("a version that does not fit", post(&[protobuf, snappy, version("2.0.0")], &body), 400),
        ("two content types, which Envoy joins", post(&[protobuf, protobuf, snappy], &body), 415),
        ("no snappy", post(&[protobuf, snappy], b"not snappy at all"), 400),
        ("a cut block", post(&[protobuf, snappy], &body[..body.len() - 3]), 400),
        ("no body", post(&[protobuf, snappy], b""), 400),
        ("an overlong tag", post(&[protobuf, snappy], &compress(&[0x8a, 0x00, 0x00])), 400),
        (
            "a wrapping field number",
            post(&[protobuf, snappy], &Wire::new().bytes((1_u64 << 32) + 1, b"").compressed()),
            400,
        ),
        ("a group", post(&[protobuf, snappy], &compress(&[0x0b, 0x0c])), 400),
        ("a cut message", post(&[protobuf, snappy], &compress(&[0x0a, 0x7f, 0x00])), 400),
        ("series that are a number", post(&[protobuf, snappy], &compress(&[0x08, 0x01])), 400),
    ];
    for (what, call, status) in cases {
        let answer = client.send(call).await?;
        assert_eq!(answer.status, status, "{what}: {answer}");
        assert!(answer.text().starts_with("scopegate: ") && answer.text().len() < 300, "{what}: {answer}");
    }
    gateway.nothing_arrived("malformed");
    client.send(post(&[protobuf, snappy, version("0.1.0")], &body)).await?.expect(200)?;
    Ok(())
}

/// Requests through a listener and a cluster that speak HTTP/1 throughout.
#[tokio::test]
async fn an_http1_upstream() -> Result<()> {
    let mut configuration = by_namespace();
    configuration["write"]["metrics"]["calls"] = json!({"cluster": "old"});
    let gateway = Gateway::with(
        &configuration,
        |listener| listener,
        |bootstrap, cortex| bootstrap.cluster(Cluster::http1("old", cortex.address())),
    )
    .await?;
    gateway.http1()?.send(as_forwarder(WriteRequest::realistic(100).push())).await?.expect(200)?;
    let state = gateway.cortex.state();
    assert_eq!(state.requests.len(), 10);
    for received in &state.requests {
        assert!(!received.http2);
        assert_eq!(received.header_values("content-length").len(), 1);
        assert_eq!(received.header("transfer-encoding"), None);
    }
    Ok(())
}
