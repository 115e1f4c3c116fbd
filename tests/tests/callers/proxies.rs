//! Headers of an authenticating proxy, with and without its proof.

use anyhow::Result;
use scopegate_tests::certificates::Names;
use scopegate_tests::client::{Call, Client};
use scopegate_tests::page::snippet;
use scopegate_tests::remote_write::WriteRequest;
use serde_json::{Value, json};

use crate::certificates::Clients;
use crate::gateway::{Expected, Gateway, QUERY, SECRETS, agree, configuration};

const UNPROVEN: Expected = Err((401, "nothing proves that it comes from the proxy"));

/// A snippet, and everybody else as a weaker source after it.
fn with_others(name: &str) -> Result<Value> {
    let mut configuration = configuration(name)?;
    if let Some(callers) = configuration["callers"].as_array_mut() {
        callers.push(json!({
            "name": "users", "jwt": {"provider": "keycloak", "issuer": "https://idp.test"}, "tenants": {"claim": "tenant"},
            "may": ["read"],
        }));
        callers.push(json!({"name": "all", "anonymous": {}, "tenants": ["public"], "may": ["read"]}));
    }
    Ok(configuration)
}

fn user() -> Call {
    Call::get(QUERY).header("x-auth-request-user", "ann")
}

#[tokio::test]
async fn by_a_shared_secret() -> Result<()> {
    let gateway = Gateway::with(&with_others("header-secret")?, |listener| listener).await?;
    let groups = || user().header("x-auth-request-groups", "dev,tenant:b,tenant:a");
    let token = gateway.idp.token(json!({"tenant": "t"}));
    let cases: Vec<(&str, Call, Expected)> = vec![
        ("the secret", groups().header("x-proxy-secret", SECRETS[0]), Ok("a|b")),
        ("the next one", groups().header("X-Proxy-Secret", SECRETS[1]), Ok("a|b")),
        ("no groups", user().header("x-proxy-secret", SECRETS[0]), Err((403, "has no tenant"))),
        ("no secret", groups(), UNPROVEN),
        ("a wrong one", groups().header("x-proxy-secret", "the secret of the prox"), UNPROVEN),
        (
            "twice",
            groups().header("x-proxy-secret", SECRETS[0]).header("x-proxy-secret", SECRETS[0]),
            UNPROVEN,
        ),
        ("no secret, and a good token", groups().bearer(&token), UNPROVEN),
        (
            "two users",
            groups().header("x-auth-request-user", "bob").header("x-proxy-secret", SECRETS[0]),
            Err((400, "stands more than once")),
        ),
        ("a token", Call::get(QUERY).bearer(&token), Ok("t")),
        ("nothing", Call::get(QUERY), Ok("public")),
        ("only the secret", Call::get(QUERY).header("x-proxy-secret", SECRETS[0]), Ok("public")),
    ];
    for (what, call, expected) in cases {
        gateway.expect(what, call, expected).await?;
    }
    let mut seen = gateway.envoy.process()?.log();
    seen += &gateway.envoy.process()?.output();
    assert!(SECRETS.iter().all(|secret| !seen.contains(secret)), "a secret is to be read");
    Ok(())
}

#[tokio::test]
async fn by_its_certificate() -> Result<()> {
    let clients = Clients::new()?;
    let tls = clients.tls(false)?;
    let configuration = with_others("header-certificate")?;
    let gateway = Gateway::with(&configuration, |listener| listener.transport_socket(tls)).await?;
    let proxy = Names { common_name: "x", dns: &["proxy.example.org"], ..Names::default() };
    let other = Names { common_name: "x", dns: &["other.example.org"], ..Names::default() };
    let side = clients.start(&gateway, &[("proxy", proxy), ("other", other)]).await?;
    for (listener, call, expected) in [
        ("proxy", user(), Ok("user-ann")),
        ("other", user(), UNPROVEN),
        ("nobody", user(), UNPROVEN),
        ("proxy", Call::get(QUERY), Ok("public")),
        ("strange-proxy", user(), Err((503, ""))),
    ] {
        let reached = gateway.reached_by(Client::http1(side.listener(listener)?), call).await?;
        agree(listener, &reached, expected);
    }
    Ok(())
}

/// The address is that of the connection, whatever `X-Forwarded-For` says, and whatever Envoy believes of it.
#[tokio::test]
async fn by_its_address() -> Result<()> {
    let near = with_others("header-address")?;
    let mut far = near.clone();
    far["callers"][0]["header"]["proof"]["address"] = json!(["10.0.0.0/8"]);
    let peer = || snippet("callers.md", "peer");
    let spoofed = || user().header("x-forwarded-for", "10.1.2.3");
    for use_remote_address in [false, true] {
        for (what, configuration, has_peer, call, expected) in [
            ("near", &near, true, user(), Ok("user-ann")),
            ("near, as it says from elsewhere", &near, true, spoofed(), Ok("user-ann")),
            ("far", &far, true, user(), UNPROVEN),
            ("far, as it says from near", &far, true, spoofed(), UNPROVEN),
            ("near, and Envoy does not tell", &near, false, user(), UNPROVEN),
        ] {
            let filter = peer()?;
            let gateway = Gateway::with(configuration, |listener| {
                let listener = listener.manager("use_remote_address", json!(use_remote_address));
                if has_peer { listener.filter(filter) } else { listener }
            })
            .await?;
            gateway.expect(what, call, expected).await?;
        }
    }
    Ok(())
}

/// What a proxy tells of its own client's certificate.
#[tokio::test]
async fn certificates_that_a_proxy_tells_of() -> Result<()> {
    let gateway = Gateway::with(&configuration("forwarded-certificate")?, |listener| {
        listener.manager("forward_client_cert_details", json!("ALWAYS_FORWARD_ONLY"))
    })
    .await?;
    let told = |value: &str| {
        WriteRequest::realistic(2)
            .push()
            .header("x-forwarded-client-cert", value)
            .header("x-proxy-secret", SECRETS[0])
    };
    let good = r#"Hash=00;Subject="CN=web,O=\"x\"";URI=spiffe://cluster.local/ns/shop/sa/web"#;
    for (what, call, expected) in [
        ("one", told(good), Ok("shop")),
        ("of another domain", told("URI=spiffe://evil.local/ns/shop/sa/web"), Err((401, "no credentials"))),
        ("two", told(&format!("URI=x,{good}")), Err((400, "cannot be read"))),
        ("no proof", WriteRequest::realistic(2).push().header("x-forwarded-client-cert", good), UNPROVEN),
    ] {
        gateway.expect(what, call, expected).await?;
    }
    assert_eq!(gateway.cortex.state().requests.len(), 0);
    gateway.expect("one again", told(good), Ok("shop")).await?;
    assert_eq!(gateway.cortex.state().requests[0].header("x-forwarded-client-cert"), None);
    Ok(())
}
