//! What is told of every protocol alike, and of parts that are not sent.

use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::protocols::{encode, export, push};
use super::{
    Alone, OPT_IN, Process, REMOTE_WRITE_2, Step, WRITE, Worker, World, and, answer, base, but, calls,
    describe, says, series, up,
};
use crate::exchange::prepare;
use crate::write::loki::testing::{NOTATIONS, plain};
use crate::write::otlp::Signal;
use crate::write::otlp::testing::{plain as resource, write};
use crate::write::outcome::Answer;
use crate::write::remote_write::testing::body;
use crate::write::remote_write::v2::testing::{message, said};
use crate::write::written::Written;

/// What was counted by these names.
fn counted(world: &mut World, names: &[&str]) -> Vec<String> {
    let lines = world.counted_finely().into_iter();
    lines.filter(|line| names.iter().any(|name| line.contains(&format!(" {name} ")))).collect()
}

/// The page of the report.
fn report(world: &mut World) -> Json {
    let head = [(":method", "GET"), (":path", "/-/scopegate/report"), (":authority", "x")];
    let (_, step) = world.arrives(&head, true);
    serde_json::from_slice(&answer(step).body).unwrap()
}

/// A user that may write for `team-*`, by the label `ns`, to backends of every protocol.
fn world(change: impl FnOnce(&mut Json)) -> World {
    let mut config = base();
    config["backends"] = json!([
        {"name": "metrics", "kind": "cortex", "host": "metrics.example.org"},
        {"name": "logs", "kind": "loki", "host": "logs.test"},
        {"name": "traces", "kind": "tempo", "host": "traces.test"},
    ]);
    let by_label = json!({"tenant": [{"label": "ns"}, "caller"]});
    config["write"] = json!({"metrics": by_label, "logs": by_label, "traces": by_label});
    config["callers"][1]["may"] = json!(["write", "read", "admin"]);
    config["metrics"] = json!({"tenants": {"pinned": ["own", "team-a"]}});
    config["report"] = json!({});
    change(&mut config);
    World::new(config).caller("user", &["own"])
}

#[test]
fn every_protocol_is_told_alike() {
    const LABELS: [&[(&str, &str)]; 3] = [
        &[("app", "x"), ("ns", "team-a")],
        &[("app", "x"), ("ns", "team-a"), ("more", "1")],
        &[("app", "x"), ("ns", "no tenant")],
    ];
    let mut world = world(|config| config["limits"]["labels_per_series"] = json!(2));
    let second =
        and(&but(WRITE, "content-type", REMOTE_WRITE_2), &[("x-prometheus-remote-write-version", "2.0.0")]);
    let mut requests = vec![
        ("metrics", WRITE.to_vec(), body(&LABELS.map(series))),
        ("metrics", second, message(&LABELS.map(said)).body()),
    ];
    for notation in NOTATIONS {
        let streams = LABELS.map(|labels| plain(labels, &[&[]]));
        requests.push(("logs", but(&push(notation), "x-team", ""), encode(notation, &streams)));
    }
    for json in [false, true] {
        let resources = LABELS.map(|labels| resource(labels, 1));
        let body = write(Signal::Traces, json, &resources);
        requests.push(("traces", export("traces.test", "/v1/traces", json), body));
    }
    for (backend, head, body) in requests {
        let (mut exchange, step) = world.request(&head, &body);
        assert_eq!(describe(&step), "call team-a", "{backend}");
        let call = calls(step).remove(0);
        let wrote = Answer { written: Written::Counts([1, 0, 0]), ..says(204) };
        answer(exchange.answered(&mut world.worker, call.id, wrote, world.now));
        let names = ["series", "series_not_sent", "tenant_requests", "tenant_series", "tenant_samples"];
        let expected = [
            "caller=user tenant=own outcome=rejected reason=too_many_labels series_not_sent 1",
            "caller=user tenant=own outcome=rejected reason=unmapped series_not_sent 1",
            "outcome=rejected reason=too_many_labels series 1",
            "outcome=rejected reason=unmapped series 1",
            "outcome=sent series 1",
            "tenant=team-a class=write code=2xx tenant_requests 1",
            "tenant=team-a code=2xx tenant_samples 1",
            "tenant=team-a code=2xx tenant_series 1",
        ];
        assert_eq!(
            counted(&mut world, &names),
            expected.map(|line| format!("backend={backend} {line}")),
            "{head:?}"
        );
    }
    let page = report(&mut world);
    let keys = page["unmapped_keys"].as_array().unwrap().iter();
    let keys: Vec<_> = keys.map(|key| (&key["backend"], &key["key"], &key["series_at_least"])).collect();
    assert_eq!(
        keys,
        [
            (&json!("logs"), &json!("no tenant"), &json!(3)),
            (&json!("metrics"), &json!("no tenant"), &json!(2)),
            (&json!("traces"), &json!("no tenant"), &json!(2)),
        ],
        "{page}"
    );
}

