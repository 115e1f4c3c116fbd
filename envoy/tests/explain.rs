//! The page `docs/explain.md`: every command in it is run, and what it prints must be what stands there. With
//! `UPDATE=1` in the environment the page is written anew.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_page_says_what_the_command_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = root.join("docs/explain.md");
    let text = std::fs::read_to_string(&page).expect("the page is there");
    let (mut written, mut runs) = (String::new(), 0);
    for (position, piece) in text.split("```").enumerate() {
        if position > 0 {
            written.push_str("```");
        }
        let Some(block) = piece.strip_prefix("console\n").filter(|_| position % 2 == 1) else {
            written.push_str(piece);
            continue;
        };
        let command = command(block);
        runs += 1;
        let output = output(&root, &command);
        written.extend(["console\n$ ", &command, "\n", &output]);
    }
    assert!(runs >= 5, "the page has its commands");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&page, &written).expect("the page can be written");
    }
    assert_eq!(written, text, "`UPDATE=1 cargo test -p scopegate --test explain` writes the page anew");
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

fn output(root: &Path, command: &str) -> String {
    let scopegate = PathBuf::from(env!("CARGO_BIN_EXE_scopegate"));
    let folder = scopegate.parent().expect("it is in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(root)
        .env("PATH", format!("{}:{path}", folder.display()))
        .env_remove("SCOPEGATE_SESSION_KEYS")
        .output()
        .expect("a shell");
    assert!(output.stderr.is_empty(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
