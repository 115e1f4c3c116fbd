//! Pages of the documentation: every command in them is run, and what it prints must be what stands there. With
//! `UPDATE=1` in the environment the pages are written anew. Every file in them is used as it stands there.
//!
//! A page may bring its own files: what follows `<!-- file: NAME -->` is written into an empty folder, in which its commands
//! then run, and what follows `<!-- made: NAME -->` is what they must have made there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[test]
fn explain() {
    assert!(the_page_says_what_the_command_says("docs/explain.md") >= 5);
}

#[test]
fn testing() {
    assert!(the_page_says_what_the_command_says("docs/testing.md") >= 3);
}

/// The pages of `docs/migration`: each takes a file as people have it, converts it, and checks what that made.
#[test]
fn migration() {
    let folder = std::fs::read_dir(root().join("docs/migration")).expect("the folder is there");
    let pages: Vec<_> = folder.map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(pages.len() >= 6, "{pages:?}");
    for page in pages {
        let page = format!("docs/migration/{}", page.display());
        let folder = tempfile::tempdir().expect("a folder");
        assert!(run_page(&page, Some(folder.path())) >= 2, "{page}");
        // The first step everywhere: the same, observed.
        told(folder.path(), "(echo 'mode: observe'; cat scopegate.yaml) | scopegate check -");
        let text = std::fs::read_to_string(root().join(&page)).expect("the page is there");
        for needed in [
            "$ scopegate convert ",
            "<!-- made: scopegate.yaml -->",
            "1 file: no problems found",
            "mode: observe",
            "\n## Going back",
        ] {
            assert!(text.contains(needed), "{page} says nothing of {needed:?}");
        }
    }
}

/// The number of its commands.
fn the_page_says_what_the_command_says(name: &str) -> usize {
    run_page(name, None)
}

/// Runs the commands of a page, in a folder with its files if there is one, else at the root.
fn run_page(name: &str, folder: Option<&Path>) -> usize {
    let page = root().join(name);
    let text = std::fs::read_to_string(&page).expect("the page is there");
    let (mut written, mut runs) = (String::new(), 0);
    for (position, piece) in text.split("```").enumerate() {
        if position > 0 {
            written.push_str("```");
        }
        let Some(block) = piece.strip_prefix("console\n").filter(|_| position % 2 == 1) else {
            let own = folder.filter(|_| position % 2 == 1);
            written
                .push_str(&own.and_then(|folder| file(folder, &written, piece)).unwrap_or(piece.to_owned()));
            continue;
        };
        let command = command(block);
        runs += 1;
        let output = match folder {
            None => output(&command),
            Some(folder) => told(folder, &command),
        };
        written.extend(["console\n$ ", &command, "\n", &output]);
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&page, &written).expect("the page can be written");
    }
    assert_eq!(written, text, "`UPDATE=1 cargo test -p scopegate --test pages` writes the page anew");
    runs
}

/// A block that is a file of the page's folder: writes it there, or tells what it is there now.
fn file(folder: &Path, before: &str, block: &str) -> Option<String> {
    let (marks, _) = before.rsplit_once("```")?;
    let mark = marks.trim_end().rsplit('\n').next()?;
    let named = |start: &str| mark.strip_prefix(start)?.strip_suffix(" -->").map(|name| folder.join(name));
    let (language, text) = block.split_once('\n')?;
    if let Some(path) = named("<!-- file: ") {
        std::fs::write(path, text).expect("the file can be written");
        return None;
    }
    let made = std::fs::read_to_string(named("<!-- made: ")?).expect("a command has made the file");
    Some(format!("{language}\n{made}"))
}

/// What a person sees of a command in a folder: what it prints, and what it warns of.
fn told(folder: &Path, command: &str) -> String {
    let output = shell(Path::new("/nowhere"))
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .current_dir(folder)
        .env("SCOPEGATE_PASSWORD_KEY", "only-for-the-documentation-never-elsewhere")
        .output()
        .expect("a shell");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{command}: {text}");
    text
}

