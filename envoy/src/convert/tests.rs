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

#[test]
fn vmauth() {
    let source: Source = |text| {
        let document = yaml(text);
        let converted = vmauth::convert(&document.root, "KEY", Some(b"0123456789abcdef0123456789abcdef"));
        (document, converted)
    };
    compare(
        source,
        &[
            (
                "users:\n- {username: dev, password: s3cret-of-dev-is-long, url_prefix: 'http://vm:8428/?extra_label=team=dev'}\n- {username: ops, password: s3cret-of-ops-is-long, url_prefix: 'http://vm:8428?extra_label=team=ops'}",
                &[
                    "/backends/0={\"name\":\"victoria\",\"kind\":\"victoriametrics\",\"isolate\":{\"label\":\"team\"}}",
                    "/callers/0/basic/key/env=KEY",
                    "/callers/0/basic/users/0/username=dev",
                    "/callers/0/basic/users/0/tenants=[\"dev\"]",
                    "/callers/0/basic/users/1/tenants=[\"ops\"]",
                    "/callers/0/may=[\"read\",\"write\"]",
                    "/callers/0/unfiltered=none",
                    "/upstreams/select/url=[\"http://vm:8428\"]",
                ],
            ),
            (
                "users:\n- username: foobar\n  password: s3cret-of-foobar\n  url_map:\n  - {src_paths: [/api/v1/query, '/api/v1/label/[^/]+/values'], url_prefix: ['http://s1:8481/select/42/prometheus', 'http://s2:8481/select/42/prometheus'], retry_status_codes: [500]}\n  - {src_paths: [/api/v1/write], url_prefix: 'http://i:8480/insert/42:7/prometheus', src_hosts: [x]}\n  default_url: http://x\n",
                &[
                    "/backends/0/kind=victoriametrics-cluster",
                    "/backends/0/isolate={\"account\":{\"42\":\"42\",\"42-7\":\"42:7\"}}",
                    "/callers/0/basic/users/0/tenants=[\"42\",\"42-7\"]",
                    "/upstreams/select/url=[\"http://s1:8481\",\"http://s2:8481\"]",
                    "/upstreams/insert={\"url\":[\"http://i:8480\"],\"backend\":\"victoria\",\"paths\":[\"/insert/\"]}",
                    "Warning users[0].url_map[0].retry_status_codes: left out",
                    "Warning users[0].url_map[1].src_hosts: left out",
                    "Warning users[0].default_url: left out",
                ],
            ),
            (
                "users:\n- {bearer_token: s3cret-token-of-somebody, url_prefix: 'http://m', headers: ['X-Scope-OrgID: acme', 'X-Other: b'], max_concurrent_requests: 5, colour: red}\nunauthorized_user: {url_map: [{src_paths: [/api/v1/query], url_prefix: 'http://m', headers: ['X-Scope-OrgID: public']}]}",
                &[
                    "/backends/0/kind=cortex",
                    "/callers/0/bearer/tokens/0/tenants=[\"acme\"]",
                    "/callers/1/anonymous={}",
                    "/callers/1/tenants=[\"public\"]",
                    "/callers/1/may=[\"read\"]",
                    "Warning users[0].headers: left out: the header X-Other",
                    "Warning users[0].max_concurrent_requests: left out",
                    "Warning users[0].colour: left out: `colour` is not understood",
                ],
            ),
            (
                "users:\n- {username: all, password: s3cret, url_prefix: 'http://vm'}\n- {username: free, url_prefix: 'http://vm'}\n- {auth_token: s3cret, url_prefix: 'http://vm'}\n- {jwt: {oidc: {issuer: https://idp}, match_claims: {team: dev, role: '(a|b)'}, skip_verify: true}, url_prefix: 'http://vm/?extra_label=team=dev'}",
                &[
                    "/callers/0/jwt/provider=oidc",
                    "/callers/0/jwt/where/0={\"claim\":[\"team\"],\"in\":[\"dev\"]}",
                    "/callers/0/tenants=[\"dev\"]",
                    "/callers/1/unfiltered=true",
                    "/identity_providers/oidc/issuer=https://idp",
                    "Warning users[0].password: the secret is shorter",
                    "Warning users[1].username: left out: `free` needs no password",
                    "Warning users[2].auth_token: left out",
                    "Warning users[3].jwt.skip_verify: left out",
                    "Warning users[3].jwt.match_claims: `(a|b)` was a pattern",
                ],
            ),
            (
                "apiVersion: operator.victoriametrics.com/v1beta1\nkind: VMUser\nmetadata: {name: dev}\nspec:\n  passwordRef: {name: s, key: p}\n  targetRefs:\n  - {crd: {kind: VMSingle, name: main, namespace: monitoring}, paths: [/api/v1/write], query_args: [{name: extra_label, values: [team=dev]}]}\n  - {static: {url: 'http://vm:8428'}, target_path_suffix: '/?extra_label=team=dev', paths: ['/api/v1/query.*', /odd]}\n  - {crd: {kind: VMAnomaly, name: a, namespace: b}}\n",
                &[
                    "/callers/0/basic/users/0={\"username\":\"dev\",\"password\":[\"hmac-sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"],\"tenants\":[\"dev\"]}",
                    "/upstreams/insert/url=[\"http://vmsingle-main.monitoring.svc:8428\"]",
                    "/upstreams/select/url=[\"http://vm:8428\"]",
                    "Warning spec.passwordRef: the password of `dev` is in a Secret",
                    "Warning spec.targetRefs[1].paths: left out: `/odd`",
                    "Warning spec.targetRefs[2].crd.kind: left out: nothing is known here of VMAnomaly",
                ],
            ),
            (
                "items:\n- {kind: VMUser, metadata: {name: a}, spec: {bearerToken: s3cret-token-of-a, targetRefs: [{crd: {kind: VMCluster/vminsert, name: c, namespace: m}, target_path_suffix: /insert/1/prometheus}]}}",
                &[
                    "/callers/0/bearer/tokens/0/tenants=[\"1\"]",
                    "/callers/0/may=[\"write\"]",
                    "/upstreams/insert/url=[\"http://vminsert-c.m.svc:8480\"]",
                ],
            ),
            (
                "users: [{username: a, password: s3cret, url_prefix: 'http://vm/?extra_label=a=b&extra_filters[]={c=\"d\"}'}, {username: b, password: s3cret, url_prefix: 'http://vm/?extra_label=b=c'}]",
                &[
                    "Error users[0].url_prefix: `extra_filters[]={c=\"d\"}`",
                    "Error : several labels keep tenants apart (a, b)",
                ],
            ),
            ("{}", &["Error : there are no users"]),
        ],
    );
    let document = yaml("users: [{username: a, password: s3cret, url_prefix: http://vm}]");
    let converted = vmauth::convert(&document.root, "KEY", None);
    assert!(
        converted.text().is_none()
            && converted.problems.iter().any(|problem| problem.message.contains("KEY is not set"))
    );
}

