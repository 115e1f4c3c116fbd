//! `scopegate explain`: what the filter would do with one request, and why, by the filter's own core.
//!
//! Nothing is decided here. The request is told to an `Exchange` as Envoy tells it, with a host whose facts stand on the
//! command line; what the exchange says is what is printed.

pub(crate) mod drive;
pub(crate) mod facts;
pub(crate) mod har;
pub(crate) mod policy;
mod queries;
mod render;
pub(crate) mod request;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use drive::Explanation;
use facts::FactArguments;
use policy::PolicyArguments;
use request::RequestArguments;

/// Says what the filter would do with a request, and why
#[derive(Args)]
#[command(after_help = "\
Examples:
  # A query, by a user whose token jwt_authn verified
  scopegate explain scopegate.yaml 'https://metrics.example.org/api/v1/query?query=up' \\
      --claims '{\"iss\": \"https://idp.example.org\", \"tenant\": \"team-a\"}'
  # A remote write as it was captured, snappy and all
  scopegate explain envoy.yaml https://metrics.example.org/api/v1/push --claims claims.json \\
      -H 'Content-Type: application/x-protobuf' -H 'Content-Encoding: snappy' --data-binary @write.snappy
  # The third request of what a browser recorded
  scopegate explain scopegate.yaml --har grafana.har --entry 3 --token @token.jwt

Nothing is sent. The time is now, and every call is taken to be answered 200. Secrets are taken from the environment.

Exit code: 0 where the request goes on or is answered, 1 where it is refused, 2 for bad arguments.")]
pub(crate) struct Explain {
    /// Scopegate's configuration, or Envoy's with the filter in it; YAML or JSON, `-` for the standard input
    #[arg(value_name = "CONFIG")]
    config: PathBuf,
    /// Where the request goes; what is before the path says the host
    #[arg(required_unless_present = "har", conflicts_with = "har")]
    url: Option<String>,
    #[command(flatten)]
    request: RequestArguments,
    /// A HAR file, as browsers save it, in place of the URL
    #[arg(long, value_name = "FILE", help_heading = "Request")]
    har: Option<PathBuf>,
    /// Which request of the HAR file, counted from 1
    #[arg(long, value_name = "N", default_value_t = 1, requires = "har", help_heading = "Request")]
    entry: usize,
    #[command(flatten)]
    facts: FactArguments,
    #[command(flatten)]
    policy: PolicyArguments,
    /// One JSON object, for tools
    #[arg(long)]
    json: bool,
}

impl Explain {
    /// Prints the explanation.
    pub(crate) fn run(&self) -> ExitCode {
        match self.explain() {
            Ok(explanation) => {
                if self.json {
                    println!("{:#}", render::json(&explanation));
                } else {
                    anstream::print!("{}", render::text(&explanation));
                }
                if explanation.is_refused() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
            }
            Err(error) => {
                eprintln!("scopegate: {error:#}");
                ExitCode::from(2)
            }
        }
    }

    fn explain(&self) -> Result<Explanation> {
        let loaded = self.policy.load(&self.config)?;
        let request = match (&self.url, &self.har) {
            (Some(url), _) => self.request.request(url)?,
            (None, Some(file)) => har::request(file, self.entry)?,
            (None, None) => bail!("give a URL, or --har"),
        };
        let facts = self.facts.facts(&loaded.config, &request)?;
        drive::explain(&loaded, request, &facts)
    }
}
