//! Each file, read by the program it is for, or by the rules of that program where it is not here.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use scopegate_core::config::Config;
use scopegate_tests::example::{Example, yaml};
use scopegate_tests::{envoy, prometheus};
use serde_json::{Value, json};

use crate::stack::{Stack, folder, text};

/// The members that the filter does not see.
const AROUND: [&str; 4] = ["listeners", "operations", "identity_providers", "upstreams"];

fn passes(mut command: Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let told =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    ensure!(output.status.success(), "{command:?}: {told}");
    Ok(())
}

/// Envoy accepts its file, and the filter what stands in `scopegate.yaml`. That one is rendered of the other is a test of
/// `scopegate render`.
#[test]
fn envoy_accepts_its_file() -> Result<()> {
    let mut alone = yaml(&folder().join("gateway/scopegate.yaml"))?;
    let members = alone.as_object_mut().context("no object")?;
    members.retain(|member, _| !AROUND.contains(&member.as_str()));
    Config::from_json(alone)?;
    let example = Example::of(yaml(&folder().join("gateway/envoy.yaml"))?)?;
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("envoy.yaml"), example.to_string())?;
    std::fs::copy(
        folder().join("gateway/grafana-credential.yaml"),
        dir.path().join("grafana-credential.yaml"),
    )?;
    let mut command = Command::new(envoy::binary());
    command.args(["--mode", "validate", "-c", "envoy.yaml"]).current_dir(dir.path());
    passes(command)
}

/// The module is where Envoy's file has it, and the secret's file where its volume is.
#[test]
fn envoy_finds_what_it_needs() -> Result<()> {
    let stack = Stack::load()?;
    let gateway = stack.service("gateway")?;
    let workdir = gateway["working_dir"].as_str().context("none")?;
    let envoy = yaml(&folder().join("gateway/envoy.yaml"))?.to_string();
    ensure!(envoy.contains("\"filename\":\"scopegate.wasm\""), "the module is somewhere else");
    let image = text("gateway/Dockerfile")?;
    ensure!(
        image.contains(&format!("/scopegate.wasm {workdir}/scopegate.wasm\n")),
        "the image has it elsewhere"
    );
    for argument in gateway["build"]["args"].as_object().context("no arguments")?.keys() {
        ensure!(image.contains(&format!("ARG {argument}\n")), "{argument} is for nobody");
    }
    let root = folder().join(gateway["build"]["context"].as_str().context("none")?);
    ensure!(root.join(gateway["build"]["dockerfile"].as_str().context("none")?).is_file());
    // What the workspace is made of is in the build.
    let ignored = text("gateway/Dockerfile.dockerignore")?;
    let workspace = std::fs::read_to_string(root.join("Cargo.toml"))?;
    let members = workspace.lines().find(|line| line.starts_with("members = ")).context("no members")?;
    for member in members.split('"').skip(1).step_by(2) {
        let top = member.split('/').next().unwrap_or_default();
        ensure!(ignored.contains(&format!("!{top}\n")), "{member} is missing");
    }
    for file in ["envoy.yaml", "grafana-credential.yaml"] {
        assert_eq!(stack.target_of("gateway", &format!("./gateway/{file}"))?, format!("{workdir}/{file}"));
    }
    let source = yaml(&folder().join("gateway/grafana-credential.yaml"))?;
    let login = format!("{}/grafana-login", stack.target_of("gateway", "gateway-secrets")?);
    assert_eq!(source["resources"][0]["generic_secret"]["secret"]["filename"], login);
    Ok(())
}

/// `promtool` accepts both configurations, and the rules that one of them names.
#[test]
fn prometheus_accepts_its_files() -> Result<()> {
    let Some(promtool) = prometheus::binary().map(|binary| binary.with_file_name("promtool")) else {
        return Ok(());
    };
    if !promtool.exists() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let stack = Stack::load()?;
    for service in ["prometheus", "prometheus-bank"] {
        // As they are mounted, side by side.
        for mount in Stack::mounts(stack.service(service)?) {
            if let (Some(file), Some(name)) = (mount.file(), Path::new(&mount.target).file_name()) {
                std::fs::copy(&file, dir.path().join(name)).with_context(|| file.display().to_string())?;
            }
        }
        let mut command = Command::new(&promtool);
        command.args(["check", "config", "prometheus.yaml"]).current_dir(dir.path());
        passes(command).with_context(|| service.to_owned())?;
    }
    let mut command = Command::new(&promtool);
    command.args(["check", "rules", "rules.yaml"]).current_dir(dir.path());
    passes(command)
}

/// Alloy's blocks are whole, and nothing but these components is used.
#[test]
fn alloy_is_told_what_it_knows() -> Result<()> {
    let text = text("config.alloy")?;
    let mut depth = 0_i32;
    let mut components = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        if depth == 0 && line.ends_with('{') {
            components.push(line.split(' ').next().unwrap_or_default());
        }
        for c in line.chars() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            ensure!(depth >= 0, "{line}");
        }
        ensure!(line.matches('"').count() % 2 == 0, "{line}");
    }
    assert_eq!(depth, 0);
    assert_eq!(
        components,
        ["logging", "local.file_match", "discovery.relabel", "loki.source.file", "loki.write"]
    );
    Ok(())
}

