//! Requests that come again: what is sent again and what is not, and what the sender is told in the end.

use core::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::{Alone, Process, SlotFailure, Stored, prepare};
use super::{
    OPT_IN, Step, WRITE, Worker, World, and, answer, body, decompress, describe, says, series, text,
};
use crate::http::Reply;
use crate::write::outcome::Answer;

/// A worker of this process, whose agent writes for clusters, with these rules for the answers.
fn world(process: &Rc<dyn Process>, answers: &Json) -> World {
    let world = World::with(|config| config["write"]["metrics"]["answers"] = answers.clone());
    prepared(world, process)
}

fn prepared(mut world: World, process: &Rc<dyn Process>) -> World {
    prepare(&**process, &world.policy).unwrap();
    world.worker = Worker::new(Rc::clone(process));
    world.caller("agent", &["own"])
}

fn alone() -> Rc<dyn Process> {
    Rc::new(Alone::default())
}

/// A body with one series for each of these tenants.
fn for_tenants(tenants: &[&str]) -> Vec<u8> {
    body(&tenants.iter().map(|tenant| series(&[("__name__", "up"), ("imp", tenant)])).collect::<Vec<_>>())
}

/// Sends a request and answers each call; gives the tenants that were sent a part, and the answer.
fn attempt(world: &mut World, body: &[u8], says: impl Fn(&str) -> Answer) -> (Vec<String>, Reply) {
    let (mut exchange, mut step) = world.request(&and(WRITE, &[OPT_IN]), body);
    let (mut sent, mut waiting) = (Vec::new(), Vec::new());
    loop {
        step = match step {
            Step::Call(calls) => {
                for call in calls {
                    // Each part holds one series, and it is the tenant's own.
                    assert_eq!(
                        decompress(&call.body),
                        decompress(&super::body(&[series(&[("__name__", "up")])]))
                    );
                    sent.push(call.tenant.to_string());
                    waiting.push(call);
                }
                Step::Wait
            }
            Step::Wait => {
                let call = waiting.remove(0);
                exchange.answered(&mut world.worker, call.id, says(call.tenant.as_str()), world.now)
            }
            Step::Read => exchange.body(&mut world.worker, Ok(body.to_vec()), world.now),
            Step::Reply(reply) => {
                assert_eq!(world.worker.in_use(), (0, 0));
                return (sent, reply);
            }
            step => panic!("{step:?}"),
        };
    }
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}

fn outcome(reply: &Reply) -> &str {
    header(reply, "x-scopegate-outcome")
}

fn message(status: u16, text: &str) -> Answer {
    Answer {
        status: Some(status),
        retry_after: None,
        message: text.as_bytes().to_vec(),
        written: crate::write::written::Written::Untold,
    }
}

const ABC: [&str; 3] = ["cluster-a", "cluster-b", "cluster-c"];

#[test]
fn only_what_failed_is_sent_again() {
    let process = alone();
    let mut workers = [world(&process, &json!({})), world(&process, &json!({}))];
    let body = for_tenants(&ABC);
    let (sent, reply) = attempt(&mut workers[0], &body, |tenant| match tenant {
        "cluster-a" => says(200),
        "cluster-b" => message(400, "too many labels\nand more"),
        _ => says(503),
    });
    assert_eq!((sent.len(), reply.status), (3, 503));
    assert_eq!(outcome(&reply), "cluster-c=503, cluster-b=400, cluster-a=200");
    let (sent, reply) = attempt(&mut workers[1], &body, |_| Answer::failed("timeout"));
    assert_eq!((sent, reply.status), (vec!["cluster-c".to_owned()], 503));
    assert_eq!(outcome(&reply), "cluster-c=none, cluster-b=400;before, cluster-a=200;before");
    // What was refused for good is told in the end.
    let (sent, reply) = attempt(&mut workers[0], &body, |_| says(200));
    assert_eq!((sent, reply.status), (vec!["cluster-c".to_owned()], 400));
    assert_eq!(outcome(&reply), "cluster-b=400;before, cluster-a=200;before, cluster-c=200");
    assert_eq!(
        text(&reply),
        "scopegate: 1 of 3 tenants did not accept their part.\ntenant cluster-b: 400 too many labels\n"
    );
    // And then it is forgotten.
    let (sent, reply) = attempt(&mut workers[1], &body, |_| says(200));
    assert_eq!(
        (sent.len(), reply.status, outcome(&reply)),
        (3, 200, "cluster-a=200, cluster-b=200, cluster-c=200")
    );
    let counted: Vec<_> =
        workers.iter_mut().flat_map(World::counted).filter(|line| line.contains(" parts ")).collect();
    assert_eq!(
        counted,
        [
            "backend=metrics outcome=not_sent_again parts 2",
            "backend=metrics outcome=remembered parts 2",
            "backend=metrics outcome=not_sent_again parts 2",
        ]
    );
}

