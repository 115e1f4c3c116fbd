//! Remote write 2.0: every tenant gets its own series over a table of its own strings, and the sender hears what was
//! written.

use std::collections::BTreeSet;

use anyhow::Result;
use prost::Message as _;
use scopegate_tests::client::{Answer, Call};
use scopegate_tests::cortex::{Fault, State};
use scopegate_tests::remote_write::v2::{self, Exemplar, Metadata, Request};
use scopegate_tests::remote_write::{TimeSeries, WriteRequest, series};
use serde_json::json;

use crate::gateway::{Gateway, as_agent, as_forwarder, by_namespace, configuration};

const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// The messages that a tenant got, in the order they arrived.
fn messages(state: &State, tenant: &str) -> Vec<Vec<u8>> {
    let pushes = state.of(tenant).filter_map(|request| request.push.as_ref()?.as_ref().ok());
    pushes.map(|push| push.message.clone()).collect()
}

/// What it must get: these series over a table of what they use, in the order of first use.
fn message(series: &[TimeSeries]) -> Vec<u8> {
    Request::from(&WriteRequest::of(series.to_vec())).encode_to_vec()
}

/// Samples, histograms and exemplars, as the answer says.
fn written(answer: &Answer) -> [Option<u64>; 3] {
    ["samples", "histograms", "exemplars"].map(|what| {
        answer
            .header(&format!("x-prometheus-remote-write-{what}-written"))
            .and_then(|count| count.parse().ok())
    })
}

#[tokio::test]
async fn each_tenant_gets_its_series_and_strings_and_no_others() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let v1 = WriteRequest::realistic(200).with_samples(2);
    for client in [gateway.http1()?, gateway.http2()?] {
        gateway.cortex.forget();
        // A form of the content type that Cortex takes for 1.0, and would lose with a success.
        let call = Call::post("/api/v1/push", Request::from(&v1).body())
            .header("content-type", "application/x-protobuf; proto=io.prometheus.write.v2.Request")
            .header("content-encoding", "snappy")
            .header("x-prometheus-remote-write-version", "2.0.0");
        let answer = client.send(as_forwarder(call)).await?.expect(204)?;
        assert_eq!(written(&answer), [Some(400), Some(0), Some(0)]);
        let state = gateway.cortex.state();
        assert_eq!(state.requests.len(), 10);
        for n in 0..10 {
            let tenant = format!("namespace-{n}");
            let theirs: Vec<_> = v1.timeseries.iter().skip(n).step_by(10).cloned().collect();
            // Byte for byte as if nobody else had been in the request.
            assert_eq!(messages(&state, &tenant), [message(&theirs)], "{tenant}");
            assert_eq!(state.store(&tenant).unwrap().count(), 40);
            let request = state.of(&tenant).next().unwrap();
            assert_eq!(request.header("content-type"), Some(V2));
            assert_eq!(request.header("x-prometheus-remote-write-version"), Some("2.0.0"));
        }
    }
    Ok(())
}

/// Exemplars, histograms, metadata and times go with their series, the label that names the tenant goes.
#[tokio::test]
async fn impersonation_with_everything_that_a_series_may_have() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    let of = |tenant: &str| {
        let mut request = Request::from(&WriteRequest::of(vec![series(
            &[("__name__", "up"), ("zz_as", tenant), ("zzz", &format!("last of {tenant}"))],
            7,
            1.5,
        )]));
        let mut symbol = |text: &str| {
            request.symbols.push(format!("{text} of {tenant}"));
            u32::try_from(request.symbols.len() - 1).unwrap()
        };
        let exemplar =
            Exemplar { labels_refs: vec![symbol("id"), symbol("trace")], value: 2.0, timestamp: 7 };
        let metadata = Metadata { kind: 1, help_ref: symbol("help"), unit_ref: symbol("unit") };
        let series = &mut request.timeseries[0];
        series.exemplars.push(exemplar);
        series.metadata = Some(metadata);
        series.created_timestamp = 3;
        request
    };
    // Both in one message, the tables one behind the other.
    let (one, two) = (of("cluster-1"), of("cluster-2"));
    let shift = u32::try_from(one.symbols.len()).unwrap();
    let mut both = one.clone();
    both.symbols.extend(two.symbols.clone());
    let mut moved = two.timeseries[0].clone();
    let more = |reference: &mut u32| *reference += shift;
    moved.labels_refs.iter_mut().for_each(more);
    moved.exemplars[0].labels_refs.iter_mut().for_each(more);
    let metadata = moved.metadata.as_mut().unwrap();
    more(&mut metadata.help_ref);
    more(&mut metadata.unit_ref);
    both.timeseries.push(moved);
    let answer = gateway.http1()?.send(as_agent(both.push())).await?.expect(204)?;
    assert_eq!(written(&answer), [Some(2), Some(0), Some(2)]);
    let state = gateway.cortex.state();
    for tenant in ["cluster-1", "cluster-2"] {
        let texts = ["id", "trace", "help", "unit"].map(|what| format!("{what} of {tenant}"));
        let symbols: Vec<String> = ["", "__name__", "up", "zzz", &format!("last of {tenant}")]
            .map(str::to_owned)
            .into_iter()
            .chain(texts)
            .collect();
        let expected = v2::TimeSeries {
            labels_refs: vec![1, 2, 3, 4],
            exemplars: vec![Exemplar { labels_refs: vec![5, 6], value: 2.0, timestamp: 7 }],
            metadata: Some(Metadata { kind: 1, help_ref: 7, unit_ref: 8 }),
            ..one.timeseries[0].clone()
        };
        let expected = Request { symbols, timeseries: vec![expected] };
        assert_eq!(messages(&state, tenant), [expected.encode_to_vec()], "{tenant}");
        let metadata = &state.store(tenant).unwrap().metadata()[0];
        assert_eq!(
            (metadata.family.as_str(), metadata.help.as_str()),
            ("up", format!("help of {tenant}").as_str())
        );
    }
    Ok(())
}

