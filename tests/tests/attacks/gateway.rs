//! The gateway under attack, and what becomes of an attack there.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use hyper::HeaderMap;
use scopegate_core::caller::password_hash;
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener, Plugin, jwt_authn};
use scopegate_tests::client::raw::Raw;
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::{Cortex, Received};
use scopegate_tests::envoy::Envoy;
use scopegate_tests::identity::{Issuer, basic};
use scopegate_tests::session::KEYS;
use serde_json::{Value, json};

/// The key of the password hashes.
const KEY: &str = "0123456789abcdef0123456789abcdef";
/// What the authenticating proxy knows.
pub(crate) const SECRET: &str = "the secret of the proxy";
pub(crate) const QUERY: &str = "/prometheus/api/v1/query?query=up";

/// Every header by which a backend or a neighbour takes a tenant, or this filter a right or an identity.
pub(crate) const TENANCY: &[&str] = &[
    "x-scope-orgid",
    "x-prom-label-policy",
    "thanos-tenant",
    "accountid",
    "projectid",
    "vl-extra-fields",
    "vt-extra-fields",
    "x-influxdb-org",
    "x-scope-impersonate",
    "x-scopegate-session",
    "x-auth-request-user",
    "x-auth-request-groups",
    "x-proxy-secret",
];

/// An Envoy with the filter and callers of every kind, in front of the recorder.
pub(crate) struct Gateway {
    pub(crate) cortex: Cortex,
    pub(crate) envoy: Envoy,
    pub(crate) idp: Issuer,
    /// Verified as well, under the same name in the metadata, and accepted by no caller.
    pub(crate) other: Issuer,
}

/// What the backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    Http1,
    Http2,
}

/// An agent that may write for others, a proxy, an agent with a key, and users with tokens.
pub(crate) fn configuration() -> Value {
    let hash = password_hash(KEY.as_bytes(), "agent", b"agent-secret").expect("a key");
    json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [
            {"name": "local", "session": {"attribute": "local", "keys": {"env": "KEYS"}}, "tenants": ["central"],
             "may": ["write", "read"]},
            {"name": "agents", "basic": {"key": {"env": "KEY"}, "users": [
                {"username": "agent", "password": [hash], "tenants": ["central"]},
            ]}, "may": ["write"], "impersonate": {"label": "zz_as", "tenants": ["cluster-*"]}},
            {"name": "proxy", "header": {
                "claims": {"user": "x-auth-request-user", "groups": "x-auth-request-groups"},
                "proof": {"secret": {"header": "x-proxy-secret", "env": "SECRET"}},
             }, "tenants": ["of-{user}"], "may": ["read"]},
            {"name": "users", "jwt": {"provider": "idp", "issuer": "https://idp.test"},
             "tenants": {"union": [{"claim": "tenant"}, {"claim": "groups", "prefix": "tenant:"}]},
             "may": ["read", "write", "rules"]},
        ],
    })
}

/// The plugin with its secrets.
pub(crate) fn plugin(configuration: &Value) -> Plugin {
    Plugin::structured(configuration).variable("KEY", KEY).variable("SECRET", SECRET).variable("KEYS", KEYS)
}

impl Gateway {
    pub(crate) async fn start(upstream: Upstream) -> Result<Self> {
        let idp = Issuer::new("https://idp.test");
        let jwks = idp.jwks();
        Self::with(upstream, idp, &jwks, plugin(&configuration()), |filter| filter).await
    }

    /// With other keys of the issuer, another plugin and changes to `jwt_authn`.
    pub(crate) async fn with(
        upstream: Upstream,
        idp: Issuer,
        jwks: &Value,
        plugin: Plugin,
        change: impl FnOnce(Value) -> Value,
    ) -> Result<Self> {
        Self::listening(upstream, idp, jwks, plugin, change, |listener| listener).await
    }

    /// With changes to the listener as well.
    pub(crate) async fn listening(
        upstream: Upstream,
        idp: Issuer,
        jwks: &Value,
        plugin: Plugin,
        change: impl FnOnce(Value) -> Value,
        listener: impl FnOnce(Listener) -> Listener,
    ) -> Result<Self> {
        let cortex = Cortex::start()?;
        let other = Issuer::new("https://other.test");
        let mut verify = jwt_authn("idp", idp.name(), jwks, true);
        let config = &mut verify["typed_config"];
        config["providers"]["other"] = json!({
            "issuer": other.name(),
            "local_jwks": {"inline_string": other.jwks().to_string()},
            // As Istio does it: all issuers in one place.
            "payload_in_metadata": "idp",
            "forward": true,
        });
        config["rules"][0]["requires"]["requires_any"]["requirements"] =
            json!([{"provider_name": "idp"}, {"provider_name": "other"}, {"allow_missing": {}}]);
        let listener = listener(Listener::new("gateway"))
            .buffer_limit(9 << 20)
            .filter(change(verify))
            .filter(plugin.filter())
            .route("/", "cortex");
        let cluster = match upstream {
            Upstream::Http1 => Cluster::http1("cortex", cortex.address()),
            Upstream::Http2 => Cluster::http2("cortex", cortex.address()),
        };
        let bootstrap = Bootstrap::new().listener(listener).cluster(cluster).filter_tags();
        let envoy = Envoy::builder(&bootstrap).concurrency(2).start().await?;
        Ok(Self { cortex, envoy, idp, other })
    }

