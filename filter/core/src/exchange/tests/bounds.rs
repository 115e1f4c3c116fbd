//! What one worker may have under way: who finds no room is told to come again, and nobody's room is lost.

use serde_json::json;

use super::{Exchange, OPT_IN, Step, WRITE, World, and, answer, calls, describe, says, text, up};
use crate::config::Limits;
use crate::exchange::Worker;
use crate::write::outcome::Answer;
use crate::write::remote_write::testing::body;

/// A worker with room for this much, and the default timeout of 30 seconds.
fn world(calls_per_worker: u32, held_bytes: u32) -> World {
    let limits = json!({"calls_per_worker": calls_per_worker, "held_bytes_per_worker": held_bytes});
    World::with(|config| config["limits"] = limits).caller("agent", &["own"])
}

/// A request with one series for each of `tenants` tenants arrives.
fn arrive(world: &mut World, tenants: usize) -> (Exchange, Step) {
    let all: Vec<_> = (0..tenants).map(|n| up(&[("imp", &format!("cluster-{n}"))])).collect();
    world.request(&and(WRITE, &[OPT_IN]), &body(&all))
}

/// How many calls a large request may make at once now. It is gone afterwards without a trace.
fn room(world: &mut World) -> usize {
    match arrive(world, 30) {
        (mut exchange, Step::Call(first)) => {
            let mut ids: Vec<u32> = first.iter().map(|call| call.id).collect();
            while let Some(id) = ids.pop() {
                if let Step::Call(more) = world.answered(&mut exchange, id, 200) {
                    ids.extend(more.iter().map(|call| call.id));
                }
            }
            first.len()
        }
        (_, Step::Reply(_)) => 0,
        (_, step) => panic!("{step:?}"),
    }
}

#[test]
fn who_finds_no_call_free_comes_again() {
    let mut world = world(5, 1 << 20);
    let (mut first, step) = arrive(&mut world, 3);
    assert_eq!(calls(step).len(), 3);
    // Less than wanted is enough to go on with.
    let (mut second, step) = arrive(&mut world, 4);
    assert_eq!(describe(&step), "call cluster-0 cluster-1");
    world.counted();
    let (third, step) = arrive(&mut world, 2);
    let reply = answer(step);
    assert_eq!(reply.status, 503);
    assert!(reply.headers.contains(&("retry-after", "1".to_owned())), "{reply:?}");
    assert_eq!(
        text(&reply),
        "scopegate: the gateway is busy: too many calls are under way (limits.calls_per_worker); send again later\n"
    );
    assert!(!third.wants_body());
    assert_eq!(
        world.counted(),
        ["backend=metrics class=write decision=refused reason=overloaded requests 1"]
    );
    // What needs no call of ours is not kept waiting.
    assert_eq!(describe(&world.head(WRITE).1), "go on x-scope-orgid=own");
    assert_eq!(
        describe(&arrive(&mut world, 1).1),
        "go on -x-scope-impersonate x-scope-orgid=cluster-0 with a new body"
    );
    // An answer gives room, but to the request that waits first.
    assert_eq!(describe(&world.answered(&mut second, 0, 200)), "call cluster-2");
    assert_eq!(room(&mut world), 0);
    assert_eq!(describe(&world.answered(&mut first, 0, 200)), "wait");
    assert_eq!(room(&mut world), 1);
    for id in [1, 2] {
        world.answered(&mut first, id, 200);
    }
    for id in [1, 2, 3] {
        world.answered(&mut second, id, 200);
    }
    assert_eq!(world.worker.in_use(), (0, 0));
    assert_eq!(room(&mut world), 5);
}

#[test]
fn who_finds_no_memory_free_comes_again() {
    let mut probe = world(100, 1 << 20);
    let (_, step) = arrive(&mut probe, 2);
    let bytes = calls(step).iter().map(|call| call.body.len()).sum::<usize>();
    assert_eq!(probe.worker.in_use(), (2, bytes));
    let bytes = u32::try_from(bytes).unwrap();

    let mut world = world(100, 2 * bytes);
    let (mut first, _) = arrive(&mut world, 2);
    let (_second, step) = arrive(&mut world, 2);
    assert_eq!(calls(step).len(), 2);
    let (_, step) = arrive(&mut world, 2);
    let reply = answer(step);
    assert_eq!(reply.status, 503);
    assert!(reply.headers.contains(&("retry-after", "1".to_owned())), "{reply:?}");
    assert!(text(&reply).contains("limits.held_bytes_per_worker"), "{reply:?}");
    assert_eq!(world.worker.in_use().0, 4, "a refused request takes nothing");
    // A part that is answered is held no more.
    world.answered(&mut first, 0, 200);
    assert_eq!(describe(&arrive(&mut world, 2).1), "answer 503 overloaded");
    world.answered(&mut first, 1, 200);
    assert_eq!(describe(&arrive(&mut world, 2).1), "call cluster-0 cluster-1");
}

/// What is refused now comes again, and is counted then.
#[test]
fn series_of_a_refused_request_are_not_counted() {
    let mut world = world(2, 1 << 20);
    let (_under_way, _) = arrive(&mut world, 2);
    world.counted();
    let sent = body(&["own", "cluster-1", "team-a"].map(|tenant| up(&[("imp", tenant)])));
    let (_, step) = world.request(&and(WRITE, &[OPT_IN]), &sent);
    assert_eq!(describe(&step), "answer 503 overloaded");
    assert_eq!(
        world.counted(),
        ["backend=metrics class=write decision=refused reason=overloaded requests 1"]
    );
}

