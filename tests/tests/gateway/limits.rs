//! Each limit: what its sender is answered, what counts it, and what arrives nevertheless.

use anyhow::{Result, ensure};
use scopegate_tests::client::{Answer, Call};
use scopegate_tests::cortex::Fault;
use scopegate_tests::loki::{Form, push, stream, streams};
use scopegate_tests::otlp::{Signal, export, resource, resources};
use scopegate_tests::remote_write::{WriteRequest, compress, series, v2};
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use crate::gateway::{Gateway, as_forwarder, by_namespace, raw_series};
use crate::metrics::expect;

fn limited(limits: &Value) -> Value {
    let mut configuration = by_namespace();
    configuration["limits"] = limits.clone();
    configuration
}

/// A push of one series for each of so many tenants.
fn for_tenants(count: usize) -> Call {
    as_forwarder(WriteRequest::realistic(count).push())
}

/// What is too large or too much as a whole: nothing arrives, and the reason is counted.
#[tokio::test]
async fn of_a_request() -> Result<()> {
    let noise: String =
        (0..4000_u32).map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 24) as u8 % 26)).collect();
    let padded = WriteRequest::of(vec![series(&[("__name__", "up"), ("padding", &noise)], 1, 1.0)]);
    let cases = [
        (
            json!({"request_bytes": "1KiB"}),
            as_forwarder(padded.push()),
            413,
            "limits.request_bytes",
            "body_too_large",
        ),
        (
            json!({"decoded_bytes": "1KiB"}),
            as_forwarder(v2::push(compress(&[0x22; 2000]))),
            413,
            "limits.decoded_bytes",
            "body_too_large",
        ),
        (json!({"series": 4}), for_tenants(5), 413, "limits.series", "too_many_series"),
        (json!({"tenants": 4}), for_tenants(5), 400, "at most 4 tenants", "too_many_tenants"),
        (
            json!({"held_bytes_per_worker": 64}),
            for_tenants(5),
            413,
            "limits.held_bytes_per_worker",
            "body_too_large",
        ),
    ];
    for (limits, call, status, words, reason) in cases {
        let gateway = Gateway::start(&limited(&limits)).await?;
        let answer = gateway.http1()?.send(call).await?;
        assert_eq!(answer.status, status, "{limits}: {answer}");
        assert!(answer.text().contains(words), "{limits}: {answer}");
        gateway.nothing_arrived(words);
        let text = gateway.envoy.admin()?.prometheus().await?;
        expect(
            &text,
            &[
                &format!(
                    "scopegate_requests_total{{backend=\"metrics\",class=\"write\",decision=\"refused\",reason=\"{reason}\"}} 1"
                ),
                &format!("scopegate_refusals_total{{caller=\"forwarders\",reason=\"{reason}\"}} 1"),
            ],
        );
    }
    Ok(())
}

