//! Passwords and opaque tokens, listed and from tables.

use anyhow::Result;
use scopegate_core::caller::{password_hash, token_hash};
use scopegate_tests::client::Call;
use scopegate_tests::identity::basic;
use scopegate_tests::remote_write::WriteRequest;
use serde_json::json;

use crate::gateway::{Expected, Gateway, KEY, QUERY, configuration};

const WRONG: Expected = Err((401, "the user name or the password is wrong"));
const UNKNOWN: Expected = Err((401, "these credentials are not accepted"));
const NOT_YET: Expected = Err((503, "has not fetched its table"));

fn password(user: &str, password: &str) -> String {
    password_hash(KEY.as_bytes(), user, password.as_bytes()).unwrap()
}

fn token(token: &str) -> String {
    token_hash(KEY.as_bytes(), token.as_bytes()).unwrap()
}

fn as_user(user: &str, password: &str) -> Call {
    Call::get(QUERY).header("authorization", basic(user, password))
}

#[tokio::test]
async fn users_come_and_go_without_a_restart() -> Result<()> {
    let mut configuration = configuration("basic")?;
    configuration["tables"]["passwords"]["http"]["refresh"] = json!("300ms");
    let gateway = Gateway::with(&configuration, |listener| listener).await?;
    // A table without any user counts as none: nobody is told that a good password is wrong.
    gateway.expect("listed", as_user("forwarder", "new-secret"), Ok("platform")).await?;
    gateway.expect("listed, wrong", as_user("forwarder", "old"), WRONG).await?;
    gateway.expect("not there yet", as_user("ann", "a1"), NOT_YET).await?;
    let set = |users: serde_json::Value| {
        gateway.inventory.state().files.insert("/passwords.json".to_owned(), users.to_string());
    };
    set(json!({
        "ann": {"password": password("ann", "a1"), "tenants": ["a", "b"]},
        "bob": {"password": [password("bob", "b1"), password("bob", "b2")], "claims": {"team": "x"}},
        "cid": {"password": password("cid", "c1")},
        "forwarder": {"password": password("forwarder", "other"), "tenants": ["evil"]},
    }));
    gateway.wait_until(&as_user("ann", "a1"), Ok("a|b")).await?;
    for (what, call, expected) in [
        ("the second password", as_user("bob", "b2"), Ok("team-x")),
        ("neither password", as_user("bob", "b3"), WRONG),
        ("somebody else's password", as_user("bob", "a1"), WRONG),
        ("no tenant", as_user("cid", "c1"), Err((403, "has no tenant"))),
        ("nobody", as_user("eve", "e1"), UNKNOWN),
        ("the table cannot overrule the list", as_user("forwarder", "other"), WRONG),
    ] {
        gateway.expect(what, call, expected).await?;
    }
    // The old password goes, a new user comes, another is gone.
    set(json!({
        "ann": {"password": password("ann", "a2"), "tenants": ["a"]},
        "dan": {"password": password("dan", "d1"), "tenants": ["d"]},
    }));
    gateway.wait_until(&as_user("ann", "a2"), Ok("a")).await?;
    // The workers take a new table each at its next tick.
    gateway.wait_until(&as_user("ann", "a1"), WRONG).await?;
    gateway.expect("the new user", as_user("dan", "d1"), Ok("d")).await?;
    gateway.expect("who is gone", as_user("bob", "b1"), UNKNOWN).await?;
    // A table that is broken or lost changes nothing.
    set(json!("gone"));
    let before = gateway.inventory.state().requests.len();
    gateway.inventory.wait_for("further fetches", |state| state.requests.len() > before + 1).await?;
    gateway.expect("the last good table", as_user("dan", "d1"), Ok("d")).await?;
    never_told(&gateway, &["a1", &password("ann", "a1"), &password("ann", "a2"), KEY]).await
}

#[tokio::test]
async fn tokens_come_and_go_without_a_restart() -> Result<()> {
    let mut configuration = configuration("bearer")?;
    configuration["tables"]["tokens"]["http"]["refresh"] = json!("300ms");
    let gateway = Gateway::with(&configuration, |listener| listener).await?;
    let push = |token: &str| WriteRequest::realistic(2).push().bearer(token);
    gateway.expect("listed", push("opaque-token-1"), Ok("org-a")).await?;
    gateway.expect("not there yet", push("opaque-token-2"), NOT_YET).await?;
    let set = |tokens: serde_json::Value| {
        gateway.inventory.state().files.insert("/tokens.json".to_owned(), tokens.to_string());
    };
    // The hash of a JWT in the table does not make it good, and a wrong one is for jwt_authn to refuse.
    let jwt = gateway.idp.unsigned(json!({"tenant": "a"}));
    set(json!({
        (token("opaque-token-2")): {"tenants": ["org-b"]}, (token("opaque-token-3")): {}, (token(&jwt)): {"tenants": ["evil"]},
    }));
    gateway.wait_until(&push("opaque-token-2"), Ok("org-b")).await?;
    for (what, call, expected) in [
        ("no tenant", push("opaque-token-3"), Err((403, "has no tenant"))),
        ("nobody", push("opaque-token-4"), UNKNOWN),
        ("the hash", push(&token("opaque-token-2")), UNKNOWN),
        (
            "a right that is lacking",
            Call::get(QUERY).bearer("opaque-token-2"),
            Err((403, "no right to `read`")),
        ),
        ("a JWT that was verified", push(&gateway.idp.token(json!({"tenant": "a"}))), UNKNOWN),
        ("nothing", WriteRequest::realistic(2).push(), Err((401, "no credentials"))),
    ] {
        gateway.expect(what, call, expected).await?;
    }
    assert!(matches!(gateway.reached(push(&jwt)).await?, Err((401, _))));
    set(json!({(token("opaque-token-4")): {"tenants": ["org-d"]}}));
    gateway.wait_until(&push("opaque-token-4"), Ok("org-d")).await?;
    // The workers take a new table each at its next tick.
    gateway.wait_until(&push("opaque-token-2"), UNKNOWN).await?;
    never_told(&gateway, &["opaque-token", &token("opaque-token-2"), &token("opaque-token-4"), KEY]).await
}

/// Secrets are neither in Envoy's log, nor in the access log, nor in its statistics, nor in what it serves.
async fn never_told(gateway: &Gateway, secrets: &[&str]) -> Result<()> {
    let mut seen = gateway.envoy.process()?.log();
    seen += &gateway.envoy.process()?.output();
    seen += &gateway.envoy.admin()?.get("/stats").await?;
    for secret in secrets {
        assert!(!seen.contains(secret), "{secret} is to be read");
    }
    Ok(())
}
