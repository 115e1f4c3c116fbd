//! `scale`: what to run for so many tenants and series, computed from measured costs. The tables of `docs/scale.md` are made here.

mod model;
mod tables;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::ui::{Mark, Ui};

/// The page with the tables.
const PAGE: &str = "docs/scale.md";

/// Prints the tables.
pub(crate) fn print() {
    for (name, table) in tables::all() {
        println!("{name}\n\n{table}");
    }
}

/// Writes the tables into their page, or only compares.
pub(crate) fn write(project: &Project, ui: &Ui, check: bool) -> Result<()> {
    let path = project.root().join(PAGE);
    let old = fs::read_to_string(&path).with_context(|| format!("reading {PAGE}"))?;
    let text = filled(&old)?;
    if text == old {
        ui.step(Mark::Done, &format!("{PAGE} is up to date"));
    } else if check {
        bail!("{PAGE} is out of date: run `cargo xtask docs`");
    } else {
        fs::write(&path, text).with_context(|| format!("writing {PAGE}"))?;
        ui.step(Mark::Done, &format!("{PAGE} written"));
    }
    Ok(())
}

/// A page with every table in its place: between `<!-- computed: NAME -->` and `<!-- end -->`.
fn filled(page: &str) -> Result<String> {
    let mut text = page.to_owned();
    for (name, table) in tables::all() {
        let begin = format!("<!-- computed: {name} -->\n");
        let parts = text.split_once(&begin).and_then(|(before, rest)| {
            let (_, after) = rest.split_once("<!-- end -->")?;
            Some(format!("{before}{begin}\n{table}\n<!-- end -->{after}"))
        });
        text = parts.with_context(|| format!("{PAGE} has no place for the table `{name}`"))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_what_is_computed() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE);
        let page = fs::read_to_string(path).expect("the page is there");
        assert_eq!(filled(&page).expect("it has all places"), page, "run `cargo xtask docs`");
    }
}
