//! The forms as those read them who pull them, and that the same gives the same.

use std::io::Read as _;
use std::path::Path;

use clap::Parser;
use serde_json::{Value, json};

use super::content::sha256;
use super::*;

const MODULE: &[u8] = b"\0asm\x01\0\0\0 proxy_abi_version_0_2_1 and so on";

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    package: Package,
}

/// A folder with a module and its list.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("filter.wasm"), MODULE).expect("written");
    fs::write(folder.path().join("filter.cdx.json"), bom(MODULE).to_string()).expect("written");
    folder
}

fn bom(module: &[u8]) -> Value {
    json!({
        "bomFormat": "CycloneDX",
        "metadata": {"component": {
            "version": "1.2.3",
            "hashes": [{"alg": "SHA-256", "content": sha256(module)}],
            "licenses": [{"expression": "Apache-2.0"}],
        }},
    })
}

/// Runs the command line in a folder; what it wrote, as `push` reads it.
fn package(folder: &Path, output: &str, options: &[&str]) -> Result<()> {
    let (module, output) = (folder.join("filter.wasm"), folder.join(output));
    let line = ["package", module.to_str().expect("text"), "--output", output.to_str().expect("text")];
    Line::try_parse_from(line.iter().chain(options))
        .map_err(|error| anyhow::anyhow!("{error}"))?
        .package
        .run()
}

/// What Istio and Envoy Gateway do with a manifest: an image, of which the last layer is looked into, or else an artifact.
fn pulled(packaged: &Packaged) -> Result<Vec<u8>> {
    let manifest: Value = serde_json::from_slice(&packaged.manifest.bytes)?;
    let layers = manifest["layers"].as_array().context("layers")?;
    let blob = |descriptor: &Value| {
        let found = packaged.blobs.iter().find(|blob| descriptor["digest"] == blob.digest.as_str());
        found.map(|blob| blob.bytes.clone()).context("a layer")
    };
    let last = layers.last().context("one layer")?;
    if last["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip" {
        let bytes = blob(last)?;
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        for entry in archive.entries()? {
            let mut entry = entry?;
            if entry.path()?.file_name().is_some_and(|name| name == "plugin.wasm") {
                let mut module = Vec::new();
                entry.read_to_end(&mut module)?;
                return Ok(module);
            }
        }
    }
    ensure!(layers.len() == 2, "number of layers must be 2");
    let wanted = "application/vnd.module.wasm.content.layer.v1+wasm";
    blob(layers.iter().find(|layer| layer["mediaType"] == wanted).context("no such layer")?)
}

#[test]
fn both_forms_are_pulled_from_both_layouts() -> Result<()> {
    let folder = folder();
    for format in ["image", "artifact"] {
        let mut digests = Vec::new();
        for output in ["one", "one.tar", "two", "two.tar", "one"] {
            package(folder.path(), output, &["--format", format])?;
            let packaged = read(&folder.path().join(output))?;
            assert_eq!(pulled(&packaged)?, MODULE, "{format} {output}");
            digests.push(packaged.manifest.digest);
        }
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
        let [one, two] = ["one.tar", "two.tar"].map(|name| fs::read(folder.path().join(name)).expect(name));
        assert_eq!(one, two, "{format}");
        // The folder was used for both forms: nothing is left of the first.
        let blobs = fs::read_dir(folder.path().join("one/blobs/sha256"))?.count();
        assert_eq!(blobs, if format == "image" { 3 } else { 4 });
    }
    Ok(())
}

/// The bytes do not depend on anything but what is packaged: this digest changes only with the form. (That of an image
/// changes with the compressing library too.)
#[test]
fn the_digest_is_always_the_same() -> Result<()> {
    let folder = folder();
    package(
        folder.path(),
        "a.tar",
        &["--format", "artifact", "--revision", "abc", "--source", "https://example.org"],
    )?;
    let packaged = read(&folder.path().join("a.tar"))?;
    let manifest: Value = serde_json::from_slice(&packaged.manifest.bytes)?;
    let expected = json!({
        "org.opencontainers.image.description":
            "An Envoy filter: multi-tenancy in front of metrics, logs and traces backends",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.revision": "abc",
        "org.opencontainers.image.source": "https://example.org",
        "org.opencontainers.image.title": "Scopegate",
        "org.opencontainers.image.version": "1.2.3",
    });
    assert_eq!(manifest["annotations"], expected);
    assert_eq!(
        packaged.manifest.digest,
        "sha256:92e464ae3d401529edc1e86b1ae1b5680e9bcdc25d07874b7236807d3ca4f6e5"
    );
    Ok(())
}

#[test]
fn an_image_tells_what_it_is() -> Result<()> {
    let folder = folder();
    let options = ["--annotation", "org.example.team=a=b", "--source-date-epoch", "1767225599"];
    package(folder.path(), "a.tar", &options)?;
    let packaged = read(&folder.path().join("a.tar"))?;
    let config: Value = serde_json::from_slice(&packaged.blobs[0].bytes)?;
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["org.example.team"], "a=b");
    assert_eq!(labels["org.opencontainers.image.version"], "1.2.3");
    assert_eq!(config["created"], "2025-12-31T23:59:59Z");
    let mut layer = Vec::new();
    flate2::read::GzDecoder::new(packaged.blobs[1].bytes.as_slice()).read_to_end(&mut layer)?;
    assert_eq!(config["rootfs"]["diff_ids"], json!([format!("sha256:{}", sha256(&layer))]));
    let mut archive = tar::Archive::new(layer.as_slice());
    let entries = archive.entries()?.map(|entry| {
        let entry = entry?;
        let header = entry.header();
        Ok(format!("{} {:o} {} {}", entry.path()?.display(), header.mode()?, header.uid()?, header.mtime()?))
    });
    assert_eq!(entries.collect::<Result<Vec<_>>>()?, ["plugin.wasm 644 0 0", "sbom.cdx.json 644 0 0"]);
    Ok(())
}

