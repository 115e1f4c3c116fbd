//! A real container registry, the command that pushes to it, and a real client that pulls.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tempfile::TempDir;

use crate::process::Process;
use crate::wait::DEADLINE;

/// Who may push to and pull from [`Registry::with_password`].
pub const USER: &str = "pusher";
/// With this password.
pub const PASSWORD: &str = "registry-secret";
/// The same, as `htpasswd -B` writes it.
const HTPASSWD: &str = "pusher:$2y$04$plluxA2KtYF3R1udMFLaFeuJNd/cIhUvk7VMNV.oobXuR2fJHk3mC\n";

/// A running registry on a free port, without TLS, killed on drop with all that was pushed.
#[derive(Debug)]
pub struct Registry {
    // Goes first, before the directory with its log and data.
    _process: Process,
    address: SocketAddr,
    _dir: TempDir,
}

impl Registry {
    /// One that everybody may push to and pull from.
    pub async fn start() -> Result<Self> {
        Self::run(false).await
    }

    /// One for [`USER`] alone.
    pub async fn with_password() -> Result<Self> {
        Self::run(true).await
    }

    async fn run(password: bool) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("scopegate-registry-").tempdir()?;
        let mut config = json!({
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": dir.path().join("data")}},
            "http": {"addr": "127.0.0.1:0"},
        });
        if password {
            let file = dir.path().join("htpasswd");
            std::fs::write(&file, HTPASSWD)?;
            config["auth"] = json!({"htpasswd": {"realm": "scopegate", "path": file}});
        }
        let file = dir.path().join("config.yml");
        std::fs::write(&file, config.to_string())?;
        let mut command = Command::new(named("DOCKER_REGISTRY_BIN", "docker-registry"));
        command.arg("serve").arg(&file).env_remove("REGISTRY_HTTP_ADDR");
        let process = Process::start("registry", command, dir.path())
            .context("no docker-registry: `cargo xtask setup` brings it")?;
        let line = process.wait_for_log("listening on", DEADLINE).await?;
        let address = line.split("listening on ").nth(1).and_then(|rest| rest.split('"').next());
        let address = address.context("no address")?.parse()?;
        Ok(Self { _process: process, address, _dir: dir })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The `scopegate` command: `SCOPEGATE_BIN`, else what cargo built last.
pub fn scopegate() -> Command {
    let mut command = Command::new(
        std::env::var_os("SCOPEGATE_BIN")
            .map_or_else(|| crate::target_file("debug/scopegate"), PathBuf::from),
    );
    // Whatever the user has logged in to is none of a test's business.
    for name in ["DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "HOME", "SOURCE_DATE_EPOCH"] {
        command.env_remove(name);
    }
    command
}

/// The list of what the module under test is made of: `SCOPEGATE_BOM`, else what was made last.
pub fn bom() -> PathBuf {
    std::env::var_os("SCOPEGATE_BOM").map_or_else(|| crate::target_file("scopegate.cdx.json"), PathBuf::from)
}

/// Skopeo, told to trust what it pulls.
pub fn skopeo() -> Command {
    let mut command = Command::new(named("SKOPEO_BIN", "skopeo"));
    command.arg("--insecure-policy");
    command
}

/// Runs it to its end; what it printed.
///
/// # Errors
/// It failed; with what it said.
pub fn output(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("{command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}: {}", String::from_utf8_lossy(&stderr));
    }
    Ok(String::from_utf8(stdout)?)
}

/// What Skopeo's `dir:` has of an image: the manifest, and its layers by their digests.
pub fn pulled(dir: &Path) -> Result<(serde_json::Value, Vec<Vec<u8>>)> {
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("manifest.json"))?)?;
    let layers = manifest["layers"].as_array().context("no layers")?;
    let read = |layer: &serde_json::Value| {
        let digest = layer["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
        Ok(std::fs::read(dir.join(digest.context("no digest")?))?)
    };
    let layers = layers.iter().map(read).collect::<Result<_>>()?;
    Ok((manifest, layers))
}

fn named(variable: &str, program: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(program), PathBuf::from)
}
