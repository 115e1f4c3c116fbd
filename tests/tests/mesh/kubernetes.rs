//! Kubernetes: the folder that the pod's Envoy is started in.

use anyhow::{Context, Result};
use scopegate_tests::client::Client;
use serde_json::Value;

use crate::world::World;

#[tokio::test]
async fn the_pods_envoy_serves() -> Result<()> {
    let world = World::new()?;
    let files = world.render("kubernetes")?;
    let kustomization: Value = {
        let (_, text) =
            files.iter().find(|(name, _)| name == "kustomization.yaml").context("no kustomization")?;
        serde_saphyr::from_str(text)?
    };
    let mut bootstrap = None;
    // What is mounted is what the kustomization lists, and it is all there.
    for name in kustomization["configMapGenerator"][0]["files"].as_array().context("no files")? {
        let (name, text) = files.iter().find(|(known, _)| name == known).context("not there")?;
        let path = world.mounted(name, text)?;
        if name == "envoy.yaml" {
            let text = text
                .replace("path: ./", &format!("path: {}/", path.parent().context("no folder")?.display()));
            bootstrap = Some(serde_saphyr::from_str::<Value>(&text)?);
        }
    }
    for name in kustomization["resources"].as_array().context("no resources")? {
        files.iter().find(|(known, _)| name == known).context("not there")?;
    }
    let bootstrap = world.moved(bootstrap.context("no envoy.yaml")?)?;
    let envoy = world.start(&bootstrap).await?;
    world.is_served_by(&Client::http1(envoy.listener("gateway")?)).await
}
