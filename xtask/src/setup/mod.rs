//! `setup`: brings everything the other commands need, and says in one line for each what is there.
//!
//! A tool is one file: how it is found, how it is brought, and what to do by hand where it cannot be. Nothing is written
//! outside `target/`, but for Debian packages, the rustup target and cargo's own caches.

mod alertmanager;
mod apt;
mod envoy;
mod nginx;
mod prometheus;
mod registry;
mod rust;
mod skopeo;
mod victoriametrics;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::project::Project;
use crate::ui::{Mark, Ui};
use crate::wasm::Toolchain;

/// Something that setup finds or brings.
trait Tool {
    /// What the other commands need to know of it.
    type Found;

    /// As the lines call it.
    const NAME: &'static str;

    /// Whether the other commands can do without.
    const OPTIONAL: bool = false;

    /// What is there and how to say so, or what is wrong. Changes nothing.
    fn find(project: &Project) -> Result<(Self::Found, String)>;

    /// Brings it. May assume that `find` just failed; either it is there afterwards as a whole, or not at all.
    fn bring(project: &Project, ui: &Ui) -> Result<()>;

    /// What a person can do where it cannot be brought.
    fn by_hand() -> String;
}

/// What setup found.
pub(crate) struct Tools {
    pub(crate) envoy: PathBuf,
    pub(crate) toolchain: Toolchain,
    pub(crate) prometheus: Option<PathBuf>,
    pub(crate) victoria_metrics: Option<PathBuf>,
    pub(crate) alertmanager: Option<PathBuf>,
    pub(crate) nginx: Option<PathBuf>,
    pub(crate) registry: Option<PathBuf>,
    pub(crate) skopeo: Option<PathBuf>,
}

/// Brings what is missing. Every step is tried before a failure is reported.
pub(crate) fn run(project: &Project, ui: &Ui) -> Result<Tools> {
    let envoy = step::<envoy::Envoy>(project, ui, true);
    let toolchain = step::<rust::WasmTarget>(project, ui, true);
    let prometheus = step::<prometheus::Prometheus>(project, ui, true);
    let victoria_metrics = step::<victoriametrics::VictoriaMetrics>(project, ui, true);
    let alertmanager = step::<alertmanager::Alertmanager>(project, ui, true);
    let nginx = step::<nginx::Nginx>(project, ui, true);
    let registry = step::<registry::Registry>(project, ui, true);
    let skopeo = step::<skopeo::Skopeo>(project, ui, true);
    match (envoy, toolchain) {
        (Some(envoy), Some(toolchain)) => Ok(Tools {
            envoy,
            toolchain,
            prometheus,
            victoria_metrics,
            alertmanager,
            nginx,
            registry,
            skopeo,
        }),
        _ => bail!("setup is not complete: see the lines marked ✗"),
    }
}

/// Reports what is there and what is not, and changes nothing.
pub(crate) fn check(project: &Project, ui: &Ui) -> Result<()> {
    let envoy = step::<envoy::Envoy>(project, ui, false).is_some();
    let toolchain = step::<rust::WasmTarget>(project, ui, false).is_some();
    step::<prometheus::Prometheus>(project, ui, false);
    step::<victoriametrics::VictoriaMetrics>(project, ui, false);
    step::<alertmanager::Alertmanager>(project, ui, false);
    step::<nginx::Nginx>(project, ui, false);
    step::<registry::Registry>(project, ui, false);
    step::<skopeo::Skopeo>(project, ui, false);
    if envoy && toolchain { Ok(()) } else { bail!("something is missing: `cargo xtask setup` brings it") }
}

/// Only the part that building the module needs.
pub(crate) fn toolchain(project: &Project, ui: &Ui) -> Result<Toolchain> {
    match step::<rust::WasmTarget>(project, ui, true) {
        Some(toolchain) => Ok(toolchain),
        None => bail!("there is no Rust here that builds wasm"),
    }
}

/// The toolchain if it is there, without a word.
pub(crate) fn toolchain_if_there(project: &Project) -> Option<Toolchain> {
    rust::WasmTarget::find(project).ok().map(|(toolchain, _)| toolchain)
}

/// One tool: found, or brought if that is wanted, or missed with advice.
fn step<T: Tool>(project: &Project, ui: &Ui, bring: bool) -> Option<T::Found> {
    let result = match T::find(project) {
        Err(_) if bring => {
            ui.busy(T::NAME);
            T::bring(project, ui).and_then(|()| T::find(project))
        }
        result => result,
    };
    match result {
        Ok((found, text)) => {
            ui.step(Mark::Done, &text);
            Some(found)
        }
        Err(error) => {
            let mark = if T::OPTIONAL { Mark::Spare } else { Mark::Missing };
            let by_hand = bring.then(T::by_hand);
            ui.step(mark, &missing(T::NAME, &format!("{error:#}"), by_hand.as_deref()));
            None
        }
    }
}

/// `envoy: not here yet`, and where bringing it failed `. By hand: …`
fn missing(name: &str, why: &str, by_hand: Option<&str>) -> String {
    let why = why.trim_end_matches('.');
    by_hand.map_or_else(|| format!("{name}: {why}"), |by_hand| format!("{name}: {why}. {by_hand}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_comes_with_advice() {
        let expected = "envoy: python3 is not in PATH. By hand: install it";
        assert_eq!(missing("envoy", "python3 is not in PATH.", Some("By hand: install it")), expected);
        assert_eq!(missing("envoy", "not here yet", None), "envoy: not here yet");
    }
}
