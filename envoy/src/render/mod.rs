//! `scopegate render`: from `scopegate.yaml` to everything that a gateway is set up with.
//!
//! A target is a file here that makes [`Files`] of a [`Gateway`]; it decides nothing. What is Envoy's in all of them is in
//! `envoy`.

mod bootstrap;
mod compose;
mod envoy;
mod envoy_gateway;
mod istio;
mod kubernetes;
mod manifests;
mod module;
#[cfg(test)]
mod platforms;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

pub(crate) use manifests::Place;
pub(crate) use module::Module;

use crate::check::meant;
use crate::convert::{auth_gateway, without_text};
use crate::document::Document;
use crate::finding::Finding;
use crate::gateway::{self, Gateway, Problem};

/// Makes a whole gateway of a configuration
#[derive(Args)]
#[command(after_help = "\
Examples:
  scopegate render scopegate.yaml                         Envoy's bootstrap, on the standard output
  scopegate render scopegate.yaml --output deploy         into a folder, with the files that it needs beside it
  scopegate render auth-gateway.yaml --output deploy      of an auth-gateway's file, as it is
  scopegate render scopegate.yaml --to compose --output deploy
  scopegate render scopegate.yaml --wasm https://example.org/scopegate.wasm --sha256 DIGEST

The file is a Scopegate configuration with `upstreams`, and where wanted `listeners`, `operations` and `identity_providers`:
docs/gateway.md. The output is the same for the same input.

Exit code: 0 where it was made, 1 where the configuration is refused, 2 for bad arguments and for what cannot be read.")]
pub(crate) struct Render {
    /// The configuration, YAML or JSON; `-` for the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is made for
    #[arg(long, value_name = "TARGET", default_value = "bootstrap")]
    to: Target,
    /// The gateway's namespace in Kubernetes
    #[arg(long, short, value_name = "NAMESPACE", default_value = "scopegate")]
    namespace: String,
    /// Where it goes: a file whose name ends in .yaml, or a folder; by default the standard output
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// The module: a file as Envoy finds it, a URL with `--sha256`, or (not for `bootstrap`) an image `oci://…`
    #[arg(long, value_name = "MODULE", default_value = "scopegate.wasm")]
    wasm: String,
    /// The SHA-256 digest of the module, in hexadecimal
    #[arg(long, value_name = "DIGEST")]
    sha256: Option<String>,
}

/// What a gateway is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// A plain Envoy: its bootstrap
    Bootstrap,
    /// Docker Compose: a service with Envoy, and its bootstrap
    Compose,
    /// Istio: a gateway with an `EnvoyFilter`, and what is around it
    Istio,
    /// Kubernetes: a plain Envoy, as a kustomization
    Kubernetes,
    /// Envoy Gateway: a Gateway with an `EnvoyPatchPolicy`
    EnvoyGateway,
}

impl Target {
    fn files(self, gateway: &Gateway, module: &Module, place: Place<'_>) -> Result<Files, String> {
        match self {
            Self::Bootstrap => bootstrap::files(gateway, module),
            Self::Compose => compose::files(gateway, module),
            Self::Istio => istio::files(gateway, module, place),
            Self::EnvoyGateway => envoy_gateway::files(gateway, module, place),
            Self::Kubernetes => kubernetes::files(gateway, module, place),
        }
    }
}

/// What a target made: the file that matters, and those that stand beside it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// Its name and its text.
    pub(crate) main: File,
    pub(crate) beside: Vec<File>,
}

/// A file that was made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Its name, without a folder.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Render {
    /// Makes it.
    pub(crate) fn run(&self) -> ExitCode {
        let module = match Module::parse(&self.wasm, self.sha256.as_deref()) {
            Ok(module) => module,
            Err(problem) => {
                eprintln!("scopegate: --wasm: {problem}");
                return ExitCode::from(2);
            }
        };
        match self.render(&module) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("scopegate: {error:#}");
                ExitCode::from(2)
            }
        }
    }

    /// Whether the configuration was good.
    fn render(&self, module: &Module) -> anyhow::Result<bool> {
        let document = match Document::read(&self.file)? {
            Ok(document) => document,
            Err(malformed) => {
                eprintln!("scopegate: {}", without_text(&malformed));
                return Ok(false);
            }
        };
        let (gateway, shown) = gateway_of(&document);
        for shown in shown {
            anstream::eprintln!("{shown}\n");
        }
        let Some(gateway) = gateway else { return Ok(false) };
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let place = Place { namespace: &self.namespace, folder };
        let files = match self.to.files(&gateway, module, place) {
            Ok(files) => files,
            Err(problem) => {
                eprintln!("scopegate: {problem}");
                return Ok(false);
            }
        };
        self.write(&files)?;
        Ok(true)
    }

    fn write(&self, files: &Files) -> anyhow::Result<()> {
        let Some(output) = &self.output else {
            print!("{}", files.main.text);
            if !files.beside.is_empty() {
                let names: Vec<&str> = files.beside.iter().map(|file| &*file.name).collect();
                eprintln!("scopegate: it needs {} beside it: --output FOLDER writes all", names.join(", "));
            }
            return Ok(());
        };
        let is_file = output.extension().is_some_and(|extension| extension == "yaml" || extension == "json");
        let (folder, main) = if is_file {
            (output.parent().unwrap_or(Path::new("")), output.clone())
        } else {
            (output.as_path(), output.join(&files.main.name))
        };
        if !folder.as_os_str().is_empty() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let beside = files.beside.iter().map(|file| (folder.join(&file.name), &file.text));
        for (path, text) in beside.chain([(main, &files.main.text)]) {
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            eprintln!("scopegate: wrote {}", path.display());
        }
        Ok(())
    }
}

/// The gateway of a document, which may be an auth-gateway's, and what is to be told about it.
pub(crate) fn gateway_of(document: &Document) -> (Option<Gateway>, Vec<String>) {
    if let Some(converted) = auth_gateway::of(document) {
        let mut shown = converted.shown(document);
        let made =
            converted.text().map(|text| Document::parse(format!("{}, converted", document.name), text));
        let Some(Ok(made)) = made else { return (None, shown) };
        let (gateway, more) = gateway_of(&made);
        shown.extend(more);
        return (gateway, shown);
    }
    let root = &document.root;
    let (gateway, problems) = gateway::compile(&root.value());
    let findings = findings(&problems, |path| root.place(path));
    (gateway, findings.iter().map(|finding| finding.render(&document.name, &document.text)).collect())
}

/// Problems where they are in a text.
pub(crate) fn findings(problems: &[Problem], place: impl Fn(&str) -> std::ops::Range<usize>) -> Vec<Finding> {
    let finding = |problem: &Problem| Finding {
        severity: problem.severity,
        path: problem.path.clone(),
        span: place(&problem.path),
        message: problem.message.clone(),
        help: problem
            .help
            .clone()
            .or_else(|| meant(&problem.message).map(|name| format!("did you mean `{name}`?"))),
        note: None,
    };
    problems.iter().map(finding).collect()
}
