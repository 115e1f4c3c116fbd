//! The page `docs/getting-started.md`, walked from its first line to its last in one shell, as somebody new would: with a real Envoy and
//! a real Prometheus, in a folder like that of a checkout.
//!
//! Only addresses are others: all of its servers are at an address of the loopback interface that is this test's own.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use scopegate_tests::bootstrap::module;
use scopegate_tests::envoy;
use scopegate_tests::oci::scopegate;
use scopegate_tests::process::Process;
use scopegate_tests::prometheus;
use scopegate_tests::wait::eventually;

/// What the page waits for itself is bounded by nothing.
const LONG: Duration = Duration::from_secs(300);
/// What separates the output of blocks.
const END: &str = "=== end of a block ===";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The page as one script, and for each block of commands the lines that its output must have.
fn script(page: &str) -> Result<(String, Vec<Vec<String>>)> {
    let (mut script, mut expected) = (String::new(), Vec::<Vec<String>>::new());
    let mut pieces = page.split("```");
    while let Some(before) = pieces.next() {
        let Some(block) = pieces.next() else { break };
        let (language, text) = block.split_once('\n').context("a block without a line")?;
        let file = before.trim_end().rsplit('\n').next().and_then(|line| line.strip_prefix("<!-- file: "));
        match (language, file.and_then(|line| line.strip_suffix(" -->"))) {
            (_, Some(name)) => script.extend(["cat > ", name, " <<'END_OF_FILE'\n", text, "END_OF_FILE\n"]),
            ("sh", None) => {
                script.extend([text, "echo '", END, "'\n"]);
                expected.push(Vec::new());
            }
            ("text", None) => {
                let lines = expected.last_mut().context("what is printed stands after what prints it")?;
                lines.extend(text.lines().map(str::to_owned));
            }
            (other, None) => anyhow::bail!("a block of {other} that nothing runs"),
        }
    }
    Ok((script, expected))
}

/// Whether a text has the pieces of a line, in order; `…` stands for anything.
fn has(text: &str, line: &str) -> bool {
    let mut rest = text;
    line.split('…').all(|piece| match rest.split_once(piece) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// Ends all that a shell has started.
struct Group(u32);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0)]).status();
    }
}

/// A folder like that of a checkout in which the programs were built, and a `cargo` that has nothing more to do.
fn checkout(folder: &Path, prometheus: &Path) -> Result<()> {
    let tools = folder.join("target/tools");
    std::fs::create_dir_all(tools.join("prometheus/usr/bin"))?;
    symlink(envoy::binary(), tools.join("envoy"))?;
    symlink(prometheus, tools.join("prometheus/usr/bin/prometheus"))?;
    symlink(module(), folder.join("target/scopegate.wasm"))?;
    symlink(root().join("dashboards").canonicalize()?, folder.join("dashboards"))?;
    let programs = folder.join("programs");
    std::fs::create_dir(&programs)?;
    symlink(scopegate().get_program(), programs.join("scopegate"))?;
    let known = "case \"$*\" in 'install --path envoy'|'xtask setup'|'xtask wasm') ;; *) exit 1;; esac";
    std::fs::write(programs.join("cargo"), format!("#!/bin/sh\n{known}\n"))?;
    std::fs::set_permissions(programs.join("cargo"), std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[tokio::test]
async fn somebody_new_gets_there() -> Result<()> {
    let Some(prometheus) = prometheus::binary() else {
        eprintln!("no Prometheus here");
        return Ok(());
    };
    let page = std::fs::read_to_string(root().join("docs/getting-started.md"))?;
    let (script, expected) = script(&page)?;
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = format!("127.77.{high}.{low}");
    let admin = format!("operations: {{admin: \"{address}:9901\", ");
    let script = script.replace("127.0.0.1", &address).replace("operations: {", &admin);

    let dir = tempfile::tempdir()?;
    checkout(dir.path(), &prometheus.canonicalize()?)?;
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("bash");
    shell.args(["-e", "-c", &script]).current_dir(dir.path()).process_group(0);
    shell.env("PATH", format!("{}:{path}", dir.path().join("programs").display()));
    shell.env_remove("SCOPEGATE_PASSWORD_KEY");
    let process = tokio::sync::Mutex::new(Process::start("walk", shell, dir.path())?);
    let _group = Group(process.lock().await.id());
    let ended = eventually(LONG, || async { process.lock().await.ended()?.context("it still walks") });
    let ended = ended.await;
    let output = process.lock().await.output();
    let log = || {
        let logs = ["envoy.log", "ann.log", "backend.log", "validate.log"];
        logs.map(|name| std::fs::read_to_string(dir.path().join("gateway").join(name)).unwrap_or_default())
            .join("\n")
    };
    let ended = ended.with_context(|| format!("{output}\n{}", log()))?;
    ensure!(ended.success(), "{ended}: {output}\n{}\n{}", process.lock().await.log(), log());

    let blocks: Vec<&str> = output.split(END).collect();
    ensure!(blocks.len() == expected.len() + 1, "{output}");
    for (lines, block) in expected.iter().zip(blocks) {
        for line in lines {
            assert!(has(block, line), "{line}\nis not in\n{block}");
        }
    }
    Ok(())
}
