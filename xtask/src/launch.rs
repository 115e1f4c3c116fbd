//! `demo` and `bench`: programs of the crate `scopegate-tests`, built, equipped and run in place of this one.

use std::path::PathBuf;

use anyhow::Result;

use crate::project::Project;
use crate::run;
use crate::setup::{self, Tools};
use crate::ui::Ui;
use crate::wasm::{self, Variant};

/// What the programs and tests that run Envoy are handed, by environment variables with absolute paths.
pub(crate) struct Equipment {
    pub(crate) tools: Tools,
    pub(crate) shipped: PathBuf,
    pub(crate) faults: Option<PathBuf>,
    /// The `scopegate` command.
    pub(crate) command: Option<PathBuf>,
    /// What the shipped module is made of.
    pub(crate) bom: Option<PathBuf>,
}

impl Equipment {
    pub(crate) fn variables(&self) -> Vec<(&'static str, PathBuf)> {
        let all = [
            ("ENVOY_BIN", Some(&self.tools.envoy)),
            ("SCOPEGATE_WASM", Some(&self.shipped)),
            ("SCOPEGATE_FAULTS_WASM", self.faults.as_ref()),
            ("PROMETHEUS_BIN", self.tools.prometheus.as_ref()),
            ("VICTORIA_METRICS_BIN", self.tools.victoria_metrics.as_ref()),
            ("ALERTMANAGER_BIN", self.tools.alertmanager.as_ref()),
            ("NGINX_BIN", self.tools.nginx.as_ref()),
            ("DOCKER_REGISTRY_BIN", self.tools.registry.as_ref()),
            ("SKOPEO_BIN", self.tools.skopeo.as_ref()),
            ("SCOPEGATE_BIN", self.command.as_ref()),
            ("SCOPEGATE_BOM", self.bom.as_ref()),
        ];
        all.into_iter().filter_map(|(name, path)| Some((name, path?.clone()))).collect()
    }
}

/// Shows the main job.
pub(crate) fn demo(project: &Project, ui: &Ui, args: &[String]) -> Result<()> {
    launch(project, ui, "demo", false, args)
}

/// Measures against the budgets.
pub(crate) fn bench(project: &Project, ui: &Ui, args: &[String]) -> Result<()> {
    launch(project, ui, "bench", true, args)
}

fn launch(project: &Project, ui: &Ui, program: &str, with_faults: bool, args: &[String]) -> Result<()> {
    let lock = project.lock(ui)?;
    let tools = setup::run(project, ui)?;
    let build = |variant| wasm::build(project, ui, &tools.toolchain, variant);
    let shipped = build(Variant::Shipped)?;
    let faults = with_faults.then(|| build(Variant::Faults)).transpose()?;
    drop(lock);
    let equipment = Equipment { tools, shipped, faults, command: None, bom: None };

    let which = ["--release", "--package", "scopegate-tests", "--bin", program];
    // First with cargo's progress, which can be long, then without.
    run::show(project.cargo("build").args(which))?;
    let mut command = project.cargo("run");
    command.arg("--quiet").args(which).arg("--").args(args).envs(equipment.variables());
    match run::become_program(&mut command)? {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::Toolchain;

    #[test]
    fn only_what_is_there_is_handed_on() {
        let names = |spare: Option<&str>, faults: Option<&str>| {
            let spare = spare.map(PathBuf::from);
            let tools = Tools {
                envoy: "/envoy".into(),
                toolchain: Toolchain::Active,
                prometheus: spare.clone(),
                victoria_metrics: spare.clone(),
                alertmanager: spare.clone(),
                nginx: spare.clone(),
                registry: spare.clone(),
                skopeo: spare.clone(),
            };
            let faults = faults.map(PathBuf::from);
            let equipment =
                Equipment { tools, shipped: "/s.wasm".into(), faults, command: spare.clone(), bom: spare };
            equipment.variables().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(None, None), "ENVOY_BIN SCOPEGATE_WASM");
        let all = "ENVOY_BIN SCOPEGATE_WASM SCOPEGATE_FAULTS_WASM PROMETHEUS_BIN VICTORIA_METRICS_BIN \
                   ALERTMANAGER_BIN NGINX_BIN DOCKER_REGISTRY_BIN SKOPEO_BIN SCOPEGATE_BIN SCOPEGATE_BOM";
        assert_eq!(names(Some("/p"), Some("/f.wasm")), all);
    }
}
