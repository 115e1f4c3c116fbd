//! TLS on the listener: a real nginx is the client, and verifies. A certificate is renewed without a restart.

use anyhow::{Context, Result};
use scopegate_tests::certificates::{Authority, Names as Holder};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::nginx::{self, Nginx};
use scopegate_tests::ports::Reservation;
use scopegate_tests::wait::{DEADLINE, eventually};

use crate::world::{Component, rendered};

#[tokio::test]
async fn a_certificate_is_renewed_and_clients_are_known_by_theirs() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let authority = |name: &str| Authority::new(dir.path(), name);
    let (first, second, clients) = (authority("first")?, authority("second")?, authority("clients")?);
    let gateway = |authority: &Authority| {
        authority
            .sign("gateway", &Holder { common_name: "gateway", dns: &["gateway.test"], ..Holder::default() })
    };
    let client = clients
        .sign("agent", &Holder { common_name: "agent", dns: &["team-a.agents.test"], ..Holder::default() })?;
    let files = |identity: &scopegate_tests::certificates::Identity| -> Result<(String, String)> {
        let files = identity.tls_certificate();
        let file = |kind: &str| files[kind]["filename"].as_str().map(str::to_owned).context("a file");
        Ok((file("certificate_chain")?, file("private_key")?))
    };
    // As Kubernetes mounts a secret: `live` leads to a folder, and a renewal leads it to another.
    let live = dir.path().join("live");
    let install = |identity: &scopegate_tests::certificates::Identity, name: &str| -> Result<()> {
        let folder = dir.path().join(name);
        std::fs::create_dir_all(&folder)?;
        let (chain, key) = files(identity)?;
        std::fs::copy(chain, folder.join("tls.crt"))?;
        std::fs::copy(key, folder.join("tls.key"))?;
        std::fs::create_dir_all(&live)?;
        let next = live.join("..next");
        std::os::unix::fs::symlink(&folder, &next)?;
        std::fs::rename(&next, live.join("..data"))?;
        for file in ["tls.crt", "tls.key"] {
            let link = live.join(file);
            if std::fs::symlink_metadata(&link).is_err() {
                std::os::unix::fs::symlink(format!("..data/{file}"), link)?;
            }
        }
        Ok(())
    };
    install(&gateway(&first)?, "v1")?;

    let component = Component::start(&["127.0.0.1"]).await?;
    let configuration = format!(
        "
backends: [{{name: metrics, kind: cortex}}]
callers: [{{name: agents, certificate: {{dns_san: '{{team}}.agents.test'}}, tenants: ['{{team}}'], may: [read]}}]
listeners:
  - name: gateway
    address: '127.0.0.1:0'
    tls: {{certificate: {live}/tls.crt, key: {live}/tls.key, client_ca: {ca}, require_client_certificate: true}}
upstreams:
  cortex: {{url: 'http://127.0.0.1:{port}', backend: metrics}}
",
        live = live.display(),
        ca = clients.file().display(),
        port = component.port(),
    );
    let envoy = rendered(&configuration, None)?.start().await?;
    let tls = envoy.listener("gateway")?;
    let (chain, key) = files(&client)?;
    // Clients that believe one authority each; the last shows no certificate.
    let (one, two, nameless) = (Reservation::any()?, Reservation::any()?, Reservation::any()?);
    let with = |authority: &Authority, certificate: bool| {
        let shown = if certificate {
            format!("proxy_ssl_certificate {chain}; proxy_ssl_certificate_key {key};")
        } else {
            String::new()
        };
        format!(
            "proxy_pass https://{tls}; proxy_ssl_verify on; proxy_ssl_name gateway.test; proxy_ssl_session_reuse off;
             proxy_ssl_trusted_certificate {}; {shown}",
            authority.file().display()
        )
    };
    let servers = [
        nginx::with(one.address(), "", &with(&first, true)),
        nginx::with(two.address(), "", &with(&second, true)),
        nginx::with(nameless.address(), "", &with(&first, false)),
    ];
    let _clients =
        Nginx::start(&servers.concat(), &[one.address(), two.address(), nameless.address()]).await?;
    let query = || Call::query("/prometheus/api/v1/query", &[("query", "up")]);
    let ask =
        |address| async move { Ok::<_, anyhow::Error>(Client::http1(address).send(query()).await?.status) };

    assert_eq!(ask(one.address()).await?, 200);
    assert_eq!(component.only()?.tenant.as_deref(), Some("team-a"));
    assert_eq!(ask(two.address()).await?, 502, "another authority");
    let refused = ask(nameless.address()).await?;
    assert!(refused == 400 || refused == 502, "without a certificate: {refused}");
    component.nothing();

    install(&gateway(&second)?, "v2")?;
    let renewed = two.address();
    eventually(DEADLINE, || async move {
        anyhow::ensure!(ask(renewed).await? == 200, "still the old one");
        Ok(())
    })
    .await?;
    assert_eq!(ask(one.address()).await?, 502, "the old one is gone");
    Ok(())
}
