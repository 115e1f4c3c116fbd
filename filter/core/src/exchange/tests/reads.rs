//! Reads on their way: what arrives where a label or an account keeps tenants apart, and what a client cannot do about it.

use serde_json::{Value as Json, json};

use super::{Exchange, Head, Step, World, answer, describe, headers, text};
use crate::http::arguments;

/// A world with one backend of this kind and a caller `user` of these tenants.
fn world(kind: &str, isolate: &Json, tenants: &[&str]) -> World {
    let world = World::with(|config| {
        config["backends"][0] = json!({"name": "metrics", "kind": kind});
        if !isolate.is_null() {
            config["backends"][0]["isolate"] = isolate.clone();
        }
        config["callers"][1]["may"] = json!(["write", "read", "rules", "alerts"]);
    });
    world.caller("user", tenants)
}

/// What arrives: path, and body where it changed; or the answer.
fn arrives(world: &mut World, head: Head<'_>, body: Option<&[u8]>) -> String {
    let mut exchange = Exchange::new(std::rc::Rc::clone(&world.policy));
    let ends = body.is_none();
    let mut step = exchange.head(&mut world.worker, &headers(head), ends, &world.known, world.now);
    if let (Step::Buffer, Some(body)) = (&step, body) {
        assert!(exchange.wants_body());
        step = exchange.body(&mut world.worker, Ok(body.to_vec()), world.now);
    }
    let Step::Continue(changes) = &step else { return describe(&step) };
    let after = super::changed(head, changes);
    let path =
        after.iter().find(|(name, _)| name == ":path").map(|(_, path)| path.clone()).unwrap_or_default();
    // What a client says about tenancy goes no further.
    for gone in ["x-prom-label-policy", "x-http-method-override"] {
        assert!(after.iter().all(|(name, value)| name != gone || !value.contains("evil")), "{after:?}");
    }
    match &changes.body {
        Some(body) => {
            let length = after.iter().find(|(name, _)| name == "content-length");
            assert!(length.is_none_or(|(_, length)| *length == body.len().to_string()), "{after:?}");
            format!("{path} {}", String::from_utf8_lossy(body))
        }
        None => path,
    }
}

/// A GET of the path, or with a body a POST of a form.
fn call(world: &mut World, path: &str, form: Option<&str>) -> String {
    let authority = (":authority", "metrics.example.org");
    match form {
        None => arrives(world, &[(":method", "GET"), (":path", path), authority], None),
        Some(form) => {
            let length = form.len().to_string();
            let head = [
                (":method", "POST"),
                (":path", path),
                authority,
                ("content-type", "application/x-www-form-urlencoded"),
                ("content-length", length.as_str()),
            ];
            arrives(world, &head, Some(form.as_bytes()))
        }
    }
}

/// `{tenant="team-a"}` as it stands in a query.
const OURS: &str = "%7Btenant%3D%22team-a%22%7D";

