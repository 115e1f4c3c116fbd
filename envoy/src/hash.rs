//! `scopegate hash`: keyed hashes of passwords and tokens.

use std::io::{IsTerminal, Read, stdin};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use scopegate_core::caller::{password_hash, token_hash};

/// Makes the keyed hash of a password, or of a bearer token.
///
/// The secret is read from standard input, or asked for on a terminal; it never stands on the command line.
/// The key is the one that the filter gets in its environment.
#[derive(Args)]
#[command(after_help = "Example:
  export SCOPEGATE_PASSWORD_KEY=$(openssl rand -hex 32)
  openssl rand -hex 20 | tee password | scopegate hash --username prometheus
  openssl rand -hex 20 | tee token | scopegate hash --token")]
pub(crate) struct Hash {
    /// The user's name
    #[arg(long, short, required_unless_present = "token")]
    username: Option<String>,
    /// The hash is of a bearer token, which has no user
    #[arg(long, conflicts_with = "username")]
    token: bool,
    /// The environment variable that holds the key, at least 16 bytes
    #[arg(long, value_name = "NAME", default_value = "SCOPEGATE_PASSWORD_KEY")]
    key_env: String,
}

impl Hash {
    /// Prints the hash.
    pub(crate) fn run(&self) -> Result<()> {
        if let Some(name) = &self.username {
            ensure!(!name.is_empty() && !name.contains(':'), "a user name is not empty and has no `:`");
        }
        let key = std::env::var(&self.key_env)
            .with_context(|| format!("the key: set the environment variable {}", self.key_env))?;
        let secret = read_secret(if self.token { "Token: " } else { "Password: " })?;
        let hash = match &self.username {
            Some(name) => password_hash(key.as_bytes(), name, secret.as_bytes()),
            None => token_hash(key.as_bytes(), secret.as_bytes()),
        };
        match hash {
            Ok(hash) => println!("{hash}"),
            Err(problem) => bail!("{}: {problem}", self.key_env),
        }
        Ok(())
    }
}

/// The secret without the line end after it.
fn read_secret(prompt: &str) -> Result<String> {
    let secret = if stdin().is_terminal() {
        rpassword::prompt_password(prompt)?
    } else {
        let mut text = String::new();
        stdin().read_to_string(&mut text)?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    };
    ensure!(!secret.is_empty(), "the secret is empty");
    Ok(secret)
}
