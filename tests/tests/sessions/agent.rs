//! An unmodified Prometheus becomes the privileged agent: through the shipped Envoy beside it, the shipped gateway, to the
//! tenants.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use scopegate_core::session::HEADER;
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin, route};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::{Cortex, Fault, Label};
use scopegate_tests::envoy::Envoy;
use scopegate_tests::example::Example;
use scopegate_tests::identity::Issuer;
use scopegate_tests::prometheus::{Prometheus, Target, config};
use scopegate_tests::session::KEYS;
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use crate::gateway::{OLD, write};

/// The shipped gateway and the shipped agent's side.
struct World {
    cortex: Cortex,
    gateway: Envoy,
    agent: Envoy,
}

impl World {
    async fn start() -> Result<Self> {
        let cortex = Cortex::start()?;
        let (session, people) =
            (Issuer::new("https://control.example.org"), Issuer::new("https://idp.example.org"));
        let example = Example::load("impersonation")?
            .keys("session", &session.jwks())?
            .keys("keycloak", &people.jwks())?
            .cluster("cortex", cortex.address())?;
        let gateway = Envoy::builder(&example).concurrency(2).start().await?;
        let example = Example::load_file("impersonation", "agent-envoy.yaml")?
            .cluster("gateway", gateway.listener("gateway")?)?;
        let agent = Envoy::builder(&example).concurrency(2).start().await?;
        Ok(Self { cortex, gateway, agent })
    }
}

/// One series of the agent's own, and one about each cluster.
const PAGE: &str = "own_metric 1\n\
    about{cluster_name=\"one\",zz_opni_impersonate_as=\"cluster-1\"} 1\n\
    about{cluster_name=\"two\",zz_opni_impersonate_as=\"cluster-2\"} 1\n";

#[tokio::test]
async fn an_unmodified_prometheus() -> Result<()> {
    let world = World::start().await?;
    let target = Target::fixed(PAGE)?;
    let remote_write = json!({"url": format!("http://{}/api/v1/push", world.agent.address()?)});
    // What fails once is sent again, and signed again.
    world.cortex.fault("cluster-1", Fault::answer(503).times(2));
    let Some(prometheus) = Prometheus::start(&config(&[target.address()], &[remote_write])).await? else {
        return Ok(());
    };
    let about = |name: &str| {
        let labels = [("__name__", "about"), ("cluster", "test"), ("cluster_name", name)];
        let labels = labels.into_iter().chain([("job", "target")]);
        let mut labels: Vec<_> = labels.map(|(name, value)| Label::new(name, value)).collect();
        labels.push(Label::new("instance", &target.address().to_string()));
        labels.sort();
        labels
    };
    eventually(DEADLINE, || async {
        let state = world.cortex.state();
        for (tenant, name) in [("cluster-1", "one"), ("cluster-2", "two")] {
            let store = state.store(tenant).with_context(|| format!("nothing for {tenant}"))?;
            let series: Vec<_> = store.series().keys().cloned().collect();
            ensure!(series == [about(name)], "{tenant} has {series:?}");
            let samples = store.series().values().map(BTreeMap::len).sum::<usize>();
            ensure!(samples > 2, "{tenant} has {samples} samples");
        }
        let own = state.store("central").context("nothing for central")?;
        let named =
            |name: &str| own.series().keys().any(|labels| labels.contains(&Label::new("__name__", name)));
        ensure!(named("own_metric") && named("up") && !named("about"), "central has others");
        Ok(())
    })
    .await?;
    {
        let state = world.cortex.state();
        ensure!(state.tenants() == ["central", "cluster-1", "cluster-2"], "{:?}", state.tenants());
        for request in &state.requests {
            ensure!(request.header_values(HEADER).is_empty(), "{request}: the proof went upstream");
            ensure!(request.header_values("x-scope-impersonate").is_empty(), "{request}");
        }
    }
    let failed = prometheus.metric("prometheus_remote_storage_samples_failed_total").await?;
    ensure!(failed == 0.0, "{failed} samples were given up");
    Ok(())
}

