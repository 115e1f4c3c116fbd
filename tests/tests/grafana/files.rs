//! The files for Grafana and Dex, as they are shipped: that they say what the page says of them, and fit the gateway.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use scopegate_core::config::Config;
use scopegate_core::policy::Policy;
use scopegate_tests::example::{Example, file, yaml};
use scopegate_tests::page::{snippet, snippets};
use serde_json::{Value, json};

fn sources(example: &str, name: &str) -> Result<Vec<Value>> {
    let whole = yaml(&file(example, &format!("grafana/{name}")))?;
    ensure!(whole["apiVersion"] == 1, "{whole}");
    whole["datasources"].as_array().cloned().context("no data sources")
}

/// The sections of an INI file.
fn ini(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections = BTreeMap::<_, BTreeMap<_, _>>::new();
    let mut section = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(';')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            let entry = (key.trim().to_owned(), value.trim().to_owned());
            sections.entry(section.clone()).or_default().extend([entry]);
        }
    }
    sections
}

/// One definition for every organisation: they differ by the organisation alone, hold no secret, and send the token.
#[test]
fn one_definition_for_all() -> Result<()> {
    let mut by_uid = BTreeMap::<String, Vec<Value>>::new();
    for mut source in sources("namespaces", "datasources.yaml")? {
        ensure!(source["orgId"].take().is_u64(), "{source}");
        assert_eq!(source["jsonData"]["oauthPassThru"], true, "{source}");
        by_uid.entry(source["uid"].to_string()).or_default().push(source);
    }
    assert_eq!(by_uid.len(), 2);
    for same in by_uid.values() {
        assert!(same.len() > 1 && same.iter().all(|source| source == &same[0]), "{same:?}");
    }
    for source in sources("label-isolation", "datasources.yaml")? {
        assert_eq!(source["jsonData"]["oauthPassThru"], true, "{source}");
    }
    for example in ["namespaces", "label-isolation"] {
        for source in sources(example, "datasources.yaml")? {
            assert!(source.get("secureJsonData").is_none() && source.get("basicAuth").is_none(), "{source}");
            // Custom headers would name tenants for everybody.
            let json_data = source["jsonData"].as_object().context("no jsonData")?;
            assert!(json_data.keys().all(|key| !key.starts_with("httpHeader")), "{source}");
        }
    }
    Ok(())
}

/// The same dashboards for every organisation that has data sources, and of them no other than those.
#[test]
fn the_same_dashboards_for_all() -> Result<()> {
    for example in ["namespaces", "label-isolation"] {
        let mut organisations = BTreeMap::<u64, Vec<Value>>::new();
        for source in sources(example, "datasources.yaml")? {
            organisations.entry(source["orgId"].as_u64().unwrap_or(1)).or_default().push(source);
        }
        let whole = yaml(&file(example, "grafana/dashboards.yaml"))?;
        ensure!(whole["apiVersion"] == 1, "{whole}");
        let mut providers = whole["providers"].as_array().cloned().context("no providers")?;
        let served: Vec<_> =
            providers.iter().map(|provider| provider["orgId"].as_u64().unwrap_or(1)).collect();
        assert_eq!(served, organisations.keys().copied().collect::<Vec<_>>(), "{example}");
        let mut names: Vec<_> = providers.iter_mut().map(|provider| provider["name"].take()).collect();
        names.dedup();
        assert_eq!(names.len(), providers.len(), "{example}: Grafana wants a name for each");
        for provider in &mut providers {
            provider["orgId"].take();
        }
        assert!(providers.iter().all(|provider| provider == &providers[0]), "{example}");
        let dashboard = yaml(&file(example, "grafana/dashboards/overview.json"))?;
        let panels = dashboard["panels"].as_array().context("no panels")?;
        for target in panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten() {
            for sources in organisations.values() {
                let has = |source: &Value| {
                    source["uid"] == target["datasource"]["uid"]
                        && source["type"] == target["datasource"]["type"]
                };
                assert!(sources.iter().any(has), "{example}: {target}");
            }
        }
    }
    Ok(())
}

