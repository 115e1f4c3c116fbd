//! Backends that know no `X-Scope-OrgID`: a label or an account keeps their tenants apart.

use serde_json::{Value as Json, json};

use super::labels::{load, new_body};
use super::{WRITE, World, and, answer, but, calls, describe, message, text, up};
use crate::write::remote_write::testing::{TimeSeries, body, decompress};

#[test]
fn contradictory_isolation_is_an_error() {
    let cases: Vec<(&str, Json, &str)> = vec![
        ("cortex", Json::Null, "fine"),
        ("cortex", json!("header"), "fine"),
        ("victoriametrics", json!("header"), "fine"),
        ("victoriametrics", json!({"label": "tenantId"}), "fine"),
        ("prometheus", json!({"label": "tenantId"}), "fine"),
        ("victoriametrics-cluster", json!({"account": {"a": "1", "b": "1:2"}}), "fine"),
        ("victorialogs", json!({"account": {"a": "1"}}), "fine"),
        ("victoriatraces", json!({"account": {"a": "1"}}), "fine"),
        ("cortex", json!({"label": "x"}), "backends[0].isolate: not by a label: cortex knows X-Scope-OrgID"),
        (
            "cortex",
            json!({"account": {}}),
            "backends[0].isolate: not by accounts: cortex knows X-Scope-OrgID",
        ),
        (
            "victoriametrics",
            Json::Null,
            "backends[0].isolate: missing: victoriametrics knows no X-Scope-OrgID",
        ),
        (
            "victoriametrics",
            json!({"account": {"a": "1"}}),
            "backends[0].isolate: not by accounts: victoriametrics knows no",
        ),
        ("victoriametrics", json!({"label": ""}), "backends[0].isolate.label: a label has a name"),
        (
            "victoriametrics",
            json!({"label": 7}),
            "backends[0].isolate.label: expected a string, found a number: quote it",
        ),
        (
            "victoriametrics-cluster",
            Json::Null,
            "backends[0].isolate: missing: victoriametrics-cluster knows no",
        ),
        ("victorialogs", Json::Null, "backends[0].isolate: missing: victorialogs knows no"),
        ("victorialogs", json!({"label": "x"}), "fine"),
        ("victoriatraces", json!({"label": "x"}), "fine"),
        (
            "victoriametrics-cluster",
            json!({"label": "x"}),
            "backends[0].isolate: not by a label: victoriametrics-cluster knows no",
        ),
        (
            "victorialogs",
            json!({"label": "_stream"}),
            "backends[0].isolate.label: the backend has this field",
        ),
        ("victorialogs", json!({"label": "a.b"}), "backends[0].isolate.label: a label has a name"),
        (
            "victorialogs",
            json!({"account": {}}),
            "backends[0].isolate.account: name the account of at least one tenant",
        ),
        (
            "victorialogs",
            json!({"account": {"a/b": "1"}}),
            "backends[0].isolate.account.a/b: a tenant ID is made of",
        ),
        (
            "victorialogs",
            json!({"account": {"a": 1}}),
            "backends[0].isolate.account.a: expected a string, found a number: quote it",
        ),
        (
            "victorialogs",
            json!({"account": {"a": "x"}}),
            "backends[0].isolate.account.a: an account is a number",
        ),
        (
            "victorialogs",
            json!({"account": {"a": "+1"}}),
            "backends[0].isolate.account.a: an account is a number",
        ),
        (
            "victorialogs",
            json!({"account": {"a": "1:"}}),
            "backends[0].isolate.account.a: an account is a number",
        ),
        (
            "victorialogs",
            json!({"account": {"a": "4294967296"}}),
            "backends[0].isolate.account.a: an account is a number",
        ),
        (
            "victorialogs",
            json!({"account": {"a": "1", "b": "1:0"}}),
            "backends[0].isolate.account.b: a has this account",
        ),
    ];
    for (kind, isolate, expected) in cases {
        let got = load(|config| {
            config["backends"][0]["kind"] = json!(kind);
            config["backends"][0]["isolate"] = isolate.clone();
        });
        assert!(got.starts_with(expected), "{kind} {isolate}\n got: {got}\nwant: {expected}");
    }
    let got = load(|config| {
        config["backends"][0] =
            json!({"name": "metrics", "kind": "victoriametrics", "isolate": {"label": "tenantId"}});
        config["write"]["metrics"]["labels"] = json!({"remove": "tenantId"});
    });
    assert!(got.starts_with("write.metrics.labels.remove[0]: this label keeps the tenants apart"), "{got}");
}

