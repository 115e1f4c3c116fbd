//! A real Envoy that only routes, in front of the stand-in.

use anyhow::Result;
use scopegate_tests::{
    bootstrap::{Bootstrap, Cluster, Listener, jwt_authn, lua, route},
    client::{Call, Client, raw},
    cortex::{Cortex, Fault, Outcome},
    envoy::Envoy,
    identity::{Issuer, basic},
    ports::Reservation,
    remote_write::{WriteRequest, push},
};
use serde_json::json;

fn routed(listener: Listener, cortex: &Cortex) -> Bootstrap {
    Bootstrap::new()
        .listener(listener.route("/", "cortex"))
        .cluster(Cluster::http2("cortex", cortex.address()))
}

async fn plain() -> Result<(Cortex, Envoy)> {
    let cortex = Cortex::start()?;
    let envoy = Envoy::start(&routed(Listener::new("gateway"), &cortex)).await?;
    Ok((cortex, envoy))
}

#[tokio::test]
async fn a_push_of_each_tenant_arrives_byte_for_byte() -> Result<()> {
    let (cortex, envoy) = plain().await?;
    for (number, client) in [envoy.http1()?, envoy.http2()?].into_iter().enumerate() {
        for tenant in ["team-a", "team-b"] {
            let request = WriteRequest::realistic(50).with_label("team", |_| format!("{tenant}-{number}"));
            let body = request.body();
            client.send(push(body.clone()).tenant(tenant)).await?.expect(200)?;

            let state = cortex.state();
            let received = state.of(tenant).last().unwrap();
            assert_eq!(received.body, body);
            assert_eq!(received.header("content-encoding"), Some("snappy"));
            assert_eq!(received.authority, "gateway.test");
            let labels = |number: usize| received.series()[number].labels.len();
            assert_eq!((received.series().len(), labels(0), labels(49)), (50, 11, 11));
            assert_eq!(received.series()[49].label("team"), Some(format!("{tenant}-{number}").as_str()));
        }
    }
    assert_eq!(cortex.state().tenants(), ["team-a", "team-b"]);
    Ok(())
}

#[tokio::test]
async fn trailers_and_chunks_pass_in_both_protocols() -> Result<()> {
    let (cortex, envoy) = plain().await?;
    let body = WriteRequest::realistic(20).body();
    let (first, second) = body.split_at(100);
    for client in [envoy.http1()?, envoy.http2()?] {
        cortex.forget();
        let pieces = [first.to_vec(), second.to_vec()];
        let call = push(Vec::new()).tenant("t").chunks(pieces).trailer("x-checksum", "1234");
        client.send(call).await?.expect(200)?;
        let state = cortex.state();
        assert_eq!(state.requests[0].body, body);
        assert_eq!(state.requests[0].trailers["x-checksum"], "1234");
    }
    Ok(())
}

