//! The `scopegate` command: what people do with a configuration outside Envoy.

mod check;
mod config;
mod convert;
mod diff;
mod document;
mod explain;
mod finding;
mod gateway;
mod hash;
mod metrics;
mod package;
mod push;
mod reference;
mod render;
mod schema;
mod testing;
mod yaml;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use scopegate_core::config::{AgentConfig, Config};

/// Works with Scopegate's configuration, offline.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Check),
    Explain(Box<explain::Explain>),
    Render(render::Render),
    Convert(convert::Convert),
    /// Makes the keyed hash of a password or a token, for `callers[].basic` and `callers[].bearer`
    Hash(hash::Hash),
    Test(testing::Test),
    Diff(Box<diff::Diff>),
    Schema(schema::Schema),
    Package(package::Package),
    Push(push::Push),
    /// Prints the configuration reference as Markdown
    Reference,
    /// Prints the metrics of the filter as Markdown
    Metrics,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check(check) => match check.run() {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Explain(explain) => return explain.run(),
        Command::Render(render) => return render.run(),
        Command::Convert(convert) => return convert.run(),
        Command::Hash(hash) => hash.run(),
        Command::Diff(diff) => return diff.run(),
        Command::Test(test) => return test.run(),
        Command::Schema(schema) => schema.run(),
        Command::Package(package) => package.run(),
        Command::Push(push) => push.run(),
        Command::Reference => {
            print!(
                "{}",
                reference::page(
                    &schemars::schema_for!(Config),
                    &schemars::schema_for!(AgentConfig),
                    &schemars::schema_for!(config::GatewayConfig),
                )
            );
            Ok(())
        }
        Command::Metrics => {
            print!("{}", metrics::page());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scopegate: {error:#}");
            ExitCode::from(2)
        }
    }
}
