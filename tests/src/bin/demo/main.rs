//! The main job, before one's eyes: mixed remote-write traffic goes into a real Envoy with the filter, and arrives
//! split by tenant.
//!
//! `cargo xtask demo` sets everything up and runs this.

mod backend;
mod say;
mod story;
mod traffic;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

/// Shows Scopegate at work: one privileged agent writes for many tenants, through a real Envoy.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask demo",
    after_help = "Examples:
  cargo xtask demo                                   stay up and try by hand
  cargo xtask demo --once                            show it and end; 0 only if all was as it should be
  CORTEX_URL=http://127.0.0.1:9009 cargo xtask demo  in front of a real Cortex"
)]
struct Arguments {
    /// End after the summary
    #[arg(long)]
    once: bool,
    /// The port Envoy listens on; by default a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    port: u16,
    /// A real Cortex in place of the built-in stand-in, such as `http://127.0.0.1:9009`
    #[arg(long, env = "CORTEX_URL", value_name = "URL", value_parser = address)]
    cortex_url: Option<SocketAddr>,
    /// Make up the samples even if there is a Prometheus on this machine
    #[arg(long)]
    no_prometheus: bool,
}

/// The address in an `http://` URL without a path.
fn address(url: &str) -> Result<SocketAddr> {
    use std::net::ToSocketAddrs;
    let host = url.strip_prefix("http://").context("give an http:// URL")?.trim_end_matches('/');
    ensure!(!host.contains('/'), "give a URL without a path");
    let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    with_port.to_socket_addrs()?.next().context("this host has no address")
}

#[tokio::main]
async fn main() -> ExitCode {
    match story::tell(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say::failure(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
