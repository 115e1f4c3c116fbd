//! Its fields, as Go's yaml.v2 reads them strictly: a text is what is written, whatever it looks like.

use std::time::Duration;

use super::duration;
use crate::document::{Data, Node};
use crate::gateway::Problem;

/// An object with known fields.
pub(super) struct Map<'n> {
    node: Option<&'n Node>,
    /// Its path, with a dot at its end unless it is the whole.
    path: String,
}

impl<'n> Map<'n> {
    /// Reads an object at `path`; what is not there is empty, and so is null.
    pub(super) fn new(node: &'n Node, path: &str, known: &[&str], problems: &mut Vec<Problem>) -> Self {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        let is_null = node.value().is_null();
        if !matches!(node.data, Data::Map(_)) && !is_null {
            problems.push(Problem::error(path, "expected an object"));
        }
        for entry in node.entries() {
            if !known.contains(&entry.name.as_str()) {
                let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                let message = format!("unknown field `{}`, expected one of {}", entry.name, known.join(", "));
                problems.push(Problem::error(format!("{prefix}{}", entry.name), message));
            }
        }
        Self { node: (!is_null).then_some(node), path: prefix }
    }

    /// The path of a field.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// A field that is there, and not null.
    pub(super) fn get(&self, name: &str) -> Option<&'n Node> {
        self.node?.get(name).filter(|node| !node.value().is_null())
    }

    /// A text; an empty one is none.
    pub(super) fn text(&self, name: &str, problems: &mut Vec<Problem>) -> Option<String> {
        let node = self.get(name)?;
        let text = node.text();
        if text.is_none() {
            problems.push(Problem::error(self.path(name), "expected a text"));
        }
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A boolean.
    pub(super) fn boolean(&self, name: &str, problems: &mut Vec<Problem>) -> bool {
        let Some(node) = self.get(name) else { return false };
        node.value().as_bool().unwrap_or_else(|| {
            problems.push(Problem::error(self.path(name), "expected `true` or `false`"));
            false
        })
    }

    /// A port; 0 is none.
    pub(super) fn port(&self, name: &str, problems: &mut Vec<Problem>) -> Option<u16> {
        let node = self.get(name)?;
        match node.text().and_then(|text| text.parse().ok()) {
            Some(0) => None,
            Some(port) => Some(port),
            None => {
                problems.push(Problem::error(self.path(name), "expected a port, up to 65535"));
                None
            }
        }
    }

    /// A time in milliseconds; zero is none, as it was there.
    pub(super) fn time(&self, name: &str, problems: &mut Vec<Problem>) -> Option<u32> {
        let node = self.get(name)?;
        let text = node.text().unwrap_or_default();
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            let seconds: u32 = text.parse().unwrap_or(u32::MAX);
            if seconds != 0 {
                problems.push(
                    Problem::warning(
                        self.path(name),
                        format!("`{text}` was so many nanoseconds: it is taken for {text}s"),
                    )
                    .help("write times with their unit"),
                );
            }
            return Some(seconds.saturating_mul(1000)).filter(|time| *time != 0);
        }
        match duration::parse(text).map(|time| u32::try_from(time.as_nanos().div_ceil(1_000_000))) {
            Some(Ok(millis)) => Some(millis).filter(|time| *time != 0),
            Some(Err(_)) => {
                problems.push(Problem::error(self.path(name), "longer than anything takes"));
                None
            }
            None => {
                problems.push(
                    Problem::error(self.path(name), format!("expected a time, found `{text}`"))
                        .help("such as 500ms, 30s, 1m30s"),
                );
                None
            }
        }
    }

    /// A list of texts, each with its path; an empty one is none.
    pub(super) fn list(&self, name: &str, problems: &mut Vec<Problem>) -> Vec<(String, String)> {
        let Some(node) = self.get(name) else { return Vec::new() };
        if !matches!(node.data, Data::List(_)) {
            problems.push(Problem::error(self.path(name), "expected a list"));
        }
        let texts = node.items().iter().enumerate().map(|(index, item)| {
            (format!("{}[{index}]", self.path(name)), item.text().unwrap_or_default().to_owned())
        });
        texts.collect()
    }
}

/// A time as `scopegate.yaml` has it.
pub(super) fn written(millis: u32) -> String {
    let time = Duration::from_millis(u64::from(millis));
    for (unit, name) in [(3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if millis.is_multiple_of(unit) && millis != 0 {
            return format!("{}{name}", millis / unit);
        }
    }
    format!("{}ms", time.as_millis())
}
