//! The Alertmanager, for the tests of silences and alerts against the real thing: the user's own (`ALERTMANAGER_BIN`,
//! `PATH`), or Debian's.
//!
//! Debian's package starts a service when it is installed, so it is unpacked under `target/` instead. Its program reads the
//! templates of notifications at an absolute path, and does not start without them: the unpacked copy is told to look below
//! the folder it is started in.

use std::env;
use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Tool, apt};
use crate::project::Project;
use crate::run;
use crate::ui::Ui;

pub(super) struct Alertmanager;

/// Where Debian's program looks for its templates, and what stands there in the copy: as long, and relative.
const TEMPLATES: [&[u8]; 2] = [b"/usr/share/prometheus/alertmanager", b"usr/share/prometheus//alertmanager"];

impl Tool for Alertmanager {
    type Found = PathBuf;
    const NAME: &'static str = "alertmanager";
    const OPTIONAL: bool = true;

    fn find(project: &Project) -> Result<(PathBuf, String)> {
        if let Some(own) = own() {
            let path = absolute(&own).context("ALERTMANAGER_BIN is empty")?;
            ensure!(run::is_executable(&path), "ALERTMANAGER_BIN={} cannot be executed", own.display());
            let version = version(&path).with_context(|| format!("ALERTMANAGER_BIN={}", own.display()))?;
            return Ok((path, format!("alertmanager {version} (ALERTMANAGER_BIN={})", own.display())));
        }
        let known = ["alertmanager", "prometheus-alertmanager"].iter().find_map(|name| run::which(name));
        let path = known.unwrap_or_else(|| program(&folder(project)));
        ensure!(path.exists(), "not here yet");
        let version = version(&path)?;
        let text = format!("alertmanager {version} ({})", project.shown(&path));
        Ok((path, text))
    }

    fn bring(project: &Project, ui: &Ui) -> Result<()> {
        if own().is_some() {
            return Self::find(project).map(drop);
        }
        ui.busy("alertmanager: downloading Debian's (11 MB)");
        let folder = folder(project);
        apt::unpack("prometheus-alertmanager", &folder)?;
        let program = program(&folder);
        let result = relocate(&program);
        if result.is_err() {
            let _ = fs::remove_dir_all(&folder);
        }
        result.with_context(|| format!("{}", program.display()))
    }

    fn by_hand() -> String {
        "The tests need it, the demo does not. By hand: put `alertmanager` in PATH or set ALERTMANAGER_BIN"
            .to_owned()
    }
}

fn own() -> Option<PathBuf> {
    env::var_os("ALERTMANAGER_BIN").filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn folder(project: &Project) -> PathBuf {
    project.tools().join("alertmanager")
}

fn program(folder: &Path) -> PathBuf {
    folder.join("usr/bin/prometheus-alertmanager")
}

fn version(program: &Path) -> Result<String> {
    let output = run::capture(Command::new(program).arg("--version"))?;
    let version =
        output.strip_prefix("alertmanager, version ").and_then(|rest| rest.split_whitespace().next());
    let problem = || format!("`{} --version` does not read like its own", program.display());
    Ok(version.with_context(problem)?.to_owned())
}

fn relocate(program: &Path) -> Result<()> {
    let bytes = relocated(&fs::read(program)?).context("it looks for its templates somewhere else by now")?;
    fs::write(program, bytes)?;
    Ok(())
}

/// The program with its folder of templates below the current one; `None` where it does not know that folder.
fn relocated(program: &[u8]) -> Option<Vec<u8>> {
    let [from, to] = TEMPLATES;
    let mut bytes = program.to_vec();
    let mut found = false;
    let mut at = 0;
    while let Some(next) = bytes[at..].windows(from.len()).position(|window| window == from) {
        at += next;
        bytes[at..at + to.len()].copy_from_slice(to);
        found = true;
    }
    found.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_looks_below_its_folder() {
        let program = b"\0x/usr/share/prometheus/alertmanager/ui\0/usr/share/prometheus/alertmanager";
        let expected = b"\0xusr/share/prometheus//alertmanager/ui\0usr/share/prometheus//alertmanager";
        assert_eq!(relocated(program).unwrap(), expected);
        assert_eq!(relocated(b"nothing of it"), None);
    }
}
