//! Labels that writes get, and backends that know no `X-Scope-OrgID`: what arrives there.

use anyhow::Result;
use prost::Message as _;
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::{Cortex, State};
use scopegate_tests::envoy::Envoy;
use scopegate_tests::loki;
use scopegate_tests::otlp;
use scopegate_tests::remote_write::{TimeSeries, WriteRequest, label, series, v2};
use scopegate_tests::victoriametrics::VictoriaMetrics;
use serde_json::{Value, json};

use crate::gateway::{Gateway, KEY, as_forwarder, by_namespace, configuration, raw_series};

/// The series with these labels besides their own, sorted.
fn and(series: &TimeSeries, more: &[(&str, &str)]) -> TimeSeries {
    let mut series = series.clone();
    series.labels.retain(|label| more.iter().all(|(name, _)| label.name != *name));
    series.labels.extend(more.iter().map(|(name, value)| label(name, value)));
    series.labels.sort();
    series
}

/// Everybody gets labels, whether the request has one tenant or several, and ours win.
#[tokio::test]
async fn every_series_arrives_with_its_labels_and_nothing_else_changed() -> Result<()> {
    let mut configuration = by_namespace();
    configuration["write"]["metrics"]["labels"] = json!({
        "set": {"region": "eu", "tenant": {"from": "tenant"}, "by": {"from": "caller"}},
        "remove": ["job"], "rename": {"instance": "host"},
    });
    let gateway = Gateway::start(&configuration).await?;
    let request = WriteRequest::realistic(200).with_label("tenant", |_| "evil".to_owned());
    let expected = |tenant: &str| -> Vec<Vec<u8>> {
        let is_its = |series: &&TimeSeries| series.labels.contains(&label("namespace", tenant));
        let after = |series: &TimeSeries| {
            let mut after = and(series, &[("region", "eu"), ("tenant", tenant), ("by", "forwarders")]);
            after.labels.retain(|label| label.name != "job");
            after.labels.iter_mut().filter(|l| l.name == "instance").for_each(|l| l.name = "host".into());
            after.labels.sort();
            after.encode_to_vec()
        };
        request.timeseries.iter().filter(is_its).map(after).collect()
    };
    for client in [gateway.http1()?, gateway.http2()?] {
        gateway.cortex.forget();
        client.send(as_forwarder(request.push())).await?.expect(200)?;
        let state = gateway.cortex.state();
        assert_eq!(state.requests.len(), 10, "{}", state.summary());
        for n in 0..10 {
            let tenant = format!("namespace-{n}");
            assert!(!expected(&tenant).is_empty());
            assert_eq!(raw_series(&state, &tenant), expected(&tenant), "{tenant}");
        }
    }
    // One tenant: by the request's own route, with a new body.
    gateway.cortex.forget();
    let one = WriteRequest::of(
        request
            .timeseries
            .iter()
            .filter(|s| s.labels.contains(&label("namespace", "namespace-3")))
            .cloned()
            .collect(),
    );
    gateway.http1()?.send(as_forwarder(one.push())).await?.expect(200)?;
    let state = gateway.cortex.state();
    assert_eq!(state.requests.len(), 1, "{}", state.summary());
    assert_eq!(raw_series(&state, "namespace-3"), expected("namespace-3"));
    Ok(())
}