/// Whatever differs, it is another request: it goes to everybody.
#[test]
fn another_request_is_another_request() {
    type Change = fn(&mut World, &mut Vec<(&'static str, &'static str)>, &mut Vec<u8>);
    let cases: &[(&str, bool, Change)] = &[
        ("the same", true, |_, _, _| {}),
        ("another trace", true, |_, head, _| head.push(("traceparent", "00-2"))),
        ("another body", false, |_, _, body| *body = for_tenants(&["cluster-a", "cluster-c", "cluster-b"])),
        ("another path", false, |_, head, _| head[1].1 = "/api/v1/push?x=1"),
        ("another caller's tenants", false, |world, _, _| {
            let session = json!({"who": "agent", "tenants": ["other"]}).to_string();
            world.know("filter_state session", session.as_bytes());
        }),
        ("another configuration", false, |world, _, _| {
            Rc::get_mut(&mut world.policy).unwrap().version = [1; 16];
        }),
        ("another cluster", false, |world, _, _| world.know("xds cluster_name", b"other")),
        ("later", true, |world, _, _| world.now += 299_999),
        ("too late", false, |world, _, _| world.now += 300_000),
    ];
    for (what, same, change) in cases {
        let mut world = world(&alone(), &json!({}));
        let mut body = for_tenants(&ABC);
        attempt(&mut world, &body, |tenant| says(if tenant == "cluster-c" { 500 } else { 200 }));
        let mut head = and(WRITE, &[OPT_IN]);
        change(&mut world, &mut head, &mut body);
        let (_, step) = world.request(&head, &body);
        let expected = if *same { "call cluster-c" } else { "call cluster-a cluster-" };
        assert!(describe(&step).starts_with(expected), "{what}: {step:?}");
    }
}

/// A table that leads elsewhere now makes other parts: what was accepted was another part.
#[test]
fn a_part_that_changed_is_sent() {
    let process = alone();
    let label = |label: &str| json!({"tenant": [{"label": label, "remove": true}], "answers": {}});
    let mut worlds = ["one", "two"].map(|name| {
        let world = World::with(|config| {
            config["write"]["metrics"] = label(name);
            config["callers"][1]["on_behalf_of"] = json!(["*"]);
        });
        prepared(world, &process).caller("user", &["own"])
    });
    // The configuration's version is what tells these apart in life; here it is the same.
    let sent = body(&[
        series(&[("__name__", "a"), ("one", "x"), ("two", "x")]),
        series(&[("__name__", "b"), ("one", "x"), ("two", "y")]),
        series(&[("__name__", "c"), ("one", "y"), ("two", "y")]),
        series(&[("__name__", "d"), ("one", "z"), ("two", "z")]),
        series(&[("__name__", "d"), ("one", "z"), ("two", "z")]),
    ]);
    let (mut exchange, _) = worlds[0].request(WRITE, &sent);
    for (id, status) in [(0, 200), (1, 500), (2, 200)] {
        let step = worlds[0].answered(&mut exchange, id, status);
        if id == 2 {
            assert_eq!(describe(&step), "read");
        }
    }
    exchange.body(&mut worlds[0].worker, Ok(sent.clone()), worlds[0].now);
    let (_, step) = worlds[1].request(WRITE, &sent);
    assert_eq!(describe(&step), "call x y z");
}

