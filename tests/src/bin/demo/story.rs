//! The demo from beginning to end.

use std::time::Duration;

use anyhow::{Context, Result};
use scopegate_tests::client::{Answer, Call, Client};
use scopegate_tests::envoy::Envoy;
use scopegate_tests::example::Example;
use scopegate_tests::identity::Issuer;
use scopegate_tests::remote_write::{WriteRequest, series};
use scopegate_tests::wait::eventually;
use serde_json::json;

use crate::Arguments;
use crate::backend::{Backend, results};
use crate::say::{aside, chapter, check, line};
use crate::traffic::{CLUSTERS, METRIC, NODES, Traffic};

/// How long the first samples may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who calls in this story.
struct Tokens {
    agent: String,
    user: String,
}

/// Tells it; true if everything was as it should be.
pub(crate) async fn tell(arguments: Arguments) -> Result<bool> {
    let (session, keycloak) =
        (Issuer::new("https://control.example.org"), Issuer::new("https://idp.example.org"));
    let tokens = Tokens {
        agent: session.token(json!({"sub": "cluster-3"})),
        user: keycloak.token(
            json!({"email": "ann@example.org", "groups": ["dev", "tenant:cluster-1", "tenant:cluster-2"]}),
        ),
    };

    chapter("Starting");
    let backend = Backend::start(arguments.cortex_url)?;
    line(&format!("backend  {} ({})", backend.address(), backend.describe()));
    let example = Example::load("impersonation")?
        .keys("session", &session.jwks())?
        .keys("keycloak", &keycloak.jwks())?
        .cluster("cortex", backend.address())?
        .port("gateway", arguments.port)?;
    let envoy = Envoy::start(&example).await?;
    let gateway = envoy.listener("gateway")?;
    line(&format!("gateway  {gateway} (a real Envoy with examples/impersonation/envoy.yaml)"));
    let beside =
        Envoy::start(&Example::load_file("impersonation", "agent-envoy.yaml")?.cluster("gateway", gateway)?)
            .await?;
    let agent = beside.address()?;
    line(&format!(
        "agent    {agent} (a real Envoy with agent-envoy.yaml, which signs what the sender sends)"
    ));
    let prometheus = if arguments.no_prometheus { None } else { Traffic::prometheus(agent).await? };
    let traffic = prometheus.unwrap_or_else(|| Traffic::generator(agent));
    line(&format!("sender   {}", traffic.sender));

    chapter("Who received what");
    aside(&format!(
        "The local agent sends series of its own and {METRIC} of every cluster, in the same requests."
    ));
    let mut good = received(&backend).await?;

    chapter("Reading back through Envoy");
    good &= read_back(&Client::http1(gateway), &tokens).await?;

    chapter("Three refusals");
    good &= refusals(&Client::http1(gateway), &tokens).await?;

    if arguments.once {
        chapter(if good { "Everything was as it should be." } else { "Something was not as it should be." });
        return Ok(good);
    }
    try_by_hand(&tokens, gateway, envoy.admin()?.address())?;
    tokio::signal::ctrl_c().await?;
    drop(traffic);
    Ok(good)
}

/// Waits until every tenant has what is its own, and shows it.
async fn received(backend: &Backend) -> Result<bool> {
    let nodes = NODES as u64;
    eventually(PATIENCE, || async {
        for cluster in CLUSTERS {
            let count = backend.count(cluster, METRIC).await?;
            anyhow::ensure!(count == nodes, "{cluster} has {count} of {nodes} series");
        }
        let own = backend.count("central", "agent_scrapes").await?;
        anyhow::ensure!(own == 1, "central has {own} of 1 series");
        Ok(())
    })
    .await?;
    line(&format!("{:<12} {:>7}  {:>18}", "tenant", "series", METRIC));
    let mut good = true;
    for tenant in ["central"].iter().chain(&CLUSTERS) {
        let all = backend.count(tenant, "{__name__=~\".+\"}").await?;
        let info = backend.count(tenant, METRIC).await?;
        line(&format!("{tenant:<12} {all:>7}  {info:>18}"));
        good &= info == if *tenant == "central" { 0 } else { nodes };
    }
    good = check(good, "each cluster has its own series and nobody else's");
    let mut labelled = 0;
    for tenant in ["central"].iter().chain(&CLUSTERS) {
        labelled += backend.count(tenant, "{zz_opni_impersonate_as!=\"\"}").await?;
    }
    Ok(good & check(labelled == 0, "the label zz_opni_impersonate_as was taken off everywhere"))
}