fn victoria(kind: &str, isolate: &Json, labels: &Json) -> World {
    let world = World::with(|config| {
        config["backends"][0] = json!({"name": "metrics", "kind": kind, "isolate": isolate, "path": "/vm"});
        config["write"]["metrics"]["labels"] = labels.clone();
    });
    world.caller("user", &["own"])
}

#[test]
fn one_tenant_of_victoriametrics_is_labelled_in_the_url() {
    let isolate = json!({"label": "tenantId"});
    let gone = " -x-scope-orgid";
    let cases: &[(&str, Json, String)] = &[
        (
            "/vm/api/v1/write",
            json!({}),
            format!("go on{gone} :path=/vm/api/v1/write?extra_label=tenantId%3Down"),
        ),
        (
            "/vm/api/v1/write?a=b&extra_label=tenantId=evil&extra_filters[]=x&extra%5Flabel=y=z",
            json!({"set": {"region": "a b&c"}}),
            format!(
                "go on{gone} :path=/vm/api/v1/write?a=b&extra_label=region%3Da%20b%26c&extra_label=tenantId%3Down"
            ),
        ),
        (
            "/vm/api/v1/import/csv?format=1",
            json!({}),
            format!("go on{gone} :path=/vm/api/v1/import/csv?format=1&extra_label=tenantId%3Down"),
        ),
        ("/vm/api/v1/write?a=b;extra_label=x", json!({}), "answer 400 path_not_canonical".into()),
        ("/vm/api/v1/write?a=%zz", json!({}), "answer 400 path_not_canonical".into()),
        // What an argument cannot do is done in the body.
        ("/vm/api/v1/write", json!({"remove": ["x"]}), "keep".into()),
        ("/vm/api/v1/import", json!({"replace": {"x": "y"}}), "answer 415 cannot_split".into()),
    ];
    for (path, labels, expected) in cases {
        let mut world = victoria("victoriametrics", &isolate, labels);
        let head = and(&but(WRITE, ":path", path), &[("x-scope-orgid", "own")]);
        assert_eq!(describe(&world.head(&head).1), *expected, "{path} {labels}");
    }
    // A client's copies go from every backend's writes, without any label being configured.
    let mut world = World::with(|_| {}).caller("user", &["own"]);
    let head = but(WRITE, ":path", "/api/v1/push?extra_label=a=b");
    assert_eq!(describe(&world.head(&head).1), "go on x-scope-orgid=own :path=/api/v1/push");
    let head = but(WRITE, ":path", "/api/v1/push?a=b");
    assert_eq!(describe(&world.head(&head).1), "go on x-scope-orgid=own");
}