#[test]
fn queries_are_narrowed_in_url_and_form() {
    let up = format!("up{OURS}");
    let cases: &[(&str, Option<&str>, String)] = &[
        ("/api/v1/query?query=up", None, format!("/api/v1/query?query={up}")),
        ("/api/v1/query?time=1&query=up&x=%2b+", None, format!("/api/v1/query?time=1&query={up}&x=%2b+")),
        ("/api/v1/query_range?query=up&start=1", None, format!("/api/v1/query_range?query={up}&start=1")),
        ("/api/v1/query_exemplars?query=up", None, format!("/api/v1/query_exemplars?query={up}")),
        // Every copy, however its name is written.
        ("/api/v1/query?query=up&query=up", None, format!("/api/v1/query?query={up}&query={up}")),
        ("/api/v1/query?quer%79=up", None, format!("/api/v1/query?quer%79={up}")),
        ("/api/v1/query?query=%75p", None, format!("/api/v1/query?query={up}")),
        ("/api/v1/query?match%5b%5d=up&query=up", None, format!("/api/v1/query?match%5b%5d={up}&query={up}")),
        // The user's own matchers stay beside ours.
        (
            "/api/v1/query?query=up%7Btenant%3D%22team-b%22%7D",
            None,
            "/api/v1/query?query=up%7Btenant%3D%22team-a%22%2Ctenant%3D%22team-b%22%7D".into(),
        ),
        ("/api/v1/query", None, "/api/v1/query".into()),
        ("/api/v1/query?extra_label=a%3Db&query=up", None, format!("/api/v1/query?query={up}")),
        // Both places.
        ("/api/v1/query", Some("query=up"), format!("/api/v1/query query={up}")),
        ("/api/v1/query?query=up", Some("query=up&a=b"), format!("/api/v1/query?query={up} query={up}&a=b")),
        ("/api/v1/query?query=up", Some("a=b"), format!("/api/v1/query?query={up}")),
        ("/api/v1/query", Some(""), "/api/v1/query".into()),
        (
            "/api/v1/query_range",
            Some("start=1&query=up&extra_filters[]=%7B%7D"),
            format!("/api/v1/query_range start=1&query={up}"),
        ),
        // Selectors, and one where there was none.
        ("/api/v1/series?match[]=up&match[]=up", None, format!("/api/v1/series?match[]={up}&match[]={up}")),
        ("/api/v1/series", None, format!("/api/v1/series?match[]={OURS}")),
        ("/api/v1/series", Some("match[]=up"), format!("/api/v1/series match[]={up}")),
        ("/api/v1/series?match[]=up", Some("limit=1"), format!("/api/v1/series?match[]={up}")),
        ("/api/v1/labels", None, format!("/api/v1/labels?match[]={OURS}")),
        ("/api/v1/labels?limit=3", None, format!("/api/v1/labels?limit=3&match[]={OURS}")),
        ("/api/v1/labels", Some("start=1"), format!("/api/v1/labels?match[]={OURS}")),
        ("/api/v1/labels", Some("match%5B%5D=up"), format!("/api/v1/labels match%5B%5D={up}")),
        // Prometheus does not read this one, so it is none there.
        ("/api/v1/labels?match=up", None, format!("/api/v1/labels?match={up}&match[]={OURS}")),
        ("/api/v1/label/job/values", None, format!("/api/v1/label/job/values?match[]={OURS}")),
        ("/api/v1/label/job/values?match[]=up", None, format!("/api/v1/label/job/values?match[]={up}")),
        ("/federate?match[]=up", None, format!("/federate?match[]={up}")),
        ("/federate", None, format!("/federate?match[]={OURS}")),
        // What has no tenant's data stays as it is.
        ("/api/v1/status/buildinfo", None, "/api/v1/status/buildinfo".into()),
        ("/api/v1/format_query?query=up", None, "/api/v1/format_query?query=up".into()),
        // What is narrowed in its answer.
        ("/api/v1/rules", None, "/api/v1/rules".into()),
        ("/api/v1/alerts", None, "/api/v1/alerts".into()),
        // What nothing narrows.
        ("/api/v1/metadata", None, "answer 403 closed_path".into()),
        ("/api/v1/targets", None, "answer 403 closed_path".into()),
        ("/api/v1/status/tsdb", None, "answer 403 closed_path".into()),
    ];
    let isolate = json!({"label": "tenant"});
    for (path, form, expected) in cases {
        let mut world = world("prometheus", &isolate, &["team-a"]);
        assert_eq!(call(&mut world, path, *form), *expected, "{path} {form:?}");
    }
    // Several tenants are one expression.
    let mut several = world("prometheus", &isolate, &["team-a", "team.b"]);
    assert_eq!(
        call(&mut several, "/api/v1/query?query=up", None),
        "/api/v1/query?query=up%7Btenant%3D~%22team-a%7Cteam%5C%5C.b%22%7D"
    );
    let chosen = [(":method", "GET"), (":path", "/api/v1/query?query=up"), ("x-scope-orgid", "team-a")];
    assert_eq!(arrives(&mut several, &chosen, None), format!("/api/v1/query?query={up}"));
    let foreign = [(":method", "GET"), (":path", "/api/v1/query?query=up"), ("x-scope-orgid", "team-c")];
    assert_eq!(arrives(&mut several, &foreign, None), "answer 403 foreign_tenant");
}

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

