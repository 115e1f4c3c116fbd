//! Writes that are taken apart: every tenant gets its own series, byte for byte, and nobody else's.

use anyhow::Result;
use prost::Message as _;
use scopegate_tests::bootstrap::{Cluster, Listener, route};
use scopegate_tests::client::Call;
use scopegate_tests::cortex::{Cortex, Fault};
use scopegate_tests::remote_write::{MetricMetadata, TimeSeries, WriteRequest, series};
use serde_json::{Value, json};

use crate::gateway::{Gateway, as_agent, as_forwarder, by_namespace, configuration, label_names, raw_series};

/// The series of a request that have this value of a label, encoded, in order.
fn encoded(request: &WriteRequest, label: &str, value: &str) -> Vec<Vec<u8>> {
    let has = |series: &&TimeSeries| series.labels.iter().any(|l| l.name == label && l.value == value);
    request.timeseries.iter().filter(has).map(TimeSeries::encode_to_vec).collect()
}

/// Sends 500 series of ten namespaces and looks at what each of ten tenants got.
async fn ten_tenants(gateway: &Gateway) -> Result<()> {
    let request = WriteRequest::realistic(500);
    for client in [gateway.http1()?, gateway.http2()?] {
        gateway.cortex.forget();
        client.send(as_forwarder(request.push())).await?.expect(200)?;
        let state = gateway.cortex.state();
        assert_eq!(state.requests.len(), 10, "{}", state.summary());
        for n in 0..10 {
            let tenant = format!("namespace-{n}");
            assert_eq!(raw_series(&state, &tenant), encoded(&request, "namespace", &tenant), "{tenant}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn ten_tenants_by_label_via_cluster() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    ten_tenants(&gateway).await?;
    // What the calls carry, and what they do not.
    let request = WriteRequest::realistic(20).push();
    let odd = as_forwarder(request)
        .header("x-request-id", "one")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("x-secret", "mine")
        .header("x-prom-label-policy", "a:{}");
    gateway.cortex.forget();
    gateway.http1()?.send(odd).await?.expect(200)?;
    let state = gateway.cortex.state();
    for received in &state.requests {
        assert_eq!(received.method, "POST");
        assert_eq!(received.target, "/api/v1/push");
        assert_eq!(received.authority, "gateway.test");
        assert_eq!(received.header_values("x-scope-orgid").len(), 1);
        assert_eq!(received.header_values("content-type"), [b"application/x-protobuf"]);
        assert_eq!(received.header_values("content-encoding"), [b"snappy"]);
        assert!(received.header("traceparent").is_some());
        for absent in
            ["authorization", "x-secret", "x-prom-label-policy", "x-scope-impersonate", "transfer-encoding"]
        {
            assert_eq!(received.header(absent), None, "{absent}");
        }
    }
    Ok(())
}

/// The parts go back into an internal listener, whose route rewrites, adds a header and picks a cluster.
#[tokio::test]
async fn ten_tenants_by_label_via_listener() -> Result<()> {
    let mut configuration = by_namespace();
    configuration["write"]["metrics"]["calls"] =
        json!({"via": "listener", "cluster": "parts", "headers": ["X-Kept"]});
    let gateway = Gateway::with(
        &configuration,
        |listener| listener,
        |bootstrap, _| {
            let mut inner = route("/api/v1/push", "cortex");
            inner["request_headers_to_add"] = json!([{"header": {"key": "x-inner", "value": "yes"}}]);
            bootstrap
                .listener(Listener::internal("inner").raw_route(inner))
                .cluster(Cluster::internal("parts", "inner"))
        },
    )
    .await?;
    ten_tenants(&gateway).await?;
    gateway.cortex.forget();
    gateway
        .http1()?
        .send(as_forwarder(WriteRequest::realistic(20).push()).header("x-kept", "k"))
        .await?
        .expect(200)?;
    let state = gateway.cortex.state();
    assert!(
        state.requests.iter().all(|r| r.header("x-inner") == Some("yes") && r.header("x-kept") == Some("k"))
    );
    Ok(())
}

#[tokio::test]
async fn impersonation_needs_the_right_and_the_header() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    let client = gateway.http1()?;
    let labels = |of: &'static str| [("__name__", "up"), ("zz_as", of), ("zzz", "last")];
    let request = WriteRequest::of(vec![
        series(&[("__name__", "own")], 1, 1.0),
        series(&labels("cluster-1"), 1, 2.0),
        series(&labels("cluster-2"), 1, 3.0),
        series(&labels("cluster-1"), 2, 4.0),
    ]);
    client.send(as_agent(request.push())).await?.expect(200)?;
    {
        let state = gateway.cortex.state();
        assert_eq!(state.tenants(), ["central", "cluster-1", "cluster-2"]);
        let stripped = |timestamp, value| {
            series(&[("__name__", "up"), ("zzz", "last")], timestamp, value).encode_to_vec()
        };
        assert_eq!(raw_series(&state, "central"), [series(&[("__name__", "own")], 1, 1.0).encode_to_vec()]);
        assert_eq!(raw_series(&state, "cluster-1"), [stripped(1, 2.0), stripped(2, 4.0)]);
        assert_eq!(raw_series(&state, "cluster-2"), [stripped(1, 3.0)]);
    }
    // Without the header, and without the right, the label is data of the own tenant and the body goes on untouched.
    for (who, call) in [
        (
            "central",
            request.push().header("authorization", scopegate_tests::identity::basic("agent", "agent-secret")),
        ),
        ("platform", as_forwarder(request.push()).header("x-scope-impersonate", "true")),
    ] {
        gateway.cortex.forget();
        client.send(call).await?.expect(200)?;
        let state = gateway.cortex.state();
        assert_eq!(state.tenants(), [who]);
        assert_eq!(state.requests[0].body, request.body());
        assert_eq!(state.requests[0].header("x-scope-impersonate"), None);
    }
    Ok(())
}

#[tokio::test]
async fn strict_refuses_impersonation_by_others() -> Result<()> {
    let mut strict = configuration();
    strict["write"] = json!({"metrics": {"strict": true}});
    let gateway = Gateway::start(&strict).await?;
    let client = gateway.http1()?;
    let request = WriteRequest::of(vec![
        series(&[("__name__", "own")], 1, 1.0),
        series(&[("__name__", "up"), ("zz_as", "cluster-1")], 1, 2.0),
    ]);
    let answer =
        client.send(as_forwarder(request.push()).header("x-scope-impersonate", "true")).await?.expect(403)?;
    assert_eq!(answer.text(), "scopegate: this caller has no right to impersonate other tenants\n");
    gateway.nothing_arrived("a header without the right");
    let answer = client.send(as_forwarder(request.push())).await?.expect(400)?;
    assert!(
        answer.text().contains("series up{zz_as=\"cluster-1\"}: this caller may not impersonate"),
        "{answer}"
    );
    assert_eq!(
        raw_series(&gateway.cortex.state(), "platform"),
        [series(&[("__name__", "own")], 1, 1.0).encode_to_vec()]
    );
    Ok(())
}

#[tokio::test]
async fn one_tenant_goes_on_by_envoys_own_route() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let client = gateway.http2()?;
    // Untouched: byte for byte what came, also with labels in an odd order.
    let request = WriteRequest::realistic(50).with_label("namespace", |_| "namespace-7".to_owned());
    client.send(as_forwarder(request.push()).header("x-own", "kept")).await?.expect(200)?;
    {
        let state = gateway.cortex.state();
        assert_eq!((state.tenants(), state.requests.len()), (vec!["namespace-7"], 1));
        assert_eq!(state.requests[0].body, request.body());
        assert_eq!(state.requests[0].header("x-own"), Some("kept"));
    }
    // Rewritten: the impersonation label goes, the rest of the request is the route's.
    gateway.cortex.forget();
    let request = WriteRequest::realistic(50).with_label("zz_as", |_| "cluster-9".to_owned());
    client.send(as_agent(request.push()).header("x-own", "kept")).await?.expect(200)?;
    let state = gateway.cortex.state();
    assert_eq!((state.tenants(), state.requests.len()), (vec!["cluster-9"], 1));
    assert_eq!(
        raw_series(&state, "cluster-9"),
        WriteRequest::realistic(50).timeseries.iter().map(TimeSeries::encode_to_vec).collect::<Vec<_>>()
    );
    assert_eq!(state.requests[0].header("x-own"), Some("kept"));
    assert_eq!(
        state.requests[0].header("content-length"),
        Some(state.requests[0].body.len().to_string().as_str())
    );
    Ok(())
}

#[tokio::test]
async fn series_without_a_tenant_are_named_or_not_as_configured() -> Result<()> {
    let cases: [(Value, u16, &[&str], &str); 4] = [
        (json!({"tenant": [{"label": "namespace"}]}), 400, &["namespace-1"], "3 series were not written"),
        (
            json!({"tenant": [{"label": "namespace"}], "on_absent": "drop", "on_unmapped": "drop"}),
            400,
            &["namespace-1"],
            "1 series were not written",
        ),
        (
            json!({"tenant": [{"label": "namespace"}], "on_absent": {"tenant": "lost"}, "on_unmapped": {"tenant": "odd"}}),
            400,
            &["lost", "namespace-1", "odd"],
            "1 series were not written",
        ),
        (
            json!({"tenant": [{"label": "namespace", "remove": true}, "caller"], "on_unmapped": "drop"}),
            400,
            &["namespace-1", "platform"],
            "1 series were not written",
        ),
    ];
    let request = WriteRequest::of(vec![
        series(&[("__name__", "good"), ("namespace", "namespace-1")], 1, 1.0),
        series(&[("__name__", "absent")], 1, 2.0),
        series(&[("__name__", "odd"), ("namespace", "no tenant")], 1, 3.0),
        series(&[("__name__", "foreign"), ("namespace", "kube-system")], 1, 4.0),
    ]);
    for (rules, status, tenants, words) in cases {
        let mut configuration = configuration();
        configuration["write"] = json!({"metrics": rules});
        let gateway = Gateway::start(&configuration).await?;
        let answer = gateway.http1()?.send(as_forwarder(request.push())).await?.expect(status)?;
        assert!(answer.text().contains(words), "{rules}: {answer}");
        assert!(
            answer.text().contains("series foreign{namespace=\"kube-system\"}: the tenant is not allowed"),
            "{answer}"
        );
        let state = gateway.cortex.state();
        assert_eq!(state.tenants(), tenants, "{rules}");
        assert!(!state.requests.iter().any(|r| r.series().iter().any(|s| s.metric() == "foreign")));
    }
    Ok(())
}

#[tokio::test]
async fn the_order_of_sources_is_the_order_of_the_list() -> Result<()> {
    let mut configuration = configuration();
    configuration["callers"][1]["basic"]["users"][0]["tenants"] = json!(["platform", "other"]);
    configuration["write"] = json!({"metrics": {"tenant": [{"label": "tenant"}, {"label": "namespace"}, {"header": "X-Tenant"}, "caller"],
        "on_absent": {"tenant": "lost"}}});
    let gateway = Gateway::start(&configuration).await?;
    let request = WriteRequest::of(vec![
        series(&[("__name__", "first"), ("namespace", "namespace-1"), ("tenant", "namespace-2")], 1, 1.0),
        series(&[("__name__", "empty"), ("namespace", "namespace-1"), ("tenant", "")], 1, 2.0),
        series(&[("__name__", "none")], 1, 3.0),
    ]);
    for (header, last) in [(Some("other"), "other"), (None, "lost")] {
        gateway.cortex.forget();
        let call = as_forwarder(request.push());
        let call = if let Some(tenant) = header { call.header("x-tenant", tenant) } else { call };
        gateway.http1()?.send(call).await?.expect(200)?;
        let state = gateway.cortex.state();
        let metric = |tenant: &str| state.series(tenant).map(|s| s.metric().to_owned()).collect::<Vec<_>>();
        assert_eq!(
            (metric("namespace-2"), metric("namespace-1"), metric(last)),
            (vec!["first".into()], vec!["empty".into()], vec!["none".into()])
        );
        assert!(state.requests.iter().all(|r| r.header("x-tenant").is_none()));
    }
    Ok(())
}

#[tokio::test]
async fn metadata_goes_to_the_own_tenant() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let mut request = WriteRequest::realistic(20);
    let metadata =
        MetricMetadata { metric_family_name: "up".into(), help: "Whether".into(), ..Default::default() };
    request.metadata = vec![metadata];
    gateway.http1()?.send(as_forwarder(request.push())).await?.expect(200)?;
    let state = gateway.cortex.state();
    let families = |tenant: &str| state.store(tenant).map_or(0, |store| store.metadata().len());
    assert_eq!((families("platform"), families("namespace-0")), (1, 0));
    Ok(())
}

