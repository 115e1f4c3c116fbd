//! `examples/namespaces` between stand-ins for Grafana, Cortex and Loki, and how Grafana calls it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::Cortex;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::example::{Example, any_secret, file, yaml};
use scopegate_tests::grafana::Grafana;
use scopegate_tests::identity::Issuer;
use scopegate_tests::kubernetes::Kubernetes;
use scopegate_tests::page::snippet;
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The key of the hashes in the page.
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";
/// The server administrator of Grafana.
pub(crate) const LOGIN: [&str; 2] = ["scopegate", "the password: of Grafana's administrator"];
/// Headers with a token, and the header that narrows: none goes on.
const ENDING_HERE: [&str; 5] =
    ["authorization", "x-id-token", "x-grafana-id", "x-grafana-org-id", "x-prom-label-policy"];

/// What became of a request: the tenants that it reached, or the status and the words of its refusal.
pub(crate) type Reached = Result<String, (u16, String)>;
/// What a table of cases expects: a part of the words is enough.
pub(crate) type Expected = Result<&'static str, (u16, &'static str)>;

pub(crate) const FOREIGN: Expected = Err((403, "x-grafana-org-id leads to none of this caller's tenants"));
pub(crate) const NOBODY: Expected = Err((401, "no credentials"));

/// A world that is not started yet.
pub(crate) struct Plan {
    pub(crate) grafana: Grafana,
    pub(crate) idp: Issuer,
    pub(crate) example: Example,
    cortex: Cortex,
    kubernetes: Kubernetes,
    files: TempDir,
}

pub(crate) struct World {
    pub(crate) grafana: Grafana,
    pub(crate) cortex: Cortex,
    pub(crate) idp: Issuer,
    pub(crate) envoy: Envoy,
    files: TempDir,
    _kubernetes: Kubernetes,
}

impl Plan {
    /// The example, with frequent refreshes, the callers of the page for rules, and two organisations in Grafana.
    pub(crate) fn new() -> Result<Self> {
        let (grafana, cortex) = (Grafana::start(LOGIN[0], LOGIN[1])?, Cortex::start()?);
        grafana.name(1, "Main Org.");
        grafana.name(2, "acme - ACME Corporation");
        grafana.name(3, "bank - The Bank");
        let kubernetes = Kubernetes::start("")?;
        let idp = Issuer::new("https://idp.example.org");
        let files = tempfile::tempdir()?;
        fs::write(files.path().join("login"), login(LOGIN))?;
        let source = secret_source("grafana-login.yaml", &files.path().join("login"))?;
        fs::write(files.path().join("grafana-login.yaml"), source)?;
        fs::write(files.path().join("kube-token.yaml"), any_secret("kube-token"))?;
        let mut example = Example::load("namespaces")?
            .keys("cluster", &Issuer::new("https://kubernetes.default.svc.cluster.local").jwks())?
            .keys("keycloak", &idp.jwks())?
            .cluster("cortex", cortex.address())?
            .cluster("loki", cortex.address())?
            .cluster("kube-api", kubernetes.address())?
            .cluster("grafana", grafana.address())?
            .secret_source("kube-api", &files.path().join("kube-token.yaml"))?
            .secret_source("grafana", &files.path().join("grafana-login.yaml"))?;
        let configuration = example.configuration()?;
        configuration["tables"]["grafana"]["grafana"]["refresh"] = json!("300ms");
        let rules = snippet("grafana.md", "rules")?["callers"].as_array().cloned().context("no callers")?;
        configuration["callers"].as_array_mut().context("no callers")?.extend(rules);
        example.filter("scopegate")?["config"]["vm_config"]["environment_variables"] =
            json!({"key_values": {"SCOPEGATE_CREDENTIALS_KEY": KEY}});
        Ok(Self { grafana, idp, example, cortex, kubernetes, files })
    }

    /// Starts it, and does not wait for the list of organisations.
    pub(crate) async fn start_at_once(self) -> Result<World> {
        let Self { grafana, idp, example, cortex, kubernetes, files } = self;
        let envoy = Envoy::builder(&example).concurrency(2).start().await?;
        Ok(World { grafana, cortex, idp, envoy, files, _kubernetes: kubernetes })
    }

    /// Starts it, and waits until every worker has the list.
    pub(crate) async fn start(self) -> Result<World> {
        let world = self.start_at_once().await?;
        world.wait_until(&world.panel(&world.person(&["acme"])).organisation("2"), Ok("acme")).await?;
        Ok(world)
    }
}

/// A name and a password as they stand in the file of the secret.
pub(crate) fn login([name, password]: [&str; 2]) -> String {
    STANDARD.encode(format!("{name}:{password}"))
}

