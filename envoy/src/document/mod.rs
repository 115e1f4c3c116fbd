//! A YAML or JSON file that knows where each of its values stands, read as Envoy reads it.

mod load;
mod scalar;

use std::ops::Range;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value};

pub(crate) use load::Malformed;

/// A file with one YAML document.
pub(crate) struct Document {
    /// Its name, as the user gave it.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// What it says.
    pub(crate) root: Node,
}

/// A value and its place in the text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The bytes it takes.
    pub(crate) span: Range<usize>,
    /// What it is.
    pub(crate) data: Data,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// Text as it is written; a plain one may be something else than text.
    Scalar { text: String, is_plain: bool },
    /// A list.
    List(Vec<Node>),
    /// An object, in the order of the file.
    Map(Vec<Entry>),
}

/// A field of an object.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// The bytes the name takes.
    pub(crate) span: Range<usize>,
    pub(crate) value: Node,
}

impl Document {
    /// Reads a file; `-` is the standard input.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Result<Self, Malformed>> {
        let (name, text) = if path == Path::new("-") {
            ("standard input".to_owned(), std::io::read_to_string(std::io::stdin()))
        } else {
            (path.display().to_string(), std::fs::read_to_string(path))
        };
        let text = text.with_context(|| format!("cannot read {name}"))?;
        Ok(Self::parse(name, text))
    }

    /// Reads a text.
    pub(crate) fn parse(name: String, text: String) -> Result<Self, Malformed> {
        match load::document(&text) {
            Ok(root) => Ok(Self { name, text, root }),
            Err(problem) => Err(Malformed { name, text, problem }),
        }
    }
}

impl Node {
    /// The field of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// The field of an object, with its name's place.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.name == name)
    }

    /// What a chain of fields leads to.
    pub(crate) fn find(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |node, name| node.get(name))
    }

    /// The fields of an object; none of anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        if let Data::Map(entries) = &self.data { entries } else { &[] }
    }

    /// The items of a list; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        if let Data::List(items) = &self.data { items } else { &[] }
    }

    /// Text that is written out.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Data::Scalar { text, .. } = &self.data { Some(text) } else { None }
    }

    /// Whether it says `true`.
    pub(crate) fn is_true(&self) -> bool {
        self.value() == Value::Bool(true)
    }

    /// The value as Envoy takes it over into a `google.protobuf.Struct`.
    pub(crate) fn value(&self) -> Value {
        match &self.data {
            Data::Scalar { text, is_plain: false } => Value::String(text.clone()),
            Data::Scalar { text, is_plain: true } => scalar::plain(text),
            Data::List(items) => items.iter().map(Self::value).collect(),
            Data::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.name.clone(), entry.value.value())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// The place of a path such as `callers[1].jwt.issuer`: of the field's name, or of what is nearest to it.
    pub(crate) fn place(&self, path: &str) -> Range<usize> {
        let rest = path.trim_start_matches('.');
        if rest.is_empty() {
            return first_line(&self.span);
        }
        if let Some((index, rest)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let item = index.parse().ok().and_then(|index: usize| self.items().get(index));
            return item.map_or_else(|| first_line(&self.span), |item| item.place(rest));
        }
        // A name may hold a dot, so the longest that fits is meant.
        let fits = |entry: &&Entry| {
            rest.strip_prefix(&entry.name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        match self.entries().iter().filter(fits).max_by_key(|entry| entry.name.len()) {
            None => first_line(&self.span),
            Some(entry) if entry.name.len() == rest.len() => match &entry.value.data {
                // A value says more than its name.
                Data::Scalar { text, .. } if !text.is_empty() => entry.value.span.clone(),
                _ => entry.span.clone(),
            },
            Some(entry) => entry.value.place(rest.get(entry.name.len()..).unwrap_or_default()),
        }
    }

    /// Every node below and including this one with its path, depth first.
    pub(crate) fn walk<'a>(&'a self, path: &str, visit: &mut dyn FnMut(&str, &'a Self)) {
        visit(path, self);
        for (index, item) in self.items().iter().enumerate() {
            item.walk(&format!("{path}[{index}]"), visit);
        }
        for Entry { name, value, .. } in self.entries() {
            value.walk(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, visit);
        }
    }
}

/// An object is pointed at by its beginning: nobody needs to see all of it.
fn first_line(span: &Range<usize>) -> Range<usize> {
    span.start..span.end.min(span.start.saturating_add(1)).max(span.start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(text: &str) -> Document {
        match Document::parse("test.yaml".to_owned(), text.to_owned()) {
            Ok(document) => document,
            Err(malformed) => panic!("{}", malformed.problem.message),
        }
    }

    #[test]
    fn values_are_what_envoy_makes_of_them() {
        let document = document(concat!(
            "a: no\nb: 'no'\nc: 007\nd: 1.5\ne: 5000000000\nf: ~\ng: {h: [1, \"2\", x]}\n",
            "i: |\n  7\nj: &x {k: 0x10}\nl: *x\n",
        ));
        assert_eq!(
            document.root.value(),
            json!({
                "a": false, "b": "no", "c": 7, "d": "1.5", "e": "5000000000", "f": null, "g": {"h": [1, "2", "x"]},
                "i": "7\n", "j": {"k": 16}, "l": {"k": 16},
            })
        );
    }

    #[test]
    fn places() {
        let text = "# ä comment\ncallers:\n  - name: a\n    set: {service.name: x, service: {name: yy}}\n";
        let document = document(text);
        for (path, expected) in [
            ("callers", "callers"),
            ("callers[0].name", "a"),
            ("callers[0].set.service.name", "x"),
            ("callers[0].set.service", "service"),
            ("callers[0].missing", "n"),
            ("callers[7].name", "-"),
        ] {
            let span = document.root.place(path);
            let found = &text[span.clone()];
            assert!(
                found == expected || (expected.len() == 1 && found.len() == 1),
                "{path}: {found:?} {span:?}"
            );
        }
    }
}
