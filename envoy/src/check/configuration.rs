//! The filter's own configuration, compiled as the filter does it.

use scopegate_core::config::{Config, ConfigError, Mode};
use scopegate_core::policy::Policy;
use serde_json::Value;

use super::suggest;
use crate::config::{GatewayConfig, split};
use crate::document::{Data, Node};
use crate::finding::{Finding, Severity};
use crate::gateway;

/// Stands for a secret that is not in the environment: long enough for a key, and a list of keys with one in it.
pub(crate) const PLACEHOLDER: &str = "placeholder:cGxhY2Vob2xkZXJwbGFjZWhvbGRlcnBsYWNlaG9sZGVy";

/// Reads and compiles a configuration that stands at `path`, and tells what is wrong with it.
pub(super) fn read(node: &Node, path: &str, findings: &mut Vec<Finding>) -> Option<Config> {
    // A file of its own may say what is around the filter, too.
    let is_own = path.is_empty();
    let (filter, members) = if is_own { split(node.value()) } else { (node.value(), Value::Null) };
    let config = match Config::from_json(filter) {
        Ok(config) => config,
        Err(error) => {
            findings.push(finding(&with_members(error, is_own), node, path));
            return None;
        }
    };
    let env = |name: &str| {
        let value = std::env::var_os(name).map(std::ffi::OsString::into_encoded_bytes);
        Some(value.unwrap_or_else(|| PLACEHOLDER.as_bytes().to_vec()))
    };
    if let Err(error) = Policy::compile(&config, &env) {
        findings.push(finding(&error, node, path));
        return None;
    }
    if members.as_object().is_some_and(|members| !members.is_empty()) {
        for problem in gateway::compile(&node.value()).1 {
            let error = ConfigError::new(problem.path, problem.message);
            let mut found = Finding { severity: problem.severity, ..finding(&error, node, path) };
            found.help = problem.help.or(found.help);
            findings.push(found);
        }
    }
    if config.mode == Mode::Observe {
        let span = node.place("mode");
        findings.push(
            Finding::new(Severity::Warning, &under(path, "mode"), span, "`observe` protects nothing")
                .help("every request goes on as it came; enforce once the differences are explained"),
        );
    }
    Some(config)
}

/// What the filter's own fields are told of besides, where it is not the filter that reads them.
fn with_members(mut error: ConfigError, is_own: bool) -> ConfigError {
    let is_at_root = !error.path.contains(['.', '[']);
    if is_own && is_at_root && error.message.starts_with("unknown field") {
        for name in GatewayConfig::FIELDS {
            error.message.extend([", `", name, "`"]);
        }
    }
    error
}

/// What is told of an error in a configuration, or in another file, that stands at `path`.
pub(crate) fn finding(error: &ConfigError, node: &Node, path: &str) -> Finding {
    let span = if error.message.starts_with("unknown field") {
        name_place(node, &error.path)
    } else {
        node.place(&error.path)
    };
    let finding = Finding::new(Severity::Error, &under(path, &error.path), span, error.message.as_str());
    match suggest::meant(&error.message) {
        Some(name) => finding.help(format!("did you mean `{name}`?")),
        None if is_mangled(node, &error.path, &error.message) => finding
            .help("Envoy reads `no`, `on`, `y` as booleans and `007` as a number: put a name in quotes"),
        None => finding,
    }
}

/// The place of a field's name, whatever its value is.
fn name_place(node: &Node, path: &str) -> std::ops::Range<usize> {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut place = node.place(path);
    node.walk("", &mut |at, node| {
        if at == parent
            && let Some(entry) = node.entry(name)
        {
            place = entry.span.clone();
        }
    });
    place
}

/// Whether a plain scalar became something else than the text it reads like.
fn is_mangled(node: &Node, path: &str, message: &str) -> bool {
    let mut mangled = false;
    node.walk("", &mut |at, node| {
        mangled |= at == path
            && message.contains("expected a string")
            && matches!(&node.data, Data::Scalar { is_plain: true, .. })
            && !node.value().is_string();
    });
    mangled
}

/// A path below another.
pub(super) fn under(path: &str, rest: &str) -> String {
    match (path, rest) {
        ("", rest) => rest.to_owned(),
        (path, "") => path.to_owned(),
        (path, rest) if rest.starts_with('[') => format!("{path}{rest}"),
        (path, rest) => format!("{path}.{rest}"),
    }
}
