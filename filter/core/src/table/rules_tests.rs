//! What a configuration of tables must be.

use serde_json::{Value as Json, json};

use super::*;
use crate::config::Config;
use crate::policy::Policy;

fn compile(tables: &Json, sources: &Json) -> Result<Policy, String> {
    let config = json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [{"name": "c", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["write"]}],
        "tables": tables,
        "write": {"metrics": {"tenant": sources}},
    });
    let config = Config::from_json(config).map_err(|error| error.to_string())?;
    Policy::compile(&config, &|_| None).map_err(|error| error.to_string())
}

fn table(table: &Json) -> Result<Policy, String> {
    compile(&json!({"t": table}), &json!(["caller"]))
}

#[test]
fn every_error_says_where_and_what() {
    let kubernetes = |more: Json| {
        let mut config = json!({"cluster": "kube-api", "label": "org"});
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        json!({"kubernetes": config})
    };
    let http = |path: &str| json!({"http": {"cluster": "c", "path": path}});
    let cases: &[(Json, &str)] = &[
        (json!({}), "tables.t: give exactly one of `static`"),
        (
            json!({"static": {"a": "b"}, "http": {"cluster": "c", "path": "/"}}),
            "tables.t: give exactly one of",
        ),
        (json!({"static": {"a": "b/c"}}), "tables.t.static.a: a tenant ID is made of"),
        (json!({"static": {"a": 7}}), "tables.t.static.a: expected a string, found a number: quote it"),
        (json!({"static": {"": "b"}}), "tables.t.static: a key is not empty"),
        (
            json!({"static": {"a": "b", "c": "d"}, "max_entries": 1}),
            "tables.t.static: there are more entries",
        ),
        (
            json!({"static": {"a": "b"}, "until_loaded": "default"}),
            "tables.t.until_loaded: not with `static`",
        ),
        (
            json!({"static": {"a": "b"}, "until_loaded": "wait"}),
            "tables.t.until_loaded: unknown variant `wait`",
        ),
        (json!({"static": {"a": "b"}, "max_bytes": 0}), "tables.t.max_bytes: 0 leaves no room"),
        (http("orgs"), "tables.t.http.path: a path starts with `/`"),
        (http("/a b"), "tables.t.http.path: a path starts with `/`"),
        (json!({"http": {"cluster": "", "path": "/"}}), "tables.t.http.cluster: name it"),
        (
            json!({"http": {"cluster": "c", "path": "/", "refresh": 60}}),
            "tables.t.http.refresh: expected a time",
        ),
        (
            json!({"http": {"cluster": "c", "path": "/", "refresh": "0s"}}),
            "tables.t.http.refresh: give more than 0",
        ),
        (
            json!({"http": {"cluster": "c", "path": "/", "timeout": "0s"}}),
            "tables.t.http.timeout: give more than 0",
        ),
        (
            kubernetes(json!({"annotation": "x"})),
            "tables.t.kubernetes: give exactly one of `label`, `annotation`",
        ),
        (kubernetes(json!({"label": ""})), "tables.t.kubernetes: give exactly one of"),
        (kubernetes(json!({"page_size": 0})), "tables.t.kubernetes.page_size: a page holds at least 1"),
        (kubernetes(json!({"token": "x"})), "tables.t.kubernetes.token: unknown field `token`"),
        (kubernetes(json!({"authority": "a b"})), "tables.t.kubernetes.authority: name it"),
        (
            json!({"static": {"a": "b"}, "grafana": {"cluster": "c"}}),
            "tables.t: give exactly one of `static`, `http`, `kubernetes`, `grafana`",
        ),
        (json!({"grafana": {}}), "tables.t.grafana: missing field `cluster`"),
        (json!({"grafana": {"cluster": ""}}), "tables.t.grafana.cluster: name it"),
        (
            json!({"grafana": {"cluster": "c", "path": "api"}}),
            "tables.t.grafana.path: a path starts with `/`",
        ),
        (
            json!({"grafana": {"cluster": "c", "path": "/a?b"}}),
            "tables.t.grafana.path: a path starts with `/`",
        ),
        (json!({"grafana": {"cluster": "c", "refresh": "0s"}}), "tables.t.grafana.refresh: give more than 0"),
        (json!({"grafana": {"cluster": "c", "password": "x"}}), "tables.t.grafana.password: unknown field"),
    ];
    for (config, expected) in cases {
        let error = table(config).map(|_| ()).expect_err(expected);
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
    let error = compile(&json!({"a b": {"static": {"a": "b"}}}), &json!(["caller"])).map(|_| ()).unwrap_err();
    assert!(error.starts_with("tables.a b: a name is made of"), "{error}");
}

#[test]
fn every_error_of_a_source_says_where_and_what() {
    let cases: &[(Json, &str)] = &[
        (json!([]), "write.metrics.tenant: name at least one source"),
        (
            json!([{"label": "a", "table": "none"}]),
            "write.metrics.tenant[0].table: no table has this name; there are under `tables`: t",
        ),
        (
            json!([{"label": "a", "regex": "a"}]),
            "write.metrics.tenant[0].regex: a pattern has exactly one group",
        ),
        (json!([{"label": "a", "prefix": "/"}]), "write.metrics.tenant[0].prefix: a tenant ID is made of"),
        (json!([{"header": "a", "table": "x"}]), "write.metrics.tenant[0].table: no table has this name"),
        (json!([{"labels": []}]), "write.metrics.tenant[0]: name at least one label"),
        (json!([{"labels": ["a", ""]}]), "write.metrics.tenant[0]: name at least one label"),
        (json!([{"label": ""}]), "write.metrics.tenant[0]: name at least one label"),
        (json!([{"labels": ["a", "a"]}]), "write.metrics.tenant[0]: a label stands twice"),
        (json!([{"labels": ["a", "b"]}]), "write.metrics.tenant[0].separator: without `table` and `regex`"),
        (
            json!([{"labels": ["a", "b"], "separator": "", "table": "t"}]),
            "write.metrics.tenant[0].separator: give something",
        ),
        (json!([{"label": "a", "separator": "-"}]), "write.metrics.tenant[0]: give exactly one of `header`"),
        (json!([{"header": "a", "remove": true}]), "write.metrics.tenant[0]: give exactly one of `header`"),
        (
            json!([{"label": "a"}, {"labels": ["b", "a"], "table": "t"}]),
            "write.metrics.tenant[1]: this source is never reached: where all",
        ),
        (
            json!([{"labels": ["a", "b"], "table": "t"}, {"labels": ["b", "a"], "table": "t"}]),
            "write.metrics.tenant[1]: this source is listed twice",
        ),
    ];
    for (sources, expected) in cases {
        let tables = json!({"t": {"static": {"a": "b"}}});
        let error = compile(&tables, sources).map(|_| ()).expect_err(expected);
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
}

/// The same source is the same table, and another one never is.
#[test]
fn slots_are_named_by_what_is_fetched() {
    let slot = |config: Json| match &table(&config).unwrap().tables[0].source {
        Source::Remote(remote) => remote.slot.clone(),
        Source::Static(_) => panic!("{config}"),
    };
    let base = slot(json!({"kubernetes": {"cluster": "c", "label": "org"}}));
    assert_eq!(base.len(), "table/".len() + 32);
    assert_eq!(
        base,
        slot(json!({
            "kubernetes": {"cluster": "c", "label": "org", "refresh": "1h", "timeout": "1s", "page_size": 7},
            "max_entries": 7, "max_bytes": 4096, "until_loaded": "default",
        }))
    );
    let others = [
        json!({"kubernetes": {"cluster": "d", "label": "org"}}),
        json!({"kubernetes": {"cluster": "c", "label": "org2"}}),
        json!({"kubernetes": {"cluster": "c", "annotation": "org"}}),
        json!({"kubernetes": {"cluster": "c", "label": "org", "authority": "other"}}),
        json!({"http": {"cluster": "c", "path": "/org"}}),
    ];
    for other in others {
        assert_ne!(base, slot(other.clone()), "{other}");
    }
}
