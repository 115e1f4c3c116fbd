//! The plain module over HTTP, as Envoy's `remote` code source fetches it; here from the registry itself, which hands out
//! the layer of an artifact by its digest.

use anyhow::{Context, Result};
use scopegate_tests::bootstrap::Cluster;
use scopegate_tests::oci::{Registry, output, scopegate};
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::page::blocks;
use crate::pulling::package;

/// The digits of the plain module's digest, and where it is to be had; pushed from a release, whose checksums say the same.
fn pushed(registry: &Registry) -> Result<String> {
    let dir = tempfile::tempdir()?;
    package("release", dir.path())?;
    let sums = std::fs::read_to_string(dir.path().join("SHA256SUMS"))?;
    let sum = sums.lines().find_map(|line| line.strip_suffix("  scopegate.wasm")).context("no sum")?;
    let mut push = scopegate();
    push.args(["push", &format!("{}/scopegate", registry.address()), "--plain-http", "--from"]);
    output(push.arg(dir.path().join("scopegate-artifact.tar")))?;
    Ok(sum.to_owned())
}

/// The snippet of the page, for this registry and these checksums.
fn remote(registry: &Registry, layer: &str, sha256: &str) -> Result<Value> {
    let blocks = blocks("yaml")?;
    let snippet =
        blocks.iter().find(|block| block.contains("<the module's checksum>")).context("no snippet")?;
    let place = format!("http://{}/", registry.address());
    let snippet = snippet.replace("https://registry.example.org/", &place);
    let snippet = snippet.replace("sha256:<the module's checksum>", &format!("sha256:{layer}"));
    let mut value: Value = serde_saphyr::from_str(&snippet.replace("<the module's checksum>", sha256))?;
    // What fails is to fail soon.
    value["code"]["remote"]["retry_policy"] =
        json!({"num_retries": 1, "retry_back_off": {"base_interval": "0.1s", "max_interval": "0.1s"}});
    Ok(value["code"].take())
}

#[tokio::test]
async fn envoy_fetches_the_plain_module() -> Result<()> {
    let registry = Registry::start().await?;
    let sum = pushed(&registry)?;
    let cluster = || vec![Cluster::http1("registry", registry.address())];
    Gateway::start(remote(&registry, &sum, &sum)?, cluster()).await?.works().await?;

    // Something else than was asked for, and nothing at all: closed, for everybody.
    for (layer, sha256) in [(sum.as_str(), &"0".repeat(64)), (&"0".repeat(64), &sum)] {
        let gateway = Gateway::start(remote(&registry, layer, sha256)?, cluster()).await?;
        for user in [None, Some("writer")] {
            let status = gateway.read(user).await?;
            assert!(status >= 500, "{status}");
        }
        assert!(gateway.cortex.state().requests.is_empty());
    }
    Ok(())
}
