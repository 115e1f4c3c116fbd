//! The two ways to a Rust for wasm, and how each runs cargo.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::flags;
use crate::project::Project;
use crate::run;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
pub(crate) const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
pub(crate) const DEBIAN_CARGO: &str = "/usr/bin/cargo";
pub(crate) const DEBIAN_CLIPPY: &str = "/usr/bin/cargo-clippy";

/// Builds for wasm.
#[derive(Debug)]
pub(crate) enum Toolchain {
    /// The toolchain that runs this, which has the target.
    Active,
    /// Debian's, which builds the standard library for it.
    Debian { linker: PathBuf },
}

impl Toolchain {
    /// `cargo <subcommand>` for the target, with all flags.
    pub(crate) fn cargo(&self, project: &Project, subcommand: &str) -> Command {
        let mut command = match self {
            Self::Active => project.cargo(subcommand),
            Self::Debian { linker } => {
                // By its path: cargo would look for a clippy in rustup's folder first.
                let program = if subcommand == "clippy" { DEBIAN_CLIPPY } else { DEBIAN_CARGO };
                let mut command = project.with_subcommand(Command::new(program), subcommand);
                let names = env::vars_os().map(|(name, _)| name);
                for name in names.filter(|name| name.to_str().is_some_and(names_another_toolchain)) {
                    command.env_remove(name);
                }
                command.env("CARGO", DEBIAN_CARGO).env("RUSTC", DEBIAN_RUSTC);
                command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                // The one thing here that stable Rust does not offer.
                command.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=std,panic_abort");
                command
            }
        };
        command.args(["--target", TARGET]);
        // Above every other source of flags, so that a module is the same whatever the user has set.
        command.env("CARGO_ENCODED_RUSTFLAGS", flags::encoded(project));
        // Gives each variant of the module a file of its own under `deps/`, so that building one does not make the
        // other stale. Cargo's own: should it go, builds become slower, not wrong.
        command.env("__CARGO_DEFAULT_LIB_METADATA", "scopegate");
        command
    }

    /// The version of Rust that it is, such as `1.96.0`.
    pub(crate) fn version(&self) -> Result<String> {
        let rustc = match self {
            Self::Active => "rustc",
            Self::Debian { .. } => DEBIAN_RUSTC,
        };
        let output = run::capture(Command::new(rustc).arg("--version"))?;
        let version = output.split_whitespace().nth(1);
        Ok(version.with_context(|| format!("`{rustc} --version` says nothing"))?.to_owned())
    }
}

/// Whether a variable is one that rustup or cargo set for the toolchain that runs this.
fn names_another_toolchain(name: &str) -> bool {
    ["RUSTUP_", "CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix))
        || ["CARGO", "RUSTC", "RUSTDOC", "RUST_RECURSION_COUNT", "LD_LIBRARY_PATH"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_toolchain_is_forgotten_and_nothing_else() {
        for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "CARGO_MANIFEST_DIR", "LD_LIBRARY_PATH"] {
            assert!(names_another_toolchain(name), "{name}");
        }
        for name in
            ["CARGO_HOME", "CARGO_HTTP_PROXY", "CARGO_NET_OFFLINE", "CARGO_TERM_COLOR", "PATH", "HOME"]
        {
            assert!(!names_another_toolchain(name), "{name}");
        }
    }
}
