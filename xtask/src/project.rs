//! Where things lie: the tree's root, what is built under `target/`, and the project's own cargo.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::ui::Ui;

/// A checked-out tree.
pub(crate) struct Project {
    root: PathBuf,
    /// In CI the lock file is law.
    locked: bool,
}

impl Project {
    /// The tree that `cargo xtask` was started in.
    ///
    /// Asked at run time: a `CARGO_TARGET_DIR` may be shared by several trees, so the path at compile time can be
    /// another tree's.
    pub(crate) fn find() -> Result<Self> {
        let start = match env::var_os("CARGO_MANIFEST_DIR") {
            Some(xtask) => PathBuf::from(xtask),
            None => env::current_dir().context("the current directory is gone")?,
        };
        let root = start.ancestors().find(|dir| dir.join("xtask/Cargo.toml").is_file());
        let Some(root) = root else { bail!("not inside the project's tree: {}", start.display()) };
        Ok(Self { root: root.to_owned(), locked: is_ci(env::var("CI").ok().as_deref()) })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What is built for people lies here, also when `CARGO_TARGET_DIR` points elsewhere.
    pub(crate) fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// Programs that setup brings.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target().join("tools")
    }

    /// A path as people read it: relative to the root if inside.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// `cargo <subcommand>` of the toolchain that runs this, in the root.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        self.with_subcommand(Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())), subcommand)
    }

    /// Any cargo with its subcommand, in the root; in CI with `--locked`, which only `fmt` does not know.
    pub(crate) fn with_subcommand(&self, mut cargo: Command, subcommand: &str) -> Command {
        let locked = (self.locked && subcommand != "fmt").then_some("--locked");
        cargo.arg(subcommand).args(locked).current_dir(&self.root);
        cargo
    }

    /// Held while setup or a module is under way, so that two commands at once do not write the same files. Freed
    /// when dropped, and when the process ends or becomes another program.
    pub(crate) fn lock(&self, ui: &Ui) -> Result<File> {
        let path = self.target().join(".xtask-lock");
        fs::create_dir_all(self.target()).with_context(|| format!("making {}", self.target().display()))?;
        let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => ui.busy("waiting for another `cargo xtask` in this tree"),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
        file.lock().with_context(|| format!("locking {}", path.display()))?;
        Ok(file)
    }
}

/// Whether the variable `CI` says that this is CI.
fn is_ci(value: Option<&str>) -> bool {
    !matches!(value, None | Some("" | "0" | "false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_is_what_the_variable_says() {
        for (value, expected) in [
            (None, false),
            (Some(""), false),
            (Some("false"), false),
            (Some("0"), false),
            (Some("true"), true),
        ] {
            assert_eq!(is_ci(value), expected, "{value:?}");
        }
    }

    #[test]
    fn paths_are_shown_relative_to_the_root() {
        let project = Project { root: "/tree".into(), locked: false };
        assert_eq!(project.shown(Path::new("/tree/target/tools/envoy")), "target/tools/envoy");
        assert_eq!(project.shown(Path::new("/usr/bin/prometheus")), "/usr/bin/prometheus");
    }
}