/// The same edits in the other protocols, split over tenants: ours win, and a series that need not change does not.
#[tokio::test]
async fn labels_change_in_every_protocol() -> Result<()> {
    let mut configuration = by_namespace();
    configuration["backends"] = json!([
        {"name": "metrics", "kind": "cortex", "host": "metrics.test"},
        {"name": "logs", "kind": "loki", "host": "logs.test"},
        {"name": "traces", "kind": "tempo", "host": "traces.test"},
    ]);
    let rules = json!({
        "tenant": [{"label": "namespace"}, "caller"],
        "labels": {"set": {"tenant": {"from": "tenant"}}, "remove": ["tmp"], "rename": {"zone": "az"}},
    });
    configuration["write"] = json!({"metrics": rules, "logs": rules, "traces": rules});
    let gateway = Gateway::start(&configuration).await?;
    let client = gateway.http1()?;
    let before = [
        [("namespace", "namespace-1"), ("tenant", "evil"), ("tmp", "1"), ("zone", "z")],
        [("namespace", "namespace-2"), ("tenant", "namespace-2"), ("tmq", "1"), ("zonf", "z")],
    ];
    let after =
        [vec![("az", "z"), ("namespace", "namespace-1"), ("tenant", "namespace-1")], before[1].to_vec()];
    let tenants = ["namespace-1", "namespace-2"];

    let named =
        |labels: &Vec<(&str, &str)>| series(&[&[("__name__", "up")], labels.as_slice()].concat(), 1, 1.0);
    let request = |all: &[Vec<(&str, &str)>]| WriteRequest::of(all.iter().map(named).collect());
    let sent = request(&before.map(|labels| labels.to_vec()));
    let call = v2::Request::from(&sent).push().authority("metrics.test");
    client.send(as_forwarder(call)).await?.expect(204)?;
    for (tenant, labels) in tenants.iter().zip(&after) {
        let state = gateway.cortex.state();
        let pushes = state.of(tenant).filter_map(|request| request.push.as_ref()?.as_ref().ok());
        let messages: Vec<_> = pushes.map(|push| push.message.clone()).collect();
        let expected = v2::Request::from(&request(std::slice::from_ref(labels)));
        assert_eq!(messages, [expected.encode_to_vec()], "{tenant}");
    }
    for form in loki::FORMS {
        gateway.cortex.forget();
        let all = before.map(|labels| loki::stream(&labels, &[("line", &[])]));
        let call = loki::push(form, &all).authority("logs.test");
        client.send(as_forwarder(call)).await?.expect(204)?;
        for (tenant, labels) in tenants.iter().zip(&after) {
            let expected = loki::stream(labels, &[("line", &[])]);
            assert_eq!(loki::streams(&gateway.cortex.state(), tenant), [expected], "{form:?} {tenant}");
        }
    }
    for signal in otlp::SIGNALS {
        let (host, path) = match signal {
            otlp::Signal::Metrics => ("metrics.test", "/api/v1/otlp/v1/metrics"),
            otlp::Signal::Logs => ("logs.test", "/otlp/v1/logs"),
            otlp::Signal::Traces => ("traces.test", "/v1/traces"),
        };
        for json in [false, true] {
            gateway.cortex.forget();
            let all = before.map(|attributes| otlp::resource(&attributes, &["item"]));
            let call = otlp::export(path, signal, json, true, &all).authority(host);
            client.send(as_forwarder(call)).await?.expect(200)?;
            for (tenant, attributes) in tenants.iter().zip(&after) {
                let expected = otlp::resource(attributes, &["item"]);
                assert_eq!(
                    otlp::resources(&gateway.cortex.state(), tenant),
                    [expected],
                    "{signal:?} {tenant}"
                );
            }
        }
    }
    Ok(())
}

/// A label from a user's token; without it nothing is written.
#[tokio::test]
async fn a_label_comes_from_the_token() -> Result<()> {
    let mut configuration = configuration();
    configuration["write"]["metrics"] = json!({"labels": {"set": {"mail": {"claim": ["contact", "mail"]}}}});
    let gateway = Gateway::start(&configuration).await?;
    let client = gateway.http1()?;
    let sent = series(&[("__name__", "up"), ("mail", "forged")], 1, 1.0);
    let push = |claims: Value| WriteRequest::of(vec![sent.clone()]).push().bearer(&gateway.token(claims));
    for contact in [json!(null), json!({"mail": ["a", "b"]}), json!({"mail": true}), json!({"mail": ""})] {
        let answer = client.send(push(json!({"tenant": "team-a", "contact": contact}))).await?.expect(403)?;
        assert!(answer.text().contains("the claim contact › mail of this caller"), "{}", answer.text());
    }
    gateway.nothing_arrived("without the claim");
    client
        .send(push(json!({"tenant": "team-a", "contact": {"mail": "a@example.org"}})))
        .await?
        .expect(200)?;
    let expected = and(&sent, &[("mail", "a@example.org")]).encode_to_vec();
    assert_eq!(raw_series(&gateway.cortex.state(), "team-a"), [expected]);
    Ok(())
}

/// An Envoy before a backend of this kind, at a prefix that the route takes off.
async fn before(
    backend: &std::net::SocketAddr,
    kind: &str,
    isolate: Value,
    write: Value,
) -> Result<(Envoy, Client)> {
    let mut configuration = configuration();
    configuration["backends"] = json!([{"name": "metrics", "kind": kind, "isolate": isolate, "path": "/vm"}]);
    configuration["write"] = json!({"metrics": write});
    let mut route = scopegate_tests::bootstrap::route("/vm/", "backend");
    route["route"]["prefix_rewrite"] = json!("/");
    let listener = Listener::new("gateway")
        .filter(Plugin::structured(&configuration).variable("KEY", KEY).filter())
        .raw_route(route);
    let bootstrap = Bootstrap::new().listener(listener).cluster(Cluster::http1("backend", *backend));
    let envoy = Envoy::start(&bootstrap).await?;
    let client = Client::http1(envoy.listener("gateway")?);
    Ok((envoy, client))
}

