//! `wasm`: builds the filter's module, copies it to its place, and holds it to its size.

mod flags;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::project::Project;
use crate::run;
use crate::ui::{Mark, Ui};

pub(crate) use toolchain::{DEBIAN_CARGO, DEBIAN_CLIPPY, DEBIAN_RUSTC, TARGET, Toolchain};

/// What the shipped module should weigh at most, in bytes.
const BUDGET: u64 = 900_000;
/// What it must not weigh.
const LIMIT: u64 = 1_200_000;

/// Which module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The one people run.
    Shipped,
    /// The one that can be told to trap, for tests of what follows. No budget.
    Faults,
}

impl Variant {
    fn file(self) -> &'static str {
        match self {
            Self::Shipped => "scopegate.wasm",
            Self::Faults => "scopegate-faults.wasm",
        }
    }

    fn features(self) -> &'static [&'static str] {
        match self {
            Self::Shipped => &[],
            Self::Faults => &["--features", "faults"],
        }
    }
}

/// Builds a module; its absolute path under `target/`. The caller holds the project's lock.
pub(crate) fn build(project: &Project, ui: &Ui, toolchain: &Toolchain, variant: Variant) -> Result<PathBuf> {
    let built_in = project.target().join("wasm");
    let mut cargo = toolchain.cargo(project, "rustc");
    cargo.args(["--package", "scopegate-filter", "--lib", "--profile", "wasm"]).args(variant.features());
    // As the only crate type: with an rlib beside it cargo leaves link-time optimisation out.
    cargo.args(["--crate-type", "cdylib"]);
    cargo.arg("--target-dir").arg(&built_in);
    run::show(&mut cargo)?;

    let module = project.target().join(variant.file());
    copy(&built_in.join(TARGET).join("wasm/scopegate.wasm"), &module)?;
    let size = fs::metadata(&module).context("the module")?.len();
    let text = weighed(variant, size, &project.shown(&module));
    if variant == Variant::Shipped {
        ensure!(size <= LIMIT, "{text}: too big");
    }
    let is_within = variant == Variant::Faults || size <= BUDGET;
    ui.step(if is_within { Mark::Done } else { Mark::Spare }, &text);
    Ok(module)
}

/// Whoever reads the module meanwhile sees the old or the new one, whole.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let partial = to.with_extension("wasm.partial");
    fs::copy(from, &partial).with_context(|| format!("copying {}", from.display()))?;
    fs::rename(&partial, to).with_context(|| format!("writing {}", to.display()))
}

/// `module 114.2 KB of 900 KB (target/scopegate.wasm)`
fn weighed(variant: Variant, size: u64, path: &str) -> String {
    let kilobytes = format!("{}.{} KB", size / 1000, size % 1000 / 100);
    match variant {
        Variant::Shipped => format!("module {kilobytes} of {} KB ({path})", BUDGET / 1000),
        Variant::Faults => format!("module with faults {kilobytes} ({path})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let cases = [
            (Variant::Shipped, 95_179, "module 95.1 KB of 900 KB (x)"),
            (Variant::Shipped, 900_099, "module 900.0 KB of 900 KB (x)"),
            (Variant::Faults, 86, "module with faults 0.0 KB (x)"),
        ];
        for (variant, size, expected) in cases {
            assert_eq!(weighed(variant, size, "x"), expected);
        }
    }
}
