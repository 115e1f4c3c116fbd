//! The log forwarder of the example: its streams go by the same table as the series of Prometheus.

use anyhow::{Context, Result, ensure};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::{Cortex, Received};
use scopegate_tests::loki::{Form, Stream, body, push, stream, streams};
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::json;

use crate::gateway::{FORWARDER, LOGS, ORGANIZATION, PROMETHEUS, Plan, World, of};

/// A stream of a namespace, with structured metadata in one entry.
fn logs(namespace: &str) -> Stream {
    let entries: &[(&str, &[(&str, &str)])] =
        &[("{\"level\": \"info\"}\t\u{e4}", &[]), ("second", &[("trace_id", "7")])];
    stream(&[("namespace", namespace), ("pod", "pod-1")], entries)
}

/// What no pod wrote.
fn journal() -> Stream {
    stream(&[("job", "journal"), ("node", "a")], &[("started", &[])])
}

/// Three namespaces of two organisations.
async fn world() -> Result<World> {
    let plan = Plan::new()?;
    for (namespace, organisation) in [("shop", "org-a"), ("bar", "org-b"), ("web", "org-a")] {
        plan.kubernetes.label(namespace, ORGANIZATION, organisation);
    }
    let world = plan.start().await?;
    for (namespace, organisation) in [("shop", "org-a"), ("bar", "org-b")] {
        world.wait_until(namespace, organisation).await?;
    }
    world.cortex.forget();
    Ok(world)
}

/// The one request of a tenant.
fn only(loki: &Cortex, tenant: &str) -> Result<Received> {
    let state = loki.state();
    let found: Vec<_> = state.of(tenant).cloned().collect();
    ensure!(found.len() == 1, "{tenant}: {}", state.summary());
    found.into_iter().next().context("none")
}

#[tokio::test]
async fn each_stream_goes_to_the_organisation_of_its_namespace() -> Result<()> {
    let world = world().await?;
    let sent = [logs("shop"), logs("bar"), journal(), logs("web"), logs("new")];
    let shares = [
        ("org-a", vec![logs("shop"), logs("web")]),
        ("org-b", vec![logs("bar")]),
        // What no pod wrote, and a namespace that nobody knows.
        ("platform", vec![journal(), logs("new")]),
    ];
    for form in [Form::Json, Form::Protobuf] {
        world.loki.forget();
        let answer = world.push(form, &sent).await?.expect(204)?;
        assert_eq!(answer.text(), "");
        assert_eq!(world.loki.state().tenants(), ["org-a", "org-b", "platform"], "{form:?}");
        for (tenant, share) in &shares {
            let part = only(&world.loki, tenant)?;
            assert_eq!(message(form, &part.body)?, message(form, &body(form, share))?, "{form:?} {tenant}");
            assert_eq!(streams(&world.loki.state(), tenant), *share, "{form:?} {tenant}");
            assert_eq!(part.target, "/loki/api/v1/push");
            assert_eq!(part.header_values("x-scope-orgid"), [tenant.as_bytes()]);
            assert_eq!(part.header("authorization"), None, "the token ends here");
        }
    }
    // A push of one organisation goes on as it came.
    for form in [Form::Json, Form::Protobuf] {
        world.loki.forget();
        let share = [logs("shop"), logs("web")];
        world.push(form, &share).await?.expect(204)?;
        assert_eq!(only(&world.loki, "org-a")?.body, body(form, &share), "{form:?}");
    }
    assert_eq!(world.cortex.state().requests.len(), 0, "logs are none of its business");
    let log = world.envoy.process()?.wait_for_output("backend=logs", DEADLINE).await?;
    assert!(log.contains("caller=log-forwarder tenants=org-a|org-b|platform series=5 samples=9"), "{log}");
    Ok(())
}

/// A body without its packing, which is the same for all who pack it but not to the byte.
fn message(form: Form, body: &[u8]) -> Result<Vec<u8>> {
    match form {
        Form::Protobuf => Ok(snap::raw::Decoder::new().decompress_vec(body)?),
        _ => Ok(body.to_vec()),
    }
}

