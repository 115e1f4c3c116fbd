//! `scopegate hash`: keyed hashes of passwords.

use std::io::{IsTerminal, Read, stdin};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use scopegate_core::caller::password_hash;

/// Makes the keyed hash of a password.
///
/// The password is read from standard input, or asked for on a terminal; it never stands on the command line.
/// The key is the one that the filter gets in its environment.
#[derive(Args)]
#[command(after_help = "Example:
  export SCOPEGATE_PASSWORD_KEY=$(openssl rand -hex 32)
  openssl rand -hex 20 | tee password | scopegate hash --username prometheus")]
pub(crate) struct Hash {
    /// The user's name
    #[arg(long, short)]
    username: String,
    /// The environment variable that holds the key, at least 16 bytes
    #[arg(long, value_name = "NAME", default_value = "SCOPEGATE_PASSWORD_KEY")]
    key_env: String,
}

impl Hash {
    /// Prints the hash.
    pub(crate) fn run(&self) -> Result<()> {
        ensure!(
            !self.username.is_empty() && !self.username.contains(':'),
            "a user name is not empty and has no `:`"
        );
        let key = std::env::var(&self.key_env)
            .with_context(|| format!("the key: set the environment variable {}", self.key_env))?;
        let password = read_password()?;
        match password_hash(key.as_bytes(), &self.username, password.as_bytes()) {
            Ok(hash) => println!("{hash}"),
            Err(problem) => bail!("{}: {problem}", self.key_env),
        }
        Ok(())
    }
}

/// The password without the line end after it.
fn read_password() -> Result<String> {
    let password = if stdin().is_terminal() {
        rpassword::prompt_password("Password: ")?
    } else {
        let mut text = String::new();
        stdin().read_to_string(&mut text)?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    };
    ensure!(!password.is_empty(), "the password is empty");
    Ok(password)
}
