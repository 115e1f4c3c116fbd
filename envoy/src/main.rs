//! The `scopegate` command: what people do with a configuration outside Envoy.

mod check;
mod commands;
mod config;
mod convert;
mod dashboard;
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
#[command(
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  scopegate check scopegate.yaml         what is wrong with a configuration, and where
  scopegate test tests.yaml              whether requests become what they must
  scopegate diff old.yaml new.yaml       who gains and who loses which tenant
  scopegate explain --help               what becomes of one request, and why

Exit code: 0 where all is well, 1 where it is not, 2 where it could not be done."
)]
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
    #[command(after_help = "Example:\n  scopegate reference > configuration.md")]
    Reference,
    /// Prints the metrics of the filter as Markdown
    #[command(after_help = "Example:\n  scopegate metrics > metrics.md")]
    Metrics,
    Completions(commands::Completions),
    /// Prints the page of the commands as Markdown
    #[command(hide = true)]
    Commands,
    /// Prints Grafana's dashboard of the metrics
    #[command(after_help = "Example:\n  scopegate dashboard > scopegate.json")]
    Dashboard,
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
        Command::Completions(completions) => {
            completions.run::<Arguments>();
            Ok(())
        }
        Command::Commands => {
            print!("{}", commands::page::<Arguments>());
            Ok(())
        }
        Command::Metrics => {
            print!("{}", metrics::page());
            Ok(())
        }
        Command::Dashboard => {
            print!("{}", dashboard::page());
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_is_whole() {
        Arguments::command().debug_assert();
        assert_eq!(commands::without_examples::<Arguments>(), [""; 0], "each has examples in its help");
    }
}
