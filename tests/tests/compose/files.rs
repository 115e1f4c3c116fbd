//! What holds of `compose.yaml` by itself: its schema, pinned images, limits, conditions, and that what it mounts is there.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::stack::{Stack, folder, text, versions};

#[test]
fn the_file_is_of_the_compose_specification() -> Result<()> {
    let stack = Stack::load()?;
    let parsed: compose_spec::Compose = serde_json::from_value(stack.0)?;
    // That networks, volumes and dependencies are declared.
    parsed.validate_all()?;
    Ok(())
}

#[test]
fn every_image_is_pinned_in_one_place() -> Result<()> {
    let (stack, versions) = (Stack::load()?, versions()?);
    let mut used = BTreeSet::from(["RUST_VERSION"]);
    for (name, service) in stack.services() {
        let image = service["image"].as_str().with_context(|| format!("{name}: no image"))?;
        let (_, tag) = image.rsplit_once(':').with_context(|| format!("{name}: {image} has no tag"))?;
        let variable = versions.iter().find(|(_, version)| *version == tag);
        used.insert(variable.with_context(|| format!("{name}: {tag} is not in .env"))?.0);
        let digits =
            tag.trim_start_matches('v').split('.').filter(|part| part.parse::<u32>().is_ok()).count();
        ensure!(digits == 3, "{name}: {tag} is no whole version");
    }
    let all: BTreeSet<&str> = versions.keys().map(String::as_str).collect();
    assert_eq!(used, all, "unused in .env");
    Ok(())
}

/// The Envoy of the stack is the one that everything is tested with, and the Rust is new enough.
#[test]
fn the_versions_are_those_of_the_project() -> Result<()> {
    let versions = versions()?;
    let setup = std::fs::read_to_string(folder().join("../../xtask/src/setup/envoy.rs"))?;
    ensure!(
        setup.contains(&format!("const VERSION: &str = {:?};", versions["ENVOY_VERSION"])),
        "another Envoy"
    );
    let workspace = std::fs::read_to_string(folder().join("../../Cargo.toml"))?;
    let oldest = workspace.lines().find_map(|line| line.strip_prefix("rust-version = ")).context("none")?;
    let minor =
        |version: &str| version.trim_matches('"').split('.').nth(1).and_then(|part| part.parse::<u32>().ok());
    ensure!(
        minor(&versions["RUST_VERSION"]) >= minor(oldest),
        "{} is older than {oldest}",
        versions["RUST_VERSION"]
    );
    Ok(())
}

#[test]
fn what_is_mounted_is_there() -> Result<()> {
    let stack = Stack::load()?;
    let volumes = stack.0["volumes"].as_object().context("no volumes")?;
    let mut used = BTreeSet::new();
    for (name, service) in stack.services() {
        let mut targets = BTreeSet::new();
        for mount in Stack::mounts(service) {
            ensure!(targets.insert(mount.target.clone()), "{name}: {} twice", mount.target);
            if let Some(path) = mount.file() {
                ensure!(path.exists(), "{name}: {} is not there", path.display());
                ensure!(mount.is_read_only, "{name} could write {}", mount.source);
            } else {
                ensure!(volumes.contains_key(&mount.source), "{name}: no volume {}", mount.source);
                used.insert(mount.source);
            }
        }
    }
    assert_eq!(used, volumes.keys().cloned().collect(), "volumes without use");
    for file in ["gateway/Dockerfile", "gateway/Dockerfile.dockerignore"] {
        text(file)?;
    }
    Ok(())
}

/// What waits for somebody's health can see it, and nobody waits in a circle.
#[test]
fn conditions_can_come_true() -> Result<()> {
    let stack = Stack::load()?;
    for (name, service) in stack.services() {
        let is_once = service["restart"] == "no";
        ensure!(is_once || service["healthcheck"]["test"].is_array(), "{name} has no healthcheck");
        for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
            let other_service = stack.service(other)?;
            match how["condition"].as_str() {
                Some("service_healthy") => {
                    ensure!(
                        other_service["healthcheck"]["test"].is_array(),
                        "{name} waits for {other} in vain"
                    );
                }
                Some("service_completed_successfully") => {
                    ensure!(other_service["restart"] == "no", "{other} never ends, and {name} waits for it");
                }
                condition => anyhow::bail!("{name} waits for {other}: {condition:?}"),
            }
        }
        let mut before = BTreeSet::new();
        waits(&stack, name, &mut before)?;
        ensure!(!before.contains(name), "{name} waits for itself");
        // Who reads secrets waits for them.
        if Stack::mounts(service).iter().any(|mount| mount.source.ends_with("-secrets")) && name != "secrets"
        {
            ensure!(before.contains("secrets"), "{name} does not wait for its secrets");
        }
    }
    Ok(())
}

/// All that must have come before a service.
fn waits(stack: &Stack, name: &str, before: &mut BTreeSet<String>) -> Result<()> {
    for other in stack.service(name)?["depends_on"].as_object().into_iter().flatten().map(|(other, _)| other)
    {
        if before.insert(other.clone()) {
            waits(stack, other, before)?;
        }
    }
    Ok(())
}

#[test]
fn everything_is_bounded() -> Result<()> {
    for (name, service) in Stack::load()?.services() {
        let limits = &service["deploy"]["resources"]["limits"];
        ensure!(limits["cpus"].is_string() && limits["memory"].is_string(), "{name}: {limits}");
        ensure!(service["logging"]["options"]["max-size"].is_string(), "{name}: its log grows for ever");
        let restart = service["restart"].as_str();
        ensure!(matches!(restart, Some("no" | "unless-stopped")), "{name}: {restart:?}");
        ensure!(
            service["security_opt"]
                .as_array()
                .is_some_and(|options| options.contains(&Value::from("no-new-privileges:true"))),
            "{name} may become more"
        );
        ensure!(service.get("privileged").is_none() && service.get("container_name").is_none(), "{name}");
    }
    Ok(())
}