/// Without the body, or with another host's failure, nothing is remembered and nothing is lost.
#[test]
fn without_the_body_all_is_sent_again() {
    let mut world = world(&alone(), &json!({}));
    let body = for_tenants(&ABC);
    let (mut exchange, _) = world.request(&and(WRITE, &[OPT_IN]), &body);
    for (id, status, expected) in [(0, 200, "wait"), (1, 200, "wait"), (2, 503, "read")] {
        assert_eq!(describe(&world.answered(&mut exchange, id, status)), expected);
    }
    assert_eq!(describe(&world.answered(&mut exchange, 2, 200)), "wait");
    let step = exchange.body(&mut world.worker, Err("gone"), world.now);
    assert_eq!(describe(&step), "answer 503 split_failed");
    let (_, step) = world.request(&and(WRITE, &[OPT_IN]), &body);
    assert_eq!(describe(&step), "call cluster-a cluster-b cluster-c");
}

#[test]
fn what_is_remembered_can_be_turned_off_and_is_bounded() {
    for (answers, bytes) in [(json!({"remember": "0s"}), 1 << 20), (json!({}), 64 * 40)] {
        let world = World::with(|config| {
            config["write"]["metrics"]["answers"] = answers.clone();
            config["limits"]["remembered_bytes"] = json!(bytes);
        });
        let mut world = prepared(world, &alone());
        let body = for_tenants(&ABC);
        attempt(&mut world, &body, |tenant| says(if tenant == "cluster-c" { 500 } else { 200 }));
        let (sent, _) = attempt(&mut world, &body, |_| says(200));
        assert_eq!(sent.len(), 3, "{answers} {bytes}");
        let noted = world.counted().iter().any(|line| line.contains("outcome=not_remembered parts 2"));
        assert_eq!(noted, answers == json!({}), "{answers} {bytes}");
    }
}

#[test]
fn rate_limits_can_be_dropped() {
    let mut world = world(&alone(), &json!({"rate_limited": "drop"}));
    let body = for_tenants(&ABC);
    let limited = |tenant: &str| says(if tenant == "cluster-b" { 429 } else { 200 });
    let (_, reply) = attempt(&mut world, &body, limited);
    assert_eq!((reply.status, text(&reply)), (200, ""));
    assert_eq!(outcome(&reply), "cluster-a=200, cluster-b=429;dropped, cluster-c=200");
    let counted = world.counted();
    assert!(
        counted.contains(&"backend=metrics outcome=dropped reason=rate_limited series 1".to_owned()),
        "{counted:?}"
    );
    assert!(counted.contains(&"backend=metrics outcome=rate_limited parts 1".to_owned()), "{counted:?}");
    assert_eq!(
        world.worker.take_logs(),
        ["write: 1 series of agent for tenant cluster-b of metrics are dropped (rate_limited): 429"]
    );
    // What comes again anyway is not lost, and is sent again.
    let failing = |tenant: &str| {
        says(match tenant {
            "cluster-b" => 429,
            "cluster-c" => 500,
            _ => 200,
        })
    };
    let (_, reply) = attempt(&mut world, &body, failing);
    assert_eq!(reply.status, 503);
    assert!(world.counted().iter().all(|line| !line.contains("dropped") && !line.contains("rate_limited")));
    let (sent, reply) = attempt(&mut world, &body, |_| says(200));
    assert_eq!((sent, reply.status), (vec!["cluster-b".to_owned(), "cluster-c".to_owned()], 200));
    // Also where there is one tenant only.
    for tenant in ["cluster-b", "own"] {
        let body =
            super::body(&[series(&[("__name__", "up"), ("imp", if tenant == "own" { "" } else { tenant })])]);
        let (_, step) = world.request(&and(WRITE, &[OPT_IN]), &body);
        assert_eq!(describe(&step), format!("call {tenant}"));
    }
}

