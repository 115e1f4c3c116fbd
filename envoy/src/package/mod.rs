//! `scopegate package`: the module as an OCI image or artifact, and as plain files with their checksums. The same module
//! gives the same bytes, whenever and wherever it is packaged.

mod bom;
mod content;
mod form;
mod layout;
mod release;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use bom::Bom;
use form::{About, annotation};

pub(crate) use content::{Blob, Packaged};
pub(crate) use layout::read;

/// Makes an OCI image or artifact of the filter's module, which Istio, Envoy Gateway and container tools take
///
/// The same module and the same options give the same bytes. Nothing is sent anywhere: `scopegate push` does that.
#[derive(Args)]
#[command(after_help = "\
Examples:
  scopegate package scopegate.wasm --output scopegate.tar      an image, as an archive that skopeo, crane and podman read
  scopegate package scopegate.wasm --format artifact -o layout an artifact with the module as it is, as an OCI image layout
  scopegate package scopegate.wasm --format release -o release both as archives, the module and the SBOM as plain files, SHA256SUMS

The list of what the module is made of (SBOM, CycloneDX) is packaged with it, and must be that of this very module.
Where SOURCE_DATE_EPOCH is set it is told as the time of creation; otherwise no time is.")]
pub(crate) struct Package {
    /// The filter's module
    #[arg(value_name = "WASM")]
    module: PathBuf,
    /// Where to write: a file that ends in `.tar`, or a folder
    #[arg(long, short, value_name = "DIR|FILE.tar")]
    output: PathBuf,
    /// What to make
    #[arg(long, value_enum, default_value_t = Format::Image)]
    format: Format,
    /// What the module is made of, as `CycloneDX` JSON; `NAME.cdx.json` beside `NAME.wasm` unless named
    #[arg(long, value_name = "FILE")]
    sbom: Option<PathBuf>,
    /// Where the source is (org.opencontainers.image.source)
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// The commit of the source (org.opencontainers.image.revision)
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// One annotation more; may stand several times
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = annotation)]
    annotations: Vec<(String, String)>,
    /// When it was made, in seconds since 1970
    #[arg(long, env = "SOURCE_DATE_EPOCH", hide = true)]
    source_date_epoch: Option<u64>,
}

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// An image whose one layer holds `plugin.wasm`: for everything that pulls images
    Image,
    /// An artifact with the module and its SBOM as they are
    Artifact,
    /// A folder with both as archives, the plain files, and SHA256SUMS
    Release,
}

impl Package {
    /// Writes it, and prints the digest by which it is pulled.
    pub(crate) fn run(&self) -> Result<()> {
        let module = read_module(&self.module)?;
        let beside = self.module.with_extension("cdx.json");
        let file = self.sbom.as_deref().unwrap_or(&beside);
        let bytes = fs::read(file).with_context(|| {
            format!(
                "{}: the list of what the module is made of (`cargo xtask package` makes both; --sbom names another)",
                file.display()
            )
        })?;
        let bom = Bom::read(bytes, &module).with_context(|| file.display().to_string())?;
        let about = About::new(&bom, self)?;
        if self.format == Format::Release {
            let name = self.module.file_stem().and_then(|name| name.to_str());
            return release::write(&self.output, name.unwrap_or("scopegate"), &module, &bom, &about);
        }
        let packaged = match self.format {
            Format::Artifact => form::artifact(module, bom, &about),
            _ => form::image(&module, &bom, &about)?,
        };
        layout::write(&self.output, &packaged)?;
        println!("{}  {}", packaged.manifest.digest, self.output.display());
        Ok(())
    }
}

/// The module, which is one of Envoy's filters.
fn read_module(file: &Path) -> Result<Vec<u8>> {
    let module = fs::read(file).with_context(|| format!("{}: the filter's module", file.display()))?;
    ensure!(module.starts_with(b"\0asm\x01\0\0\0"), "{}: this is no WebAssembly module", file.display());
    // As the name of an export, which stands in the module as it is.
    let abi = b"proxy_abi_version_0_2_1";
    ensure!(
        module.windows(abi.len()).any(|window| window == abi),
        "{}: this is no filter of Envoy: it does not export {}",
        file.display(),
        String::from_utf8_lossy(abi)
    );
    Ok(module)
}