#[test]
fn a_release_has_its_checksums() -> Result<()> {
    let folder = folder();
    package(folder.path(), "release", &["--format", "release"])?;
    let release = folder.path().join("release");
    let sums = fs::read_to_string(release.join("SHA256SUMS"))?;
    let mut names = Vec::new();
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").context("two columns")?;
        assert_eq!(sum, sha256(&fs::read(release.join(name))?), "{name}");
        names.push(name);
    }
    assert_eq!(names, ["filter-artifact.tar", "filter-image.tar", "filter.cdx.json", "filter.wasm"]);
    assert_eq!(fs::read(release.join("filter.wasm"))?, MODULE);
    for archive in ["filter-artifact.tar", "filter-image.tar"] {
        assert_eq!(pulled(&read(&release.join(archive))?)?, MODULE);
    }
    Ok(())
}

#[test]
fn what_cannot_be_packaged_is_told() {
    let other = bom(b"another module").to_string();
    let cases: [(&str, &[u8], &str); 8] = [
        ("filter.wasm", b"\0asm\x0d\0\x01\0", "this is no WebAssembly module"),
        ("filter.wasm", b"\0asm\x01\0\0\0", "this is no filter of Envoy"),
        ("filter.cdx.json", b"{", "this is no JSON"),
        ("filter.cdx.json", b"{}", "this is no CycloneDX document"),
        (
            "filter.cdx.json",
            br#"{"bomFormat": "CycloneDX"}"#,
            "does not say what `metadata.component.hashes.0.content`",
        ),
        ("filter.cdx.json", other.as_bytes(), "this is the list of another module"),
        ("output/precious", b"", "a folder with something else in it"),
        ("output/index.json", b"{\"manifests\":[{},{}]}", "it has 2 manifests"),
    ];
    for (name, bytes, expected) in cases {
        let folder = folder();
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(&file, bytes).expect("written");
        let error = format!("{:#}", package(folder.path(), "output", &[]).expect_err(expected));
        assert!(error.contains(expected), "{error}");
        assert!(file.exists());
    }
    let error = format!("{:#}", package(Path::new("/nowhere"), "output", &[]).expect_err("nothing there"));
    assert!(error.contains("/nowhere/filter.wasm: the filter's module"), "{error}");
}

#[test]
fn a_damaged_layout_is_not_read() -> Result<()> {
    let folder = folder();
    package(folder.path(), "layout", &[])?;
    let layout = folder.path().join("layout");
    let digest = read(&layout)?.blobs[1].digest.clone();
    fs::write(layout.join("blobs").join(digest.replace(':', "/")), "something else")?;
    let error = format!("{:#}", read(&layout).expect_err("it is damaged"));
    assert!(error.contains(&format!("{digest} is damaged")), "{error}");
    fs::write(layout.join("index.json"), r#"{"manifests":[{"digest":"sha256:../../../etc/passwd"}]}"#)?;
    let error = format!("{:#}", read(&layout).expect_err("no digest"));
    assert!(error.contains("is no SHA-256 digest"), "{error}");
    let error = format!("{:#}", read(&folder.path().join("filter.wasm")).expect_err("no archive"));
    assert!(error.contains("filter.wasm: this is no tar archive"), "{error}");
    Ok(())
}