#[tokio::test]
async fn a_body_is_written_piece_by_piece_or_given_up() -> Result<()> {
    let (cortex, envoy) = plain().await?;
    let body = WriteRequest::realistic(20).body();
    for client in [envoy.http1()?, envoy.http2()?] {
        cortex.forget();
        let mut exchange = client.open(push(Vec::new()).tenant("t")).await?;
        for piece in body.chunks(64) {
            exchange.write(piece.to_vec()).await?;
        }
        exchange.finish().await?.expect(200)?;
        assert_eq!(cortex.state().requests[0].body, body);

        cortex.forget();
        let mut exchange = client.open(push(Vec::new()).tenant("t")).await?;
        exchange.write(body.clone()).await?;
        // Envoy passes the head on at once.
        cortex.wait_for("its head", |state| state.counts().begun == 1).await?;
        exchange.abort();
        cortex
            .wait_for("half a push", |state| state.requests.first().is_some_and(|half| !half.complete))
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_caller_who_leaves_while_waiting_is_seen_upstream() -> Result<()> {
    let (cortex, envoy) = plain().await?;
    cortex.fault("t", Fault::hang());
    for client in [envoy.http1()?, envoy.http2()?] {
        cortex.forget();
        let mut exchange = client.open(push(b"x".to_vec()).tenant("t")).await?;
        exchange.end();
        cortex.wait_for("the push", |state| state.requests.first().is_some_and(|push| push.complete)).await?;
        exchange.abort();
        cortex.wait_for("its end", |state| state.requests[0].outcome == Outcome::Abandoned).await?;
    }
    Ok(())
}

#[tokio::test]
async fn faults_reach_the_caller() -> Result<()> {
    let (cortex, envoy) = plain().await?;
    let send = async || envoy.http1()?.send(push(Vec::new()).tenant("t")).await;
    cortex.fault("t", Fault::answer(429).header("retry-after", "3").times(1));
    assert_eq!(send().await?.expect(429)?.header("retry-after"), Some("3"));
    cortex.fault("t", Fault::reset().times(1));
    send().await?.expect(503)?;
    assert_eq!(envoy.admin()?.wait_for_stat("cluster.cortex.upstream_rq_total", |sent| sent == 2).await?, 2);
    Ok(())
}

#[tokio::test]
async fn an_internal_listener_has_routes_of_its_own() -> Result<()> {
    let cortex = Cortex::start()?;
    let inner = json!({
        "match": {"prefix": "/api/v1/push"},
        "route": {"cluster": "cortex", "prefix_rewrite": "/api/prom/push"},
        "request_headers_to_add": [{"header": {"key": "x-way", "value": "inner"}}],
    });
    let bootstrap = Bootstrap::new()
        .listener(Listener::new("gateway").route("/", "parts"))
        .listener(Listener::internal("parts").raw_route(inner))
        .cluster(Cluster::internal("parts", "parts"))
        .cluster(Cluster::http1("cortex", cortex.address()));
    let envoy = Envoy::start(&bootstrap).await?;
    let request = WriteRequest::realistic(10);
    envoy.http2()?.send(request.push().tenant("t")).await?.expect(200)?;
    let state = cortex.state();
    let received = &state.requests[0];
    assert_eq!((received.target.as_str(), received.header("x-way")), ("/api/prom/push", Some("inner")));
    assert_eq!(received.body, request.body());
    Ok(())
}

#[tokio::test]
async fn a_restart_keeps_the_port() -> Result<()> {
    let (cortex, mut envoy) = plain().await?;
    let (address, client) = (envoy.address()?, envoy.http1()?);
    let send = || client.send(WriteRequest::realistic(1).push().tenant("t"));
    send().await?.expect(200)?;
    envoy.down()?;
    assert!(send().await.is_err());
    envoy.up().await?;
    assert_eq!(envoy.address()?, address);
    send().await?.expect(200)?;
    envoy.restart().await?;
    send().await?.expect(200)?;
    envoy.quit().await?;
    assert!(send().await.is_err());
    let other = routed(Listener::new("gateway").filter(lua(ANSWER_418)), &cortex);
    envoy.restart_with(&other).await?;
    send().await?.expect(418)?;
    Ok(())
}

const ANSWER_418: &str =
    r#"function envoy_on_request(handle) handle:respond({[":status"] = "418"}, "short and stout") end"#;

#[tokio::test]
async fn tokens_are_verified_by_envoy_itself() -> Result<()> {
    let cortex = Cortex::start()?;
    let (issuer, stranger) = (Issuer::new("https://idp.test"), Issuer::new("https://idp.test"));
    let show = r#"
        function envoy_on_request(handle)
          local claims = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn")
          if claims then handle:headers():replace("x-tenant", claims["idp"]["tenant"]) end
        end"#;
    let gateway = |optional| {
        let jwt = jwt_authn("idp", issuer.name(), &issuer.jwks(), optional);
        Listener::new(if optional { "optional" } else { "required" })
            .filter(jwt)
            .filter(lua(show))
            .route("/", "cortex")
    };
    let bootstrap = Bootstrap::new()
        .listener(gateway(true))
        .listener(gateway(false))
        .cluster(Cluster::http1("cortex", cortex.address()));
    let envoy = Envoy::start(&bootstrap).await?;

    let claims = json!({"sub": "u1", "tenant": "team-a"});
    let cases = [
        ("good", Some(issuer.token(claims.clone())), [200, 200]),
        ("none", None, [200, 401]),
        ("expired", Some(issuer.expired(claims.clone())), [401, 401]),
        ("unsigned", Some(issuer.unsigned(claims.clone())), [401, 401]),
        ("by another key", Some(stranger.token(claims.clone())), [401, 401]),
        ("of another issuer", Some(issuer.token(json!({"iss": "https://else.test"}))), [401, 401]),
        ("no token at all", Some("a.b.c".to_owned()), [401, 401]),
    ];
    for (case, token, expected) in cases {
        for (listener, status) in ["optional", "required"].into_iter().zip(expected) {
            cortex.forget();
            let call = Call::get("/prometheus/api/v1/labels").tenant("t");
            let call = token.iter().fold(call, |call, token| call.bearer(token));
            let answer = Client::http1(envoy.listener(listener)?).send(call).await?;
            assert_eq!(answer.status, status, "{case}, {listener}: {answer}");
            let tenant = cortex
                .state()
                .requests
                .first()
                .and_then(|request| request.header("x-tenant"))
                .map(str::to_owned);
            assert_eq!(tenant.as_deref(), (case == "good").then_some("team-a"), "{case}, {listener}");
        }
    }
    assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    Ok(())
}

#[tokio::test]
async fn a_refused_configuration_says_why() -> Result<()> {
    let cortex = Cortex::start()?;
    let bad = routed(Listener::new("gateway").manager("codec_type", json!("MORSE")), &cortex);
    let error = format!("{:#}", Envoy::start(&bad).await.unwrap_err());
    assert!(error.contains("[critical]") && error.contains("MORSE"), "{error}");
    Ok(())
}

#[tokio::test]
async fn the_process_is_measured_and_its_output_found() -> Result<()> {
    let cortex = Cortex::start()?;
    let log = [("path", "%REQ(:PATH)%"), ("tenant", "%REQ(X-SCOPE-ORGID)%"), ("status", "%RESPONSE_CODE%")];
    let bootstrap = routed(Listener::new("gateway").access_log(&log), &cortex)
        .stats_tags(&[("tenant", r"(tenant=\.=(.*?);\.;)")]);
    let builder = Envoy::builder(&bootstrap).concurrency(2).variable("SECRET", "hidden");
    let envoy = builder.log("router", "debug").start().await?;
    assert_eq!(envoy.admin()?.stat("server.concurrency").await?, Some(2));
    assert_eq!(envoy.admin()?.stat("server.no_such_thing").await?, None);
    assert_eq!(
        envoy.admin()?.config_dump().await?["configs"][0]["bootstrap"]["node"]["id"],
        "scopegate-tests"
    );

    let before = envoy.process()?.cpu_time()?;
    envoy.process()?.reset_peak_memory()?;
    let mut connection = envoy.http2()?.connect().await?;
    while envoy.process()?.cpu_time()? == before {
        connection.send(WriteRequest::realistic(500).push().tenant("t")).await?;
    }
    assert!(envoy.process()?.peak_memory()? > 1 << 20);
    let line = envoy.process()?.wait_for_output("\"tenant\":\"t\"", scopegate_tests::wait::DEADLINE).await?;
    assert!(line.contains("\"path\":\"/api/v1/push\""), "{line}");
    envoy.wait_for_log("[router]").await?;
    assert!(envoy.admin()?.prometheus().await?.contains("envoy_cluster_upstream_rq_total"));
    Ok(())
}

#[tokio::test]
async fn odd_requests_reach_envoy_as_they_are() -> Result<()> {
    let (cortex, envoy) = plain().await?;
    let address = envoy.address()?;
    let absolute =
        "GET http://other.test/prometheus/api/v1/labels HTTP/1.1\r\nHost: x\r\nX-Scope-OrgID: t\r\n\r\n";
    assert_eq!(raw::exchange(address, absolute).await?.status, 200);
    assert_eq!(cortex.state().requests[0].authority, "other.test");
    // Not a method that Envoy knows over HTTP/1; over HTTP/2 it passes any.
    assert_eq!(raw::exchange(address, "get / HTTP/1.1\r\nHost: x\r\n\r\n").await?.status, 400);
    envoy.http2()?.send(Call::new("get", "/")).await?.expect(401)?;
    assert_eq!(cortex.state().requests[1].method, "get");
    let smuggled =
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(raw::exchange(address, smuggled).await?.status, 400);

    let mut raw = raw::Raw::connect(address).await?;
    raw.write(
        "GET /ready HTTP/1.1\r\nHost: x\r\n\r\nGET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await?;
    for _ in 0..2 {
        assert_eq!(raw.answer().await?.body, b"ready\n");
    }
    assert_eq!(raw.rest().await?, b"");
    Ok(())
}

#[tokio::test]
async fn headers_keep_their_order_and_odd_bytes() -> Result<()> {
    let (cortex, envoy) = plain().await?;
    for client in [envoy.http1()?, envoy.http2()?] {
        cortex.forget();
        let call =
            Call::get("/ready").header("x-many", "1").header("x-odd", b"\xff\xfe").header("x-many", "2");
        client.send(call).await?.expect(200)?;
        let state = cortex.state();
        assert_eq!(state.requests[0].header_values("x-many"), [b"1".as_slice(), b"2"]);
        assert_eq!(state.requests[0].header_values("x-odd"), [b"\xff\xfe"]);
    }
    Ok(())
}

#[tokio::test]
async fn an_upstream_that_refuses_is_a_503() -> Result<()> {
    let dead = Reservation::any()?;
    let bootstrap = Bootstrap::new()
        .listener(Listener::new("gateway").raw_route(route("/", "dead")))
        .cluster(Cluster::http1("dead", dead.address()));
    let envoy = Envoy::start(&bootstrap).await?;
    envoy.http1()?.get("/").await?.expect(503)?;
    Ok(())
}