/// Labels that a stricter walk would not see are seen, and series in which they stand go where the backend would
/// see them belong.
#[tokio::test]
async fn hidden_labels_are_found() -> Result<()> {
    use scopegate_tests::remote_write::wire::Wire;
    let gateway = Gateway::start(&by_namespace()).await?;
    let name = || Wire::new().bytes(1, b"__name__").bytes(2, b"hidden");
    let twice =
        Wire::new().bytes(1, b"x").bytes(1, b"namespace").bytes(2, b"namespace-1").bytes(2, b"namespace-2");
    let reversed = Wire::new().bytes(2, b"namespace-3").bytes(1, b"namespace");
    let message = Wire::new()
        .message(1, &Wire::new().message(1, &name()).message(1, &twice).sample(1, 1.0))
        .message(1, &Wire::new().message(1, &name()).sample(1, 1.0).message(1, &reversed));
    let call = scopegate_tests::remote_write::push(message.compressed());
    gateway.http1()?.send(as_forwarder(call)).await?.expect(200)?;
    let state = gateway.cortex.state();
    assert_eq!(state.tenants(), ["namespace-2", "namespace-3"]);
    for tenant in ["namespace-2", "namespace-3"] {
        let series: Vec<_> = state.series(tenant).collect();
        assert_eq!(series[0].label("namespace"), Some(tenant));
        assert!(label_names(series[0]).contains(&"__name__".to_owned()));
    }
    Ok(())
}

