//! `lint`: what CI checks besides the tests. The first complaint ends it.

use std::path::Path;

use anyhow::Result;

use crate::docs;
use crate::project::Project;
use crate::run;
use crate::setup;
use crate::ui::{Stages, Ui};
use crate::wasm::{DEBIAN_CLIPPY, Toolchain};

const DENY_WARNINGS: &[&str] = &["--", "-D", "warnings"];

pub(crate) fn run(project: &Project, ui: &Ui) -> Result<()> {
    let mut stages = Stages::new(ui);
    stages.stage("format", || format(project))?;
    stages.stage("clippy", || clippy(project))?;
    if let Some(toolchain) = setup::toolchain_if_there(project).filter(has_clippy) {
        stages.stage("clippy for wasm", || clippy_for_wasm(project, &toolchain))?;
    }
    stages.stage("rustdoc", || rustdoc(project))?;
    stages.stage("docs", || docs::run(project, ui, true))
}

fn format(project: &Project) -> Result<()> {
    let mut command = project.cargo("fmt");
    run::show(command.args(["--all", "--", "--check"]))
}

fn clippy(project: &Project) -> Result<()> {
    let mut command = project.cargo("clippy");
    run::show(command.args(["--workspace", "--all-targets", "--all-features"]).args(DENY_WARNINGS))
}

/// What is compiled only for wasm: the calls to the host.
fn clippy_for_wasm(project: &Project, toolchain: &Toolchain) -> Result<()> {
    let mut command = toolchain.cargo(project, "clippy");
    command.args(["--package", "scopegate-filter", "--lib", "--all-features", "--target-dir"]);
    run::show(command.arg(project.target().join("wasm")).args(DENY_WARNINGS))
}

/// Debian's clippy is a package of its own, which may be missing where Debian's Rust was there before.
fn has_clippy(toolchain: &Toolchain) -> bool {
    match toolchain {
        Toolchain::Active => true,
        Toolchain::Debian { .. } => run::is_executable(Path::new(DEBIAN_CLIPPY)),
    }
}

/// In two runs: the filter's library and the command have one name, and cargo writes their pages to one place.
fn rustdoc(project: &Project) -> Result<()> {
    for which in
        [["--package", "scopegate-filter"].as_slice(), &["--workspace", "--exclude", "scopegate-filter"]]
    {
        let mut command = project.cargo("doc");
        run::show(command.arg("--no-deps").args(which).env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}
