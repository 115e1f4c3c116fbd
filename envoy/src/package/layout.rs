//! An OCI image layout: a folder of blobs by digest and an index of one manifest; or the same as a tar archive.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::content::{Blob, Packaged};
use super::form::archive;

const MARKER: (&str, &str) = ("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const VERSION: &str = "org.opencontainers.image.version";
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// What is read of one file of a layout at most. A module is about a megabyte.
const MAX: u64 = 64 << 20;

/// Writes it: an archive where the name ends in `.tar`, else a folder.
pub(crate) fn write(output: &Path, packaged: &Packaged) -> Result<()> {
    let files = files(packaged);
    if is_archive(output) {
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        return put(output, &archive(&files)?);
    }
    if output.exists() && !is_empty(output) {
        // An earlier package makes room; anything else is somebody's.
        let old = read(output).with_context(|| {
            format!(
                "{}: a folder with something else in it: name one that is empty or not there",
                output.display()
            )
        })?;
        for blob in std::iter::once(&old.manifest).chain(&old.blobs) {
            // One that is named twice is gone already.
            let _ = fs::remove_file(output.join(blob_name(&blob.digest)));
        }
    }
    for (name, bytes) in &files {
        let file = output.join(name);
        let folder = file.parent().unwrap_or(output);
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        put(&file, bytes)?;
    }
    Ok(())
}

/// Writes a file whole.
pub(super) fn put(file: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(file, bytes).with_context(|| format!("writing {}", file.display()))
}

fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tar")
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// The files of the layout by name, in the order of an archive: what tells what it is comes first.
fn files(packaged: &Packaged) -> Vec<(String, Vec<u8>)> {
    let mut descriptor = packaged.manifest.descriptor();
    if let Some(version) = packaged.annotations.get(VERSION) {
        descriptor["annotations"] = json!({REF_NAME: version});
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]});
    let mut files = vec![
        (MARKER.0.to_owned(), MARKER.1.as_bytes().to_vec()),
        ("index.json".to_owned(), index.to_string().into_bytes()),
    ];
    for blob in std::iter::once(&packaged.manifest).chain(&packaged.blobs) {
        files.push((blob_name(&blob.digest), blob.bytes.clone()));
    }
    files
}

fn blob_name(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// Reads a layout of one manifest, whoever made it, and checks every digest.
pub(crate) fn read(path: &Path) -> Result<Packaged> {
    let files = if path.is_dir() { Files::Folder(path) } else { Files::Archive(unpacked(path)?) };
    let index: Value = serde_json::from_slice(&files.get("index.json")?).context("index.json")?;
    let manifests = index["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [descriptor] = manifests else {
        anyhow::bail!("index.json: it has {} manifests, and one is pushed", manifests.len());
    };
    let manifest = files.blob(descriptor)?;
    let value: Value = serde_json::from_slice(&manifest.bytes).context("the manifest")?;
    let layers =
        value["layers"].as_array().context("the manifest has no layers: is it an index of several?")?;
    let named = std::iter::once(&value["config"]).chain(layers);
    let blobs = named.map(|descriptor| files.blob(descriptor)).collect::<Result<_>>()?;
    Ok(Packaged { manifest, blobs, annotations: value["annotations"].clone() })
}

enum Files<'a> {
    Folder(&'a Path),
    Archive(BTreeMap<String, Vec<u8>>),
}

impl Files<'_> {
    fn get(&self, name: &str) -> Result<Vec<u8>> {
        match self {
            Self::Folder(folder) => {
                let file = folder.join(name);
                let mut bytes = Vec::new();
                let opened = fs::File::open(&file);
                opened.and_then(|file| file.take(MAX).read_to_end(&mut bytes)).with_context(|| {
                    format!("{}: is this what `scopegate package` wrote?", file.display())
                })?;
                Ok(bytes)
            }
            Self::Archive(files) => files
                .get(name)
                .cloned()
                .with_context(|| format!("no {name} in it: is this what `scopegate package` wrote?")),
        }
    }

    /// The content that a descriptor names, which it must be.
    fn blob(&self, descriptor: &Value) -> Result<Blob> {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        let is_digest = digest
            .strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        ensure!(is_digest, "{digest:?} is no SHA-256 digest");
        let media_type = descriptor["mediaType"].as_str().unwrap_or_default();
        let blob = Blob::new(media_type, self.get(&blob_name(digest))?);
        ensure!(blob.digest == digest, "{digest} is damaged: it has the digest {}", blob.digest);
        Ok(blob)
    }
}

fn unpacked(path: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let file = fs::File::open(path).with_context(|| path.display().to_string())?;
    let mut archive = tar::Archive::new(file);
    let mut files = BTreeMap::new();
    let mut read = || -> Result<()> {
        for entry in archive.entries()? {
            let entry = entry?;
            let name = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
            let mut bytes = Vec::new();
            entry.take(MAX).read_to_end(&mut bytes)?;
            files.insert(name, bytes);
        }
        Ok(())
    };
    read().with_context(|| format!("{}: this is no tar archive", path.display()))?;
    Ok(files)
}
