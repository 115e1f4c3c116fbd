//! Certificates over real mutual TLS. Another Envoy is the clients' side: a listener for each certificate.

use anyhow::Result;
use scopegate_tests::bootstrap::{Bootstrap, Cluster, Listener};
use scopegate_tests::certificates::{Authority, Identity, Names, upstream};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::envoy::Envoy;
use scopegate_tests::page::snippet;
use scopegate_tests::remote_write::WriteRequest;
use serde_json::{Value, json};

use crate::gateway::{Expected, Gateway, QUERY, agree, configuration};

/// Certificates for clients, one of them of an authority that nobody knows.
pub(crate) struct Clients {
    _files: tempfile::TempDir,
    authority: Authority,
    stranger: Authority,
    server: Identity,
}

impl Clients {
    pub(crate) fn new() -> Result<Self> {
        let files = tempfile::tempdir()?;
        let authority = Authority::new(files.path(), "authority")?;
        let stranger = Authority::new(files.path(), "stranger")?;
        let names = Names { common_name: "gateway", dns: &["gateway.test"], ..Names::default() };
        let server = authority.sign("server", &names)?;
        Ok(Self { _files: files, authority, stranger, server })
    }

    /// The page's TLS context with these files.
    pub(crate) fn tls(&self, required: bool) -> Result<Value> {
        let mut socket = snippet("callers.md", "tls")?;
        let context = &mut socket["typed_config"];
        context["require_client_certificate"] = json!(required);
        let common = &mut context["common_tls_context"];
        common["tls_certificates"] = json!([self.server.tls_certificate()]);
        common["validation_context"]["trusted_ca"]["filename"] = json!(self.authority.file());
        Ok(socket)
    }

    /// The clients' side of a gateway: a listener for each certificate, and `nobody` without one.
    pub(crate) async fn start(&self, gateway: &Gateway, all: &[(&str, Names<'_>)]) -> Result<Envoy> {
        let address = gateway.envoy.listener("gateway")?;
        let mut bootstrap = Bootstrap::new();
        let mut add = |name: &str, socket: Value| {
            let whole = std::mem::take(&mut bootstrap);
            bootstrap = whole
                .listener(Listener::new(name).route("/", name))
                .cluster(Cluster::http1(name, address).set("transport_socket", socket));
        };
        for (name, names) in all {
            add(name, self.authority.sign(name, names)?.upstream());
            add(&format!("strange-{name}"), self.stranger.sign(name, names)?.upstream());
        }
        add("nobody", upstream(&json!([])));
        Envoy::start(&bootstrap).await
    }
}

#[tokio::test]
async fn names_of_verified_certificates() -> Result<()> {
    let clients = Clients::new()?;
    let tls = clients.tls(false)?;
    let gateway =
        Gateway::with(&configuration("certificate")?, |listener| listener.transport_socket(tls)).await?;
    let uri = |uris: &'static [&'static str]| Names { common_name: "x", uris, ..Names::default() };
    let all = [
        ("agent", uri(&["spiffe://example.org/agent/a-7"])),
        ("deeper", uri(&["spiffe://example.org/agent/a/7"])),
        ("other", uri(&["spiffe://example.com/agent/a-7"])),
        // Envoy tells the first only.
        ("second", uri(&["spiffe://example.com/x", "spiffe://example.org/agent/a-8"])),
        ("host", Names { common_name: "x", dns: &["web-1.hosts.example.org"], ..Names::default() }),
        ("person", Names { common_name: "ann", unit: "people", ..Names::default() }),
        ("trickster", Names { common_name: "ann,OU=people", ..Names::default() }),
    ];
    let side = clients.start(&gateway, &all).await?;
    let (push, get) = (|| WriteRequest::realistic(2).push(), || Call::get(QUERY));
    let nobody: Expected = Err((401, "no credentials"));
    // A certificate of another authority ends the connection, before any filter.
    let refused: Expected = Err((503, ""));
    let cases: Vec<(&str, Call, Expected)> = vec![
        ("agent", push(), Ok("a-7")),
        ("agent", get(), Err((403, "no right to `read`"))),
        ("agent", push().tenant("a-8"), Err((403, "not this caller's own"))),
        ("deeper", push(), nobody),
        ("other", push(), nobody),
        ("second", push(), nobody),
        ("host", push(), Ok("host-web-1")),
        ("person", get(), Ok("ann")),
        ("trickster", get(), nobody),
        ("nobody", push(), nobody),
        ("strange-agent", push(), refused),
        ("strange-person", get(), refused),
    ];
    for (listener, call, expected) in cases {
        let reached = gateway.reached_by(Client::http1(side.listener(listener)?), call).await?;
        agree(listener, &reached, expected);
    }
    Ok(())
}

/// Why the page says what the TLS context must be: an unverified certificate looks like a verified one.
#[tokio::test]
async fn a_context_that_verifies_nothing_lets_everybody_in() -> Result<()> {
    let clients = Clients::new()?;
    let mut tls = clients.tls(true)?;
    tls["typed_config"]["common_tls_context"]["validation_context"]["trust_chain_verification"] =
        json!("ACCEPT_UNTRUSTED");
    let gateway =
        Gateway::with(&configuration("certificate")?, |listener| listener.transport_socket(tls)).await?;
    let names = Names { common_name: "x", uris: &["spiffe://example.org/agent/a-7"], ..Names::default() };
    let side = clients.start(&gateway, &[("agent", names)]).await?;
    let push = WriteRequest::realistic(2).push();
    let reached = gateway.reached_by(Client::http1(side.listener("strange-agent")?), push).await?;
    agree("a stranger under ACCEPT_UNTRUSTED", &reached, Ok("a-7"));
    Ok(())
}

#[tokio::test]
async fn the_digest_of_a_certificate() -> Result<()> {
    use std::fmt::Write as _;
    let clients = Clients::new()?;
    let known = clients.authority.sign("known", &Names { common_name: "known", ..Names::default() })?;
    let digest = scopegate_tests::certificates::sha256(&known.der);
    let text = digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{}{byte:02X}", if text.is_empty() { "" } else { ":" });
        text
    });
    let mut configuration = configuration("certificate")?;
    configuration["callers"] =
        json!([{"name": "one", "certificate": {"sha256": text}, "tenants": ["t"], "may": ["read"]}]);
    let tls = clients.tls(true)?;
    let gateway = Gateway::with(&configuration, |listener| listener.transport_socket(tls)).await?;
    let address = gateway.envoy.listener("gateway")?;
    let other = clients.authority.sign("other", &Names { common_name: "known", ..Names::default() })?;
    let mut bootstrap = Bootstrap::new();
    for (name, identity) in [("known", known), ("other", other)] {
        bootstrap = bootstrap
            .listener(Listener::new(name).route("/", name))
            .cluster(Cluster::http1(name, address).set("transport_socket", identity.upstream()));
    }
    let side = Envoy::start(&bootstrap).await?;
    for (listener, expected) in [("known", Ok("t")), ("other", Err((401, "no credentials")))] {
        let client = Client::http1(side.listener(listener)?);
        agree(listener, &gateway.reached_by(client, Call::get(QUERY)).await?, expected);
    }
    Ok(())
}
