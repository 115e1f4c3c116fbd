//! Labels that writes get on their way.

use serde_json::{Value as Json, json};

use super::{
    Changes, Head, QUERY, Step, WRITE, World, and, answer, base, but, calls, describe, message, text, up,
};
use crate::caller::testing::environment;
use crate::config::Config;
use crate::policy::Policy;
use crate::write::remote_write::testing::{body, decompress, series};

/// What loading a configuration says; the base with these changes.
pub(super) fn load(change: impl FnOnce(&mut Json)) -> String {
    let mut config = base();
    change(&mut config);
    let result = Config::from_json(config).and_then(|config| Policy::compile(&config, &environment));
    result.map_or_else(|error| error.to_string(), |_| "fine".to_owned())
}

#[test]
fn contradictory_labels_are_errors() {
    let ha = "an HA tracker decides by this label (ha_labels)";
    let only = "only one can hold";
    let cases: Vec<(Json, String)> = vec![
        (
            json!({"set": {"region": "eu"}, "replace": {"a": {"from": "tenant"}}, "remove": "b", "rename": {"c": "d"}}),
            "fine".into(),
        ),
        (
            json!([{"protocols": ["remote_write"], "set": {"a": "1"}}, {"set": {"a": {"claim": ["x", "y"]}}}]),
            "fine".into(),
        ),
        (json!([]), "fine".into()),
        (json!({"sett": {}}), "write.metrics.labels.sett: unknown field `sett`".into()),
        (
            json!("x"),
            "write.metrics.labels: expected {set: …, replace: …, remove: […], rename: …} or a list of such"
                .into(),
        ),
        (json!({"set": {"a": 1}}), "write.metrics.labels.set.a: expected a text (quote it)".into()),
        (
            json!({"set": {"a": {"from": "nobody"}}}),
            "write.metrics.labels.set.a.from: unknown variant `nobody`".into(),
        ),
        (json!({"set": {"a": {}}}), "write.metrics.labels.set.a: give exactly one of `from`, `claim`".into()),
        (
            json!({"set": {"a": {"from": "tenant", "claim": "x"}}}),
            "write.metrics.labels.set.a: give exactly one of".into(),
        ),
        (json!({"set": {"a": {"claim": []}}}), "write.metrics.labels.set.a.claim: name the claim".into()),
        (json!({"set": {"": "x"}}), "write.metrics.labels.set.: a label has a name".into()),
        (json!({"remove": [""]}), "write.metrics.labels.remove[0]: a label has a name".into()),
        (
            json!({"remove": ["a", "__name__"]}),
            "write.metrics.labels.remove[1]: this is the name of the metric".into(),
        ),
        (
            json!({"rename": {"__name__": "x"}}),
            "write.metrics.labels.rename.__name__: this is the name".into(),
        ),
        (json!({"rename": {"x": "__name__"}}), "write.metrics.labels.rename.x: this is the name".into()),
        (json!({"set": {"cluster": "x"}}), format!("write.metrics.labels.set.cluster: {ha}")),
        (json!({"replace": {"__replica__": "x"}}), format!("write.metrics.labels.replace.__replica__: {ha}")),
        (json!({"remove": "cluster"}), format!("write.metrics.labels.remove[0]: {ha}")),
        (json!({"rename": {"cluster": "x"}}), format!("write.metrics.labels.rename.cluster: {ha}")),
        (json!({"rename": {"x": "cluster"}}), format!("write.metrics.labels.rename.x: {ha}")),
        (json!([{"set": {"cluster": "x"}}]), format!("write.metrics.labels[0].set.cluster: {ha}")),
        (
            json!({"set": {"a": "x"}, "remove": ["a"]}),
            format!("write.metrics.labels.remove[0]: `a` stands in write.metrics.labels.set.a too: {only}"),
        ),
        (
            json!({"set": {"a": "x"}, "replace": {"a": "y"}}),
            format!("write.metrics.labels.replace.a: `a` stands in write.metrics.labels.set.a too: {only}"),
        ),
        (
            json!({"set": {"a": "x"}, "rename": {"b": "a"}}),
            format!("write.metrics.labels.rename.b: `a` stands in write.metrics.labels.set.a too: {only}"),
        ),
        (
            json!({"rename": {"a": "b", "b": "c"}}),
            format!("write.metrics.labels.rename.b: `b` stands in write.metrics.labels.rename.a too: {only}"),
        ),
        (
            json!({"rename": {"a": "c", "b": "c"}}),
            format!("write.metrics.labels.rename.b: `c` stands in write.metrics.labels.rename.a too: {only}"),
        ),
        (
            json!({"rename": {"a": "a"}}),
            format!("write.metrics.labels.rename.a: `a` stands in write.metrics.labels.rename.a too: {only}"),
        ),
        (json!({"protocols": []}), "write.metrics.labels.protocols: name at least one protocol".into()),
        (
            json!({"protocols": ["influx"]}),
            "write.metrics.labels.protocols[0]: unknown variant `influx`".into(),
        ),
        (
            json!([{}, {"protocols": ["loki_push"]}]),
            "write.metrics.labels[1]: every protocol is in an entry above".into(),
        ),
        (
            json!([{"protocols": ["loki_push"]}, {"protocols": ["otlp_logs", "loki_push"]}]),
            "write.metrics.labels[1]: loki_push is in an entry above".into(),
        ),
    ];
    for (labels, expected) in cases {
        let got = load(|config| config["write"]["metrics"]["labels"] = labels.clone());
        assert!(got.starts_with(&expected), "{labels}\n got: {got}\nwant: {expected}");
    }
    let own = |config: &mut Json, ha_labels: Json| {
        config["write"]["metrics"] =
            json!({"ha_labels": ha_labels, "labels": {"set": {"cluster": "x", "site": "y"}}});
    };
    assert_eq!(load(|config| own(config, json!([]))), "fine");
    assert!(
        load(|config| own(config, json!(["site"])))
            .starts_with("write.metrics.labels.set.site: an HA tracker")
    );
    // In every protocol, and by whatever takes a label off.
    for protocol in ["remote_write", "loki_push", "otlp_metrics", "otlp_logs", "otlp_traces"] {
        let labels = json!([{"protocols": [protocol], "rename": {"__replica__": "replica"}}]);
        let got = load(|config| config["write"]["metrics"]["labels"] = labels);
        assert!(got.starts_with(&format!("write.metrics.labels[0].rename.__replica__: {ha}")), "{got}");
    }
    let source = |remove: bool, ha_labels: Json| {
        load(|config| {
            config["write"]["metrics"] = json!({
                "tenant": ["caller", {"labels": ["cluster", "ns"], "separator": "_", "remove": remove}], "ha_labels": ha_labels,
            });
            config["write"]["metrics"]["tenant"].as_array_mut().unwrap().reverse();
        })
    };
    assert_eq!(source(false, Json::Null), "fine");
    assert_eq!(source(true, json!(["ha"])), "fine");
    let got = source(true, Json::Null);
    assert!(got.starts_with(&format!("write.metrics.tenant[0].remove: {ha}")), "{got}");
    let got = load(|config| config["callers"][0]["impersonate"]["label"] = json!("__replica__"));
    assert!(
        got.starts_with("callers[0].impersonate.label: it is taken off, and an HA tracker of metrics"),
        "{got}"
    );
    let loki = |config: &mut Json| {
        config["backends"][0]["kind"] = json!("loki");
        config["write"]["metrics"]["labels"] = json!({"set": {"a.b": "x"}});
    };
    assert!(load(loki).starts_with("write.metrics.labels.set.a.b: Loki takes label names of"));
}