    pub(crate) fn http1(&self) -> Result<Client> {
        Ok(Client::http1(self.envoy.listener("gateway")?))
    }

    pub(crate) fn http2(&self) -> Result<Client> {
        Ok(Client::http2(self.envoy.listener("gateway")?))
    }

    /// A token of a user of this one tenant.
    pub(crate) fn user(&self, tenant: &str) -> String {
        self.idp.token(json!({"tenant": tenant}))
    }

    /// Mounts attacks, and says of all that met something else what they met. What arrives must be [`clean`] in any case,
    /// and the filter still there afterwards.
    pub(crate) async fn withstand(&self, attacks: Vec<Attack>) -> Result<()> {
        self.withstand_all_refused(attacks).await?;
        self.is_well().await
    }

    /// The same where nobody is served.
    pub(crate) async fn withstand_all_refused(&self, attacks: Vec<Attack>) -> Result<()> {
        ensure!(!attacks.is_empty(), "no attack");
        let mut wrong = Vec::new();
        for attack in attacks {
            self.cortex.forget();
            let (met, bytes) = self.mount(&attack).await?;
            let state = self.cortex.state();
            for request in &state.requests {
                if let Err(error) = clean(request) {
                    wrong.push(format!("{}: {error:#}", attack.what));
                }
                if request.complete && bytes.as_ref().is_some_and(|sent| *sent != request.body) {
                    wrong.push(format!("{}: another body: {:?}", attack.what, request.body));
                }
            }
            if !attack.expected.fits(&met) {
                wrong.push(format!("{}:\n   got {met:?}\n  want {:?}", attack.what, attack.expected));
            }
        }
        ensure!(wrong.is_empty(), "{} attacks:\n{}", wrong.len(), wrong.join("\n"));
        self.has_not_trapped().await
    }

    async fn has_not_trapped(&self) -> Result<()> {
        let admin = self.envoy.admin()?;
        for stat in ["vm_reload", "vm_reload_backoff"] {
            let count = admin.stat(&format!("wasm.scopegate.{stat}")).await?.unwrap_or_default();
            ensure!(count == 0, "the filter trapped: {stat} is {count}");
        }
        Ok(())
    }

    /// The filter did not trap, and serves.
    pub(crate) async fn is_well(&self) -> Result<()> {
        self.has_not_trapped().await?;
        self.cortex.forget();
        self.http2()?.send(Call::get(QUERY).bearer(&self.user("honest"))).await?.expect(200)?;
        ensure!(self.cortex.state().tenants() == ["honest"], "{}", self.cortex.state().summary());
        Ok(())
    }

    /// What became of an attack, and the body that must have arrived if anything did.
    async fn mount(&self, attack: &Attack) -> Result<(Met, Option<Vec<u8>>)> {
        let (answers, bytes) = match &attack.sent {
            Sent::Http1(call) => (self.send(self.http1()?, call).await, Some(call.whole_body())),
            Sent::Http2(call) => (self.send(self.http2()?, call).await, Some(call.whole_body())),
            Sent::Raw(bytes, body) => (self.write(bytes).await?, body.clone()),
        };
        let state = self.cortex.state();
        let arrived: Vec<_> = state
            .requests
            .iter()
            .filter(|request| request.complete)
            .map(|request| request.tenant.clone().unwrap_or_default())
            .collect();
        let met = if arrived.is_empty() { Met::Refused(answers) } else { Met::Reached(arrived.join(" ")) };
        Ok((met, bytes))
    }

    async fn send(&self, client: Client, call: &Call) -> Vec<(u16, String)> {
        match client.send(call.clone()).await {
            Ok(answer) => vec![(answer.status, answer.text())],
            Err(error) => vec![(0, format!("{error:#}"))],
        }
    }

    async fn write(&self, bytes: &[u8]) -> Result<Vec<(u16, String)>> {
        let mut raw = Raw::connect(self.envoy.listener("gateway")?).await?;
        raw.write(bytes).await?;
        let mut answers = Vec::new();
        // Every raw request asks for an end of the connection, or breaks it.
        while let Ok(answer) = raw.answer().await {
            answers.push((answer.status, String::from_utf8_lossy(&answer.body).into_owned()));
        }
        Ok(answers)
    }
}

