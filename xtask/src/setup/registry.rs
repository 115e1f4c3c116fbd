//! A container registry, for the tests that push to the real thing: the user's own (`DOCKER_REGISTRY_BIN`, `PATH`), or
//! Debian's.
//!
//! Debian's package starts a service when it is installed, so it is unpacked under `target/` instead. The binary needs
//! nothing but libc.

use std::env;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Tool, apt};
use crate::project::Project;
use crate::run;
use crate::ui::Ui;

pub(super) struct Registry;

impl Tool for Registry {
    type Found = PathBuf;
    const NAME: &'static str = "docker-registry";
    const OPTIONAL: bool = true;

    fn find(project: &Project) -> Result<(PathBuf, String)> {
        if let Some(own) = own() {
            let path = absolute(&own).context("DOCKER_REGISTRY_BIN is empty")?;
            ensure!(run::is_executable(&path), "DOCKER_REGISTRY_BIN={} cannot be executed", own.display());
            let version = version(&path).with_context(|| format!("DOCKER_REGISTRY_BIN={}", own.display()))?;
            return Ok((path, format!("docker-registry {version} (DOCKER_REGISTRY_BIN={})", own.display())));
        }
        let known = run::which("docker-registry");
        let path = known.unwrap_or_else(|| folder(project).join("usr/bin/docker-registry"));
        ensure!(path.exists(), "not here yet");
        let version = version(&path)?;
        let text = format!("docker-registry {version} ({})", project.shown(&path));
        Ok((path, text))
    }

    fn bring(project: &Project, ui: &Ui) -> Result<()> {
        if own().is_some() {
            return Self::find(project).map(drop);
        }
        ui.busy("docker-registry: downloading Debian's (5 MB)");
        apt::unpack("docker-registry", &folder(project))
    }

    fn by_hand() -> String {
        "The tests need it, the demo does not. By hand: put `docker-registry` in PATH or set DOCKER_REGISTRY_BIN"
            .to_owned()
    }
}

fn own() -> Option<PathBuf> {
    env::var_os("DOCKER_REGISTRY_BIN").filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn folder(project: &Project) -> PathBuf {
    project.tools().join("docker-registry")
}

/// `2.8.2+ds1` of `docker-registry github.com/docker/distribution 2.8.2+ds1`.
fn version(program: &Path) -> Result<String> {
    let output = run::capture(Command::new(program).arg("--version"))?;
    let version = output.split_whitespace().nth(2);
    let problem = || format!("`{} --version` does not read like its own", program.display());
    Ok(version.with_context(problem)?.to_owned())
}