#[tokio::test]
async fn a_namespace_that_moves_takes_its_logs_along() -> Result<()> {
    let world = world().await?;
    world.push(Form::Json, &[logs("shop"), logs("bar")]).await?.expect(204)?;
    assert_eq!(streams(&world.loki.state(), "org-a"), [logs("shop")]);
    world.kubernetes.label("shop", ORGANIZATION, "org-b");
    for form in [Form::Json, Form::Protobuf] {
        let world = &world;
        eventually(DEADLINE, || async move {
            world.loki.forget();
            world.push(form, &[logs("shop"), logs("bar"), logs("web")]).await?.expect(204)?;
            let state = world.loki.state();
            ensure!(streams(&state, "org-b") == [logs("shop"), logs("bar")], "{}", state.summary());
            ensure!(streams(&state, "org-a") == [logs("web")], "{}", state.summary());
            Ok(())
        })
        .await?;
    }
    // And its series.
    world.wait_until("shop", "org-b").await
}

/// What the example's configuration shows in a comment: a stream falls apart by what its entries say.
#[tokio::test]
async fn entries_may_say_their_namespace() -> Result<()> {
    let mut plan = Plan::new()?;
    let sources = &mut plan.example.configuration()?["write"]["logs"]["tenant"];
    let first = json!({"metadata": "k8s_namespace_name", "table": "organisations"});
    sources.as_array_mut().context("no sources")?.insert(0, first);
    plan.kubernetes.label("shop", ORGANIZATION, "org-a");
    plan.kubernetes.label("bar", ORGANIZATION, "org-b");
    let world = plan.start().await?;
    world.wait_until("shop", "org-a").await?;
    let labels = [("namespace", "bar"), ("node", "a")];
    let all = stream(
        &labels,
        &[("1", &[("k8s_namespace_name", "shop")]), ("2", &[]), ("3", &[("k8s_namespace_name", "new")])],
    );
    let share = |position: usize| Stream {
        labels: all.labels.clone(),
        entries: all.entries.get(position).cloned().into_iter().collect(),
    };
    for form in [Form::Json, Form::Protobuf] {
        world.loki.forget();
        world.push(form, std::slice::from_ref(&all)).await?.expect(204)?;
        let state = world.loki.state();
        assert_eq!(state.tenants(), ["org-a", "org-b", "platform"]);
        for (position, tenant) in ["org-a", "org-b", "platform"].into_iter().enumerate() {
            assert_eq!(streams(&state, tenant), [share(position)], "{form:?} {tenant}");
        }
    }
    Ok(())
}

/// As the example's page shows it.
#[tokio::test]
async fn logs_of_a_namespace_that_moved_go_to_both_for_a_while() -> Result<()> {
    let mut plan = Plan::new()?;
    let rules = &mut plan.example.configuration()?["write"]["logs"];
    rules["also_write"] = json!([{"key": "shop", "to": "org-old", "until": "2999-12-31T00:00:00Z"}]);
    plan.kubernetes.label("shop", ORGANIZATION, "org-new");
    let world = plan.start().await?;
    world.wait_until("shop", "org-new").await?;
    for form in [Form::Json, Form::Protobuf] {
        world.loki.forget();
        world.push(form, &[logs("shop"), journal()]).await?.expect(204)?;
        let state = world.loki.state();
        assert_eq!(state.tenants(), ["org-new", "org-old", "platform"]);
        assert_eq!(streams(&state, "org-new"), [logs("shop")]);
        assert_eq!(streams(&state, "org-old"), [logs("shop")]);
    }
    let text = world.envoy.admin()?.prometheus().await?;
    assert!(text.contains("scopegate_series_doubled_total{backend=\"logs\"} 2"), "{text}");
    Ok(())
}