/// What the client says of proofs and of impersonation is replaced; what it says of tenants the gateway refuses.
#[tokio::test]
async fn what_came_along_is_not_believed() -> Result<()> {
    let world = World::start().await?;
    let client = world.agent.http2()?;
    let call =
        write("up").push().header(HEADER, "evil").header(HEADER, "worse").header("x-scope-impersonate", "no");
    client.send(call).await?.expect(200)?;
    let body = write("up").push().whole_body();
    let chunked = write("up").push().chunks([body[..3].to_vec(), body[3..].to_vec()]).trailer("x-more", "1");
    client.send(chunked).await?.expect(200)?;
    client.send(write("up").push().tenant("cluster-1")).await?.expect(403)?;
    ensure!(world.cortex.state().tenants() == ["central"]);
    // An agent may not read, and it is the gateway that says so.
    client.send(Call::query("/prometheus/api/v1/query", &[("query", "up")])).await?.expect(403)?;
    // Past the agent's side nobody is the agent.
    Client::http2(world.gateway.listener("gateway")?).send(write("up").push()).await?.expect(401)?;
    Ok(())
}

/// An agent's side as a test needs it, in front of `gateway`.
fn beside(configuration: &Value, keys: &str, route: Value, gateway: &Envoy) -> Result<Bootstrap> {
    let plugin = Plugin::structured(configuration).variable("KEYS", keys);
    let listener = Listener::new("agent").buffer_limit(1 << 20).filter(plugin.filter()).raw_route(route);
    Ok(Bootstrap::new()
        .listener(listener)
        .cluster(Cluster::http1("gateway", gateway.listener("gateway")?))
        .filter_tags())
}

/// What the documentation warns of: each fails closed, and says why.
#[tokio::test]
async fn agents_that_are_set_up_wrongly() -> Result<()> {
    let world = World::start().await?;
    let sign = |attribute: &str| {
        json!({"role": "agent", "limits": {"request_bytes": "1KiB"},
               "sign": {"attribute": attribute, "agent": "central", "keys": {"env": "KEYS"}}})
    };
    let plain = route("/", "gateway");
    let mut rewriting = route("/", "gateway");
    rewriting["route"]["prefix_rewrite"] = json!("/api/prom/");
    rewriting["match"]["prefix"] = json!("/api/v1/");
    let mut retrying = route("/", "gateway");
    retrying["route"]["retry_policy"] = json!({"retry_on": "5xx", "num_retries": 3});
    let large = vec![0_u8; 2000];
    let push = || write("up").push();
    for (what, attribute, keys, route, call, status, words) in [
        ("good", "local", KEYS, &plain, push(), 200, ""),
        ("another key", "local", OLD, &plain, push(), 401, "not good for this request"),
        ("another attribute", "other", KEYS, &plain, push(), 401, "these credentials are not accepted"),
        ("a rewritten path", "local", KEYS, &rewriting, push(), 401, "path were changed"),
        ("too large", "local", KEYS, &plain, push().body(large), 413, "limits.request_bytes"),
        ("retried on the way", "local", KEYS, &retrying, push(), 401, "was used before"),
    ] {
        world.cortex.forget();
        let is_retried = what == "retried on the way";
        if is_retried {
            world.cortex.fault("central", Fault::answer(503));
        }
        let agent = Envoy::start(&beside(&sign(attribute), keys, route.clone(), &world.gateway)?).await?;
        let answer = agent.http1()?.send(call).await?;
        ensure!(answer.status == status && answer.text().contains(words), "{what}: {answer}");
        ensure!(world.cortex.state().tenants().is_empty() != (status == 200 || is_retried), "{what}");
    }
    Ok(())
}

/// Without keys it does not start, and says why without telling any.
#[tokio::test]
async fn an_agent_without_keys() -> Result<()> {
    let world = World::start().await?;
    let configuration =
        json!({"role": "agent", "sign": {"attribute": "local", "agent": "central", "keys": {"env": "NONE"}}});
    let bootstrap = beside(&configuration, KEYS, route("/", "gateway"), &world.gateway)?;
    let error = Envoy::start(&bootstrap).await.err().context("it started")?.to_string();
    ensure!(error.contains("sign.keys.env: the environment variable NONE is not set"), "{error}");
    Ok(())
}
