//! Backends that are told in arguments what a read may see: `VictoriaMetrics`, `VictoriaLogs`, `VictoriaTraces`.

use serde_json::json;

use super::{call, world};

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

/// `"tenant":="team-a"`, as an argument.
const FIELD: &str = "extra_filters=%22tenant%22%3A%3D%22team-a%22";

#[test]
fn victorialogs_is_told_in_the_url() {
    let isolate = json!({"label": "tenant"});
    let ours = FIELD;
    let query = |rest: &str| format!("/select/logsql/query?{rest}");
    let mut cases: Vec<(String, Option<&str>, String)> = vec![
        (query("query=*"), None, query(&format!("query=*&{ours}"))),
        (query("query=*").replace('?', "?x=y&"), None, query(&format!("x=y&query=*&{ours}"))),
        ("/select/logsql/query".into(), Some("query=error"), query(ours)),
        // What a client says in the same way goes, from URL and form.
        (query("query=*&extra_filters=tenant%3A%3Db"), None, query(&format!("query=*&{ours}"))),
        (query("extra%5Ffilters=*&query=*&extra_stream_filters=x"), None, query(&format!("query=*&{ours}"))),
        (
            query("query=*"),
            Some("extra_filters=%7B%22tenant%22%3A%22b%22%7D&limit=3&extra_stream_filters=%7B%7D"),
            query(&format!("query=*&{ours} limit=3")),
        ),
        // What would look past the filter.
        (query("query=*%7Cstream_context+after+1"), None, "answer 400 query".into()),
        (query("query=x&query=*+%7C+Stream%5fContext+after+1"), None, "answer 400 query".into()),
        (query("query=*"), Some("query=*%7CSTREAM_CONTEXT%20after%201"), "answer 400 query".into()),
        (query("query=in(*%7Cstream_context+after+1)"), None, "answer 400 query".into()),
        (query("query=%ff"), None, "answer 400 path_not_canonical".into()),
        (query("query=*;extra_filters=x"), None, "answer 400 path_not_canonical".into()),
        ("/select/buildinfo".into(), None, "/select/buildinfo".into()),
        ("/select/tenant_ids".into(), None, "answer 403 closed_path".into()),
        ("/select/vmalert/api/v1/rules".into(), None, "answer 403 closed_path".into()),
    ];
    for endpoint in [
        "tail",
        "hits",
        "facets",
        "stats_query",
        "stats_query_range",
        "field_names",
        "field_values",
        "stream_field_names",
        "stream_field_values",
        "stream_ids",
        "streams",
        "query_time_range",
    ] {
        let path = format!("/select/logsql/{endpoint}?query=*");
        cases.push((path.clone(), None, format!("{path}&{ours}")));
    }
    for (path, form, expected) in &cases {
        let mut world = world("victorialogs", &isolate, &["team-a"]);
        assert_eq!(call(&mut world, path, *form), *expected, "{path} {form:?}");
    }
    let mut several = world("victorialogs", &isolate, &["team-a", "team.b"]);
    assert_eq!(
        call(&mut several, &query("query=*"), None),
        query("query=*&extra_filters=%22tenant%22%3Ain%28%22team-a%22%2C%22team.b%22%29")
    );
}

/// The attribute of a resource is a field with another name. Jaeger's API and Tempo's heed no filter.
#[test]
fn victoriatraces_is_told_in_the_url() {
    let cases = [
        (
            "/select/logsql/query?query=*",
            "/select/logsql/query?query=*&extra_filters=%22resource_attr%3Atenant%22%3A%3D%22team-a%22",
        ),
        ("/select/jaeger/api/services", "answer 403 not_narrowed"),
        ("/select/jaeger/api/traces/0af7", "answer 403 not_narrowed"),
        ("/select/tempo/api/search?q=%7B%7D", "answer 403 not_narrowed"),
        ("/select/tempo/api/echo", "/select/tempo/api/echo"),
    ];
    for (path, expected) in cases {
        let mut world = world("victoriatraces", &json!({"label": "tenant"}), &["team-a"]);
        assert_eq!(call(&mut world, path, None), expected, "{path}");
    }
}