/// Before the namespaces were listed nothing is guessed, and the forwarder is asked to send again.
#[tokio::test]
async fn until_the_namespaces_are_known_logs_wait() -> Result<()> {
    let plan = Plan::new()?;
    plan.kubernetes.label("shop", ORGANIZATION, "org-a");
    plan.kubernetes.state().token = "another".to_owned();
    let world = plan.start().await?;
    let answer = world.push(Form::Json, &[logs("shop")]).await?.expect(503)?;
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(world.loki.state().requests.len(), 0);
    world.kubernetes.state().token = crate::gateway::TOKEN.to_owned();
    eventually(DEADLINE, || async { world.push(Form::Json, &[logs("shop")]).await?.expect(204).map(drop) })
        .await?;
    assert_eq!(streams(&world.loki.state(), "org-a"), [logs("shop")]);
    Ok(())
}

#[tokio::test]
async fn people_read_the_logs_of_their_organisations() -> Result<()> {
    const QUERY: &str = "/loki/api/v1/query_range";
    let world = world().await?;
    world.loki.reply(QUERY, 200, "application/json", "{\"status\":\"success\"}");
    let client = Client::http1(world.envoy.listener("gateway")?);
    let of_a = world.idp.token(json!({"groups": ["organization:org-a", "staff"]}));
    let of_both = world.idp.token(json!({"groups": ["organization:org-a", "organization:org-b"]}));
    let of_none = world.idp.token(json!({"groups": ["staff"]}));
    let forwarder = world.cluster.token(json!({"sub": FORWARDER, "aud": ["scopegate"]}));
    let prometheus = world.cluster.token(json!({"sub": PROMETHEUS, "aud": ["scopegate"]}));
    let elsewhere = world.cluster.token(json!({"sub": FORWARDER, "aud": ["other"]}));
    let stranger =
        world.cluster.token(json!({"sub": "system:serviceaccount:shop:default", "aud": ["scopegate"]}));
    let read = || Call::query(QUERY, &[("query", "{namespace=\"shop\"}")]).authority(LOGS);
    for (what, call, tenants) in [
        ("one's own", read().bearer(&of_a), Some("org-a")),
        ("one's own, named", read().bearer(&of_a).tenant("org-a"), Some("org-a")),
        ("several together", read().bearer(&of_both), Some("org-a|org-b")),
        ("one of several", read().bearer(&of_both).tenant("org-b"), Some("org-b")),
        ("another's", read().bearer(&of_a).tenant("org-b"), None),
        ("another's besides", read().bearer(&of_a).tenant("org-a|org-b"), None),
        ("the platform's", read().bearer(&of_both).tenant("platform"), None),
        ("of no organisation", read().bearer(&of_none), None),
        ("the forwarder", read().bearer(&forwarder), None),
        ("Prometheus", read().bearer(&prometheus), None),
        ("nobody", read().tenant("org-a"), None),
        // The route says which backend it is: neither has the other's paths.
        ("Loki's path at Cortex", read().authority("gateway:8080").bearer(&of_a), None),
        ("Cortex' path at Loki", Call::get("/prometheus/api/v1/labels").authority(LOGS).bearer(&of_a), None),
        ("a person writes", push(Form::Json, &[logs("shop")]).authority(LOGS).bearer(&of_a), None),
        ("a stranger writes", push(Form::Json, &[logs("shop")]).authority(LOGS).bearer(&stranger), None),
        ("a token for others", push(Form::Json, &[logs("shop")]).authority(LOGS).bearer(&elsewhere), None),
    ] {
        world.loki.forget();
        let answer = client.send(call).await?;
        let state = world.loki.state();
        assert_eq!(answer.status == 200, tenants.is_some(), "{what}: {answer}");
        assert!(matches!(answer.status, 200 | 401 | 403 | 404), "{what}: {answer}");
        let seen: Vec<_> = state.requests.iter().filter_map(|request| request.tenant.as_deref()).collect();
        assert_eq!(seen, tenants.into_iter().collect::<Vec<_>>(), "{what}");
        assert_eq!(state.requests.len(), seen.len(), "{what}");
    }
    assert_eq!(world.cortex.state().requests.len(), 0);
    // The same people at the other backend: the example has one set of organisations.
    world.send(vec![of("shop", 1)]).await?.expect(200)?;
    assert_eq!(world.cortex.state().tenants(), ["org-a"]);
    Ok(())
}
