//! Targets, hosts and methods that are to be read in two ways.

use anyhow::Result;
use scopegate_tests::client::Call;
use serde_json::json;

use crate::gateway::{
    Attack, ByEnvoy, Expected, Filter, Gateway, QUERY, Reaches, Silent, Upstream, configuration, head, plugin,
};
use scopegate_tests::identity::Issuer;

const CLOSED: Expected = Filter(403, "internal or dangerous");
const UNKNOWN: Expected = Filter(404, "not one that the gateway knows");

#[tokio::test]
async fn paths() -> Result<()> {
    let gateway = Gateway::start(Upstream::Http1).await?;
    let token = gateway.user("a");
    let authorization = format!("authorization: Bearer {token}");
    let not = |words| Filter(400, words);
    let cases = [
        ("/prometheus/api/v1/query", Reaches("a")),
        // Dots.
        ("/prometheus/api/v1/../../../config", not("a dot segment")),
        ("/prometheus/./api/v1/query", not("a dot segment")),
        ("/../config", not("a dot segment")),
        ("/prometheus/api/v1/query/..", not("a dot segment")),
        ("/prometheus/%2e%2e/config", not("an escaped dot")),
        ("/prometheus/.%2e/config", not("an escaped dot")),
        ("/prometheus/%252e%252e/config", not("a doubly escaped character")),
        ("/prometheus/..;/config", not("a path parameter")),
        ("/prometheus/..%5cconfig", not("an escaped backslash")),
        ("/prometheus/..\\config", not("a backslash")),
        ("/api/v1/rules/a%2F..%2F..%2Fconfig", not("a dot segment")),
        ("/api/v1/rules/..%2fa", not("a dot segment")),
        // Slashes.
        ("//config", not("a doubled slash")),
        ("//prometheus/api/v1/query", not("a doubled slash")),
        ("/prometheus//api/v1/query", not("a doubled slash")),
        ("/prometheus/api/v1/query/", not("a slash at the end")),
        ("/prometheus/api/v1/query//", not("a doubled slash")),
        ("/prometheus%2Fapi/v1/query", not("an escaped slash")),
        ("/%2Fconfig", not("an escaped slash")),
        // Encodings.
        ("/prometheus/api/v1/quer%79", not("escaped without need")),
        ("/%63onfig", not("escaped without need")),
        ("/prometheus/api/v1/query%00", not("an escaped control character")),
        ("/prometheus/api/v1/query%0d%0ax-scope-orgid:%20evil", not("an escaped control character")),
        ("/prometheus/api/v1/query%", not("a broken percent escape")),
        ("/prometheus/api/v1/query%2", not("a broken percent escape")),
        ("/prometheus/api/v1/query%u002e", not("a broken percent escape")),
        ("/prometheus/%c0%ae%c0%ae/config", not("not UTF-8")),
        ("/prometheus/%ef%bc%8e%ef%bc%8e/config", UNKNOWN),
        ("/prometheus/api/v1/query;x=1", not("a path parameter")),
        ("/prometheus/api/v1/query%3fquery=up", UNKNOWN),
        ("/prometheus/api/v1/query%23", UNKNOWN),
        ("/prometheus/api/v1/query?query=up#x", ByEnvoy(400)),
        ("/prometheus/api/v1/query#?query=up", ByEnvoy(400)),
        ("/Prometheus/API/V1/Query", UNKNOWN),
        // What is not for tenants.
        ("/", CLOSED),
        ("/config", CLOSED),
        ("/metrics", CLOSED),
        ("/ingester/push", CLOSED),
        ("/api/v1/user-overrides", CLOSED),
        ("/api/v1/series", UNKNOWN),
        ("/prometheus/api/v1/admin/tsdb/delete_series", UNKNOWN),
        ("/-/scopegate/whoami", UNKNOWN),
        // A name in a path is the backend's affair, as it stands.
        ("/api/v1/rules/a%2Fb", Reaches("a")),
        ("/api/v1/rules/a%20b/c", Reaches("a")),
        ("/prometheus/api/v1/label/__name__/values", Reaches("a")),
        // Other forms of a target.
        ("http://gateway.test/prometheus/api/v1/query", Reaches("a")),
        ("http://evil.test/prometheus/api/v1/query", Reaches("a")),
        ("http://gateway.test/prometheus/../config", not("a dot segment")),
        ("http://gateway.test//config", not("a doubled slash")),
        ("http://gateway.test", CLOSED),
        ("http://gateway.test?query=up", ByEnvoy(404)),
        ("http://evil@gateway.test/config", CLOSED),
        ("ftp://gateway.test/config", ByEnvoy(400)),
        ("config", ByEnvoy(400)),
        ("gateway.test:80", ByEnvoy(400)),
        ("*", ByEnvoy(400)),
        ("?query=up", ByEnvoy(400)),
        ("/prometheus/api/v1/query\x01", ByEnvoy(400)),
        ("/prometheus/api/v1/query\x7f", ByEnvoy(400)),
        ("/prometheus/api/v1/quer\u{fd}", ByEnvoy(400)),
    ];
    let mut attacks = Vec::new();
    for (target, expected) in cases {
        let bytes = head(&format!("GET {target} HTTP/1.1"), &[authorization.as_bytes()]);
        attacks.push(Attack::raw(format!("{target:?}"), bytes, expected));
        let is_plain = target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic());
        if is_plain && !target.contains(['\\', '#']) {
            let call = Call::get(target).bearer(&token);
            attacks.push(Attack::http2(target, call, expected));
            // Who is not known learns nothing of paths; those that are to be read in two ways are no secret.
            if expected.is_by_filter() {
                attacks.push(Attack::http2(
                    format!("{target}, by nobody"),
                    Call::get(target),
                    Filter(401, "no credentials"),
                ));
            }
        }
    }
    gateway.withstand(attacks).await
}

