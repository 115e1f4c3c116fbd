//! Tokens that `jwt_authn` verified, and what other filters leave.

use anyhow::Result;
use scopegate_tests::bootstrap::lua;
use scopegate_tests::client::Call;
use scopegate_tests::identity::Issuer;
use scopegate_tests::remote_write::WriteRequest;
use scopegate_tests::session::{KEYS, Session};
use serde_json::json;

use crate::gateway::{Expected, Gateway, QUERY, configuration};

const UNKNOWN: Expected = Err((401, "these credentials are not accepted"));

#[tokio::test]
async fn jwt() -> Result<()> {
    let gateway = Gateway::start("jwt").await?;
    let idp = &gateway.idp;
    let whole = json!({
        "scope": "metrics", "realm_access": {"roles": ["metrics-reader", "user"]}, "tenant": ["b", "a"],
        "groups": ["/tenants/g", "/tenants/g/admins", "/other"], "organization": {"acme": {"id": "7"}}, "hd": "example.org",
    });
    let cases: Vec<(&str, String, Expected)> = vec![
        ("every claim", idp.token(whole.clone()), Ok("a|acme|b|example|g")),
        ("expired", idp.expired(whole.clone()), UNKNOWN),
        ("unsigned", idp.unsigned(whole.clone()), UNKNOWN),
        ("another key", Issuer::new("https://idp.test").token(whole.clone()), UNKNOWN),
        ("another issuer", Issuer::new("https://other.test").token(whole), UNKNOWN),
    ];
    for (what, token, expected) in cases {
        gateway.expect(what, Call::get(QUERY).bearer(&token), expected).await?;
    }
    let roles = json!({"roles": ["metrics-reader", "user"]});
    for (what, claims, expected) in [
        (
            "an address that was verified",
            json!({"scope": "openid metrics", "tenant": "a", "email": "ann@example.org", "email_verified": true}),
            Ok("a"),
        ),
        (
            "a scope that is lacking",
            json!({"scope": "openid", "realm_access": roles, "tenant": "a"}),
            UNKNOWN,
        ),
        (
            "a scope that begins so",
            json!({"scope": "metrics-x", "realm_access": roles, "tenant": "a"}),
            UNKNOWN,
        ),
        (
            "one of two roles",
            json!({"scope": "metrics", "realm_access": {"roles": ["user"]}, "tenant": "a"}),
            UNKNOWN,
        ),
        (
            "a domain of a table",
            json!({"scope": "metrics", "realm_access": roles, "hd": "example.org"}),
            Ok("example"),
        ),
        (
            "a domain of none",
            json!({"scope": "metrics", "realm_access": roles, "hd": "evil.org"}),
            Err((403, "recognised as users, and has no tenant")),
        ),
        (
            "an address that nobody verified",
            json!({"scope": "metrics", "tenant": "a", "email": "ann@example.org", "email_verified": false}),
            UNKNOWN,
        ),
        (
            "an organization as a list",
            json!({"scope": "metrics", "realm_access": roles, "organization": ["acme"]}),
            Ok("acme"),
        ),
    ] {
        gateway.expect(what, Call::get(QUERY).bearer(&idp.token(claims)), expected).await?;
    }
    Ok(())
}

#[tokio::test]
async fn metadata() -> Result<()> {
    let session = lua(r#"
        function envoy_on_request(handle)
          local who = handle:headers():get("x-session")
          handle:headers():remove("x-session")
          if who then
            local metadata = handle:streamInfo():dynamicMetadata()
            metadata:set("envoy.filters.http.ext_authz", "id", who)
            metadata:set("envoy.filters.http.ext_authz", "attributes", who == "central" and {"local"} or {"remote"})
          end
        end
    "#);
    let gateway = Gateway::with(&configuration("metadata")?, |listener| listener.filter(session)).await?;
    let push = || WriteRequest::realistic(2).push();
    gateway.expect("an attribute", push().header("x-session", "central"), Ok("central")).await?;
    gateway.expect("another", push().header("x-session", "agent"), Err((401, "no credentials"))).await?;
    gateway.expect("nothing", push(), Err((401, "no credentials"))).await?;
    let read = Call::get(QUERY).header("x-session", "central");
    gateway.expect("a right that is lacking", read, Err((403, "no right to `read`"))).await
}

#[tokio::test]
async fn session() -> Result<()> {
    let gateway = Gateway::start("session").await?;
    let push = || WriteRequest::realistic(2).push();
    let by = |agent, keys: &str, call| Session::new("local", agent, keys).sign(call);
    let once = by("edge-1", KEYS, push());
    gateway.expect("an agent", once.clone(), Ok("edge-1")).await?;
    for (what, call, expected) in [
        ("another", by("edge-2", KEYS, push()), Ok("edge-2")),
        ("the same again", once, Err((401, "was used before"))),
        ("another key", by("edge-1", &KEYS.replace("AAEC", "BBEC"), push()), Err((401, "not good for this"))),
        (
            "an old proof",
            Session::new("local", "edge-1", KEYS).ahead(-90).sign(push()),
            Err((401, "too old")),
        ),
        ("nothing", push(), Err((401, "no credentials"))),
        ("a right that is lacking", by("edge-1", KEYS, Call::get(QUERY)), Err((403, "no right to `read`"))),
    ] {
        gateway.expect(what, call, expected).await?;
    }
    Ok(())
}

#[tokio::test]
async fn anonymous() -> Result<()> {
    let gateway = Gateway::start("anonymous").await?;
    let token = |claims| gateway.idp.token(claims);
    let get = || Call::get(QUERY);
    gateway.expect("nobody", get(), Ok("public")).await?;
    gateway.expect("somebody", get().bearer(&token(json!({"tenant": "a"}))), Ok("a")).await?;
    gateway
        .expect("nobody, writing", WriteRequest::realistic(2).push(), Err((403, "no right to `write`")))
        .await?;
    gateway.expect("nobody, choosing", get().tenant("a"), Err((403, "not this caller's own"))).await?;
    gateway
        .expect("somebody without a tenant", get().bearer(&token(json!({}))), Err((403, "has no tenant")))
        .await?;
    for (what, authorization) in [
        ("a token that nobody knows", "Bearer opaque"),
        ("a scheme that nobody knows", "Negotiate x"),
        ("a user that nobody knows", "Basic dTpw"),
        ("a token without a signature", "Bearer eyJhbGciOiJub25lIn0.e30."),
        ("an empty one", ""),
    ] {
        let reached = gateway.reached(get().header("authorization", authorization)).await?;
        assert!(matches!(reached, Err((401, _))), "{what}: {reached:?}");
    }
    let expired = gateway.idp.expired(json!({"tenant": "a"}));
    gateway.expect("an expired token", get().bearer(&expired), Err((401, "expired"))).await
}
