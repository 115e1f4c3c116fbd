//! The rig of the end-to-end tests: everything that stands around the filter while it is tested.
//!
//! A test starts a stand-in for the backend ([`cortex::Cortex`]), builds a bootstrap that leads to it
//! ([`bootstrap::Bootstrap`]), starts a real Envoy on it ([`envoy::Envoy`]), and talks to that through a client that can
//! misbehave ([`client::Client`]). What the backend received is the proof.
//!
//! Nothing here decides anything about tenants, and nothing waits for a fixed time: every wait has a condition and
//! a deadline ([`wait`]). Every port is chosen by the kernel, so all tests run at once.

pub mod alertmanager;
pub mod bootstrap;
pub mod certificates;
pub mod client;
pub mod command;
pub mod cortex;
pub mod envoy;
pub mod example;
pub mod grafana;
pub mod identity;
pub mod keycloak;
pub mod kubernetes;
pub mod loki;
pub mod names;
pub mod nginx;
pub mod oci;
pub mod otlp;
pub mod page;
pub mod ports;
pub mod process;
pub mod prometheus;
pub mod remote_write;
pub mod session;
pub mod victoriametrics;
pub mod wait;

/// A file that the project's commands leave under the workspace's `target`.
pub fn target_file(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(path)
}
