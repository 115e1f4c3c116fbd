//! No secret stands in the folder, none is handed on by the environment, and each reader is given its own.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use scopegate_tests::example::yaml;

use crate::stack::{Stack, folder};

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files(&path, found)? } else { found.push(path) }
    }
    Ok(())
}

/// Long runs that mix small and large letters and digits, as random values do.
fn random_looking(text: &str) -> Option<&str> {
    let runs = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+_-".contains(c)));
    runs.filter(|run| run.len() >= 16).find(|run| {
        let has = |test: fn(&char) -> bool| run.chars().any(|c| test(&c));
        has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase) && has(char::is_ascii_digit)
    })
}

#[test]
fn nothing_in_the_folder_looks_like_a_secret() -> Result<()> {
    assert!(random_looking("password: aGVsbG8gd29ybGQ0MjQy").is_some());
    let mut found = Vec::new();
    files(&folder(), &mut found)?;
    ensure!(found.len() > 15, "{found:?}");
    for path in found {
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        if let Some(secret) = random_looking(&text) {
            anyhow::bail!("{}: {secret}", path.display());
        }
        ensure!(!text.contains("PRIVATE KEY"), "{}", path.display());
    }
    Ok(())
}

#[test]
fn the_realm_holds_marks_in_place_of_secrets() -> Result<()> {
    let realm = yaml(&folder().join("keycloak/realm.json"))?;
    for client in realm["clients"].as_array().context("no clients")? {
        let id = client["clientId"].as_str().context("no name")?;
        if client["publicClient"] == true {
            ensure!(client.get("secret").is_none(), "{id}");
        } else {
            assert_eq!(client["secret"], format!("@secret:{id}@"));
        }
    }
    for user in realm["users"].as_array().context("no users")? {
        let name = user["username"].as_str().context("no name")?;
        assert_eq!(user["credentials"][0]["value"], format!("@password:{name}@"));
    }
    Ok(())
}

#[test]
fn no_secret_is_in_an_environment() -> Result<()> {
    for (name, service) in Stack::load()?.services() {
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            let is_secret = ["PASSWORD", "SECRET", "TOKEN", "KEY", "CREDENTIAL"];
            let is_secret = is_secret.iter().any(|word| variable.split('_').any(|part| part == *word));
            ensure!(!is_secret || variable.ends_with("_FILE"), "{name}: {variable}={value}");
        }
    }
    Ok(())
}

/// Each folder of secrets has one reader, but for Grafana's, which the service that prepares Grafana reads too.
#[test]
fn each_reader_gets_its_own() -> Result<()> {
    let mut readers = BTreeMap::<String, Vec<String>>::new();
    for (name, service) in Stack::load()?.services() {
        for mount in Stack::mounts(service) {
            if let Some(whose) = mount.source.strip_suffix("-secrets") {
                if name == "secrets" {
                    assert_eq!(mount.target, format!("/secrets/{whose}"));
                } else {
                    ensure!(mount.is_read_only, "{name} could write {}", mount.source);
                    readers.entry(whose.to_owned()).or_default().push(name.to_owned());
                }
            }
        }
    }
    let expected = [
        ("gateway", vec!["gateway"]),
        ("grafana", vec!["grafana", "grafana-organisations"]),
        ("keycloak", vec!["keycloak"]),
        ("log-forwarder", vec!["log-forwarder"]),
        ("people", vec!["try"]),
        ("prometheus", vec!["prometheus"]),
        ("prometheus-bank", vec!["prometheus-bank"]),
    ];
    let mut readers: Vec<_> = readers.into_iter().collect();
    for (_, names) in &mut readers {
        names.sort();
    }
    let shown: Vec<(&str, Vec<&str>)> = readers
        .iter()
        .map(|(whose, names)| (whose.as_str(), names.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(shown, expected);
    Ok(())
}
