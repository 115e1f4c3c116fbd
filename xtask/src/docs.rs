//! `docs`: the reference page of the configuration, written by the `scopegate` command from its schema.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::project::Project;
use crate::run;
use crate::ui::{Mark, Ui};

const PAGE: &str = "docs/configuration.md";

/// Writes the page, or only compares.
pub(crate) fn run(project: &Project, ui: &Ui, check: bool) -> Result<()> {
    let mut command = project.cargo("run");
    command.args(["--quiet", "--package", "scopegate", "--", "reference"]);
    let page = run::stdout(&mut command)?;
    ensure!(!page.trim().is_empty(), "`scopegate reference` printed nothing");

    let path = project.root().join(PAGE);
    let old = fs::read_to_string(&path).unwrap_or_default();
    if page == old {
        ui.step(Mark::Done, &format!("{PAGE} is up to date"));
    } else if check {
        bail!("{PAGE} is out of date: run `cargo xtask docs`");
    } else {
        fs::write(&path, page).with_context(|| format!("writing {PAGE}"))?;
        ui.step(Mark::Done, &format!("{PAGE} written"));
    }
    Ok(())
}
