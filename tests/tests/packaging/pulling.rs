//! Packaged twice, pushed with and without a password, pulled by Skopeo, and run.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use scopegate_tests::bootstrap::{faults_module, module};
use scopegate_tests::oci::{PASSWORD, Registry, USER, bom, output, pulled, scopegate, skopeo};
use serde_json::{Value, json};

use crate::gateway::Gateway;

/// Packages the module under test into `to`.
pub(crate) fn package(format: &str, to: &Path) -> Result<()> {
    let mut command = scopegate();
    command
        .arg("package")
        .arg(module())
        .arg("--sbom")
        .arg(bom())
        .args(["--format", format, "--output"])
        .arg(to);
    output(&mut command).map(drop)
}

/// The module out of what was pulled, as Istio and Envoy Gateway find it.
fn module_in(manifest: &Value, layers: &[Vec<u8>]) -> Result<Vec<u8>> {
    let types: Vec<_> =
        manifest["layers"].as_array().into_iter().flatten().map(|layer| &layer["mediaType"]).collect();
    if types == ["application/vnd.oci.image.layer.v1.tar+gzip"] {
        let mut archive = tar::Archive::new(GzDecoder::new(layers[0].as_slice()));
        let mut first = archive.entries()?.next().context("an empty layer")??;
        ensure!(first.path()?.as_os_str() == "plugin.wasm");
        let mut module = Vec::new();
        first.read_to_end(&mut module)?;
        return Ok(module);
    }
    ensure!(types == ["application/vnd.module.wasm.content.layer.v1+wasm", "application/vnd.cyclonedx+json"]);
    Ok(layers[0].clone())
}

#[tokio::test]
async fn what_is_pulled_is_what_was_built_and_it_runs() -> Result<()> {
    let registry = Registry::with_password().await?;
    let dir = tempfile::tempdir()?;
    let built = std::fs::read(module())?;
    for format in ["image", "artifact"] {
        // A folder and an archive; both have the same digest.
        let (layout, archive) = (dir.path().join(format), dir.path().join(format!("{format}.tar")));
        package(format, &layout)?;
        package(format, &archive)?;
        let reference = format!("{}/team/scopegate:{format}", registry.address());
        let mut digests = Vec::new();
        for from in [&layout, &archive] {
            let mut push = scopegate();
            push.args(["push", &reference, "--plain-http", "--from"]).arg(from);
            push.env("SCOPEGATE_REGISTRY_USERNAME", USER).env("SCOPEGATE_REGISTRY_PASSWORD", PASSWORD);
            let said = output(&mut push)?;
            let digest =
                said.trim().strip_prefix(&format!("{reference}@")).context("a reference with a digest")?;
            digests.push(digest.to_owned());
        }
        assert_eq!(digests[0], digests[1], "{format}");

        let pulled_to = dir.path().join(format!("pulled-{format}"));
        let source = format!("docker://{}/team/scopegate@{}", registry.address(), digests[0]);
        let mut copy = skopeo();
        copy.args([
            "copy",
            "--quiet",
            "--src-tls-verify=false",
            "--src-creds",
            &format!("{USER}:{PASSWORD}"),
        ]);
        output(copy.arg(&source).arg(format!("dir:{}", pulled_to.display())))?;
        let (manifest, layers) = pulled(&pulled_to)?;
        let module = module_in(&manifest, &layers)?;
        ensure!(module == built, "{format}: not what was built");
        assert_eq!(manifest["annotations"]["org.opencontainers.image.licenses"], "Apache-2.0");

        let file = pulled_to.join("plugin.wasm");
        std::fs::write(&file, module)?;
        Gateway::start(json!({"local": {"filename": file}}), vec![]).await?.works().await?;
    }

    // An image tells what it is to whoever looks.
    let mut inspect = skopeo();
    inspect.args(["inspect", "--tls-verify=false", "--creds", &format!("{USER}:{PASSWORD}")]);
    let seen = output(inspect.arg(format!("docker://{}/team/scopegate:image", registry.address())))?;
    let seen: Value = serde_json::from_str(&seen)?;
    assert_eq!(seen["Labels"]["org.opencontainers.image.title"], "Scopegate");
    assert_eq!(seen["RepoTags"].as_array().map(Vec::len), Some(2));
    assert_eq!(seen["Layers"].as_array().map(Vec::len), Some(1));
    Ok(())
}

/// As `docker login` leaves it, and what is said to whoever has not logged in.
#[tokio::test]
async fn credentials_from_where_docker_keeps_them() -> Result<()> {
    let registry = Registry::with_password().await?;
    let dir = tempfile::tempdir()?;
    let archive = dir.path().join("scopegate.tar");
    package("image", &archive)?;
    let reference = format!("{}/scopegate", registry.address());
    let push = || {
        let mut push = scopegate();
        push.args(["push", &reference, "--plain-http", "--from"]).arg(&archive);
        push.env("DOCKER_CONFIG", dir.path());
        push
    };
    let error = output(&mut push()).expect_err("nobody logged in").to_string();
    assert!(error.contains("it asks who you are: log in with `docker login`"), "{error}");

    let auth = scopegate_tests::identity::basic(USER, PASSWORD).replace("Basic ", "");
    let config = json!({"auths": {registry.address().to_string(): {"auth": auth}}});
    std::fs::write(dir.path().join("config.json"), config.to_string())?;
    let said = output(&mut push())?;
    // The tag is the module's version.
    assert!(said.starts_with(&format!("{reference}:{}@sha256:", env!("CARGO_PKG_VERSION"))), "{said}");

    // From a helper that keeps them somewhere else.
    let helper = dir.path().join("docker-credential-test");
    let answer = json!({"ServerURL": "x", "Username": USER, "Secret": PASSWORD});
    std::fs::write(&helper, format!("#!/bin/sh\ncat > \"$0.asked\"\necho '{answer}'\n"))?;
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755))?;
    let config = json!({"credHelpers": {registry.address().to_string(): "test"}});
    std::fs::write(dir.path().join("config.json"), config.to_string())?;
    let path = std::env::var("PATH").unwrap_or_default();
    output(push().env("PATH", format!("{}:{path}", dir.path().display())))?;
    let asked = std::fs::read_to_string(dir.path().join("docker-credential-test.asked"))?;
    assert_eq!(asked, registry.address().to_string());

    let auth = scopegate_tests::identity::basic(USER, "wrong").replace("Basic ", "");
    let config = json!({"auths": {registry.address().to_string(): {"auth": auth}}});
    std::fs::write(dir.path().join("config.json"), config.to_string())?;
    let error = output(&mut push()).expect_err("a wrong password").to_string();
    assert!(error.contains("it does not take these credentials"), "{error}");
    Ok(())
}

/// The module that can be told to trap is never shipped: its list is another's.
#[test]
fn another_module_is_not_packaged() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut command = scopegate();
    command.arg("package").arg(faults_module()).arg("--sbom").arg(bom());
    let error =
        output(command.arg("--output").arg(dir.path().join("x.tar"))).expect_err("another").to_string();
    assert!(error.contains("this is the list of another module"), "{error}");
    Ok(())
}