#[test]
fn one_tenant_of_victorialogs_has_its_field_set_in_the_url() {
    let isolate = json!({"label": "tenant"});
    let logs = "extra_fields=tenant%3Down";
    let gone = "go on -vl-extra-fields -x-scope-orgid";
    let form = "application/x-www-form-urlencoded";
    let cases: &[(&str, &str, &str, String)] = &[
        (
            "victorialogs",
            "/vm/insert/jsonline",
            "text/plain",
            format!("{gone} :path=/vm/insert/jsonline?{logs}"),
        ),
        (
            "victorialogs",
            "/vm/insert/elasticsearch/_bulk?_time_field=t&extra_fields=tenant=evil&extra%5Ffields=x=y",
            "application/json",
            format!("{gone} :path=/vm/insert/elasticsearch/_bulk?_time_field=t&{logs}"),
        ),
        (
            "victorialogs",
            "/vm/insert/loki/api/v1/push",
            "application/json",
            format!("{gone} :path=/vm/insert/loki/api/v1/push?{logs}"),
        ),
        (
            "victorialogs",
            "/vm/insert/elasticsearch/_license",
            "application/json",
            "answer 405 method".to_owned(),
        ),
        (
            "victoriatraces",
            "/vm/insert/opentelemetry/v1/traces",
            "application/x-protobuf",
            format!(
                "{gone} :path=/vm/insert/opentelemetry/v1/traces?extra_fields=resource_attr%3Atenant%3Down"
            ),
        ),
        ("victorialogs", "/vm/insert/jsonline", form, "answer 415 media_type".to_owned()),
        (
            "victorialogs",
            "/vm/insert/jsonline",
            "Multipart/Form-Data; boundary=x",
            "answer 415 media_type".to_owned(),
        ),
        (
            "victorialogs",
            "/vm/insert/jsonline?a=%zz",
            "text/plain",
            "answer 400 path_not_canonical".to_owned(),
        ),
        ("victorialogs", "/vm/insert/native", "text/plain", "answer 403 closed_path".to_owned()),
    ];
    for (kind, path, media, expected) in cases {
        let head = but(&but(&but(WRITE, ":path", path), "content-type", media), "content-encoding", "");
        let head = and(&head, &[("x-scope-orgid", "own"), ("vl-extra-fields", "tenant=evil")]);
        assert_eq!(
            describe(&victoria(kind, &isolate, &json!({})).head(&head).1),
            *expected,
            "{kind} {path} {media}"
        );
    }
    // A form is refused only where it would count more than the URL.
    let accounts = json!({"account": {"own": "7"}});
    let head = but(&but(WRITE, ":path", "/vm/insert/jsonline"), "content-type", form);
    assert!(describe(&victoria("victorialogs", &accounts, &json!({})).head(&head).1).starts_with("go on"));
}

#[test]
fn several_tenants_are_labelled_each_in_its_part() {
    let world = |kind: &str| {
        let world = World::with(|config| {
            config["backends"][0] =
                json!({"name": "metrics", "kind": kind, "isolate": {"label": "tenantId"}});
            config["write"]["metrics"] = json!({"tenant": [{"label": "ns"}, "caller"]});
        });
        world.caller("user", &["own"])
    };
    let head = but(WRITE, ":path", "/api/v1/write?extra_label=tenantId=evil");
    let forged = [up(&[("a", "1"), ("tenantId", "team-b")]), up(&[("ns", "team-a"), ("tenantId", "own")])];
    let labelled = [up(&[("a", "1"), ("tenantId", "own")]), up(&[("ns", "team-a"), ("tenantId", "team-a")])];
    // The URL wins over the body, whose series stay as they are; what has no such argument gets the label there.
    let cases: [(&str, [&str; 2], &[TimeSeries; 2]); 2] = [
        (
            "victoriametrics",
            ["/api/v1/write?extra_label=tenantId%3Down", "/api/v1/write?extra_label=tenantId%3Dteam-a"],
            &forged,
        ),
        ("prometheus", ["/api/v1/write"; 2], &labelled),
    ];
    for (kind, paths, series) in cases {
        let mut world = world(kind);
        let (_, step) = world.request(&head, &body(&forged));
        let parts = calls(step);
        assert_eq!(parts.len(), 2);
        for ((call, path), series) in parts.iter().zip(paths).zip(series) {
            assert_eq!(decompress(&call.body), message(core::slice::from_ref(series)), "{kind}");
            let headers: Vec<_> = call.headers().filter(|(name, _)| *name == ":path").collect();
            assert_eq!(headers, [(":path", path)], "{kind}");
            assert!(call.headers().all(|(name, _)| name != "x-scope-orgid"), "{kind}");
        }
        // A write for one of them goes on itself.
        let (_, step) = world.request(&head, &body(&forged[1..]));
        if kind == "prometheus" {
            assert_eq!(describe(&step), "go on :path=/api/v1/write with a new body");
            assert_eq!(new_body(step), message(&labelled[1..]));
        } else {
            assert_eq!(describe(&step), "go on :path=/api/v1/write?extra_label=tenantId%3Dteam-a");
        }
    }
}