/// What the stand-in received: paths, and the messages in the bodies.
fn arrived(state: &State) -> Vec<(String, Vec<u8>)> {
    let message = |body: &[u8]| snap::raw::Decoder::new().decompress_vec(body).unwrap();
    let mut all: Vec<_> = state.requests.iter().map(|r| (r.target.clone(), message(&r.body))).collect();
    all.sort();
    all
}

/// To a real `VictoriaMetrics`: one tenant in the URL, several in the body, and what is read back.
#[tokio::test]
async fn victoriametrics_shows_every_tenants_own_label() -> Result<()> {
    let victoria = VictoriaMetrics::start().await?;
    let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?;
    let isolate = json!({"label": "tenantId"});
    let (_envoy, client) = before(
        &victoria.address(),
        "victoriametrics",
        isolate.clone(),
        json!({
            "labels": {"set": {"region": "eu & co"}},
        }),
    )
    .await?;
    let sent = WriteRequest::of(vec![
        series(&[("__name__", "whole"), ("tenantId", "evil")], now, 1.0),
        series(
            &[("__name__", "whole"), ("region", "x"), ("tenantId", "platform"), ("tenantId", "evil")],
            now,
            2.0,
        ),
    ]);
    let mut call = as_forwarder(Call::post("/vm/api/v1/write?extra_label=tenantId=evil", sent.body()));
    for (name, value) in [("content-type", "application/x-protobuf"), ("content-encoding", "snappy")] {
        call = call.header(name, value);
    }
    client.send(call).await?.expect(204)?;
    // Other protocols as well, whose bodies nobody looks into.
    let text =
        Call::post("/vm/api/v1/import/prometheus?extra%5Flabel=tenantId=evil", "text{tenantId=\"evil\"} 1\n");
    client.send(as_forwarder(text)).await?.expect(204)?;
    let whole = victoria.series("{tenantId!=\"\"}", 2).await?;
    let labels = |name: &str| {
        [("__name__", name), ("region", "eu & co"), ("tenantId", "platform")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    };
    assert_eq!(whole, [labels("text"), labels("whole")]);
    assert_eq!(victoria.series("{tenantId=\"evil\"}", 0).await?, []);

    let (_envoy, client) = before(
        &victoria.address(),
        "victoriametrics",
        isolate,
        json!({"tenant": [{"label": "namespace"}, "caller"], "calls": {"path": "/api/v1/write"}}),
    )
    .await?;
    let sent = WriteRequest::of(vec![
        series(&[("__name__", "part"), ("namespace", "namespace-1"), ("tenantId", "evil")], now, 1.0),
        series(&[("__name__", "part"), ("namespace", "namespace-2")], now, 2.0),
        series(&[("__name__", "part"), ("tenantId", "namespace-1")], now, 3.0),
    ]);
    let mut call = as_forwarder(Call::post("/vm/api/v1/write?extra_label=tenantId=evil", sent.body()));
    for (name, value) in [("content-type", "application/x-protobuf"), ("content-encoding", "snappy")] {
        call = call.header(name, value);
    }
    // The parts leave by calls, so past the route and its rewrite.
    let answer = client.send(call).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut parts = victoria.series("part", 3).await?;
    for labels in &mut parts {
        labels.remove("__name__");
    }
    let tenants: Vec<_> =
        parts.iter().map(|l| (l.get("namespace").map(String::as_str), l["tenantId"].as_str())).collect();
    assert_eq!(
        tenants,
        [(Some("namespace-1"), "namespace-1"), (Some("namespace-2"), "namespace-2"), (None, "platform")]
    );
    Ok(())
}

/// To a stand-in for vminsert: accounts in the path, whole and in parts.
#[tokio::test]
async fn every_tenant_writes_to_its_own_account() -> Result<()> {
    let cortex = Cortex::start()?;
    for account in ["7:0", "1:2"] {
        for prefix in ["", "/vm"] {
            cortex.reply(
                &format!("{prefix}/insert/{account}/prometheus/api/v1/write"),
                204,
                "text/plain",
                "",
            );
        }
    }
    let accounts = json!({"account": {"platform": "7", "namespace-1": "1:2"}});
    let own = series(&[("__name__", "own"), ("vm_account_id", "9")], 1, 1.0);
    let unnamed = series(&[("__name__", "own")], 1, 1.0);
    let other = series(&[("__name__", "other"), ("namespace", "namespace-1")], 1, 1.0);
    let none = series(&[("__name__", "none"), ("namespace", "namespace-2")], 1, 1.0);
    let write = |series: &[&TimeSeries]| {
        let body = WriteRequest::of(series.iter().map(|series| (*series).clone()).collect()).body();
        as_forwarder(Call::post("/vm/prometheus/api/v1/write?a=b&extra_label=c=d", body))
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "snappy")
            .header("accountid", "9")
            .tenant("platform")
    };
    let message = |series: &TimeSeries| WriteRequest::of(vec![series.clone()]).encode_to_vec();

    let (_envoy, client) =
        before(&cortex.address(), "victoriametrics-cluster", accounts.clone(), json!({})).await?;
    // What cannot be looked into could hide such a label.
    let text = Call::post("/vm/prometheus/api/v1/import/prometheus", "own{vm_account_id=\"9\"} 1\n");
    client.send(as_forwarder(text)).await?.expect(415)?;
    client.send(write(&[&own])).await?.expect(204)?;
    {
        let state = cortex.state();
        let target = "/insert/7:0/prometheus/api/v1/write?a=b".to_owned();
        assert_eq!(arrived(&state), [(target, message(&unnamed))], "and no label names an account");
        for absent in ["x-scope-orgid", "accountid"] {
            assert_eq!(state.requests[0].header(absent), None, "{absent}");
        }
    }
    client.send(as_forwarder(Call::post("/vm/insert/1:2/prometheus/api/v1/write", ""))).await?.expect(403)?;

    cortex.forget();
    let by_label = json!({
        "tenant": [{"label": "namespace"}, "caller"], "calls": {"path": "/prometheus/api/v1/write"},
    });
    let (_envoy, client) = before(&cortex.address(), "victoriametrics-cluster", accounts, by_label).await?;
    let answer = client.send(write(&[&own, &other, &none])).await?.expect(400)?;
    assert!(answer.text().contains("the tenant has no account in this backend"), "{}", answer.text());
    let state = cortex.state();
    assert_eq!(
        arrived(&state),
        [
            ("/insert/1:2/prometheus/api/v1/write".to_owned(), message(&other)),
            ("/insert/7:0/prometheus/api/v1/write".to_owned(), message(&unnamed)),
        ]
    );
    assert!(state.requests.iter().all(|request| request.header("x-scope-orgid").is_none()));
    Ok(())
}

