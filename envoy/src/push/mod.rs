//! `scopegate push`: what `scopegate package` made goes to a registry.

mod challenge;
mod credentials;
mod reference;
mod registry;
#[cfg(test)]
mod tests;

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::package::{Packaged, read};
use credentials::Credentials;
use reference::{Reference, is_tag};
use registry::Registry;

/// The annotation that names the version.
const VERSION: &str = "org.opencontainers.image.version";

/// Pushes what `scopegate package` made to a registry
///
/// Prints the reference with its digest, by which to pull it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  scopegate push registry.example.org/scopegate:1.0.0 --from scopegate.tar
  scopegate push 127.0.0.1:5000/scopegate --from layout --plain-http      the tag is the module's version

Credentials, the first that there are:
  SCOPEGATE_REGISTRY_USERNAME and SCOPEGATE_REGISTRY_PASSWORD
  what `docker login` or `podman login` left (REGISTRY_AUTH_FILE, DOCKER_CONFIG, ~/.docker/config.json, credential helpers)
  none")]
pub(crate) struct Push {
    /// Where to: `REGISTRY/REPOSITORY:TAG`, or without the tag
    #[arg(value_name = "REF")]
    reference: Reference,
    /// What to push: the archive or the folder that `scopegate package` wrote
    #[arg(long, value_name = "DIR|FILE.tar")]
    from: PathBuf,
    /// The registry speaks HTTP without TLS
    #[arg(long)]
    plain_http: bool,
}

impl Push {
    /// Pushes, and prints the reference with its digest.
    pub(crate) fn run(&self) -> Result<()> {
        let packaged = read(&self.from).with_context(|| self.from.display().to_string())?;
        let credentials = Credentials::find(&self.reference.registry)?;
        let mut registry = Registry::new(&self.reference, credentials, self.plain_http);
        println!("{}", push(&mut registry, &self.reference, &packaged)?);
        Ok(())
    }
}

/// Blobs first, since a registry takes no manifest that names what it has not.
fn push(registry: &mut Registry, reference: &Reference, packaged: &Packaged) -> Result<String> {
    let tag = match (&reference.tag, packaged.annotations[VERSION].as_str()) {
        (Some(tag), _) => tag.as_str(),
        (None, Some(version)) => version,
        (None, None) => anyhow::bail!("{reference}: name a tag, since the package tells no version"),
    };
    ensure!(is_tag(tag), "{reference}: name a tag, since the version {tag:?} is none");
    for blob in &packaged.blobs {
        let text = format!("{} {}", short(&blob.digest), size(blob.bytes.len()));
        busy(&text);
        let was_sent = registry.put_blob(blob)?;
        step(&format!("{text} {}", if was_sent { "sent" } else { "was there" }));
    }
    registry.put_manifest(&packaged.manifest, tag)?;
    Ok(format!("{}/{}:{tag}@{}", reference.registry, reference.repository, packaged.manifest.digest))
}

/// What is under way, where somebody watches; the next line takes its place.
fn busy(text: &str) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K… {text}");
        let _ = stderr().flush();
    }
}

fn step(text: &str) {
    eprintln!("{}✓ {text}", if stderr().is_terminal() { "\r\x1b[K" } else { "" });
}

/// A digest as people recognise it.
fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}

fn size(bytes: usize) -> String {
    if bytes < 1_000 { format!("{bytes} B") } else { format!("{} KB", bytes.div_ceil(1_000)) }
}
