//! Metadata of remote write 1.0: to whom it goes by which policy, and what one worker learns from another.

use std::collections::BTreeMap;
use std::rc::Rc;

use prost::Message as _;
use serde_json::json;

use super::{
    Alone, Exchange, OPT_IN, Process, SlotFailure, Step, Stored, WRITE, Worker, World, and, base, but,
    headers,
};
use crate::write::remote_write::testing::{MetricMetadata, WriteRequest, compress, request, series};

/// A backend, its policy for metadata, and tenants from impersonation, a label `ns`, or the caller.
fn world(policy: &str, who: &str, own: &[&str]) -> World {
    let mut config = base();
    config["write"]["metrics"] = json!({"tenant": [{"label": "ns"}, "caller"], "metadata": policy});
    let world = World::new(config).caller(who, own);
    world.policy.make_slots(&*world.worker.process).unwrap();
    world
}

/// A family's metadata, of a type by its number.
fn about(kind: i32, family: &str) -> MetricMetadata {
    MetricMetadata { kind, family: family.to_owned() }
}

/// A series of this name for this tenant, by impersonation.
fn of(name: &str, tenant: &str) -> crate::write::remote_write::testing::TimeSeries {
    series(&[("__name__", name), ("imp", tenant), ("job", "x")])
}

type Arrived = BTreeMap<String, (usize, Vec<String>)>;

/// What arrives where: for each tenant how many series and which families.
fn send(world: &mut World, message: &WriteRequest) -> Arrived {
    let head = and(WRITE, &[OPT_IN]);
    let body = compress(&message.encode_to_vec());
    let mut exchange = Exchange::new(Rc::clone(&world.policy));
    let step = exchange.head(&mut world.worker, &headers(&head), false, &world.known, world.now);
    assert!(matches!(step, Step::Buffer), "{step:?}");
    let step = exchange.body(&mut world.worker, Ok(body.clone()), world.now);
    let part = |body: &[u8]| {
        let request = request(body);
        let mut families: Vec<_> = request.metadata.into_iter().map(|metadata| metadata.family).collect();
        families.sort();
        (request.timeseries.len(), families)
    };
    match step {
        Step::Call(calls) => calls.iter().map(|call| (call.tenant.to_string(), part(&call.body))).collect(),
        Step::Continue(changes) => {
            let (_, tenant) =
                changes.headers.set.iter().find(|(name, _)| name == "x-scope-orgid").unwrap().clone();
            [(tenant, part(&changes.body.unwrap_or(body)))].into()
        }
        Step::Reply(reply) => {
            assert_eq!((reply.status, reply.details), (200, "split"));
            Arrived::new()
        }
        other => panic!("{other:?}"),
    }
}

fn arrived(parts: &[(&str, usize, &[&str])]) -> Arrived {
    let part = |(tenant, series, families): &(&str, usize, &[&str])| {
        let families = families.iter().map(|family| (*family).to_owned()).collect();
        ((*tenant).to_owned(), (*series, families))
    };
    parts.iter().map(part).collect()
}

fn message(
    timeseries: Vec<crate::write::remote_write::testing::TimeSeries>,
    metadata: &[MetricMetadata],
) -> WriteRequest {
    WriteRequest { timeseries, metadata: metadata.to_vec() }
}

#[test]
fn mixed_requests_split_both_halves() {
    let sent = || {
        message(
            vec![of("a_bucket", "cluster-1"), of("b", "cluster-2"), series(&[("__name__", "c")])],
            &[about(3, "a"), about(2, "b"), about(2, "nobody")],
        )
    };
    let all = &["a", "b", "nobody"][..];
    for (policy, expected, dropped) in [
        ("own", arrived(&[("own", 1, all), ("cluster-1", 1, &[]), ("cluster-2", 1, &[])]), 0),
        ("followers", arrived(&[("own", 1, all), ("cluster-1", 1, &["a"]), ("cluster-2", 1, &["b"])]), 0),
        ("all", arrived(&[("own", 1, all), ("cluster-1", 1, all), ("cluster-2", 1, all)]), 0),
        ("drop", arrived(&[("own", 1, &[]), ("cluster-1", 1, &[]), ("cluster-2", 1, &[])]), 3),
    ] {
        let mut world = world(policy, "agent", &["own"]);
        assert_eq!(send(&mut world, &sent()), expected, "{policy}");
        let counted = world.counted();
        let dropped = (dropped > 0).then(|| format!("backend=metrics metadata_dropped {dropped}"));
        assert_eq!(
            counted.iter().find(|line| line.contains("metadata_dropped")),
            dropped.as_ref(),
            "{policy}"
        );
    }
}