#[tokio::test]
async fn one_answer_for_many() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let client = gateway.http1()?;
    // Every time another request: the same one would go only to those that are left.
    let push = |series| as_forwarder(WriteRequest::realistic(series).push());
    let fault = |tenant: &str, fault: Fault| gateway.cortex.fault(tenant, fault);
    fault("namespace-1", Fault::answer(400).body("bad samples\nand more"));
    let answer = client.send(push(31)).await?.expect(400)?;
    assert_eq!(
        answer.text(),
        "scopegate: 1 of 10 tenants did not accept their part.\ntenant namespace-1: 400 bad samples\n"
    );
    fault("namespace-2", Fault::answer(429).header("retry-after", "7"));
    fault("namespace-3", Fault::answer(429).header("retry-after", "70"));
    let answer = client.send(push(32)).await?.expect(429)?;
    assert_eq!(answer.header("retry-after"), Some("70"));
    fault("namespace-4", Fault::answer(404));
    client.send(push(33)).await?.expect(502)?;
    fault("namespace-5", Fault::answer(500));
    let answer = client.send(push(34)).await?.expect(503)?;
    assert!(answer.text().contains("5 of 10 tenants"), "{answer}");
    // Whoever was fine got its part every time.
    assert_eq!(gateway.cortex.state().of("namespace-0").count(), 4);
    for n in 1..6 {
        gateway.cortex.heal(&format!("namespace-{n}"));
    }
    client.send(push(35)).await?.expect(200)?;
    Ok(())
}

