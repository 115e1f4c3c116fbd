//! `docs`: the reference pages and the dashboard, which the `scopegate` command writes from the code.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::project::Project;
use crate::run;
use crate::scale;
use crate::ui::{Mark, Ui};

/// The pages, and the subcommand that prints each.
const PAGES: [(&str, &str); 4] = [
    ("docs/configuration.md", "reference"),
    ("docs/metrics.md", "metrics"),
    ("docs/command.md", "commands"),
    ("dashboards/scopegate.json", "dashboard"),
];

/// Writes the pages, or only compares.
pub(crate) fn run(project: &Project, ui: &Ui, check: bool) -> Result<()> {
    PAGES.iter().try_for_each(|(page, subcommand)| write(project, ui, check, page, subcommand))?;
    scale::write(project, ui, check)
}

fn write(project: &Project, ui: &Ui, check: bool, page: &str, subcommand: &str) -> Result<()> {
    let mut command = project.cargo("run");
    command.args(["--quiet", "--package", "scopegate", "--", subcommand]);
    let text = run::stdout(&mut command)?;
    ensure!(!text.trim().is_empty(), "`scopegate {subcommand}` printed nothing");

    let path = project.root().join(page);
    let old = fs::read_to_string(&path).unwrap_or_default();
    if text == old {
        ui.step(Mark::Done, &format!("{page} is up to date"));
    } else if check {
        bail!("{page} is out of date: run `cargo xtask docs`");
    } else {
        fs::write(&path, text).with_context(|| format!("writing {page}"))?;
        ui.step(Mark::Done, &format!("{page} written"));
    }
    Ok(())
}
