//! `scopegate check`: what is wrong with a configuration, and with the Envoy around it, before anything runs.

mod configuration;
mod envoy;
mod rules;
mod suggest;
#[cfg(test)]
mod tests;
mod wasm_plugin;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

pub(crate) use configuration::{PLACEHOLDER, finding};
pub(crate) use suggest::meant;

use crate::document::{Document, Malformed, Node};
use crate::finding::{Finding, Severity};

/// Says what is wrong with configurations, and where
#[derive(Args)]
#[command(after_help = "\
Examples:
  scopegate check scopegate.yaml             the configuration by itself
  scopegate check envoy.yaml                 Envoy's, with every Scopegate filter in it and what stands around it
  kubectl get envoyfilter scopegate -o yaml | scopegate check -
  scopegate check istio.yaml                 objects of Kubernetes, several in one file

Exit code: 0 where there are no errors, 1 where there are (with --deny-warnings also for warnings), 2 for bad arguments and files that cannot be read.
Secrets are taken from the environment where they are set; where one is not, only its use is checked.")]
pub(crate) struct Check {
    /// Scopegate's or Envoy's configuration, YAML or JSON; `-` for the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// One JSON object a line for each finding, for tools
    #[arg(long)]
    json: bool,
    /// Warnings count as errors
    #[arg(long)]
    deny_warnings: bool,
}

impl Check {
    /// Whether all is well.
    pub(crate) fn run(&self) -> anyhow::Result<bool> {
        let (mut errors, mut warnings) = (0_usize, 0_usize);
        for file in &self.files {
            let (name, text, findings) = match Document::read(file)? {
                Ok(document) => {
                    let findings = findings(&document.root);
                    (document.name, document.text, findings)
                }
                Err(Malformed { name, text, problem }) => {
                    (name, text, vec![Finding::new(Severity::Error, "", problem.span, problem.message)])
                }
            };
            for finding in &findings {
                match finding.severity {
                    Severity::Error => errors += 1,
                    Severity::Warning => warnings += 1,
                }
                if self.json {
                    println!("{}", as_json(finding, &name, &text));
                } else {
                    anstream::println!("{}\n", finding.render(&name, &text));
                }
            }
        }
        if !self.json {
            println!("{}", summary(self.files.len(), errors, warnings));
        }
        Ok(errors == 0 && !(self.deny_warnings && warnings > 0))
    }
}

/// The configurations of a document: its own, or those of the filters in Envoy's; each with the path where it stands.
pub(crate) fn configurations(root: &Node) -> Vec<(&Node, String)> {
    let filters = envoy::filters(root);
    if filters.is_empty() && is_our_own(root) {
        return vec![(root, String::new())];
    }
    let plugins =
        wasm_plugin::plugins(root).into_iter().map(|(_, configuration, path)| (configuration, path));
    filters.into_iter().map(|filter| (filter.configuration, filter.path)).chain(plugins).collect()
}

fn is_our_own(root: &Node) -> bool {
    root.get("backends").or_else(|| root.get("callers")).is_some()
}

/// What is wrong with a document, errors first in the order of the file.
fn findings(root: &Node) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (filters, plugins) = (envoy::filters(root), wasm_plugin::plugins(root));
    if !filters.is_empty() || !plugins.is_empty() {
        for (spec, configuration, path) in &plugins {
            wasm_plugin::check(spec, configuration, path, &mut findings);
        }
        for filter in &filters {
            let configuration = configuration::read(filter.configuration, &filter.path, &mut findings);
            rules::check(root, filter, configuration.as_ref(), &mut findings);
        }
    } else if is_our_own(root) {
        configuration::read(root, "", &mut findings);
    } else {
        let message = "neither a Scopegate configuration nor an Envoy configuration with its filter";
        findings.push(Finding::new(Severity::Error, "", root.place(""), message).help(
            "a configuration has `backends` and `callers`; a filter is recognised by `name` or `root_id: scopegate`",
        ));
    }
    findings.sort_by_key(|finding| (finding.severity == Severity::Warning, finding.span.start));
    findings
}

/// What is wrong with a text, a line for each.
#[cfg(test)]
pub(crate) fn told(text: &str) -> Vec<String> {
    match Document::parse("test.yaml".to_owned(), text.to_owned()) {
        Ok(document) => {
            let line = |finding: &Finding| format!("{}: {}", finding.path, finding.message);
            findings(&document.root).iter().map(line).collect()
        }
        Err(malformed) => vec![malformed.problem.message],
    }
}

pub(crate) fn as_json(finding: &Finding, file: &str, text: &str) -> serde_json::Value {
    let (line, column) = finding.position(text);
    json!({
        "severity": match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "file": file,
        "line": line,
        "column": column,
        "path": finding.path,
        "message": finding.message,
        "help": finding.help,
    })
}

fn summary(files: usize, errors: usize, warnings: usize) -> String {
    let count = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    if errors == 0 && warnings == 0 {
        return format!("{}: no problems found", count(files, "file"));
    }
    format!("{}: {}, {}", count(files, "file"), count(errors, "error"), count(warnings, "warning"))
}
