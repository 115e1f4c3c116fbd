//! The configuration reference, made from the schema that the types give.

use core::fmt::Write as _;

use schemars::Schema;
use serde_json::{Map, Value};

/// Where the configuration page begins.
const HEAD: &str = "# Configuration reference

This page is made from the types (`cargo xtask docs`); edit the comments in `filter/core/src/config`, and in
`envoy/src/config` for what is around the filter, instead.

The same fields stand in `scopegate.yaml`, in a `google.protobuf.Struct` inside Envoy's configuration, and as JSON
in a `StringValue`. An unknown or contradictory field is an error that names its path. Where a name belongs,
quote what YAML would read as something else (`\"no\"`, `\"007\"`, `\"1.5\"`). Sizes are written with their unit
(`512KiB`, `8MiB`), and so are times (`500ms`, `30s`, `2m`).
";

/// The page, of both roles of the filter, and of what may stand around it in the file.
pub(crate) fn page(gateway: &Schema, agent: &Schema, around: &Schema) -> String {
    let mut out = String::from(HEAD);
    let mut told = Vec::new();
    whole(&mut out, "The whole", gateway, &mut told);
    whole(&mut out, "The whole beside an agent", agent, &mut told);
    whole(&mut out, "What is around the filter", around, &mut told);
    out
}

/// One role, without the types that were `told` before.
fn whole(out: &mut String, heading: &str, schema: &Schema, told: &mut Vec<String>) {
    let empty = Map::new();
    let root = schema.as_object().unwrap_or(&empty);
    let definitions = root.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
    section(out, heading, root);
    for name in reachable(root, definitions) {
        if let Some(definition) = definitions.get(&name).and_then(Value::as_object)
            && !told.contains(&name)
        {
            section(out, title(&name), definition);
            told.push(name);
        }
    }
}

/// The definitions in the order in which a reader meets them.
fn reachable(root: &Map<String, Value>, definitions: &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut pending = references(&Value::Object(
        root.get("properties").into_iter().map(|p| ("p".into(), p.clone())).collect(),
    ));
    while !pending.is_empty() {
        let name = pending.remove(0);
        if !names.contains(&name) {
            if let Some(definition) = definitions.get(&name) {
                pending.splice(0..0, references(definition));
            }
            names.push(name);
        }
    }
    names
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| match value.as_str().filter(|_| key == "$ref") {
                Some(reference) => vec![definition_name(reference).to_owned()],
                None => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn definition_name(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// A type's name as a reader should see it.
fn title(name: &str) -> &str {
    name.strip_suffix("Config").unwrap_or(name)
}

fn section(out: &mut String, title: &str, definition: &Map<String, Value>) {
    let _ = write!(out, "\n## {title}\n\n");
    if let Some(text) = definition.get("description").and_then(Value::as_str) {
        let _ = write!(out, "{}\n\n", text.trim());
    }
    match (
        definition.get("properties").and_then(Value::as_object),
        definition.get("oneOf").and_then(Value::as_array),
    ) {
        (Some(properties), _) => fields(out, properties, definition),
        (None, Some(variants)) => values(out, variants),
        (None, None) => {
            if let Some(variants) = definition.get("enum").and_then(Value::as_array) {
                let names: Vec<_> = variants.iter().map(|value| format!("`{}`", plain(value))).collect();
                let _ = writeln!(out, "One of {}.", names.join(", "));
            }
        }
    }
}

fn fields(out: &mut String, properties: &Map<String, Value>, definition: &Map<String, Value>) {
    let required: Vec<_> = definition
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    out.push_str("| field | type | default | meaning |\n|---|---|---|---|\n");
    for (name, schema) in properties {
        let default = match schema.get("default") {
            _ if required.contains(&name.as_str()) => "**required**".to_owned(),
            Some(value) if !value.is_null() && !value.is_object() => format!("`{}`", plain(value)),
            _ => String::new(),
        };
        let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(out, "| `{name}` | {} | {default} | {} |", kind(schema), cell(description));
    }
}

fn values(out: &mut String, variants: &[Value]) {
    out.push_str("| value | meaning |\n|---|---|\n");
    for variant in variants {
        let description = variant.get("description").and_then(Value::as_str).unwrap_or_default();
        let name = match (variant.get("const"), variant.get("properties").and_then(Value::as_object)) {
            (Some(value), _) => plain(value),
            (None, Some(properties)) => {
                let names: Vec<_> = properties.keys().map(|key| format!("{{{key}: …}}")).collect();
                names.join(", ")
            }
            (None, None) => continue,
        };
        let _ = writeln!(out, "| `{name}` | {} |", cell(description));
    }
}

/// A type in a word or two, linked where it has a section.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = title(definition_name(reference));
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(options) = schema.get("anyOf").or(schema.get("allOf")).and_then(Value::as_array) {
        let kinds: Vec<_> = options
            .iter()
            .filter(|option| option.get("type") != Some(&Value::from("null")))
            .map(kind)
            .collect();
        return kinds.join(" or ");
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::Array(types)) => {
            types.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
        }
        Some(Value::String(name)) => vec![name.as_str()],
        _ => Vec::new(),
    };
    match types.as_slice() {
        ["array"] => format!("list of {}", schema.get("items").map(kind).unwrap_or_default()),
        ["object"] => match schema.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("map to {}", kind(values)),
            _ => "object".to_owned(),
        },
        ["integer"] => "number".to_owned(),
        [one] => (*one).to_owned(),
        _ => String::new(),
    }
}

/// A JSON value as it would stand in YAML.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Text that fits into a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
