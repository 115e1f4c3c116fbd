//! Keys of sessions out of a table: handed out, bound to an agent, and taken back without a restart. The table is the file
//! of a mounted secret, served as the page says.

use anyhow::{Context, Result, ensure};
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin};
use scopegate_tests::client::{Answer, Client};
use scopegate_tests::cortex::Cortex;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::kubernetes::Mount;
use scopegate_tests::page::snippet;
use scopegate_tests::session::Session;
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use crate::gateway::{NEW, OLD, refused, write};

/// Where the file stands in the snippet of the listener.
const BODY: &str =
    "/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0/direct_response/body";

const ENDPOINT: &str = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";

/// A gateway configured by the snippets of the page, its file of keys in `mount`.
struct World {
    cortex: Cortex,
    envoy: Envoy,
    mount: Mount,
}

impl World {
    async fn start(keys: &Value) -> Result<Self> {
        let (cortex, mount) = (Cortex::start()?, Mount::new(&keys.to_string())?);
        let mut configuration = snippet("sessions.md", "keys")?;
        configuration["backends"] = json!([{"name": "metrics", "kind": "cortex"}]);
        configuration["tables"]["agents"]["http"]["refresh"] = json!("300ms");
        configuration["whoami"] = json!({});
        configuration["access_log"] = json!(true);
        configuration["callers"][0]["may"] = json!(["write", "read"]);
        let mut listener = snippet("sessions.md", "secrets-listener")?;
        let mut cluster = snippet("sessions.md", "secrets-cluster")?;
        let socket = mount.path().join("socket");
        for (path, place) in [
            ("/address/pipe/path".to_owned(), socket.clone()),
            (format!("{BODY}/filename"), mount.token()),
            (format!("{BODY}/watched_directory/path"), mount.path().to_owned()),
        ] {
            *listener.pointer_mut(&path).context("no such field")? = json!(place);
        }
        *cluster.pointer_mut(ENDPOINT).context("no endpoint")? = json!({"pipe": {"path": socket}});
        let gateway = Listener::new("gateway")
            .access_log(&[("scopegate", "%FILTER_STATE(wasm.scopegate:PLAIN)%")])
            .filter(Plugin::structured(&configuration).filter())
            .route("/", "cortex");
        let bootstrap = Bootstrap::new()
            .listener(gateway)
            .raw_listener(listener)
            .cluster(Cluster::http2("cortex", cortex.address()))
            .raw_cluster(cluster)
            .filter_tags();
        let envoy = Envoy::builder(&bootstrap).concurrency(2).start().await?;
        Ok(Self { cortex, envoy, mount })
    }

    fn client(&self) -> Result<Client> {
        Ok(Client::http2(self.envoy.listener("gateway")?))
    }

    /// A write by this agent, with a proof by the first of these keys.
    async fn push(&self, agent: &'static str, keys: &str) -> Result<Answer> {
        self.client()?.send(Session::new("local", agent, keys).sign(write("up").push())).await
    }

    /// Waits until every worker answers such a write so.
    async fn wait_until(&self, agent: &'static str, keys: &str, status: u16) -> Result<()> {
        eventually(DEADLINE, || async {
            for _ in 0..6 {
                let answer = self.push(agent, keys).await?;
                ensure!(answer.status == status, "{answer}");
            }
            Ok(())
        })
        .await
    }

    /// That a write by this agent reaches these tenants.
    async fn reaches(&self, agent: &'static str, keys: &str, tenant: &str) -> Result<()> {
        self.cortex.forget();
        self.push(agent, keys).await?.expect(200)?;
        let state = self.cortex.state();
        ensure!(state.tenants() == [tenant], "{}", state.summary());
        Ok(())
    }
}

/// The secret of an `ID:SECRET` pair.
fn secret(pair: &str) -> &str {
    pair.split_once(':').map_or(pair, |(_, secret)| secret)
}

