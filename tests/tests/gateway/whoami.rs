//! Who a caller is told that it is, through the filters that prove it.

use anyhow::Result;
use scopegate_tests::bootstrap::lua;
use scopegate_tests::client::{Answer, Call};
use scopegate_tests::identity::{Issuer, basic};
use serde_json::{Value, json};

use crate::gateway::{Gateway, KEY, configuration};

const WHOAMI: &str = "/-/scopegate/whoami";
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// The callers of the other tests, and sessions that another filter leaves.
async fn gateway() -> Result<Gateway> {
    let mut configuration = configuration();
    configuration["whoami"] = json!({});
    let sessions = json!({"name": "sessions", "metadata": {"namespace": "session", "where": [{"claim": "ok", "in": "yes"}]},
                          "tenants": {"claim": ["org", "id"]}, "may": ["read"]});
    configuration["callers"].as_array_mut().unwrap().insert(0, sessions);
    configuration["callers"][3]["jwt"]["where"] = json!([{"claim": "email_verified_by", "in": "idp"}]);
    // As an authenticating filter would, for requests with a cookie; the cookie itself is nothing that is told.
    let session = lua(
        "function envoy_on_request(handle)
           local cookie = handle:headers():get('cookie')
           if cookie then
             handle:streamInfo():dynamicMetadata():set('session', 'ok', cookie == 'good' and 'yes' or 'no')
             handle:streamInfo():dynamicMetadata():set('session', 'org', {id = 'team-s', plan = 'not asked for'})
           end
         end",
    );
    Gateway::with(&configuration, |listener| listener.filter(session), |all, _| all).await
}

fn other(caller: &str, source: &str, why: &str) -> Value {
    json!({"caller": caller, "source": source, "why": why})
}

