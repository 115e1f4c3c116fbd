//! What is rendered is right by `scopegate check`, and the shipped examples can be rendered.

use serde_json::Value;

use super::*;

/// The gateway of a text.
pub(super) fn gateway(text: &str) -> Gateway {
    let document = match Document::parse("test.yaml".to_owned(), text.to_owned()) {
        Ok(document) => document,
        Err(malformed) => panic!("{}", malformed.problem.message),
    };
    let (gateway, shown) = gateway_of(&document);
    gateway.unwrap_or_else(|| panic!("{}", shown.join("\n")))
}

/// What `scopegate render FILE` makes of a text.
fn rendered(text: &str) -> Files {
    let module = Module::File("scopegate.wasm".to_owned());
    bootstrap::files(&gateway(text), &module).unwrap()
}

fn value(text: &str) -> Value {
    match Document::parse("envoy.yaml".to_owned(), text.to_owned()) {
        Ok(document) => document.root.value(),
        Err(malformed) => panic!("{}\n{text}", malformed.problem.message),
    }
}

fn example(name: &str, file: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    std::fs::read_to_string(format!("{folder}/{name}/{file}")).unwrap()
}

/// An example's configuration, with what its `envoy.yaml` says around it.
fn examples() -> [(&'static str, String); 3] {
    let with = |name, more: &str, from: &str, to: &str| {
        let text = example(name, "scopegate.yaml");
        assert!(text.contains(from), "{name}");
        (name, format!("{}{more}", text.replace(from, to)))
    };
    [
        with(
            "impersonation",
            "
identity_providers:
  session: {issuer: https://control.example.org, jwks: {file: session-keys.json}}
  keycloak: {issuer: https://idp.example.org, jwks: {file: keycloak-keys.json}}
upstreams:
  cortex: {url: http://cortex:9009, backend: metrics}
",
            "",
            "",
        ),
        with(
            "namespaces",
            "
identity_providers:
  cluster: {issuer: https://kubernetes.default.svc.cluster.local, audiences: scopegate, jwks: {file: cluster-keys.json}}
  keycloak: {issuer: https://idp.example.org, jwks: {file: keycloak-keys.json}}
upstreams:
  cortex: {url: http://cortex:9009, backend: metrics, timeout: 300s}
  loki: {url: http://loki:3100, backend: logs, timeout: 300s}
  kube-api:
    url: https://kubernetes.default.svc
    tls: {ca: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt}
    credential: {bearer_file: /var/run/secrets/kubernetes.io/serviceaccount/token}
  grafana:
    url: https://grafana.monitoring.svc
    tls: {ca: /var/run/secrets/grafana/ca.crt}
    credential: {basic_file: /var/run/secrets/grafana/login}
",
            "{name: logs, kind: loki}",
            "{name: logs, kind: loki, host: logs.example.org}",
        ),
        with(
            "label-isolation",
            "
identity_providers:
  keycloak: {issuer: https://idp.example.org, jwks: {file: keycloak-keys.json}}
upstreams:
  victoria: {url: http://victoria-metrics:8428, backend: victoria}
  prometheus: {url: http://prometheus:9090, backend: prometheus}
",
            "{name: prometheus, kind: prometheus, isolate",
            "{name: prometheus, kind: prometheus, host: prometheus.example.org, isolate",
        ),
    ]
}

#[test]
fn what_is_rendered_passes_the_check() {
    for (name, text) in examples() {
        for text in [text.clone(), rendered(&text).main.text] {
            let findings = crate::check::told(&text);
            assert_eq!(findings, Vec::<String>::new(), "{name}\n{text}");
        }
    }
}

/// What matters of a bootstrap: names of filters, where routes lead, whom clusters call, what the filter is told.
fn essence(bootstrap: &Value) -> Value {
    let resources = &bootstrap["static_resources"];
    let manager = &resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let mut filters: Vec<Value> = manager["http_filters"].as_array().unwrap().clone();
    let mut clusters = Vec::new();
    for cluster in resources["clusters"].as_array().unwrap() {
        clusters.push(serde_json::json!([
            cluster["name"],
            cluster["load_assignment"],
            cluster["transport_socket"]
        ]));
    }
    clusters.sort_by_key(ToString::to_string);
    for filter in &mut filters {
        let config = &mut filter["typed_config"];
        if let Some(providers) = config["providers"].as_object_mut() {
            providers.sort_keys();
        }
        // Theirs are in the order of their file.
        if let Some(list) = config.pointer_mut("/rules/0/requires/requires_any/requirements") {
            list.as_array_mut().unwrap().sort_by_key(ToString::to_string);
        }
        if let Some(value) = config.pointer_mut("/config/configuration/value") {
            for backend in value["backends"].as_array_mut().unwrap() {
                backend.as_object_mut().unwrap().remove("host");
            }
        }
    }
    serde_json::json!({
        "filters": filters,
        "clusters": clusters,
        "buffer": resources["listeners"][0]["per_connection_buffer_limit_bytes"],
        "idle": manager["stream_idle_timeout"],
        "request": manager["request_timeout"],
        "tags": bootstrap["stats_config"],
    })
}

/// Which cluster, and which backend, a request to this host and path meets.
fn met<'b>(bootstrap: &'b Value, host: &str, path: &str) -> (&'b str, Option<&'b str>) {
    let manager =
        &bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let hosts = manager["route_config"]["virtual_hosts"].as_array().unwrap();
    let fits = |domain: &str| {
        domain == host
            || domain.strip_suffix('*').is_some_and(|start| start.len() > 1 && host.starts_with(start))
    };
    let with = |fits: &dyn Fn(&str) -> bool| {
        hosts.iter().find(|host| {
            host["domains"].as_array().unwrap().iter().any(|domain| fits(domain.as_str().unwrap()))
        })
    };
    let host = with(&fits).or_else(|| with(&|domain| domain == "*")).unwrap();
    let matches = |route: &&Value| {
        route["match"]["path"] == path
            || route["match"]["prefix"].as_str().is_some_and(|prefix| path.starts_with(prefix))
    };
    let route = host["routes"].as_array().unwrap().iter().find(matches).unwrap();
    (
        route["route"]["cluster"].as_str().unwrap(),
        route["metadata"]["filter_metadata"]["scopegate"]["backend"].as_str(),
    )
}

/// The hand-written `envoy.yaml` of the examples, whose comments teach, and what is rendered do the same.
#[test]
fn the_examples_can_be_rendered() {
    for (name, text) in examples() {
        let (theirs, ours) = (value(&example(name, "envoy.yaml")), value(&rendered(&text).main.text));
        let (theirs_essence, ours_essence) = (essence(&theirs), essence(&ours));
        for part in ["filters", "clusters", "buffer", "idle", "request", "tags"] {
            assert_eq!(ours_essence[part], theirs_essence[part], "{name}: {part}");
        }
        for host in ["gateway.example.org", "logs.example.org", "prometheus.example.org"] {
            for path in ["/api/v1/push", "/prometheus/api/v1/query", "/loki/api/v1/push", "/api/v1/query"] {
                let (ours, theirs) = (met(&ours, host, path), met(&theirs, host, path));
                assert_eq!(ours.0, theirs.0, "{name} {host}{path}");
                assert!(theirs.1.is_none() || ours.1 == theirs.1, "{name} {host}{path}: {ours:?} {theirs:?}");
            }
        }
    }
}

#[test]
fn the_same_comes_out_of_the_same() {
    for (_, text) in examples() {
        assert_eq!(rendered(&text), rendered(&text));
    }
}

/// The page shows a file that can be rendered.
#[test]
fn the_page_is_right() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/gateway.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("<!-- snippet: gateway -->\n```yaml\n").unwrap();
    let (snippet, _) = rest.split_once("```").unwrap();
    assert_eq!(crate::check::told(snippet), Vec::<String>::new());
    let files = rendered(snippet);
    assert_eq!(crate::check::told(&files.main.text), Vec::<String>::new());
    let names: Vec<&str> = files.beside.iter().map(|file| &*file.name).collect();
    assert_eq!(names, ["gateway-certificate.yaml"]);
}
