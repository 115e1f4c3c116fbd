//! The scripts of the stack, run by this machine's shell: what containers would do as root is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use scopegate_tests::process::Process;
use scopegate_tests::wait::{DEADLINE, eventually};
use serde_json::Value;
use tempfile::TempDir;

use crate::stack::{Stack, folder, text};

/// A folder with programs that do nothing, to go before all others.
fn without(dir: &Path, programs: &[&str]) -> Result<String> {
    let stubs = dir.join("stubs");
    fs::create_dir_all(&stubs)?;
    for program in programs {
        let path = stubs.join(program);
        fs::write(&path, "#!/bin/sh\necho \"$0 $*\" >> \"$(dirname \"$0\")/calls\"\n")?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    }
    Ok(format!("{}:{}", stubs.display(), std::env::var("PATH").unwrap_or_default()))
}

/// The secrets of a stack, as they are made at its first start.
pub(crate) struct Secrets {
    dir: TempDir,
}

impl Secrets {
    pub(crate) fn make() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        for mount in Stack::mounts(Stack::load()?.service("secrets")?) {
            if let Some(below) = mount.target.strip_prefix("/secrets/") {
                fs::create_dir(dir.path().join(below))?;
            }
        }
        let secrets = Self { dir };
        secrets.run()?;
        Ok(secrets)
    }

    fn run(&self) -> Result<()> {
        let mut command = Command::new("sh");
        command.arg(folder().join("scripts/secrets.sh")).env("SECRETS", self.dir.path());
        command.env("REALM", folder().join("keycloak/realm.json"));
        // Only root gives files away.
        command.env("PATH", without(self.dir.path(), &["chown"])?);
        let output = command.output()?;
        ensure!(
            output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
            "{output:?}"
        );
        Ok(())
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    pub(crate) fn text(&self, file: &str) -> Result<String> {
        fs::read_to_string(self.path(file)).with_context(|| file.to_owned())
    }

    /// The realm as it is imported.
    pub(crate) fn realm(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.text("keycloak/realm.json")?)?)
    }

    fn all(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut all = BTreeMap::new();
        for folder in fs::read_dir(self.dir.path())? {
            let folder = folder?;
            for file in fs::read_dir(folder.path())?.filter(|_| folder.file_name() != "stubs") {
                let path = file?.path();
                all.insert(path.strip_prefix(self.dir.path())?.display().to_string(), fs::read(path)?);
            }
        }
        Ok(all)
    }
}

#[test]
fn secrets_are_made_once() -> Result<()> {
    let secrets = Secrets::make()?;
    let all = secrets.all()?;
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    let expected = [
        "gateway/grafana-login",
        "grafana/admin-password",
        "grafana/client-secret",
        "keycloak/realm.json",
        "log-forwarder/client-secret",
        "people/complete",
        "people/logins",
        "prometheus-bank/client-secret",
        "prometheus/client-secret",
    ];
    assert_eq!(names, expected);
    for (name, content) in &all {
        let mode = fs::metadata(secrets.path(name))?.permissions().mode() & 0o777;
        assert!(mode == 0o400 || (name == "people/complete" && mode == 0o600), "{name}: {mode:o}");
        ensure!(name.ends_with("logins") || name.ends_with("json") || !content.ends_with(b"\n"), "{name}");
    }
    // Whose they are: the users of the images.
    let given = secrets.text("stubs/calls")?;
    for (user, file) in [
        ("65534", "prometheus/client-secret"),
        ("65534", "prometheus-bank/client-secret"),
        ("0", "log-forwarder/client-secret"),
        ("472", "grafana/client-secret"),
        ("472", "grafana/admin-password"),
        ("101", "gateway/grafana-login"),
        ("1000", "keycloak/realm.json"),
        ("100", "people/logins"),
    ] {
        let call = format!("chown {user} {}\n", secrets.path(file).display());
        ensure!(given.contains(&call), "{call} not in {given}");
    }
    // No two are the same, and a second start changes nothing.
    secrets.run()?;
    assert_eq!(secrets.all()?, all);
    let others = Secrets::make()?.all()?;
    for (name, content) in &all {
        ensure!(content.is_empty() || others[name] != *content, "{name} is the same in two stacks");
    }
    Ok(())
}

