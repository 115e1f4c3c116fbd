//! The fields of a file that is converted: each is taken, or a warning names it. Nothing is dropped in silence.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::Secret;
use crate::document::{Data, Node};
use crate::gateway::Problem;
use crate::yaml::{Fields, Yaml};

/// An object whose fields are taken one after the other.
pub(super) struct Taken<'n> {
    node: Option<&'n Node>,
    path: String,
    seen: RefCell<BTreeSet<String>>,
}

impl<'n> Taken<'n> {
    /// The fields of an object at `path`; one that is not there has none.
    pub(super) fn new(node: Option<&'n Node>, path: impl Into<String>) -> Self {
        Self { node, path: path.into(), seen: RefCell::default() }
    }

    /// The path of a field.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A field that is there, and not null.
    pub(super) fn node(&self, name: &str) -> Option<&'n Node> {
        self.seen.borrow_mut().insert(name.to_owned());
        self.node?.get(name).filter(|node| !node.value().is_null())
    }

    /// An object.
    pub(super) fn inner(&self, name: &str) -> Self {
        Self::new(self.node(name), self.path(name))
    }

    /// A text; an empty one is none.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.node(name)?.text().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A text, or several.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let Some(node) = self.node(name) else { return Vec::new() };
        match &node.data {
            Data::Scalar { text, .. } => vec![text.clone()],
            _ => node.items().iter().filter_map(Node::text).map(str::to_owned).collect(),
        }
    }

    /// Whether a field says `true`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.node(name).is_some_and(Node::is_true)
    }

    /// A time as Go writes it (`1m30s`), as it is written here; zero is none.
    pub(super) fn time(&self, name: &str, problems: &mut Vec<Problem>) -> Option<String> {
        let text = self.text(name)?;
        match go_time(&text) {
            Some(0) => None,
            Some(milliseconds) => Some(written(milliseconds)),
            None => {
                problems.push(Problem::warning(self.path(name), format!("left out: `{text}` is no time")));
                None
            }
        }
    }

    /// An address to listen on.
    pub(super) fn address(&self, name: &str, problems: &mut Vec<Problem>) -> Option<String> {
        let text = self.text(name)?;
        let address = address(&text);
        if address.is_none() {
            let message =
                format!("left out: Envoy listens on an IP address and a port, and `{text}` is none");
            problems.push(Problem::warning(self.path(name), message));
        }
        address
    }

    /// Fields that have nothing to become, and why.
    pub(super) fn without(&self, names: &[&str], why: &str, problems: &mut Vec<Problem>) {
        for name in names {
            if self.node(name).is_some() {
                problems.push(Problem::warning(self.path(name), format!("left out: {why}")));
            }
        }
    }

    /// What was never asked for.
    pub(super) fn rest(&self, problems: &mut Vec<Problem>) {
        let seen = self.seen.borrow();
        for entry in self.node.map_or(&[][..], Node::entries) {
            if !seen.contains(&entry.name) {
                let message = format!("left out: `{}` is not understood here", entry.name);
                problems.push(Problem::warning(self.path(&entry.name), message));
            }
        }
    }

    /// What must not be shown, of these fields.
    pub(super) fn secrets(&self, names: &[&str]) -> Vec<Secret> {
        names.iter().filter_map(|name| self.node?.get(name)).map(Secret::of).collect()
    }
}

/// An IP address with a port; without an address it is every one.
pub(super) fn address(text: &str) -> Option<String> {
    let text = match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => text.replace("localhost:", "127.0.0.1:").replace("*:", "0.0.0.0:"),
    };
    text.parse::<SocketAddr>().ok().map(|address| address.to_string())
}

/// Milliseconds of a time as Go writes it.
fn go_time(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let mut rest = text;
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let unit = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(unit);
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let factor = factor.or((text == "0").then_some(1))?;
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = after;
    }
    Some(sum)
}

/// The largest unit that fits.
fn written(milliseconds: u64) -> String {
    let units = [(3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
    let (factor, unit) =
        units.into_iter().find(|(factor, _)| milliseconds.is_multiple_of(*factor)).unwrap_or((1, "ms"));
    format!("{}{unit}", milliseconds / factor)
}

/// A URL in pieces: where it leads, and the path with its query.
pub(super) struct Url {
    pub(super) origin: String,
    pub(super) path: String,
    pub(super) query: String,
}

impl Url {
    /// Reads one; without a scheme it is `http`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if !matches!(scheme, "http" | "https") {
            return None;
        }
        let rest = rest.split('#').next()?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let at = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(at);
        if host.is_empty() || host.contains('@') {
            return None;
        }
        let path = path.trim_end_matches('/').to_owned();
        Some(Self { origin: format!("{scheme}://{host}"), path, query: query.to_owned() })
    }
}

/// Texts as a list.
pub(super) fn list(texts: impl IntoIterator<Item = String>) -> Yaml {
    Yaml::List(texts.into_iter().map(Yaml::from).collect())
}

/// Everybody, as whoever reached what was there before.
pub(super) fn everybody(name: &str) -> Fields {
    Fields::block().with("name", name).with("anonymous", Fields::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces() {
        for (text, expected) in [
            ("10s", Some("10s")),
            ("1m30s", Some("90s")),
            ("0", Some("0h")),
            ("1h", Some("1h")),
            ("x", None),
            ("7", None),
        ] {
            assert_eq!(go_time(text).map(written).as_deref(), expected, "{text}");
        }
        for (text, expected) in [
            (":8080", Some("0.0.0.0:8080")),
            ("*:80", Some("0.0.0.0:80")),
            ("[::]:80", Some("[::]:80")),
            ("host:80", None),
        ] {
            assert_eq!(address(text).as_deref(), expected, "{text}");
        }
        for (text, expected) in [
            ("http://a:1/b/c?d=e", Some(("http://a:1", "/b/c", "d=e"))),
            ("a:1", Some(("http://a:1", "", ""))),
            ("https://a/", Some(("https://a", "", ""))),
            ("ftp://a", None),
            ("http://u:p@a", None),
        ] {
            let url = Url::read(text);
            let pieces = url.as_ref().map(|url| (url.origin.as_str(), url.path.as_str(), url.query.as_str()));
            assert_eq!(pieces, expected, "{text}");
        }
    }
}