/// To a stand-in for `VictoriaLogs`: accounts in headers.
#[tokio::test]
async fn accounts_stand_in_headers() -> Result<()> {
    let cortex = Cortex::start()?;
    cortex.reply("/insert/jsonline", 200, "text/plain", "");
    let accounts = json!({"account": {"platform": "7:3"}});
    let (_envoy, client) = before(&cortex.address(), "victorialogs", accounts, json!({})).await?;
    let call = as_forwarder(Call::post(
        "/vm/insert/jsonline?extra_fields=tenant=evil&_msg_field=m",
        "{\"m\":\"x\"}",
    ));
    let call = call.header("AccountID", "9").header("ProjectID", "9").header("projectid", "8");
    client.send(call.header("VL-Extra-Fields", "tenant=evil")).await?.expect(200)?;
    {
        let state = cortex.state();
        let [request] = state.requests.as_slice() else { panic!("{}", state.summary()) };
        assert_eq!(request.target, "/insert/jsonline?_msg_field=m");
        assert_eq!(request.header_values("accountid"), [b"7"]);
        assert_eq!(request.header_values("projectid"), [b"3"]);
        for absent in ["x-scope-orgid", "vl-extra-fields"] {
            assert_eq!(request.header(absent), None, "{absent}");
        }
    }

    // Each part of a split names its own.
    cortex.forget();
    cortex.reply("/insert/loki/api/v1/push", 204, "text/plain", "");
    let accounts = json!({"account": {"platform": "7:3", "namespace-1": "9"}});
    let rules = json!({
        "tenant": [{"label": "namespace"}, "caller"], "calls": {"path": "/insert/loki/api/v1/push"},
    });
    let (_envoy, client) = before(&cortex.address(), "victorialogs", accounts, rules).await?;
    let all = [
        loki::stream(&[("namespace", "namespace-1")], &[("1", &[])]),
        loki::stream(&[("app", "x")], &[("2", &[])]),
    ];
    let call = Call::post("/vm/insert/loki/api/v1/push", loki::body(loki::Form::Json, &all))
        .header("content-type", "application/json")
        .header("AccountID", "1");
    client.send(as_forwarder(call)).await?.expect(204)?;
    let state = cortex.state();
    let mut parts: Vec<_> = state
        .requests
        .iter()
        .map(|part| {
            let number = |name: &str| part.header_values(name).concat();
            (number("accountid"), number("projectid"), part.body.to_vec())
        })
        .collect();
    parts.sort();
    let body = |at: usize| loki::body(loki::Form::Json, &all[at..=at]);
    assert_eq!(
        parts,
        [(b"7".to_vec(), b"3".to_vec(), body(1)), (b"9".to_vec(), b"0".to_vec(), body(0))],
        "{}",
        state.summary()
    );
    Ok(())
}
