//! An Envoy with the filter, configured by a snippet of the page, in front of the stand-in.

use anyhow::{Context, Result};
use scopegate_core::session::HEADER;
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin, lenient_jwt_authn};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::Cortex;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::identity::Issuer;
use scopegate_tests::kubernetes::Kubernetes;
use scopegate_tests::page::snippet;
use scopegate_tests::session::KEYS;
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

/// The key of hashes in the page.
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";
/// What the proxy knows, and the next one.
pub(crate) const SECRETS: [&str; 2] = ["the secret of the proxy", "the next secret of it"];
pub(crate) const QUERY: &str = "/prometheus/api/v1/query?query=up";

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) cortex: Cortex,
    pub(crate) envoy: Envoy,
    pub(crate) idp: Issuer,
    /// The server of tables, in the cluster `inventory`.
    pub(crate) inventory: Kubernetes,
}

/// What became of a request: the tenants that it reached, or the status and the reason of its refusal.
pub(crate) type Reached = Result<String, (u16, String)>;

/// What a table of cases expects.
pub(crate) type Expected = Result<&'static str, (u16, &'static str)>;

/// The configuration of a snippet, with a backend where it has none.
pub(crate) fn configuration(name: &str) -> Result<Value> {
    let mut configuration = snippet("callers.md", name)?;
    let fields = configuration.as_object_mut().context("no object")?;
    fields.entry("backends").or_insert_with(|| json!([{"name": "metrics", "kind": "cortex"}]));
    fields.insert("access_log".to_owned(), json!(true));
    Ok(configuration)
}

impl Gateway {
    /// Configured by a snippet.
    pub(crate) async fn start(name: &str) -> Result<Self> {
        Self::with(&configuration(name)?, |listener| listener).await
    }

    /// With changes to the listener, such as filters before ours.
    pub(crate) async fn with(
        configuration: &Value,
        listener: impl FnOnce(Listener) -> Listener,
    ) -> Result<Self> {
        let cortex = Cortex::start()?;
        let inventory = Kubernetes::start("")?;
        for path in ["/passwords.json", "/tokens.json"] {
            inventory.state().files.insert(path.to_owned(), "{}".to_owned());
        }
        let idp = Issuer::new("https://idp.test");
        let before = Listener::new("gateway")
            .access_log(&[
                ("scopegate", "%FILTER_STATE(wasm.scopegate:PLAIN)%"),
                ("details", "%RESPONSE_CODE_DETAILS%"),
            ])
            // What is no JWT passes too, as the page says of opaque tokens.
            .filter(lenient_jwt_authn("keycloak", idp.name(), &idp.jwks()));
        let plugin = Plugin::structured(configuration)
            .host_variable("KEY")
            .host_variable("PROXY_SECRET")
            .host_variable("PROXY_SECRET_NEXT")
            .host_variable("SCOPEGATE_SESSION_KEYS");
        let listener = listener(before).filter(plugin.filter()).route("/", "cortex");
        let bootstrap = Bootstrap::new()
            .listener(listener)
            .cluster(Cluster::http2("cortex", cortex.address()))
            .cluster(Cluster::http1("inventory", inventory.address()))
            .filter_tags();
        let envoy = Envoy::builder(&bootstrap)
            .concurrency(2)
            .variable("KEY", KEY)
            .variable("PROXY_SECRET", SECRETS[0])
            .variable("PROXY_SECRET_NEXT", SECRETS[1])
            .variable("SCOPEGATE_SESSION_KEYS", KEYS)
            .start()
            .await?;
        Ok(Self { cortex, envoy, idp, inventory })
    }

    /// A client of the gateway itself.
    pub(crate) fn client(&self) -> Result<Client> {
        Ok(Client::http1(self.envoy.listener("gateway")?))
    }

    /// Sends a call, and tells what became of it. Nothing that proves an identity may have gone on.
    pub(crate) async fn reached(&self, call: Call) -> Result<Reached> {
        self.reached_by(self.client()?, call).await
    }

    /// The same by another way to the gateway.
    pub(crate) async fn reached_by(&self, client: Client, call: Call) -> Result<Reached> {
        self.cortex.forget();
        let answer = client.send(call).await?;
        let state = self.cortex.state();
        match state.requests.as_slice() {
            [] => Ok(Err((answer.status, answer.text()))),
            [only] => {
                assert_eq!(only.header_values("x-scope-orgid").len(), 1);
                for name in [
                    "authorization",
                    "x-auth-request-user",
                    "x-auth-request-groups",
                    "x-proxy-secret",
                    HEADER,
                ] {
                    assert_eq!(only.header(name), None, "{name} went on");
                }
                Ok(Ok(only.tenant.clone().unwrap_or_default()))
            }
            _ => panic!("{}", state.summary()),
        }
    }

    /// Asserts what becomes of a call.
    pub(crate) async fn expect(&self, what: &str, call: Call, expected: Expected) -> Result<()> {
        agree(what, &self.reached(call).await?, expected);
        Ok(())
    }

    /// Waits until a call reaches these tenants, or is refused like this, whichever worker takes it.
    pub(crate) async fn wait_until(&self, call: &Call, expected: Expected) -> Result<()> {
        eventually(DEADLINE, || async {
            for _ in 0..4 {
                let reached = self.reached(call.clone()).await?;
                anyhow::ensure!(is_as(&reached, expected), "{reached:?} and not {expected:?}");
            }
            Ok(())
        })
        .await
    }
}

/// Asserts that a request became what was expected: a part of the words is enough for a refusal.
#[track_caller]
pub(crate) fn agree(what: &str, reached: &Reached, expected: Expected) {
    assert!(is_as(reached, expected), "{what}:\n got {reached:?}\nwant {expected:?}");
}

fn is_as(reached: &Reached, expected: Expected) -> bool {
    match (reached, expected) {
        (Ok(tenants), Ok(expected)) => tenants == expected,
        (Err((status, words)), Err((expected, part))) => *status == expected && words.contains(part),
        _ => false,
    }
}
