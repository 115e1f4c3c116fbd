//! Files as people have them, what becomes of them, and what is told.

use super::*;
use crate::document::Document;

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

fn document(text: &str) -> Document {
    match Document::parse("auth-gateway.yaml".to_owned(), text.to_owned()) {
        Ok(document) => document,
        Err(malformed) => panic!("{}", malformed.problem.message),
    }
}

fn converted(text: &str) -> Converted {
    convert_with(&document(text).root, KEY_ENV, Some(KEY))
}

fn told(converted: &Converted) -> Vec<String> {
    let line = |problem: &Problem| format!("{:?} {}: {}", problem.severity, problem.path, problem.message);
    converted.problems.iter().map(line).collect()
}

fn value(converted: &Converted) -> serde_json::Value {
    converted.configuration.as_ref().unwrap_or_else(|| panic!("{:#?}", told(converted))).value()
}

const SMALL: &str = "\
tenants:
  - {authentication: basic, username: ann, password: a-long-random-secret, id: 1}
admin: {port: 8081}
distributor: {url: http://distributor:9009}
";

#[test]
fn a_small_file() {
    let converted = converted(SMALL);
    let told = told(&converted);
    assert_eq!(told, Vec::<String>::new());
    let hash = scopegate_core::caller::password_hash(KEY, "ann", b"a-long-random-secret").unwrap();
    let value = value(&converted);
    assert_eq!(value["callers"][0]["basic"]["users"][0]["password"][0], hash);
    assert_eq!(value["callers"][0]["basic"]["users"][0]["tenants"][0], "1");
    assert_eq!(value["callers"][0]["may"], serde_json::json!(["write"]));
    assert_eq!(value["listeners"][0]["address"], "0.0.0.0:80");
    assert_eq!(value["operations"]["address"], "0.0.0.0:8081");
    let upstream = serde_json::json!({
        "url": "http://distributor:9009", "backend": "cortex", "component": "distributor", "timeout": "15s",
    });
    assert_eq!(value["upstreams"]["distributor"], upstream);
    // The text says the same, and can be rendered.
    let text = converted.text().unwrap();
    assert!(text.contains("SCOPEGATE_PASSWORD_KEY") && !text.contains("a-long-random-secret"), "{text}");
    let made = document(&text);
    assert_eq!(made.root.value(), value);
    assert!(crate::check::told(&text).is_empty(), "{:?}", crate::check::told(&text));
    let (gateway, shown) = crate::render::gateway_of(&made);
    assert!(gateway.is_some() && shown.is_empty(), "{shown:?}");
}

/// What stands in the file, and what becomes of it or is told about it.
#[test]
#[allow(clippy::too_many_lines)] // a table
fn every_field() {
    let with = |more: &str| format!("{SMALL}{more}");
    let tenant = |fields: &str| SMALL.replace("  - {auth", &format!("  - {{{fields}}}\n  - {{auth"));
    let distributor = |fields: &str| SMALL.replace("9009}", &format!("9009, {fields}}}"));
    let cases: &[(String, &str)] = &[
        // Servers.
        (with("server: {address: localhost, port: 8080}"), "listeners/0/address=127.0.0.1:8080"),
        (with("server: {address: \"[::1]\", port: 8080}"), "listeners/0/address=[::1]:8080"),
        (with("server: {address: \"::\", port: 8080}"), "listeners/0/address=[::]:8080"),
        (with("server: {address: gateway}"), "Error server.address: Envoy listens on IP addresses"),
        (with("server: {port: 99999}"), "Error server.port: expected a port"),
        (
            with("server: {http_server_read_timeout: 20s}"),
            "Warning server.http_server_read_timeout: 20s for a request",
        ),
        (with("server: {http_server_read_timeout: 2m}"), "listeners/0/request_timeout=2m"),
        (with("server: {http_server_idle_timeout: 90s}"), "listeners/0/idle_timeout=90s"),
        (with("server: {http_server_idle_timeout: 0s}"), "listeners/0/idle_timeout=-"),
        (with("server: {http_server_write_timeout: 10s}"), "upstreams/distributor/timeout=10s"),
        (
            with("server: {http_server_write_timeout: 10s}"),
            "Warning server.http_server_write_timeout: requests to distributor end after 10s",
        ),
        (with("server: {http_server_write_timeout: 20s}"), "upstreams/distributor/timeout=15s"),
        (with("server: {adress: x}"), "Error server.adress: unknown field `adress`"),
        (with("log_level: debug"), "Error log_level: unknown field `log_level`"),
        (SMALL.replace("admin: {port: 8081}", ""), "Warning : there is no `admin`"),
        (SMALL.replace("admin:", "debug:"), "Warning debug: the old gateway called this `admin`"),
        (with("debug: {port: 1}"), "Error debug: `admin` and `debug` are two names"),
        (
            SMALL.replace("8081}", "8081, http_server_read_timeout: 1s}"),
            "Warning admin.http_server_read_timeout: not taken over",
        ),
        (SMALL.replace("8081}", "8082, address: 10.0.0.7}"), "operations/address=10.0.0.7:8082"),
        // Tenants.
        (
            tenant("authentication: basic, username: bob, password: \"a:long:random:secret\", id: org-b"),
            "callers/0/basic/users/0/tenants/0=org-b",
        ),
        (
            tenant("authentication: basic, username: 007, password: 00000000000000001, id: 010"),
            "callers/0/basic/users/0/username=007",
        ),
        (
            tenant("authentication: basic, username: bob, password: p, id: x"),
            "Warning tenants: a password is shorter than 16 bytes",
        ),
        (
            tenant("authentication: token, username: bob, password: p, id: x"),
            "Warning tenants[0].authentication: left out: `bob` could not log in",
        ),
        (tenant("username: bob, password: p, id: x"), "Warning tenants[0].authentication: left out"),
        (
            tenant("authentication: basic, username: \"b:b\", password: p, id: x"),
            "Error tenants[0].username: a user name is not empty",
        ),
        (
            tenant("authentication: basic, username: bob, id: x"),
            "Error tenants[0].password: `bob` has no password",
        ),
        (
            tenant("authentication: basic, username: bob, password: p"),
            "Error tenants[0].id: `bob` has no tenant",
        ),
        (
            tenant("authentication: basic, username: bob, password: p, id: a/b"),
            "Error tenants[0].id: `a/b` is no tenant ID",
        ),
        (
            tenant("authentication: basic, username: bob, password: p, id: b|a"),
            "callers/0/basic/users/0/tenants/1=a",
        ),
        (
            tenant("authentication: basic, username: bob, password: p, id: b|a"),
            "Warning tenants[0].id: `bob` has 2 tenants",
        ),
        (
            tenant("authentication: basic, username: ann, password: another-long-random-secret, id: 1"),
            "callers/0/basic/users/0/password/1=hmac-sha256:",
        ),
        (
            tenant("authentication: basic, username: ann, password: another-long-random-secret, id: 2"),
            "Error tenants[1].username: `ann` is here a second time",
        ),
        (
            tenant("authentication: basic, username: bob, password: p, passthrough: true"),
            "callers/0/basic/users/0/tenants/0=*",
        ),
        (
            tenant("authentication: basic, username: bob, password: p, id: x, passthrough: true"),
            "Warning tenants[0].passthrough: `bob` may be any tenant, by X-Scope-OrgID, as before, and its `id` did nothing",
        ),
        (
            tenant("authentication: basic, username: bob, password: p, id: x, passthrough: maybe"),
            "Error tenants[0].passthrough: expected `true` or `false`",
        ),
        (tenant("user: bob"), "Error tenants[0].user: unknown field `user`"),
        ("distributor: {url: http://d}".to_owned(), "Error tenants: there are no tenants"),
        ("tenants: 7\ndistributor: {url: http://d}".to_owned(), "Error tenants: expected a list"),
        // Components.
        (distributor("dns_refresh_interval: 3s"), "upstreams/distributor/dns_refresh=3s"),
        (distributor("dns_refresh_interval: 3"), "upstreams/distributor/dns_refresh=3s"),
        (
            distributor("dns_refresh_interval: 3"),
            "Warning distributor.dns_refresh_interval: `3` was so many nanoseconds",
        ),
        (distributor("http_client_timeout: 1m30s"), "upstreams/distributor/timeout=90s"),
        (distributor("http_client_timeout: 500ms"), "upstreams/distributor/timeout=500ms"),
        (
            distributor("http_client_timeout: soon"),
            "Error distributor.http_client_timeout: expected a time, found `soon`",
        ),
        (
            distributor("http_client_timeout: 100000h"),
            "Error distributor.http_client_timeout: longer than anything takes",
        ),
        (distributor("http_client_dialer_timeout: 3s"), "upstreams/distributor/connect_timeout=3s"),
        (
            distributor("http_client_dialer_timeout: 3s"),
            "Warning distributor.http_client_dialer_timeout: did nothing in the old gateway",
        ),
        (
            distributor("http_client_tls_handshake_timeout: 3s"),
            "Warning distributor.http_client_tls_handshake_timeout: not taken over: the URL says `http`",
        ),
        (
            distributor("http_client_tls_handshake_timeout: 3s").replace("http://d", "https://d"),
            "upstreams/distributor/connect_timeout=8s",
        ),
        (distributor("http_client_response_header_timeout: 3s"), "upstreams/distributor/response_timeout=3s"),
        (
            distributor("http_client_response_header_timeout: 3s"),
            "Warning distributor.http_client_response_header_timeout: did nothing",
        ),
        (distributor("paths: [/api/v1/push]"), "upstreams/distributor/paths/0=/api/v1/push"),
        (distributor("paths: []"), "upstreams/distributor/paths=-"),
        (distributor("paths: [/]"), "upstreams/distributor/component=-"),
        (distributor("paths: /api/v1"), "Error distributor.paths: expected a list"),
        (
            distributor("paths: [\"POST /api/v1/push\"]"),
            "Error distributor.paths[0]: `POST /api/v1/push` is no path",
        ),
        (
            distributor("paths: [/api/v1]"),
            "Warning distributor.paths[0]: the filter knows no `/api/v1` of Cortex",
        ),
        (
            distributor("paths: [/ingester/push]"),
            "Warning distributor.paths[0]: /ingester/push stays closed here",
        ),
        (distributor("paths: [/ingester/]"), "Warning distributor.paths[0]: /ingester/ stays closed here"),
        (with("ruler: {url: http://ruler}"), "Warning ruler: /ruler/delete_tenant_config stays closed here"),
        (
            with("alertmanager: {url: http://am}"),
            "Warning alertmanager: /multitenant_alertmanager/delete_tenant_config stays",
        ),
        (with("frontend: {}"), "Warning frontend: left out: frontend has no `url`"),
        (with("frontend: {url: http://f}"), "upstreams/frontend/timeout=1m"),
        (with("frontend: {url: \"f:80\"}"), "Error frontend.url: a URL begins with"),
        (with("frontend: {url: http://proxy/cortex}"), "upstreams/frontend/health=none"),
        (with("ruler: {url: http://ruler}"), "callers/0/may/1=read"),
        (SMALL.replace("distributor:", "#"), "Error : nothing stands behind it"),
    ];
    for (text, expected) in cases {
        let converted = converted(text);
        let told = told(&converted);
        let Some((pointer, wanted)) = expected.split_once('=').filter(|_| !expected.contains(' ')) else {
            assert!(told.iter().any(|line| line.starts_with(expected)), "{expected}\n{told:#?}");
            continue;
        };
        let value = value(&converted);
        let found = value.pointer(&format!("/{pointer}")).and_then(serde_json::Value::as_str);
        assert!(found.unwrap_or("-").starts_with(wanted), "{expected}: {found:?}");
        if !wanted.starts_with("hmac") {
            assert_eq!(found.unwrap_or("-"), wanted, "{text}");
        }
        // Whatever is made of a file is a good configuration.
        let told = crate::check::told(&converted.text().unwrap());
        assert_eq!(told, Vec::<String>::new(), "{text}");
    }
}

#[test]
fn without_a_key_nothing_is_made() {
    for (key, expected) in [
        (None, "Error tenants: the passwords are hashed with a key, and SCOPEGATE_PASSWORD_KEY is not set"),
        (Some(&b"short"[..]), "Error tenants: SCOPEGATE_PASSWORD_KEY: "),
    ] {
        let converted = convert_with(&document(SMALL).root, KEY_ENV, key);
        assert!(converted.configuration.is_none());
        assert!(told(&converted)[0].starts_with(expected), "{:?}", told(&converted));
    }
}

/// The files of auth-gateway's own tests, as they are there.
#[test]
fn its_own_files() {
    let valid = "\
server:
  address: localhost
  port: 8080
admin:
  address: localhost
  port: 8081
tenants:
  - authentication: basic
    username: user1
    password: pass1
    id: \"1\"
distributor:
  url: http://localhost:8081
  paths:
    - /api/v1
    - /api/v1/push
frontend:
  url: http://localhost:8082
  paths:
    - /api/prom/api/v1/query
    - /prometheus/api/v1/query_range
alertmanager:
  url: http://localhost:8083
  paths:
    - /alertmanager/
    - /multitenant_alertmanager/delete_tenant_config
ruler:
  url: http://localhost:8084
  paths:
    - /prometheus/api/v1/rules
    - /api/prom/api/v1/alerts
";
    let converted = converted(valid);
    let told = told(&converted);
    assert!(converted.configuration.is_some(), "{told:#?}");
    assert_eq!(told.len(), 3, "{told:#?}");
}

/// No password is in what is shown, however it is written.
#[test]
fn passwords_are_never_shown() {
    let passwords = ["correct-horse", "it's", "tab\tbed", "x"];
    let text = format!(
        "tenants:\n  - {{user: a, authentication: basic, username: a, password: {}, id: a/b}}\n  - {{authentication: basic, \
         username: c:d, password: 'it''s', id: x}}\n  - {{authentication: basic, username: e, password: \"tab\\tbed\", id: \"\"}}\n  - \
         {{password: &p correct-horse, other: *p}}\ndistributor: {{url: \"http://me:{}-url@host\"}}\n",
        passwords[0], passwords[0]
    );
    let document = document(&text);
    let converted = convert_with(&document.root, KEY_ENV, None);
    let shown = converted.shown(&document).join("\n");
    assert!(shown.contains("username: e") && shown.contains("****"), "{shown}");
    for password in ["correct-horse", "-url", "'it''s'", "tab\\tbed"] {
        assert!(!shown.contains(password), "{password}\n{shown}");
    }
}