#[test]
fn all_reaches_every_tenant_of_the_caller() {
    let alone = message(vec![], &[about(2, "a")]);
    let mut world = world("all", "agent", &["one", "two"]);
    assert_eq!(send(&mut world, &alone), arrived(&[("one", 0, &["a"]), ("two", 0, &["a"])]));
}

#[test]
fn alone_it_goes_to_whom_the_series_went_before() {
    let mut world = world("followers", "agent", &["own"]);
    let alone = || message(vec![], &[about(1, "requests"), about(5, "time"), about(2, "time_sum")]);
    let all = &["requests", "time", "time_sum"][..];
    // Nothing is known yet: one tenant, and the body as it came.
    assert_eq!(send(&mut world, &alone()), arrived(&[("own", 0, all)]));
    let series = vec![
        of("requests_total", "cluster-1"),
        of("time_sum", "cluster-2"),
        of("requests_total", "cluster-2"),
    ];
    send(&mut world, &message(series, &[]));
    let expected = arrived(&[("own", 0, all), ("cluster-1", 0, &["requests"]), ("cluster-2", 0, all)]);
    assert_eq!(send(&mut world, &alone()), expected);
    // Another worker of the same process knows it, and so does one that begins anew.
    world.worker = Worker::new(Rc::clone(&world.worker.process));
    assert_eq!(send(&mut world, &alone()), expected);
    // A tenant that series may not go to any more gets nothing.
    let mut config = base();
    config["write"]["metrics"] = json!({"metadata": "followers"});
    config["callers"][0]["impersonate"]["tenants"] = json!(["cluster-1"]);
    let policy = World::new(config).policy;
    world.policy = policy;
    assert_eq!(send(&mut world, &alone()), arrived(&[("own", 0, all), ("cluster-1", 0, &["requests"])]));
}

#[test]
fn nobody_learns_of_another_callers_metrics() {
    let alone = || message(vec![], &[about(2, "a")]);
    let mut world = world("followers", "agent", &["own"]);
    send(&mut world, &message(vec![of("a", "cluster-1")], &[]));
    // The same caller with other tenants of its own, and another caller.
    for (who, own) in [("agent", "other"), ("user", "own"), ("user", "other")] {
        let mut other = self::world("followers", who, &[own]);
        other.worker = Worker::new(Rc::clone(&world.worker.process));
        assert_eq!(send(&mut other, &alone()), arrived(&[(own, 0, &["a"])]), "{who} {own}");
    }
    assert_eq!(send(&mut world, &alone()), arrived(&[("own", 0, &["a"]), ("cluster-1", 0, &["a"])]));
}

#[test]
fn what_has_no_tenant_is_counted() {
    let mut config = base();
    config["write"]["metrics"] = json!({"tenant": [{"label": "ns"}], "metadata": "followers"});
    let mut world = World::new(config).caller("user", &["team-a", "team-b"]);
    world.policy.make_slots(&*world.worker.process).unwrap();
    let sent = message(vec![series(&[("__name__", "a"), ("ns", "team-a")])], &[about(2, "a"), about(2, "b")]);
    assert_eq!(send(&mut world, &sent), arrived(&[("team-a", 1, &["a"])]));
    assert!(world.counted().contains(&"backend=metrics metadata_dropped 1".to_owned()));
}

