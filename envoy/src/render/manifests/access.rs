//! The account that the gateway runs under, and what it may do in the cluster: list namespaces, where a table is made of
//! them, and nothing else.

use serde_json::Value;

use super::{NAME, Object, object};
use crate::gateway::Gateway;
use crate::render::envoy::{one, texts};
use crate::yaml::Fields;

/// The account, and its rights where it needs any.
pub(crate) fn access(gateway: &Gateway, namespace: &str) -> Vec<Object> {
    let lists = lists_namespaces(&gateway.filter.configuration);
    let account = object("", "v1", "ServiceAccount", namespace, NAME);
    if !lists {
        return vec![account.with("automountServiceAccountToken", false)];
    }
    let role = format!("{namespace}-{NAME}");
    let rule = Fields::new()
        .with("apiGroups", texts(&[String::new()]))
        .with("resources", texts(&["namespaces".to_owned()]))
        .with("verbs", texts(&["list".to_owned()]));
    let subject =
        Fields::new().with("kind", "ServiceAccount").with("name", NAME).with("namespace", namespace);
    let reference = Fields::new()
        .with("apiGroup", "rbac.authorization.k8s.io")
        .with("kind", "ClusterRole")
        .with("name", &role);
    let api = "rbac.authorization.k8s.io/v1";
    vec![
        account,
        object("A table is made of the namespaces' labels.", api, "ClusterRole", "", &role)
            .with("rules", one(rule)),
        object("", api, "ClusterRoleBinding", "", &role)
            .with("roleRef", reference)
            .with("subjects", one(subject)),
    ]
}

fn lists_namespaces(configuration: &Value) -> bool {
    let tables = configuration.get("tables").and_then(Value::as_object);
    tables.is_some_and(|tables| tables.values().any(|table| !table["kubernetes"].is_null()))
}