/// A backend for each host: no spelling of one host is another, and none is both.
#[tokio::test]
async fn hosts() -> Result<()> {
    let mut config = configuration();
    config["backends"] = json!([
        {"name": "metrics", "kind": "cortex", "host": ["metrics.test"]},
        {"name": "logs", "kind": "loki", "host": ["logs.test", "*.logs.test"]},
    ]);
    let idp = Issuer::new("https://idp.test");
    let jwks = idp.jwks();
    let gateway = Gateway::with(Upstream::Http1, idp, &jwks, plugin(&config), |filter| filter).await?;
    let authorization = format!("authorization: Bearer {}", gateway.user("a"));
    let nowhere = Filter(404, "neither this host nor this path");
    let raw = |target: &str, lines: &[&str]| {
        format!(
            "GET {target} HTTP/1.1\r\nconnection: close\r\n{authorization}\r\n{}\r\n\r\n",
            lines.join("\r\n")
        )
    };
    let mut attacks = Vec::new();
    for (host, expected) in [
        ("metrics.test", Reaches("a")),
        ("METRICS.Test", Reaches("a")),
        ("metrics.test:80", Reaches("a")),
        ("metrics.test:99999", Reaches("a")),
        ("metrics.test:", Reaches("a")),
        ("metrics.test.", nowhere),
        ("metrics.test..", nowhere),
        (".metrics.test", nowhere),
        ("x.metrics.test", nowhere),
        ("logs.test", UNKNOWN),
        ("metrics.test.logs.test", UNKNOWN),
        ("logs.test@metrics.test", nowhere),
        ("metrics.test@logs.test", nowhere),
        ("metrics.test:80@logs.test", nowhere),
        ("metrics.test@x.logs.test", nowhere),
        ("metrics.test,x.logs.test", nowhere),
        ("metrics.test/logs.test", ByEnvoy(400)),
        ("metrics.test, logs.test", ByEnvoy(400)),
        ("metrics.test logs.test", ByEnvoy(400)),
        ("metrics.test#logs.test", ByEnvoy(400)),
        ("metrics.test\\logs.test", ByEnvoy(400)),
        ("metrics%2etest", nowhere),
        ("m\u{435}trics.test", ByEnvoy(400)),
        ("127.0.0.1", nowhere),
        ("[::1]", nowhere),
        ("[metrics.test]", nowhere),
        ("", nowhere),
    ] {
        attacks.push(Attack::raw(
            format!("host {host:?}"),
            raw(QUERY, &[&format!("host: {host}")]),
            expected,
        ));
    }
    for (what, target, lines, expected) in [
        ("two hosts", QUERY, &["host: metrics.test", "host: x.logs.test"][..], nowhere),
        ("no host", QUERY, &["x-other: 1"][..], ByEnvoy(400)),
        (
            "another host in the target",
            "http://metrics.test/prometheus/api/v1/query",
            &["host: logs.test"],
            Reaches("a"),
        ),
        (
            "another host beside the target",
            "http://logs.test/prometheus/api/v1/query",
            &["host: metrics.test"],
            UNKNOWN,
        ),
        (
            "a user in the target",
            "http://logs.test@metrics.test/prometheus/api/v1/query",
            &["host: metrics.test"],
            Reaches("a"),
        ),
        ("X-Forwarded-Host", QUERY, &["host: logs.test", "x-forwarded-host: metrics.test"], UNKNOWN),
        ("Forwarded", QUERY, &["host: logs.test", "forwarded: host=metrics.test"], UNKNOWN),
        ("X-Host", QUERY, &["host: logs.test", "x-host: metrics.test"], UNKNOWN),
        ("Host in Connection", QUERY, &["host: logs.test", "connection: host"], ByEnvoy(400)),
        (":authority as a header", QUERY, &["host: logs.test", ":authority: metrics.test"], ByEnvoy(400)),
        (":path as a header", QUERY, &["host: metrics.test", ":path: /config"], ByEnvoy(400)),
    ] {
        attacks.push(Attack::raw(what, raw(target, lines), expected));
    }
    gateway.withstand_all_refused(attacks).await
}

