//! `scopegate schema`: JSON schemas, by which editors complete and check.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::config;
use crate::testing::TestFile;

/// Prints the JSON schema of the configuration, or of another file, for editors
#[derive(Args)]
#[command(after_help = "\
Examples:
  scopegate schema > scopegate.schema.json
  scopegate schema --of tests > tests.schema.json
Then begin a file with the line
  # yaml-language-server: $schema=scopegate.schema.json")]
pub(crate) struct Schema {
    /// Of which file
    #[arg(long, value_enum, default_value = "configuration")]
    of: File,
}

#[derive(Clone, Copy, ValueEnum)]
enum File {
    /// `scopegate.yaml`
    Configuration,
    /// What `scopegate test` reads
    Tests,
}

impl Schema {
    /// Prints it.
    pub(crate) fn run(&self) -> Result<()> {
        let schema = match self.of {
            File::Configuration => config::schema(),
            File::Tests => schemars::schema_for!(TestFile).to_value(),
        };
        println!("{}", serde_json::to_string_pretty(&schema)?);
        Ok(())
    }
}
