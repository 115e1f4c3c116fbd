//! The modules that are measured beside ours: one that does nothing, and one that only makes the calls of a split.
//!
//! They are small enough to be written in WebAssembly's own text; both have every callback on a request's way that a filter
//! of the Rust SDK has, so that the host does the same for them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use scopegate_tests::remote_write::WriteRequest;
use tempfile::TempDir;

use crate::case::{LABEL, PATH, TENANTS, tenant};

/// The modules' files, removed when dropped.
pub(crate) struct Modules {
    dir: TempDir,
}

impl Modules {
    /// Writes them; the calls are those of a request of this many series.
    pub(crate) fn write(series: usize) -> Result<Self> {
        let modules = Self { dir: tempfile::Builder::new().prefix("scopegate-bench-").tempdir()? };
        std::fs::write(modules.empty(), wat::parse_str(include_str!("empty.wat"))?)?;
        std::fs::write(modules.calls(), wat::parse_str(calls(series))?)?;
        Ok(modules)
    }

    /// Does nothing.
    pub(crate) fn empty(&self) -> PathBuf {
        self.file("empty.wasm")
    }

    /// Makes the calls.
    pub(crate) fn calls(&self) -> PathBuf {
        self.file("calls.wasm")
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::new(self.dir.path()).join(name)
    }
}

/// The second module, with its calls filled in.
fn calls(series: usize) -> String {
    /// Where `calls.wat` has room for them.
    const START: usize = 262_144;
    let (mut data, mut code) = (Vec::new(), String::new());
    for number in 0..TENANTS {
        let mut part = WriteRequest::realistic(series);
        let name = tenant(number);
        part.timeseries
            .retain(|series| series.labels.iter().any(|label| label.name == LABEL && label.value == name));
        let (headers, body) = (pairs(&headers(&name)), part.body());
        let at = START + data.len();
        let _ = writeln!(
            code,
            "(call $send (local.get $stream) (i32.const {at}) (i32.const {}) (i32.const {}) (i32.const {}))",
            headers.len(),
            at + headers.len(),
            body.len()
        );
        data.extend(headers.into_iter().chain(body));
    }
    let data = data.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:02x}");
        text
    });
    let text = include_str!("calls.wat").replace("(; calls ;)", &code);
    text.replace("(; data ;)", &format!("(data (i32.const {START}) \"{data}\")"))
}

/// The headers that the filter gives the part of a split request.
fn headers(tenant: &str) -> [(&str, &str); 9] {
    [
        (":method", "POST"),
        (":path", PATH),
        (":authority", "gateway.test"),
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
        ("user-agent", "Prometheus/2.42.0"),
        ("x-prometheus-remote-write-version", "0.1.0"),
        ("x-request-id", "0e0c4d0e-5f43-9a5c-8a5c-3f8d9c1b2a7e"),
        ("x-scope-orgid", tenant),
    ]
}

/// A map as the ABI serializes it: how many pairs, the lengths of each, then names and values, each ended by a zero.
fn pairs(headers: &[(&str, &str)]) -> Vec<u8> {
    let number = |length: usize| u32::try_from(length).unwrap_or_default().to_le_bytes();
    let mut bytes = number(headers.len()).to_vec();
    for (name, value) in headers {
        bytes.extend(number(name.len()));
        bytes.extend(number(value.len()));
    }
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(text.bytes());
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_modules_can_be_assembled() -> Result<()> {
        let modules = Modules::write(500)?;
        for file in [modules.empty(), modules.calls()] {
            assert!(std::fs::read(file)?.starts_with(b"\0asm"));
        }
        Ok(())
    }
}
