//! What is found in the shipped examples, once something is wrong with them.

use super::*;

fn text(example: &str, file: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    std::fs::read_to_string(format!("{path}/{example}/{file}")).expect("the example is there")
}

fn check(text: &str) -> Vec<Finding> {
    match Document::parse("test.yaml".to_owned(), text.to_owned()) {
        Ok(document) => findings(&document.root),
        Err(malformed) => panic!("{}", malformed.problem.message),
    }
}

fn told(text: &str) -> Vec<String> {
    let line = |finding: &Finding| {
        let (line, _) = finding.position(text);
        let at = text.lines().nth(line - 1).unwrap_or_default().trim();
        format!("{:?} {} @ {at}: {}", finding.severity, finding.path, finding.message)
    };
    check(text).iter().map(line).collect()
}

#[test]
fn the_examples_are_right() {
    for example in ["impersonation", "namespaces"] {
        for file in ["scopegate.yaml", "envoy.yaml"] {
            assert_eq!(told(&text(example, file)), Vec::<String>::new(), "{example}/{file}");
        }
    }
}

#[test]
fn each_mistake_is_found_where_it_is() {
    // What stands in examples/namespaces/envoy.yaml, what stands there instead, and what is told.
    let cases = [
        (
            "allow_on_headers_stop_iteration: true",
            "allow_on_headers_stop_iteration: false",
            "Error allow_on_headers_stop_iteration @ allow_on_headers_stop_iteration: false: the filter may not hold",
        ),
        (
            "failure_policy: FAIL_RELOAD",
            "failure_policy: FAIL_OPEN",
            "Error failure_policy @ failure_policy: FAIL_OPEN: after",
        ),
        (
            "failure_policy: FAIL_RELOAD",
            "fail_open: true",
            "Error fail_open @ fail_open: true: after a failure",
        ),
        (
            "failure_policy: FAIL_RELOAD",
            "failure_policy: FAIL_CLOSED",
            "Warning failure_policy @ failure_policy: FAIL_CLOSED",
        ),
        (
            "stream_idle_timeout: 45s",
            "stream_idle_timeout: 0s",
            "Error stream_idle_timeout @ stream_idle_timeout: 0s",
        ),
        (
            "per_connection_buffer_limit_bytes: 9437184",
            "per_connection_buffer_limit_bytes: 1000000",
            "Warning per_connection_buffer_limit_bytes @ per_connection_buffer_limit_bytes: 1000000: Envoy holds no more",
        ),
        (
            "payload_in_metadata: keycloak",
            "payload_in_metadata: other",
            "Error callers[2].jwt.provider @ jwt: {provider: keycloak",
        ),
        (
            "calls: {cluster: cortex,",
            "calls: {cluster: cortx,",
            "Error write.metrics.calls.cluster @ calls: {cluster: cortx",
        ),
        (
            "kubernetes: {cluster: kube-api,",
            "kubernetes: {cluster: api,",
            "Error tables.organisations.kubernetes.cluster @ kub",
        ),
        (
            "scopegate: {backend: logs}}}\n                        #",
            "scopegate: {backend: log}}}\n                        #",
            "backend: log}}}: the filter knows no backend `log`",
        ),
        (
            "tag_name: tenant, regex: \"(tenant",
            "tag_name: tenant, regex: \"(tenants",
            "Warning stats_config @ stats_config:: tags stay in the names of the filter's metrics: tenant",
        ),
        ("  - {name: logs, kind: loki}", "  - {name: logs, knd: loki}", "callers[0]"),
        (
            "tenants: [platform]",
            "tenats: [platform]",
            "Error static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[1].typed_config.config.configuration.value.callers[0].tenats @ tenats: [platform]: unknown field",
        ),
        (
            "{name: metrics, kind: cortex}",
            "{name: no, kind: cortex}",
            "backends[0].name @ - {name: no, kind: cortex}: expected a string",
        ),
        ("access_log: true", "mode: observe", "Warning static_resources"),
        ("- name: scopegate\n", "- name: scopegate\n                    disabled: false\n", ""),
        (
            "                  - name: envoy.filters.http.router\n                    typed_config:\n                      \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\n",
            "",
            "Error http_filters @ http_filters:: no router",
        ),
        (
            "route: {cluster: cortex, timeout: 120s}",
            "route: {cluster: cortex, timeout: 120s}\n                          typed_per_filter_config: {scopegate: {disabled: true}}",
            "the filter is off here",
        ),
    ];
    let whole = text("namespaces", "envoy.yaml");
    for (right, wrong, expected) in cases {
        assert!(whole.contains(right), "{right}");
        let told = told(&whole.replacen(right, wrong, 1));
        if expected.is_empty() {
            assert_eq!(told, Vec::<String>::new());
        } else if expected != "callers[0]" {
            assert!(told.iter().any(|line| line.contains(expected)), "{wrong}: {told:#?}");
        } else {
            assert!(told.iter().any(|line| line.contains("backends[1].knd")), "{wrong}: {told:#?}");
        }
    }
}