/// What the filter guarantees of everything that goes on: one tenant header, of tenants of whoever is here, and nothing
/// that could be taken for another word about tenancy, in headers or trailers; and no credentials.
pub(crate) fn clean(request: &Received) -> Result<()> {
    const OWN: &[&str] = &["a", "a|b", "b", "c", "central", "honest", "of-ann", "cluster-1", "cluster-2"];
    let told = request.header_values("x-scope-orgid");
    ensure!(told.len() == 1, "{request}: {} tenant headers", told.len());
    let tenant = request.tenant.clone().unwrap_or_default();
    let is_number = tenant.parse::<i64>().is_ok();
    ensure!(OWN.contains(&tenant.as_str()) || is_number, "{request}: a foreign tenant");
    let names = names(&request.headers).chain(names(&request.trailers).map(|name| format!("trailer {name}")));
    for name in names {
        let plain = name.trim_start_matches("trailer ").replace('_', "-");
        let is_ours = name == "x-scope-orgid";
        ensure!(is_ours || !TENANCY.contains(&plain.as_str()), "{request}: {name} went on");
        ensure!(plain != "authorization", "{request}: {name} went on");
    }
    Ok(())
}

fn names(headers: &HeaderMap) -> impl Iterator<Item = String> {
    headers.keys().map(|name| name.as_str().to_owned()).collect::<BTreeSet<_>>().into_iter()
}

/// One attack, and what it must meet.
pub(crate) struct Attack {
    pub(crate) what: String,
    pub(crate) sent: Sent,
    pub(crate) expected: Expected,
}

/// What an attacker sends.
pub(crate) enum Sent {
    Http1(Call),
    Http2(Call),
    /// Bytes of HTTP/1, and the body that may arrive of them; `None` where its length is not the point.
    Raw(Vec<u8>, Option<Vec<u8>>),
}

/// What an attack met: the tenants of each request that arrived, or the answers.
#[derive(Debug)]
pub(crate) enum Met {
    Reached(String),
    Refused(Vec<(u16, String)>),
}

/// What an attack must meet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// It is served as if it were honest: the tenants of each request that arrived, in their order.
    Reaches(&'static str),
    /// The filter refuses it with this status, in words with these among them.
    Filter(u16, &'static str),
    /// The same without words, as the answer to HEAD has none.
    Silent(u16),
    /// Envoy refuses it with this status before the filter sees it, or breaks the connection (0).
    Envoy(u16),
}

pub(crate) use Expected::{Envoy as ByEnvoy, Filter, Reaches, Silent};

impl Expected {
    /// Whether the filter refuses it.
    pub(crate) fn is_by_filter(self) -> bool {
        matches!(self, Filter(..))
    }

    fn fits(self, met: &Met) -> bool {
        const OURS: &str = "scopegate: ";
        match (self, met) {
            (Reaches(tenants), Met::Reached(reached)) => tenants == reached,
            (Filter(status, words), Met::Refused(answers)) => matches!(
                answers.as_slice(),
                [(given, text)] if *given == status && text.contains(words) && text.contains(OURS)
            ),
            (ByEnvoy(0), Met::Refused(answers)) => {
                answers.is_empty() || matches!(answers.as_slice(), [(0, _)])
            }
            (Silent(status) | ByEnvoy(status), Met::Refused(answers)) => {
                matches!(answers.as_slice(), [(given, text)] if *given == status && !text.contains(OURS))
            }
            _ => false,
        }
    }
}

impl Attack {
    pub(crate) fn http1(what: impl Into<String>, call: Call, expected: Expected) -> Self {
        Self { what: format!("HTTP/1: {}", what.into()), sent: Sent::Http1(call), expected }
    }

    pub(crate) fn http2(what: impl Into<String>, call: Call, expected: Expected) -> Self {
        Self { what: format!("HTTP/2: {}", what.into()), sent: Sent::Http2(call), expected }
    }

    pub(crate) fn both(what: &str, call: &Call, expected: Expected) -> [Self; 2] {
        [Self::http1(what, call.clone(), expected), Self::http2(what, call.clone(), expected)]
    }

    /// Bytes, of which a body may arrive or not.
    pub(crate) fn raw(what: impl Into<String>, bytes: impl Into<Vec<u8>>, expected: Expected) -> Self {
        Self { what: format!("raw: {}", what.into()), sent: Sent::Raw(bytes.into(), None), expected }
    }
}

/// The head of an HTTP/1 request that ends its connection, each line of `lines` as it is.
pub(crate) fn head(request: &str, lines: &[&[u8]]) -> Vec<u8> {
    let mut head = format!("{request}\r\nhost: gateway.test\r\nconnection: close\r\n").into_bytes();
    for line in lines {
        head.extend_from_slice(line);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The agent that may write for others.
pub(crate) fn as_agent(call: Call) -> Call {
    call.header("authorization", basic("agent", "agent-secret"))
}