#[test]
fn the_realm_gets_them() -> Result<()> {
    let secrets = Secrets::make()?;
    let realm = secrets.realm()?;
    ensure!(!secrets.text("keycloak/realm.json")?.contains("@secret"), "{realm}");
    let mut known = BTreeSet::new();
    for client in
        realm["clients"].as_array().context("none")?.iter().filter(|client| client["publicClient"] != true)
    {
        let id = client["clientId"].as_str().context("none")?;
        assert_eq!(client["secret"], secrets.text(&format!("{id}/client-secret"))?);
        ensure!(known.insert(client["secret"].to_string()), "{id} has another's");
    }
    let logins = secrets.text("people/logins")?;
    let users = realm["users"].as_array().context("none")?;
    assert_eq!(logins.lines().count(), users.len());
    for user in users {
        let (name, password) = (user["username"].as_str(), user["credentials"][0]["value"].as_str());
        let (name, password) = name.zip(password).context("none")?;
        ensure!(logins.contains(&format!("{name} {password}\n")) && password.len() == 24, "{name}");
        ensure!(known.insert(password.to_owned()), "{name} has another's");
    }
    Ok(())
}

/// The organisations that `organisations.sh` makes, by the IDs that Grafana gives them.
pub(crate) fn organisations() -> Result<BTreeMap<u64, String>> {
    let text = text("scripts/organisations.sh")?;
    let list = text.lines().find_map(|line| line.strip_prefix("for name in ")).context("no list")?;
    Ok((2..).zip(list.split('"').skip(1).step_by(2).map(str::to_owned)).collect())
}

/// With a Grafana of three lines: every organisation is asked for, and Grafana is ended.
#[test]
fn shells_accept_the_scripts() -> Result<()> {
    assert_eq!(organisations()?.len(), 3);
    for (shell, script) in
        [("sh", "secrets.sh"), ("sh", "workload.sh"), ("sh", "try.sh"), ("bash", "organisations.sh")]
    {
        let output = Command::new(shell).arg("-n").arg(folder().join("scripts").join(script)).output()?;
        ensure!(output.status.success() && output.stderr.is_empty(), "{script}: {output:?}");
    }
    Ok(())
}

/// A running workload.
pub(crate) struct Workload {
    _process: Process,
    dir: TempDir,
}

impl Workload {
    pub(crate) fn start(namespace: &str, pod: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut command = Command::new("sh");
        command.arg(folder().join("scripts/workload.sh"));
        command.env("NAMESPACE", namespace).env("POD", pod);
        command.env("WWW", dir.path().join("www")).env("LOGS", dir.path().join("logs"));
        // What serves the page is busybox' own.
        command.env("PATH", without(dir.path(), &["httpd"])?);
        let process = Process::start("workload", command, dir.path())?;
        Ok(Self { _process: process, dir })
    }

    /// Its page and its log, once both say something.
    pub(crate) async fn told(&self, namespace: &str, pod: &str) -> Result<(String, String)> {
        let read = |file: String| fs::read_to_string(self.dir.path().join(file));
        eventually(DEADLINE, || async {
            let (page, log) =
                (read("www/metrics.txt".to_owned())?, read(format!("logs/{namespace}/{pod}.log"))?);
            ensure!(log.lines().count() >= 2, "too little");
            Ok((page, log))
        })
        .await
    }
}

#[tokio::test]
async fn workloads_tell_something() -> Result<()> {
    let workload = Workload::start("shop", "shop-0")?;
    let (page, log) = workload.told("shop", "shop-0").await?;
    let samples: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
    ensure!(samples.len() == 4 && samples.iter().all(|line| line.rsplit_once(' ').is_some()), "{page}");
    ensure!(page.contains("shop_requests_total{code=\"200\"} "), "{page}");
    ensure!(
        log.lines().all(|line| line.starts_with("level=") && line.contains(" namespace=shop pod=shop-0 ")),
        "{log}"
    );
    Ok(())
}
