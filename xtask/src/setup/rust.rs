//! A Rust that builds for wasm32-unknown-unknown: the active toolchain with that target, or Debian's, which builds the
//! standard library from its source package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{Tool, apt};
use crate::project::Project;
use crate::run;
use crate::ui::Ui;
use crate::wasm::{DEBIAN_CARGO, DEBIAN_RUSTC, TARGET, Toolchain};

/// Debian's Rust for its browsers: the only one of its packages that keeps up with ours, and its source.
const PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];
/// Its linker, where there is no toolchain of rustup's that has one.
const LINKER_PACKAGE: &str = "lld";
/// The oldest Rust that builds this workspace, `major.minor`.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

pub(super) struct WasmTarget;

impl Tool for WasmTarget {
    type Found = Toolchain;
    const NAME: &'static str = "wasm32-unknown-unknown";

    fn find(_: &Project) -> Result<(Toolchain, String)> {
        if has_target()? {
            let version = version(Path::new("rustc"))?;
            return Ok((Toolchain::Active, format!("rust {version} with {TARGET}")));
        }
        let (linker, version) = debian()?;
        let text = format!("rust {version} of Debian with {TARGET} from source");
        Ok((Toolchain::Debian { linker }, text))
    }

    fn bring(_: &Project, ui: &Ui) -> Result<()> {
        ui.busy(&format!("rustup target add {TARGET}"));
        let Err(error) = rustup() else { return Ok(()) };
        ui.busy("installing Debian's Rust and its source (100 MB)");
        let linker = linker().is_err().then_some(LINKER_PACKAGE);
        let packages: Vec<_> = PACKAGES.iter().copied().chain(linker).collect();
        apt::install(&packages).with_context(|| format!("{error:#}; installing Debian's instead"))
    }

    fn by_hand() -> String {
        format!(
            "By hand: `rustup target add {TARGET}`, or on Debian `apt-get install {} {LINKER_PACKAGE}`",
            PACKAGES.join(" ")
        )
    }
}

/// Whether the active toolchain has the target's standard library.
fn has_target() -> Result<bool> {
    let libraries =
        run::capture(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
    // The folder is named even where it does not exist.
    let Ok(entries) = fs::read_dir(libraries.trim_end()) else { return Ok(false) };
    let is_std = |name: &str| name.starts_with("libstd-");
    Ok(entries.filter_map(Result::ok).any(|entry| entry.file_name().to_str().is_some_and(is_std)))
}

fn rustup() -> Result<()> {
    ensure!(run::which("rustup").is_some(), "the active toolchain is not rustup's");
    run::capture(Command::new("rustup").args(["target", "add", TARGET])).map(drop)
}

/// Debian's Rust, its source and a linker: the linker and the version.
fn debian() -> Result<(PathBuf, String)> {
    let rustc = Path::new(DEBIAN_RUSTC);
    ensure!(
        run::is_executable(rustc) && run::is_executable(Path::new(DEBIAN_CARGO)),
        "the active toolchain lacks the target"
    );
    let version = version(rustc)?;
    ensure!(
        at_least(&version, OLDEST),
        "Debian's Rust is {version}, older than {OLDEST} (newer ones come with its security updates)"
    );
    let sysroot = run::capture(Command::new(rustc).args(["--print", "sysroot"]))?;
    let source = Path::new(sysroot.trim_end()).join("lib/rustlib/src/rust/library/std/Cargo.toml");
    ensure!(source.exists(), "Debian's Rust is here without its source");
    Ok((linker()?, version))
}

/// A linker for wasm: what rustup's toolchains bring, else LLVM's own.
fn linker() -> Result<PathBuf> {
    let libraries = run::capture(Command::new("rustc").args(["--print", "target-libdir"]))?;
    let brought = Path::new(libraries.trim_end()).with_file_name("bin").join("rust-lld");
    if run::is_executable(&brought) {
        return Ok(brought);
    }
    run::which("wasm-ld").context("there is no linker for wasm (rust-lld, wasm-ld)")
}

/// `1.96.0` of `rustc 1.96.0 (ac68faa20 2026-07-20)`.
fn version(rustc: &Path) -> Result<String> {
    let output = run::capture(Command::new(rustc).arg("--version"))?;
    match output.split_whitespace().nth(1) {
        Some(version) => Ok(version.to_owned()),
        None => bail!("`{} --version` says nothing", rustc.display()),
    }
}

/// Whether a version is not older than another, by major and minor.
fn at_least(version: &str, oldest: &str) -> bool {
    let parse = |version: &str| -> Option<(u32, u32)> {
        let mut parts = version.split(['.', '-']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    matches!((parse(version), parse(oldest)), (Some(version), Some(oldest)) if version >= oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let cases = [
            ("1.96.0", "1.90", true),
            ("1.90.0", "1.90", true),
            ("1.85.0", "1.90", false),
            ("1.100.0", "1.90", true),
            ("2.0.0", "1.90", true),
            ("1.97.0-nightly", "1.90", true),
            ("unknown", "1.90", false),
            ("1.96.0", "", false),
        ];
        for (version, oldest, expected) in cases {
            assert_eq!(at_least(version, oldest), expected, "{version} {oldest}");
        }
    }

    #[test]
    fn the_workspace_says_which_rust_it_needs() {
        assert!(at_least(OLDEST, "1.0"), "{OLDEST:?}");
    }
}
