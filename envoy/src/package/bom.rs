//! The list of what the module is made of (SBOM): a `CycloneDX` document whose subject is the module itself.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::content::sha256;

/// A list that was read, and found to be that of the module at hand.
#[derive(Clone, Debug)]
pub(crate) struct Bom {
    /// As it was read.
    pub(crate) bytes: Vec<u8>,
    /// The module's version.
    pub(crate) version: String,
    /// The module's licence, an SPDX expression.
    pub(crate) licence: String,
}

impl Bom {
    /// Reads a list.
    ///
    /// # Errors
    /// It is none, or that of another module.
    pub(crate) fn read(bytes: Vec<u8>, module: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(&bytes).context("this is no JSON")?;
        ensure!(value["bomFormat"] == "CycloneDX", "this is no CycloneDX document (`bomFormat`)");
        let subject = &value["metadata"]["component"];
        let text = |pointer: &str| {
            let found = subject.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            found.with_context(|| {
                format!("it does not say what `metadata.component{}` is", pointer.replace('/', "."))
            })
        };
        let (said, is) = (text("/hashes/0/content")?, sha256(module));
        ensure!(
            said == is,
            "this is the list of another module: it is for {said}, and the module at hand is {is}"
        );
        let (version, licence) = (text("/version")?, text("/licenses/0/expression")?);
        Ok(Self { bytes, version, licence })
    }
}
