//! OTLP over HTTP: every tenant gets its own resources, in every signal and notation, and answers are OTLP's own.

use anyhow::Result;
use prost::Message as _;
use scopegate_tests::client::{Answer, Call};
use scopegate_tests::cortex::Fault;
use scopegate_tests::otlp::{
    PartialSuccess, Resource, Response, SIGNALS, Signal, Status, decode, export, resource, resources,
};
use serde_json::{Value, json};

use crate::gateway::{Gateway, as_agent, as_forwarder, configuration};

/// One backend for each signal, chosen by host, with tenants by namespace.
fn by_namespace() -> Value {
    let mut configuration = configuration();
    configuration["backends"] = json!([
        {"name": "metrics", "kind": "cortex", "host": "metrics.test"},
        {"name": "logs", "kind": "loki", "host": "logs.test"},
        {"name": "traces", "kind": "tempo", "host": "traces.test"},
    ]);
    let rules = json!({"tenant": [{"label": "k8s.namespace.name"}, "caller"]});
    configuration["write"] = json!({"metrics": rules, "logs": rules, "traces": rules});
    configuration
}

fn to(signal: Signal) -> (&'static str, &'static str) {
    match signal {
        Signal::Metrics => ("metrics.test", "/api/v1/otlp/v1/metrics"),
        Signal::Logs => ("logs.test", "/otlp/v1/logs"),
        Signal::Traces => ("traces.test", "/v1/traces"),
    }
}

fn send(signal: Signal, json: bool, compressed: bool, all: &[Resource]) -> Call {
    let (host, path) = to(signal);
    export(path, signal, json, compressed, all).authority(host)
}

fn all() -> Vec<Resource> {
    vec![
        resource(&[("k8s.namespace.name", "namespace-1"), ("service.name", "a \"b\" \\")], &["1", "2"]),
        resource(&[("service.name", "b"), ("k8s.namespace.name", "namespace-2")], &["3"]),
        resource(&[("service.name", "c")], &["4"]),
        resource(&[("k8s.namespace.name", "namespace-1"), ("ä", "😀")], &["5"]),
    ]
}

#[tokio::test]
async fn resources_by_attribute_in_every_form() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let client = gateway.http1()?;
    let sent = all();
    for signal in SIGNALS {
        for (json, compressed) in [(false, false), (false, true), (true, false), (true, true)] {
            gateway.cortex.forget();
            let call = as_forwarder(send(signal, json, compressed, &sent));
            let answer = client.send(call).await?.expect(200)?;
            let content_type = if json { "application/json" } else { "application/x-protobuf" };
            // Envoy takes the type off an answer without a body, and a success without more to say is none.
            assert_eq!(answer.header("content-type"), json.then_some(content_type), "{answer}");
            assert_eq!(answer.text(), if json { "{}" } else { "" });
            {
                let state = gateway.cortex.state();
                assert_eq!(state.tenants(), ["namespace-1", "namespace-2", "platform"], "{signal:?}");
                assert_eq!(
                    resources(&state, "namespace-1"),
                    [sent[0].clone(), sent[3].clone()],
                    "{signal:?}"
                );
                assert_eq!(resources(&state, "namespace-2"), sent[1..2], "{signal:?}");
                assert_eq!(resources(&state, "platform"), sent[2..3], "{signal:?}");
                for part in &state.requests {
                    assert!(decode(signal, part).is_ok());
                    assert_eq!(part.header("content-encoding"), compressed.then_some("gzip"));
                    assert_eq!(part.header("content-type"), Some(content_type));
                }
            }
            // All for one: the body goes on as it came, and so does the answer.
            gateway.cortex.forget();
            let call = send(signal, json, compressed, &sent[..1]);
            let answer = client.send(as_forwarder(call)).await?;
            assert_eq!(answer.status, if signal == Signal::Logs { 204 } else { 200 });
            let state = gateway.cortex.state();
            assert_eq!(state.tenants(), ["namespace-1"]);
            assert_eq!(resources(&state, "namespace-1"), sent[..1]);
        }
    }
    Ok(())
}

#[tokio::test]
async fn impersonated_resources_lose_the_attribute() -> Result<()> {
    let mut configuration = by_namespace();
    configuration["write"] = json!({});
    let gateway = Gateway::start(&configuration).await?;
    let sent = [
        resource(&[("a", "b"), ("zz_as", "cluster-1"), ("c", "d")], &["1"]),
        resource(&[("a", "b")], &["2"]),
    ];
    for signal in SIGNALS {
        for json in [false, true] {
            gateway.cortex.forget();
            gateway.http1()?.send(as_agent(send(signal, json, true, &sent))).await?.expect(200)?;
            let state = gateway.cortex.state();
            assert_eq!(resources(&state, "cluster-1"), [resource(&[("a", "b"), ("c", "d")], &["1"])]);
            assert_eq!(resources(&state, "central"), sent[1..]);
        }
    }
    Ok(())
}

