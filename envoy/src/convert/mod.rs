//! `scopegate convert`: from what others are configured with to a `scopegate.yaml`.
//!
//! A source is a folder here that makes a [`Converted`] of a document, and one line of [`Source`].

pub(crate) mod auth_gateway;
mod cortex_tenant;
mod nginx;
mod prom_label_proxy;
mod taken;
#[cfg(test)]
mod tests;
mod vmauth;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use crate::document::{Document, Malformed, Node};
use crate::finding::Severity;
use crate::gateway::Problem;
use crate::render::findings;
use crate::yaml::Yaml;

/// Makes a configuration of what something else was configured with
#[derive(Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
The configuration goes to the standard output, or to --output; what is to be known about it, to the standard error.

Exit code: 0 where it was made, also with warnings; 1 where the file is refused; 2 for bad arguments and for what cannot be read."
)]
pub(crate) struct Convert {
    #[command(subcommand)]
    source: Source,
}

#[derive(Subcommand)]
enum Source {
    AuthGateway(auth_gateway::AuthGateway),
    CortexTenant(cortex_tenant::CortexTenant),
    CortexTenantNsLabel(cortex_tenant::NsLabel),
    PromLabelProxy(prom_label_proxy::PromLabelProxy),
    Nginx(nginx::Nginx),
    #[command(name = "vmuser", visible_alias = "vmauth")]
    VmUser(vmauth::VmUser),
}

/// What was made of a document.
pub(crate) struct Converted {
    /// What stands above it, without the signs of comments.
    pub(crate) head: String,
    /// The configuration; none where something is wrong.
    pub(crate) configuration: Option<Yaml>,
    /// What is wrong, what is different, what does nothing.
    pub(crate) problems: Vec<Problem>,
    /// What of the document must not be shown.
    pub(crate) secrets: Vec<Secret>,
}

/// A text of a document that must not be shown.
pub(crate) struct Secret {
    text: String,
    span: Range<usize>,
}

impl Secret {
    /// What a node says.
    pub(crate) fn of(node: &Node) -> Self {
        Self { text: node.text().unwrap_or_default().to_owned(), span: node.span.clone() }
    }
}

impl Converted {
    /// The text of the configuration.
    pub(crate) fn text(&self) -> Option<String> {
        let head = self.head.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n");
        Some(format!("{}\n{}", head.collect::<String>(), self.configuration.as_ref()?.text()))
    }

    /// What is to be known about it, as it is shown.
    pub(crate) fn shown(&self, document: &Document) -> Vec<String> {
        let text = self.without_secrets(&document.text);
        let findings = findings(&self.problems, |path| document.root.place(path));
        findings.iter().map(|finding| finding.render(&document.name, &text)).collect()
    }

    /// The text with every secret covered, byte for byte, so that places stay the same.
    fn without_secrets(&self, text: &str) -> String {
        /// Shorter ones stand in other words, too, which nobody could read any more.
        const TELLING: usize = 4;
        let mut text = text.to_owned();
        for Secret { span, .. } in &self.secrets {
            if text.get(span.clone()).is_some() {
                text.replace_range(span.clone(), &"*".repeat(span.len()));
            }
        }
        // An alias stands elsewhere than what it means.
        for Secret { text: secret, .. } in self.secrets.iter().filter(|secret| secret.text.len() >= TELLING) {
            text = text.replace(secret.as_str(), &"*".repeat(secret.len()));
        }
        text
    }
}

/// Where the result goes.
#[derive(Args)]
struct Input {
    /// The file, YAML or JSON; `-` for the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the configuration goes; by default the standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Input {
    /// Converts the file, and says whether that could be done.
    fn run(&self, convert: impl FnOnce(&Document) -> Converted) -> Result<bool> {
        let document = match Document::read(&self.file)? {
            Ok(document) => document,
            Err(malformed) => {
                eprintln!("scopegate: {}", without_text(&malformed));
                return Ok(false);
            }
        };
        told(&document, &convert(&document), self.output.as_deref())
    }
}

/// Tells what was made of a document, and says whether it was.
fn told(document: &Document, converted: &Converted, output: Option<&Path>) -> Result<bool> {
    for shown in converted.shown(document) {
        anstream::eprintln!("{shown}\n");
    }
    let is_refused = converted.problems.iter().any(|problem| problem.severity == Severity::Error);
    let Some(text) = converted.text().filter(|_| !is_refused) else { return Ok(false) };
    match output {
        None => print!("{text}"),
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(true)
}

/// What is wrong with a file that cannot be read, without the line itself: a password may stand there.
pub(crate) fn without_text(Malformed { name, text, problem }: &Malformed) -> String {
    let before = text.get(..problem.span.start).unwrap_or(text);
    let (line, column) = (
        before.matches('\n').count() + 1,
        before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
    );
    format!("{name}:{line}:{column}: {}", problem.message)
}

impl Convert {
    /// Converts.
    pub(crate) fn run(&self) -> ExitCode {
        let result = match &self.source {
            Source::AuthGateway(source) => source.run(),
            Source::CortexTenant(source) => source.run(),
            Source::CortexTenantNsLabel(source) => source.run(),
            Source::PromLabelProxy(source) => source.run(),
            Source::Nginx(source) => source.run(),
            Source::VmUser(source) => source.run(),
        };
        match result {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("scopegate: {error:#}");
                ExitCode::from(2)
            }
        }
    }
}
