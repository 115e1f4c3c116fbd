//! `package`: the shipped module with the list of what it is made of, handed to `scopegate package`.

mod bom;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::project::Project;
use crate::run;
use crate::setup;
use crate::ui::{Mark, Ui};
use crate::wasm::{self, TARGET, Toolchain, Variant};

/// Builds the module and packages it under `target/package`, with further options of `scopegate package`.
pub(crate) fn run(project: &Project, ui: &Ui, args: &[String]) -> Result<()> {
    let lock = project.lock(ui)?;
    let toolchain = setup::toolchain(project, ui)?;
    let module = wasm::build(project, ui, &toolchain, Variant::Shipped)?;
    bom(project, &toolchain, &module)?;
    let command = command(project)?;
    drop(lock);

    let folder = project.target().join("package");
    let mut packaging = Command::new(command);
    packaging
        .current_dir(project.root())
        .arg("package")
        .arg(module.strip_prefix(project.root()).unwrap_or(&module));
    packaging
        .args(["--format", "release", "--output"])
        .arg(folder.strip_prefix(project.root()).unwrap_or(&folder));
    if let Some(revision) = revision(project) {
        packaging.args(["--revision", &revision]);
    }
    run::show(packaging.args(args))?;
    ui.step(Mark::Done, &format!("packaged ({})", project.shown(&folder)));
    Ok(())
}

/// Writes the list of what the module is made of beside it.
pub(crate) fn bom(project: &Project, toolchain: &Toolchain, module: &Path) -> Result<PathBuf> {
    let mut tree = project.cargo("tree");
    tree.args(["--package", "scopegate-filter", "--target", TARGET, "--edges", "normal,no-proc-macro"]);
    tree.args(["--prefix", "depth", "--format", "\t{p}\t{l}"]);
    let tree = run::stdout(&mut tree)?;
    let lock = fs::read_to_string(project.root().join("Cargo.lock")).context("Cargo.lock")?;
    let bytes = fs::read(module).with_context(|| module.display().to_string())?;
    let list = bom::list(&tree, &lock, &toolchain.version()?, &sha256(&bytes))?;
    let path = module.with_extension("cdx.json");
    fs::write(&path, format!("{list:#}\n")).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// Builds the `scopegate` command; where it lies, wherever cargo's target folder is.
pub(crate) fn command(project: &Project) -> Result<PathBuf> {
    let mut build = project.cargo("build");
    build.args(["--quiet", "--package", "scopegate", "--bin", "scopegate", "--message-format", "json"]);
    let messages = run::stdout(&mut build)?;
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    executable.context("cargo does not say where it built the command")
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The commit that is checked out, where nothing differs from it.
fn revision(project: &Project) -> Option<String> {
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        run::capture(command.arg("-C").arg(project.root()).args(args)).ok()
    };
    let is_clean = git(&["status", "--porcelain"])?.is_empty();
    let revision = git(&["rev-parse", "HEAD"])?;
    is_clean.then(|| revision.trim().to_owned())
}
