//! Istio's `WasmPlugin`, which cannot let the filter hold headers until it has seen a body: what does not go there.

use scopegate_core::config::Config;

use super::configuration::{self, under};
use crate::document::Node;
use crate::finding::{Finding, Severity};

/// Kinds of backends whose tenants stand in a header alone, so that no body of a caller that needs nothing is looked into.
const BY_HEADER: [&str; 3] = ["cortex", "loki", "tempo"];

/// Every `WasmPlugin` of a document that has a configuration of ours: its specification, the configuration, and the path of that.
pub(super) fn plugins(root: &Node) -> Vec<(&Node, &Node, String)> {
    let mut plugins = Vec::new();
    root.walk("", &mut |path, object| {
        if object.get("kind").and_then(Node::text) != Some("WasmPlugin") {
            return;
        }
        let Some(spec) = object.get("spec") else { return };
        let Some(configuration) = spec.get("pluginConfig") else { return };
        if configuration.get("backends").is_some() && configuration.get("callers").is_some() {
            plugins.push((spec, configuration, under(path, "spec.pluginConfig")));
        }
    });
    plugins
}

/// Checks one.
pub(super) fn check(spec: &Node, configuration: &Node, path: &str, findings: &mut Vec<Finding>) {
    let config = configuration::read(configuration, path, findings);
    if spec.get("failStrategy").and_then(Node::text) == Some("FAIL_OPEN") {
        let message =
            "after a failure of its VM, requests go on without the filter and choose their tenant themselves";
        let finding = Finding::new(Severity::Error, "failStrategy", spec.place("failStrategy"), message);
        findings.push(finding.help("set `failStrategy: FAIL_RELOAD`"));
    }
    if let Some((field, why)) = config.and_then(|config| needs_bodies(&config)) {
        let message =
            format!("{why}, and a `WasmPlugin` does not let the filter wait for one: such requests hang");
        let finding =
            Finding::new(Severity::Error, &under(path, &field), configuration.place(&field), message);
        findings.push(finding.help("set it up by an `EnvoyFilter`: `scopegate render --to istio` makes it"));
    }
}

/// The first field for which bodies are looked into before headers go on.
fn needs_bodies(config: &Config) -> Option<(String, &'static str)> {
    for (index, backend) in config.backends.iter().enumerate() {
        if !BY_HEADER.contains(&backend.kind.as_str()) {
            return Some((
                format!("backends[{index}].kind"),
                "requests to this kind are rewritten in their bodies",
            ));
        }
        if backend.isolate.is_some() || !backend.also_read.is_empty() {
            return Some((format!("backends[{index}]"), "its queries are rewritten in their bodies"));
        }
    }
    for (index, caller) in config.callers.iter().enumerate() {
        let field = [
            ("impersonate", caller.impersonate.is_some()),
            ("session", caller.session.is_some()),
            ("grants", !caller.grants.is_empty()),
        ];
        if let Some((field, _)) = field.into_iter().find(|(_, is_set)| *is_set) {
            return Some((format!("callers[{index}].{field}"), "this is decided by a body"));
        }
    }
    if let Some(name) = config.write.keys().next() {
        return Some((format!("write.{name}"), "tenants and labels of writes are found in their bodies"));
    }
    config.read.keys().next().map(|name| (format!("read.{name}"), "reads are narrowed in their bodies"))
}
