//! What is made of files, and what is wrong with them.

use serde_json::{Value, json};

use super::*;

const DISTRIBUTOR: &str = "http://distributor:9009";

fn file() -> Value {
    json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [{"name": "anyone", "anonymous": {}, "tenants": ["a"], "may": ["write", "read"]}],
        "upstreams": {
            "distributor": {"url": DISTRIBUTOR, "backend": "metrics", "component": "distributor"},
            "frontend": {"url": "http://frontend", "backend": "metrics"},
        },
    })
}

/// The file with another value at a pointer; null takes it away.
fn with(mut file: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = file.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(map), Value::Null) => {
            map.remove(name);
        }
        (Value::Object(map), value) => {
            map.insert(name.to_owned(), value);
        }
        (Value::Array(list), value) => list[name.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}"),
    }
    file
}

fn compiled(file: &Value) -> Gateway {
    match compile(file) {
        (Some(gateway), problems) => {
            assert_eq!(problems, [], "{file}");
            gateway
        }
        (None, problems) => panic!("{problems:?}"),
    }
}

/// Domains, path, cluster and rewrite of all routes.
fn routes(file: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for host in compiled(file).hosts {
        for route in &host.routes {
            let (kind, path) = match &route.path {
                PathMatch::Exact(path) => ("=", path),
                PathMatch::Below(path) => ("", path),
            };
            let rewrite = route.rewrite.as_ref().map_or_else(String::new, |path| format!(" as {path}"));
            lines.push(format!("{} {kind}{path} > {}{rewrite}", host.domains.join(","), route.cluster));
        }
    }
    lines
}

#[test]
fn components_take_their_paths_and_one_upstream_the_rest() {
    assert_eq!(
        routes(&file()),
        [
            "* =/api/v1/push > distributor",
            "* =/api/prom/push > distributor",
            "* =/api/v1/otlp/v1/metrics > distributor",
            "* / > frontend",
        ]
    );
    // Listed paths replace those of the component.
    let listed =
        with(file(), "/upstreams/distributor/paths", json!(["/api/v1/push", "/custom/", "/custom/a/"]));
    assert_eq!(
        routes(&listed),
        [
            "* =/api/v1/push > distributor",
            "* /custom/a/ > distributor",
            "* /custom/ > distributor",
            "* / > frontend",
        ]
    );
}

#[test]
fn paths_are_rewritten_where_backend_or_url_have_one() {
    let mut file = with(file(), "/upstreams/distributor/url", json!("http://proxy/cortex/"));
    file["backends"][0]["path"] = json!("/metrics");
    file["upstreams"]["distributor"]["paths"] = json!(["/api/v1/push", "/b/"]);
    assert_eq!(
        routes(&file),
        [
            "* =/metrics/api/v1/push > distributor as /cortex/api/v1/push",
            "* /metrics/b/ > distributor as /cortex/b/",
            "* /metrics/ > frontend as /",
        ]
    );
}

#[test]
fn hosts() {
    let backends = json!([
        {"name": "metrics", "kind": "cortex", "host": ["m.example.org", "*.m.example.org"]},
        {"name": "logs", "kind": "loki", "host": "m.example.org", "path": "/logs"},
        {"name": "rest", "kind": "tempo"},
    ]);
    let file = json!({
        "backends": backends,
        "callers": [{"name": "anyone", "anonymous": {}, "tenants": ["a"], "may": ["read"]}],
        "upstreams": {
            "cortex": {"url": "http://cortex", "backend": "metrics"},
            "loki": {"url": "http://loki", "backend": "logs"},
            "tempo": {"url": "http://tempo", "backend": "rest"},
        },
    });
    assert_eq!(
        routes(&file),
        [
            "m.example.org /logs/ > loki as /",
            "m.example.org / > cortex",
            "*.m.example.org / > cortex",
            "* / > tempo",
        ]
    );
    // Where no backend of a host takes everything, those without a host come after.
    let file = with(file, "/backends/0/path", json!("/metrics"));
    let first = &routes(&file)[..3];
    assert_eq!(
        first,
        [
            "m.example.org /metrics/ > cortex as /",
            "m.example.org /logs/ > loki as /",
            "m.example.org / > tempo",
        ]
    );
}

#[test]
fn reads_are_tried_again_and_writes_are_not() {
    let gateway = compiled(&file());
    let routes = &gateway.hosts[0].routes;
    assert!(routes[..3].iter().all(|route| route.retries.is_none()));
    let rest = routes[3].retries.as_ref().unwrap();
    assert_eq!(rest.max, 2);
    assert!(rest.reads.contains(&"/prometheus/api/v1/query_range".to_owned()));
    assert!(rest.reads.iter().all(|path| !path.contains("push") && !path.contains("rules")));
}