/// The body that goes on, as a message.
pub(super) fn new_body(step: Step) -> Vec<u8> {
    match step {
        Step::Continue(Changes { body: Some(body), .. }) => decompress(&body),
        other => panic!("no new body: {other:?}"),
    }
}

fn labelled(labels: Json) -> impl FnOnce(&mut Json) {
    move |config| {
        config["write"]["metrics"] = json!({"tenant": [{"label": "ns"}, "caller"], "labels": labels});
    }
}

#[test]
fn values_come_from_where_they_are_said_to() {
    let labels = json!({
        "set": {"region": "eu", "by": {"from": "caller"}, "to": {"from": "tenant"}, "of": {"from": "own_tenant"},
                "mail": {"claim": ["who"]}},
        "remove": ["tmp"], "rename": {"pod_name": "pod"}, "replace": {"zone": "z"},
    });
    let sent = [
        up(&[("mail", "evil"), ("ns", "own"), ("pod_name", "p"), ("tmp", "1"), ("zone", "1")]),
        up(&[("ns", "team-a")]),
    ];
    let mut world = World::with(labelled(labels)).caller("user", &["own"]);
    let ours = |to| [("mail", "user"), ("ns", to), ("of", "own"), ("region", "eu"), ("to", to)];
    let (_, step) = world.request(WRITE, &body(&sent));
    let sent = calls(step);
    let expected = |to, more: &[(&'static str, &'static str)]| {
        let mut labels = [&[("__name__", "up"), ("by", "user")][..], &ours(to), more].concat();
        labels.sort_unstable();
        message(&[series(&labels)])
    };
    assert_eq!(decompress(&sent[0].body), expected("own", &[("pod", "p"), ("zone", "z")]));
    assert_eq!(decompress(&sent[1].body), expected("team-a", &[]));
}

