//! What an API server would say of objects, by the schemas in `envoy/schemas`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::document::Document;

static SCHEMAS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let files = [
        include_str!("../../schemas/istio.json"),
        include_str!("../../schemas/gateway-api.json"),
        include_str!("../../schemas/envoy-gateway.json"),
        include_str!("../../schemas/kubernetes.json"),
    ];
    let mut all = BTreeMap::new();
    for file in files {
        let mut schemas: Value = serde_json::from_str(file).unwrap();
        strict(&mut schemas);
        let schemas = schemas.as_object().unwrap();
        for (kind, schema) in schemas.iter().filter(|(name, _)| *name != "$defs") {
            let mut schema = schema.clone();
            // What every object has, said or not.
            for (field, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
                schema["properties"][field] = serde_json::json!({"type": kind});
            }
            if let Some(definitions) = schemas.get("$defs") {
                schema["$defs"] = definitions.clone();
            }
            all.insert(kind.clone(), jsonschema::validator_for(&schema).unwrap());
        }
    }
    all
});

/// Fields that are unknown are errors, as they are to `kubectl apply --validate=strict`; and what OpenAPI says in its own way.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(strict);
            let is_open = map.contains_key("additionalProperties")
                || map.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
            if map.contains_key("properties") && map.get("type") == Some(&Value::from("object")) {
                if !is_open {
                    map.insert("additionalProperties".to_owned(), Value::Bool(false));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(strict),
        _ => {}
    }
}

/// The objects of a file.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    match Document::parse("objects.yaml".to_owned(), text.to_owned()) {
        Ok(document) => match document.root.value() {
            Value::Array(objects) => objects,
            object => vec![object],
        },
        Err(malformed) => panic!("{}\n{text}", malformed.problem.message),
    }
}

/// What is wrong with the objects of a file, a line for each.
pub(crate) fn complaints(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for object in objects(text) {
        let kind = format!("{}/{}", object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        let name = object["metadata"]["name"].as_str().unwrap();
        match SCHEMAS.get(&kind) {
            Some(schema) => complaints.extend(
                schema
                    .iter_errors(&object)
                    .map(|error| format!("{kind} {name}{}: {error}", error.instance_path())),
            ),
            None => complaints.push(format!("{kind} {name}: no schema")),
        }
    }
    complaints
}

#[test]
fn what_is_wrong_is_found() {
    let wrong = "\
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: a}
spec: {configPatches: [{applyTo: NOWHERE, patch: {operatoin: ADD}}]}
---
apiVersion: v1
kind: Service
metadata: {name: b}
spec: {ports: [{port: http}], selectors: {}}
";
    let found = complaints(wrong);
    for part in ["/spec/configPatches/0/applyTo", "operatoin", "/spec/ports/0/port", "selectors"] {
        assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:#?}");
    }
}
