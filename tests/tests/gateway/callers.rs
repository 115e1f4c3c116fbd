//! Who is calling: the sources of identity through real Envoy filters.

use anyhow::Result;
use scopegate_tests::bootstrap::lua;
use scopegate_tests::client::Call;
use scopegate_tests::identity::{Issuer, basic};
use scopegate_tests::remote_write::WriteRequest;
use serde_json::{Value, json};

use crate::gateway::{Gateway, configuration};

const QUERY: &str = "/prometheus/api/v1/query?query=up";

/// The tenants that a request reached; `None` where it was refused, with the status.
async fn reached(gateway: &Gateway, call: Call) -> Result<Result<String, u16>> {
    gateway.cortex.forget();
    let answer = gateway.http1()?.send(call).await?;
    let state = gateway.cortex.state();
    match state.requests.as_slice() {
        [] => Ok(Err(answer.status)),
        [only] => {
            assert_eq!(only.header_values("x-scope-orgid").len(), 1);
            assert_eq!(only.header("authorization"), None, "the credentials went on");
            Ok(Ok(only.tenant.clone().unwrap_or_default()))
        }
        _ => panic!("{}", state.summary()),
    }
}

#[tokio::test]
async fn verified_tokens() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    let idp = &gateway.idp;
    let other = Issuer::new("https://other.test");
    let a = || json!({"tenant": "a"});
    let cases: Vec<(&str, String, Result<&str, u16>)> = vec![
        ("a string", idp.token(a()), Ok("a")),
        ("a list", idp.token(json!({"tenant": ["b", "a", "b"]})), Ok("a|b")),
        ("groups with a prefix", idp.token(json!({"tenant": "a", "groups": ["dev", "tenant:c"]})), Ok("a|c")),
        ("null", idp.token(json!({"tenant": null, "groups": ["tenant:c"]})), Ok("c")),
        ("a whole number", idp.token(json!({"tenant": 42})), Ok("42")),
        ("a fraction", idp.token(json!({"tenant": 4.2})), Err(403)),
        ("a number beyond 2^53", idp.token(json!({"tenant": 9_007_199_254_740_993_u64})), Err(403)),
        ("a boolean", idp.token(json!({"tenant": true})), Err(403)),
        ("an object", idp.token(json!({"tenant": {"a": "b"}})), Err(403)),
        ("a nested list", idp.token(json!({"tenant": [["a"]]})), Err(403)),
        ("two in one string", idp.token(json!({"tenant": "a|b"})), Err(403)),
        ("a path", idp.token(json!({"tenant": "../a"})), Err(403)),
        ("an empty string", idp.token(json!({"tenant": ""})), Err(403)),
        ("fake", idp.token(json!({"tenant": "fake"})), Err(403)),
        ("no tenant", idp.token(json!({"sub": "x"})), Err(403)),
        ("expired", idp.expired(a()), Err(401)),
        ("unsigned", idp.unsigned(a()), Err(401)),
        ("another key", Issuer::new("https://idp.test").token(a()), Err(401)),
        ("another issuer", other.token(a()), Err(401)),
        ("no token", "garbage".to_owned(), Err(401)),
    ];
    for (what, token, expected) in cases {
        let reached = reached(&gateway, Call::get(QUERY).bearer(&token)).await?;
        assert_eq!(reached, expected.map(str::to_owned), "{what}");
    }
    Ok(())
}

#[tokio::test]
async fn users_with_passwords() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    let cases: Vec<(&str, Option<String>, Result<&str, u16>)> = vec![
        ("the old password", Some(basic("forwarder", "old-secret")), Ok("platform")),
        ("the new password", Some(basic("forwarder", "new-secret")), Ok("platform")),
        (
            "scheme in another case",
            Some(basic("forwarder", "new-secret").replace("Basic", "bAsIc")),
            Ok("platform"),
        ),
        ("a wrong password", Some(basic("forwarder", "secret")), Err(401)),
        ("another user's password", Some(basic("forwarder", "agent-secret")), Err(401)),
        ("an unknown user", Some(basic("nobody", "new-secret")), Err(401)),
        ("an empty password", Some(basic("forwarder", "")), Err(401)),
        ("no colon", Some("Basic Zm9yd2FyZGVy".to_owned()), Err(401)),
        ("no base64", Some("Basic !!!!".to_owned()), Err(401)),
        ("nothing", None, Err(401)),
        ("a user who may not read", Some(basic("agent", "agent-secret")), Err(403)),
    ];
    for (what, authorization, expected) in cases {
        let call = Call::get(QUERY);
        let call = if let Some(value) = authorization { call.header("authorization", value) } else { call };
        assert_eq!(reached(&gateway, call).await?, expected.map(str::to_owned), "{what}");
    }
    let answer = gateway.http1()?.send(Call::get(QUERY)).await?.expect(401)?;
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, ["Basic realm=\"scopegate\"", "Bearer"]);
    assert_eq!(answer.json()?["status"], "error");
    // Two credentials, which Envoy joins, are none.
    let twice = Call::get(QUERY)
        .header("authorization", basic("forwarder", "new-secret"))
        .header("authorization", basic("agent", "agent-secret"));
    assert_eq!(reached(&gateway, twice).await?, Err(401));
    Ok(())
}

