//! Debian's packages: installed where this user may, or unpacked under `target/` where that is enough.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::run;

/// Installs packages without recommended ones, as root or by a `sudo` that asks for no password.
///
/// Never at the price of another package: apt gives up where it would have to remove one.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    ensure!(run::which("apt-get").is_some(), "there is no apt-get here");
    let Some(prefix) = root_prefix() else { bail!("not root, and no sudo without a password") };
    update(&prefix)?;
    let options = ["install", "--yes", "--quiet", "--no-install-recommends", "--no-remove"];
    run::capture(apt_get(&prefix).args(options).args(packages))?;
    Ok(())
}

/// Unpacks one package into a folder, which must not exist: no scripts, no services, no dependencies, no root.
pub(super) fn unpack(package: &str, folder: &Path) -> Result<()> {
    unpack_all(&[package], folder)
}

/// Unpacks packages into one folder, such as a program and the libraries that not every machine has.
pub(super) fn unpack_all(packages: &[&str], folder: &Path) -> Result<()> {
    let partial = folder.with_extension("partial");
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial).with_context(|| format!("making {}", partial.display()))?;
    let result = download(packages, &partial).and_then(|()| {
        for archive in files(&partial, "deb")? {
            run::capture(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(partial.join("files")))?;
        }
        fs::rename(partial.join("files"), folder).with_context(|| format!("making {}", folder.display()))
    });
    let _ = fs::remove_dir_all(&partial);
    result
}

/// The only file with that extension in a folder.
pub(super) fn only_file(folder: &Path, extension: &str) -> Result<PathBuf> {
    let file = files(folder, extension)?.pop();
    file.with_context(|| format!("no .{extension} file was downloaded"))
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let files = entries.filter_map(Result::ok).map(|entry| entry.path());
    Ok(files.filter(|file| file.extension().is_some_and(|e| e == extension)).collect())
}

fn download(packages: &[&str], into: &Path) -> Result<()> {
    let fetch = || {
        let mut command = Command::new("apt-get");
        // The folder may be closed to apt's own user.
        command
            .args(["download", "--quiet", "-o", "APT::Sandbox::User=root"])
            .args(packages)
            .current_dir(into);
        run::capture(&mut command).map(drop)
    };
    ensure!(run::which("apt-get").is_some(), "there is no apt-get here");
    // Without package lists the first try fails at once.
    fetch().or_else(|error| match root_prefix() {
        Some(prefix) => update(&prefix).and_then(|()| fetch()),
        None => Err(error),
    })
}

fn update(prefix: &[&str]) -> Result<()> {
    run::capture(apt_get(prefix).args(["update", "--quiet"])).map(drop)
}

/// What makes a command root's: nothing as root, `sudo` where it works without a password.
fn root_prefix() -> Option<Vec<&'static str>> {
    let id = run::capture(Command::new("id").arg("-u")).ok()?;
    if id.trim() == "0" {
        return Some(Vec::new());
    }
    run::which("sudo")?;
    run::capture(Command::new("sudo").args(["-n", "true"])).ok()?;
    Some(vec!["sudo", "-n"])
}

fn apt_get(prefix: &[&str]) -> Command {
    let words: Vec<_> = prefix.iter().chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_runs_as_root_without_questions() {
        let line = |command: Command| {
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line(apt_get(&[])), "env DEBIAN_FRONTEND=noninteractive apt-get");
        assert_eq!(line(apt_get(&["sudo", "-n"])), "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get");
    }
}
