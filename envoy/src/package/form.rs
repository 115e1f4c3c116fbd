//! The two forms that Istio and Envoy Gateway read (their `pkg/wasm` and `internal/wasm`): an image, of which they take
//! `plugin.wasm` out of the last layer, and an artifact with exactly two layers, of which one is the module as it is.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value, json};

use super::bom::Bom;
use super::content::{Blob, Packaged};
use super::{Package, content};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const IMAGE_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MODULE_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
const MODULE_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
pub(super) const BOM: &str = "application/vnd.cyclonedx+json";

const TITLE: &str = "org.opencontainers.image.title";

/// What a package says of itself.
#[derive(Clone, Debug)]
pub(crate) struct About {
    annotations: BTreeMap<String, String>,
    /// RFC 3339.
    created: Option<String>,
}

impl About {
    pub(super) fn new(bom: &Bom, options: &Package) -> Result<Self> {
        let created = options.source_date_epoch.map(rfc3339).transpose()?;
        let mut annotations = BTreeMap::new();
        let known = [
            ("title", Some("Scopegate")),
            (
                "description",
                Some("An Envoy filter: multi-tenancy in front of metrics, logs and traces backends"),
            ),
            ("version", Some(bom.version.as_str())),
            ("licenses", Some(bom.licence.as_str())),
            ("revision", options.revision.as_deref()),
            ("source", options.source.as_deref()),
            ("created", created.as_deref()),
        ];
        for (name, value) in known {
            if let Some(value) = value {
                annotations.insert(format!("org.opencontainers.image.{name}"), value.to_owned());
            }
        }
        annotations.extend(options.annotations.iter().cloned());
        Ok(Self { annotations, created })
    }

    fn annotations(&self) -> Value {
        json!(self.annotations)
    }
}

/// `KEY=VALUE` of the command line.
pub(super) fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// An image whose one layer holds the module as `plugin.wasm`, and its SBOM after it.
///
/// It calls itself one for Linux on amd64, since what pulls images for a platform must find one; the module runs on any.
pub(super) fn image(module: &[u8], bom: &Bom, about: &About) -> Result<Packaged> {
    let tar = archive(&[("plugin.wasm", module), ("sbom.cdx.json", &bom.bytes)])?;
    let diff_id = format!("sha256:{}", content::sha256(&tar));
    let layer = Blob::new(IMAGE_LAYER, gzip(&tar)?);
    let mut config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": about.annotations()},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created_by": "scopegate package"}],
    });
    if let Some(created) = &about.created {
        config["created"] = json!(created);
        config["history"][0]["created"] = json!(created);
    }
    let config = Blob::json(IMAGE_CONFIG, &config);
    Ok(packaged(config, vec![layer], None, about))
}

/// An artifact whose two layers are the module and its SBOM.
pub(super) fn artifact(module: Vec<u8>, bom: Bom, about: &About) -> Packaged {
    let config = Blob::json(MODULE_CONFIG, &Value::Object(Map::new()));
    let layers = vec![Blob::new(MODULE_LAYER, module), Blob::new(BOM, bom.bytes)];
    packaged(config, layers, Some(["plugin.wasm", "sbom.cdx.json"]), about)
}

/// The manifest over it all. `titles` are what tools call the layers when they unpack them.
fn packaged(config: Blob, layers: Vec<Blob>, titles: Option<[&str; 2]>, about: &About) -> Packaged {
    let mut descriptors: Vec<Value> = layers.iter().map(Blob::descriptor).collect();
    for (descriptor, title) in descriptors.iter_mut().zip(titles.into_iter().flatten()) {
        descriptor["annotations"] = json!({TITLE: title});
    }
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor(),
        "layers": descriptors,
        "annotations": about.annotations(),
    });
    let mut blobs = vec![config];
    blobs.extend(layers);
    Packaged { manifest: Blob::json(MANIFEST, &manifest), blobs, annotations: about.annotations() }
}

/// A tar archive of files that belong to root, may be read by all, and have no time.
pub(super) fn archive(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len().try_into().context("too large")?);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        archive.append_data(&mut header, name, *bytes)?;
    }
    Ok(archive.into_inner()?)
}

/// Compressed, with neither a time nor a name nor a system in the header.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// Seconds since 1970 as `2026-11-25T19:32:06Z`.
fn rfc3339(seconds: u64) -> Result<String> {
    // Days are counted from 1 March of the year 0, so that a leap day is a year's last.
    const TO_1970: u64 = 719_468;
    let (day, second) = (seconds / 86_400 + TO_1970, seconds % 86_400);
    anyhow::ensure!(seconds < 253_402_300_800, "SOURCE_DATE_EPOCH={seconds} is after the year 9999");
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hours, minutes, seconds) = (second / 3_600, second / 60 % 60, second % 60);
    Ok(format!("{year:04}-{month:02}-{date:02}T{hours:02}:{minutes:02}:{seconds:02}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_dates() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(rfc3339(seconds).unwrap(), expected, "{seconds}");
        }
        assert!(rfc3339(253_402_300_800).is_err());
    }

    #[test]
    fn annotations_are_pairs() {
        assert_eq!(annotation("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        for text in ["a", "=b", ""] {
            assert!(annotation(text).is_err(), "{text}");
        }
    }
}
