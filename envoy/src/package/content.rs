//! Bytes with their media type and digest, and a manifest with all that it names.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Some content, as registries keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
    /// `sha256:` and 64 digits.
    pub(crate) digest: String,
}

/// Something to be pulled by the digest of its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packaged {
    pub(crate) manifest: Blob,
    /// What the manifest names, in its order: the configuration, then the layers.
    pub(crate) blobs: Vec<Blob>,
    /// What the manifest says of itself.
    pub(crate) annotations: Value,
}

impl Blob {
    pub(crate) fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        let digest = format!("sha256:{}", sha256(&bytes));
        Self { media_type: media_type.to_owned(), bytes, digest }
    }

    /// A JSON document. Members keep their order.
    pub(crate) fn json(media_type: &str, value: &Value) -> Self {
        Self::new(media_type, value.to_string().into_bytes())
    }

    /// As manifests name it.
    pub(crate) fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// The SHA-256 of bytes in 64 digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