#[test]
fn nginx() {
    let source: Source = |text| {
        let passwords = "ann:{PLAIN}s3cret-of-ann\nbob:$apr1$x$y\n";
        let key = nginx::Key { env: "KEY", key: Some(b"0123456789abcdef0123456789abcdef") };
        nginx::convert("nginx.conf".to_owned(), text.to_owned(), Some(passwords), &key)
    };
    compare(
        source,
        &[
            (
                "http {
                   map $remote_user $tenant { default ''; ann team-a; bob team-b; }
                   upstream distributor { server d1:9009; server d2:9009 backup; keepalive 8; }
                   server {
                     listen 8080; server_name metrics.example.org;
                     auth_basic 'Cortex'; auth_basic_user_file /etc/nginx/.htpasswd;
                     proxy_set_header X-Scope-OrgID $tenant;
                     location /api/v1/push { proxy_pass http://distributor; }
                     location /prometheus/ { proxy_pass http://frontend:9009; proxy_read_timeout 60; }
                     location = /config { return 403; }
                   }
                 }",
                &[
                    "/backends=[{\"name\":\"backend\",\"kind\":\"cortex\",\"host\":[\"metrics.example.org\"]}]",
                    "/callers/0/basic/users/0/username=ann",
                    "/callers/0/basic/users/0/tenants=[\"team-a\"]",
                    "/callers/0/basic/users/1={\"username\":\"bob\",\"password\":[\"hmac-sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"],\"tenants\":[\"team-b\"]}",
                    "/callers/0/may=[\"read\",\"write\"]",
                    "/callers/1=none",
                    "/listeners/0/address=0.0.0.0:8080",
                    "/upstreams/distributor={\"url\":[\"http://d1:9009\",\"http://d2:9009\"],\"backend\":\"backend\",\"paths\":[\"/api/v1/push\",\"/api/v1/push/\"]}",
                    "/upstreams/frontend={\"url\":[\"http://frontend:9009\"],\"backend\":\"backend\",\"paths\":[\"/prometheus/\"],\"timeout\":\"60s\"}",
                    "Warning http.upstream distributor.server (2): left out: `backup`",
                    "Warning http.upstream distributor.keepalive: left out",
                    "Warning http.server.auth_basic_user_file: nobody can log in as bob",
                ],
            ),
            (
                "server { listen 127.0.0.1:80; location / { proxy_pass http://cortex:9009; proxy_set_header X-Scope-OrgID acme; proxy_set_header Host $host; gzip on; } }",
                &[
                    "/callers/0/anonymous={}",
                    "/callers/0/tenants=[\"acme\"]",
                    "/callers/0/may=[\"alerts\",\"read\",\"rules\",\"write\"]",
                    "/listeners/0/address=127.0.0.1:80",
                    "/upstreams/cortex={\"url\":[\"http://cortex:9009\"],\"backend\":\"backend\"}",
                    "Warning server.location /.proxy_set_header Host: left out",
                    "Warning server.location /.gzip: left out: `gzip on` is not understood",
                    "Warning : some locations ask nobody who it is",
                ],
            ),
            (
                "server { listen 443 ssl; ssl_certificate /c; ssl_certificate_key /k; auth_basic x;
                   location /loki/api/v1/push { proxy_pass http://loki:3100; proxy_set_header X-Scope-OrgID $remote_user; }
                   location /loki/ { auth_basic off; proxy_pass http://loki:3100; proxy_set_header X-Scope-OrgID $http_x_scope_orgid; } }",
                &[
                    "/backends/0/kind=loki",
                    "/listeners/0/tls={\"certificate\":\"/c\",\"key\":\"/k\"}",
                    "/callers/0/basic/users/0/tenants=[\"ann\"]",
                    "/callers/0/may=[\"write\"]",
                    "/callers/1/tenants=[\"*\"]",
                    "/upstreams/loki/paths=[\"/loki/\",\"/loki/api/v1/push\",\"/loki/api/v1/push/\"]",
                    "Warning server.location /loki/.proxy_set_header X-Scope-OrgID: whoever comes names its tenant",
                ],
            ),
            (
                "include x; user nginx;
                 server { server_name a.example.org; location /api/v1/push { proxy_pass http://c; proxy_set_header X-Scope-OrgID a; }
                   location ~ \\.php$ { proxy_pass http://x; } location /static { root /x; } location /p/ { proxy_pass http://c/; proxy_set_header X-Scope-OrgID a; }
                   location /none { proxy_pass http://c; } location /var { proxy_pass http://$backend; } location /v { proxy_pass http://c; proxy_set_header X-Scope-OrgID $unheard; } }
                 server { server_name .logs.example.org; location /loki/ { proxy_pass http://l; proxy_set_header X-Scope-OrgID a; } location /api/v1/push { proxy_pass http://c; proxy_set_header X-Scope-OrgID a; } }",
                &[
                    "/backends/0/host=[\"a.example.org\"]",
                    "/backends/1={\"name\":\"backend-2\",\"kind\":\"loki\",\"host\":[\"*.logs.example.org\"]}",
                    "/callers/0/tenants=[\"a\"]",
                    "Warning include: left out: files that are included",
                    "Warning user: left out: `user nginx` is not understood",
                    "Warning server.location ~ ·php$: left out: the pattern",
                    "Warning server.location /static.root: left out",
                    "Warning server.location /static: left out: it leads to no backend",
                    "Warning server.location /p/.proxy_pass: left out: /p/ becomes /",
                    "Warning server.location /none: left out: it says nothing of the tenant",
                    "Warning server.location /var.proxy_pass: left out: `http://$backend`",
                    "Warning server.location /v.proxy_set_header X-Scope-OrgID: left out: nothing here says what $unheard is",
                    "Warning server (2).location /api/v1/push: left out: it looks like cortex",
                ],
            ),
            ("server { location / { proxy_pass http://c; proxy_set_header X-Scope-OrgID a/b; } }", &["Error server.location /: `a/b` is no name of a tenant"]),
            (
                "server { location /a { proxy_pass http://c; proxy_set_header X-Scope-OrgID a; } location /b { proxy_pass http://c; proxy_set_header X-Scope-OrgID b; } }",
                &["Error : who proves nothing is several tenants (a, b)"],
            ),
            ("events { }", &["Warning events: left out", "Error : no `server`"]),
            ("server {", &["Error : a block does not end"]),
        ],
    );
}
