//! YAML that people read: in a fixed order, with comments, small things on one line.

use core::fmt::Write as _;

use serde_json::Value;

/// No line that could be broken is longer.
const WIDTH: usize = 110;

/// A value that knows how it wants to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Yaml {
    /// Null, a boolean, a number or text.
    Scalar(Value),
    /// A list.
    List(Vec<Yaml>),
    /// An object.
    Map(Fields),
}

/// The fields of an object, in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields {
    fields: Vec<Field>,
    is_block: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Field {
    comment: String,
    name: String,
    value: Yaml,
}

impl Fields {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// None yet, and never all on one line.
    pub(crate) fn block() -> Self {
        Self { fields: Vec::new(), is_block: true }
    }

    /// Adds a field.
    pub(crate) fn with(self, name: &str, value: impl Into<Yaml>) -> Self {
        self.told("", name, value)
    }

    /// Adds a field with a comment above it.
    pub(crate) fn told(mut self, comment: &str, name: &str, value: impl Into<Yaml>) -> Self {
        self.fields.push(Field { comment: comment.to_owned(), name: name.to_owned(), value: value.into() });
        self
    }

    /// Adds a field where there is something to add.
    pub(crate) fn maybe(self, name: &str, value: Option<impl Into<Yaml>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds fields.
    pub(crate) fn and(mut self, more: Self) -> Self {
        self.fields.extend(more.fields);
        self
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl From<Fields> for Yaml {
    fn from(fields: Fields) -> Self {
        Self::Map(fields)
    }
}

impl From<Vec<Yaml>> for Yaml {
    fn from(items: Vec<Yaml>) -> Self {
        Self::List(items)
    }
}

impl From<Vec<Fields>> for Yaml {
    fn from(items: Vec<Fields>) -> Self {
        Self::List(items.into_iter().map(Self::Map).collect())
    }
}

impl From<Value> for Yaml {
    fn from(value: Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Object(map) => Self::Map(
                map.into_iter().fold(Fields::new(), |fields, (name, value)| fields.with(&name, value)),
            ),
            scalar => Self::Scalar(scalar),
        }
    }
}

macro_rules! scalars {
    ($($type:ty),*) => {
        $(impl From<$type> for Yaml {
            fn from(value: $type) -> Self {
                Self::Scalar(Value::from(value))
            }
        })*
    };
}

scalars!(&str, String, bool, u16, u32, u64);

impl From<&String> for Yaml {
    fn from(value: &String) -> Self {
        Self::from(value.as_str())
    }
}

impl Yaml {
    /// What it says, without how.
    #[cfg(test)]
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(Self::value).collect(),
            Self::Map(map) => Value::Object(
                map.fields
                    .iter()
                    .map(|field| (field.name.clone(), field.value.value()))
                    .collect::<serde_json::Map<_, _>>(),
            ),
        }
    }

    /// The same with other texts, where there is another for one.
    pub(crate) fn texts(self, other: &impl Fn(&str) -> Option<String>) -> Self {
        match self {
            Self::Scalar(Value::String(text)) => Self::from(other(&text).unwrap_or(text)),
            Self::Scalar(value) => Self::Scalar(value),
            Self::List(items) => Self::List(items.into_iter().map(|item| item.texts(other)).collect()),
            Self::Map(mut map) => {
                for field in &mut map.fields {
                    field.value = std::mem::replace(&mut field.value, Self::List(Vec::new())).texts(other);
                }
                Self::Map(map)
            }
        }
    }

