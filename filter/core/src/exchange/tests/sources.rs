//! Where the tenant of a series comes from: several labels, patterns, tables, and a second tenant for a while.

use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Head, WRITE, World, and, answer, body, calls, decompress, describe, message, text, up};
use crate::exchange::{Process, Step};
use crate::table::{Fetched, Tables};
use crate::write::remote_write::testing::TimeSeries;

/// The sources under test, a table of three namespaces, and a user that may write for `team-*` too.
fn world(sources: Json) -> World {
    with(|config| config["write"]["metrics"]["tenant"] = sources)
}

fn with(change: impl FnOnce(&mut Json)) -> World {
    let world = World::with(|config| {
        config["tables"] = json!({
            "orgs": {"static": {"shop": "team-a", "bar": "own", "evil": "foreign", "eu/shop": "team-b"}},
        });
        change(config);
    });
    world.caller("user", &["own"])
}

/// What becomes of one series with these labels.
fn one(world: &mut World, labels: &[(&str, &str)]) -> String {
    let (_, step) = world.request(WRITE, &body(&[up(labels)]));
    match step {
        Step::Reply(reply) => format!("answer {} {}", reply.status, text(&reply).trim()),
        step => describe(&step),
    }
}

#[test]
fn sources_lead_to_tenants() {
    type Case<'a> = (&'a str, Json, &'a [(&'a str, &'a str)], &'a str);
    let sent = |tenant: &str| format!("go on x-scope-orgid={tenant}");
    let (a, b, own, unmapped, absent, foreign) = (
        sent("team-a"),
        sent("team-b"),
        sent("own"),
        "the label leads to no tenant",
        "no label names a tenant",
        "the tenant is not allowed to this caller",
    );
    let composite = || json!([{"labels": ["cluster", "namespace"], "table": "orgs"}]);
    let tenants = || json!([{"labels": ["cluster", "namespace"], "separator": "_"}]);
    let cases: &[Case<'_>] = &[
        ("a table", json!([{"label": "ns", "table": "orgs"}]), &[("ns", "shop")], &a),
        ("the caller's own", json!([{"label": "ns", "table": "orgs"}]), &[("ns", "bar")], &own),
        // The table is the administrator's, and still leads nobody where he may not write.
        ("a foreign tenant", json!([{"label": "ns", "table": "orgs"}]), &[("ns", "evil")], foreign),
        ("not in the table", json!([{"label": "ns", "table": "orgs"}]), &[("ns", "team-a")], unmapped),
        (
            "not in the table, then the caller",
            json!([{"label": "ns", "table": "orgs"}, "caller"]),
            &[("ns", "x")],
            unmapped,
        ),
        (
            "an empty label falls through",
            json!([{"label": "ns", "table": "orgs"}, "caller"]),
            &[("ns", "")],
            &own,
        ),
        ("no label", json!([{"label": "ns", "table": "orgs"}]), &[], absent),
        ("a pattern", json!([{"label": "pod", "regex": "([a-z-]+)-[0-9]+"}]), &[("pod", "team-a-12")], &a),
        (
            "a pattern is anchored",
            json!([{"label": "pod", "regex": "([a-z-]+)-[0-9]+"}]),
            &[("pod", "team-a-12x")],
            unmapped,
        ),
        ("a prefix", json!([{"label": "team", "prefix": "team-"}]), &[("team", "a")], &a),
        (
            "prefix and suffix",
            json!([{"label": "team", "prefix": "te", "suffix": "a"}]),
            &[("team", "am-")],
            &a,
        ),
        (
            "all in their order",
            json!([{"label": "pod", "regex": "pod-(.*)", "table": "orgs", "prefix": "team-", "suffix": "-x"}]),
            &[("pod", "pod-shop")],
            "go on x-scope-orgid=team-team-a-x",
        ),
        ("several labels", composite(), &[("cluster", "eu"), ("namespace", "shop")], &b),
        ("in the order of the source", composite(), &[("namespace", "shop"), ("cluster", "eu")], &b),
        ("one is missing", composite(), &[("namespace", "shop")], absent),
        ("one is empty", composite(), &[("cluster", ""), ("namespace", "shop")], absent),
        ("the separator within", composite(), &[("cluster", "eu/shop"), ("namespace", "x")], unmapped),
        (
            "as a tenant",
            tenants(),
            &[("cluster", "team-x"), ("namespace", "shop")],
            "go on x-scope-orgid=team-x_shop",
        ),
        ("two that look the same", tenants(), &[("cluster", "team-x_y"), ("namespace", "shop")], unmapped),
        (
            "several labels, then one",
            json!([{"labels": ["cluster", "namespace"], "table": "orgs"}, {"label": "namespace", "table": "orgs"}]),
            &[("namespace", "shop")],
            &a,
        ),
    ];
    for (what, sources, labels, expected) in cases {
        let became = one(&mut world(sources.clone()), labels);
        assert!(became.ends_with(expected), "{what}: {became}, not {expected}");
    }
}