#[test]
fn accounts_stand_in_the_path_or_in_headers() {
    let accounts = json!({"account": {"own": "7", "team-a": "1:2"}});
    let client = [("x-scope-orgid", "own"), ("accountid", "9"), ("projectid", "9"), ("projectid", "8")];
    let cases = [
        ("victoriametrics-cluster", "/vm/prometheus/api/v1/write?extra_label=a=b&c=d", "keep"),
        ("victoriametrics-cluster", "/vm/insert/1/prometheus/api/v1/write", "answer 403 closed_path"),
        (
            "victorialogs",
            "/vm/insert/jsonline?_time_field=t&extra_fields=a=b",
            "go on -accountid -projectid -x-scope-orgid -projectid accountid=7 projectid=0 :path=/vm/insert/jsonline?_time_field=t",
        ),
        (
            "victoriatraces",
            "/vm/insert/opentelemetry/v1/traces",
            "go on -accountid -projectid -x-scope-orgid -projectid accountid=7 projectid=0",
        ),
    ];
    for (kind, path, expected) in cases {
        let head = and(&but(WRITE, ":path", path), &client);
        assert_eq!(describe(&victoria(kind, &accounts, &json!({})).head(&head).1), expected, "{kind} {path}");
    }
    // Where labels that name an account may stay, nobody looks.
    let mut world = World::with(|config| {
        config["backends"][0] =
            json!({"name": "metrics", "kind": "victoriametrics-cluster", "isolate": accounts, "path": "/vm"});
        config["write"]["metrics"]["account_labels"] = json!("keep");
    })
    .caller("user", &["own"]);
    let head = and(&but(WRITE, ":path", "/vm/prometheus/api/v1/write?extra_label=a=b&c=d"), &client);
    assert_eq!(
        describe(&world.head(&head).1),
        "go on -accountid -projectid -x-scope-orgid :path=/vm/insert/7:0/prometheus/api/v1/write?c=d"
    );
    // A tenant without an account gets nowhere.
    let mut world = victoria("victorialogs", &accounts, &json!({})).caller("user", &["other"]);
    let (_, step) = world.head(&but(WRITE, ":path", "/vm/insert/jsonline"));
    let reply = answer(step);
    assert_eq!((reply.status, reply.details), (403, "no_account"));
    assert!(text(&reply).contains("the tenant other has no account in this backend"), "{}", text(&reply));
}

/// The labels by which `vminsert` would find an account, in every protocol that can be looked into; and what cannot is
/// refused.
#[test]
fn no_label_names_an_account() {
    let accounts = json!({"account": {"own": "7", "team-a": "1:2"}});
    let world = || {
        let world = World::with(|config| {
            config["backends"][0] =
                json!({"name": "metrics", "kind": "victoriametrics-cluster", "isolate": accounts});
            config["write"]["metrics"] = json!({"tenant": [{"label": "ns"}, "caller"]});
        });
        world.caller("user", &["own"])
    };
    let at = |path| but(WRITE, ":path", path);
    let head = at("/prometheus/api/v1/write?extra_label=vm_account_id=9&extra%5Flabel=vm_project_id=9");
    for name in ["vm_account_id", "vm_project_id", "VictoriaMetrics_AccountID", "VictoriaMetrics_ProjectID"] {
        let forged =
            [up(&[("ns", "team-a"), (name, "9")]), up(&[(name, "8"), ("z", "1")]), up(&[("b", "2")])];
        let clean = [up(&[("ns", "team-a")]), up(&[("z", "1")]), up(&[("b", "2")])];
        let (_, step) = world().request(&head, &body(&forged));
        let parts = calls(step);
        let messages: Vec<_> = parts.iter().map(|call| decompress(&call.body)).collect();
        assert_eq!(messages, [message(&clean[..1]), message(&clean[1..])], "{name}");
        let (_, step) = world().request(&head, &body(&forged[1..]));
        assert_eq!(describe(&step), "go on :path=/insert/7:0/prometheus/api/v1/write with a new body");
        assert_eq!(new_body(step), message(&clean[1..]), "{name}");
        let (_, step) = world().request(&head, &body(&clean[1..]));
        assert_eq!(describe(&step), "go on :path=/insert/7:0/prometheus/api/v1/write", "nothing to change");
    }
    // What cannot be looked into is refused, and so is a notation in which names can be hidden.
    for path in ["/prometheus/api/v1/import", "/prometheus/api/v1/import/csv", "/influx/write"] {
        let (_, step) = world().head(&at(path));
        assert_eq!(describe(&step), "answer 415 cannot_split", "{path}");
    }
    let json = but(
        &but(&at("/opentelemetry/v1/metrics"), "content-type", "application/json"),
        "content-encoding",
        "",
    );
    assert_eq!(describe(&world().head(&json).1), "answer 415 media_type");
    let protobuf = but(&at("/opentelemetry/v1/metrics"), "content-encoding", "");
    assert_eq!(describe(&world().head(&protobuf).1), "keep");
}