#[test]
fn victoriametrics_is_told_in_the_url() {
    let isolate = json!({"label": "tenantId"});
    let ours = "extra_label=tenantId%3Dteam-a";
    let any = "match[]=%7BtenantId%3D%22team-a%22%7D";
    let cases: &[(&str, Option<&str>, String)] = &[
        ("/api/v1/query?query=up", None, format!("/api/v1/query?query=up&{ours}")),
        ("/prometheus/api/v1/query?query=up", None, format!("/prometheus/api/v1/query?query=up&{ours}")),
        ("/api/v1/query", Some("query=sum(up"), format!("/api/v1/query?{ours}")),
        ("/api/v1/series?match[]=up", None, format!("/api/v1/series?match[]=up&{ours}")),
        ("/api/v1/labels", None, format!("/api/v1/labels?{any}&{ours}")),
        ("/api/v1/labels?match[]=up", None, format!("/api/v1/labels?match[]=up&{ours}")),
        ("/api/v1/labels?match[]=", None, format!("/api/v1/labels?match[]=&{any}&{ours}")),
        ("/api/v1/label/job/values", None, format!("/api/v1/label/job/values?{any}&{ours}")),
        ("/api/v1/export?match[]=up", None, format!("/api/v1/export?match[]=up&{ours}")),
        ("/api/v1/export/native?match[]=up", None, format!("/api/v1/export/native?match[]=up&{ours}")),
        ("/federate?match[]=up", None, format!("/federate?match[]=up&{ours}")),
        // What a client says in the same way goes, from URL and form.
        ("/api/v1/query?extra_label=tenantId=evil&query=up", None, format!("/api/v1/query?query=up&{ours}")),
        (
            "/api/v1/query?extra%5Flabel=tenantId=evil&query=up",
            None,
            format!("/api/v1/query?query=up&{ours}"),
        ),
        (
            "/api/v1/query?extra_filters[]=%7B%7D&extra_filters=%7B%7D&query=up",
            None,
            format!("/api/v1/query?query=up&{ours}"),
        ),
        ("/api/v1/query?extra_filters%5b%5D=x&query=up", None, format!("/api/v1/query?query=up&{ours}")),
        (
            "/api/v1/query",
            Some("extra_filters%5B%5D=%7B%7D&query=up"),
            format!("/api/v1/query?{ours} query=up"),
        ),
        ("/api/v1/query", Some("query=up&extra_label=a%3Db"), format!("/api/v1/query?{ours} query=up")),
        ("/api/v1/query?query=up", Some("extra_label=a%3Db"), format!("/api/v1/query?query=up&{ours} ")),
        ("/api/v1/status/buildinfo", None, "/api/v1/status/buildinfo".into()),
        ("/api/v1/rules", None, "/api/v1/rules".into()),
        ("/api/v1/alerts", None, "/api/v1/alerts".into()),
        ("/api/v1/status/tsdb", None, "answer 403 closed_path".into()),
        ("/api/v1/status/top_queries", None, "answer 403 closed_path".into()),
        ("/api/v1/status/active_queries", None, "answer 403 closed_path".into()),
        ("/api/v1/series/count", None, "answer 403 closed_path".into()),
        ("/api/v1/metadata", None, "answer 403 closed_path".into()),
        ("/graphite/render?target=a", None, "answer 403 closed_path".into()),
        ("/render?target=a", None, "answer 403 closed_path".into()),
        ("/vmui/", None, "answer 403 closed_path".into()),
        ("/vmalert/api/v1/rules", None, "/vmalert/api/v1/rules".into()),
        ("/api/v1/query?query=up;extra_label=a%3Db", None, "answer 400 path_not_canonical".into()),
        ("/api/v1/query", Some("query=up;a=b"), "answer 400 form".into()),
    ];
    for (path, form, expected) in cases {
        let mut world = world("victoriametrics", &isolate, &["team-a"]);
        assert_eq!(call(&mut world, path, *form), *expected, "{path} {form:?}");
    }
    let mut several = world("victoriametrics", &isolate, &["team-a", "team.b"]);
    assert_eq!(
        call(&mut several, "/api/v1/query?query=up&extra_filters[]=x", None),
        "/api/v1/query?query=up&extra_filters[]=%7BtenantId%3D~%22team-a%7Cteam%5C%5C.b%22%7D"
    );
}

