//! What differs between two configurations as they are written, whether a request shows it or not.

use serde_json::Value;

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// Its path; items of a list that have a name are called by it.
    pub(super) path: String,
    /// Its values, shortened; `None` where it is not there.
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
}

/// How much is shown of a value.
const SHOWN: usize = 120;

/// Fields that hold what no comment of a review should show, though they are only hashes.
const HIDDEN: &[&str] = &["password", "token"];

/// Every field that differs, in the order of the new configuration, and then of the old.
pub(super) fn changed(old: &Value, new: &Value) -> Vec<Setting> {
    let mut out = Vec::new();
    walk("", Some(old), Some(new), &mut out);
    out
}

fn walk(path: &str, old: Option<&Value>, new: Option<&Value>, out: &mut Vec<Setting>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            for (name, value) in new {
                walk(&under(name), old.get(name), Some(value), out);
            }
            for (name, value) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
                walk(&under(name), Some(value), None, out);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if named(old) && named(new) => {
            let find =
                |all: &'_ [Value], wanted: &str| all.iter().position(|item| name(item) == Some(wanted));
            for item in new {
                let wanted = name(item).unwrap_or_default();
                let before = find(old, wanted).and_then(|at| old.get(at));
                walk(&format!("{path}[{wanted}]"), before, Some(item), out);
            }
            for item in old {
                let wanted = name(item).unwrap_or_default();
                if find(new, wanted).is_none() {
                    walk(&format!("{path}[{wanted}]"), Some(item), None, out);
                }
            }
            // The first entry that recognises a request counts.
            let order = |all: &[Value], others: &[Value]| -> Vec<String> {
                let names = all.iter().filter_map(name).filter(|one| find(others, one).is_some());
                names.map(str::to_owned).collect()
            };
            let (before, after) = (order(old, new), order(new, old));
            if before != after {
                let text = |names: Vec<String>| Some(names.join(", "));
                out.push(Setting { path: format!("{path} (order)"), old: text(before), new: text(after) });
            }
        }
        (old, new) => {
            let hidden = HIDDEN.iter().any(|field| path.ends_with(&format!(".{field}")));
            let shown = |value: &Value| if hidden { "(not shown)".to_owned() } else { shown(value) };
            out.push(Setting { path: path.to_owned(), old: old.map(shown), new: new.map(shown) });
        }
    }
}

/// Whether every item of a list has a name of its own.
fn named(items: &[Value]) -> bool {
    let mut names: Vec<_> = items.iter().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    names.len() == items.len()
}

fn name(item: &Value) -> Option<&str> {
    item.get("name").or_else(|| item.get("username"))?.as_str()
}

fn shown(value: &Value) -> String {
    let mut value = value.clone();
    hide(&mut value);
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() <= SHOWN {
        return text;
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if HIDDEN.contains(&name.as_str()) {
                    *value = Value::from("(not shown)");
                } else {
                    hide(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}
