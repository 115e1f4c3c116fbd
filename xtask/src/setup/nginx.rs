//! nginx, for the tests of the gateway before real upstreams: the user's own (`NGINX_BIN`, `PATH`), or Debian's.
//!
//! Debian's package starts a service when it is installed, so it is unpacked under `target/` instead. The program needs
//! OpenSSL, PCRE and zlib, which are wherever Python is, and no root: the tests give it a folder of its own.

use std::env;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Tool, apt};
use crate::project::Project;
use crate::run;
use crate::ui::Ui;

pub(super) struct Nginx;

impl Tool for Nginx {
    type Found = PathBuf;
    const NAME: &'static str = "nginx";
    const OPTIONAL: bool = true;

    fn find(project: &Project) -> Result<(PathBuf, String)> {
        if let Some(own) = own() {
            let path = absolute(&own).context("NGINX_BIN is empty")?;
            ensure!(run::is_executable(&path), "NGINX_BIN={} cannot be executed", own.display());
            runs(&path).with_context(|| format!("NGINX_BIN={}", own.display()))?;
            return Ok((path, format!("nginx (NGINX_BIN={})", own.display())));
        }
        let path = run::which("nginx").unwrap_or_else(|| folder(project).join("usr/sbin/nginx"));
        ensure!(path.exists(), "not here yet");
        runs(&path)?;
        let text = format!("nginx ({})", project.shown(&path));
        Ok((path, text))
    }

    fn bring(project: &Project, ui: &Ui) -> Result<()> {
        if own().is_some() {
            return Self::find(project).map(drop);
        }
        ui.busy("nginx: downloading Debian's (1 MB)");
        apt::unpack("nginx", &folder(project))
    }

    fn by_hand() -> String {
        "The tests need it, the demo does not. By hand: put `nginx` in PATH or set NGINX_BIN".to_owned()
    }
}

fn own() -> Option<PathBuf> {
    env::var_os("NGINX_BIN").filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn folder(project: &Project) -> PathBuf {
    project.tools().join("nginx")
}

/// Whether it runs here. It tells its version on the standard error.
fn runs(program: &Path) -> Result<()> {
    run::capture(Command::new(program).arg("-v")).map(drop)
}
