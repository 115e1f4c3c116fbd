//! All that a release has, in one folder: the archives of both forms, the plain files, and the checksums of them all.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::bom::Bom;
use super::content::sha256;
use super::form::{self, About};
use super::layout;

/// Writes it. The plain module is what a web server hands to Envoy's `remote` code source.
pub(super) fn write(folder: &Path, name: &str, module: &[u8], bom: &Bom, about: &About) -> Result<()> {
    ensure!(!folder.is_file(), "{}: a release is a folder", folder.display());
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let forms = [
        ("image", form::image(module, bom, about)?),
        ("artifact", form::artifact(module.to_vec(), bom.clone(), about)),
    ];
    layout::put(&folder.join(format!("{name}.wasm")), module)?;
    layout::put(&folder.join(format!("{name}.cdx.json")), &bom.bytes)?;
    let mut names = vec![format!("{name}.cdx.json"), format!("{name}.wasm")];
    for (form, packaged) in &forms {
        let archive = format!("{name}-{form}.tar");
        layout::write(&folder.join(&archive), packaged)?;
        println!("{}  {}", packaged.manifest.digest, folder.join(&archive).display());
        names.push(archive);
    }
    names.sort();
    let mut sums = String::new();
    for name in &names {
        let bytes = fs::read(folder.join(name)).with_context(|| name.clone())?;
        let _ = writeln!(sums, "{}  {name}", sha256(&bytes));
    }
    let file = folder.join("SHA256SUMS");
    layout::put(&file, sums.as_bytes())?;
    println!("sha256:{}  {}", sha256(module), folder.join(format!("{name}.wasm")).display());
    Ok(())
}
