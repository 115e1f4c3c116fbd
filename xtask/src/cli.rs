//! What can be said on the command line, with its help.

use clap::{Parser, Subcommand, ValueEnum};

use crate::wasm::Variant;

/// The project's habits. Each does all the set-up it needs.
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask demo     see the main job at work on a fresh machine
  cargo xtask test     run every test, with a real Envoy
  cargo xtask lint     what CI checks besides the tests

Environment:
  ENVOY_BIN            an Envoy of your own instead of the one that setup brings
  PROMETHEUS_BIN       a Prometheus of your own
  NO_COLOR             no colours";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring what the other commands need: Envoy, a Rust that builds wasm, Prometheus.
    #[command(after_help = "\
Examples:
  cargo xtask setup            bring what is missing; quick when nothing is
  cargo xtask setup --check    only say what is missing (exit code 1 if something is)")]
    Setup {
        /// Only report; change nothing.
        #[arg(long)]
        check: bool,
    },

    /// Build the filter's module: target/scopegate.wasm.
    #[command(after_help = "\
Examples:
  cargo xtask wasm                      target/scopegate.wasm
  cargo xtask wasm --features faults    target/scopegate-faults.wasm, which tests make trap; never shipped")]
    Wasm {
        /// Build another variant of the module.
        #[arg(long)]
        features: Option<Features>,
    },

    /// Build the module and package it: OCI image and artifact, plain files, SBOM, checksums, under target/package.
    #[command(after_help = "\
Examples:
  cargo xtask package                                        target/package
  cargo xtask package --source https://example.org/scopegate    with options of `scopegate package`")]
    Package {
        /// Options of `scopegate package`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },

    /// Run all tests, the end-to-end tests in a real Envoy among them.
    #[command(after_help = "\
Examples:
  cargo xtask test                                      everything
  cargo xtask test -p scopegate-core tenant             the core's tests with `tenant` in their name
  cargo xtask test -p scopegate-tests -- --nocapture    with what the tests print")]
    Test {
        /// Arguments of `cargo test`, a `--` and more for the test programs among them. A package (`-p`) takes the
        /// place of the whole workspace.
        #[arg(allow_hyphen_values = true, value_name = "ARGS")]
        cargo: Vec<String>,
        /// What follows where `--` comes first; clap leaves a later one where it is.
        #[arg(last = true, hide = true)]
        runner: Vec<String>,
    },

    /// See the main job at work: Envoy with the filter between senders, users and a backend.
    #[command(after_help = "\
Examples:
  cargo xtask demo              until Ctrl-C
  cargo xtask demo --once       one round, then exit
  cargo xtask demo -- --help    the demo's own options")]
    Demo {
        /// Arguments of the demo.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },

    /// Measure against the budgets.
    #[command(after_help = "\
Examples:
  cargo xtask bench              every case
  cargo xtask bench -- --help    the benchmark's own options")]
    Bench {
        /// Arguments of the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },

    /// Check what CI checks besides the tests: format, clippy, documentation.
    #[command(after_help = "\
Example:
  cargo xtask lint")]
    Lint,

    /// Write docs/configuration.md, docs/metrics.md and dashboards/scopegate.json from the code.
    #[command(after_help = "\
Examples:
  cargo xtask docs            write them
  cargo xtask docs --check    only compare (exit code 1 if one is out of date)")]
    Docs {
        /// Only compare; write nothing.
        #[arg(long)]
        check: bool,
    },

    /// Make a static site of the Markdown: target/site.
    #[command(after_help = "\
Example:
  cargo xtask site && open target/site/index.html")]
    Site,

    /// Compute what to run for many tenants, from measured costs: the tables of docs/scale.md.
    #[command(after_help = "\
Example:
  cargo xtask scale")]
    Scale,
}

/// The variants of the module that `--features` names.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Features {
    /// Can be told to trap.
    Faults,
}

impl From<Option<Features>> for Variant {
    fn from(features: Option<Features>) -> Self {
        match features {
            None => Self::Shipped,
            Some(Features::Faults) => Self::Faults,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Command {
        Cli::try_parse_from(line.split(' ')).expect(line).command
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_reach_the_program_they_are_for() {
        let cases = [
            ("xtask test", "", ""),
            ("xtask test --release name", "--release name", ""),
            ("xtask test -p scopegate-core -- --nocapture", "-p scopegate-core -- --nocapture", ""),
            ("xtask test -- --nocapture", "", "--nocapture"),
        ];
        for (line, expected_cargo, expected_runner) in cases {
            let Command::Test { cargo, runner } = parse(line) else { panic!("{line}") };
            assert_eq!(cargo.join(" "), expected_cargo, "{line}");
            assert_eq!(runner.join(" "), expected_runner, "{line}");
        }
        for (line, expected) in [
            ("xtask demo", ""),
            ("xtask demo --once", "--once"),
            ("xtask demo -- --help", "--help"),
            ("xtask demo --port 1 -v", "--port 1 -v"),
        ] {
            let Command::Demo { args } = parse(line) else { panic!("{line}") };
            assert_eq!(args.join(" "), expected, "{line}");
        }
    }

    #[test]
    fn features_choose_the_module() {
        let cases = [("xtask wasm", Variant::Shipped), ("xtask wasm --features faults", Variant::Faults)];
        for (line, expected) in cases {
            let Command::Wasm { features } = parse(line) else { panic!("{line}") };
            assert_eq!(Variant::from(features), expected, "{line}");
        }
        assert!(Cli::try_parse_from(["xtask", "wasm", "--features", "other"]).is_err());
    }
}
