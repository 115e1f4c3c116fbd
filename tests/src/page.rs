//! The pages of `docs`: the snippets in them are run by the tests as a reader would copy them.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// The snippet of this name in a page of `docs`: the YAML after `<!-- snippet: NAME -->`, as JSON.
pub fn snippet(page: &str, name: &str) -> Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let yaml = fenced(&text, name).with_context(|| format!("no snippet {name} in {page}"))?;
    serde_saphyr::from_str(yaml).with_context(|| format!("snippet {name} of {page}"))
}

/// The names of all snippets of a page, in order.
pub fn snippets(page: &str) -> Result<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let names = text.lines().filter_map(|line| line.strip_prefix(BEFORE)?.strip_suffix(AFTER));
    Ok(names.map(str::to_owned).collect())
}

const BEFORE: &str = "<!-- snippet: ";
const AFTER: &str = " -->";

fn fenced<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(&format!("{BEFORE}{name}{AFTER}\n```yaml\n"))?;
    Some(after.split_once("\n```")?.0)
}