#[test]
fn the_parts_of_split_writes_are_told_where_to_go() {
    let write = |write: Value| {
        let mut file = file();
        file["write"] = write;
        compiled(&file).filter.configuration["write"].clone()
    };
    let by_label = json!({"metrics": {"tenant": [{"label": "namespace"}]}});
    assert_eq!(
        write(by_label),
        json!({"metrics": {"tenant": [{"label": "namespace"}], "calls": {"cluster": "distributor"}}})
    );
    // What is said stays.
    let said = json!({"metrics": {"calls": {"cluster": "frontend"}}});
    assert_eq!(write(said.clone()), said);
    // Nothing is split, so nothing is added.
    assert_eq!(compiled(&file()).filter.configuration.get("write"), None);
    let mut impersonating = file();
    impersonating["callers"][0]["impersonate"] = json!({"label": "as", "tenants": ["*"]});
    let configuration = compiled(&impersonating).filter.configuration;
    assert_eq!(configuration["write"], json!({"metrics": {"calls": {"cluster": "distributor"}}}));
    // A server that is told another name is told it with the parts, too.
    let https = with(impersonating, "/upstreams/distributor/url", json!("https://d.example.org"));
    let calls = &compiled(&https).filter.configuration["write"]["metrics"]["calls"];
    assert_eq!(calls, &json!({"cluster": "distributor", "authority": "d.example.org"}));
}

#[test]
fn the_filter_sees_nothing_of_what_is_around_it() {
    let gateway = compiled(&file());
    let mut names: Vec<_> = gateway.filter.configuration.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["backends", "callers"]);
}

#[test]
fn times() {
    let file = with(file(), "/upstreams/frontend/timeout", json!("10s"));
    let gateway = compiled(&file);
    let times: Vec<_> =
        gateway.hosts[0].routes.iter().map(|route| (route.timeout, route.idle_timeout)).collect();
    assert_eq!(times[0], (120_000, Some(130_000)), "longer than a request may be silent elsewhere");
    assert_eq!(times[3], (10_000, None));
    assert_eq!(gateway.stream_idle_timeout, 45_000);
}

#[test]
fn tls_of_upstreams() {
    let name = |url: Value, tls: Value| {
        let file = with(file(), "/upstreams/frontend/url", url);
        let file = with(file, "/upstreams/frontend/tls", tls);
        compiled(&file).clusters[1].tls.clone().unwrap().name
    };
    assert_eq!(name(json!("https://a.example.org"), Value::Null), Name::Dns("a.example.org".to_owned()));
    assert_eq!(name(json!("https://[::1]:8443"), Value::Null), Name::Address("::1".to_owned()));
    assert_eq!(name(json!(["https://a", "https://b"]), json!({"sni": "c"})), Name::Dns("c".to_owned()));
}

