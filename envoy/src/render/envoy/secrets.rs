//! Secrets in files. Envoy follows a file only through a source of its own: a small file that names it.

use super::{Fields, one, typed};
use crate::gateway::{Gateway, KeyPair};
use crate::render::File;
use crate::yaml::Yaml;

const SECRET: &str = "envoy.extensions.transport_sockets.tls.v3.Secret";

/// The name of a listener's or a cluster's certificate.
pub(super) fn certificate(of: &str) -> String {
    format!("{of}-certificate")
}

/// The name of the authorities of a listener's clients.
pub(super) fn authority(of: &str) -> String {
    format!("{of}-client-ca")
}

/// The name of what is added to requests to a cluster.
pub(super) fn credential(of: &str) -> String {
    format!("{of}-credential")
}

/// Where a secret is asked for.
pub(super) fn reference(name: &str) -> Fields {
    let source = Fields::new().with("path_config_source", Fields::new().with("path", watched(&file(name))));
    Fields::new().with("name", name).with("sds_config", source)
}

/// Envoy watches no file whose path has no folder.
fn watched(file: &str) -> String {
    if file.contains('/') { file.to_owned() } else { format!("./{file}") }
}

fn file(name: &str) -> String {
    format!("{name}.yaml")
}

/// The files that name secrets.
pub(crate) fn secrets(gateway: &Gateway) -> Vec<File> {
    let mut files = Vec::new();
    for listener in &gateway.listeners {
        let Some(tls) = &listener.tls else { continue };
        files.push(secret(&certificate(&listener.name), "tls_certificate", key_pair(&tls.certificate)));
        if let Some(client_ca) = &tls.client_ca {
            let context = Fields::new()
                .with("trusted_ca", Fields::new().with("filename", watched(client_ca)))
                .with("watched_directory", directory(client_ca));
            files.push(secret(&authority(&listener.name), "validation_context", context));
        }
    }
    for cluster in &gateway.clusters {
        if let Some(pair) = cluster.tls.as_ref().and_then(|tls| tls.certificate.as_ref()) {
            files.push(secret(&certificate(&cluster.name), "tls_certificate", key_pair(pair)));
        }
        if let Some(added) = &cluster.credential {
            let text = Fields::new().with("secret", Fields::new().with("filename", watched(&added.file)));
            files.push(secret(&credential(&cluster.name), "generic_secret", text));
        }
    }
    files
}

fn key_pair(pair: &KeyPair) -> Fields {
    Fields::new()
        .with("certificate_chain", Fields::new().with("filename", watched(&pair.certificate)))
        .with("private_key", Fields::new().with("filename", watched(&pair.key)))
        .with("watched_directory", directory(&pair.certificate))
}

/// The folder of a file: what Kubernetes swaps is in it.
fn directory(file: &str) -> Fields {
    let folder = match file.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None => ".",
    };
    Fields::new().with("path", folder)
}

fn secret(name: &str, kind: &str, content: Fields) -> File {
    let resource = typed(SECRET, Fields::new().with("name", name).with(kind, content));
    let comment = "Made by `scopegate render`. Envoy watches this file, and those that it names.";
    let text = Yaml::from(Fields::new().told(comment, "resources", one(resource))).text();
    File { name: file(name), text }
}