#[test]
fn account_labels_are_the_gateways_own() {
    let cluster = |config: &mut Json| {
        config["backends"][0] = json!({"name": "metrics", "kind": "victoriametrics-cluster", "isolate": {"account": {"own": "7"}}});
    };
    let got = load(|config| {
        cluster(config);
        config["write"]["metrics"]["labels"] = json!({"rename": {"x": "vm_project_id"}});
    });
    assert!(got.starts_with("write.metrics.labels.rename.x: this label names an account"), "{got}");
    let got = load(|config| {
        cluster(config);
        config["write"]["metrics"]["account_labels"] = json!("drop");
    });
    assert!(got.starts_with("write.metrics.account_labels: unknown variant `drop`"), "{got}");
    let got = load(|config| config["write"]["metrics"]["account_labels"] = json!("keep"));
    assert!(got.starts_with("write.metrics.account_labels: only for backends of kind"), "{got}");
}

#[test]
fn every_part_goes_to_its_own_account() {
    let accounts = json!({"account": {"own": "7", "team-a": "1:2"}});
    let sent = body(&[up(&[]), up(&[("ns", "team-a")]), up(&[("ns", "team-b")])]);
    let world = |path: Json| {
        let world = World::with(|config| {
            config["backends"][0] = json!({"name": "metrics", "kind": "victoriametrics-cluster", "isolate": accounts, "path": "/vm"});
            config["write"]["metrics"] =
                json!({"tenant": [{"label": "ns"}, "caller"], "calls": {"path": path}});
        });
        world.caller("user", &["own"])
    };
    let head = but(WRITE, ":path", "/vm/prometheus/api/v1/write?c=d");
    for (fixed, before, after) in [
        (Json::Null, "/vm/insert/", "/prometheus/api/v1/write?c=d"),
        (json!("/prometheus/api/v1/push"), "/insert/", "/prometheus/api/v1/push"),
    ] {
        let mut world = world(fixed);
        let (mut exchange, step) = world.request(&head, &sent);
        let parts = calls(step);
        let paths: Vec<_> =
            parts.iter().map(|call| call.headers().find(|(name, _)| *name == ":path").unwrap().1).collect();
        assert_eq!(paths, [format!("{before}7:0{after}"), format!("{before}1:2{after}")]);
        assert!(parts.iter().all(|call| call.headers().filter(|(name, _)| *name == ":path").count() == 1));
        assert!(parts.iter().all(|call| call.headers().all(|(name, _)| name != "x-scope-orgid")));
        // The series of a tenant without an account is named, and costs the others nothing.
        world.answered(&mut exchange, parts[0].id, 204);
        let reply = answer(world.answered(&mut exchange, parts[1].id, 204));
        assert_eq!(reply.status, 400);
        assert!(
            text(&reply).contains("up{ns=\"team-b\"}: the tenant has no account in this backend"),
            "{}",
            text(&reply)
        );
    }
    let mut world = world(Json::Null);
    let (_, step) = world.request(&head, &body(&[up(&[("ns", "team-a")])]));
    assert_eq!(describe(&step), "go on :path=/vm/insert/1:2/prometheus/api/v1/write?c=d");
}