/// Keys of several labels, and keys that are no longer one for the values of their labels.
#[test]
fn every_series_with_a_key_that_leads_nowhere_is_told() {
    let mut world = world(|config| {
        config["write"]["metrics"] = json!({
            "tenant": [{"labels": ["c", "ns"], "separator": "_"}, {"label": "ns"}, "caller"],
            "on_unmapped": {"tenant": "rest"},
        });
    });
    let labels: [&[(&str, &str)]; 7] = [
        &[("c", "x"), ("ns", "y z")],
        &[("c", "a_b"), ("ns", "c")],
        &[("c", "x"), ("ns", "y z")],
        &[("ns", "y z")],
        &[("c", "x"), ("ns", "y z")],
        &[("c", "a_b"), ("ns", "c")],
        &[("n", "1")],
    ];
    let (_, step) = world.request(WRITE, &body(&labels.map(up)));
    assert_eq!(describe(&step), "call rest own");
    let page = report(&mut world);
    let keys = page["unmapped_keys"].as_array().unwrap().iter();
    let keys: Vec<_> = keys.map(|key| (&key["key"], &key["series_at_least"])).collect();
    assert_eq!(
        keys,
        [(&json!("x_y z"), &json!(3)), (&json!("a_b_c"), &json!(2)), (&json!("y z"), &json!(1))],
        "{page}"
    );
}

/// An agent that impersonates, with these rules for answers, in a process that remembers.
fn agent(answers: &Json) -> World {
    let mut config = base();
    config["write"]["metrics"]["answers"] = answers.clone();
    config["metrics"] = json!({"tenants": {"pinned": ["own", "cluster-a", "cluster-b"]}});
    config["access_log"] = json!(true);
    let mut world = World::new(config);
    let process: Rc<dyn Process> = Rc::new(Alone::default());
    prepare(&*process, &world.policy).unwrap();
    world.worker = Worker::new(process);
    world.caller("agent", &["own"])
}

/// Sends one series for each tenant, and answers its calls; gives the status of the answer.
fn attempt(world: &mut World, tenants: &[&str], status: impl Fn(&str) -> u16) -> u16 {
    let sent = body(&tenants.iter().map(|tenant| up(&[("imp", tenant)])).collect::<Vec<_>>());
    let (mut exchange, mut step) = world.request(&and(WRITE, &[OPT_IN]), &sent);
    loop {
        step = match step {
            Step::Call(calls) => {
                let answers = calls.iter().map(|call| (call.id, status(call.tenant.as_str())));
                answers.fold(Step::Wait, |_, (id, status)| world.answered(&mut exchange, id, status))
            }
            Step::Read => exchange.body(&mut world.worker, Ok(sent.clone()), world.now),
            step => return answer(step).status,
        };
    }
}