#[test]
fn one_tenant_is_looked_into_where_labels_change() {
    let mut world =
        World::with(|config| config["write"]["metrics"]["labels"] = json!({"set": {"region": "eu"}}));
    world = world.caller("user", &["own"]);
    let (_, step) = world.request(WRITE, &body(&[up(&[("a", "1")]), up(&[("region", "eu")])]));
    assert_eq!(describe(&step), "go on x-scope-orgid=own with a new body");
    assert_eq!(new_body(step), message(&[up(&[("a", "1"), ("region", "eu")]), up(&[("region", "eu")])]));
    // What has the labels already goes on as it came.
    let (_, step) =
        world.request(WRITE, &body(&[up(&[("region", "eu")]), up(&[("region", "eu"), ("z", "1")])]));
    assert_eq!(describe(&step), "go on x-scope-orgid=own");
}

#[test]
fn the_tenant_is_found_before_labels_change() {
    let labels = json!({"rename": {"namespace": "ns"}, "remove": ["imp2"]});
    let mut world = World::with(labelled(labels)).caller("user", &["own"]);
    let (_, step) = world.request(WRITE, &body(&[up(&[("namespace", "team-b"), ("ns", "own")])]));
    assert_eq!(describe(&step), "go on x-scope-orgid=own with a new body");
    assert_eq!(new_body(step), message(&[up(&[("ns", "team-b")])]));
}

#[test]
fn labels_are_for_the_protocols_they_are_for() {
    let mut world = World::with(|config| {
        config["backends"][0]["kind"] = json!("mimir");
        config["write"]["metrics"]["labels"] = json!([{"protocols": ["remote_write"], "set": {"a": "1"}}]);
    });
    world = world.caller("user", &["own"]);
    let otlp = but(&but(WRITE, ":path", "/otlp/v1/metrics"), "content-encoding", "");
    assert_eq!(describe(&world.head(&otlp).1), "go on x-scope-orgid=own");
    assert_eq!(describe(&world.head(WRITE).1), "keep");
    // What cannot be changed is refused where it would have to be.
    let influx = but(&but(WRITE, ":path", "/api/v1/push/influx/write"), "content-encoding", "");
    assert_eq!(describe(&world.head(&influx).1), "go on x-scope-orgid=own");
    let mut world = World::with(|config| {
        config["backends"][0]["kind"] = json!("mimir");
        config["write"]["metrics"]["labels"] = json!({"set": {"a": "1"}});
    });
    world = world.caller("user", &["own"]);
    assert_eq!(describe(&world.head(&influx).1), "answer 415 cannot_split");
}

#[test]
fn callers_that_lack_what_a_label_is_taken_from_are_refused() {
    let refused = |labels: Json, tenants: &[&str], head: Head<'_>| {
        let mut world = World::with(|config| {
            config["write"]["metrics"] = json!({"labels": {"set": labels}});
        });
        world = world.caller("user", tenants);
        let (_, step) = world.head(head);
        let line = describe(&step);
        (line, if let Step::Reply(reply) = step { text(&reply).to_owned() } else { String::new() })
    };
    let (line, words) = refused(json!({"x": {"claim": ["a", "b"]}}), &["own"], WRITE);
    assert_eq!(line, "answer 403 label_claim");
    assert!(
        words.contains("gets a label from the claim a › b of this caller, which must be exactly one text"),
        "{words}"
    );
    // Several are not one, and one of a list is.
    assert_eq!(
        refused(
            json!({"x": {"claim": "tenants"}}),
            &["own", "other"],
            &and(WRITE, &[("x-scope-orgid", "own")])
        )
        .0,
        "answer 403 label_claim"
    );
    assert_eq!(refused(json!({"x": {"claim": "tenants"}}), &["own"], WRITE).0, "keep");
    let several = refused(
        json!({"x": {"from": "own_tenant"}}),
        &["own", "other"],
        &and(WRITE, &[("x-scope-orgid", "own")]),
    );
    assert_eq!(several.0, "answer 403 label_tenant");
    assert!(several.1.contains("this one has several (other|own)"), "{}", several.1);
    // A read gets no label.
    assert_eq!(refused(json!({"x": {"claim": "none"}}), &["own"], QUERY).0, "go on x-scope-orgid=own");
}

#[test]
fn a_series_without_labels_of_its_own_is_rejected() {
    let labels = json!({"set": {"region": "eu"}, "remove": ["only"]});
    let mut world = World::with(labelled(labels)).caller("user", &["own"]);
    let (_, step) = world.request(WRITE, &body(&[series(&[])]));
    assert_eq!(describe(&step), "answer 400 split_refused");
    let mut world = World::with(labelled(json!({"remove": ["only"]}))).caller("user", &["own"]);
    let (_, step) = world.request(WRITE, &body(&[series(&[("only", "1")])]));
    let reply = answer(step);
    assert!(text(&reply).contains("no label is left"), "{}", text(&reply));
}
