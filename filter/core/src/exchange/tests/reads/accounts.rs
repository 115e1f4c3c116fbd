//! Backends whose tenants are accounts.

use serde_json::json;

use super::super::describe;
use super::{call, world};

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
