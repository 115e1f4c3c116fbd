//! Who calls whom: every address in every file leads to a service that is in reach and listens there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use scopegate_tests::example::yaml;
use serde_json::Value;

use crate::stack::{Stack, folder, text};

/// What each program listens on, by its own configuration, or by its default where that is silent.
fn ports() -> Result<BTreeMap<&'static str, BTreeSet<u64>>> {
    let envoy = yaml(&folder().join("gateway/envoy.yaml"))?;
    let listeners = envoy["static_resources"]["listeners"].as_array().context("no listeners")?;
    let of_listener =
        |listener: &Value| listener["address"]["socket_address"]["port_value"].as_u64().context("no port");
    let gateway = listeners.iter().map(of_listener).collect::<Result<_>>()?;
    let http =
        |file: &str| yaml(&folder().join(file))?["server"]["http_listen_port"].as_u64().context("no port");
    ensure!(text("scripts/workload.sh")?.contains(" -p 8080\n"), "workloads listen elsewhere");
    let workload = BTreeSet::from([8080]);
    let mut ports = BTreeMap::from([
        ("gateway", gateway),
        ("cortex", BTreeSet::from([http("cortex.yaml")?])),
        ("loki", BTreeSet::from([http("loki.yaml")?])),
        // Keycloak's second one is for management: /health.
        ("keycloak", BTreeSet::from([8080, 9000])),
        ("prometheus", BTreeSet::from([9090])),
        ("prometheus-bank", BTreeSet::from([9090])),
        ("log-forwarder", BTreeSet::from([12345])),
        ("grafana", BTreeSet::from([3000])),
    ]);
    ports.extend(["shop", "web", "ledger", "cron", "vault"].map(|name| (name, workload.clone())));
    Ok(ports)
}

/// The hosts and ports of the URLs in a text.
fn urls(text: &str) -> Vec<(String, u64)> {
    let authority = |rest: &str| {
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".-:".contains(c))).unwrap_or(rest.len());
        let (host, port) = rest[..end].rsplit_once(':')?;
        Some((host.to_owned(), port.parse().ok()?))
    };
    text.split("http://").skip(1).filter_map(authority).collect()
}

/// What a service calls, by the files that it mounts and its own entry.
fn calls(name: &str, service: &Value) -> Result<Vec<(String, u64)>> {
    let mut calls = Vec::new();
    let mut files: Vec<_> = Stack::mounts(service).iter().filter_map(crate::stack::Mount::file).collect();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                files.push(entry?.path());
            }
            continue;
        }
        // The product's own dashboard and rules call nobody.
        if !path.components().any(|part| part.as_os_str() == "dashboards" && name != "grafana") {
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            // A comment is no call.
            let lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', ';']));
            calls.extend(urls(&lines.collect::<Vec<_>>().join("\n")));
        }
    }
    let entry = service.to_string();
    calls.extend(urls(&entry));
    if let Some((_, rest)) = entry.split_once("/dev/tcp/127.0.0.1/") {
        let port = rest.split(';').next().and_then(|port| port.parse().ok()).context("no port")?;
        calls.push(("127.0.0.1".to_owned(), port));
    }
    Ok(calls)
}

#[test]
fn every_url_leads_to_somebody_who_listens() -> Result<()> {
    let (stack, ports) = (Stack::load()?, ports()?);
    let mut published = BTreeSet::new();
    for (name, service) in stack.services() {
        for port in service["ports"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let sides: Vec<_> = port.split(':').collect();
            let [_, outside, inside] = sides.as_slice() else { anyhow::bail!("{port}") };
            ensure!(ports[name].contains(&inside.parse()?), "{name} does not listen on {inside}");
            published.insert(outside.parse::<u64>()?);
        }
    }
    let mut checked = 0;
    for (name, service) in stack.services() {
        for (host, port) in calls(name, service)? {
            checked += 1;
            match host.as_str() {
                // The browser's view.
                "localhost" => {
                    ensure!(published.contains(&port), "{name}: localhost:{port} is not published");
                }
                "127.0.0.1" => {
                    let itself = if name == "grafana-organisations" { "grafana" } else { name };
                    ensure!(ports[itself].contains(&port), "{name} does not listen on {port}");
                }
                // It tells others its name, and calls nobody.
                _ if name == "cortex" => ensure!(host == "cortex", "{host}"),
                // What Grafana's file says is for Grafana; here logging in is off.
                _ if name == "grafana-organisations" => {}
                _ => {
                    let other = stack
                        .resolve(name, &host)
                        .with_context(|| format!("{name} does not reach {host}"))?;
                    ensure!(
                        ports[other].contains(&port),
                        "{name} calls {host}:{port}, where {other} does not listen"
                    );
                }
            }
        }
    }
    ensure!(checked > 30, "only {checked} addresses were found");
    Ok(())
}

