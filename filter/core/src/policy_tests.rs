//! Configurations: what is wrong with them, in words with the field's path, and which backend a request is for.

use super::*;
use serde_json::{Value, json};

fn compile(config: Value) -> Result<Policy, String> {
    let config = Config::from_json(config).map_err(|error| error.to_string())?;
    Policy::compile(&config, &|name| (name == "KEY").then(|| vec![7; 32])).map_err(|error| error.to_string())
}

fn base() -> Value {
    json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [{"name": "users", "jwt": {"provider": "idp", "issuer": "https://idp"},
                     "tenants": {"claim": "tenant"}, "may": ["read"]}],
    })
}

/// The base with the value at `pointer` replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut config = base();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = config.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => list.push(value),
        _ => parent[key] = value,
    }
    config
}

#[test]
fn the_base_compiles() {
    compile(base()).unwrap();
}

#[test]
#[allow(clippy::too_many_lines)] // tables are
fn every_error_says_where_and_what() {
    let user = |user: Value| {
        with(
            "/callers/-",
            json!({"name": "b", "basic": {"key": {"env": "KEY"}, "users": [user]}, "may": ["write"]}),
        )
    };
    let cases: Vec<(Value, &str)> = vec![
        (
            with("/mod", json!("enforce")),
            "mod: unknown field `mod`, expected one of `role`, `mode`, `backends`",
        ),
        (
            with("/mode", json!("on")),
            "mode: unknown variant `on`, expected one of `enforce`, `observe`, `enforce_for`",
        ),
        (
            with("/mode", json!({"enforce_for": 25})),
            "mode.enforce_for: expected a share with its sign, such as \"25%\"",
        ),
        (
            with("/backends/0/mode", json!({"enforce_for": "101%"})),
            "backends[0].mode.enforce_for: expected a share with its sign, such as \"25%\"",
        ),
        (with("/callers/0/mode", json!("25%")), "callers[0].mode: unknown variant `25%`, expected one of"),
        (with("/backends", json!([])), "backends: name at least one backend"),
        (with("/callers", json!([])), "callers: name at least one caller"),
        (
            with("/backends/-", json!({"name": "metrics", "kind": "loki"})),
            "backends[1].name: another backend has this name",
        ),
        (
            with("/backends/0/kind", json!("thanos")),
            "backends[0].kind: unknown variant `thanos`, expected one of `cortex`",
        ),
        (
            with("/backends/0/kind", json!("prometheus")),
            "backends[0].isolate: missing: prometheus knows no X-Scope-OrgID",
        ),
        (with("/backends/0/name", json!(7)), "backends[0].name: expected a string, found a number: quote it"),
        (with("/backends/0/name", json!("a b")), "backends[0].name: a name is made of"),
        (with("/backends/0/host", json!("a:80")), "backends[0].host[0]: a host is a name without port"),
        (with("/backends/0/path", json!("x")), "backends[0].path: a path prefix starts with `/`"),
        (
            with("/callers/0/basic", json!({"key": {"env": "KEY"}, "users": []})),
            "callers[0]: several sources",
        ),
        (
            with("/callers/0/jwt", Value::Null),
            "callers[0]: no source says how this caller is recognised: give one of jwt, metadata, basic, bearer",
        ),
        (with("/callers/0/jwt/issuer", json!([])), "callers[0].jwt.issuer: name at least one issuer"),
        (with("/callers/0/jwt/issuer", json!(false)), "callers[0].jwt.issuer"),
        (with("/callers/0/tenants", Value::Null), "callers[0].tenants: missing"),
        (
            with("/callers/0/tenants", json!({"claim": "a", "union": []})),
            "callers[0].tenants: give exactly one of `claim`",
        ),
        (
            with("/callers/0/tenants", json!({"clam": "a"})),
            "callers[0].tenants.clam: unknown field `clam`, expected one of",
        ),
        (with("/callers/0/tenants", json!(["a|b"])), "callers[0].tenants[0]: a tenant ID is made of"),
        (with("/callers/0/tenants", json!([7])), "callers[0].tenants[0]"),
        (with("/callers/0/may", json!([])), "callers[0].may: name at least one of"),
        (with("/callers/0/may", json!(["everything"])), "callers[0].may[0]: unknown variant `everything`"),
        (
            with("/callers/0/impersonate", json!({"label": "x", "header": {}, "tenants": ["*"]})),
            "callers[0].impersonate.header: give exactly one header",
        ),
        (
            with("/callers/0/impersonate", json!({"label": "x", "tenants": []})),
            "callers[0].impersonate.tenants: name the tenants",
        ),
        (
            user(json!({"username": "u", "password": "secret"})),
            "callers[1].basic.users[0].password[0]: this is no keyed hash",
        ),
        (
            user(json!({"username": "u:v", "password": "x"})),
            "callers[1].basic.users[0].username: a user name is not empty",
        ),
        (
            with(
                "/callers/-",
                json!({"name": "b", "basic": {"key": {"env": "NONE"}, "users": []}, "may": ["write"]}),
            ),
            "callers[1].basic.key.env: the environment variable NONE is not set",
        ),
        (
            with(
                "/callers",
                json!([
                    {"name": "all", "anonymous": {}, "tenants": ["public"], "may": ["read"]},
                    {"name": "users", "jwt": {"provider": "p", "issuer": "i"}, "tenants": ["t"], "may": ["read"]},
                ]),
            ),
            "callers[1]: nothing comes after `anonymous` (all)",
        ),
        (
            {
                let mut config = with("/tables", json!({"users": {"static": {"a": "b"}}}));
                config["callers"][0] = json!({"name": "b", "basic": {"key": {"env": "KEY"}, "table": "users"}, "may": ["write"], "tenants": ["t"]});
                config
            },
            "tables.users: users, tokens and keys are fetched (`http`)",
        ),
        (
            {
                let mut config = with("/tables", json!({"users": {"http": {"cluster": "c", "path": "/"}}}));
                config["callers"].as_array_mut().unwrap().push(json!({"name": "b", "basic": {"key": {"env": "KEY"}, "table": "users"}, "may": ["write"], "tenants": ["t"]}));
                config["callers"][0]["tenants"] = json!({"claim": "a", "table": "users"});
                config
            },
            "callers[0].tenants.table: no table has this name; there are under `tables`: none",
        ),
        (
            with(
                "/backends/0/also_read",
                json!([{"tenant": "a", "from": "a", "until": "2030-01-01T00:00:00Z"}]),
            ),
            "backends[0].also_read[0].from: this is the same tenant",
        ),
        (
            with("/backends/-", json!({"name": "vm", "kind": "victoriametrics", "isolate": "pattern"})),
            "backends[1].isolate: not by a pattern",
        ),
        (with("/write", json!({"metric": {}})), "write.metric: no backend has this name; there are: metrics"),
        (
            with("/write", json!({"metrics": {"tenant": ["caler"]}})),
            "write.metrics.tenant[0]: expected caller, {header: NAME}, {label: NAME}, {labels: [NAME, NAME]} or {metadata: NAME}, found `caler`",
        ),
        (
            with("/write", json!({"metrics": {"tenant": []}})),
            "write.metrics.tenant: name at least one source",
        ),
        (
            with("/write", json!({"metrics": {"tenant": ["caller", {"label": "x"}]}})),
            "write.metrics.tenant[1]: this source is never reached",
        ),
        (
            with("/write", json!({"metrics": {"tenant": [{"label": "x"}, {"label": "x"}]}})),
            "write.metrics.tenant[1]: this source is listed twice",
        ),
        (
            with("/write", json!({"metrics": {"tenant": [{"header": "x", "remove": true}]}})),
            "write.metrics.tenant[0]: give exactly one of",
        ),
        (
            with("/write", json!({"metrics": {"tenant": [{"header": "x"}, {"metadata": "x"}]}})),
            "write.metrics.tenant[1]: only log entries have structured metadata",
        ),
        (
            with("/write", json!({"metrics": {"on_absent": "loose"}})),
            "write.metrics.on_absent: unknown variant `loose`, expected one of `reject_series`, `drop`, `tenant`",
        ),
        (
            with("/write", json!({"metrics": {"on_unmapped": {"tenant": "a/b"}}})),
            "write.metrics.on_unmapped.tenant: a tenant ID is made of",
        ),
        (
            with("/write", json!({"metrics": {"calls": {"via": "listener"}}})),
            "write.metrics.calls.cluster: missing",
        ),
        (
            with("/write", json!({"metrics": {"calls": {"via": "listener", "cluster": "c", "path": "/x"}}})),
            "write.metrics.calls.path: not with `via: listener`",
        ),
        (
            with("/write", json!({"metrics": {"calls": {"headers": ["Transfer-Encoding"]}}})),
            "write.metrics.calls.headers[0]: a call cannot carry",
        ),
        (
            with("/write", json!({"metrics": {"calls": {"timeout": 30}}})),
            "write.metrics.calls.timeout: expected a time with its unit",
        ),
        (
            with("/write", json!({"metrics": {"metadata": "everybody"}})),
            "write.metrics.metadata: unknown variant `everybody`, expected one of `own`, `followers`, `all`, `drop`",
        ),
        (
            with("/write", json!({"metrics": {"remote_write": {"versions": []}}})),
            "write.metrics.remote_write.versions: name at least one version",
        ),
        (
            with("/write", json!({"metrics": {"remote_write": {"versions": ["1.0", "1.1"]}}})),
            "write.metrics.remote_write.versions[1]: there are \"1.0\" and \"2.0\"",
        ),
        (
            with("/write", json!({"metrics": {"remote_write": {"versions": [2.0]}}})),
            "write.metrics.remote_write.versions[0]: expected a string, found a number: quote it",
        ),
        (with("/limits", json!({"series": 0})), "limits.series: 0 would refuse every request"),
        (with("/limits", json!({"labels_per_series": 0})), "limits.labels_per_series: 0 would refuse"),
        (
            with("/limits", json!({"request_bytes": "8MB"})),
            "limits.request_bytes: expected a number of bytes",
        ),
    ];
    for (config, expected) in cases {
        let error = compile(config.clone()).map(|_| ()).expect_err(expected);
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
}

#[test]
fn errors_in_what_is_read_say_where_and_what() {
    let policy = |policy: Value| json!({"logs": {"label_policy": [policy]}});
    let cases = [
        (json!({"log": {}}), "read.log: no backend has this name; there are: metrics, logs"),
        (json!({"logs": {"label_policies": []}}), "read.logs.label_policies: unknown field"),
        (json!({"logs": {"experimental": "yes"}}), "read.logs.experimental: "),
        (json!({"logs": {"language": "logql"}}), "read.logs.language: unknown variant"),
        (
            json!({"logs": {"language": "metricsql"}}),
            "read.logs.language: only for backends of kind prometheus",
        ),
        (
            json!({"metrics": {"label_policy": [{"everything": true}]}}),
            "read.metrics.label_policy: only mimir and loki know label policies",
        ),
        (policy(json!({})), "read.logs.label_policy[0].selectors: name at least one selector, or say"),
        (
            policy(json!({"everything": true, "selectors": "{a=\"b\"}"})),
            "read.logs.label_policy[0].selectors: name at least one selector, or say",
        ),
        (
            policy(json!({"selectors": "a=b"})),
            "read.logs.label_policy[0].selectors[0]: a selector is written",
        ),
        (
            policy(json!({"selectors": ["{a=\"b\"}", "{"]})),
            "read.logs.label_policy[0].selectors[1]: a selector",
        ),
        (
            policy(json!({"callers": "user", "everything": true})),
            "read.logs.label_policy[0].callers[0]: no caller has this name",
        ),
    ];
    for (read, expected) in cases {
        let mut config = with("/read", read);
        config["backends"] = json!([{"name": "metrics", "kind": "cortex"}, {"name": "logs", "kind": "loki"}]);
        let error = compile(config).map(|_| ()).expect_err(expected);
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
    for label in ["a.b", "1a", "__name__", "a b", "\u{e4}"] {
        let mut config = base();
        config["backends"] = json!([{"name": "metrics", "kind": "prometheus", "isolate": {"label": label}}]);
        let error = compile(config).map(|_| ()).expect_err(label);
        assert!(
            error.starts_with("backends[0].isolate.label: a label has a name; one that keeps"),
            "{error}"
        );
    }
}

#[test]
fn errors_in_the_rules_for_answers_say_where_and_what() {
    for (answers, expected) in [
        (
            json!({"rate_limited": "retry"}),
            "rate_limited: unknown variant `retry`, expected `pass` or `drop`",
        ),
        (json!({"soft_errors": "drop"}), "soft_errors: unknown variant `drop`, expected `pass` or `success`"),
        (json!({"remember": 300}), "remember: expected a time with its unit"),
        (json!({"give_up": {"attempts": 0}}), "give_up.attempts: 0 would give up a tenant that never failed"),
        (json!({"give_up": {"try_every": "0s"}}), "give_up.try_every: with 0s every request would wait"),
        (json!({"429": "drop"}), "429: unknown field `429`, expected one of `rate_limited`, `soft_errors`"),
    ] {
        let config = with("/write", json!({"metrics": {"answers": answers}}));
        let error = compile(config).map(|_| ()).expect_err(expected);
        let rest = error.strip_prefix("write.metrics.answers.").unwrap_or(&error);
        assert!(rest.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
}

#[test]
fn every_error_of_what_is_told_says_where_and_what() {
    let cases: Vec<(Value, &str)> = vec![
        (
            with("/metrics", json!({"by_tenant": "some"})),
            "metrics.by_tenant: unknown variant `some`, expected one of `none`, `looked_into`, `all`",
        ),
        (with("/metrics", json!({"tenants": {"max": 5000}})), "metrics.tenants.max: a host keeps"),
        (with("/metrics", json!({"tenants": {"window": 5}})), "metrics.tenants.window: expected a time"),
        (with("/metrics", json!({"tenants": {"pinned": ["a/b"]}})), "metrics.tenants.pinned[0]: a tenant"),
        (with("/metrics", json!({"tenants": {"pinned": [7]}})), "metrics.tenants.pinned[0]: expected a"),
        (with("/access_log", json!("on")), "access_log: expected a boolean, found a string"),
        (with("/report", json!({"path": "report"})), "report.path: a path of the gateway's own"),
        (with("/report", json!({"path": "/a//b"})), "report.path: a path of the gateway's own"),
        (with("/report", json!({"path": "/a?b"})), "report.path: a path of the gateway's own"),
    ];
    for (config, expected) in cases {
        let error = compile(config).map(|_| ()).expect_err(expected);
        assert!(error.starts_with(expected), "\n got: {error}\nwant: {expected}");
    }
}

#[test]
fn backends_are_chosen_by_metadata_then_host_then_prefix() {
    let mut config = base();
    config["backends"] = json!([
        {"name": "any", "kind": "cortex"},
        {"name": "logs", "kind": "loki", "host": ["logs.example.org", "*.logs.example.org"]},
        {"name": "wild", "kind": "loki", "host": "*.example.org"},
        {"name": "short", "kind": "mimir", "path": "/m"},
        {"name": "long", "kind": "mimir", "path": "/m/two/"},
    ]);
    let policy = compile(config).unwrap();
    for (named, authority, path, expected) in [
        (None, "x.org", "/api/v1/push", Ok(("any", "/api/v1/push"))),
        (None, "LOGS.example.org:3100", "/x", Ok(("logs", "/x"))),
        (None, "a.logs.example.org", "/x", Ok(("logs", "/x"))),
        (None, "b.example.org", "/m/x", Ok(("wild", "/m/x"))),
        (None, "example.org", "/x", Ok(("any", "/x"))),
        (None, "x.org", "/m/api", Ok(("short", "/api"))),
        (None, "x.org", "/m/two/api", Ok(("long", "/api"))),
        (None, "x.org", "/mm/api", Ok(("any", "/mm/api"))),
        (Some("short"), "logs.example.org", "/m/api", Ok(("short", "/api"))),
        (Some("short"), "logs.example.org", "/api", Ok(("short", "/api"))),
        (Some("other"), "logs.example.org", "/api", Err(Refusal::UnknownBackend)),
    ] {
        let chosen =
            policy.backend(named, authority, path).map(|(at, rest)| (&*policy.backends[at].name, rest));
        assert_eq!(chosen, expected, "{named:?} {authority} {path}");
    }
}