/// A shipped source of a secret, for a file elsewhere.
fn secret_source(name: &str, path: &Path) -> Result<String> {
    let mut source = yaml(&file("namespaces", name))?;
    let filename =
        source.pointer_mut("/resources/0/generic_secret/secret/filename").context("no file name")?;
    *filename = json!(path);
    Ok(source.to_string())
}

/// What Grafana adds to a request.
pub(crate) trait AsGrafana: Sized {
    /// The organisation in which the browser says that it is.
    fn organisation(self, id: &str) -> Self;
}

impl AsGrafana for Call {
    fn organisation(self, id: &str) -> Self {
        self.header("x-grafana-org-id", id)
    }
}

impl World {
    /// The token of a person in the groups of these organisations, as the realm's mappers make it.
    pub(crate) fn person(&self, organisations: &[&str]) -> String {
        self.idp.token(claims(organisations))
    }

    /// The query of a panel, as Grafana sends it with the token of who looks.
    pub(crate) fn panel(&self, token: &str) -> Call {
        query()
            .bearer(token)
            .header("x-id-token", self.idp.token(json!({"sub": "who looks", "aud": "grafana"})))
    }

    /// Sends a call, and tells what became of it. Nothing that ends at the gateway may have gone on, and all else must have
    /// arrived as it was sent.
    pub(crate) async fn reached(&self, call: Call) -> Result<Reached> {
        self.cortex.forget();
        let (target, body) = (call.target().to_owned(), call.whole_body());
        let answer = Client::http1(self.envoy.listener("gateway")?).send(call).await?;
        let state = self.cortex.state();
        match state.requests.as_slice() {
            [] => Ok(Err((answer.status, answer.text()))),
            [only] => {
                ensure!(only.header_values("x-scope-orgid").len() == 1, "{:?}", only.headers);
                for name in ENDING_HERE {
                    ensure!(only.header(name).is_none(), "{name} went on");
                }
                ensure!((&only.target, &only.body[..]) == (&target, &body[..]), "{only}");
                Ok(Ok(only.tenant.clone().unwrap_or_default()))
            }
            _ => panic!("{}", state.summary()),
        }
    }

    /// Asserts what becomes of a call.
    pub(crate) async fn expect(&self, what: &str, call: Call, expected: Expected) -> Result<()> {
        let reached = self.reached(call).await.with_context(|| what.to_owned())?;
        assert!(is_as(&reached, expected), "{what}:\n got {reached:?}\nwant {expected:?}");
        Ok(())
    }

    /// Waits until a call comes to this, whichever worker takes it.
    pub(crate) async fn wait_until(&self, call: &Call, expected: Expected) -> Result<()> {
        eventually(DEADLINE, || async {
            for _ in 0..4 {
                let reached = self.reached(call.clone()).await?;
                ensure!(is_as(&reached, expected), "{reached:?} and not {expected:?}");
            }
            Ok(())
        })
        .await
    }

    /// Puts another login into Envoy's file, as a mounted secret changes: by renaming.
    pub(crate) fn log_in(&self, as_whom: [&str; 2]) -> Result<()> {
        fs::write(self.files.path().join("next"), login(as_whom))?;
        Ok(fs::rename(self.files.path().join("next"), self.files.path().join("login"))?)
    }

    /// Waits until a metric of Grafana's table is at least this.
    pub(crate) async fn wait_for_metric(&self, name: &str, tag: &str, least: u64) -> Result<()> {
        eventually(DEADLINE, || async {
            let text = self.envoy.admin()?.prometheus().await?;
            let wanted = |line: &&str| {
                line.starts_with(&format!("scopegate_table_{name}{{"))
                    && line.contains("table=\"grafana\"")
                    && line.contains(tag)
            };
            let value = text.lines().find(wanted).and_then(|line| line.rsplit_once(' '));
            let value = value.map_or(Ok(0), |(_, value)| value.parse::<u64>())?;
            ensure!(value >= least, "{name} {tag} is {value}");
            Ok(())
        })
        .await
    }
}

/// The claims of a person in the groups of these organisations.
pub(crate) fn claims(organisations: &[&str]) -> Value {
    let groups = organisations.iter().map(|organisation| format!("organization:{organisation}"));
    let groups: Vec<_> = groups.chain(["staff".to_owned()]).collect();
    json!({"sub": "somebody", "aud": ["scopegate", "account"], "groups": groups})
}

/// A query of a panel, by nobody.
pub(crate) fn query() -> Call {
    let fields = [("query", "sum(rate(up[5m]))"), ("start", "1"), ("end", "2"), ("step", "1")];
    Call::form("/prometheus/api/v1/query_range", &fields)
}

fn is_as(reached: &Reached, expected: Expected) -> bool {
    match (reached, expected) {
        (Ok(tenants), Ok(expected)) => tenants == expected,
        (Err((status, words)), Err((expected, part))) => *status == expected && words.contains(part),
        _ => false,
    }
}