#[test]
fn loki_without_tenants_is_narrowed_by_logql() {
    let isolate = json!({"label": "tenant"});
    let app = "%7Bapp%3D%22x%22%7D";
    let narrowed = "%7Btenant%3D%22team-a%22%2Capp%3D%22x%22%7D";
    let cases: &[(&str, Option<&str>, String)] = &[
        ("/loki/api/v1/query?query=", Some(app), format!("/loki/api/v1/query?query={narrowed}")),
        ("/loki/api/v1/query_range?query=", Some(app), format!("/loki/api/v1/query_range?query={narrowed}")),
        ("/loki/api/v1/series?match[]=", Some(app), format!("/loki/api/v1/series?match[]={narrowed}")),
        (
            "/loki/api/v1/series?match=",
            Some(app),
            format!("/loki/api/v1/series?match={narrowed}&match[]={OURS}"),
        ),
        ("/loki/api/v1/series", None, format!("/loki/api/v1/series?match[]={OURS}")),
        ("/loki/api/v1/series?match[]=%7B%7D", None, format!("/loki/api/v1/series?match[]={OURS}")),
        ("/loki/api/v1/labels", None, format!("/loki/api/v1/labels?query={OURS}")),
        (
            "/loki/api/v1/labels?query=&start=1",
            None,
            format!("/loki/api/v1/labels?query=&start=1&query={OURS}"),
        ),
        ("/loki/api/v1/labels?query=", Some(app), format!("/loki/api/v1/labels?query={narrowed}")),
        ("/loki/api/v1/label/app/values", None, format!("/loki/api/v1/label/app/values?query={OURS}")),
        ("/loki/api/v1/index/stats?query=", Some(app), format!("/loki/api/v1/index/stats?query={narrowed}")),
        ("/loki/api/v1/index/volume", None, format!("/loki/api/v1/index/volume?query={OURS}")),
        ("/loki/api/v1/patterns?query=", Some(app), format!("/loki/api/v1/patterns?query={narrowed}")),
        ("/loki/api/v1/detected_labels", None, format!("/loki/api/v1/detected_labels?query={OURS}")),
        (
            "/loki/api/v1/detected_fields?query=",
            Some(app),
            format!("/loki/api/v1/detected_fields?query={narrowed}"),
        ),
        ("/loki/api/v1/tail?query=", Some(app), format!("/loki/api/v1/tail?query={narrowed}")),
        ("/loki/api/v1/status/buildinfo", None, "/loki/api/v1/status/buildinfo".into()),
        ("/loki/api/v1/rules", None, "answer 403 not_narrowed".into()),
        ("/prometheus/api/v1/rules", None, "answer 403 not_narrowed".into()),
        ("/loki/api/v1/query?query=%7B", None, "answer 400 query".into()),
    ];
    for (path, value, expected) in cases {
        let mut world = world("loki", &isolate, &["team-a"]);
        let path = format!("{path}{}", value.unwrap_or_default());
        assert_eq!(call(&mut world, &path, None), *expected, "{path}");
    }
    // A websocket is never held, whatever its stream says about a body.
    let mut tail = world("loki", &isolate, &["team-a"]);
    let path = format!("/loki/api/v1/tail?query={app}");
    let head =
        [(":method", "GET"), (":path", path.as_str()), ("upgrade", "websocket"), ("connection", "upgrade")];
    let (exchange, step) = tail.arrives(&head, false);
    assert_eq!(describe(&step), format!("go on :path=/loki/api/v1/tail?query={narrowed}"));
    assert!(!exchange.wants_body());
    let (_, step) = tail.arrives(&head[..2], false);
    assert_eq!(describe(&step), "answer 400 body_not_taken");
    // With the header it is the backend's own business, and nothing is read.
    let mut by_header = world("loki", &Json::Null, &["team-a"]);
    let (exchange, step) = by_header.arrives(&head, false);
    assert_eq!(describe(&step), "go on x-scope-orgid=team-a");
    assert!(!exchange.wants_body());
    let (_, step) = world("loki", &Json::Null, &["a", "b"]).arrives(&head, false);
    let reply = answer(step);
    assert_eq!((reply.status, reply.details), (400, "several_tenants"));
    assert!(text(&reply).contains("name one in X-Scope-OrgID, of a|b"), "{}", text(&reply));
}

#[test]
fn administrators_see_everything_only_by_right() {
    for (unfiltered, expected) in
        [(true, "/api/v1/query?query=up".to_owned()), (false, format!("/api/v1/query?query=up{OURS}"))]
    {
        let mut world = World::with(|config| {
            config["backends"][0] =
                json!({"name": "metrics", "kind": "prometheus", "isolate": {"label": "tenant"}});
            config["callers"][1]["unfiltered"] = json!(unfiltered);
        })
        .caller("user", &["team-a"]);
        assert_eq!(call(&mut world, "/api/v1/query?query=up", None), expected);
    }
}