#[test]
fn soft_errors_can_be_successes() {
    // The reason stands further back than what is remembered of a message.
    let soft =
        format!("{} desc = user=x: err: out of order sample. timestamp=1, series={{}}", "x".repeat(300));
    for (answers, status) in [(json!({}), 400), (json!({"soft_errors": "success"}), 200)] {
        let mut world = world(&alone(), &answers);
        let body = for_tenants(&ABC);
        let (_, reply) = attempt(&mut world, &body, |tenant| match tenant {
            "cluster-b" => message(400, &soft),
            _ => says(200),
        });
        assert_eq!(reply.status, status);
        let expected = if status == 200 { "cluster-b=400;soft" } else { "cluster-b=400" };
        assert!(outcome(&reply).split(", ").any(|part| part == expected), "{reply:?}");
        // It stays soft when it is remembered.
        attempt(&mut world, &body, |tenant| match tenant {
            "cluster-b" => message(400, &soft),
            "cluster-c" => says(500),
            _ => says(200),
        });
        let (sent, reply) = attempt(&mut world, &body, |_| says(200));
        assert_eq!((sent.len(), reply.status), (1, status));
    }
}

/// Who may not know of a tenant is not told its name.
#[test]
fn fallback_tenants_are_not_named() {
    let world = World::with(|config| {
        config["write"]["metrics"] =
            json!({"tenant": [{"label": "team"}], "on_absent": {"tenant": "secret"}});
    });
    let mut world = prepared(world, &alone()).caller("user", &["own"]);
    let sent = body(&[series(&[("__name__", "a"), ("team", "team-a")]), series(&[("__name__", "b")])]);
    for (status, body) in [
        (200, ""),
        (400, "scopegate: 1 of 2 tenants did not accept their part.\ntenant (not this caller's): 400 \n"),
    ] {
        let (mut exchange, step) = world.request(WRITE, &sent);
        assert_eq!(describe(&step), "call team-a secret");
        world.answered(&mut exchange, 0, 200);
        let reply = answer(world.answered(&mut exchange, 1, status));
        assert_eq!((outcome(&reply), text(&reply)), ("team-a=200, …", body));
    }
}