#[tokio::test]
async fn one_tenant_goes_on_as_it_came() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let client = gateway.http2()?;
    let one = WriteRequest::realistic(50).with_label("namespace", |_| "namespace-7".to_owned());
    let mut sent = Request::from(&one);
    sent.symbols.push("of the sender, and unused".to_owned());
    let answer = client.send(as_forwarder(sent.push())).await?.expect(204)?;
    // The backend's own answer.
    assert_eq!(written(&answer), [Some(50), Some(0), Some(0)]);
    assert_eq!(gateway.cortex.state().requests[0].body, sent.body());
    // With a field that is private to Cortex it is written again, without the field.
    gateway.cortex.forget();
    let private = [sent.encode_to_vec(), vec![0x30, 1]].concat();
    let body = scopegate_tests::remote_write::compress(&private);
    client.send(as_forwarder(v2::push(body))).await?.expect(204)?;
    assert_eq!(messages(&gateway.cortex.state(), "namespace-7"), [message(&one.timeseries)]);
    Ok(())
}

#[tokio::test]
async fn counts_are_told_beside_failures() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let client = gateway.http1()?;
    // Another request every time: one that comes again is sent only to those who have not settled it.
    let request = |status: u16| {
        let request = WriteRequest::realistic(20).with_label("told", |_| status.to_string());
        as_forwarder(Request::from(&request).push())
    };
    for (fault, status, words) in [
        (Fault::answer(500), 503, "tenant namespace-3: 500"),
        (Fault::answer(429).header("retry-after", "7"), 429, "tenant namespace-3: 429"),
        (Fault::answer(400).body("out of order"), 400, "tenant namespace-3: 400 out of order"),
        // Such as a backend that takes 2.0 for 1.0, finds nothing in it, and is content.
        (
            Fault::answer(200),
            502,
            "tenant namespace-3: 200 it accepted the part without telling what it wrote",
        ),
    ] {
        gateway.cortex.forget();
        gateway.cortex.fault("namespace-3", fault.times(1));
        let answer = client.send(request(status)).await?.expect(status)?;
        assert!(answer.text().contains(words), "{answer}");
        assert_eq!(written(&answer), [Some(18), Some(0), Some(0)], "{words}");
        assert_eq!(gateway.cortex.state().stores.len(), 9);
    }
    // A series without a tenant: the others are written, and counted.
    gateway.cortex.forget();
    let mixed =
        WriteRequest::realistic(20).with_label("namespace", |n| format!("namespace-{}", n % 2 * 1000));
    let mut mixed = Request::from(&mixed);
    mixed
        .symbols
        .iter_mut()
        .filter(|symbol| *symbol == "namespace-1000")
        .for_each(|symbol| *symbol = "a b".to_owned());
    let answer = client.send(as_forwarder(mixed.push())).await?.expect(400)?;
    assert_eq!(written(&answer), [Some(10), Some(0), Some(0)]);
    assert!(answer.text().contains("10 series were not written"), "{answer}");
    let state = gateway.cortex.state();
    let got = Request::decode(messages(&state, "namespace-0")[0].as_slice())?;
    assert_eq!(got.timeseries.len(), 10);
    let table: BTreeSet<_> = got.symbols.iter().map(String::as_str).collect();
    assert!(!table.contains("a b"), "{table:?}");
    Ok(())
}

#[tokio::test]
async fn a_backend_that_knows_the_first_version_only() -> Result<()> {
    let mut first_only = by_namespace();
    first_only["write"]["metrics"]["remote_write"] = json!({"versions": ["1.0"]});
    let gateway = Gateway::start(&first_only).await?;
    let client = gateway.http1()?;
    let v1 = WriteRequest::realistic(20);
    let answer = client.send(as_forwarder(Request::from(&v1).push())).await?.expect(415)?;
    assert!(answer.text().contains("this backend takes remote write 1.0 only"), "{answer}");
    gateway.nothing_arrived("2.0");
    client.send(as_forwarder(v1.push())).await?.expect(200)?;
    // A backend that says so itself: all parts do.
    let gateway = Gateway::start(&by_namespace()).await?;
    gateway.cortex.set(|state| state.only_version_1 = true);
    let answer = gateway.http1()?.send(as_forwarder(Request::from(&v1).push())).await?.expect(415)?;
    assert_eq!(written(&answer), [Some(0); 3]);
    Ok(())
}