async fn read_back(client: &Client, tokens: &Tokens) -> Result<bool> {
    let query = Call::query("/prometheus/api/v1/query", &[("query", METRIC)]);
    let answer = client.send(query.bearer(&tokens.user).tenant("cluster-1")).await?;
    line(&format!(
        "GET /prometheus/api/v1/query?query={METRIC}  as ann, of cluster-1 and cluster-2, for cluster-1"
    ));
    let json = answer.expect(200)?.json()?;
    let found = results(&json)?;
    for result in found {
        aside(&format!("{} → {}", result["metric"], result["value"][1].as_str().unwrap_or_default()));
    }
    Ok(check(found.len() == NODES, &format!("{} series came back", found.len())))
}

async fn refusals(client: &Client, tokens: &Tokens) -> Result<bool> {
    let now = i64::try_from(scopegate_tests::identity::now() * 1000)?;
    let own = || WriteRequest::of(vec![series(&[("__name__", "up")], now, 1.0)]).push();
    let labels = [("__name__", "up"), ("zz_opni_impersonate_as", "cluster-1")];
    let impersonating = || WriteRequest::of(vec![series(&labels, now, 1.0)]).push();
    let refused = |what: &str, answer: &Answer, status: u16| {
        let good = check(answer.status == status, &format!("{what}: {}", answer.status));
        aside(answer.text().trim());
        good
    };
    let mut good = refused("no credentials", &client.send(own()).await?, 401);
    let foreign = own().bearer(&tokens.agent).tenant("cluster-1");
    good &= refused("a foreign tenant in X-Scope-OrgID", &client.send(foreign).await?, 403);
    let unprivileged = impersonating().bearer(&tokens.agent);
    good &= refused("impersonation without the right", &client.send(unprivileged).await?, 400);
    Ok(good)
}

/// Lines to copy. The tokens stand in files, since they are long.
fn try_by_hand(tokens: &Tokens, gateway: std::net::SocketAddr, admin: std::net::SocketAddr) -> Result<()> {
    let dir = scopegate_tests::target_file("demo");
    std::fs::create_dir_all(&dir)?;
    for (name, token) in [("agent", &tokens.agent), ("user", &tokens.user)] {
        std::fs::write(dir.join(name), token).with_context(|| dir.display().to_string())?;
    }
    chapter("Try it (the tokens are good for an hour; Ctrl-C ends the demo)");
    let query = format!("'http://{gateway}/prometheus/api/v1/query?query={METRIC}'");
    for (what, command) in [
        (
            "as the user, both of its tenants together",
            format!("curl -s -H \"Authorization: Bearer $(cat target/demo/user)\" {query}"),
        ),
        (
            "one of them",
            format!(
                "curl -s -H \"Authorization: Bearer $(cat target/demo/user)\" -H 'X-Scope-OrgID: cluster-2' {query}"
            ),
        ),
        (
            "a tenant that is not the user's",
            format!(
                "curl -si -H \"Authorization: Bearer $(cat target/demo/user)\" -H 'X-Scope-OrgID: cluster-3' {query}"
            ),
        ),
        (
            "an agent may not read",
            format!("curl -si -H \"Authorization: Bearer $(cat target/demo/agent)\" {query}"),
        ),
        (
            "a path that is kept closed",
            format!(
                "curl -si -H \"Authorization: Bearer $(cat target/demo/user)\" http://{gateway}/distributor/all_user_stats"
            ),
        ),
        ("the filter's metrics", format!("curl -s 'http://{admin}/stats/prometheus?filter=scopegate'")),
    ] {
        aside(&format!("# {what}"));
        line(&command);
    }
    Ok(())
}
