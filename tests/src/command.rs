//! The `scopegate` command, for what it renders.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, ensure};

/// The binary: `SCOPEGATE_BIN`, else the workspace's own, built where it is not there yet.
fn binary() -> Result<&'static Path> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let binary = BINARY.get_or_init(|| {
        if let Some(named) = std::env::var_os("SCOPEGATE_BIN") {
            return Ok(named.into());
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "--package", "scopegate"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        match command.status() {
            Ok(status) if status.success() => Ok(crate::target_file("debug/scopegate")),
            Ok(status) => Err(format!("building the command: {status}")),
            Err(error) => Err(format!("building the command: {error}")),
        }
    });
    binary.as_ref().map(PathBuf::as_path).map_err(|problem| anyhow::anyhow!("{problem}"))
}

/// What `scopegate render` makes of a configuration: `envoy.yaml` first, then the files beside it, each by name and text.
pub fn render(configuration: &str) -> Result<Vec<(String, String)>> {
    let dir = tempfile::Builder::new().prefix("scopegate-render-").tempdir()?;
    let file = dir.path().join("scopegate.yaml");
    std::fs::write(&file, configuration)?;
    let output = dir.path().join("output");
    let module = crate::bootstrap::module();
    let mut command = Command::new(binary()?);
    command.arg("render").arg(&file).arg("--output").arg(&output).arg("--wasm").arg(module);
    let done = command.output().context("the scopegate command")?;
    ensure!(done.status.success(), "{}\n{configuration}", String::from_utf8_lossy(&done.stderr));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&output)? {
        let path = entry?.path();
        let name = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
        files.push((name, std::fs::read_to_string(&path)?));
    }
    files.sort_by_key(|(name, _)| (name != "envoy.yaml", name.clone()));
    Ok(files)
}