/// Too many labels cost one series, one stream, one resource, and not the others.
#[tokio::test]
async fn of_a_series_in_each_protocol() -> Result<()> {
    let mut configuration = limited(&json!({"labels_per_series": 3}));
    configuration["backends"] = json!([
        {"name": "metrics", "kind": "cortex", "host": "metrics.test"},
        {"name": "logs", "kind": "loki", "host": "logs.test"},
    ]);
    configuration["write"]["logs"] = configuration["write"]["metrics"].clone();
    let gateway = Gateway::start(&configuration).await?;
    let client = gateway.http1()?;
    let words = "it has more labels than a series may have (limits.labels_per_series)";
    let good = [("__name__", "up"), ("a", "1"), ("namespace", "namespace-1")];
    let bad = [("__name__", "up"), ("a", "1"), ("b", "2"), ("namespace", "namespace-1")];

    let sent = WriteRequest::of(vec![series(&bad, 1, 1.0), series(&good, 1, 1.0)]);
    let check = |answer: &Answer| assert!(answer.text().contains(words), "{answer}");
    for call in [sent.push(), v2::Request::from(&sent).push()] {
        check(&client.send(as_forwarder(call.authority("metrics.test"))).await?.expect(400)?);
    }
    {
        let state = gateway.cortex.state();
        assert_eq!(state.tenants(), ["namespace-1"]);
        assert_eq!(raw_series(&state, "namespace-1").len(), 2, "one in each version");
    }
    gateway.cortex.forget();
    let all = [stream(&bad[1..], &[("1", &[])]), stream(&[bad[0], bad[1], bad[2], bad[3]], &[("2", &[])])];
    check(&client.send(as_forwarder(push(Form::Json, &all).authority("logs.test"))).await?.expect(400)?);
    assert_eq!(streams(&gateway.cortex.state(), "namespace-1"), all[..1]);
    gateway.cortex.forget();
    let all = [resource(&good, &["1"]), resource(&bad, &["2", "3"])];
    let call = export("/otlp/v1/logs", Signal::Logs, true, false, &all).authority("logs.test");
    let answer = client.send(as_forwarder(call)).await?.expect(200)?;
    let said: Value = serde_json::from_slice(&answer.body)?;
    assert_eq!(said["partialSuccess"]["rejectedLogRecords"], json!("2"), "{answer}");
    assert_eq!(resources(&gateway.cortex.state(), "namespace-1"), all[..1]);

    let text = gateway.envoy.admin()?.prometheus().await?;
    let rejected = |backend: &str| {
        format!(
            "scopegate_series_total{{backend=\"{backend}\",outcome=\"rejected\",reason=\"too_many_labels\"}} 2"
        )
    };
    expect(&text, &[&rejected("metrics"), &rejected("logs")]);
    Ok(())
}

/// Calls that take too long, and calls for which there is no room.
#[tokio::test]
async fn of_time_and_of_calls() -> Result<()> {
    let mut configuration = limited(&json!({"calls_per_request": 1, "calls_per_worker": 1}));
    configuration["write"]["metrics"]["calls"] = json!({"timeout": "700ms"});
    let gateway = Gateway::with(&configuration, |listener| listener, |all, _| all).await?;
    gateway.cortex.fault("namespace-0", Fault::hang());
    gateway.cortex.fault("namespace-1", Fault::hang());
    let client = gateway.http1()?;
    // One call at a time, and none is answered: the second part is never sent.
    let answer = client.send(for_tenants(2)).await?.expect(503)?;
    assert!(answer.text().contains("2 of 2 tenants did not accept their part"), "{answer}");
    let text = gateway.envoy.admin()?.prometheus().await?;
    expect(
        &text,
        &[
            "scopegate_calls_total{backend=\"metrics\",code=\"5xx\"} 1",
            "scopegate_tenant_requests_total{backend=\"metrics\",tenant=\"~other\",class=\"write\",code=\"5xx\"} 1",
            "scopegate_tenant_requests_total{backend=\"metrics\",tenant=\"~other\",class=\"write\",code=\"0xx\"} 1",
        ],
    );
    assert_eq!(gateway.cortex.state().requests.len(), 1, "{}", gateway.cortex.state().summary());
    // While one request has the only call of its worker, another that needs one is asked to come again.
    eventually(DEADLINE, || async {
        let (one, other) = tokio::join!(client.send(for_tenants(2)), client.send(for_tenants(2)));
        let (one, other) = (one?, other?);
        assert!(one.status == 503 && other.status == 503, "{one} {other}");
        let busy = [one, other].into_iter().find(|answer| answer.text().contains("limits.calls_per_worker"));
        ensure!(busy.is_some_and(|busy| busy.header("retry-after") == Some("1")), "each on its own worker");
        Ok(())
    })
    .await?;
    let text = gateway.envoy.admin()?.prometheus().await?;
    let busy = "decision=\"refused\",reason=\"overloaded\"";
    ensure!(
        text.lines().any(|line| line.starts_with("scopegate_requests_total{") && line.contains(busy)),
        "{text}"
    );
    Ok(())
}