#[test]
fn each_series_of_one_request_goes_its_way() {
    let mut world = world(json!([
        {"labels": ["site", "namespace"], "table": "orgs", "remove": true},
        {"label": "namespace", "table": "orgs"},
        "caller",
    ]));
    let sent = [
        up(&[("site", "eu"), ("namespace", "shop"), ("n", "1")]),
        up(&[("namespace", "shop"), ("n", "2")]),
        up(&[("site", "eu"), ("namespace", "shop"), ("n", "3")]),
        up(&[("n", "4")]),
    ];
    // With `remove` a label is taken off wherever it stands, whichever source decides.
    let expected = [
        ("team-b".to_owned(), message(&[up(&[("n", "1")]), up(&[("n", "3")])])),
        ("team-a".to_owned(), message(&[up(&[("n", "2")])])),
        ("own".to_owned(), message(&[up(&[("n", "4")])])),
    ];
    assert_eq!(split(&mut world, &sent), expected);
}

#[test]
fn headers_lead_to_own_tenants_only() {
    let keyed = || json!([{"header": "X-Team", "table": "orgs"}, "caller"]);
    let cases: &[(Json, Head<'_>, &str)] = &[
        (keyed(), &[("x-team", "bar")], "go on -x-team x-scope-orgid=own"),
        (keyed(), &[], "go on x-scope-orgid=own"),
        // Labels may lead to `team-*`; a header never does.
        (keyed(), &[("x-team", "shop")], "answer 403 foreign_tenant"),
        (keyed(), &[("x-team", "none")], "answer 400 unmapped"),
        (keyed(), &[("x-team", "")], "answer 400 unmapped"),
        (keyed(), &[("x-team", "bar"), ("x-team", "bar")], "answer 400 repeated_header"),
        (
            json!([{"header": "X-Team", "regex": "(o.*)-x"}]),
            &[("x-team", "own-x")],
            "go on -x-team x-scope-orgid=own",
        ),
        (
            json!([{"header": "X-Team", "prefix": "o"}]),
            &[("x-team", "wn")],
            "go on -x-team x-scope-orgid=own",
        ),
    ];
    for (sources, headers, expected) in cases {
        let mut world = world(sources.clone());
        let (_, step) = world.head(&and(WRITE, headers));
        assert_eq!(describe(&step), *expected, "{sources} {headers:?}");
    }
}

/// A world whose table is fetched, and its process.
fn remote(until_loaded: &str) -> (World, Rc<dyn Process>) {
    let world = with(|config| {
        config["tables"]["orgs"] = json!({
            "http": {"cluster": "inventory", "path": "/orgs.json"}, "until_loaded": until_loaded,
        });
        config["write"]["metrics"]["tenant"] = json!([{"label": "ns", "table": "orgs"}]);
    });
    let process = Rc::clone(&world.worker.process);
    (world, process)
}

fn load(tables: &mut Tables, entries: &Json, now: u64) {
    let [get] = tables.tick(now).try_into().expect("one call");
    let body = Some(entries.to_string().into_bytes());
    assert_eq!(tables.answered(get.id, Fetched { status: Ok(200), body }, now), None);
}

#[test]
fn until_a_table_is_there() {
    let (mut world, process) = remote("refuse");
    world.worker.tables = Tables::new(&world.policy.tables, Rc::clone(&process), 1);
    let (_, step) = world.head(WRITE);
    let reply = answer(step);
    assert_eq!((reply.status, reply.details), (503, "table_not_loaded"));
    assert!(reply.headers.contains(&("retry-after", "1".to_owned())));
    assert!(text(&reply).contains("orgs"));
    // Another worker fetched it: this one has it at once.
    let mut other = Tables::new(&world.policy.tables, Rc::clone(&process), 2);
    load(&mut other, &json!({"shop": "team-a"}), 0);
    assert_eq!(one(&mut world, &[("ns", "shop")]), "go on x-scope-orgid=team-a");

    let (mut world, process) = remote("default");
    world.worker.tables = Tables::new(&world.policy.tables, Rc::clone(&process), 1);
    assert!(one(&mut world, &[("ns", "shop")]).ends_with("the label leads to no tenant"));
}

/// A table that changes in the middle of a request changes nothing for it.
#[test]
fn one_request_sees_one_table() {
    let (mut world, process) = remote("refuse");
    world.worker.tables = Tables::new(&world.policy.tables, process, 1);
    load(&mut world.worker.tables, &json!({"shop": "team-a"}), 0);
    let (mut exchange, step) = world.head(WRITE);
    assert_eq!(describe(&step), "keep");
    load(&mut world.worker.tables, &json!({"shop": "team-b"}), 100_000);
    let body = body(&[up(&[("ns", "shop")])]);
    let step = exchange.body(&mut world.worker, Ok(body.clone()), world.now);
    assert_eq!(describe(&step), "go on x-scope-orgid=team-a");
    let (_, step) = world.request(WRITE, &body);
    assert_eq!(describe(&step), "go on x-scope-orgid=team-b");
}

/// A request that needs no table is not kept from its way.
#[test]
fn who_needs_no_table_does_not_wait() {
    let (mut world, _) = remote("refuse");
    let (_, step) = world.head(super::QUERY);
    assert_eq!(describe(&step), "go on x-scope-orgid=own");
}

fn moving(world: &mut World, date: u64) -> &mut World {
    world.worker.wall_seconds = Some(date);
    world
}

/// The parts of a split, as tenants and the bytes of their messages.
fn split(world: &mut World, series: &[TimeSeries]) -> Vec<(String, Vec<u8>)> {
    let (_, step) = world.request(WRITE, &body(series));
    let calls = calls(step);
    calls.into_iter().map(|call| (call.tenant.to_string(), decompress(&call.body))).collect()
}

#[test]
fn a_namespace_that_moves_is_written_twice_until_its_date() {
    let mut world = with(|config| {
        config["write"]["metrics"] = json!({
            "tenant": [{"label": "ns", "table": "orgs", "remove": true}],
            "also_write": [{"key": "shop", "to": "old-org", "until": "2026-12-31T00:00:00Z"}],
        });
    });
    let until = 1_798_675_200;
    let sent = [
        up(&[("ns", "shop"), ("n", "1")]),
        up(&[("ns", "bar"), ("n", "2")]),
        up(&[("ns", "shop"), ("n", "3")]),
    ];
    let moved = message(&[up(&[("n", "1")]), up(&[("n", "3")])]);
    let parts = split(moving(&mut world, until - 1), &sent);
    assert_eq!(
        parts,
        [
            ("team-a".to_owned(), moved.clone()),
            ("old-org".to_owned(), moved.clone()),
            ("own".to_owned(), message(&[up(&[("n", "2")])])),
        ]
    );
    assert!(world.counted().contains(&"backend=metrics series_doubled 2".to_owned()));
    for date in [Some(until), None] {
        world.worker.wall_seconds = date;
        let parts = split(&mut world, &sent);
        assert_eq!(parts.len(), 2, "{date:?}");
        assert_eq!(parts[0], ("team-a".to_owned(), moved.clone()));
        assert!(!world.counted().iter().any(|line| line.contains("doubled")));
    }
}

#[test]
fn a_tenant_that_moves_is_written_twice_also_where_the_head_decides() {
    let mut world = with(|config| {
        config["write"]["metrics"] = json!({
            "also_write": [{"tenant": "own", "to": "next", "until": "2026-12-31T00:00:00Z"}],
        });
    });
    let sent = [up(&[("n", "1")]), up(&[("n", "2")])];
    let (_, step) = world.head(WRITE);
    assert_eq!(describe(&step), "go on x-scope-orgid=own", "without a date nothing is doubled");
    let parts = split(moving(&mut world, 0), &sent);
    assert_eq!(parts, [("own".to_owned(), message(&sent)), ("next".to_owned(), message(&sent))]);
    // Whom it does not concern, nobody looks into.
    let mut agent = world.caller("agent", &["other"]);
    agent.worker.wall_seconds = Some(0);
    assert_eq!(describe(&agent.head(WRITE).1), "go on x-scope-orgid=other");
}

/// To whom a series with these labels goes: the sources written down as plainly as can be.
fn model(cluster: &str, namespace: &str) -> Vec<&'static str> {
    let tenant = match (cluster, namespace) {
        ("" | "_" | "team-b", "") => "own",
        ("", namespace) => namespace,
        ("team-b", "x") => "team-b_x",
        ("team-b", "team-a") => "team-b_team-a",
        // The separator within, or not a tenant that this caller may write to.
        _ => return vec![],
    };
    match tenant {
        "own" => vec!["own", "second"],
        "team-a" => vec!["team-a", "by-key"],
        "team-b_x" => vec!["team-b_x"],
        "team-b_team-a" => vec!["team-b_team-a"],
        _ => vec![],
    }
}

