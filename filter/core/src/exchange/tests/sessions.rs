//! Requests with a proof of their session: nothing of them goes on before their body is known to be the one.

use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::*;
use crate::caller::testing::SESSION_KEYS;
use crate::session::{BodyDigest, Claim, HEADER, KeyRing};

const NOW: u64 = 1_764_078_000;

/// An agent with a session, which may do everything, in front of the callers of the base.
fn config() -> Json {
    let mut config = base();
    let agent = json!({
        "name": "local", "session": {"attribute": "local", "keys": {"env": "SESSION_KEYS"}},
        "tenants": ["central"], "may": ["write", "read", "admin"],
        "impersonate": {"label": "imp", "tenants": ["cluster-*"]},
    });
    config["callers"].as_array_mut().unwrap().insert(0, agent);
    config["report"] = json!({"path": "/-/report"});
    config
}

fn world(config: Json) -> World {
    let mut world = World::new(config);
    world.policy.make_slots(&*world.worker.process).unwrap();
    world.known.date = Some(NOW);
    world.known.process = Some(Rc::clone(&world.worker.process));
    // What anybody else would be.
    world.caller("user", &["weak"])
}

/// The proof of a request with this head and this body. Each has another nonce.
fn proof(head: Head<'_>, body: &[u8]) -> String {
    thread_local!(static NONCE: std::cell::Cell<u64> = const { std::cell::Cell::new(0) });
    NONCE.set(NONCE.get() + 1);
    let nonce = [[0; 8], NONCE.get().to_be_bytes()].concat().try_into().unwrap();
    let named = |name: &str| head.iter().find(|(known, _)| *known == name).unwrap().1;
    Claim { attribute: "local", agent: "central", time: NOW, nonce, body: BodyDigest::of(body) }
        .sign(&KeyRing::parse(SESSION_KEYS.as_bytes()).unwrap(), named(":method"), named(":path"))
        .unwrap()
}

/// The whole request, in one piece; with no body the stream ends with its head.
fn whole(world: &mut World, head: Head<'_>, proof: &str, body: Option<&[u8]>) -> Step {
    let head = [head, &[(HEADER, proof)]].concat();
    let (mut exchange, step) = world.arrives(&head, body.is_none());
    let Some(body) = body else { return step };
    if !exchange.wants_body() {
        return step;
    }
    // However it will end, before the body is whole nothing has happened.
    assert!(matches!(step, Step::Buffer), "{step:?}");
    let step = exchange.body_progress(&mut world.worker, body.len());
    if exchange.wants_body() { exchange.body(&mut world.worker, Ok(body.to_vec()), world.now) } else { step }
}