#[test]
fn the_outcome_header_is_bounded() {
    let names: Vec<String> = (0..200).map(|n| format!("cluster-{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = world(&alone(), &json!({}));
    let (_, reply) = attempt(&mut world, &for_tenants(&names), |tenant| {
        says(if tenant == "cluster-199" { 500 } else { 200 })
    });
    let line = outcome(&reply);
    assert!(line.len() <= 1024 && line.starts_with("cluster-199=500, cluster-000=200, "), "{line}");
    assert!(line.ends_with("=200, …"), "{line}");
}

/// Another tenant fails for an hour: it stops holding up the others, is tried from time to time, and comes back.
#[test]
fn a_tenant_that_keeps_failing_is_given_up() {
    let process = alone();
    let mut workers = [world(&process, &json!({})), world(&process, &json!({}))];
    let bad = |tenant: &str| says(if tenant == "cluster-b" { 500 } else { 200 });
    let mut minutes = 0;
    let body = for_tenants(&ABC);
    let mut now = workers[0].now;
    let mut next = |workers: &mut [World; 2], minutes: u64, says: &dyn Fn(&str) -> Answer| {
        now += minutes * 60_000;
        let world = &mut workers[usize::try_from(now / 60_000 % 2).unwrap()];
        world.now = now;
        attempt(world, &body, says)
    };
    while minutes < 60 {
        let (_, reply) = next(&mut workers, 1, &bad);
        assert_eq!(reply.status, 503, "{minutes}");
        minutes += 1;
    }
    // What was remembered of the others is over every five minutes, so they are asked again, and accept.
    let (sent, reply) = next(&mut workers, 1, &bad);
    assert_eq!((sent.len(), reply.status), (3, 400));
    assert_eq!(outcome(&reply), "cluster-b=500;given-up, cluster-a=200, cluster-c=200");
    assert_eq!(
        text(&reply),
        "scopegate: 1 of 3 tenants did not accept their part.\ntenant cluster-b: given up: 500 \n"
    );
    // From now on it is not even asked, but for one try a minute.
    let (sent, reply) = next(&mut workers, 0, &bad);
    assert_eq!((sent, reply.status), (vec!["cluster-a".to_owned(), "cluster-c".to_owned()], 400));
    assert_eq!(outcome(&reply), "cluster-b=none;given-up, cluster-a=200, cluster-c=200");
    let (sent, reply) = next(&mut workers, 1, &bad);
    assert_eq!((sent.len(), reply.status), (3, 400));
    let (sent, reply) = next(&mut workers, 1, &|_| says(200));
    assert_eq!((sent.len(), reply.status), (3, 200));
    let (sent, reply) = next(&mut workers, 0, &bad);
    assert_eq!((sent.len(), reply.status), (3, 503));
    let dropped: Vec<_> =
        workers.iter_mut().flat_map(World::counted).filter(|line| line.contains("given_up")).collect();
    assert_eq!(dropped.len(), 4, "{dropped:?}");
}

/// A tenant that fails is watched also where it is alone; and who never failed goes by Envoy's own route.
#[test]
fn a_failing_tenant_alone() {
    let mut world = world(&alone(), &json!({"remember": "0s", "give_up": {"after": "0s", "attempts": 2}}));
    let alone = for_tenants(&["cluster-b"]);
    let go_on = |world: &mut World| describe(&world.request(&and(WRITE, &[OPT_IN]), &alone).1);
    assert!(go_on(&mut world).starts_with("go on"));
    let bad = |tenant: &str| says(if tenant == "cluster-b" { 500 } else { 200 });
    assert_eq!(attempt(&mut world, &for_tenants(&ABC), bad).1.status, 503);
    assert_eq!(attempt(&mut world, &alone, bad).1.status, 400);
    assert_eq!(attempt(&mut world, &alone, bad).0.len(), 0);
    world.now += 60_000;
    // Nobody else was accepted for a minute, and it is time to try.
    let (sent, reply) = attempt(&mut world, &alone, |_| says(200));
    assert_eq!((sent.len(), reply.status), (1, 200));
    assert!(go_on(&mut world).starts_with("go on"));
}

/// Where nobody is accepted the fault is the backend's, and nothing is dropped.
#[test]
fn nobody_is_given_up_for_the_backends_fault() {
    let mut world = world(&alone(), &json!({"give_up": {"after": "1s", "attempts": 1}}));
    for _ in 0..100 {
        world.now += 10_000;
        let (sent, reply) = attempt(&mut world, &for_tenants(&ABC), |_| says(503));
        assert_eq!((sent.len(), reply.status), (3, 503));
    }
}

/// A process whose host fails as it is told, and at which other workers are quicker.
#[derive(Default)]
struct Flaky {
    slots: Alone,
    fails: RefCell<Vec<Option<SlotFailure>>>,
    asked: Cell<usize>,
}

impl Flaky {
    fn ask(&self) -> Result<(), SlotFailure> {
        let fails = self.fails.borrow();
        let at = self.asked.get();
        self.asked.set(at + 1);
        if fails.is_empty() { Ok(()) } else { fails[at % fails.len()].map_or(Ok(()), Err) }
    }
}

impl Process for Flaky {
    fn make(&self, slot: &str, value: &[u8]) -> Result<(), SlotFailure> {
        self.slots.make(slot, value)
    }

    fn load(&self, slot: &str) -> Result<Stored, SlotFailure> {
        self.ask()?;
        self.slots.load(slot)
    }

    fn swap(&self, slot: &str, value: &[u8], version: u32) -> Result<(), SlotFailure> {
        self.ask()?;
        self.slots.swap(slot, value, version)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Accepted,
    Refused,
}

fn any_status() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![200, 200, 204, 400, 413, 429, 500, 503, 0, 404])
}

proptest! {
    /// However the tenants answer, attempt after attempt and on either worker: who has accepted or refused is not
    /// sent its part again, everybody else is, and the last answer knows of all of them.
    #[test]
    fn every_part_is_settled_once(
        tenants in 2_usize..6,
        attempts in prop::collection::vec((prop::collection::vec(any_status(), 6), any::<bool>()), 1..20),
    ) {
        let process = alone();
        let mut workers = [world(&process, &json!({})), world(&process, &json!({}))];
        let names: Vec<String> = (0..tenants).map(|n| format!("cluster-{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let body = for_tenants(&names);
        let mut settled: BTreeMap<&str, Part> = BTreeMap::new();
        for (statuses, second) in &attempts {
            let of = |tenant: &str| statuses[names.iter().position(|name| *name == tenant).unwrap()];
            let (sent, reply) = attempt(&mut workers[usize::from(*second)], &body, |tenant| match of(tenant) {
                0 => Answer::failed("timeout"),
                status => says(status),
            });
            let expected: Vec<&str> = names.iter().filter(|name| !settled.contains_key(*name)).copied().collect();
            prop_assert_eq!(&sent, &expected);
            for name in &expected {
                match of(name) {
                    200..=299 => settled.insert(name, Part::Accepted),
                    400 | 413 => settled.insert(name, Part::Refused),
                    _ => None,
                };
            }
            let again = settled.len() < names.len();
            prop_assert_eq!(matches!(reply.status, 429 | 502 | 503), again, "{}", reply.status);
            if !again {
                let refused = settled.values().any(|part| *part == Part::Refused);
                prop_assert_eq!(reply.status, if refused { 400 } else { 200 });
                settled.clear();
            }
        }
    }

    /// Whatever the host fails to do, and whenever: a part that was not accepted is sent, and the answer asks for it.
    #[test]
    fn nothing_is_lost_when_slots_fail(
        fails in prop::collection::vec(
            prop::option::of(prop::sample::select(vec![SlotFailure::Absent, SlotFailure::Changed, SlotFailure::Host])),
            1..12,
        ),
        attempts in prop::collection::vec((prop::collection::vec(any_status(), 3), 0_u64..200_000), 1..12),
    ) {
        let flaky = Rc::new(Flaky::default());
        let process: Rc<dyn Process> = Rc::<Flaky>::clone(&flaky);
        let mut world = world(&process, &json!({}));
        *flaky.fails.borrow_mut() = fails;
        let body = for_tenants(&ABC);
        let mut settled: BTreeSet<&str> = BTreeSet::new();
        for (statuses, later) in &attempts {
            world.now += later;
            let of = |tenant: &str| statuses[ABC.iter().position(|name| *name == tenant).unwrap()];
            let (sent, reply) = attempt(&mut world, &body, |tenant| match of(tenant) {
                0 => Answer::failed("timeout"),
                status => says(status),
            });
            let mut again = false;
            for name in ABC {
                let sent = sent.iter().any(|sent| sent == name);
                prop_assert!(sent || settled.contains(name), "{name}");
                if sent && matches!(of(name), 200..=299 | 400 | 413) {
                    settled.insert(name);
                }
                again |= sent && !matches!(of(name), 200..=299 | 400 | 413);
            }
            prop_assert_eq!(matches!(reply.status, 429 | 502 | 503), again);
        }
    }
}