#[test]
fn rule_groups_name_only_the_callers_tenants() {
    let head = [
        (":method", "POST"),
        (":path", "/prometheus/config/v1/rules/ns"),
        (":authority", "x"),
        ("x-scope-orgid", "a"),
        ("content-type", "application/yaml"),
    ];
    for (body, expected) in [
        ("name: x\nsource_tenants: [a, b]\nrules: []\n", "/prometheus/config/v1/rules/ns"),
        ("name: x\nrules: []\n", "/prometheus/config/v1/rules/ns"),
        ("name: x\nsource_tenants: [a, c]\n", "answer 403 foreign_tenant"),
        ("{\"name\": \"x\", \"source_tenants\": [\"c\"]}", "answer 400 rule_group"),
        ("name: x\n\"source\\x5ftenants\": [c]\n", "answer 400 rule_group"),
    ] {
        let mut mimir = world("mimir", &Json::Null, &["a", "b"]);
        assert_eq!(arrives(&mut mimir, &head, Some(body.as_bytes())), expected, "{body}");
    }
    let mut mimir = world("mimir", &Json::Null, &["a", "b"]);
    let encoded = [&head[..], &[("content-encoding", "gzip")]].concat();
    assert_eq!(arrives(&mut mimir, &encoded, Some(b"name: x")), "answer 415 encoding");
    // Cortex' and Loki's groups name no tenants: they stream through.
    let cortex = [(":method", "POST"), (":path", "/api/v1/rules/ns"), ("x-scope-orgid", "a")];
    let (exchange, step) = world("cortex", &Json::Null, &["a", "b"]).arrives(&cortex, false);
    assert_eq!(describe(&step), "go on x-scope-orgid=a");
    assert!(!exchange.wants_body());
}

#[test]
fn label_policies_have_an_entry_for_every_tenant() {
    let policies = |policies: Json| {
        World::with(|config| {
            config["backends"][0] = json!({"name": "metrics", "kind": "mimir"});
            config["read"] = json!({"metrics": {"label_policy": policies}});
        })
        .caller("user", &["a", "b"])
    };
    let head = [
        (":method", "GET"),
        (":path", "/prometheus/api/v1/query?query=up"),
        (":authority", "x"),
        ("x-prom-label-policy", "a:%7B%7D"),
        ("x-prom-label-policy", "b:%7B%7D"),
    ];
    let both = json!([
        {"tenants": "a", "selectors": ["{env=\"dev\"}", "{env=\"x,y\"}"]},
        {"callers": "user", "selectors": "{team=~\"a|b\"}"},
    ]);
    assert_eq!(
        describe(&policies(both).arrives(&head, true).1),
        "go on -x-prom-label-policy -x-prom-label-policy x-scope-orgid=a|b x-prom-label-policy=a:%7Benv%3D%22dev%22%7D,\
         a:%7Benv%3D%22x%2Cy%22%7D,b:%7Bteam%3D~%22a%7Cb%22%7D"
    );
    let one = json!([{"tenants": "a", "selectors": "{env=\"dev\"}"}]);
    let reply = answer(policies(one).arrives(&head, true).1);
    assert_eq!((reply.status, reply.details), (403, "no_label_policy"));
    let others = json!([{"callers": "agent", "selectors": "{env=\"dev\"}"}]);
    assert_eq!(describe(&policies(others).arrives(&head, true).1), "answer 403 no_label_policy");
    let whole = json!([{"everything": true}]);
    assert_eq!(
        describe(&policies(whole).arrives(&head, true).1),
        "go on -x-prom-label-policy x-scope-orgid=a|b"
    );
}