/// What stands after the `$`, as long as lines end in a backslash.
fn command(block: &str) -> String {
    let mut command = String::new();
    for line in block.strip_prefix("$ ").expect("a block begins with a command").lines() {
        command.push_str(line);
        if !line.ends_with('\\') {
            break;
        }
        command.push('\n');
    }
    command
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A shell that finds the command, and before it what is in `stubs`.
fn shell(stubs: &Path) -> Command {
    let scopegate = PathBuf::from(env!("CARGO_BIN_EXE_scopegate"));
    let folder = scopegate.parent().expect("it is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell
        .env("PATH", format!("{}:{}:{path}", stubs.display(), folder.display()))
        .env_remove("SCOPEGATE_SESSION_KEYS");
    shell
}

fn output(command: &str) -> String {
    let output =
        shell(Path::new("/nowhere")).args(["-c", command]).current_dir(root()).output().expect("a shell");
    assert!(output.stderr.is_empty(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The blocks of a kind in a page.
fn blocks(page: &str, kind: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).expect("the page is there");
    let pieces = text.split("```").enumerate().filter(|(position, _)| position % 2 == 1);
    pieces.filter_map(|(_, piece)| piece.strip_prefix(kind)?.strip_prefix('\n').map(str::to_owned)).collect()
}

#[test]
fn files_of_tests_pass() {
    let files: Vec<String> =
        blocks("docs/testing.md", "yaml").into_iter().filter(|text| text.contains("\ntests:")).collect();
    assert!(files.len() >= 2);
    for text in files {
        let mut child = shell(Path::new("/nowhere"))
            .args(["-c", "scopegate test -"])
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut stdin = child.stdin.take().expect("it is piped");
        std::io::Write::write_all(&mut stdin, text.as_bytes()).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// The steps of the workflow run, in a folder like that of a checkout.
#[test]
fn the_workflow_runs() {
    let workflow = blocks("docs/testing.md", "yaml").into_iter().find(|text| text.contains("pull_request"));
    let workflow = workflow.expect("the page has one");
    let folder = tempfile::tempdir().expect("a folder");
    let example = root().join("examples/impersonation");
    for file in ["scopegate.yaml", "tests.yaml"] {
        std::fs::copy(example.join(file), folder.path().join(file)).expect("it is copied");
    }
    let stubs = folder.path().join("stubs");
    std::fs::create_dir(&stubs).expect("a folder");
    let old = "sed 's/may: \\[read, rules\\]/may: [read]/' scopegate.yaml";
    for (name, script) in [
        ("git", &*format!("test \"$*\" = 'show origin/main:scopegate.yaml' && {old}")),
        ("gh", "while [ $# -gt 1 ]; do [ \"$1\" = --body-file ] && cp \"$2\" told.md; shift; done"),
    ] {
        let file = stubs.join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("it is written");
        let mut permissions = std::fs::metadata(&file).expect("it is there").permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
        std::fs::set_permissions(&file, permissions).expect("they are set");
    }
    let (mut script, mut is_run) = (String::new(), false);
    for line in workflow.lines() {
        let trimmed = line.trim_start().trim_start_matches("- ");
        if let Some(command) = trimmed.strip_prefix("run: ").filter(|command| *command != "|") {
            script.push_str(command);
            script.push('\n');
            is_run = false;
        } else if trimmed == "run: |" {
            is_run = true;
        } else if is_run && line.starts_with("          ") {
            script.push_str(line.trim_start());
            script.push('\n');
        } else {
            is_run = false;
        }
    }
    assert!(script.lines().count() >= 4, "{script}");
    let output = shell(&stubs)
        .args(["-ec", &script])
        .current_dir(folder.path())
        .env("GITHUB_BASE_REF", "main")
        .env("PULL_REQUEST", "7")
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{script}\n{output:?}");
    let told = std::fs::read_to_string(folder.path().join("told.md")).expect("a comment was made");
    assert!(told.contains("| `rules` metrics | `users`: refused (403 not_permitted) |"), "{told}");
    assert!(folder.path().join("report.xml").exists());
}