#[test]
fn mistakes() {
    let jwt = json!({"name": "u", "jwt": {"provider": "idp", "issuer": "https://idp"}, "tenants": ["a"], "may": ["read"]});
    let certificate =
        json!({"name": "u", "certificate": {"dns_san": "{n}.x"}, "tenants": ["a"], "may": ["read"]});
    let other = json!([{"name": "metrics", "kind": "cortex"}, {"name": "b", "kind": "cortex"}]);
    let cases = [
        ("/upstreams", json!({}), "backends[0].name: no upstream leads to the backend `metrics`"),
        (
            "/upstreams/frontend/backend",
            json!("metric"),
            "upstreams.frontend.backend: there is no backend `metric`",
        ),
        (
            "/upstreams/frontend/component",
            json!("querier"),
            "upstreams.frontend.component: unknown component `querier`: cortex has distributor, frontend, ruler, alertmanager",
        ),
        ("/upstreams/frontend/url", json!("frontend:80"), "upstreams.frontend.url: a URL begins with"),
        ("/upstreams/frontend/url", json!([]), "upstreams.frontend.url: there is no URL"),
        ("/upstreams/frontend/tls", json!({}), "upstreams.frontend.tls: the URL says `http`"),
        (
            "/upstreams/frontend/timeout",
            json!("30"),
            "upstreams.frontend.timeout: expected a time with its unit",
        ),
        (
            "/upstreams/frontend/paths",
            json!(["/a", "b"]),
            "upstreams.frontend.paths[1]: a path begins with a slash",
        ),
        ("/upstreams/frontend/paths", json!(["/"]), "upstreams.frontend.paths[0]: that is everything"),
        (
            "/upstreams/frontend/paths",
            json!(["/a/{x}"]),
            "upstreams.frontend.paths[0]: a path is written out",
        ),
        (
            "/upstreams/frontend/paths",
            json!(["/api/v1/push"]),
            "upstreams.frontend.paths[0]: the upstream `distributor` takes /api/v1/push already",
        ),
        (
            "/upstreams/frontend/health",
            json!("off"),
            "upstreams.frontend.health: expected `none` or an object",
        ),
        ("/upstreams/frontend/credential", json!({}), "upstreams.frontend.credential: give exactly one of"),
        ("/upstreams/frontend/backnd", json!("x"), "upstreams.frontend.backnd: unknown field `backnd`"),
        (
            "/upstreams/distributor/component",
            Value::Null,
            "upstreams.frontend: another upstream takes what is left",
        ),
        (
            "/upstreams/kube",
            json!({"url": "https://k", "component": "distributor"}),
            "upstreams.kube: of which backend?",
        ),
        (
            "/upstreams/kube",
            json!({"url": "https://k", "tls": {"key": "k"}}),
            "upstreams.kube.tls: `certificate` and `key` belong together",
        ),
        ("/upstreams/kube", json!({"url": ["https://k", "https://l"]}), "upstreams.kube.tls: several hosts"),
        (
            "/upstreams/scopegate-x",
            json!({"url": "http://k"}),
            "upstreams.scopegate-x: a name that begins with `scopegate-` is taken",
        ),
        ("/backends", other, "backends[1]: nothing tells it from the backend `metrics`"),
        (
            "/listeners",
            json!([{"address": "8080"}]),
            "listeners[0].address: expected an IP address with a port",
        ),
        (
            "/listeners",
            json!([{"address": "0.0.0.0:1"}, {"address": "0.0.0.0:2"}]),
            "listeners[1].name: the name `gateway` is taken",
        ),
        (
            "/listeners",
            json!([{"address": "0.0.0.0:1", "tls": {"certificate": "c", "key": "k", "require_client_certificate": true}}]),
            "listeners[0].tls.require_client_certificate: by which authority?",
        ),
        ("/operations", json!({"address": "0.0.0.0:8080"}), "operations.address: this address is taken"),
        (
            "/operations",
            json!({"address": "0.0.0.0:9902", "admin": "0.0.0.0:9901"}),
            "operations.admin: whoever reaches",
        ),
        ("/callers/0", jwt, "callers[0].jwt.provider: there is no identity provider `idp`"),
        ("/callers/0", certificate, "callers[0]: no listener asks for certificates"),
        (
            "/write",
            json!({"metrics": {"calls": {"cluster": "x"}}}),
            "write.metrics.calls.cluster: there is no upstream `x`",
        ),
        (
            "/write",
            json!({"metrics": {"calls": {"via": "listener", "cluster": "x"}}}),
            "write.metrics.calls.via: an internal listener is not rendered",
        ),
        (
            "/tables",
            json!({"t": {"kubernetes": {"cluster": "kube", "label": "l"}}}),
            "tables.t.kubernetes.cluster: there is no upstream `kube`",
        ),
        (
            "/identity_providers",
            json!({"idp": {"issuer": "i", "jwks": {}}}),
            "identity_providers.idp.jwks: give exactly one of",
        ),
        ("/role", json!("agent"), "role: a gateway is made of"),
        ("/role", json!("gate"), "role: unknown variant"),
    ];
    for (pointer, value, expected) in cases {
        let file = with(file(), pointer, value);
        let (gateway, problems) = compile(&file);
        let told: Vec<_> =
            problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
        assert!(gateway.is_none(), "{expected}");
        assert!(told.iter().any(|line| line.starts_with(expected)), "{expected}\n{told:#?}");
    }
    // Parts go with the path of their request.
    let mut file = with(file(), "/upstreams/distributor/url", json!("http://proxy/cortex"));
    file["write"] = json!({"metrics": {"tenant": [{"label": "namespace"}]}});
    assert!(compile(&file).1[0].message.starts_with("parts of split writes"));
    file["write"]["metrics"]["calls"] = json!({"path": "/cortex/api/v1/push"});
    compiled(&file);
}

/// What can be set up, and somebody will be sorry for.
#[test]
fn warnings() {
    let idp = |url: &str| json!({"idp": {"issuer": "i", "jwks": {"url": url}}});
    let kube = |url: &str| json!({"url": url, "credential": {"bearer_file": "/token"}});
    for (pointer, value, expected) in [
        (
            "/identity_providers",
            idp("http://idp/keys"),
            Some("identity_providers.idp.jwks.url: whoever is on the way"),
        ),
        ("/identity_providers", idp("https://idp/keys"), None),
        ("/upstreams/kube", kube("http://kube"), Some("upstreams.kube.credential: whoever is on the way")),
        ("/upstreams/kube", kube("https://kube"), None),
        ("/upstreams/kube", kube("http://127.0.0.1:8001"), None),
    ] {
        let (gateway, problems) = compile(&with(file(), pointer, value));
        assert!(gateway.is_some(), "{problems:?}");
        let told: Vec<_> =
            problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
        match expected {
            None => assert_eq!(told, Vec::<String>::new()),
            Some(expected) => assert!(told.len() == 1 && told[0].starts_with(expected), "{told:?}"),
        }
    }
}
