//! The project's habits, run as `cargo xtask <command>`: setup, wasm, package, test, demo, bench, lint, docs, site,
//! scale.
//!
//! Nothing of the product lives here. What a command says is in `cli`, where things lie in `project`, how other
//! programs are started in `run`, what people see in `ui`; each command is a file or a folder of its own.

mod cli;
mod docs;
mod launch;
mod lint;
mod package;
mod project;
mod run;
mod scale;
mod setup;
mod site;
mod test;
mod ui;
mod wasm;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command};
use project::Project;
use ui::Ui;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ui = Ui::new();
    match dispatch(&cli.command, &ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.error(&error);
            ExitCode::from(run::exit_code(&error))
        }
    }
}

fn dispatch(command: &Command, ui: &Ui) -> Result<()> {
    let project = Project::find()?;
    match command {
        Command::Setup { check: true } => setup::check(&project, ui),
        Command::Setup { check: false } => {
            let _lock = project.lock(ui)?;
            setup::run(&project, ui).map(drop)
        }
        Command::Wasm { features } => {
            let _lock = project.lock(ui)?;
            let toolchain = setup::toolchain(&project, ui)?;
            wasm::build(&project, ui, &toolchain, (*features).into()).map(drop)
        }
        Command::Package { args } => package::run(&project, ui, args),
        Command::Test { cargo, runner } => test::run(&project, ui, cargo, runner),
        Command::Demo { args } => launch::demo(&project, ui, args),
        Command::Bench { args } => launch::bench(&project, ui, args),
        Command::Lint => lint::run(&project, ui),
        Command::Docs { check } => docs::run(&project, ui, *check),
        Command::Site => site::run(&project, ui),
        Command::Scale => {
            scale::print();
            Ok(())
        }
    }
}