/// Sessions that another filter proved: in dynamic metadata and in filter state.
#[tokio::test]
async fn sessions_of_other_filters() -> Result<()> {
    let session = lua(r#"
        function envoy_on_request(handle)
          local name = handle:headers():get("x-session")
          if name then
            handle:headers():remove("x-session")
            local sessions = {
              ["local"] = {attributes = {"local", "x"}, id = "central"},
              plain = {id = "agent-7"},
              nested = {id = {deep = "agent-8"}},
              number = {id = 7},
            }
            for key, value in pairs(sessions[name] or {}) do
              handle:streamInfo():dynamicMetadata():set("session", key, value)
            end
          end
        end
        "#);
    let state = json!({
        "name": "set_filter_state",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
            "on_request_headers": [{
                "object_key": "session.id", "factory_key": "envoy.string", "skip_if_empty": true,
                "format_string": {"text_format_source": {"inline_string": "%REQ(X-STATE)%"}, "omit_empty_values": true},
            }],
        }
    });
    let configuration = json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [
            {"name": "local", "metadata": {"namespace": "session", "where": [{"claim": "attributes", "in": ["local"]}]},
             "tenants": ["central"], "may": ["read", "write"]},
            {"name": "agents", "metadata": {"namespace": "session"}, "tenants": {"first": [{"claim": ["id", "deep"]}, {"claim": "id"}]},
             "may": ["read"]},
            {"name": "states", "metadata": {"filter_state": "session.id"},
             "tenants": {"union": [{"claim": "value"}, {"claim": "tenant"}]}, "may": ["read"]},
        ],
    });
    let gateway = Gateway::with(
        &configuration,
        |listener| listener.filter(session).filter(state),
        |bootstrap, _| bootstrap,
    )
    .await?;
    for (header, value, expected) in [
        ("x-session", "local", Ok("central")),
        ("x-session", "nested", Ok("agent-8")),
        ("x-session", "unknown", Err(401)),
        ("x-state", "agent-9", Ok("agent-9")),
        ("x-state", r#"{"tenant":["b","a"]}"#, Ok("a|b")),
        ("x-other", "x", Err(401)),
    ] {
        let call = Call::get(QUERY).header(header, value);
        assert_eq!(reached(&gateway, call).await?, expected.map(str::to_owned), "{header}: {value}");
    }
    Ok(())
}

/// A token that nothing verified is not made good by a session that another filter left.
#[tokio::test]
async fn an_unverified_token_is_refused_whatever_else_there_is() -> Result<()> {
    let session = lua(
        r#"function envoy_on_request(handle) handle:streamInfo():dynamicMetadata():set("session", "id", "a") end"#,
    );
    let configuration = json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [
            {"name": "users", "jwt": {"provider": "elsewhere", "issuer": "https://idp.test"}, "tenants": {"claim": "tenant"}, "may": ["read"]},
            {"name": "sessions", "metadata": {"namespace": "session"}, "tenants": {"claim": "id"}, "may": ["read"]},
        ],
    });
    let gateway =
        Gateway::with(&configuration, |listener| listener.filter(session), |bootstrap, _| bootstrap).await?;
    assert_eq!(reached(&gateway, Call::get(QUERY)).await?, Ok("a".to_owned()));
    // Verified by jwt_authn, but under another name than the one that counts.
    let token = gateway.token(json!({"tenant": "b"}));
    assert_eq!(reached(&gateway, Call::get(QUERY).bearer(&token)).await?, Err(401));
    Ok(())
}