/// What cannot be taken apart by series, where series would have to decide.
#[tokio::test]
async fn what_cannot_be_split_is_refused_and_what_need_not_be_goes_on() -> Result<()> {
    let gateway = Gateway::start(&by_namespace()).await?;
    let client = gateway.http1()?;
    let v2 = scopegate_tests::remote_write::v2::Request::from(&WriteRequest::realistic(10));
    let otlp = || {
        Call::post("/api/v1/otlp/v1/metrics", b"x".to_vec()).header("content-type", "application/x-protobuf")
    };
    client.send(as_forwarder(otlp())).await?.expect(400)?;
    gateway.nothing_arrived("refused");
    let gateway = Gateway::start(&configuration()).await?;
    let client = gateway.http1()?;
    client.send(as_forwarder(v2.push())).await?.expect(204)?;
    assert_eq!(gateway.cortex.state().requests[0].body, v2.body());
    // The content type that Cortex would take for 1.0 goes on in the form that it understands.
    let spaced = Call::post("/api/v1/push", v2.body())
        .header("content-type", "application/x-protobuf; proto=io.prometheus.write.v2.Request")
        .header("content-encoding", "snappy");
    client.send(as_forwarder(spaced)).await?.expect(204)?;
    let state = gateway.cortex.state();
    assert_eq!(
        state.requests[1].header("content-type"),
        Some("application/x-protobuf;proto=io.prometheus.write.v2.Request")
    );
    Ok(())
}

/// The cluster that the configuration names is not there: nothing is lost, and the answer says so.
#[tokio::test]
async fn a_cluster_that_does_not_exist() -> Result<()> {
    let mut configuration = by_namespace();
    configuration["write"]["metrics"]["calls"] = json!({"cluster": "nowhere"});
    let gateway = Gateway::start(&configuration).await?;
    let answer =
        gateway.http1()?.send(as_forwarder(WriteRequest::realistic(20).push())).await?.expect(503)?;
    assert!(answer.text().contains("tenant namespace-0: no answer: the cluster is unknown"), "{answer}");
    gateway.nothing_arrived("no cluster");
    Ok(())
}

/// Keeps the stand-in's own laxness in sight: what it would have made of a request that we refuse.
#[tokio::test]
async fn the_stand_in_would_have_taken_what_we_refuse() -> Result<()> {
    let cortex = Cortex::start()?;
    let call = Call::post("/api/v1/push", WriteRequest::realistic(3).body()).tenant("t");
    scopegate_tests::client::Client::http1(cortex.address()).send(call).await?.expect(200)?;
    assert_eq!(cortex.state().series("t").count(), 3);
    Ok(())
}
