//! Administrators ask with a request what would become of it; everybody else has it done.

use anyhow::Result;
use scopegate_tests::client::Call;
use scopegate_tests::cortex::Cortex;
use scopegate_tests::remote_write::{WriteRequest, series};
use serde_json::{Value, json};

use crate::world::{gateway_before, signed, user};

const HEADER: &str = "x-scopegate-explain";

fn configuration(isolate: &Value) -> Value {
    let users = |users: Value| json!({"key": {"env": "KEY"}, "users": users});
    let kind = if isolate.is_null() { "cortex" } else { "prometheus" };
    let mut configuration = json!({
        "backends": [{"name": "metrics", "kind": kind}],
        "callers": [
            {"name": "administrators", "may": ["read", "write", "admin"], "basic": users(json!([user("admin", &["team-a"])]))},
            {"name": "users", "may": ["read", "write"], "basic": users(json!([user("team-a", &["team-a"])]))},
        ],
        "write": {"metrics": {"tenant": [{"label": "namespace"}, "caller"]}},
    });
    if !isolate.is_null() {
        configuration["backends"][0]["isolate"] = isolate.clone();
    }
    configuration
}

#[tokio::test]
async fn a_query_and_a_write() -> Result<()> {
    let backend = Cortex::start()?;
    let envoy =
        gateway_before(&configuration(&json!({"label": "tenant"})), backend.address(), |all| all).await?;
    let client = envoy.http1()?;
    let query = || Call::form("/api/v1/query", &[("query", "up / on (job) down")]).header(HEADER, "true");
    let page = client.send(signed(query(), "admin")).await?.expect(200)?.json()?;
    assert_eq!(page["caller"], "administrators");
    assert_eq!(page["class"], "read");
    assert_eq!(page["tenants"], "team-a");
    assert_eq!(page["request"]["new_body_bytes"], 92, "{page}");
    let url = Call::get("/api/v1/query?query=up").header(HEADER, "true");
    let page = client.send(signed(url, "admin")).await?.expect(200)?.json()?;
    assert_eq!(
        page["request"]["set"][":path"], "/api/v1/query?query=up%7Btenant%3D%22team-a%22%7D",
        "{page}"
    );
    // A refusal stays one.
    let bad = Call::get("/api/v1/query?query=up%7B").header(HEADER, "true");
    let answer = client.send(signed(bad, "admin")).await?.expect(400)?;
    assert!(answer.text().contains("1:4: parse error"), "{answer}");
    assert!(backend.state().requests.is_empty(), "{}", backend.state().summary());

    // From others it is taken off, and their request is done.
    client.send(signed(query(), "team-a")).await?;
    {
        let state = backend.state();
        let [arrived] = state.requests.as_slice() else { panic!("{}", state.summary()) };
        assert_eq!(arrived.header(HEADER), None);
        assert!(
            String::from_utf8_lossy(&arrived.body).starts_with("query=up%7Btenant%3D%22team-a%22%7D"),
            "{arrived}"
        );
    }
    // Nor does any other value ask.
    backend.forget();
    let call = Call::get("/api/v1/query?query=up").header(HEADER, "1");
    client.send(signed(call, "admin")).await?;
    assert_eq!(backend.state().requests.len(), 1);
    // Who is not known is told nothing.
    backend.forget();
    client.send(query()).await?.expect(401)?;
    assert!(backend.state().requests.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_parts_of_a_write() -> Result<()> {
    let backend = Cortex::start()?;
    let mut configuration = configuration(&Value::Null);
    configuration["callers"][0]["on_behalf_of"] = json!(["team-*"]);
    let envoy = gateway_before(&configuration, backend.address(), |all| all).await?;
    let of =
        |namespace: &str| series(&[("__name__", "up"), ("namespace", namespace)], 1_700_000_000_000, 1.0);
    let push = WriteRequest::of(vec![of("team-b"), of("team-c"), of("team-b")]).push().header(HEADER, "true");
    let page = envoy.http1()?.send(signed(push, "admin")).await?.expect(200)?.json()?;
    assert_eq!(page["call"]["cluster"], "backend", "{page}");
    let parts: Vec<_> = page["parts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|part| (&part["tenant"], &part["series"]))
        .collect();
    assert_eq!(parts, [(&json!("team-b"), &json!(2)), (&json!("team-c"), &json!(1))], "{page}");
    assert!(backend.state().requests.is_empty(), "{}", backend.state().summary());
    Ok(())
}
