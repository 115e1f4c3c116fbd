//! What is asked: paths that are open, closed, unknown, or written to be taken for another.

use anyhow::Result;
use scopegate_tests::client::raw::Raw;
use scopegate_tests::client::{Call, raw};
use scopegate_tests::identity::basic;
use serde_json::json;

use crate::gateway::{Gateway, configuration};

async fn status(gateway: &Gateway, call: Call) -> Result<u16> {
    Ok(gateway.http1()?.send(call.header("authorization", basic("forwarder", "new-secret"))).await?.status)
}

#[tokio::test]
async fn open_closed_and_unknown_paths() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    for path in [
        "/prometheus/api/v1/query?query=up",
        "/api/prom/api/v1/labels",
        "/prometheus/api/v1/status/buildinfo",
    ] {
        assert_eq!(status(&gateway, Call::get(path)).await?, 200, "{path}");
    }
    gateway.cortex.forget();
    let cases = [
        ("GET", "/distributor/all_user_stats", 403),
        ("GET", "/config", 403),
        ("GET", "/", 403),
        ("POST", "/ingester/push", 403),
        ("POST", "/ruler/delete_tenant_config", 403),
        ("POST", "/api/v1/rules/ns", 403), // not among this caller's rights
        ("GET", "/prometheus/api/v1/nonsense", 404),
        ("GET", "/api/v1/push", 405),
        ("DELETE", "/prometheus/api/v1/query", 405),
        ("GET", "//prometheus/api/v1/query", 400),
        ("GET", "/prometheus//api/v1/query", 400),
        ("GET", "/prometheus/./api/v1/query", 400),
        ("GET", "/x/../prometheus/api/v1/query", 400),
        ("GET", "/x/%2e%2e/prometheus/api/v1/query", 400),
        ("GET", "/prometheus/api/v1/quer%79?query=up", 400),
        ("GET", "/prometheus/api/v1/query/", 400),
        ("GET", "/prometheus/api/v1/query%3fx", 400),
        ("GET", "/prometheus/api/v1/query;x=y", 400),
        ("GET", "/prometheus\\api/v1/query", 400),
    ];
    for (method, path, expected) in cases {
        let answer = status(&gateway, Call::new(method, path)).await?;
        assert!(answer == expected || (expected == 400 && answer == 404), "{method} {path}: {answer}");
    }
    gateway.nothing_arrived("a path that is not open");
    let answer = gateway
        .http1()?
        .send(Call::get("/api/v1/push").header("authorization", basic("forwarder", "new-secret")))
        .await?;
    assert_eq!(answer.header("allow"), Some("POST"));
    Ok(())
}

/// Requests that no proper client makes: methods in lower case, the absolute form, a fragment.
#[tokio::test]
async fn requests_as_no_client_makes_them() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    let address = gateway.envoy.listener("gateway")?;
    let credentials = basic("forwarder", "new-secret");
    for line in [
        "GET http://x/distributor/all_user_stats HTTP/1.1",
        "GET http://x//prometheus/api/v1/query HTTP/1.1",
        "get /prometheus/api/v1/query HTTP/1.1",
        "GET /distributor/ring#/prometheus/api/v1/query HTTP/1.1",
        "GET /prometheus/api/v1/query?query=up#x HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "CONNECT x:80 HTTP/1.1",
    ] {
        let request =
            format!("{line}\r\nhost: x\r\nauthorization: {credentials}\r\nconnection: close\r\n\r\n");
        let answer = raw::exchange(address, request.as_bytes()).await?;
        assert!(answer.status >= 400, "{line}: {answer:?}");
    }
    let mut odd = Raw::connect(address).await?;
    odd.write(b"GET /prometheus/api/v1/query HTTP/1.1\r\nhost: x\r\nx-scope-orgid: a\r\nconnection: x-scope-orgid, authorization\r\n").await?;
    odd.write(format!("authorization: {credentials}\r\n\r\n").as_bytes()).await?;
    drop(odd);
    gateway.nothing_arrived("an odd request");
    for method in ["get", "Post", "FOO"] {
        let call = Call::new(method, "/prometheus/api/v1/query").header("authorization", &credentials);
        gateway.http2()?.send(call).await?.expect(405)?;
    }
    gateway.nothing_arrived("an odd method");
    Ok(())
}

/// Without credentials nobody learns which paths there are.
#[tokio::test]
async fn nobody_is_told_nothing() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    for path in ["/prometheus/api/v1/query", "/config", "/nonsense", "/api/v1/push", "/x/../y"] {
        gateway.http1()?.send(Call::get(path)).await?.expect(401)?;
    }
    gateway.nothing_arrived("no credentials");
    Ok(())
}

/// Paths that an operator adds, and rule namespaces with a slash, which must survive.
#[tokio::test]
async fn configured_paths_and_encoded_namespaces() -> Result<()> {
    let mut configuration = configuration();
    configuration["backends"][0]["paths"] = json!([
        {"path": "/custom/{name}/status", "class": "read"},
        {"path": "/api/v1/user-overrides", "class": "read"},
    ]);
    let gateway = Gateway::start(&configuration).await?;
    let token = gateway.token(json!({"tenant": "a"}));
    let client = gateway.http1()?;
    for path in
        ["/custom/x/status", "/api/v1/user-overrides", "/api/v1/rules/team%2Fa/group", "/api/v1/rules/ns"]
    {
        gateway.cortex.forget();
        client.send(Call::get(path).bearer(&token)).await?;
        let state = gateway.cortex.state();
        assert_eq!(state.requests.len(), 1, "{path}: {}", state.summary());
        assert_eq!(
            (state.requests[0].target.as_str(), state.requests[0].tenant.as_deref()),
            (path, Some("a"))
        );
    }
    Ok(())
}