/// The members that Grafana reads, of data sources and of providers of dashboards.
#[test]
fn grafana_is_told_what_it_knows() -> Result<()> {
    let provisioning = folder().join("grafana/provisioning");
    let known = |value: &Value, names: &[&str]| -> Result<()> {
        for name in value.as_object().context("no object")?.keys() {
            ensure!(names.contains(&name.as_str()), "{name} in {value}");
        }
        Ok(())
    };
    let organisations = crate::scripts::organisations()?;
    let mut sources = BTreeSet::new();
    let whole = yaml(&provisioning.join("datasources/datasources.yaml"))?;
    known(&whole, &["apiVersion", "datasources"])?;
    for source in whole["datasources"].as_array().context("no data sources")? {
        known(source, &["name", "uid", "orgId", "type", "access", "url", "isDefault", "jsonData"])?;
        known(
            &source["jsonData"],
            &["oauthPassThru", "httpMethod", "prometheusType", "timeInterval", "manageAlerts"],
        )?;
        assert_eq!(
            (&source["access"], &source["jsonData"]["oauthPassThru"]),
            (&json!("proxy"), &json!(true))
        );
        sources.insert((
            source["orgId"].as_u64().context("none")?,
            source["uid"].as_str().context("none")?.to_owned(),
        ));
    }
    let ids: BTreeSet<u64> = organisations.keys().copied().collect();
    let both = |id: &u64| [(*id, "metrics".to_owned()), (*id, "logs".to_owned())];
    assert_eq!(sources, ids.iter().flat_map(both).collect());

    let stack = Stack::load()?;
    let mounted: Vec<_> =
        Stack::mounts(stack.service("grafana")?).into_iter().map(|mount| mount.target).collect();
    let whole = yaml(&provisioning.join("dashboards/dashboards.yaml"))?;
    known(&whole, &["apiVersion", "providers"])?;
    let mut told = BTreeSet::new();
    for provider in whole["providers"].as_array().context("no providers")? {
        known(provider, &["name", "orgId", "type", "allowUiUpdates", "options"])?;
        let path = provider["options"]["path"].as_str().context("no path")?;
        ensure!(mounted.iter().any(|target| target.starts_with(&format!("{path}/"))), "nothing is at {path}");
        ensure!(told.insert(provider["name"].to_string()), "{provider} twice");
        ensure!(ids.contains(&provider["orgId"].as_u64().context("none")?), "{provider}");
    }
    Ok(())
}

/// The organisations that Grafana's log-in leads to are those that are made, by the groups of the realm.
#[test]
fn groups_lead_to_the_organisations_that_are_made() -> Result<()> {
    let ini = text("grafana/grafana.ini")?;
    let mapping = ini.lines().find_map(|line| line.strip_prefix("org_mapping = ")).context("no mapping")?;
    let realm = yaml(&folder().join("keycloak/realm.json"))?;
    let groups: Vec<_> =
        realm["groups"].as_array().into_iter().flatten().filter_map(|group| group["name"].as_str()).collect();
    let mut mapped = BTreeSet::new();
    for entry in mapping.replace("\\:", "\0").split(' ') {
        let parts: Vec<_> = entry.split(':').collect();
        let [group, id, "Editor"] = parts.as_slice() else { bail!("{entry}") };
        let group = group.replace('\0', ":");
        ensure!(groups.contains(&group.as_str()), "{group}");
        let tenant = group.strip_prefix("organization:").context("no organisation")?.to_owned();
        mapped.insert((id.parse::<u64>()?, tenant));
    }
    let made = crate::scripts::organisations()?.into_iter();
    let made = made.map(|(id, name)| (id, name.split(" - ").next().unwrap_or_default().to_owned()));
    assert_eq!(mapped, made.collect());
    Ok(())
}

/// The dashboard that everybody has: whole, and its queries are queries.
#[test]
fn the_dashboard_of_a_tenant() -> Result<()> {
    let dashboard: Value = serde_json::from_str(&text("grafana/tenant.json")?)?;
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().context("no panels")? {
        ensure!(ids.insert(panel["id"].as_u64()), "{panel}");
        let place = &panel["gridPos"];
        ensure!(place["x"].as_u64().zip(place["w"].as_u64()).is_some_and(|(x, w)| x + w <= 24), "{place}");
        for target in panel["targets"].as_array().context("no queries")? {
            let query = target["expr"].as_str().context("no query")?;
            match target["datasource"]["uid"].as_str() {
                Some("metrics") => {
                    promql_parser::parser::parse(query)
                        .map_err(|error| anyhow::anyhow!("{query}: {error}"))?;
                }
                Some("logs") => ensure!(query.contains("{namespace=~\".+\"}"), "{query}"),
                other => bail!("{other:?}"),
            }
        }
    }
    Ok(())
}

/// The realm is the example's, at this machine's addresses, with what only the demo has.
#[test]
fn the_realm_is_the_examples() -> Result<()> {
    let ours = yaml(&folder().join("keycloak/realm.json"))?;
    let example = scopegate_tests::example::file("namespaces", "grafana/keycloak-realm.json");
    let mut theirs = yaml(&example)?;
    let mut same = ours.clone();
    theirs["sslRequired"] = json!("external");
    theirs["clients"][0]["redirectUris"] = json!(["http://localhost:3000/login/generic_oauth"]);
    let list = |value: &mut Value| value.as_array_mut().map(std::mem::take).unwrap_or_default();
    for user in same["users"].as_array_mut().context("no users")? {
        user.as_object_mut().context("no user")?.remove("credentials");
    }
    same["clients"][0].as_object_mut().context("no client")?.remove("secret");
    for (field, name, more) in [("users", "username", 1), ("groups", "name", 1), ("clients", "clientId", 4)] {
        let (all, known) = (list(&mut same[field]), list(&mut theirs[field]));
        let (shared, added): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|one| known.iter().any(|other| other[name] == one[name]));
        assert_eq!((shared, added.len()), (known, more), "{field}");
    }
    assert_eq!(same, theirs);
    Ok(())
}
