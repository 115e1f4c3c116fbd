//! `test`: every test of the workspace, with the modules and programs that the end-to-end tests need.

use anyhow::{Result, ensure};

use crate::launch::Equipment;
use crate::package;
use crate::project::Project;
use crate::run;
use crate::setup;
use crate::ui::{Stages, Ui};
use crate::wasm::{self, Variant};

pub(crate) fn run(project: &Project, ui: &Ui, cargo: &[String], runner: &[String]) -> Result<()> {
    let mut stages = Stages::new(ui);
    let lock = project.lock(ui)?;
    let tools = stages.stage("setup", || setup::run(project, ui))?;
    ensure!(tools.victoria_metrics.is_some(), "the tests need victoria-metrics: see the line marked above");
    ensure!(tools.alertmanager.is_some(), "the tests need the alertmanager: see the line marked above");
    ensure!(tools.nginx.is_some(), "the tests need nginx: see the line marked above");
    ensure!(tools.registry.is_some(), "the tests need docker-registry: see the line marked above");
    ensure!(tools.skopeo.is_some(), "the tests need skopeo: see the line marked above");
    let (shipped, faults) = stages.stage("modules", || {
        let build = |variant| wasm::build(project, ui, &tools.toolchain, variant);
        anyhow::Ok((build(Variant::Shipped)?, build(Variant::Faults)?))
    })?;
    let bom = package::bom(project, &tools.toolchain, &shipped)?;
    let command = package::command(project)?;
    drop(lock);
    let equipment =
        Equipment { tools, shipped, faults: Some(faults), command: Some(command), bom: Some(bom) };
    stages.stage("tests", || {
        let mut command = project.cargo("test");
        command.args(arguments(cargo, runner)).envs(equipment.variables());
        run::show(&mut command)
    })
}

/// What `cargo test` is told: the whole workspace, unless packages are named.
fn arguments<'a>(cargo: &'a [String], runner: &'a [String]) -> Vec<&'a str> {
    let names_packages = cargo.iter().take_while(|arg| *arg != "--").any(|arg| {
        ["-p", "--package", "--workspace", "--all", "--manifest-path"].contains(&arg.as_str())
            || arg.starts_with("--package=")
            || (arg.starts_with("-p") && !arg.starts_with("--"))
    });
    let mut all = if names_packages { vec![] } else { vec!["--workspace"] };
    all.extend(cargo.iter().map(String::as_str));
    if !runner.is_empty() {
        all.push("--");
        all.extend(runner.iter().map(String::as_str));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tested_unless_packages_are_named() {
        let cases = [
            ("", "", "--workspace"),
            ("--release split", "", "--workspace --release split"),
            ("", "--nocapture", "--workspace -- --nocapture"),
            ("-p scopegate-core", "--nocapture", "-p scopegate-core -- --nocapture"),
            ("split -- -p", "", "--workspace split -- -p"),
            ("-p scopegate-core -- --nocapture", "", "-p scopegate-core -- --nocapture"),
            ("-pscopegate-core", "", "-pscopegate-core"),
            ("--package=scopegate-core", "", "--package=scopegate-core"),
            ("--workspace --exclude xtask", "", "--workspace --exclude xtask"),
        ];
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (cargo, runner, expected) in cases {
            assert_eq!(arguments(&words(cargo), &words(runner)).join(" "), expected);
        }
    }
}