/// What a request led to, in words.
fn words(step: Step) -> String {
    match step {
        Step::Continue(Changes { headers, body }) => {
            assert!(headers.remove.iter().any(|name| name == HEADER), "the proof goes no further");
            let tenant = headers.set.iter().find(|(name, _)| name == "x-scope-orgid");
            format!("{} {}", tenant.unwrap().1, if body.is_some() { "rewritten" } else { "as it came" })
        }
        Step::Call(calls) => {
            assert!(calls.iter().all(|call| call.headers().all(|(name, _)| name != HEADER)));
            calls.iter().map(|call| call.tenant.to_string()).collect::<Vec<_>>().join(" and ")
        }
        Step::Reply(reply) => format!("{} {}", reply.status, reply.details),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_goes_on_once_its_body_is_the_one_that_was_proven() {
    let pushed = body(&[up(&[])]);
    let impersonated = body(&[up(&[]), up(&[("imp", "cluster-1")])]);
    let longer = [&pushed[..], b"x"].concat();
    let asking = and(WRITE, &[OPT_IN]);
    let page: Head<'_> = &[(":method", "GET"), (":path", "/-/report"), (":authority", "x")];
    let form = [(":method", "POST"), (":path", "/prometheus/api/v1/query"), (":authority", "x")];
    let cases: Vec<(&str, Head<'_>, &[u8], Option<&[u8]>, &str)> = vec![
        ("a write", WRITE, &pushed, Some(&pushed), "central as it came"),
        ("for others", &asking, &impersonated, Some(&impersonated), "central and cluster-1"),
        ("a query", QUERY, b"", None, "central as it came"),
        ("a query whose end comes by itself", QUERY, b"", Some(b""), "central as it came"),
        ("a query in a form", &form, b"query=up", Some(b"query=up"), "central as it came"),
        ("another form", &form, b"query=up", Some(b"query=ap"), "401 bad_proof"),
        ("a page", page, b"", None, "200 page"),
        ("a page with a body", page, b"", Some(b"x"), "401 bad_proof"),
        ("no body where one was proven", WRITE, &pushed, None, "401 bad_proof"),
        ("an empty one", WRITE, &pushed, Some(b""), "401 bad_proof"),
        ("one byte less", WRITE, &pushed, Some(&pushed[..pushed.len() - 1]), "401 bad_proof"),
        ("one byte more", WRITE, &pushed, Some(&longer), "401 bad_proof"),
        ("another one", &asking, &pushed, Some(&impersonated), "401 bad_proof"),
        ("one where none was proven", QUERY, b"", Some(b"query=up"), "401 bad_proof"),
    ];
    for (what, head, proven, sent, expected) in cases {
        let mut world = world(config());
        let proof = proof(head, proven);
        assert_eq!(words(whole(&mut world, head, &proof, sent)), expected, "{what}");
        // Whether the body was good or not: the proof is used.
        let again = whole(&mut world, head, &proof, sent);
        assert_eq!(words(again), "401 replayed_proof", "{what} again");
    }
}

/// What is refused by the head is not held.
#[test]
fn nothing_is_held_that_is_refused_anyway() {
    let mut world = world(config());
    for (head, status) in [
        (&[(":method", "POST"), (":path", "/unknown"), (":authority", "x")], 404),
        (&[(":method", "POST"), (":path", "/api/v1/rules/a"), (":authority", "x")], 403),
    ] {
        let proof = proof(head, b"");
        let with_proof = [&head[..], &[(HEADER, &proof)]].concat();
        let (exchange, step) = world.head(&with_proof);
        assert!(matches!(step, Step::Reply(reply) if reply.status == status));
        assert!(!exchange.wants_body());
    }
}

#[test]
fn what_is_held_is_bounded() {
    let mut config = config();
    config["limits"]["request_bytes"] = json!(10);
    let form = [(":method", "POST"), (":path", "/prometheus/api/v1/query"), (":authority", "x")];
    let mut world = world(config);
    assert_eq!(
        words(whole(&mut world, &form, &proof(&form, &[0; 11]), Some(&[0; 11]))),
        "413 body_too_large"
    );
    let announced = [&form[..], &[("content-length", "11")]].concat();
    let [first, second] = [proof(&form, b""), proof(&form, b"")];
    let with_proof = [&announced[..], &[(HEADER, &first)]].concat();
    assert!(matches!(world.head(&with_proof).1, Step::Reply(reply) if reply.status == 413));
    // A body that cannot be read proves nothing.
    let with_proof = [&form[..], &[(HEADER, &second)]].concat();
    let (mut exchange, _) = world.head(&with_proof);
    let step = exchange.body(&mut world.worker, Err("the body could not be read"), world.now);
    assert_eq!(words(step), "500 host");
    // Whoever brings no proof is not held.
    let (exchange, step) = world.head(&form);
    assert!(matches!(step, Step::Continue(_)), "{step:?}");
    assert!(!exchange.wants_body());
}

#[test]
fn other_events_change_nothing() {
    let mut world = world(config());
    let proof = proof(QUERY, b"");
    let with_proof = [QUERY, &[(HEADER, &proof)]].concat();
    let (mut exchange, step) = world.head(&with_proof);
    assert!(matches!(step, Step::Buffer));
    assert!(matches!(world.answered(&mut exchange, 0, 200), Step::Buffer));
    assert!(!exchange.wants_response());
    exchange.closed(&mut world.worker);
    assert!(matches!(exchange.body(&mut world.worker, Ok(vec![]), world.now), Step::Wait));
}

/// Where it is only observed, everything goes on, and what would have been refused is told.
#[test]
fn observed() {
    let mut config = config();
    config["mode"] = json!("observe");
    for (sent, expected) in [(&b"query=up"[..], "observed_same"), (b"query=ap", "observed_different")] {
        let mut world = world(config.clone());
        let form = [
            (":method", "POST"),
            (":path", "/prometheus/api/v1/query"),
            (":authority", "x"),
            ("x-scope-orgid", "central"),
        ];
        let step = whole(&mut world, &form, &proof(&form, b"query=up"), Some(sent));
        assert!(matches!(step, Step::Continue(changes) if changes == Changes::default()));
        let counted = world.counted();
        assert!(counted.iter().any(|line| line.contains(expected)), "{counted:?}");
    }
}
