//! `VictoriaMetrics`, for the tests that write to the real thing: the user's own (`VICTORIA_METRICS_BIN`, `PATH`), or
//! Debian's.
//!
//! Debian's package starts a service when it is installed, so it is unpacked under `target/` instead. The binary needs
//! nothing but libc, and does not know its own version.

use std::env;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Tool, apt};
use crate::project::Project;
use crate::run;
use crate::ui::Ui;

/// The program, as Debian and the releases call it.
const NAMES: [&str; 2] = ["victoria-metrics", "victoria-metrics-prod"];

pub(super) struct VictoriaMetrics;

impl Tool for VictoriaMetrics {
    type Found = PathBuf;
    const NAME: &'static str = "victoria-metrics";
    const OPTIONAL: bool = true;

    fn find(project: &Project) -> Result<(PathBuf, String)> {
        if let Some(own) = own() {
            let path = absolute(&own).context("VICTORIA_METRICS_BIN is empty")?;
            ensure!(run::is_executable(&path), "VICTORIA_METRICS_BIN={} cannot be executed", own.display());
            runs(&path).with_context(|| format!("VICTORIA_METRICS_BIN={}", own.display()))?;
            return Ok((path, format!("victoria-metrics (VICTORIA_METRICS_BIN={})", own.display())));
        }
        let known = NAMES.iter().find_map(|name| run::which(name));
        let path = known.unwrap_or_else(|| folder(project).join("usr/bin/victoria-metrics"));
        ensure!(path.exists(), "not here yet");
        runs(&path)?;
        let text = format!("victoria-metrics ({})", project.shown(&path));
        Ok((path, text))
    }

    fn bring(project: &Project, ui: &Ui) -> Result<()> {
        if own().is_some() {
            return Self::find(project).map(drop);
        }
        ui.busy("victoria-metrics: downloading Debian's (23 MB)");
        apt::unpack("victoria-metrics", &folder(project))
    }

    fn by_hand() -> String {
        "The tests need it, the demo does not. By hand: put `victoria-metrics` in PATH or set VICTORIA_METRICS_BIN"
            .to_owned()
    }
}

fn own() -> Option<PathBuf> {
    env::var_os("VICTORIA_METRICS_BIN").filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn folder(project: &Project) -> PathBuf {
    project.tools().join("victoria-metrics")
}

/// Whether it runs here. Debian's prints no version.
fn runs(program: &Path) -> Result<()> {
    run::capture(Command::new(program).arg("-version")).map(drop)
}
