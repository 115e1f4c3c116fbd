//! Mimir's rule groups: a group may read other tenants, those in its `source_tenants`.
//!
//! A group is YAML, and YAML has many ways to say a key: flow style, tags, aliases, merged maps, escapes, other line breaks.
//! Here it is read only as far as it must be, and what has a second reading is refused. A group must be a map in block
//! style that begins at the left margin; so each of its own keys stands at the left margin too, and there only the known
//! ones may stand. That is how `mimirtool`, Alloy and Grafana write it. Specification: <https://yaml.org/spec/1.1/>, which
//! is what Mimir's reader takes line breaks from.

use core::fmt;

use crate::report::Refusal;
use crate::tenant::{TenantId, TenantSet};

/// The fields of a rule group. A newer one that is not here could name tenants.
const KEYS: &[&str] = &[
    "name",
    "interval",
    "evaluation_delay",
    "query_offset",
    "limit",
    "rules",
    "labels",
    "partial_response_strategy",
    "align_evaluation_time_on_interval",
    SOURCES,
];
const SOURCES: &str = "source_tenants";

/// What is wrong with a rule group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is not UTF-8, or has characters that some read as line breaks.
    Text,
    /// A tab where the indentation belongs.
    Tab,
    /// At the left margin is something else than a known key of a rule group.
    Margin,
    /// A key stands twice.
    Twice,
    /// `source_tenants` is no plain list of tenants.
    Sources,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "it has characters that are not plain text",
            Self::Tab => "a line is indented with a tab",
            Self::Margin => {
                "at the left margin only the fields of a rule group may stand, in block style and without quotes, tags or aliases"
            }
            Self::Twice => "a field stands twice",
            Self::Sources => "source_tenants must be a plain list of tenants: [a, b], or one `- a` a line",
        })
    }
}

/// Whether a rule group names only tenants of its caller.
pub(super) fn check(body: &[u8], own: &TenantSet) -> Result<(), Refusal> {
    let refuse = |(problem, line): (Problem, usize)| Refusal::RuleGroup { problem, line };
    let text = core::str::from_utf8(body).map_err(|_| refuse((Problem::Text, 1)))?;
    for name in sources(text).map_err(refuse)? {
        let tenant = TenantId::new(name).map_err(|reason| Refusal::SourceTenant { reason })?;
        if !own.contains(&tenant) {
            return Err(Refusal::ForeignSource);
        }
    }
    Ok(())
}

/// Where in a group a line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before its first key.
    Start,
    /// In the value of a key that names no tenants.
    Value,
    /// After `source_tenants` and nothing else in its line.
    Sources,
    /// After a whole list behind `source_tenants`.
    Done,
}

/// The names in `source_tenants`. An error says in which line it is, from 1.
fn sources(text: &str) -> Result<Vec<&str>, (Problem, usize)> {
    let is_odd = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    let mut seen: Vec<&str> = Vec::new();
    let mut names = Vec::new();
    let mut at = At::Start;
    for (number, line) in (1_usize..).zip(text.split('\n')) {
        let error = |problem| (problem, number);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.contains('\r') || line.contains(is_odd) {
            return Err(error(Problem::Text));
        }
        let content = line.trim_start_matches(' ');
        if content.starts_with('\t') {
            return Err(error(Problem::Tab));
        }
        // A line that looks like a comment may stand in a text; either way it has no key.
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let is_indented = content.len() < line.len();
        let is_item = content == "-" || content.starts_with("- ");
        match at {
            At::Start if line == "---" && seen.is_empty() && number == 1 => continue,
            At::Start if is_indented || is_item => return Err(error(Problem::Margin)),
            At::Value if is_indented || is_item => continue,
            At::Sources if is_item => {
                let item = content.strip_prefix('-').unwrap_or_default();
                names.push(name(item).ok_or(error(Problem::Sources))?);
                continue;
            }
            At::Sources | At::Done if is_indented || is_item => return Err(error(Problem::Sources)),
            _ => {}
        }
        let (key, value) = line.split_once(':').ok_or(error(Problem::Margin))?;
        if !KEYS.contains(&key) || !(value.is_empty() || value.starts_with(' ')) {
            return Err(error(Problem::Margin));
        }
        if seen.contains(&key) {
            return Err(error(Problem::Twice));
        }
        seen.push(key);
        at = At::Value;
        if key == SOURCES {
            let value = without_comment(value);
            if value.is_empty() {
                at = At::Sources;
            } else {
                let list = value.strip_prefix('[').and_then(|list| list.strip_suffix(']'));
                let list = list.ok_or(error(Problem::Sources))?;
                for item in list.split(',').filter(|_| !list.trim().is_empty()) {
                    names.push(name(item).ok_or(error(Problem::Sources))?);
                }
                at = At::Done;
            }
        }
    }
    Ok(names)
}

