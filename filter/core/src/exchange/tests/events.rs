//! Events that a host should not send: they change nothing, and never let a request go on that did not.

use super::{Exchange, OPT_IN, QUERY, Step, WRITE, World, and, describe, says, up};
use crate::write::remote_write::testing::body;
use std::rc::Rc;

/// Every event but the head's, and what comes of it.
fn everything(world: &mut World, exchange: &mut Exchange) -> Vec<String> {
    let progress = exchange.body_progress(&mut world.worker, 1);
    let answered = exchange.answered(&mut world.worker, 0, says(200), 0);
    vec![describe(&progress), describe(&answered)]
}

#[test]
fn what_is_held_stays_held_and_what_went_on_goes_on() {
    let split = body(&[up(&[("imp", "cluster-1")]), up(&[]), up(&[("imp", "cluster-2")])]);
    let impersonating = and(WRITE, &[OPT_IN]);
    let cases: Vec<(&str, Box<dyn Fn(&mut World) -> Exchange>, &str)> = vec![
        ("nothing is known yet", Box::new(|world| Exchange::new(Rc::clone(&world.policy))), "wait"),
        ("it went on", Box::new(|world| world.head(WRITE).0), "go on"),
        ("it was refused", Box::new(|world| world.head(QUERY).0), "wait"),
        ("its body was refused", Box::new(|world| world.request(&impersonating, b"no snappy").0), "wait"),
        (
            "its calls are answered",
            Box::new(|world| {
                let mut exchange = world.request(&impersonating, &split).0;
                for id in 0..3 {
                    world.answered(&mut exchange, id, 200);
                }
                exchange
            }),
            "wait",
        ),
        (
            "it is gone",
            Box::new(|world| {
                let mut exchange = world.head(&impersonating).0;
                exchange.closed(&mut world.worker);
                exchange
            }),
            "wait",
        ),
    ];
    for (what, make, expected) in cases {
        let mut world = World::with(|_| ()).caller("agent", &["own"]);
        let mut exchange = make(&mut world);
        world.counted();
        for _ in 0..2 {
            assert_eq!(everything(&mut world, &mut exchange), [expected, expected], "{what}");
            let step = exchange.body(&mut world.worker, Ok(split.clone()), 0);
            assert_eq!(describe(&step), expected, "{what}");
        }
        assert_eq!(world.counted(), [""; 0], "{what}");
        assert_eq!(world.worker.in_use(), (0, 0), "{what}");
    }
}

#[test]
fn an_answer_before_the_calls_does_not_end_the_waiting_for_a_body() {
    let mut world = World::with(|_| ()).caller("agent", &["own"]);
    let (mut exchange, _) = world.head(&and(WRITE, &[OPT_IN]));
    assert_eq!(describe(&world.answered(&mut exchange, 0, 200)), "keep");
    assert!(exchange.wants_body());
}

#[test]
fn a_second_body_does_not_disturb_the_calls() {
    let sent = body(&[up(&[("imp", "cluster-1")]), up(&[])]);
    let mut world = World::with(|_| ()).caller("agent", &["own"]);
    let (mut exchange, step) = world.request(&and(WRITE, &[OPT_IN]), &sent);
    assert!(matches!(step, Step::Call(_)));
    for body in [Ok(sent), Err("no body")] {
        assert_eq!(describe(&exchange.body(&mut world.worker, body, 0)), "wait");
    }
    assert_eq!(describe(&exchange.body_progress(&mut world.worker, usize::MAX)), "wait");
    let steps: Vec<_> = [0, 0, 1].map(|id| describe(&world.answered(&mut exchange, id, 200))).into();
    assert_eq!(steps, ["wait", "wait", "answer 200 split"]);
}