#[test]
fn refusals_are_in_the_protocols_own_form() {
    let cases = [
        (
            "prometheus",
            json!({"label": "t"}),
            "/api/v1/query?query=up%7B",
            "\"error\":\"scopegate: the argument query: 1:4: parse error: ",
        ),
        ("loki", json!({"label": "t"}), "/loki/api/v1/query?query=%7B", "scopegate: the argument query: 1:"),
        (
            "cortex",
            Json::Null,
            "/prometheus/api/v1/rules",
            "\"error\":\"scopegate: this endpoint takes one tenant",
        ),
        (
            "cortex",
            Json::Null,
            "/alertmanager/api/v2/alerts",
            "\"message\":\"scopegate: this endpoint takes one tenant",
        ),
        ("tempo", Json::Null, "/api/metrics/summary", "scopegate: this endpoint takes one tenant"),
        (
            "prometheus",
            json!({"label": "t"}),
            "/api/v1/metadata",
            "\"error\":\"scopegate: this path is internal",
        ),
        (
            "prometheus",
            json!({"label": "t"}),
            "/api/v1/nothing",
            "\"error\":\"scopegate: this path is not one",
        ),
    ];
    for (kind, isolate, path, expected) in cases {
        let mut world = world(kind, &isolate, &["a", "b"]);
        let (_, step) = world.arrives(&[(":method", "GET"), (":path", path), (":authority", "x")], true);
        let reply = answer(step);
        // Members of JSON stand in any order.
        let is_json = expected.starts_with('"');
        let told = text(&reply);
        assert!(if is_json { told.contains(expected) } else { told.starts_with(expected) }, "{told}");
    }
}

#[test]
fn what_a_form_becomes_is_read_as_it_was() {
    let mut world = world("prometheus", &json!({"label": "tenant"}), &["team-a"]);
    let form = "start=1.5&query=up&step=15&a=%25+%2B&b";
    let after = call(&mut world, "/api/v1/query_range", Some(form));
    let after = after.strip_prefix("/api/v1/query_range ").unwrap();
    let pairs = |text: &str| -> Vec<(String, String)> {
        let pair = |argument: crate::http::Argument<'_>| {
            (String::from_utf8(argument.name).unwrap(), String::from_utf8(argument.value).unwrap())
        };
        arguments(text).map(|argument| pair(argument.unwrap())).collect()
    };
    let mut expected = pairs(form);
    expected[1].1 = "up{tenant=\"team-a\"}".to_owned();
    assert_eq!(pairs(after), expected);
}

#[test]
fn accounts_are_read_whole_and_alone() {
    let accounts = json!({"account": {"a": "7", "b": "1:2"}});
    let cases: &[(&str, &str, Option<&str>, &str)] = &[
        (
            "victoriametrics-cluster",
            "/prometheus/api/v1/query?query=up",
            None,
            "/select/7:0/prometheus/api/v1/query?query=up",
        ),
        (
            "victoriametrics-cluster",
            "/prometheus/api/v1/labels?extra_label=vm_account_id%3D1",
            None,
            "/select/7:0/prometheus/api/v1/labels",
        ),
        (
            "victoriametrics-cluster",
            "/prometheus/api/v1/query",
            Some("query=up&extra_filters[]=%7B%7D"),
            "/select/7:0/prometheus/api/v1/query query=up",
        ),
        (
            "victoriametrics-cluster",
            "/select/1:2/prometheus/api/v1/query?query=up",
            None,
            "answer 403 closed_path",
        ),
        (
            "victoriametrics-cluster",
            "/select/multitenant/prometheus/api/v1/query?query=up",
            None,
            "answer 403 closed_path",
        ),
        ("victorialogs", "/select/logsql/query?query=*", None, "/select/logsql/query?query=*"),
        (
            "victorialogs",
            "/select/logsql/query?extra_filters=x",
            Some("query=*&extra_stream_filters=y"),
            "/select/logsql/query query=*",
        ),
        (
            "victoriatraces",
            "/select/jaeger/api/traces?service=x",
            None,
            "/select/jaeger/api/traces?service=x",
        ),
    ];
    for (kind, path, form, expected) in cases {
        let mut one = world(kind, &accounts, &["a"]);
        assert_eq!(call(&mut one, path, *form), *expected, "{kind} {path}");
    }
    let get = |path| [(":method", "GET"), (":path", path), (":authority", "x"), ("accountid", "9")];
    let mut logs = world("victorialogs", &accounts, &["b"]);
    assert_eq!(
        describe(&logs.arrives(&get("/select/logsql/query?query=*"), true).1),
        "go on -accountid accountid=1 projectid=2"
    );
    let mut several = world("victorialogs", &accounts, &["a", "b"]);
    assert_eq!(
        describe(&several.arrives(&get("/select/logsql/query"), true).1),
        "answer 400 several_tenants"
    );
    let mut none = world("victorialogs", &accounts, &["c"]);
    assert_eq!(describe(&none.arrives(&get("/select/logsql/query"), true).1), "answer 403 no_account");
}