/// A value without the comment behind it.
fn without_comment(value: &str) -> &str {
    value.find(" #").and_then(|at| value.get(..at)).unwrap_or(value).trim_matches(' ')
}

/// The name in an item of a list, in the few notations that read the same everywhere.
fn name(item: &str) -> Option<&str> {
    let item = without_comment(item);
    let quoted = |quote: char| item.strip_prefix(quote).and_then(|item| item.strip_suffix(quote));
    if let Some(name) = quoted('"').or_else(|| quoted('\'')) {
        return Some(name).filter(|name| !name.contains(['"', '\'', '\\']));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins = item.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let is_null = item.eq_ignore_ascii_case("null");
    (begins && item.chars().all(is_plain) && !is_null).then_some(item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        let rules = "rules:\n- record: a\n  expr: |\n    sum(\"source_tenants: [x]\")\n";
        let cases: &[(&str, Result<&[&str], (Problem, usize)>)] = &[
            ("name: a\nrules: []\n", Ok(&[])),
            ("---\nname: a\n", Ok(&[])),
            ("# comment\nname: a\n", Ok(&[])),
            ("name: a\nsource_tenants: [a, b]\n", Ok(&["a", "b"])),
            ("name: a\nsource_tenants: [ \"a\" , 'b' ] # both\n", Ok(&["a", "b"])),
            ("name: a\nsource_tenants: []\n", Ok(&[])),
            ("name: a\nsource_tenants:\n- a\n- b\nlimit: 1\n", Ok(&["a", "b"])),
            ("name: a\nsource_tenants:\n    - a # one\n\n    - 'b'\nlimit: 1\n", Ok(&["a", "b"])),
            ("name: a\r\nsource_tenants: [a]\r\n", Ok(&["a"])),
            ("source_tenants:\nname: a\n", Ok(&[])),
            (&format!("name: a\n{rules}"), Ok(&[])),
            // An over-long reading is no harm: what looks like the field is checked.
            ("name: \"a\nsource_tenants: [b]\nlimit: \"\n", Ok(&["b"])),
            // Other ways to say the key.
            ("{name: a, source_tenants: [b]}", Err((Problem::Margin, 1))),
            ("{\"name\": \"a\"}", Err((Problem::Margin, 1))),
            ("--- {name: a}", Err((Problem::Margin, 1))),
            ("--- !!map\nname: a", Err((Problem::Margin, 1))),
            ("name: a\n---\nname: b", Err((Problem::Margin, 2))),
            ("name: a\n...\n", Err((Problem::Margin, 2))),
            ("%YAML 1.1\n---\nname: a", Err((Problem::Margin, 1))),
            ("  name: a\n  source_tenants: [b]", Err((Problem::Margin, 1))),
            ("\tname: a", Err((Problem::Tab, 1))),
            ("name: a\n\tsource_tenants: [b]", Err((Problem::Tab, 2))),
            ("name: a\n\"source_tenants\": [b]", Err((Problem::Margin, 2))),
            ("name: a\n\"source\\u005ftenants\": [b]", Err((Problem::Margin, 2))),
            ("name: a\n'source_tenants': [b]", Err((Problem::Margin, 2))),
            ("name: a\n? source_tenants\n: [b]", Err((Problem::Margin, 2))),
            ("name: a\n!!str source_tenants: [b]", Err((Problem::Margin, 2))),
            ("name: a\n!!binary c291cmNlX3RlbmFudHM=: [b]", Err((Problem::Margin, 2))),
            ("name: a\n&k source_tenants: [b]", Err((Problem::Margin, 2))),
            ("name: &k source_tenants\n*k : [b]", Err((Problem::Margin, 2))),
            ("name: a\nlabels: &m\n  source_tenants: [b]\n<<: *m", Err((Problem::Margin, 4))),
            ("name: a\nsource_tenants : [b]", Err((Problem::Margin, 2))),
            ("name: a\nsource_tenants:[b]", Err((Problem::Margin, 2))),
            ("name: a\nsource_tenants:\t[b]", Err((Problem::Margin, 2))),
            ("name: a\nfuture: [b]", Err((Problem::Margin, 2))),
            ("- name: a", Err((Problem::Margin, 1))),
            ("name", Err((Problem::Margin, 1))),
            ("groups:\n- name: a", Err((Problem::Margin, 1))),
            ("name: a\rsource_tenants: [b]", Err((Problem::Text, 1))),
            ("name: a\u{85}source_tenants: [b]", Err((Problem::Text, 1))),
            ("name: a\u{2028}source_tenants: [b]", Err((Problem::Text, 1))),
            ("\u{feff}name: a", Err((Problem::Text, 1))),
            ("name: a\nname: b", Err((Problem::Twice, 2))),
            ("source_tenants: [a]\nsource_tenants: [b]", Err((Problem::Twice, 2))),
            // Other ways to say the tenants.
            ("source_tenants: [a,", Err((Problem::Sources, 1))),
            ("source_tenants: [a]\n  , b]", Err((Problem::Sources, 2))),
            ("source_tenants: [a]\n- b", Err((Problem::Sources, 2))),
            ("source_tenants: a", Err((Problem::Sources, 1))),
            ("source_tenants: *b", Err((Problem::Sources, 1))),
            ("source_tenants: &b [a]", Err((Problem::Sources, 1))),
            ("source_tenants: !!seq [a]", Err((Problem::Sources, 1))),
            ("source_tenants: [*b]", Err((Problem::Sources, 1))),
            ("source_tenants: [!!str a]", Err((Problem::Sources, 1))),
            ("source_tenants: [[a]]", Err((Problem::Sources, 1))),
            ("source_tenants: [\"a\\x62\"]", Err((Problem::Sources, 1))),
            ("source_tenants: ['a''b']", Err((Problem::Sources, 1))),
            ("source_tenants: [null]", Err((Problem::Sources, 1))),
            ("source_tenants: [a, ]", Err((Problem::Sources, 1))),
            ("source_tenants: [a b]", Err((Problem::Sources, 1))),
            ("source_tenants: [a: b]", Err((Problem::Sources, 1))),
            ("source_tenants:\n  a\n", Err((Problem::Sources, 2))),
            ("source_tenants:\n- a\n  b\n", Err((Problem::Sources, 3))),
            ("source_tenants:\n- - a\n", Err((Problem::Sources, 2))),
            ("source_tenants:\n-\n  a\n", Err((Problem::Sources, 2))),
            ("source_tenants:\n- |\n  a\n", Err((Problem::Sources, 2))),
            ("source_tenants: |\n  a\n", Err((Problem::Sources, 1))),
            ("source_tenants: # none\n- [a]", Err((Problem::Sources, 2))),
        ];
        for (text, expected) in cases {
            assert_eq!(sources(text), expected.map(<[&str]>::to_vec), "{text:?}");
        }
        let own: TenantSet = ["a", "b"].into_iter().map(|id| TenantId::new(id).unwrap()).collect();
        for (text, expected) in [
            (&b"name: x\nsource_tenants: [b, a]"[..], Ok(())),
            (b"name: x\nsource_tenants: [a, c]", Err("foreign_tenant")),
            (b"name: x\nsource_tenants: [\"a|b\"]", Err("invalid_tenant")),
            (b"name: x\xff", Err("rule_group")),
            (b"\xff\xfen\0a\0m\0e\0", Err("rule_group")),
        ] {
            assert_eq!(check(text, &own).map_err(|refusal| refusal.reason()), expected);
        }
    }

    proptest! {
        /// A real reader never finds a source that was not found here.
        #[test]
        fn any_text_is_read_without_panic(text in "[a-z_: \\[\\]\\-\n\"'#&*!{}?|>\t]{0,60}") {
            let _ = sources(&text);
        }
    }
}