#[tokio::test]
async fn each_caller_is_told_its_own() -> Result<()> {
    let gateway = gateway().await?;
    let later = "an entry before it recognised the request";
    let no_session = || other("sessions", "metadata", "no session");
    let [agents, forwarders] =
        ["agents", "forwarders"].map(|name| other(name, "basic", "no basic credentials"));
    let token = gateway.token(json!({
        "tenant": "a", "groups": ["dev", "tenant:<script>"], "email_verified_by": ["idp"], "sub": "not asked for",
    }));
    let good =
        gateway.token(json!({"tenant": ["b", "a"], "email_verified_by": "idp", "sub": "not asked for"}));
    let nobody = json!(null);
    // (what, the request, what is told; null: it is refused)
    let cases: Vec<(&str, Call, Value)> = vec![
        (
            "a verified token",
            Call::get(WHOAMI).bearer(&good),
            json!({
                "caller": "users", "source": "jwt", "user": null, "tenants": ["a", "b"], "refused": null,
                "may": ["read", "write", "rules"], "on_behalf_of": [], "impersonate": null,
                "unfiltered": false, "claims": {"email_verified_by": ["idp"], "tenant": ["b", "a"], "groups": null},
                "enforced": {"metrics": true},
                "others": [no_session(), agents.clone(), forwarders.clone()],
            }),
        ),
        (
            "a verified token that names no tenant in a group",
            Call::get(WHOAMI).bearer(&token),
            json!({
                "caller": "users", "source": "jwt", "user": null, "tenants": [],
                "refused": {"status": 403, "reason": "bad_claim", "words": "the claim groups of this caller names something that \
                            is no tenant: a tenant ID is made of A-Z a-z 0-9 ! - _ . * ' ( )"},
                "may": ["read", "write", "rules"], "on_behalf_of": [], "impersonate": null,
                "unfiltered": false, "claims": {"email_verified_by": ["idp"], "tenant": ["a"], "groups": ["dev", "tenant:<script>"]},
                "enforced": {"metrics": true},
                "others": [no_session(), agents.clone(), forwarders.clone()],
            }),
        ),
        (
            "a user with a password, and a session that does not count",
            Call::get(WHOAMI)
                .header("authorization", basic("forwarder", "old-secret"))
                .header("cookie", "bad"),
            json!({
                "caller": "forwarders", "source": "basic", "user": "forwarder", "tenants": ["platform"], "refused": null,
                "may": ["write", "read"], "on_behalf_of": ["namespace-*"], "impersonate": null, "unfiltered": false, "claims": {},
                "enforced": {"metrics": true},
                "others": [other("sessions", "metadata", "a condition on the claim ok is not met"),
                           other("agents", "basic", "another user"), other("users", "jwt", later)],
            }),
        ),
        (
            "a session",
            Call::get(WHOAMI).header("cookie", "good"),
            json!({
                "caller": "sessions", "source": "metadata", "user": null, "tenants": ["team-s"], "refused": null,
                "may": ["read"], "on_behalf_of": [], "impersonate": null,
                "unfiltered": false, "claims": {"ok": ["yes"], "org › id": ["team-s"]},
                "enforced": {"metrics": true},
                "others": [other("agents", "basic", later), other("forwarders", "basic", later), other("users", "jwt", later)],
            }),
        ),
        ("nobody", Call::get(WHOAMI), nobody.clone()),
        ("a session that does not count", Call::get(WHOAMI).header("cookie", "bad"), nobody.clone()),
        (
            "a wrong password",
            Call::get(WHOAMI).header("authorization", basic("forwarder", "my-guess")),
            nobody.clone(),
        ),
        (
            "a token of another issuer",
            Call::get(WHOAMI).bearer(&Issuer::new("https://other.test").token(json!({"tenant": "a"}))),
            nobody.clone(),
        ),
        ("an expired token", Call::get(WHOAMI).bearer(&gateway.idp.expired(json!({"tenant": "a"}))), nobody),
    ];
    for (what, call, expected) in cases {
        for accept in ["*/*", BROWSER] {
            let answer = gateway.http1()?.send(call.clone().header("accept", accept)).await?;
            no_secret(&answer, what);
            if expected.is_null() {
                assert_eq!(answer.status, 401, "{what}: {answer}");
                for name in ["sessions", "agents", "forwarders", "users", "email_verified_by"] {
                    assert!(!answer.text().contains(name), "{what}: {answer}");
                }
                continue;
            }
            assert_eq!(answer.status, 200, "{what}: {answer}");
            let header = |name: &str| {
                answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
            };
            assert_eq!(
                (header("cache-control"), header("vary")),
                ("no-store".into(), "accept".into()),
                "{what}"
            );
            assert!(header("content-security-policy").starts_with("default-src 'none';"), "{what}: {answer}");
            if accept == BROWSER {
                assert_eq!(header("content-type"), "text/html; charset=utf-8", "{what}");
                let page = answer.text();
                let caller = expected["caller"].as_str().unwrap_or_default();
                assert!(page.contains(&format!("<dt><b>caller</b></dt><dd>{caller}</dd>")), "{what}: {page}");
                assert!(!page.contains("<script"), "{what}: {page}");
            } else {
                assert_eq!(header("content-type"), "application/json", "{what}");
                assert_eq!(answer.json()?, expected, "{what}");
            }
        }
    }
    gateway.nothing_arrived("the gateway's own path");
    Ok(())
}

/// Nothing of what proved the caller, and nothing of the configuration's secrets.
fn no_secret(answer: &Answer, what: &str) {
    let told = format!("{} {:?}", answer.text(), answer.headers);
    let secrets = [
        KEY,
        "hmac-sha256",
        "old-secret",
        "new-secret",
        "agent-secret",
        "my-guess",
        "not asked for",
        "eyJ",
        "good",
        "x-scope-impersonate",
        "https://idp.test",
        "cluster-",
        "central",
    ];
    for secret in secrets.into_iter().chain([&basic("forwarder", "old-secret")[6..]]) {
        assert!(!told.contains(secret), "{what}: {secret} is in {told}");
    }
}
