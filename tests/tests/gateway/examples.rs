//! The examples, as they are shipped.

use anyhow::Result;
use scopegate_core::config::Config;
use scopegate_tests::client::Call;
use scopegate_tests::cortex::Cortex;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::example::{Example, file, yaml};
use scopegate_tests::identity::Issuer;
use scopegate_tests::remote_write::{WriteRequest, series};
use scopegate_tests::session::{KEYS, Session};
use serde_json::json;

use crate::gateway::raw_series;

/// Keys that the example does not know.
const OTHERS: &str = "example:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";

/// `scopegate.yaml` and the Struct in `envoy.yaml` are the same, and both are accepted.
#[test]
fn both_files_say_the_same() -> Result<()> {
    let alone = yaml(&file("impersonation", "scopegate.yaml"))?;
    assert_eq!(Example::load("impersonation")?.configuration()?, &alone);
    Config::from_json(alone)?;
    Ok(())
}

#[tokio::test]
async fn impersonation() -> Result<()> {
    let cortex = Cortex::start()?;
    let (session, idp) = (Issuer::new("https://control.example.org"), Issuer::new("https://idp.example.org"));
    let example = Example::load("impersonation")?
        .keys("session", &session.jwks())?
        .keys("keycloak", &idp.jwks())?
        .cluster("cortex", cortex.address())?;
    let envoy = Envoy::start(&example).await?;
    let client = envoy.http2()?;
    let local = Session::new("local", "central", KEYS);
    let token = session.token(json!({"sub": "central", "attributes": ["local"]}));
    let agent = session.token(json!({"sub": "cluster-3"}));
    let user = idp.token(json!({"tenant": "cluster-1", "groups": ["tenant:cluster-2"]}));
    let now = i64::try_from(scopegate_tests::identity::now() * 1000)?;
    let info = |cluster: &str| {
        series(
            &[("__name__", "cluster_info"), ("name", cluster), ("zz_opni_impersonate_as", cluster)],
            now,
            1.0,
        )
    };
    let mixed = WriteRequest::of(vec![
        series(&[("__name__", "own")], now, 1.0),
        info("cluster-1"),
        info("cluster-2"),
    ]);
    let own = |name: &str| WriteRequest::of(vec![series(&[("__name__", name)], now, 2.0)]);

    // The local agent asks to impersonate, and may; an agent writes its own; neither may read.
    let asking = |call: Call| call.header("x-scope-impersonate", "true");
    client.send(asking(local.sign(mixed.push()))).await?.expect(200)?;
    client.send(own("cpu").push().bearer(&agent)).await?.expect(200)?;
    let query = |tenant| Call::query("/prometheus/api/v1/query", &[("query", "cpu")]).tenant(tenant);
    client.send(local.sign(query("central"))).await?.expect(403)?;
    client.send(query("cluster-3").bearer(&agent)).await?.expect(403)?;
    {
        use prost::Message as _;
        let state = cortex.state();
        assert_eq!(state.tenants(), ["central", "cluster-1", "cluster-2", "cluster-3"]);
        let stripped = series(&[("__name__", "cluster_info"), ("name", "cluster-1")], now, 1.0);
        assert_eq!(raw_series(&state, "cluster-1"), [stripped.encode_to_vec()]);
        assert_eq!(raw_series(&state, "cluster-3"), [own("cpu").timeseries[0].encode_to_vec()]);
    }
    // An agent may neither write for others nor pretend to.
    for (call, status) in [
        (mixed.push().bearer(&agent), 400),
        (asking(mixed.push().bearer(&agent)), 403),
        // What a token says of attributes proves none.
        (asking(mixed.push().bearer(&token)), 403),
        (asking(Session::new("local", "cluster-3", OTHERS).sign(mixed.push())), 401),
        (own("cpu").push().bearer(&agent).tenant("cluster-1"), 403),
        (own("cpu").push(), 401),
        (own("cpu").push().bearer(&user), 403),
        (own("cpu").push().bearer(&session.expired(json!({"sub": "cluster-3"}))), 401),
        (own("cpu").push().bearer(&session.unsigned(json!({"sub": "cluster-3"}))), 401),
        (own("cpu").push().bearer(&idp.token(json!({"sub": "cluster-3", "attributes": ["local"]}))), 403),
    ] {
        let before = cortex.state().series("cluster-1").count();
        client.send(call).await?.expect(status)?;
        assert_eq!(cortex.state().series("cluster-1").count(), before);
    }
    // A user reads its tenants together, told apart by `__tenant_id__`, or one of them by choice.
    let query = || Call::query("/prometheus/api/v1/query", &[("query", "cluster_info")]).bearer(&user);
    let both = client.send(query()).await?.expect(200)?.json()?;
    let mut tenants: Vec<_> = both["data"]["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["metric"]["__tenant_id__"].to_string())
        .collect();
    tenants.sort();
    assert_eq!(tenants, ["\"cluster-1\"", "\"cluster-2\""]);
    let one = client.send(query().tenant("cluster-2")).await?.expect(200)?.json()?;
    assert_eq!(one["data"]["result"][0]["metric"]["name"], "cluster-2");
    client.send(query().tenant("cluster-3")).await?.expect(403)?;
    // The access log names the tenant, and what was refused.
    let log = envoy.process()?.wait_for_output("foreign_tenant", scopegate_tests::wait::DEADLINE).await?;
    assert!(log.contains("\"status\":403"), "{log}");
    Ok(())
}
