//! Requests that try to be read otherwise than they were here.

use serde_json::json;

use super::super::{Head, describe};
use super::{OURS, arrives, world};

#[test]
fn hostile_requests_are_refused() {
    let get = (":method", "GET");
    let post = (":method", "POST");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let query = (":path", "/api/v1/query?query=up");
    let path = |path| (":path", path);
    // (what, head, body, answer)
    let cases: &[(&str, Head<'_>, Option<&str>, &str)] = &[
        ("a body on GET", &[get, query, form], Some("query=up"), "400 body_not_taken"),
        ("an empty body on GET", &[get, query], Some(""), "400 body_not_taken"),
        (
            "multipart",
            &[post, query, ("content-type", "multipart/form-data; boundary=x")],
            Some("--x\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nup\r\n--x--"),
            "415 media_type",
        ),
        (
            "multipart on GET",
            &[get, query, ("content-type", "multipart/form-data; boundary=x")],
            Some("x"),
            "400 body_not_taken",
        ),
        ("a body of no type", &[post, query], Some("query=up"), "415 media_type"),
        ("JSON", &[post, query, ("content-type", "application/json")], Some("{}"), "415 media_type"),
        (
            "two types",
            &[post, query, form, ("content-type", "text/plain")],
            Some("query=up"),
            "400 repeated_header",
        ),
        (
            "another charset",
            &[post, query, ("content-type", "application/x-www-form-urlencoded; charset=utf-7")],
            Some("query=up"),
            "415 media_type",
        ),
        (
            "a compressed form",
            &[post, query, form, ("content-encoding", "gzip")],
            Some("query=up"),
            "415 encoding",
        ),
        ("a semicolon", &[get, path("/api/v1/query?a=b;query=up")], None, "400 path_not_canonical"),
        ("a semicolon in a form", &[post, path("/api/v1/query"), form], Some("a=b;query=up"), "400 form"),
        ("a broken escape", &[get, path("/api/v1/query?query=up&x=%")], None, "400 path_not_canonical"),
        (
            "a broken escape in a name",
            &[get, path("/api/v1/query?%zz=1&query=up")],
            None,
            "400 path_not_canonical",
        ),
        ("a broken escape in a form", &[post, path("/api/v1/query"), form], Some("query=up%2"), "400 form"),
        ("a NUL", &[get, path("/api/v1/query?query=up%00")], None, "400 path_not_canonical"),
        ("a NUL in a name", &[get, path("/api/v1/query?query%00=up")], None, "400 path_not_canonical"),
        ("a NUL in a form", &[post, path("/api/v1/query"), form], Some("query=%00"), "400 form"),
        ("not UTF-8", &[get, path("/api/v1/query?query=%FF")], None, "400 path_not_canonical"),
        ("overlong UTF-8", &[get, path("/api/v1/query?query=up%C0%A2")], None, "400 path_not_canonical"),
        ("not UTF-8 in a form", &[post, path("/api/v1/query"), form], Some("query=%ff"), "400 form"),
        ("a query that does not parse", &[get, path("/api/v1/query?query=up%7B")], None, "400 query"),
        ("the second does not parse", &[get, path("/api/v1/query?query=up&query=%29")], None, "400 query"),
        ("an empty query", &[get, path("/api/v1/query?query=")], None, "400 query"),
        ("a query without a value", &[get, path("/api/v1/query?query")], None, "400 query"),
        ("an empty selector", &[get, path("/api/v1/labels?match[]=")], None, "400 query"),
        ("a selector that does not parse", &[get, path("/api/v1/series?match[]=up%7D")], None, "400 query"),
        (
            "one in a form",
            &[post, path("/api/v1/labels"), form],
            Some("match[]=up&match%5B]=%7D%7B"),
            "400 query",
        ),
        ("a query where it is not read", &[get, path("/api/v1/labels?query=%7D")], None, "400 query"),
        ("a fragment", &[get, path("/api/v1/query?query=up#x")], None, "400 path_not_canonical"),
        ("doubled slashes", &[get, path("//api/v1/query?query=up")], None, "400 path_not_canonical"),
        ("doubled slashes within", &[get, path("/api//v1/query?query=up")], None, "400 path_not_canonical"),
        ("an escaped letter", &[get, path("/api/v1/quer%79?query=up")], None, "400 path_not_canonical"),
        ("dot segments", &[get, path("/api/v1/x/../query?query=up")], None, "400 path_not_canonical"),
        ("a dot segment", &[get, path("/api/v1/./query?query=up")], None, "400 path_not_canonical"),
        ("escaped dots", &[get, path("/api/v1/%2e%2e/query?query=up")], None, "400 path_not_canonical"),
        ("an escaped slash", &[get, path("/api/v1%2Fquery?query=up")], None, "400 path_not_canonical"),
        ("a doubly escaped slash", &[get, path("/api/v1%252Fquery")], None, "400 path_not_canonical"),
        ("a backslash", &[get, path("/api\\v1\\query?query=up")], None, "400 path_not_canonical"),
        ("a path parameter", &[get, path("/api/v1/query;a=b?query=up")], None, "400 path_not_canonical"),
        ("a slash at the end", &[get, path("/api/v1/query/?query=up")], None, "400 path_not_canonical"),
        (
            "an absolute target",
            &[get, path("http://x/api/v1/query?query=up")],
            None,
            "400 path_not_canonical",
        ),
        ("upper case", &[get, path("/API/v1/query?query=up")], None, "404 unknown_path"),
        ("a label with a slash", &[get, path("/api/v1/label/a%2Fb/values")], None, "400 path_not_canonical"),
        ("PUT", &[(":method", "PUT"), query, form], Some("query=up"), "405 method"),
        ("PATCH", &[(":method", "PATCH"), query, form], Some("query=up"), "405 method"),
        ("DELETE", &[(":method", "DELETE"), path("/api/v1/series?match[]=up")], None, "405 method"),
        ("HEAD", &[(":method", "HEAD"), query], None, "405 method"),
        ("OPTIONS", &[(":method", "OPTIONS"), query], None, "405 method"),
        ("a method in lower case", &[(":method", "get"), query], None, "405 method"),
        (
            "another's data deleted",
            &[post, path("/api/v1/admin/tsdb/delete_series?match[]=up")],
            None,
            "403 closed_path",
        ),
        ("the configuration", &[get, path("/api/v1/status/config")], None, "403 closed_path"),
        ("its own metrics", &[get, path("/metrics")], None, "403 closed_path"),
        ("its end", &[post, path("/-/quit")], None, "403 closed_path"),
        ("its pages", &[get, path("/graph?g0.expr=up")], None, "403 closed_path"),
        ("all targets", &[get, path("/api/v1/targets/metadata")], None, "403 closed_path"),
        (
            "two tenants' headers",
            &[get, query, ("x-scope-orgid", "team-a"), ("x-scope-orgid", "team-b")],
            None,
            "400 repeated_header",
        ),
        ("another's tenant", &[get, query, ("x-scope-orgid", "team-b")], None, "403 foreign_tenant"),
        ("tenants by expression", &[get, query, ("x-scope-orgid", ".*")], None, "403 foreign_tenant"),
        ("remote read as a form", &[post, path("/api/v1/read"), form], Some("query=up"), "415 media_type"),
        (
            "remote read that is not compressed",
            &[post, path("/api/v1/read"), ("content-type", "application/x-protobuf")],
            Some(""),
            "415 encoding",
        ),
        (
            "remote read that is no snappy",
            &[
                post,
                path("/api/v1/read"),
                ("content-type", "application/x-protobuf"),
                ("content-encoding", "snappy"),
            ],
            Some("xxxxx"),
            "400 malformed_body",
        ),
        ("remote read by GET", &[get, path("/api/v1/read")], None, "405 method"),
        (
            "a body beyond the limit",
            &[post, query, form, ("content-length", "99999999")],
            Some("x"),
            "413 body_too_large",
        ),
    ];
    assert!(cases.len() >= 60);
    for (what, head, body, expected) in cases {
        let mut world = world("prometheus", &json!({"label": "tenant"}), &["team-a"]);
        let head = [head, &[(":authority", "metrics.example.org")][..]].concat();
        assert_eq!(
            arrives(&mut world, &head, body.map(str::as_bytes)),
            format!("answer {expected}"),
            "{what}"
        );
    }
}

#[test]
fn harmless_headers_and_arguments_say_nothing() {
    let isolate = json!({"label": "tenant"});
    for more in [
        ("x-http-method-override", "evil DELETE"),
        ("x-prom-label-policy", "evil:%7B%7D"),
        ("thanos-tenant", "evil"),
        ("x-original-url", "/api/v1/status/config"),
        ("accountid", "7"),
        ("cookie", "tenant=evil"),
    ] {
        let mut world = world("prometheus", &isolate, &["team-a"]);
        let head = [(":method", "GET"), (":path", "/api/v1/query?query=up"), (":authority", "x"), more];
        let (_, step) = world.arrives(&head, true);
        let gone = if more.0 == "cookie" { String::new() } else { format!(" -{}", more.0) };
        assert_eq!(describe(&step), format!("go on{gone} :path=/api/v1/query?query=up{OURS}"));
    }
}