#[test]
fn targets_and_clusters_lead_to_somebody_who_listens() -> Result<()> {
    let (stack, ports) = (Stack::load()?, ports()?);
    let mut calls = Vec::new();
    for (name, file) in
        [("prometheus", "prometheus/prometheus.yaml"), ("prometheus-bank", "prometheus/bank.yaml")]
    {
        for job in yaml(&folder().join(file))?["scrape_configs"].as_array().context("no jobs")? {
            for group in job["static_configs"].as_array().context("no targets")? {
                for target in group["targets"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    let (host, port) = target.split_once(':').context("no port")?;
                    calls.push((name, host.to_owned(), port.parse()?));
                }
            }
        }
    }
    let envoy = yaml(&folder().join("gateway/envoy.yaml"))?;
    for cluster in envoy["static_resources"]["clusters"].as_array().context("no clusters")? {
        let socket = cluster
            .pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address")
            .context("no address")?;
        let host = socket["address"].as_str().context("no host")?.to_owned();
        if host != "127.0.0.1" {
            calls.push(("gateway", host, socket["port_value"].as_u64().context("no port")?));
        }
    }
    assert_eq!(calls.len(), 5 + 2 + 4, "{calls:?}");
    for (name, host, port) in calls {
        let other = stack.resolve(name, &host).with_context(|| format!("{name} does not reach {host}"))?;
        ensure!(ports[other].contains(&port), "{name} calls {host}:{port}, where {other} does not listen");
    }
    Ok(())
}

/// The issuer, the audience, the clients and the folders of secrets are called the same everywhere.
#[test]
fn names_are_the_same_everywhere() -> Result<()> {
    let stack = Stack::load()?;
    let gateway = yaml(&folder().join("gateway/scopegate.yaml"))?;
    let realm = yaml(&folder().join("keycloak/realm.json"))?;
    let provider = &gateway["identity_providers"]["keycloak"];
    let outside = stack.service("keycloak")?["environment"]["KC_HOSTNAME"].as_str().context("no name")?;
    let issuer = format!("{outside}/realms/{}", realm["realm"].as_str().context("no name")?);
    assert_eq!(provider["issuer"], issuer);
    let mut known = BTreeSet::new();
    for caller in gateway["callers"].as_array().context("no callers")? {
        assert_eq!(caller["jwt"]["issuer"], issuer);
        let condition = &caller["jwt"]["where"][0];
        ensure!(condition["claim"] == "azp", "{condition}");
        match &condition["in"] {
            Value::Array(several) => known.extend(several.iter().filter_map(Value::as_str)),
            one => known.extend(one.as_str()),
        }
    }
    let clients = realm["clients"].as_array().context("no clients")?;
    let ids: BTreeSet<_> = clients.iter().filter_map(|client| client["clientId"].as_str()).collect();
    assert_eq!(known, ids);
    for client in clients {
        let audience = client["protocolMappers"].as_array().context("no mappers")?;
        let audience = audience.iter().find(|mapper| mapper["name"] == "scopegate").context("no audience")?;
        assert_eq!(audience["config"]["included.custom.audience"], provider["audiences"]);
    }
    for (service, file) in [
        ("prometheus", "prometheus/prometheus.yaml"),
        ("prometheus-bank", "prometheus/bank.yaml"),
        ("log-forwarder", "config.alloy"),
    ] {
        let text = text(file)?;
        let quoted =
            text.contains(&format!("= \"{service}\"")) || text.contains(&format!("client_id: {service}\n"));
        ensure!(quoted, "{file}: not the client {service}");
        let at = stack.target_of(service, &format!("{service}-secrets"))?;
        ensure!(text.contains(&format!("{at}/client-secret")), "{file}: the secret is not at {at}");
    }
    Ok(())
}
