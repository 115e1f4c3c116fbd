//! Where Envoy gets the module from.

/// Where Envoy gets the module from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Module {
    /// A file, as Envoy finds it.
    File(String),
    /// Fetched, and believed by its digest.
    Url { url: String, sha256: String },
    /// An image, such as `ghcr.io/example/scopegate:v1` (without `oci://`).
    Image(String),
}

impl Module {
    /// Reads what `--wasm` and `--sha256` say.
    pub(crate) fn parse(wasm: &str, sha256: Option<&str>) -> Result<Self, &'static str> {
        if let Some(image) = wasm.strip_prefix("oci://") {
            return match sha256 {
                None if !image.is_empty() => Ok(Self::Image(image.to_owned())),
                None => Err("there is no image"),
                Some(_) => Err("an image is told by its own digest: oci://NAME@sha256:…"),
            };
        }
        if wasm.starts_with("http://") || wasm.starts_with("https://") {
            let sha256 = sha256.ok_or("what is fetched is believed by its digest only: give --sha256")?;
            if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err("a SHA-256 digest is 64 hexadecimal digits");
            }
            return Ok(Self::Url { url: wasm.to_owned(), sha256: sha256.to_ascii_lowercase() });
        }
        match sha256 {
            _ if wasm.is_empty() => Err("there is no file"),
            None => Ok(Self::File(wasm.to_owned())),
            Some(_) => Err("a file has no digest: leave --sha256 out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules() {
        let digest = "AB".repeat(32);
        let url = |url: &str| Module::Url { url: url.to_owned(), sha256: "ab".repeat(32) };
        for (wasm, sha256, expected) in [
            ("scopegate.wasm", None, Ok(Module::File("scopegate.wasm".to_owned()))),
            ("oci://ghcr.io/a/b:1", None, Ok(Module::Image("ghcr.io/a/b:1".to_owned()))),
            ("https://a/b.wasm", Some(&*digest), Ok(url("https://a/b.wasm"))),
            ("https://a/b.wasm", None, Err("what is fetched is believed by its digest only: give --sha256")),
            ("https://a/b.wasm", Some("ab"), Err("a SHA-256 digest is 64 hexadecimal digits")),
            ("scopegate.wasm", Some("ab"), Err("a file has no digest: leave --sha256 out")),
            ("oci://", None, Err("there is no image")),
            ("", None, Err("there is no file")),
        ] {
            assert_eq!(Module::parse(wasm, sha256), expected, "{wasm}");
        }
    }
}