/// The policy holds also where the head alone decides the tenant: whoever's metadata could go elsewhere is looked into.
#[test]
fn the_head_alone_does_not_decide_where_metadata_goes() {
    let several = &["one", "two"][..];
    let (v1, v2) = (WRITE, "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    let v2 = but(&but(v1, "content-type", v2), "x-prometheus-remote-write-version", "2.0.0");
    for (policy, who, own, looks) in [
        ("own", "agent", several, false),
        ("drop", "user", &["one"][..], true),
        ("all", "user", &["one"], false),
        ("all", "user", several, true),
        ("followers", "user", &["one"], false),
        ("followers", "user", several, true),
        // It may have written for others before.
        ("followers", "agent", &["one"], true),
    ] {
        let mut config = base();
        config["write"]["metrics"] = json!({"metadata": policy});
        let mut world = World::new(config).caller(who, own);
        world.policy.make_slots(&*world.worker.process).unwrap();
        let chosen = |head| and(head, &[("x-scope-orgid", "one")]);
        let step = world.head(&chosen(v1)).1;
        assert_eq!(matches!(step, Step::Buffer), looks, "{policy} {who} {own:?}: {step:?}");
        // In 2.0 metadata is a part of its series.
        let step = world.head(&chosen(&v2)).1;
        assert!(matches!(step, Step::Continue(_)), "{policy} {who} {own:?}: {step:?}");
    }
    let mut config = base();
    config["write"]["metrics"] = json!({"metadata": "drop"});
    let mut world = World::new(config).caller("user", &["own"]);
    let up = || series(&[("__name__", "up")]);
    assert_eq!(send(&mut world, &message(vec![up()], &[about(2, "up")])), arrived(&[("own", 1, &[])]));
    assert_eq!(send(&mut world, &message(vec![], &[about(2, "up")])), arrived(&[]));
    assert_eq!(send(&mut world, &message(vec![up()], &[])), arrived(&[("own", 1, &[])]));
}

/// While a tenant or a namespace moves, its metadata goes to both places, by every policy.
#[test]
fn metadata_moves_along() {
    let until = "2026-12-31T00:00:00Z";
    let sent = || {
        message(
            vec![series(&[("__name__", "a"), ("ns", "team-a")]), series(&[("__name__", "b")])],
            &[about(2, "a"), about(2, "b")],
        )
    };
    let alone = || message(vec![], &[about(2, "a"), about(2, "b")]);
    let (none, all) = (&[][..], &["a", "b"][..]);
    let both = [("own", 1, all), ("next", 1, all)];
    for (policy, also, now, later) in [
        (
            "own",
            json!({"tenant": "own", "to": "next"}),
            [&both[..], &[("team-a", 1, none)]].concat(),
            &[("own", 0, all), ("next", 0, all)][..],
        ),
        (
            "followers",
            json!({"tenant": "own", "to": "next"}),
            [&both[..], &[("team-a", 1, &["a"])]].concat(),
            &[("own", 0, all), ("next", 0, all), ("team-a", 0, &["a"])],
        ),
        // The tenant of a namespace that moves is none of the caller's.
        (
            "followers",
            json!({"key": "team-a", "to": "next"}),
            vec![("own", 1, all), ("team-a", 1, &["a"]), ("next", 1, &["a"])],
            &[("own", 0, all), ("team-a", 0, &["a"]), ("next", 0, &["a"])],
        ),
        (
            "all",
            json!({"key": "team-a", "to": "next"}),
            vec![("own", 1, all), ("team-a", 1, all), ("next", 1, all)],
            &[("own", 0, all)],
        ),
        (
            "drop",
            json!({"tenant": "own", "to": "next"}),
            vec![("own", 1, none), ("next", 1, none), ("team-a", 1, none)],
            &[],
        ),
    ] {
        let mut config = base();
        let mut rule = also.clone();
        rule["until"] = json!(until);
        config["write"]["metrics"] =
            json!({"tenant": [{"label": "ns"}, "caller"], "metadata": policy, "also_write": [rule]});
        let mut world = World::new(config).caller("user", &["own"]);
        world.policy.make_slots(&*world.worker.process).unwrap();
        world.worker.wall_seconds = Some(0);
        assert_eq!(send(&mut world, &sent()), arrived(&now), "{policy} {also}");
        assert_eq!(send(&mut world, &alone()), arrived(later), "{policy} {also}: alone");
        // And not a moment longer.
        world.worker.wall_seconds = Some(2_000_000_000);
        for sent in [sent(), alone()] {
            assert!(!send(&mut world, &sent).contains_key("next"), "{policy} {also}: over");
        }
    }
}

/// A process that counts what is shared, and fails on demand.
#[derive(Default)]
struct Counting {
    slots: Alone,
    swaps: core::cell::Cell<u32>,
    fails: core::cell::Cell<Option<SlotFailure>>,
}

impl Process for Counting {
    fn make(&self, slot: &str, value: &[u8]) -> Result<(), SlotFailure> {
        self.slots.make(slot, value)
    }

    fn load(&self, slot: &str) -> Result<Stored, SlotFailure> {
        self.slots.load(slot)
    }

    fn swap(&self, slot: &str, value: &[u8], version: u32) -> Result<(), SlotFailure> {
        self.swaps.set(self.swaps.get() + 1);
        match self.fails.get() {
            Some(failure) => Err(failure),
            None => self.slots.swap(slot, value, version),
        }
    }
}

#[test]
fn only_news_is_shared() {
    let mut world = world("followers", "agent", &["own"]);
    let process = Rc::new(Counting::default());
    world.policy.make_slots(&*process).unwrap();
    world.worker = Worker::new(Rc::clone(&process) as Rc<dyn Process>);
    let sent = || message(vec![of("a", "cluster-1"), of("b", "cluster-1"), of("a", "cluster-2")], &[]);
    let swaps = || process.swaps.replace(0);
    // Others are always quicker: it is tried a few times, and again with the next request.
    process.fails.set(Some(SlotFailure::Changed));
    send(&mut world, &sent());
    assert_eq!(swaps(), 5);
    process.fails.set(Some(SlotFailure::Host));
    send(&mut world, &sent());
    assert_eq!(swaps(), 1);
    process.fails.set(None);
    send(&mut world, &sent());
    assert_eq!(swaps(), 1);
    for _ in 0..10 {
        send(&mut world, &sent());
    }
    assert_eq!(swaps(), 0);
    send(&mut world, &message(vec![of("b", "cluster-2")], &[]));
    assert_eq!(swaps(), 1);
    // After a while everything is news again, so that what is still written does not grow old.
    world.now += 300_000;
    send(&mut world, &sent());
    assert_eq!(swaps(), 1);
}

/// What is kept for all workers is bounded, however many metrics and tenants there are, and requests too.
#[test]
fn memory_and_copies_are_bounded() {
    let mut world = world("followers", "agent", &["own"]);
    for round in 0..40 {
        let many =
            (0..400).map(|n| of(&format!("metric_{}", round * 400 + n), &format!("cluster-{}", n % 100)));
        let (mut exchange, _) = world.head(&and(WRITE, &[OPT_IN]));
        let body = compress(&message(many.collect(), &[]).encode_to_vec());
        exchange.body(&mut world.worker, Ok(body), world.now);
        exchange.closed(&mut world.worker);
        world.now += 60_000;
    }
    let kept: usize =
        (0..16).map(|n| world.worker.process.load(&format!("metadata/{n}")).unwrap().value.len()).sum();
    assert!(kept > 100_000 && kept <= 256 << 10, "{kept}");
    // No more copies than a request may have bytes.
    let mut config = base();
    config["write"]["metrics"] = json!({"metadata": "all"});
    config["limits"] = json!({"decoded_bytes": 2000});
    let tenants: Vec<String> = (0..10).map(|n| format!("own-{n}")).collect();
    let tenants: Vec<&str> = tenants.iter().map(String::as_str).collect();
    let mut world = World::new(config).caller("agent", &tenants);
    let entries: Vec<_> = (0..10).map(|n| about(2, &format!("metric_{n}"))).collect();
    let copies: usize = send(&mut world, &message(vec![], &entries)).values().map(|part| part.1.len()).sum();
    assert_eq!(copies, 10 + 2000 / 64);
    let left_out = 100 - copies;
    assert!(world.counted().contains(&format!("backend=metrics metadata_dropped {left_out}")));
}
