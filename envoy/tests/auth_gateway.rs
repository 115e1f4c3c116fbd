//! The example `auth-gateway`: its files are what the commands make of the old one, byte for byte. With `UPDATE=1` in the
//! environment they are written anew.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The key that the example's README names.
const KEY: &str = "only-for-this-example-never-elsewhere";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/auth-gateway")
}

fn scopegate(arguments: &[&str], key: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scopegate"));
    command.args(arguments).current_dir(folder()).env_remove("SCOPEGATE_PASSWORD_KEY");
    if let Some(key) = key {
        command.env("SCOPEGATE_PASSWORD_KEY", key);
    }
    command.output().expect("the command runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// What a command prints, which must be the file of that name.
fn made(file: &str, arguments: &[&str]) -> String {
    let output = scopegate(arguments, Some(KEY));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let made = text(&output.stdout);
    let path = folder().join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &made).expect("the file can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(made == found, "`UPDATE=1 cargo test -p scopegate --test auth_gateway` writes {file} anew");
    text(&output.stderr)
}

#[test]
fn the_files_are_what_the_commands_make() {
    let told = made("scopegate.yaml", &["convert", "auth-gateway", "auth-gateway.yaml"]);
    assert_eq!(told.matches("warning").count(), 4, "{told}");
    assert_eq!(made("envoy.yaml", &["render", "scopegate.yaml"]), "");
    // The old file can be rendered as it is.
    let direct = scopegate(&["render", "auth-gateway.yaml"], Some(KEY));
    assert_eq!(text(&direct.stdout), std::fs::read_to_string(folder().join("envoy.yaml")).unwrap());
    for file in ["scopegate.yaml", "envoy.yaml"] {
        let output = scopegate(&["check", "--deny-warnings", file], None);
        assert!(output.status.success(), "{}", text(&output.stdout));
    }
}

#[test]
fn no_password_gets_out() {
    let old = std::fs::read_to_string(folder().join("auth-gateway.yaml")).unwrap();
    let passwords: Vec<&str> =
        old.lines().filter_map(|line| line.trim().strip_prefix("password: ")).collect();
    assert_eq!(passwords.len(), 3);
    for arguments in [&["convert", "auth-gateway", "auth-gateway.yaml"][..], &["render", "auth-gateway.yaml"]]
    {
        for key in [None, Some("short"), Some(KEY)] {
            let output = scopegate(arguments, key);
            let all = text(&output.stdout) + &text(&output.stderr);
            assert!(passwords.iter().all(|password| !all.contains(password)), "{all}");
        }
    }
}

#[test]
fn exit_codes() {
    for (arguments, key, code) in [
        (&["convert", "auth-gateway", "auth-gateway.yaml"][..], Some(KEY), 0),
        (&["convert", "auth-gateway", "auth-gateway.yaml"], None, 1),
        (&["convert", "auth-gateway", "scopegate.yaml"], Some(KEY), 1),
        (&["convert", "auth-gateway", "nothing.yaml"], Some(KEY), 2),
        (&["convert", "auth-gateway"], Some(KEY), 2),
        (&["convert", "apache", "x"], Some(KEY), 2),
        (&["render", "nothing.yaml"], None, 2),
        (&["render", "envoy.yaml"], None, 1),
        (&["render", "scopegate.yaml", "--wasm", "oci://example.org/x"], None, 1),
        (&["render", "scopegate.yaml", "--wasm", "https://example.org/x"], None, 2),
        (&["render", "scopegate.yaml", "--to", "nowhere"], None, 2),
    ] {
        let output = scopegate(arguments, key);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
    }
}
