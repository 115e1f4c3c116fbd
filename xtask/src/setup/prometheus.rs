//! Prometheus, for the demo and the tests that compare with the real thing: the user's own (`PROMETHEUS_BIN`, `PATH`),
//! or Debian's.
//!
//! Debian's package starts a service when it is installed, so it is unpacked under `target/` instead. The binary needs
//! nothing but libc; the pages of its web interface are incomplete, its API is not.

use std::env;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Tool, apt};
use crate::project::Project;
use crate::run;
use crate::ui::Ui;

pub(super) struct Prometheus;

impl Tool for Prometheus {
    type Found = PathBuf;
    const NAME: &'static str = "prometheus";
    const OPTIONAL: bool = true;

    fn find(project: &Project) -> Result<(PathBuf, String)> {
        if let Some(own) = own() {
            let path = absolute(&own).context("PROMETHEUS_BIN is empty")?;
            ensure!(run::is_executable(&path), "PROMETHEUS_BIN={} cannot be executed", own.display());
            let version = version(&path).with_context(|| format!("PROMETHEUS_BIN={}", own.display()))?;
            return Ok((path, format!("prometheus {version} (PROMETHEUS_BIN={})", own.display())));
        }
        let path = run::which("prometheus").unwrap_or_else(|| folder(project).join("usr/bin/prometheus"));
        ensure!(path.exists(), "not here yet");
        let version = version(&path)?;
        let text = format!("prometheus {version} ({})", project.shown(&path));
        Ok((path, text))
    }

    fn bring(project: &Project, ui: &Ui) -> Result<()> {
        if own().is_some() {
            return Self::find(project).map(drop);
        }
        ui.busy("prometheus: downloading Debian's (19 MB)");
        apt::unpack("prometheus", &folder(project))
    }

    fn by_hand() -> String {
        "The demo makes its own series instead, and tests with a real Prometheus are skipped. By hand: put `prometheus` \
         in PATH or set PROMETHEUS_BIN"
            .to_owned()
    }
}

fn own() -> Option<PathBuf> {
    env::var_os("PROMETHEUS_BIN").filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn folder(project: &Project) -> PathBuf {
    project.tools().join("prometheus")
}

fn version(prometheus: &Path) -> Result<String> {
    let output = run::capture(Command::new(prometheus).arg("--version"))?;
    let version = parse_version(&output);
    Ok(version
        .with_context(|| format!("`{} --version` does not read like its own", prometheus.display()))?
        .to_owned())
}

/// `prometheus, version 2.42.0+ds (branch: …`
fn parse_version(output: &str) -> Option<&str> {
    output.strip_prefix("prometheus, version ")?.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let cases = [
            ("prometheus, version 2.42.0+ds (branch: debian/sid)\n  build user: x\n", Some("2.42.0+ds")),
            ("prometheus, version 3.5.0", Some("3.5.0")),
            ("promtool, version 3.5.0", None),
            ("", None),
        ];
        for (output, expected) in cases {
            assert_eq!(parse_version(output), expected, "{output:?}");
        }
    }
}
