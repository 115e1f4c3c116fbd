//! Who reaches whom in the stack: the networks are to it what a `NetworkPolicy` is to a cluster.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use crate::stack::Stack;

/// The backends know tenants by a header that anybody could send, so the gateway alone may reach them.
#[test]
fn backends_are_reached_by_the_gateway_alone() -> Result<()> {
    let stack = Stack::load()?;
    for backend in ["cortex", "loki"] {
        for (name, _) in stack.services() {
            let reaches = stack.reached_from(name)?.contains(backend);
            let may = ["gateway", "cortex", "loki"].contains(&name) && name != backend;
            assert_eq!(reaches, may, "{name} and {backend}");
        }
    }
    Ok(())
}

/// Editors of an organisation may give a data source any address. What answers there without asking who calls must be out
/// of Grafana's reach.
#[test]
fn grafana_reaches_nothing_that_knows_no_tenants() -> Result<()> {
    let stack = Stack::load()?;
    assert_eq!(stack.reached_from("grafana")?, BTreeSet::from(["gateway", "keycloak", "try"]));
    Ok(())
}

#[test]
fn only_grafana_keycloak_and_the_gateway_are_seen_from_outside() -> Result<()> {
    let stack = Stack::load()?;
    let mut published = Vec::new();
    for (name, service) in stack.services() {
        for port in service["ports"].as_array().into_iter().flatten() {
            let port = port.as_str().context("a port")?;
            ensure!(port.starts_with("127.0.0.1:"), "{name} is open to the network: {port}");
            published.push((name, port));
        }
        let shares_host = service["network_mode"].as_str().is_some_and(|mode| mode != "none");
        ensure!(!shares_host, "{name} has the network of somebody else");
    }
    published.sort_unstable();
    let expected = [
        ("gateway", "127.0.0.1:8080:8080"),
        ("grafana", "127.0.0.1:3000:3000"),
        ("keycloak", "127.0.0.1:8180:8080"),
    ];
    assert_eq!(published, expected);
    let networks = stack.0["networks"].as_object().context("no networks")?;
    let open: Vec<_> =
        networks.iter().filter(|(_, network)| network["internal"] != true).map(|(name, _)| name).collect();
    assert_eq!(open, ["people"]);
    Ok(())
}
