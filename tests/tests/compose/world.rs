//! The stack in processes: its Envoy, its Prometheus, and stand-ins for Keycloak, Grafana, Cortex and Loki, which know the
//! secrets that its script makes. Only addresses and the paths of files are replaced.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use scopegate_tests::client::{Call, Client};
use scopegate_tests::cortex::Cortex;
use scopegate_tests::envoy::Envoy;
use scopegate_tests::example::{Example, yaml};
use scopegate_tests::grafana::Grafana;
use scopegate_tests::keycloak::Keycloak;
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::json;

use crate::scripts::{Secrets, organisations};
use crate::stack::{folder, text};

pub(crate) struct World {
    pub(crate) secrets: Secrets,
    pub(crate) keycloak: Keycloak,
    pub(crate) cortex: Cortex,
    pub(crate) loki: Cortex,
    pub(crate) envoy: Envoy,
    _grafana: Grafana,
}

/// An address of the loopback interface for Envoy's admin interface, whose port must be known before.
fn admin() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 128 | (high >> 1), low, NEXT.fetch_add(1, Ordering::Relaxed));
    SocketAddr::from((ip, 9901))
}

impl World {
    /// Started, and ready by the path that its healthcheck asks; Grafana's organisations are known.
    pub(crate) async fn start() -> Result<Self> {
        let (cortex, loki) = (Cortex::start()?, Cortex::start()?);
        let (metrics, logs) = (cortex.address(), loki.address());
        let world = Self { cortex, loki, ..Self::before(metrics, logs).await? };
        world.cortex.forget();
        Ok(world)
    }

    /// The same before backends that are there; its own stand idle.
    pub(crate) async fn before(metrics: SocketAddr, logs: SocketAddr) -> Result<Self> {
        let secrets = Secrets::make()?;
        let issuer = yaml(&folder().join("gateway/scopegate.yaml"))?;
        let issuer =
            issuer["identity_providers"]["keycloak"]["issuer"].as_str().context("no issuer")?.to_owned();
        let keycloak = Keycloak::start(secrets.realm()?, &issuer)?;
        let (cortex, loki) = (Cortex::start()?, Cortex::start()?);
        let login = String::from_utf8(STANDARD.decode(secrets.text("gateway/grafana-login")?)?)?;
        let (name, password) = login.split_once(':').context("no login")?;
        assert_eq!((name, password), ("admin", secrets.text("grafana/admin-password")?.as_str()));
        let grafana = Grafana::start(name, password)?;
        grafana.name(1, "Main Org.");
        for (id, name) in organisations()? {
            grafana.name(u32::try_from(id)?, &name);
        }

        let credential = text("gateway/grafana-credential.yaml")?
            .replace("/secrets/grafana-login", &secrets.path("gateway/grafana-login").display().to_string());
        let credential_file = secrets.path("gateway/grafana-credential.yaml");
        std::fs::write(&credential_file, credential)?;
        let admin = admin();
        let mut example = Example::of(yaml(&folder().join("gateway/envoy.yaml"))?)?
            .cluster("cortex", metrics)?
            .cluster("loki", logs)?
            .cluster("grafana", grafana.address())?
            .cluster("scopegate-jwks-keycloak", keycloak.address())?
            .cluster("scopegate-admin", admin)?
            .secret_source("grafana", &credential_file)?;
        example.value()["admin"] = json!({"address": {
            "socket_address": {"address": admin.ip().to_string(), "port_value": admin.port()}
        }});
        let envoy = Envoy::builder(&example).concurrency(2).start().await?;
        let world = Self { secrets, keycloak, cortex, loki, envoy, _grafana: grafana };
        let operations = Client::http1(world.envoy.listener("operations")?);
        eventually(DEADLINE, || async move { operations.get("/ready").await?.expect(200) }).await?;
        let (ann, client) = (world.person("ann")?, world.gateway()?);
        let ask = Call::get("/prometheus/api/v1/labels").bearer(&ann).header("x-grafana-org-id", "2");
        eventually(DEADLINE, || async {
            // Whichever worker takes it.
            for _ in 0..4 {
                client.send(ask.clone()).await?.expect(200)?;
            }
            Ok(())
        })
        .await?;
        Ok(world)
    }

    pub(crate) fn gateway(&self) -> Result<Client> {
        Ok(Client::http1(self.envoy.listener("gateway")?))
    }

    /// The token that Grafana sends once somebody has logged in.
    pub(crate) fn person(&self, name: &str) -> Result<String> {
        self.keycloak.person("grafana", name)
    }

    /// A configuration of a Prometheus, with these targets in place of those in it.
    pub(crate) fn prometheus(
        &self,
        file: &str,
        client: &str,
        targets: &[(&str, SocketAddr)],
    ) -> Result<String> {
        let mut text = text(file)?;
        let mut replace = |from: &str, to: &str| -> Result<()> {
            anyhow::ensure!(text.contains(from), "{file}: no {from}");
            text = text.replace(from, to);
            Ok(())
        };
        replace("http://gateway:8080", &format!("http://{}", self.envoy.listener("gateway")?))?;
        replace("http://keycloak:8080", &format!("http://{}", self.keycloak.address()))?;
        let secret = self.secrets.path(&format!("{client}/client-secret"));
        replace("/secrets/client-secret", &secret.display().to_string())?;
        replace("_interval: 5s", "_interval: 1s")?;
        for (name, address) in targets {
            replace(&format!("\"{name}\""), &format!("\"{address}\""))?;
        }
        Ok(text)
    }
}