/// What an earlier attempt has settled was counted then.
#[test]
fn parts_that_are_not_sent_again_are_not_counted_again() {
    let mut world = agent(&json!({}));
    let both = ["cluster-a", "cluster-b"];
    assert_eq!(attempt(&mut world, &both, |tenant| if tenant == "cluster-b" { 503 } else { 200 }), 503);
    let names = ["series", "parts", "tenant_series"];
    assert_eq!(
        counted(&mut world, &names),
        [
            "backend=metrics outcome=remembered parts 1",
            "backend=metrics outcome=sent series 2",
            "backend=metrics tenant=cluster-a code=2xx tenant_series 1",
            "backend=metrics tenant=cluster-b code=5xx tenant_series 1",
        ]
    );
    assert_eq!(attempt(&mut world, &both, |_| 200), 200);
    assert_eq!(
        counted(&mut world, &names),
        [
            "backend=metrics outcome=not_sent_again parts 1",
            "backend=metrics outcome=sent series 1",
            "backend=metrics tenant=cluster-b code=2xx tenant_series 1",
        ]
    );
    assert_eq!(
        world.worker.take_note().unwrap(),
        "decision=split reason=- backend=metrics class=write caller=agent tenants=cluster-b|cluster-a series=1 samples=1 parts=1"
    );
}

#[test]
fn what_is_given_up_is_counted_for_its_tenant_and_for_who_sent_it() {
    let mut world = agent(&json!({"remember": "0s", "give_up": {"after": "0s", "attempts": 2}}));
    let status = |tenant: &str| if tenant == "cluster-b" { 500 } else { 200 };
    assert_eq!(attempt(&mut world, &["cluster-a", "cluster-b"], status), 503);
    assert_eq!(attempt(&mut world, &["cluster-b"], status), 400);
    let names = ["series", "series_not_sent", "tenant_requests", "tenant_series"];
    counted(&mut world, &names);
    // From here on it is not even tried.
    assert_eq!(attempt(&mut world, &["cluster-b"], status), 400);
    assert_eq!(
        counted(&mut world, &names),
        [
            "backend=metrics caller=agent tenant=own outcome=dropped reason=given_up series_not_sent 1",
            "backend=metrics outcome=dropped reason=given_up series 1",
            "backend=metrics tenant=cluster-b class=write code=0xx tenant_requests 1",
            "backend=metrics tenant=cluster-b code=0xx tenant_series 1",
        ]
    );
    assert_eq!(
        world.worker.take_note().unwrap(),
        "decision=split reason=- backend=metrics class=write caller=agent tenants=cluster-b series=0 samples=0 parts=0"
    );
}

/// A sender of remote write 2.0 counts what was written, each kind for itself, also by an earlier attempt.
#[test]
fn what_an_earlier_attempt_wrote_is_told() {
    let mut world = agent(&json!({}));
    let head = and(
        &but(WRITE, "content-type", REMOTE_WRITE_2),
        &[("x-prometheus-remote-write-version", "2.0.0"), OPT_IN],
    );
    let sent = message(&["cluster-a", "cluster-b"].map(|to| said(&[("__name__", "up"), ("imp", to)]))).body();
    let wrote = |status| Answer { written: Written::Counts([1, 0, 0]), ..says(status) };
    let (mut exchange, step) = world.request(&head, &sent);
    assert_eq!(describe(&step), "call cluster-a cluster-b");
    let first = Answer { written: Written::Counts([1, 200, 3]), ..says(204) };
    exchange.answered(&mut world.worker, 0, first, world.now);
    let step = world.answered(&mut exchange, 1, 503);
    assert_eq!(describe(&step), "read");
    exchange.body(&mut world.worker, Ok(sent.clone()), world.now);
    let (mut exchange, step) = world.request(&head, &sent);
    let call = calls(step).remove(0);
    let reply = answer(exchange.answered(&mut world.worker, call.id, wrote(204), world.now));
    assert_eq!(reply.status, 204);
    for (what, count) in [("samples", "2"), ("histograms", "200"), ("exemplars", "3")] {
        let told =
            reply.headers.iter().find(|(name, _)| name.contains(what)).map(|(_, count)| count.as_str());
        assert_eq!(told, Some(count), "{what}: {reply:?}");
    }
    // And a success that tells nothing is no success.
    counted(&mut world, &[]);
    let (mut exchange, _) = world.request(&head, &sent);
    world.answered(&mut exchange, 0, 204);
    assert_eq!(
        counted(&mut world, &["calls", "tenant_series"]),
        ["backend=metrics code=2xx calls 1", "backend=metrics tenant=cluster-a code=0xx tenant_series 1",]
    );
}