#[test]
fn names_are_suggested_and_secrets_asked_for() {
    let whole = text("namespaces", "envoy.yaml").replacen("tenants: [platform]", "tenats: [platform]", 1);
    assert_eq!(check(&whole)[0].help.as_deref(), Some("did you mean `tenants`?"));
    let whole = text("namespaces", "envoy.yaml").replacen(
        "{name: metrics, kind: cortex}",
        "{name: on, kind: cortex}",
        1,
    );
    assert!(check(&whole)[0].help.as_deref().is_some_and(|help| help.contains("put a name in quotes")));
    let key = "  - {name: x, basic: {key: {env: HASH_KEY}, users: [{username: u, password: ['hmac-sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA']}]}, tenants: [x], may: [read]}";
    let secret = |given: &str| {
        let caller = format!("{key}\n                              - name: users");
        let whole = text("namespaces", "envoy.yaml").replacen("- name: users", caller.trim_start(), 1);
        told(&whole.replacen("runtime: envoy", &format!("{given}runtime: envoy"), 1))
    };
    let told = secret("");
    assert!(told[0].contains("callers[2].basic.key.env @ - {name: x,"), "{told:#?}");
    assert!(told[0].contains("does not get the environment variable `HASH_KEY`"), "{told:#?}");
    let line = "environment_variables: {host_env_keys: [HASH_KEY]}\n                          ";
    assert_eq!(secret(line), Vec::<String>::new());
}

#[test]
fn objects_of_kubernetes_are_understood() {
    let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");
    let read = |name: &str| std::fs::read_to_string(format!("{deploy}/{name}")).unwrap();
    for name in ["istio/istio.yaml", "envoy-gateway/envoy-gateway.yaml", "kubernetes/envoy.yaml"] {
        assert_eq!(told(&read(name)), Vec::<String>::new(), "{name}");
        let open = read(name).replace("failure_policy: FAIL_RELOAD", "failure_policy: FAIL_OPEN");
        assert!(told(&open)[0].contains("requests go on without the filter"), "{name}");
        let held = read(name).replace("allow_on_headers_stop_iteration: true", "");
        assert!(told(&held)[0].contains("requests whose body it needs hang"), "{name}");
    }
    let other = read("istio/istio.yaml").replacen("provider: payload", "provider: keycloak", 1);
    let told_of = told(&other);
    assert!(
        told_of.len() == 1 && told_of[0].contains("Istio puts no payload into `keycloak`"),
        "{told_of:#?}"
    );
    // Two documents that are none are what Envoy would not read.
    let several = Document::parse("x".into(), "a: 1\n---\nb: 2".into());
    assert!(matches!(several, Err(malformed) if malformed.problem.message.contains("a second document")));
}