    /// As text, which ends in a newline.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Map(map) if !map.is_empty() => write_fields(&mut out, map, 0),
            Self::List(items) if !items.is_empty() => write_items(&mut out, items, 0),
            other => {
                let _ = writeln!(out, "{}", other.flow());
            }
        }
        out
    }

    /// On one line.
    fn flow(&self) -> String {
        match self {
            Self::Scalar(value) => scalar(value),
            Self::List(items) => {
                format!("[{}]", items.iter().map(Self::flow).collect::<Vec<_>>().join(", "))
            }
            Self::Map(map) => {
                let field = |field: &Field| format!("{}: {}", text(&field.name), field.value.flow());
                format!("{{{}}}", map.fields.iter().map(field).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Whether it must take lines of its own, however short it is.
    fn is_block(&self) -> bool {
        match self {
            Self::Scalar(_) => false,
            Self::List(items) => items.iter().any(Self::is_block),
            Self::Map(map) => {
                map.is_block
                    || map.fields.iter().any(|field| !field.comment.is_empty() || field.value.is_block())
            }
        }
    }

    /// What stands on the line of its name, or of its dash; `None` where it needs lines of its own.
    fn inline(&self, used: usize) -> Option<String> {
        let is_plain = matches!(self, Self::Scalar(_));
        let is_empty = match self {
            Self::Scalar(_) => false,
            Self::List(items) => items.is_empty(),
            Self::Map(map) => map.is_empty(),
        };
        if self.is_block() && !is_empty {
            return None;
        }
        let flow = self.flow();
        (is_plain || is_empty || used + flow.chars().count() <= WIDTH).then_some(flow)
    }
}

/// Writes fields, each on a line that begins with `indent` spaces.
fn write_fields(out: &mut String, map: &Fields, indent: usize) {
    for (position, field) in map.fields.iter().enumerate() {
        let name = text(&field.name);
        let inline = field.value.inline(indent + name.len() + 2);
        // What stands above everything else has room around it.
        if indent == 0 && position > 0 && (!field.comment.is_empty() || inline.is_none()) {
            out.push('\n');
        }
        for line in field.comment.lines() {
            let _ = writeln!(out, "{:indent$}# {line}", "");
        }
        let _ = write!(out, "{:indent$}{name}:", "");
        if let Some(flow) = inline {
            let _ = writeln!(out, " {flow}");
            continue;
        }
        out.push('\n');
        match &field.value {
            Yaml::Map(map) => write_fields(out, map, indent + 2),
            Yaml::List(items) => write_items(out, items, indent + 2),
            Yaml::Scalar(_) => {}
        }
    }
}

/// Writes items, each with its dash after `indent` spaces.
fn write_items(out: &mut String, items: &[Yaml], indent: usize) {
    for item in items {
        if let Some(flow) = item.inline(indent + 2) {
            let _ = writeln!(out, "{:indent$}- {flow}", "");
            continue;
        }
        let mut inner = String::new();
        match item {
            Yaml::Map(map) => {
                // A comment above the first field stands above the item.
                if let Some(first) = map.fields.first() {
                    for line in first.comment.lines() {
                        let _ = writeln!(out, "{:indent$}# {line}", "");
                    }
                }
                let mut map = map.clone();
                if let Some(first) = map.fields.first_mut() {
                    first.comment.clear();
                }
                write_fields(&mut inner, &map, indent + 2);
            }
            Yaml::List(items) => write_items(&mut inner, items, indent + 2),
            Yaml::Scalar(_) => {}
        }
        let _ = write!(out, "{:indent$}- {}", "", inner.trim_start_matches(' '));
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        other => other.to_string(),
    }
}

/// Text, in quotes where some reader of YAML could take it for something else.
fn text(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { Value::from(text).to_string() }
}

fn is_plain(text: &str) -> bool {
    let starts_well = text
        .starts_with(|first: char| first.is_ascii_alphabetic() || first == '/' || first == '_')
        || is_time_or_address(text);
    let has_only = |other: char| other.is_ascii_alphanumeric() || "/_.-+@=~() ".contains(other);
    // A colon is safe where no space follows, which is where something does.
    let chars = text.chars().zip(text.chars().skip(1).chain([' ']));
    starts_well
        && chars.into_iter().all(|(one, next)| has_only(one) || (one == ':' && next != ' '))
        && !text.ends_with(' ')
        && !is_word(text)
}

/// `30s`, `127.0.0.1`: no number for anybody.
fn is_time_or_address(text: &str) -> bool {
    let digits = text.trim_end_matches(|last: char| last.is_ascii_lowercase());
    let is_time =
        matches!(&text[digits.len()..], "ms" | "s" | "m" | "h") && digits.bytes().all(|b| b.is_ascii_digit());
    !digits.is_empty() && (is_time || text.parse::<std::net::Ipv4Addr>().is_ok())
}

/// What is a boolean, a null or a number in one of the versions of YAML.
fn is_word(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    matches!(
        lower.as_str(),
        "y" | "yes"
            | "true"
            | "on"
            | "n"
            | "no"
            | "false"
            | "off"
            | "null"
            | "~"
            | "nan"
            | "inf"
            | "infinity"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::document::Document;

    fn read(text: &str) -> Value {
        match Document::parse("test.yaml".to_owned(), text.to_owned()) {
            Ok(document) => document.root.value(),
            Err(malformed) => panic!("{}\n{text}", malformed.problem.message),
        }
    }

    #[test]
    fn small_things_are_on_one_line_and_comments_are_where_they_belong() {
        let yaml = Yaml::from(
            Fields::new()
                .with(
                    "admin",
                    json!({"address": {"socket_address": {"address": "127.0.0.1", "port_value": 9901}}}),
                )
                .told(
                    "What is behind.",
                    "clusters",
                    vec![
                        Fields::block().told("First.", "name", "a").with("timeout", "30s"),
                        Fields::new().with("name", "no").with("text", "a: b"),
                    ],
                )
                .with("empty", Fields::new())
                .with("none", Vec::<Yaml>::new()),
        );
        let text = concat!(
            "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}\n",
            "\n",
            "# What is behind.\n",
            "clusters:\n",
            "  # First.\n",
            "  - name: a\n",
            "    timeout: 30s\n",
            "  - {name: \"no\", text: \"a: b\"}\n",
            "empty: {}\n",
            "none: []\n",
        );
        assert_eq!(yaml.text(), text);
        assert_eq!(read(text), yaml.value());
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[ -~]{0,12}",
            "[a-z:/ #0-9.]{0,8}",
            any::<String>(),
            "[a-z]{100,140}",
            Just("on".to_owned()),
            Just("0x10".to_owned()),
            Just("1.5".to_owned()),
            Just("2026-12-31".to_owned()),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[ -~]{0,6}", inner), 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in values()) {
            let text = Yaml::from(value.clone()).text();
            prop_assert_eq!(read(&text), value);
        }
    }
}
