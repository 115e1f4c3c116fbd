//! A plain Envoy's bootstrap.

use core::fmt::Write as _;

use super::envoy;
use super::{File, Files, Module};
use crate::gateway::Gateway;
use crate::yaml::{Fields, Yaml};

/// The bootstrap, and the sources of secrets beside it.
pub(crate) fn files(gateway: &Gateway, module: &Module) -> Result<Files, String> {
    if matches!(module, Module::Image(_)) {
        return Err("a plain Envoy pulls no images: give a file, or a URL with --sha256".to_owned());
    }
    let mut listeners: Vec<Fields> =
        gateway.listeners.iter().map(|listener| envoy::listener(gateway, listener, module)).collect();
    listeners.extend(gateway.operations.map(|operations| envoy::operations(gateway, operations)));
    let mut clusters: Vec<Fields> = gateway.clusters.iter().map(envoy::cluster).collect();
    clusters.extend(gateway.operations.map(envoy::admin_cluster));
    if let Module::Url { url, .. } = module {
        clusters.push(envoy::module_cluster(url)?);
    }
    let admin = gateway.operations.map_or(([127, 0, 0, 1], 9901).into(), |operations| operations.admin);
    let bootstrap = Fields::block()
        .told(
            "A secret that is read from a file needs both names.",
            "node",
            Fields::new().with("id", "scopegate").with("cluster", "scopegate"),
        )
        .told(
            "Whoever reaches it can read everything and stop Envoy: never on another address.",
            "admin",
            Fields::new().with("address", envoy::address(admin)),
        )
        .told(
            "Turns the tags in the filter's metric names into tags.",
            "stats_config",
            Fields::new().with("stats_tags", envoy::stats_tags()),
        )
        .with("static_resources", Fields::block().with("listeners", listeners).with("clusters", clusters));
    let secrets = envoy::secrets(gateway);
    let text = format!("{}\n{}", head(gateway, module, &secrets), Yaml::from(bootstrap).text());
    Ok(Files { main: File { name: "envoy.yaml".to_owned(), text }, beside: secrets })
}

/// What stands at its beginning: how it is run, and with what beside it.
fn head(gateway: &Gateway, module: &Module, secrets: &[File]) -> String {
    let mut beside: Vec<&str> = Vec::new();
    if let Module::File(file) = module
        && !file.starts_with('/')
    {
        beside.push(file);
    }
    beside.extend(secrets.iter().map(|file| &*file.name));
    let mut head =
        "# Made by `scopegate render`: change the configuration that it was made of, and make it anew.\n"
            .to_owned();
    if !beside.is_empty() {
        let _ = writeln!(head, "# Beside it, in the folder that Envoy is started in: {}.", beside.join(", "));
    }
    let environment: Vec<String> =
        gateway.filter.environment.iter().map(|name| format!("{name}=… ")).collect();
    let _ = writeln!(head, "#\n#   {}envoy -c envoy.yaml", environment.concat());
    head
}