#[test]
fn a_wasm_plugin_is_for_what_needs_no_body() {
    let plugin = |strategy: &str, backend: &str, more: &str| {
        told(&format!(
            "kind: WasmPlugin\nspec:\n  failStrategy: {strategy}\n  pluginConfig:\n    backends: [{{name: m, {backend}}}]\n    \
             callers: [{{name: a, anonymous: {{}}, tenants: [t], may: [write, read]}}]\n{more}"
        ))
    };
    assert_eq!(plugin("FAIL_RELOAD", "kind: cortex", ""), Vec::<String>::new());
    for (strategy, backend, more, expected) in [
        ("FAIL_OPEN", "kind: cortex", "", "after a failure of its VM"),
        ("FAIL_CLOSE", "kind: mimir", "", "requests to this kind"),
        (
            "FAIL_CLOSE",
            "kind: cortex",
            "    write: {m: {tenant: [{label: a}, caller]}}\n",
            "tenants and labels of writes",
        ),
        ("FAIL_CLOSE", "kind: cortes", "", "spec.pluginConfig.backends[0].kind"),
    ] {
        let told = plugin(strategy, backend, more);
        assert!(told.len() == 1 && told[0].contains(expected), "{expected}: {told:#?}");
    }
}

#[test]
fn certificates_must_be_verified() {
    let chain = "filter_chains:\n        - filters:";
    let told = |certificate: &str, tls: &str| {
        let caller = format!(
            "- {{name: x, certificate: {certificate}, tenants: [x], may: [read]}}\n                              - name: users"
        );
        let socket = format!("filter_chains:\n        - transport_socket: {tls}\n          filters:");
        let whole = text("namespaces", "envoy.yaml").replacen("- name: users", &caller, 1);
        told(&whole.replacen(chain, if tls.is_empty() { chain } else { &socket }, 1))
    };
    let tls = |context: &str| {
        format!(
            "{{name: tls, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.\
             DownstreamTlsContext, common_tls_context: {{{context}}}}}}}"
        )
    };
    let (name, digest) = ("{uri_san: \"spiffe://a\"}", format!("{{sha256: \"{}\"}}", "0a".repeat(32)));
    let anybody =
        "validation_context: {trusted_ca: {filename: ca.pem}, trust_chain_verification: ACCEPT_UNTRUSTED}";
    for (certificate, context, expected) in [
        (name, String::new(), Some("this listener has no TLS")),
        (name, tls(""), Some("asks for no certificate")),
        (name, tls("validation_context: {}"), Some("that anybody made")),
        (name, tls(anybody), Some("that anybody made")),
        (name, tls("validation_context: {trusted_ca: {filename: ca.pem}}"), None),
        (name, tls("validation_context_sds_secret_config: {name: ca}"), None),
        (&digest, String::new(), Some("this listener has no TLS")),
        (&digest, tls(anybody), None),
    ] {
        let told = told(certificate, &context);
        match expected {
            None => assert_eq!(told, Vec::<String>::new(), "{certificate} {context}"),
            Some(expected) => assert!(
                told.len() == 1 && told[0].contains("callers[2].certificate") && told[0].contains(expected),
                "{certificate} {context}: {told:#?}"
            ),
        }
    }
}

#[test]
fn nothing_of_ours_is_an_error() {
    assert!(told("a: 1")[0].contains("neither a Scopegate configuration"));
    assert!(
        matches!(Document::parse("x".into(), "a: [".into()), Err(malformed) if malformed.problem.span.start > 0)
    );
    assert!(
        matches!(Document::parse("x".into(), "a: 1\na: 2".into()), Err(malformed) if malformed.problem.span == (5..6))
    );
}

#[test]
fn findings_are_rendered_with_their_place() {
    let whole = text("namespaces", "envoy.yaml").replacen("tenants: [platform]", "tenats: [platform]", 1);
    let rendered = anstream::adapter::strip_str(&check(&whole)[0].render("envoy.yaml", &whole)).to_string();
    assert!(rendered.contains("--> envoy.yaml:"), "{rendered}");
    assert!(rendered.contains("tenats: [platform]"), "{rendered}");
    assert!(rendered.contains("help: did you mean `tenants`?"), "{rendered}");
}
