//! The stand-in for Cortex, spoken to directly.

use anyhow::Result;
use scopegate_tests::{
    client::{Call, Client, raw},
    cortex::{Cortex, EVERYBODY, Fault, Gate, Outcome},
    remote_write::{
        WriteRequest, push, series, v2,
        wire::{Tag, Wire, claiming},
    },
};
use serde_json::json;

fn up(tenant: &str, timestamp: i64, value: f64) -> WriteRequest {
    WriteRequest::of(vec![series(&[("__name__", "up"), ("team", tenant)], timestamp, value)])
}

#[tokio::test]
async fn pushes_are_answered_as_cortex_answers_them() -> Result<()> {
    let cortex = Cortex::start()?;
    let client = Client::http1(cortex.address());
    let body = up("a", 1000, 1.0).body();
    let v2_body = v2::Request::from(&up("a", 1000, 1.0)).body();
    let plain =
        |tenants: &[&str]| tenants.iter().fold(push(body.clone()), |call, tenant| call.tenant(tenant));
    let typed = |kind: &str, tenant: &str, body: &Vec<u8>| {
        Call::post("/api/prom/push", body.clone()).tenant(tenant).header("content-type", kind)
    };
    let v2_type = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
    let spaced = "application/x-protobuf; proto=io.prometheus.write.v2.Request";
    let cases = [
        ("one tenant", plain(&["a"]), 200, ""),
        ("the first of two headers", plain(&["a", "b/"]), 200, ""),
        ("no tenant", plain(&[]), 401, "no org id"),
        ("an empty tenant", plain(&[""]), 401, "no org id"),
        ("two tenants", plain(&["a|b"]), 500, "multiple org IDs present"),
        ("a bad tenant", plain(&["a/b"]), 500, "unsupported character '/'"),
        ("no content type", Call::post("/api/v1/push", body.clone()).tenant("a"), 200, ""),
        (
            // At the old path this would be a push for Loki.
            "another content type",
            Call::post("/api/v1/push", body.clone()).tenant("a").header("content-type", "application/json"),
            415,
            "expected application/x-protobuf",
        ),
        ("version 2", typed(v2_type, "a", &v2_body), 204, ""),
        ("version 2 with a space is version 1", typed(spaced, "a", &v2_body), 200, ""),
        ("two tenants in version 2", typed(v2_type, "a|b", &v2_body), 401, "multiple org IDs"),
        ("gzip", typed("", "a", &body).header("content-encoding", "gzip"), 415, "only snappy"),
        ("not snappy", push(vec![1, 2, 3]).tenant("a"), 400, "corrupt"),
        ("a claim of 4 GiB", push(claiming((1 << 32) - 1, b"\0")).tenant("a"), 400, "corrupt"),
        (
            "no labels",
            push(Wire::new().message(1, &Wire::new()).compressed()).tenant("a"),
            400,
            "empty labels",
        ),
        ("GET", Call::get("/api/v1/push").tenant("a"), 405, ""),
        ("an unknown path", Call::get("/api/v1/pushes").tenant("a"), 404, ""),
    ];
    for (case, call, status, message) in cases {
        let answer = client.send(call).await?;
        assert_eq!(answer.status, status, "{case}: {answer}");
        assert!(answer.text().contains(message), "{case}: {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_repeated_sample_is_fine_and_a_contradicting_one_is_not() -> Result<()> {
    let cortex = Cortex::start()?;
    let client = Client::http2(cortex.address());
    client.send(up("a", 1000, 1.0).push().tenant("t")).await?.expect(200)?;
    client.send(up("a", 1000, 1.0).push().tenant("t")).await?.expect(200)?;

    let mixed = WriteRequest::of(
        [up("b", 5000, 7.0), up("a", 1000, 2.0), up("c", 5000, 8.0)]
            .into_iter()
            .flat_map(|r| r.timeseries)
            .collect(),
    );
    let refused = client.send(mixed.push().tenant("t")).await?.expect(400)?;
    assert!(refused.text().contains("duplicate sample for timestamp"), "{refused}");
    let state = cortex.state();
    let store = state.store("t").unwrap();
    assert_eq!(store.samples(&[("__name__", "up"), ("team", "a")]), [(1000, 1.0)]);
    assert_eq!(store.samples(&[("__name__", "up"), ("team", "b")]), [(5000, 7.0)]);
    assert_eq!(store.samples(&[("__name__", "up"), ("team", "c")]), [(5000, 8.0)]);
    Ok(())
}

#[tokio::test]
async fn labels_hidden_from_a_strict_reader_are_seen() -> Result<()> {
    let sample = |series: Wire| series.sample(1000, 1.0);
    let named = || Wire::new().label("__name__", "up");
    let label = |name: &[u8], value: &[u8]| Wire::new().bytes(1, name).bytes(2, value);
    let whole = |series: &Wire| Wire::new().message(1, series);
    let cases = [
        (
            "a value before its name",
            whole(&sample(named().message(1, &Wire::new().bytes(2, b"x").bytes(1, b"team")))),
        ),
        (
            "the last of two values",
            whole(&sample(named().message(1, &label(b"team", b"shown").bytes(2, b"x")))),
        ),
        (
            "the last of two names",
            whole(&sample(named().message(1, &label(b"other", b"x").bytes(1, b"team")))),
        ),
        ("a label after the samples", whole(&sample(named()).label("team", "x"))),
        ("a label whose number wraps", whole(&sample(named().message((1 << 32) + 1, &label(b"team", b"x"))))),
        (
            "a series whose number wraps",
            Wire::new().message((7 << 32) + 1, &sample(named().label("team", "x"))),
        ),
        ("a tag too long", whole(&sample(named().message(Tag::padded(1, 9), &label(b"team", b"x"))))),
        ("a group to pass over", whole(&sample(named().tag(9, 3).varint(1, 5).tag(9, 4).label("team", "x")))),
    ];
    let cortex = Cortex::start()?;
    let client = Client::http1(cortex.address());
    for (case, message) in cases {
        cortex.forget();
        client.send(push(message.compressed()).tenant("t")).await?.expect(200)?;
        let state = cortex.state();
        let series = state.series("t").next().unwrap();
        assert_eq!(series.label("team"), Some("x"), "{case}: {series}");
        assert_eq!(
            state.store("t").unwrap().samples(&[("__name__", "up"), ("team", "x")]),
            [(1000, 1.0)],
            "{case}"
        );
    }

    let refused = [
        ("a tag of eleven bytes", Wire::new().message(Tag::padded(1, 10), &named())),
        ("the number zero", Wire::new().varint(0, 1)),
        ("a negative number", Wire::new().varint(1 << 31, 1)),
        ("a length that lies", Wire::new().tag(1, 2).number(100, 0)),
        ("a wire type that is none", Wire::new().tag(9, 7)),
        ("samples as a number", whole(&named().varint(2, 1))),
    ];
    for (case, message) in refused {
        let answer = client.send(push(message.compressed()).tenant("t")).await?;
        assert_eq!(answer.status, 400, "{case}: {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn the_foreign_fields_of_a_push_are_listed() -> Result<()> {
    let cortex = Cortex::start()?;
    let client = Client::http1(cortex.address());
    let message = Wire::new().varint(2, 1).varint(1000, 1).bytes(77, b"?").varint(1002, 1);
    client.send(push(message.compressed()).tenant("t")).await?.expect(200)?;
    let state = cortex.state();
    let pushed = state.requests[0].push.as_ref().unwrap().as_ref().unwrap();
    assert_eq!(pushed.foreign_fields, [2, 1000, 77, 1002]);
    Ok(())
}

#[tokio::test]
async fn version_2_is_decoded_and_counted() -> Result<()> {
    let cortex = Cortex::start()?;
    let client = Client::http2(cortex.address());
    let mut v1 = WriteRequest::realistic(30).with_samples(2);
    v1.metadata.push(scopegate_tests::remote_write::MetricMetadata {
        kind: 1,
        metric_family_name: "container_cpu_usage_seconds_total".to_owned(),
        help: "CPU".to_owned(),
        unit: "s".to_owned(),
    });
    let answer = client.send(v2::Request::from(&v1).push().tenant("t")).await?.expect(204)?;
    assert_eq!(answer.header("x-prometheus-remote-write-samples-written"), Some("60"));
    assert_eq!(answer.header("x-prometheus-remote-write-exemplars-written"), Some("0"));
    let state = cortex.state();
    assert_eq!(state.store("t").unwrap().count(), 60);
    let seen: Vec<_> = state.series("t").map(|series| series.label("pod").unwrap().to_owned()).collect();
    let sent: Vec<_> = v1.timeseries.iter().map(|series| series.labels[7].value.clone()).collect();
    assert_eq!(seen, sent);
    let metadata = &state.store("t").unwrap().metadata()[0];
    assert_eq!(
        (metadata.family.as_str(), metadata.help.as_str()),
        ("container_cpu_usage_seconds_total", "CPU")
    );
    Ok(())
}

#[tokio::test]
async fn references_hidden_from_a_strict_reader_are_seen() -> Result<()> {
    let symbols = ["", "__name__", "up", "team", "x"];
    let with_symbols =
        |message: Wire| symbols.iter().fold(message, |all, text| all.bytes(4, text.as_bytes()));
    let request = |refs: Wire| with_symbols(Wire::new()).message(5, &refs.sample(1000, 1.0));
    let cases = [
        ("packed", request(Wire::new().bytes(1, &[1, 2, 3, 4]))),
        ("one by one", request([1, 2, 3, 4].iter().fold(Wire::new(), |refs, one| refs.varint(1, *one)))),
        ("in two blocks", request(Wire::new().bytes(1, &[1, 2]).bytes(1, &[3, 4]))),
        ("wrapping", request(Wire::new().bytes(1, &[1, 2, 3]).varint(1, (1 << 32) + 4))),
        ("longer than need be", request(Wire::new().bytes(1, &[1, 2, 3, 0x84, 0]))),
        ("running on behind the block", request(Wire::new().tag(1, 2).number(4, 0).raw(&[1, 2, 3, 0x84, 0]))),
        (
            "before the symbols",
            with_symbols(Wire::new().message(5, &Wire::new().bytes(1, &[1, 2, 3, 4]).sample(1000, 1.0))),
        ),
    ];
    let cortex = Cortex::start()?;
    let client = Client::http1(cortex.address());
    for (case, message) in cases {
        cortex.forget();
        let answer = client.send(v2::push(message.compressed()).tenant("t")).await?;
        assert_eq!(answer.status, 204, "{case}: {answer}");
        let state = cortex.state();
        assert_eq!(
            state.store("t").unwrap().samples(&[("__name__", "up"), ("team", "x")]),
            [(1000, 1.0)],
            "{case}"
        );
    }
    for refs in [vec![1, 2, 3], vec![1, 2, 3, 5]] {
        client
            .send(v2::push(request(Wire::new().bytes(1, &refs)).compressed()).tenant("t"))
            .await?
            .expect(400)?;
        let exemplar = Wire::new().bytes(1, &[1, 2]).message(4, &Wire::new().bytes(1, &refs));
        client.send(v2::push(request(exemplar).compressed()).tenant("t")).await?.expect(400)?;
    }
    Ok(())
}

/// As it was seen on Cortex 1.21: what the distributor refuses leaves the counts of the rest, what an ingester refuses does
/// not.
#[tokio::test]
async fn version_2_counts_beside_refusals() -> Result<()> {
    let cortex = Cortex::start()?;
    let client = Client::http1(cortex.address());
    let request = |series: Vec<_>| v2::Request::from(&WriteRequest::of(series)).push().tenant("t");
    let written = |answer: &scopegate_tests::client::Answer| {
        answer.header("x-prometheus-remote-write-samples-written").map(str::to_owned)
    };
    let good = |value| series(&[("__name__", "up")], 1000, value);
    let nameless = vec![series(&[("job", "x")], 1000, 1.0), good(1.0)];
    let answer = client.send(request(nameless)).await?.expect(400)?;
    assert_eq!(written(&answer).as_deref(), Some("1"));
    let duplicate = vec![good(2.0), series(&[("__name__", "other")], 1000, 1.0)];
    let answer = client.send(request(duplicate)).await?.expect(400)?;
    assert_eq!(written(&answer).as_deref(), Some("0"));
    assert_eq!(cortex.state().store("t").unwrap().samples(&[("__name__", "other")]), [(1000, 1.0)]);
    let empty = series(&[], 1000, 1.0);
    assert_eq!(written(&client.send(request(vec![empty])).await?.expect(400)?).as_deref(), Some("0"));
    let mut nothing = v2::Request::from(&WriteRequest::of(vec![good(1.0)]));
    nothing.timeseries[0].samples.clear();
    assert_eq!(written(&client.send(nothing.push().tenant("t")).await?.expect(400)?), None);
    // Where version 2 is not enabled.
    cortex.set(|state| state.only_version_1 = true);
    client.send(request(vec![good(1.0)])).await?.expect(415)?;
    client.send(WriteRequest::of(vec![good(1.0)]).push().tenant("t")).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn what_was_pushed_is_read_back_by_one_tenant_and_by_several() -> Result<()> {
    let cortex = Cortex::start()?;
    let client = Client::http1(cortex.address());
    for (tenant, value) in [("a", 1.0), ("b", 2.5)] {
        let request = WriteRequest::of(vec![
            series(&[("__name__", "up"), ("job", "x")], 10_000, value),
            series(&[("__name__", "up"), ("job", "y")], 10_000, value),
            series(&[("__name__", "gone")], 10_000, f64::from_bits(scopegate_tests::remote_write::STALE)),
        ]);
        client.send(request.push().tenant(tenant)).await?.expect(200)?;
    }
    let cases = [
        ("a", "up{job=\"x\"}", json!([{"metric": {"__name__": "up", "job": "x"}, "value": [12.0, "1"]}])),
        ("a", "up{job!~\"x|z\"}", json!([{"metric": {"__name__": "up", "job": "y"}, "value": [12.0, "1"]}])),
        ("a", "gone", json!([])),
        ("a|b", "sum(up)", json!([{"metric": {}, "value": [12.0, "7"]}])),
        (
            "a|b",
            "count(up) by (__tenant_id__)",
            json!([
                {"metric": {"__tenant_id__": "a"}, "value": [12.0, "2"]},
                {"metric": {"__tenant_id__": "b"}, "value": [12.0, "2"]},
            ]),
        ),
        (
            "b|a",
            "up{__tenant_id__=\"b\",job=\"x\"}",
            json!([
                {"metric": {"__name__": "up", "job": "x", "__tenant_id__": "b"}, "value": [12.0, "2.5"]},
            ]),
        ),
        ("c", "up", json!([])),
    ];
    for (tenants, query, expected) in cases {
        let get =
            Call::query("/prometheus/api/v1/query", &[("query", query), ("time", "12")]).tenant(tenants);
        let post = Call::form("/api/prom/api/v1/query", &[("query", query), ("time", "12")]).tenant(tenants);
        for call in [get, post] {
            let answer = client.send(call).await?.expect(200)?.json()?;
            assert_eq!(answer["data"]["result"], expected, "{tenants} {query}");
        }
    }
    let lists = [
        ("series?match[]=up", json!([{"__name__": "up", "job": "x"}, {"__name__": "up", "job": "y"}])),
        ("labels", json!(["__name__", "job"])),
        ("label/job/values", json!(["x", "y"])),
        ("label/job/values?start=20", json!([])),
    ];
    for (path, expected) in lists {
        let answer = client.send(Call::get(&format!("/prometheus/api/v1/{path}")).tenant("a")).await?;
        assert_eq!(answer.expect(200)?.json()?["data"], expected, "{path}");
    }
    let fields = [("start", "9"), ("end", "11"), ("step", "1"), ("query", "up{job=\"x\"}")];
    let call = Call::query("/prometheus/api/v1/query_range", &fields).tenant("a");
    let answer = client.send(call).await?.expect(200)?.json()?;
    assert_eq!(answer["data"]["result"][0]["values"], json!([[10.0, "1"], [11.0, "1"]]));

    for (query, status) in [("rate(up[5m])", 422), ("up offset 1m", 422), ("up{", 400), ("", 400)] {
        let call = Call::query("/prometheus/api/v1/query", &[("query", query)]).tenant("a");
        client.send(call).await?.expect(status)?;
    }
    Ok(())
}

#[tokio::test]
async fn faults_come_in_order_and_heal() -> Result<()> {
    let cortex = Cortex::start()?;
    let client = Client::http1(cortex.address());
    let send = || client.send(up("a", 1000, 1.0).push().tenant("t"));
    cortex.fault("t", Fault::answer(429).header("Retry-After", "7").body("slow down").times(2));
    cortex.fault("t", Fault::answer(503).stores());
    for _ in 0..2 {
        let answer = send().await?.expect(429)?;
        assert_eq!((answer.header("retry-after"), answer.text().as_str()), (Some("7"), "slow down"));
    }
    assert!(cortex.state().store("t").is_none());
    send().await?.expect(503)?;
    assert_eq!(cortex.state().store("t").unwrap().count(), 1);
    cortex.heal("t");
    send().await?.expect(200)?;

    cortex.fault(EVERYBODY, Fault::reset().times(1));
    assert!(send().await.is_err());
    cortex.fault(EVERYBODY, Fault::break_off(200).body("half").times(1));
    let broken = format!("{:#}", send().await.unwrap_err());
    assert!(broken.contains("the body broke off after a 200"), "{broken}");
    send().await?.expect(200)?;
    let outcomes: Vec<_> = cortex.state().requests.iter().map(|request| request.outcome).collect();
    let answered = Outcome::Answered;
    let expected = [
        answered(429),
        answered(429),
        answered(503),
        answered(200),
        Outcome::Broken,
        Outcome::Broken,
        answered(200),
    ];
    assert_eq!(outcomes, expected);
    Ok(())
}

#[tokio::test]
async fn a_stream_is_reset_without_its_connection() -> Result<()> {
    let cortex = Cortex::start()?;
    let mut connection = Client::http2(cortex.address()).connect().await?;
    for fault in [Fault::reset(), Fault::break_off(200)] {
        cortex.fault("t", fault.times(1));
        assert!(connection.send(up("a", 1000, 1.0).push().tenant("t")).await.is_err());
        connection.send(up("a", 1000, 1.0).push().tenant("t")).await?.expect(200)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_gate_holds_requests_until_it_opens() -> Result<()> {
    let cortex = Cortex::start()?;
    let client = Client::http2(cortex.address());
    let gate = Gate::new();
    cortex.fault("slow", Fault::hold(&gate));
    let held = tokio::spawn(async move { client.send(up("a", 1000, 1.0).push().tenant("slow")).await });
    cortex.wait_for("the held push", |state| state.of("slow").count() == 1).await?;
    client.send(up("a", 1000, 1.0).push().tenant("quick")).await?.expect(200)?;
    assert_eq!(cortex.state().of("slow").next().unwrap().outcome, Outcome::Open);
    assert!(cortex.state().store("slow").is_none());
    gate.open();
    held.await??.expect(200)?;
    assert_eq!(cortex.state().store("slow").unwrap().count(), 1);
    Ok(())
}

#[tokio::test]
async fn callers_who_go_away_are_noticed() -> Result<()> {
    let cortex = Cortex::start()?;
    cortex.fault("t", Fault::hang());
    for client in [Client::http1(cortex.address()), Client::http2(cortex.address())] {
        cortex.forget();
        let mut waiting = client.open(push(up("a", 1000, 1.0).body()).tenant("t")).await?;
        waiting.end();
        cortex.wait_for("the push", |state| state.requests.len() == 1 && state.requests[0].complete).await?;
        waiting.abort();
        cortex.wait_for("its end", |state| state.requests[0].outcome == Outcome::Abandoned).await?;

        cortex.forget();
        let half = client.open(push(b"half".to_vec()).tenant("t")).await?;
        cortex.wait_for("its head", |state| state.counts().begun == 1).await?;
        drop(half);
        cortex
            .wait_for("half a push", |state| state.requests.first().is_some_and(|half| !half.complete))
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_port_stays_while_it_is_down() -> Result<()> {
    let mut cortex = Cortex::start()?;
    let client = Client::http1(cortex.address());
    let mut kept = client.connect().await?;
    kept.send(up("a", 1000, 1.0).push().tenant("t")).await?.expect(200)?;
    cortex.down().await?;
    assert!(kept.send(Call::get("/ready")).await.is_err());
    assert!(client.get("/ready").await.is_err());
    cortex.up()?;
    client.get("/ready").await?.expect(200)?;
    assert_eq!(cortex.state().store("t").unwrap().count(), 1);
    Ok(())
}

#[tokio::test]
async fn requests_are_recorded_as_they_are() -> Result<()> {
    let cortex = Cortex::start()?;
    cortex.reply("/prometheus/api/v1/rules", 200, "application/json", "{}");
    let head = "GET /prometheus/api/v1/rules?a=%2F&b HTTP/1.1\r\nHost: x\r\nX-Scope-OrgID: first\r\nX-Odd: \u{e9}\r\nX-Scope-OrgID: second\r\n\r\n";
    let answer = raw::exchange(cortex.address(), head).await?;
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()));
    let state = cortex.state();
    let request = &state.requests[0];
    assert_eq!(request.target, "/prometheus/api/v1/rules?a=%2F&b");
    assert_eq!((request.path(), request.authority.as_str()), ("/prometheus/api/v1/rules", "x"));
    assert_eq!(request.header_values("x-scope-orgid"), [b"first".as_slice(), b"second"]);
    assert_eq!(request.header_values("x-odd"), ["\u{e9}".as_bytes()]);
    assert_eq!(request.tenant.as_deref(), Some("first"));
    Ok(())
}

#[tokio::test]
async fn a_sink_counts_and_keeps_nothing() -> Result<()> {
    let sink = Cortex::sink()?;
    let mut connection = Client::http2(sink.address()).connect().await?;
    let body = WriteRequest::realistic(100).body();
    for _ in 0..3 {
        connection.send(push(body.clone()).tenant("t")).await?.expect(200)?;
    }
    let counts = sink.state().counts();
    assert_eq!((counts.requests, counts.bytes), (3, 3 * body.len() as u64));
    assert!(sink.state().requests.is_empty());
    Ok(())
}
