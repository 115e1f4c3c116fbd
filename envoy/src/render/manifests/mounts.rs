//! The files that a gateway reads, and how they come into its pods.

use std::collections::BTreeMap;

use super::Object;
use crate::gateway::{Gateway, Jwks};
use crate::render::{File, envoy};
use crate::yaml::{Fields, Yaml};

/// Where the module is mounted, if it comes as an image.
const MODULE: &str = "/opt/scopegate";
/// The module's file there.
pub(crate) const MODULE_FILE: &str = "/opt/scopegate/plugin.wasm";
/// Where the sources of secrets are, and what stands beside the configuration.
pub(crate) const SOURCES: &str = "/etc/scopegate";
/// What the kubelet brings into every pod that asks for it.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What is in every image of Envoy.
const SYSTEM: &str = "/etc/ssl/";

/// What a platform has by itself, so that no file need be there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Brings {
    /// The certificates of the listeners.
    pub(crate) certificates: bool,
    /// Who verifies tokens, and what it verifies them by.
    pub(crate) tokens: bool,
}

/// The files that a gateway reads.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// The folders that are mounted, each with the name of its Secret.
    pub(crate) secrets: BTreeMap<String, String>,
    /// Those that stand beside the configuration: nothing secret.
    pub(crate) beside: Vec<String>,
    /// The sources of secrets.
    pub(crate) sources: Vec<File>,
    /// Whether the token of the pod's account is among them.
    pub(crate) asks_for_account: bool,
}

impl Files {
    /// Those of a whole gateway, without what the platform brings.
    pub(crate) fn of(gateway: &Gateway, brings: Brings) -> Result<Self, String> {
        let mut files = Self::default();
        if !brings.certificates {
            for tls in gateway.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
                files.public(&tls.certificate.certificate);
                files.secret(&tls.certificate.key)?;
                tls.client_ca.iter().for_each(|file| files.public(file));
            }
        }
        if !brings.tokens {
            for provider in &gateway.providers {
                if let Jwks::File(file) = &provider.jwks {
                    files.public(file);
                }
            }
        }
        let is_ours = |name: &str| !(brings.tokens && name.starts_with(crate::gateway::OUR_OWN));
        for cluster in gateway.clusters.iter().filter(|cluster| is_ours(&cluster.name)) {
            if let Some(tls) = &cluster.tls {
                files.public(&tls.ca);
                if let Some(pair) = &tls.certificate {
                    files.public(&pair.certificate);
                    files.secret(&pair.key)?;
                }
            }
            if let Some(credential) = &cluster.credential {
                files.secret(&credential.file)?;
            }
        }
        files.sources = envoy::secrets(gateway)
            .into_iter()
            .filter(|source| {
                !brings.certificates
                    || gateway
                        .clusters
                        .iter()
                        .any(|cluster| source.name.starts_with(&format!("{}-", cluster.name)))
            })
            .collect();
        Ok(files)
    }

    fn public(&mut self, file: &str) {
        match file.rsplit_once('/') {
            Some((folder, _)) if file.starts_with('/') => self.folder(folder),
            _ if !self.beside.iter().any(|known| known == file) => self.beside.push(file.to_owned()),
            _ => {}
        }
    }

    fn secret(&mut self, file: &str) -> Result<(), String> {
        match file.rsplit_once('/') {
            Some((folder, _)) if file.starts_with('/') => {
                self.folder(folder);
                Ok(())
            }
            _ => Err(format!(
                "`{file}` is a secret, which comes out of a mounted Secret: name it with its folder, such as \
                 /var/run/secrets/NAME/{file} for the Secret `NAME`"
            )),
        }
    }

    fn folder(&mut self, folder: &str) {
        self.asks_for_account |= folder == ACCOUNT;
        let is_there = folder == ACCOUNT || format!("{folder}/").starts_with(SYSTEM);
        if let Some(name) = folder.rsplit('/').next().filter(|_| !is_there) {
            self.secrets.insert(folder.to_owned(), name.to_owned());
        }
    }

    /// The volumes of a pod, and where they are mounted: of the Secrets, of the sources in a `ConfigMap` of this name, and of
    /// the module in an image.
    pub(crate) fn volumes(&self, sources: Option<&str>, image: Option<&str>) -> (Vec<Fields>, Vec<Fields>) {
        let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
        if let Some(name) = sources {
            volumes.push(
                Fields::new()
                    .with("name", "configuration")
                    .with("configMap", Fields::new().with("name", name)),
            );
            mounts.push(mount("configuration", SOURCES));
        }
        for (folder, secret) in &self.secrets {
            let name = format!("secret-{secret}");
            let source = Fields::new().with("secretName", secret);
            volumes.push(Fields::new().with("name", &name).with("secret", source));
            mounts.push(mount(&name, folder));
        }
        if let Some(image) = image {
            let comment =
                "An image as a volume: Kubernetes 1.35, or 1.33 with the feature gate `ImageVolume`.";
            let source = Fields::new().with("reference", image).with("pullPolicy", "IfNotPresent");
            volumes.push(Fields::block().told(comment, "name", "module").with("image", source));
            mounts.push(mount("module", MODULE));
        }
        (volumes, mounts)
    }

    /// The sources as a `ConfigMap`, where there are any.
    pub(crate) fn config_map(&self, namespace: &str, name: &str) -> Option<Object> {
        let data = self.sources.iter().fold(Fields::block(), |data, file| data.with(&file.name, &file.text));
        let comment = "Where Envoy finds what is secret, as it asks for it.";
        (!self.sources.is_empty())
            .then(|| super::object(comment, "v1", "ConfigMap", namespace, name).with("data", data))
    }
}

/// The Secret that a file comes out of: the folder that it is mounted at has its name.
pub(crate) fn secret_of(file: &str) -> Result<&str, String> {
    file.rsplit('/').nth(1).filter(|name| !name.is_empty()).ok_or_else(|| {
        format!("`{file}` comes out of a Secret: name it with its folder, such as /etc/NAME/tls.crt for the Secret `NAME`")
    })
}

/// A volume that nobody writes to.
pub(crate) fn mount(name: &str, path: &str) -> Fields {
    Fields::new().with("name", name).with("mountPath", path).with("readOnly", true)
}

/// The same with whole paths of the sources, for an Envoy that is started elsewhere.
pub(crate) fn rooted(fields: Fields) -> Yaml {
    Yaml::from(fields).texts(&|text| text.strip_prefix("./").map(|name| format!("{SOURCES}/{name}")))
}