/// Envoy does not cancel the calls of a client that went away, and tells nobody when they end.
#[test]
fn abandoned_calls_count_until_they_must_be_over() {
    let mut world = world(4, 1 << 20);
    world.now = 5_000;
    let (mut gone, step) = arrive(&mut world, 10);
    assert_eq!(calls(step).len(), 4);
    world.answered(&mut gone, 0, 200);
    world.answered(&mut gone, 1, 200);
    let before = world.worker.in_use().1;
    gone.closed(&mut world.worker);
    let (under_way, held) = world.worker.in_use();
    assert_eq!(under_way, 4, "they are still on their way");
    assert!(held < before, "parts that were not sent are let go at once");
    // A late answer, and a second farewell, change nothing.
    assert_eq!(describe(&world.answered(&mut gone, 2, 200)), "wait");
    gone.closed(&mut world.worker);
    assert_eq!(world.worker.in_use(), (under_way, held));
    for (now, expected) in [(20_001, 0), (34_999, 0), (35_000, 4)] {
        world.now = now;
        assert_eq!(room(&mut world), expected, "at {now}");
    }
    assert_eq!(world.worker.in_use(), (0, 0));
}

#[test]
fn a_request_that_goes_away_early_leaves_nothing() {
    let mut world = world(4, 1 << 20);
    let (mut nothing_yet, _) = world.head(&and(WRITE, &[OPT_IN]));
    nothing_yet.closed(&mut world.worker);
    let (mut refused, _) = world.request(&and(WRITE, &[OPT_IN]), b"no snappy");
    refused.closed(&mut world.worker);
    let (mut went_on, _) = arrive(&mut world, 1);
    went_on.closed(&mut world.worker);
    let (mut done, _) = arrive(&mut world, 2);
    world.answered(&mut done, 0, 200);
    world.answered(&mut done, 1, 200);
    done.closed(&mut world.worker);
    Exchange::new(world.policy.clone()).closed(&mut world.worker);
    assert_eq!(world.worker.in_use(), (0, 0));
    assert_eq!(room(&mut world), 4);
}

/// A call that could not be made leads to the next one at once, and its room is kept by its request.
#[test]
fn calls_that_cannot_be_made() {
    let mut world = world(2, 1 << 20);
    let (mut exchange, step) = arrive(&mut world, 3);
    assert_eq!(describe(&step), "call cluster-0 cluster-1");
    let failed = || Answer::failed("the cluster is unknown");
    let steps: Vec<String> =
        (0..3).map(|id| describe(&exchange.answered(&mut world.worker, id, failed(), 0))).collect();
    assert_eq!(steps, ["call cluster-2", "wait", "answer 503 split_failed"]);
    assert_eq!(world.worker.in_use(), (0, 0));
    assert!(world.counted().contains(&"backend=metrics code=0xx calls 3".to_owned()));
}

/// However much is asked for and given back, the numbers never turn around.
#[test]
fn sums_do_not_overflow() {
    let limits = Limits::default();
    let mut worker = Worker::default();
    assert!(worker.admit(&limits, usize::MAX, usize::MAX, 0).is_err());
    worker.release(1, 1);
    assert_eq!(worker.in_use(), (0, 0));
    worker.abandon(1, usize::MAX, u64::MAX);
    assert_eq!(worker.admit(&limits, usize::MAX, 1, u64::MAX), Ok(32));
    assert_eq!(worker.in_use(), (32, 1));
}

/// The defaults leave room for many requests at once.
#[test]
fn defaults() {
    let mut world = World::with(|_| ()).caller("agent", &["own"]);
    let (_, step) = arrive(&mut world, 60);
    assert_eq!(calls(step).len(), 32);
    let mut accepted = 1;
    while let (_, Step::Call(_)) = arrive(&mut world, 60) {
        accepted += 1;
    }
    assert_eq!(accepted, 32);
}

/// All parts share the time of one call, and each time another part goes first: a tenant whose upstream hangs cannot
/// keep the others of its requests from ever being sent.
#[test]
fn nobody_starves_behind_tenants_that_hang() {
    let mut sent = Vec::new();
    for again in 0..3 {
        let mut world = world(1, 1 << 20);
        world.now += again;
        let start = world.now;
        let (mut exchange, step) = arrive(&mut world, 3);
        let first = calls(step);
        sent.extend(first.iter().map(|call| (call.tenant.to_string(), call.timeout_ms)));
        // The second gets what the first has left, and the third nothing.
        let step = exchange.answered(&mut world.worker, 0, says(200), start + 29_999);
        let second = calls(step);
        assert_eq!(second.iter().map(|call| call.timeout_ms).collect::<Vec<_>>(), [1]);
        let reply =
            answer(exchange.answered(&mut world.worker, 1, Answer::failed("timeout"), start + 30_000));
        assert_eq!(reply.status, 503);
        let text = String::from_utf8(reply.body).unwrap();
        assert!(text.contains("it was not sent, since no time was left"), "{text}");
        assert_eq!(world.worker.in_use(), (0, 0));
    }
    sent.sort();
    let all = ["cluster-0", "cluster-1", "cluster-2"].map(|tenant| (tenant.to_owned(), 30_000));
    assert_eq!(sent, all);
}