proptest! {
    /// Whatever comes: each series goes exactly where the model says, in its order, byte for byte.
    #[test]
    fn several_labels_and_second_tenants_follow_the_model(
        sent in prop::collection::vec((0..3_usize, 0..3_usize, any::<bool>()), 1..12)
    ) {
        let clusters = ["", "team-b", "_"];
        let namespaces = ["", "team-a", "x"];
        let mut world = with(|config| {
            config["write"]["metrics"] = json!({
                "tenant": [{"labels": ["cluster", "namespace"], "separator": "_"}, {"label": "namespace"}, "caller"],
                "also_write": [
                    {"tenant": "own", "to": "second", "until": "2026-12-31T00:00:00Z"},
                    {"key": "team-a", "to": "by-key", "until": "2026-12-31T00:00:00Z"},
                ],
            });
        });
        world.worker.wall_seconds = Some(0);
        let mut expected: BTreeMap<&str, Vec<TimeSeries>> = BTreeMap::new();
        let mut series = Vec::new();
        for (n, (cluster, namespace, swapped)) in sent.iter().enumerate() {
            let n = n.to_string();
            let mut labels = vec![("cluster", clusters[*cluster]), ("namespace", namespaces[*namespace]), ("n", n.as_str())];
            if *swapped {
                labels.reverse();
            }
            series.push(up(&labels));
            for tenant in model(clusters[*cluster], namespaces[*namespace]) {
                expected.entry(tenant).or_default().push(up(&labels));
            }
        }
        let body = body(&series);
        let (_, step) = world.request(WRITE, &body);
        let got: BTreeMap<String, Vec<u8>> = match step {
            Step::Call(calls) => {
                calls.into_iter().map(|call| (call.tenant.to_string(), decompress(&call.body))).collect()
            }
            Step::Continue(changes) => {
                let tenant = changes.headers.set.iter().find(|(name, _)| name == "x-scope-orgid").unwrap();
                [(tenant.1.clone(), decompress(&changes.body.unwrap_or(body)))].into()
            }
            _ => BTreeMap::new(),
        };
        let expected: BTreeMap<String, Vec<u8>> =
            expected.into_iter().map(|(tenant, series)| (tenant.to_owned(), message(&series))).collect();
        prop_assert_eq!(got, expected);
    }
}