/// The count and the message of a partial success.
fn partial(answer: &Answer, json: bool) -> Result<(i64, String)> {
    if json {
        let body: Value = serde_json::from_slice(&answer.body)?;
        let partial = &body["partialSuccess"];
        let rejected =
            partial.as_object().into_iter().flatten().find(|(name, _)| name.starts_with("rejected"));
        let rejected = rejected.and_then(|(_, value)| value.as_str()).unwrap_or("0").parse()?;
        return Ok((rejected, partial["errorMessage"].as_str().unwrap_or_default().to_owned()));
    }
    let partial = Response::decode(&*answer.body)?.partial.unwrap_or_default();
    Ok((partial.rejected, partial.message))
}

/// The message of a status.
fn status(answer: &Answer, json: bool) -> Result<String> {
    if json {
        let body: Value = serde_json::from_slice(&answer.body)?;
        return Ok(body["message"].as_str().unwrap_or_default().to_owned());
    }
    Ok(Status::decode(&*answer.body)?.message)
}

#[tokio::test]
async fn answers_are_otlps_own() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let client = gateway.http1()?;
    let said = Response { partial: Some(PartialSuccess { rejected: 2, message: "too old".to_owned() }) };
    let bad = resource(&[("k8s.namespace.name", "elsewhere")], &["6", "7", "8"]);
    for signal in SIGNALS {
        for json in [false, true] {
            // What one backend rejected in part, what another refused whole, and what had no tenant.
            gateway.cortex.forget();
            gateway.cortex.fault("namespace-1", Fault::answer(200).body(said.encode_to_vec()).times(1));
            gateway.cortex.fault("namespace-2", Fault::answer(400).body("no\nmore").times(1));
            let sent = [all(), vec![bad.clone()]].concat();
            let answer = client.send(as_forwarder(send(signal, json, false, &sent))).await?.expect(200)?;
            let (rejected, message) = partial(&answer, json)?;
            assert_eq!(rejected, 2 + 1 + 3, "{message}");
            for words in [
                "tenant namespace-1: 2 rejected: too old",
                "tenant namespace-2: 400 no",
                "{k8s.namespace.name=\"elsewhere\"}: the tenant is not allowed to this caller",
            ] {
                assert!(message.contains(words), "{message}");
            }
            // What can be made good comes first, with a status that is sent again.
            for (fault, expected) in [(429, 429), (500, 503), (503, 503), (401, 502)] {
                let fault = Fault::answer(fault).header("retry-after", "7").times(1);
                gateway.cortex.fault("namespace-2", fault);
                let answer =
                    client.send(as_forwarder(send(signal, json, false, &sent))).await?.expect(expected)?;
                assert_eq!(answer.header("retry-after"), Some("7"), "{answer}");
                assert!(status(&answer, json)?.contains("1 of 3 tenants"), "{answer}");
            }
            // Nothing at all was accepted.
            let answer = client
                .send(as_forwarder(send(signal, json, false, std::slice::from_ref(&bad))))
                .await?
                .expect(400)?;
            assert!(status(&answer, json)?.contains("1 series were not written"), "{answer}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn refusals_are_a_status() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let client = gateway.http1()?;
    for json in [false, true] {
        let call = || send(Signal::Traces, json, false, &all());
        let with = |body: &[u8]| {
            let content_type = if json { "application/json" } else { "application/x-protobuf" };
            Call::post("/v1/traces", body.to_vec())
                .authority("traces.test")
                .header("content-type", content_type)
        };
        let cases: Vec<(&str, Call, u16)> = vec![
            ("nobody", call(), 401),
            ("no message", as_forwarder(with(b"{\"resourceSpans\"")), 400),
            ("zstd", as_forwarder(with(b"x").header("content-encoding", "zstd")), 415),
            ("deflate", as_forwarder(with(b"x").header("content-encoding", "deflate")), 415),
            ("lz4", as_forwarder(with(b"x").header("content-encoding", "lz4")), 415),
            ("snappy", as_forwarder(with(b"x").header("content-encoding", "snappy")), 415),
            ("zlib", as_forwarder(with(b"x").header("content-encoding", "zlib")), 415),
            ("two", as_forwarder(with(b"x").header("content-encoding", "gzip, zstd")), 415),
            ("no gzip", as_forwarder(with(b"x").header("content-encoding", "gzip")), 400),
        ];
        for (what, call, expected) in cases {
            let answer = client.send(call).await?.expect(expected)?;
            assert!(status(&answer, json)?.starts_with("scopegate: "), "{what}: {answer}");
        }
        gateway.nothing_arrived("refused");
    }
    Ok(())
}