#[tokio::test]
async fn methods() -> Result<()> {
    let gateway = Gateway::start(Upstream::Http1).await?;
    let token = gateway.user("a");
    let authorization = format!("authorization: Bearer {token}");
    let only = Filter(405, "this path takes GET, POST");
    let mut attacks = Vec::new();
    for (method, expected) in [
        ("GET", Reaches("a")),
        ("get", ByEnvoy(400)),
        ("Get", ByEnvoy(400)),
        ("OPTIONS", only),
        ("TRACE", only),
        ("DELETE", only),
        ("PRI", ByEnvoy(400)),
        ("GET\t", Reaches("a")),
        ("G\u{415}T", ByEnvoy(400)),
        ("GET,POST", ByEnvoy(400)),
        ("", ByEnvoy(400)),
    ] {
        let bytes = head(&format!("{method} {QUERY} HTTP/1.1"), &[authorization.as_bytes()]);
        attacks.push(Attack::raw(format!("{method:?}"), bytes, expected));
    }
    for (what, request, expected) in [
        ("CONNECT to the backend", "CONNECT metrics.test:80 HTTP/1.1", Filter(401, "not accepted")),
        ("CONNECT to a path", "CONNECT /config HTTP/1.1", ByEnvoy(400)),
        ("OPTIONS of all", "OPTIONS * HTTP/1.1", ByEnvoy(404)),
        ("another version", "GET /config HTTP/9.9", CLOSED),
        ("no version", "GET /config", ByEnvoy(400)),
        ("HTTP/1.0", "GET /config HTTP/1.0", CLOSED),
    ] {
        attacks.push(Attack::raw(what, head(request, &[authorization.as_bytes()]), expected));
    }
    // Another method or path by a header: it does not count here, and does not go on.
    for name in
        ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"]
    {
        for value in ["DELETE", "/config"] {
            let call = Call::get("/api/v1/rules/ns").bearer(&token).header(name, value);
            attacks.extend(Attack::both(name, &call, Reaches("a")));
        }
    }
    attacks.extend(Attack::both("HEAD", &Call::new("HEAD", QUERY).bearer(&token), Silent(405)));
    for method in ["TRACE", "OPTIONS", "get", "CONNECT2"] {
        attacks.push(Attack::http2(method, Call::new(method, QUERY).bearer(&token), only));
    }
    gateway.withstand(attacks).await
}
