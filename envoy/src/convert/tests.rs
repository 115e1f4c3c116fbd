//! Files as people have them, what becomes of them, and what is told.
#![allow(clippy::too_many_lines)] // tables are

use serde_json::Value;

use super::*;
use crate::document::Document;

/// One source: makes what it makes of a text.
type Source = fn(&str) -> (Document, Converted);

fn yaml(text: &str) -> Document {
    match Document::parse("file".to_owned(), text.to_owned()) {
        Ok(document) => document,
        Err(malformed) => panic!("{}", malformed.problem.message),
    }
}

/// What becomes of a text, and what is told: the values at pointers, and warnings and errors by their beginning. What was
/// made passes the check, and can be rendered.
fn compare(source: Source, cases: &[(&str, &[&str])]) {
    let mut wrong = Vec::new();
    for (text, expected) in cases {
        let (document, converted) = source(text);
        let told: Vec<String> = converted
            .problems
            .iter()
            .map(|problem| format!("{:?} {}: {}", problem.severity, problem.path, problem.message))
            .collect();
        let value = converted.configuration.as_ref().map(Yaml::value).unwrap_or_default();
        for expected in *expected {
            let is_so = match expected.strip_prefix('/').and_then(|rest| rest.split_once('=')) {
                Some((pointer, wanted)) => {
                    let found = value.pointer(&format!("/{pointer}")).map(|found| match found {
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    });
                    found.as_deref().unwrap_or("none") == wanted
                }
                None => told.iter().any(|line| line.starts_with(expected)),
            };
            if !is_so {
                wrong.push(format!("{text}\n  wanted {expected}\n  told {told:#?}\n  {value:#}"));
            }
        }
        if let Some(text) = converted.text() {
            let found = crate::check::told(&text);
            if !found.is_empty() {
                wrong.push(format!("{text}\n  is not right: {found:?}"));
            }
            let (gateway, shown) = crate::render::gateway_of(&yaml(&text));
            if gateway.is_none() {
                wrong.push(format!("{text}\n  cannot be rendered: {shown:?}"));
            }
            assert!(!text.contains("s3cret"), "{text}");
        }
        let shown = converted.shown(&document).join("\n");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn cortex_tenant() {
    let source: Source = |text| {
        let document = yaml(text);
        let converted = cortex_tenant::convert(&document.root, cortex_tenant::By::Label);
        (document, converted)
    };
    compare(
        source,
        &[
            (
                "target: http://mimir:8080/api/v1/push\ntenant: {label: team, default: shared}",
                &[
                    "/backends=[{\"name\":\"metrics\",\"kind\":\"cortex\"}]",
                    "/callers/0/tenants=[\"shared\"]",
                    "/callers/0/on_behalf_of=[\"*\"]",
                    "/write/metrics/tenant=[{\"label\":\"team\"}]",
                    "/write/metrics/on_absent/tenant=shared",
                    "/write/metrics/metadata=drop",
                    "/write/metrics/calls=none",
                    "/upstreams/metrics/url=http://mimir:8080",
                    "/listeners/0/address=127.0.0.1:8081",
                    "Warning : whoever reaches it writes for every tenant",
                    "Warning target: senders write to /api/v1/push",
                ],
            ),
            (
                "target: http://x/prefix/api/v1/push\ntenant: {label_list: [a, b], label_remove: true, prefix: p-, default: d}\nmetadata: true",
                &[
                    "/upstreams/metrics/url=http://x/prefix",
                    "/write/metrics/tenant=[{\"label\":\"b\",\"remove\":true,\"prefix\":\"p-\"},{\"label\":\"a\",\"remove\":true,\"prefix\":\"p-\"}]",
                    "/write/metrics/on_absent/tenant=p-d",
                    "/write/metrics/calls/path=/prefix/api/v1/push",
                    "/write/metrics/metadata=none",
                    "Warning tenant.label_list: the last label of the list",
                ],
            ),
            (
                "listen: :8080\ntarget: http://127.0.0.1:9091/receive\ntarget_loki: http://loki:3100/loki/api/v1/push\ntimeout: 10s\nidle_timeout: 1m30s\nenable_ipv6: false\nlisten_metrics_address: 0.0.0.0:9090",
                &[
                    "/listeners/0/address=0.0.0.0:8080",
                    "/listeners/0/idle_timeout=90s",
                    "/operations/address=0.0.0.0:9090",
                    "/backends/1/kind=loki",
                    "/write/metrics/calls={\"path\":\"/receive\",\"timeout\":\"10s\"}",
                    "/write/metrics/tenant=[{\"label\":\"__tenant__\"}]",
                    "/write/logs/tenant=[{\"label\":\"__tenant__\"},{\"metadata\":\"__tenant__\"}]",
                    "/upstreams/metrics/addresses=ipv4",
                    "/write/logs/calls/path=/loki/api/v1/push",
                    "Warning target_loki: senders write to /logs/loki/api/v1/push",
                    "/upstreams/metrics/timeout=10s",
                    "Warning target: what is split goes to /receive",
                    "Warning tenant.default: a series without a tenant cost the whole request",
                ],
            ),
            (
                "target: https://x\nauth: {egress: {username: u, password: s3cret-of-upstream, tls_config: {ca_bundle_file: /ca}}, ingress: {tls_config: {cert_file: /c, key_file: /k}}}",
                &[
                    "/upstreams/metrics/credential={\"basic_file\":\"/etc/scopegate/upstream-basic\"}",
                    "/upstreams/metrics/tls={\"ca\":\"/ca\"}",
                    "/listeners/0/tls={\"certificate\":\"/c\",\"key\":\"/k\"}",
                    "Warning auth.egress.password: a password stands in no configuration",
                ],
            ),
            (
                "tenant: {header: X-Org, accept_all: true, prefix_prefer_source: true, colour: red}\nconcurrency: 10\nmax_conns_per_host: 64\nlog_level: debug\nextra: 1\ntimeout: soon\nlisten: host:1",
                &[
                    "Warning tenant.header: left out",
                    "Warning tenant.accept_all: left out",
                    "Warning tenant.prefix_prefer_source: left out",
                    "Warning tenant.colour: left out: `colour` is not understood",
                    "Warning concurrency: left out",
                    "Warning max_conns_per_host: left out",
                    "Warning log_level: left out",
                    "Warning extra: left out: `extra` is not understood",
                    "Warning timeout: left out: `soon` is no time",
                    "Warning listen: left out",
                ],
            ),
            ("target: ftp://x", &["Error target: `ftp://x` is no URL"]),
        ],
    );
}

#[test]
fn cortex_tenant_ns_label() {
    let source: Source = |text| {
        let document = yaml(text);
        let converted = cortex_tenant::convert(&document.root, cortex_tenant::By::Namespace);
        (document, converted)
    };
    compare(
        source,
        &[
            (
                "target: http://cortex/api/v1/push\nnamespace: {tenant_label: appuio.io/organization, refresh: 2m, k8s_token: s3cret-token}\ntenant: {default: platform}",
                &[
                    "/tables/organisations/kubernetes={\"cluster\":\"kubernetes\",\"label\":\"appuio.io/organization\",\"refresh\":\"2m\"}",
                    "/write/metrics/tenant=[{\"label\":\"namespace\",\"table\":\"organisations\"}]",
                    "/write/metrics/on_absent/tenant=platform",
                    "/write/metrics/on_unmapped/tenant=platform",
                    "/upstreams/kubernetes/url=https://kubernetes.default.svc",
                    "/upstreams/kubernetes/credential/bearer_file=/var/run/secrets/kubernetes.io/serviceaccount/token",
                    "Warning namespace.k8s_token: left out: a token stands in no configuration",
                ],
            ),
            (
                "target: http://cortex/api/v1/push\nnamespace: {k8s_api: http://127.0.0.1:8001}\nmax_connections_per_host: 10",
                &[
                    "/upstreams/kubernetes/url=http://127.0.0.1:8001",
                    "/upstreams/kubernetes/tls=none",
                    "/write/metrics/on_unmapped=none",
                    "Warning namespace.tenant_label: series of namespaces without a tenant were lost in silence",
                    "Warning max_connections_per_host: left out",
                ],
            ),
        ],
    );
}

#[test]
fn prom_label_proxy() {
    let source: Source = |text| {
        let flags: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let document = prom_label_proxy::document(&flags);
        let converted = prom_label_proxy::convert(&document.root);
        (document, converted)
    };
    compare(
        source,
        &[
            (
                "-label tenant -label-value a --label-value=b -upstream http://prometheus:9090/ -insecure-listen-address :8080",
                &[
                    "/backends/0/isolate/label=tenant",
                    "/callers/0/anonymous={}",
                    "/callers/0/tenants=[\"a\",\"b\"]",
                    "/callers/0/may=[\"read\"]",
                    "/upstreams/prometheus/url=http://prometheus:9090",
                    "/listeners/0/address=0.0.0.0:8080",
                ],
            ),
            (
                "-label t -header-name X-Tenant -header-uses-list-syntax -upstream https://p -upstream-ca-cert /ca -upstream-server-name p -enable-label-apis -internal-listen-address 127.0.0.1:9 -enable-promql-experimental-functions",
                &[
                    "/callers/0/header/claims={\"tenant\":\"X-Tenant\"}",
                    "/callers/0/header/proof={\"secret\":{\"header\":\"x-proxy-secret\",\"env\":\"SCOPEGATE_PROXY_SECRET\"}}",
                    "/callers/0/tenants={\"claim\":\"tenant\",\"split\":\",\"}",
                    "/upstreams/prometheus/tls={\"ca\":\"/ca\",\"sni\":\"p\"}",
                    "/operations/address=127.0.0.1:9",
                    "/read/prometheus/experimental=true",
                    "Warning header-name: whoever reached it was every tenant",
                    "Warning enable-label-apis: left out: the label APIs are always narrowed",
                ],
            ),
            (
                "-label t -upstream http://p -unsafe-passthrough-paths /a,/b -error-on-replace -insecure-skip-verify -new-flag x",
                &[
                    "Warning query-param: the argument `t` says nothing here",
                    "Warning unsafe-passthrough-paths: /a stays closed",
                    "Warning unsafe-passthrough-paths: /b stays closed",
                    "Warning error-on-replace: left out",
                    "Warning insecure-skip-verify: left out",
                    "Warning new-flag: left out: `new-flag` is not understood",
                ],
            ),
            (
                "-label t -upstream http://p -label-value ^(a|b)$ -regex-match",
                &["/callers/0/tenants=[\"a\",\"b\"]"],
            ),
            (
                "-label t -upstream http://p -label-value a.* -regex-match=true -x=y",
                &["/callers/0/tenants=[\"a.*\"]"],
            ),
            ("-label t -upstream http://p -label-value a/b", &["Error label-value: `a/b` is no tenant"]),
            ("-header-name X -regex-match", &["Error label", "Error upstream", "Error regex-match"]),
        ],
    );
}