#[tokio::test]
async fn keys_come_and_go_without_a_restart() -> Result<()> {
    let (old, new) = (secret(OLD), secret(NEW));
    let other = format!("edge-2:{}", old.replace("AAEC", "BBEC"));
    let mut world = World::start(&json!({"old": {"secret": old, "agent": "edge-1"}})).await?;
    world.wait_until("edge-1", OLD, 200).await?;
    world.reaches("edge-1", OLD, "edge-1").await?;
    // A key of its own stands for nobody else, and an unknown one for nobody at all.
    world.cortex.forget();
    refused("another agent's", &world.push("edge-2", OLD).await?, 401, "the key of another agent")?;
    refused("not there yet", &world.push("edge-1", NEW).await?, 401, "not good for this request")?;
    refused("nobody's", &world.push("edge-2", &other).await?, 401, "not good for this request")?;
    ensure!(world.cortex.state().requests.is_empty(), "{}", world.cortex.state().summary());

    // The new key is handed out, and an agent comes; the old one is good as well.
    world.mount.rotate(
        &json!({
            "old": {"secret": old, "agent": "edge-1"}, "new": {"secret": new, "agent": "edge-1"},
            "edge-2": {"secret": secret(&other), "tenants": ["shared"]},
        })
        .to_string(),
    )?;
    world.wait_until("edge-1", NEW, 200).await?;
    world.wait_until("edge-2", &other, 200).await?;
    world.reaches("edge-1", OLD, "edge-1").await?;
    world.reaches("edge-1", NEW, "edge-1").await?;
    world.reaches("edge-2", &other, "shared").await?;

    // Whoever asks who they are learns no secret of it.
    let path = "/-/scopegate/whoami";
    let whoami = |accept: &str| {
        let call = scopegate_tests::client::Call::get(path).header("accept", accept);
        Session::new("local", "edge-1", NEW).sign(call)
    };
    let mut seen = String::new();
    for accept in ["application/json", "text/html"] {
        let answer = world.client()?.send(whoami(accept)).await?.expect(200)?;
        ensure!(answer.text().contains("edge-1"), "{answer}");
        seen += &answer.text();
    }

    // The old key leaves the table, and its proofs are refused.
    world.mount.rotate(&json!({"new": {"secret": new, "agent": "edge-1"}}).to_string())?;
    world.wait_until("edge-1", OLD, 401).await?;
    world.cortex.forget();
    refused("the old key", &world.push("edge-1", OLD).await?, 401, "not good for this request")?;
    refused("who is gone", &world.push("edge-2", &other).await?, 401, "not good for this request")?;
    ensure!(world.cortex.state().requests.is_empty(), "{}", world.cortex.state().summary());
    world.reaches("edge-1", NEW, "edge-1").await?;

    // A file that is broken changes nothing.
    world.mount.rotate("{")?;
    eventually(DEADLINE, || async {
        let page = world.envoy.admin()?.prometheus().await?;
        let failed = page.lines().any(|line| line.contains("refreshes") && line.contains("malformed"));
        ensure!(failed, "no refresh has failed");
        Ok(())
    })
    .await?;
    world.reaches("edge-1", NEW, "edge-1").await?;

    seen += &world.envoy.process()?.log();
    seen += &world.envoy.process()?.output();
    for page in ["/stats", "/config_dump", "/stats/prometheus"] {
        seen += &world.envoy.admin()?.get(page).await?;
    }
    for secret in [old, new, secret(&other)] {
        ensure!(!seen.contains(secret), "{secret} is to be read");
    }
    Ok(())
}

/// Before the table is there nobody is told that a good key is wrong, and no proof is used up.
#[tokio::test]
async fn before_the_table_is_there() -> Result<()> {
    let mut world = World::start(&json!({})).await?;
    let call = Session::new("local", "edge-1", OLD).sign(write("up").push());
    let answer = world.client()?.send(call.clone()).await?;
    refused("not yet", &answer, 503, "has not fetched its table")?;
    ensure!(world.cortex.state().requests.is_empty(), "{}", world.cortex.state().summary());
    world.mount.rotate(&json!({"old": {"secret": secret(OLD)}}).to_string())?;
    world.wait_until("edge-1", OLD, 200).await?;
    world.client()?.send(call).await?.expect(200)?;
    Ok(())
}
