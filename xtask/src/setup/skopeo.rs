//! Skopeo, for the tests that pull what was pushed: the user's own (`SKOPEO_BIN`, `PATH`), or Debian's.
//!
//! Debian's is unpacked under `target/`, with the libraries that it needs and that not every machine has, and a script of
//! ours beside it that leads it to them.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Tool, apt};
use crate::project::Project;
use crate::run;
use crate::ui::Ui;

pub(super) struct Skopeo;

const PACKAGES: [&str; 5] = ["skopeo", "libgpgme11", "libassuan0", "libgpg-error0", "libdevmapper1.02.1"];

const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
for folder in "$here"/usr/lib/*-linux-gnu "$here"/lib/*-linux-gnu; do
    LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
done
export LD_LIBRARY_PATH
exec "$here"/usr/bin/skopeo "$@"
"#;

impl Tool for Skopeo {
    type Found = PathBuf;
    const NAME: &'static str = "skopeo";
    const OPTIONAL: bool = true;

    fn find(project: &Project) -> Result<(PathBuf, String)> {
        if let Some(own) = own() {
            let path = absolute(&own).context("SKOPEO_BIN is empty")?;
            ensure!(run::is_executable(&path), "SKOPEO_BIN={} cannot be executed", own.display());
            let version = version(&path).with_context(|| format!("SKOPEO_BIN={}", own.display()))?;
            return Ok((path, format!("skopeo {version} (SKOPEO_BIN={})", own.display())));
        }
        let path = run::which("skopeo").unwrap_or_else(|| script(&folder(project)));
        ensure!(path.exists(), "not here yet");
        let version = version(&path)?;
        let text = format!("skopeo {version} ({})", project.shown(&path));
        Ok((path, text))
    }

    fn bring(project: &Project, ui: &Ui) -> Result<()> {
        if own().is_some() {
            return Self::find(project).map(drop);
        }
        ui.busy("skopeo: downloading Debian's (6 MB)");
        let folder = folder(project);
        if !folder.exists() {
            apt::unpack_all(&PACKAGES, &folder)?;
        }
        let script = script(&folder);
        let write = fs::write(&script, SCRIPT);
        write
            .and_then(|()| fs::set_permissions(&script, fs::Permissions::from_mode(0o755)))
            .with_context(|| format!("writing {}", script.display()))
    }

    fn by_hand() -> String {
        "The tests need it, the demo does not. By hand: put `skopeo` in PATH or set SKOPEO_BIN".to_owned()
    }
}

fn own() -> Option<PathBuf> {
    env::var_os("SKOPEO_BIN").filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn folder(project: &Project) -> PathBuf {
    project.tools().join("skopeo")
}

fn script(folder: &Path) -> PathBuf {
    folder.join("skopeo")
}

/// `1.9.3` of `skopeo version 1.9.3`.
fn version(program: &Path) -> Result<String> {
    let output = run::capture(Command::new(program).arg("--version"))?;
    let version = output.strip_prefix("skopeo version ");
    let problem = || format!("`{} --version` does not read like its own", program.display());
    Ok(version.with_context(problem)?.trim().to_owned())
}
