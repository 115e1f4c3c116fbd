//! The page `docs/packaging.md`: its commands are run as they stand there, but for the registry, which is one of ours.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use scopegate_tests::oci::{Registry, output, scopegate, skopeo};

use crate::pulling::package;

/// The blocks of the page in this language.
pub(crate) fn blocks(language: &str) -> Result<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/packaging.md");
    let text = std::fs::read_to_string(&page).context("docs/packaging.md")?;
    let pieces = text.split("```").skip(1).step_by(2);
    Ok(pieces.filter_map(|piece| piece.strip_prefix(&format!("{language}\n"))).map(str::to_owned).collect())
}

/// A program in front of another: it leads to our registry, which has no TLS.
fn stand_in(folder: &Path, name: &str, program: &Command, cases: &str) -> Result<()> {
    let words: Vec<_> = std::iter::once(program.get_program()).chain(program.get_args()).collect();
    let words: Vec<_> = words.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let script = format!("#!/bin/sh\nset -e\n{cases}\nexec {} \"$@\"\n", words.join(" "));
    let file = folder.join(name);
    std::fs::write(&file, script)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[tokio::test]
async fn commands_do_what_they_say() -> Result<()> {
    let registry = Registry::start().await?;
    let dir = tempfile::tempdir()?;
    // What `cargo xtask package` leaves.
    package("release", &dir.path().join("target/package"))?;
    let programs = dir.path().join("programs");
    std::fs::create_dir(&programs)?;
    stand_in(&programs, "cargo", &Command::new("true"), "")?;
    stand_in(&programs, "scopegate", &scopegate(), "set -- \"$@\" --plain-http")?;
    let cases = "case $1 in copy) set -- \"$@\" --dest-tls-verify=false;; inspect) set -- \"$@\" --tls-verify=false;; esac";
    stand_in(&programs, "skopeo", &skopeo(), cases)?;

    let mut told = String::new();
    for block in blocks("sh")? {
        let block = block.replace("registry.example.org", &registry.address().to_string());
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &block]).current_dir(dir.path());
        shell
            .env("PATH", format!("{}:{path}", programs.display()))
            .env_remove("HOME")
            .env_remove("DOCKER_CONFIG");
        told += &output(&mut shell).context(block)?;
    }
    for expected in ["scopegate.wasm: OK", "/scopegate:0.1.0@sha256:", "org.opencontainers.image.title"] {
        assert!(told.contains(expected), "{expected} is not in {told}");
    }
    Ok(())
}