/// Every credential of the rules is one that the page's callers know, and reads what its organisation is called.
#[test]
fn a_credential_for_each_organisation() -> Result<()> {
    let callers = snippet("grafana.md", "rules")?;
    let users = callers["callers"][0]["basic"]["users"].as_array().cloned().context("no users")?;
    let rules = sources("namespaces", "rules.yaml")?;
    assert_eq!(users.len(), rules.len());
    for source in rules {
        assert_eq!(source["basicAuth"], true);
        assert!(source["jsonData"].get("oauthPassThru").is_none(), "{source}");
        let user = users.iter().find(|user| user["username"] == source["basicAuthUser"]);
        let tenant =
            user.context("nobody of this name")?["tenants"][0].as_str().context("no tenant")?.to_owned();
        let password = source["secureJsonData"]["basicAuthPassword"].as_str().context("no password")?;
        assert_eq!(password, format!("$RULES_PASSWORD_{}", tenant.to_uppercase()));
        let organisations = [(2, "acme"), (3, "bank")];
        assert!(organisations.contains(&(source["orgId"].as_i64().unwrap_or_default(), &tenant)), "{source}");
    }
    Ok(())
}

/// Grafana asks Keycloak and Dex for the claims that the gateway reads, and renews tokens.
#[test]
fn logging_in() -> Result<()> {
    let text = std::fs::read_to_string(file("namespaces", "grafana/grafana.ini"))?;
    let ini = ini(&text);
    let oauth = &ini["auth.generic_oauth"];
    let realm = yaml(&file("namespaces", "grafana/keycloak-realm.json"))?;
    let client = &realm["clients"][0];
    let dex = yaml(&file("namespaces", "grafana/dex.yaml"))?;
    assert_eq!(json!(oauth["client_id"]), client["clientId"]);
    assert_eq!(client["redirectUris"], dex["staticClients"][0]["redirectURIs"]);
    assert_eq!(dex["staticClients"][0]["id"], client["clientId"]);
    let name = realm["realm"].as_str().context("no name")?;
    for field in ["auth_url", "token_url", "api_url"] {
        let of_realm = format!("https://idp.example.org/realms/{name}/protocol/openid-connect/");
        assert!(oauth[field].starts_with(&of_realm), "{field}");
    }
    assert_eq!(oauth["use_refresh_token"], "true");
    assert!(oauth["client_secret"].starts_with("$__file{"), "no secret in the file");
    assert_eq!(
        (ini["auth.anonymous"]["enabled"].as_str(), ini["users"]["allow_org_create"].as_str()),
        ("false", "false")
    );
    // The groups of the mapping are those of the realm, and those which the gateway takes for tenants.
    let groups: Vec<_> =
        realm["groups"].as_array().context("no groups")?.iter().map(|group| &group["name"]).collect();
    for mapping in oauth["org_mapping"].split(' ') {
        let whole = mapping.replace("\\:", "\0");
        let parts: Vec<_> = whole.split(':').collect();
        assert_eq!(parts.len(), 3, "{mapping}");
        let group = parts[0].replace('\0', ":");
        assert!(group.starts_with("organization:") && groups.contains(&&json!(group)), "{group}");
        assert!(["Viewer", "Editor", "Admin"].contains(&parts[2]), "{mapping}");
    }
    // Dex takes the names of groups as they are in the directory, and its issuer is the gateway's.
    assert_eq!(dex["connectors"][0]["config"]["groupSearch"]["nameAttr"], "cn");
    let mut example = Example::load("namespaces")?;
    let provider = &example.filter("envoy.filters.http.jwt_authn")?["providers"]["keycloak"];
    assert_eq!(provider["issuer"], dex["issuer"]);
    assert_eq!(provider["forward"], true);
    Ok(())
}

/// The snippets of the page are configurations.
#[test]
fn the_page() -> Result<()> {
    let names = snippets("grafana.md")?;
    assert_eq!(names, ["narrow", "rules", "audience"]);
    for name in ["narrow", "rules"] {
        let mut config = snippet("grafana.md", name)?;
        config["backends"] = json!([{"name": "metrics", "kind": "cortex"}]);
        let config = Config::from_json(config).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        let policy = Policy::compile(&config, &|_| Some(b"0123456789abcdef0123456789abcdef".to_vec()));
        policy.map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    }
    // What the page says of the example is what stands there.
    let shipped = yaml(&file("namespaces", "scopegate.yaml"))?;
    let shown = snippet("grafana.md", "narrow")?;
    let users =
        shipped["callers"].as_array().and_then(|callers| callers.iter().find(|c| c["name"] == "users"));
    assert_eq!(Some(&shown["callers"][0]), users);
    assert_eq!(shown["tables"]["grafana"], shipped["tables"]["grafana"]);
    assert_eq!(snippet("grafana.md", "audience")?, json!({"audiences": ["scopegate"]}));
    Ok(())
}