/// What the client says about its tenant is checked, and never goes on.
#[tokio::test]
async fn what_the_client_says_counts_only_within_its_own_tenants() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    let token = gateway.token(json!({"tenant": ["a", "b", "c"]}));
    let read = |tenants: &[&str]| {
        tenants.iter().fold(Call::get(QUERY).bearer(&token), |call, tenant| call.tenant(tenant))
    };
    let cases: &[(&[&str], Result<&str, u16>)] = &[
        (&[], Ok("a|b|c")),
        (&["b"], Ok("b")),
        (&["c|a|c"], Ok("a|c")),
        (&["d"], Err(403)),
        (&["a|d"], Err(403)),
        (&[""], Err(400)),
        (&["a,b"], Err(400)),
        (&["a", "b"], Err(400)),
        (&["a", "a"], Err(400)),
    ];
    for (tenants, expected) in cases {
        assert_eq!(reached(&gateway, read(tenants)).await?, expected.map(str::to_owned), "{tenants:?}");
    }
    // Names in any case are the same header, and bytes that are not UTF-8 name nobody.
    let shouted = Call::get(QUERY).bearer(&token).header("X-SCOPE-ORGID", "d");
    assert_eq!(reached(&gateway, shouted).await?, Err(403));
    let odd = Call::get(QUERY).bearer(&token).header("x-scope-orgid", b"a\xff");
    assert_eq!(reached(&gateway, odd).await?, Err(400));
    // Endpoints for one tenant say so; a write needs one as well.
    let rules = Call::get("/api/v1/rules").bearer(&token);
    assert_eq!(reached(&gateway, rules.clone()).await?, Err(400));
    assert_eq!(reached(&gateway, rules.tenant("a")).await?, Ok("a".to_owned()));
    let push = || WriteRequest::realistic(2).push().bearer(&token);
    assert_eq!(reached(&gateway, push()).await?, Err(400));
    assert_eq!(reached(&gateway, push().tenant("b")).await?, Ok("b".to_owned()));
    assert_eq!(reached(&gateway, push().tenant("d")).await?, Err(403));
    assert_eq!(reached(&gateway, push().tenant("a|b")).await?, Err(400));
    Ok(())
}

/// Other ways in which backends and their neighbours are told a tenant.
#[tokio::test]
async fn no_other_header_about_tenancy_goes_on() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    let token = gateway.token(json!({"tenant": "a"}));
    let names = ["x-prom-label-policy", "thanos-tenant", "accountid", "projectid", "x-scope-impersonate"];
    let call = names
        .iter()
        .fold(Call::get(QUERY).bearer(&token), |call, name| call.header(name, "b").header(name, "c"));
    gateway.http2()?.send(call).await?.expect(200)?;
    let state = gateway.cortex.state();
    for name in names {
        assert_eq!(state.requests[0].header(name), None, "{name}");
    }
    Ok(())
}

/// Secrets are nowhere to be read: neither in answers, nor in Envoy's log, nor in its statistics.
#[tokio::test]
async fn secrets_never_appear() -> Result<()> {
    let gateway = Gateway::start(&configuration()).await?;
    let token = gateway.token(json!({"tenant": true}));
    let mut seen = String::new();
    for authorization in
        [basic("forwarder", "tell-tale"), basic("agent", "agent-secret"), format!("Bearer {token}")]
    {
        let answer = gateway.http1()?.send(Call::get(QUERY).header("authorization", authorization)).await?;
        seen += &answer.text();
        seen.extend(answer.headers.values().filter_map(|value| value.to_str().ok()));
    }
    seen += &gateway.envoy.process()?.log();
    seen += &gateway.envoy.process()?.output();
    seen += &gateway.envoy.admin()?.get("/stats").await?;
    let secrets: [&str; 5] = ["tell-tale", "agent-secret", "hmac-sha256", crate::gateway::KEY, &token];
    for secret in secrets {
        assert!(!seen.contains(secret), "{secret} is to be read");
    }
    Ok(())
}

/// `Authorization` goes on where the configuration says so, and only there.
#[tokio::test]
async fn authorization_goes_on_only_if_configured() -> Result<()> {
    let mut with: Value = configuration();
    with["backends"][0]["forward_authorization"] = json!(true);
    let gateway = Gateway::start(&with).await?;
    let credentials = basic("forwarder", "new-secret");
    gateway.http1()?.send(Call::get(QUERY).header("authorization", &credentials)).await?.expect(200)?;
    assert_eq!(gateway.cortex.state().requests[0].header("authorization"), Some(credentials.as_str()));
    Ok(())
}
