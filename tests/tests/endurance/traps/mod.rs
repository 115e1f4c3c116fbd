//! The module traps, as a bug in it would make it do: nothing passes without a tenant, every request is answered, and
//! under `FAIL_RELOAD` a new VM serves after a while.
//!
//! Envoy is configured as `examples/impersonation` ships it, but for shorter times and a module with faults.

mod closed;
mod memory;
mod reload;
mod workers;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use scopegate_tests::{
    bootstrap::faults_module,
    client::{Answer, Call, Client, Protocol},
    cortex::Cortex,
    envoy::{Admin, Envoy},
    example::Example,
    identity::Issuer,
    session::{KEYS, Session},
    wait::{DEADLINE, eventually},
};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::{
    batch::{Batch, Naming},
    gateway::wait_for_rest,
};

/// How the example names tenants.
const NAMING: Naming = Naming { label: "zz_opni_impersonate_as", removed: true, own: OWN };
/// The tenant of the caller.
const OWN: &str = "central";
/// The tenants of most batches.
const TENANTS: [&str; 2] = ["team-a", "team-b"];

/// What the documentation asks for: the idle time of a stream is longer than a call may take.
const CALL: &str = "4s";
const IDLE: &str = "5s";
/// By when a stream that hangs must have ended: its idle time, and as much as a busy machine may take on top of it.
const END: Duration = Duration::from_secs(5 + 20);

/// The shipped example with a module that can be made to trap.
struct Shipped {
    envoy: Envoy,
    cortex: Cortex,
    keycloak: Issuer,
}

/// A request under way.
type Pending = JoinHandle<Result<Answer>>;

fn batch(tenants: &[&str]) -> Batch {
    Batch::named(NAMING, 0, tenants)
}

/// The push of a batch by the agent that may impersonate.
fn push(batch: &Batch) -> Call {
    Session::new("local", OWN, KEYS).sign(batch.anonymous()).header("x-scope-impersonate", "true")
}

impl Shipped {
    async fn start(failure_policy: &str, workers: u32) -> Result<Self> {
        const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
        let module = faults_module();
        ensure!(module.is_file(), "no module with faults at {}", module.display());
        let cortex = Cortex::start()?;
        let (session, keycloak) =
            (Issuer::new("https://control.example.org"), Issuer::new("https://idp.example.org"));
        let mut example = Example::load("impersonation")?
            .keys("session", &session.jwks())?
            .keys("keycloak", &keycloak.jwks())?
            .cluster("cortex", cortex.address())?;
        let config = &mut example.filter("scopegate")?["config"];
        config["vm_config"]["code"]["local"]["filename"] = json!(module);
        ensure!(config["failure_policy"] == "FAIL_RELOAD", "the example has another failure policy");
        config["failure_policy"] = json!(failure_policy);
        example.configuration()?["write"]["metrics"]["calls"]["timeout"] = json!(CALL);
        let manager = example.value().pointer_mut(MANAGER).context("no connection manager")?;
        ensure!(manager["stream_idle_timeout"].is_string(), "the example has no idle timeout");
        manager["stream_idle_timeout"] = json!(IDLE);
        let envoy = Envoy::builder(&example).concurrency(workers).start().await?;
        Ok(Self { envoy, cortex, keycloak })
    }

    fn admin(&self) -> Result<Admin> {
        self.envoy.admin()
    }

    fn client(&self, protocol: Protocol) -> Result<Client> {
        let address = self.envoy.address()?;
        let client = match protocol {
            Protocol::Http1 => Client::http1(address),
            Protocol::Http2 => Client::http2(address),
        };
        Ok(client.deadline(END))
    }

    /// A query of a user, whose body nobody looks into.
    fn query(&self) -> Call {
        let token = self.keycloak.token(json!({"tenant": "team-a"}));
        Call::form("/prometheus/api/v1/query", &[("query", "up")]).bearer(&token)
    }

    /// Sends this call, and does not wait.
    fn spawn(&self, protocol: Protocol, call: Call) -> Result<Pending> {
        let client = self.client(protocol)?;
        Ok(tokio::spawn(async move { client.send(call).await }))
    }

    /// Waits until this many requests of clients are under way.
    async fn wait_for_requests(&self, count: u64) -> Result<()> {
        let gauge = "http.gateway.downstream_rq_active";
        self.admin()?.wait_for_stat(gauge, |active| active == count).await.map(drop)
    }

    /// Waits until a new VM splits a batch, which is returned, and meanwhile every request is refused.
    async fn recovered(&self, protocol: Protocol) -> Result<Batch> {
        let client = self.client(protocol)?;
        eventually(DEADLINE, || async {
            let batch = batch(&TENANTS);
            let answer = client.send(push(&batch)).await?;
            assert!([200, 503].contains(&answer.status), "{answer}");
            answer.expect(200)?;
            Ok(batch)
        })
        .await
    }

    /// Waits until nothing is under way.
    async fn wait_for_rest(&self) -> Result<()> {
        wait_for_rest(self.admin()?).await
    }

    /// Asserts that whatever arrived has exactly one tenant, out of those that may be.
    #[track_caller]
    fn assert_tenants(&self, known: &[&str]) {
        let state = self.cortex.state();
        for request in &state.requests {
            let tenants = request.header_values("x-scope-orgid");
            let is_known = matches!(tenants[..], [one] if known.iter().any(|known| known.as_bytes() == one));
            assert!(is_known, "{request}: {tenants:?}");
        }
    }
}

/// The answer of a request that was caught by a trap: an error of the gateway, on which a sender tries again.
#[track_caller]
fn assert_failed(what: &str, answer: &Answer) {
    assert!((500..600).contains(&answer.status), "{what}: {answer}");
}
