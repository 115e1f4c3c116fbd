//! A request out of a HAR file, as browsers save what they sent.
//!
//! Specification: <http://www.softwareishard.com/blog/har-12-spec/>. A body that is not text has `"encoding": "base64"`, as
//! answers have.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::request::Request;

/// All requests of a file.
pub(crate) fn requests(file: &Path) -> Result<Vec<Request>> {
    let entries = entries(file)?;
    let number = 1..=entries.len();
    number.map(|entry| request_of(&entries, file, entry)).collect()
}

/// The request of an entry, counted from 1.
pub(crate) fn request(file: &Path, entry: usize) -> Result<Request> {
    request_of(&entries(file)?, file, entry)
}

fn entries(file: &Path) -> Result<Vec<Value>> {
    let name = file.display();
    let text = std::fs::read(file).with_context(|| format!("cannot read {name}"))?;
    let mut har: Value = serde_json::from_slice(&text).with_context(|| format!("{name} is no JSON"))?;
    match har.pointer_mut("/log/entries").map(Value::take) {
        Some(Value::Array(entries)) => Ok(entries),
        _ => bail!("{name} is no HAR file: it has no `log.entries`"),
    }
}

fn request_of(entries: &[Value], file: &Path, entry: usize) -> Result<Request> {
    let name = file.display();
    let found = entry.checked_sub(1).and_then(|at| entries.get(at)?.get("request"));
    let found = found.with_context(|| format!("{name} has {} entries, and no {entry}", entries.len()))?;
    read(found).with_context(|| format!("{name}, entry {entry}"))
}

/// A request as it stands there.
pub(crate) fn read(entry: &Value) -> Result<Request> {
    let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
    let body = match (text("/postData/text"), text("/postData/encoding")) {
        (Some(body), Some("base64")) => STANDARD.decode(body).ok().context("a body that is not base64")?,
        (Some(body), _) => body.as_bytes().to_vec(),
        (None, _) => Vec::new(),
    };
    let (method, url) = (text("/method").context("no `method`")?, text("/url").context("no `url`")?);
    let length = body.len();
    let mut request = Request::new(method, url, body)?;
    for header in entry.get("headers").and_then(Value::as_array).into_iter().flatten() {
        let of = |field| header.get(field).and_then(Value::as_str);
        let (name, value) =
            (of("name").context("a header without a `name`")?, of("value").unwrap_or_default());
        // Those of HTTP/2 stand in the URL already; and the length is that of the body that is here.
        if !name.starts_with(':') && !name.eq_ignore_ascii_case("content-length") {
            request.add(name, value.as_bytes());
        }
    }
    if length > 0 {
        request.set("content-length", length.to_string().as_bytes());
        if let Some(media) = text("/postData/mimeType")
            && request.text("content-type").is_empty()
        {
            request.set("content-type", media.as_bytes());
        }
    }
    Ok(request)
}
