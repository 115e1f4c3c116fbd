//! Requests that an administrator has explained: nothing goes upstream, nothing is remembered, and nobody else is told.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ASKED: (&str, &str) = ("x-scopegate-explain", "true");

/// The base, in which both callers may administrate.
fn administrators() -> World {
    World::with(|config| {
        for caller in config["callers"].as_array_mut().unwrap() {
            caller["may"].as_array_mut().unwrap().push(json!("admin"));
        }
        config["access_log"] = json!(true);
    })
}

fn explanation(step: Step) -> Value {
    let reply = answer(step);
    assert_eq!((reply.status, reply.details), (200, "page"), "{}", text(&reply));
    assert!(reply.headers.contains(&("cache-control", "no-store".to_owned())));
    serde_json::from_slice(&reply.body).unwrap()
}

#[test]
fn a_read_is_told_and_not_sent_on() {
    let mut world = administrators().caller("user", &["b", "a"]);
    let (exchange, step) = world.arrives(&and(QUERY, &[ASKED, ("authorization", "Bearer secret")]), true);
    let told = explanation(step);
    assert_eq!(
        told,
        json!({
            "caller": "user", "backend": "metrics", "class": "read", "tenants": "a|b", "observed": false,
            "request": {
                "set": {"x-scope-orgid": "a|b"}, "removed": ["x-scopegate-explain", "authorization"], "new_body_bytes": null,
            },
            "call": null, "parts": [],
        })
    );
    assert!(!told.to_string().contains("secret"));
    assert!(!exchange.wants_body() && !exchange.wants_response());
    // It is counted as a page, and as nothing that went on.
    assert_eq!(world.counted(), ["backend=metrics class=read decision=page requests 1"]);
    let note = world.worker.take_note().unwrap();
    assert!(
        note.starts_with("decision=page reason=- backend=metrics class=read caller=user tenants=a|b"),
        "{note}"
    );
}

#[test]
fn a_write_is_told_and_not_sent_on() {
    let mut world = administrators().caller("agent", &["own"]);
    let body = body(&[
        up(&[("imp", "cluster-1")]),
        up(&[("imp", "cluster-2")]),
        up(&[("imp", "cluster-2")]),
        up(&[]),
    ]);
    let head = and(WRITE, &[OPT_IN, ASKED]);
    let (_, step) = world.request(&head, &body);
    let told = explanation(step);
    let parts: Vec<_> =
        told["parts"].as_array().unwrap().iter().map(|part| (&part["tenant"], &part["series"])).collect();
    assert_eq!(
        parts,
        [(&json!("cluster-1"), &json!(1)), (&json!("cluster-2"), &json!(2)), (&json!("own"), &json!(1))]
    );
    assert_eq!(told["call"], json!({"cluster": "cortex", "method": "POST", "path": "/api/v1/push"}));
    assert_eq!(told["request"], Value::Null);
    // No room is taken for calls that nobody makes.
    assert_eq!(world.worker.in_use(), (0, 0));
    assert_eq!(world.counted(), ["backend=metrics class=write decision=page requests 1"]);
    // Asked for without the question, it is split as it was told.
    let (_, step) = world.request(&and(WRITE, &[OPT_IN]), &body);
    let tenants: Vec<_> = calls(step).iter().map(|call| call.tenant.as_str().to_owned()).collect();
    assert_eq!(tenants, ["cluster-1", "cluster-2", "own"]);
}

#[test]
fn a_refusal_stays_a_refusal() {
    let mut world = administrators().caller("user", &["own"]);
    let (_, step) = world.arrives(&and(QUERY, &[ASKED, ("x-scope-orgid", "other")]), true);
    assert_eq!(describe(&step), "answer 403 foreign_tenant");
    // Also one that only the body leads to, which is counted like every other.
    let mut world = administrators().caller("agent", &["own"]);
    let (_, step) = world.request(&and(WRITE, &[ASKED, OPT_IN]), b"rubbish");
    let (refused, counted) = (describe(&step), world.counted());
    let (_, step) = world.request(&and(WRITE, &[OPT_IN]), b"rubbish");
    assert_eq!((refused, counted), (describe(&step), world.counted()));
    let nobody = administrators().arrives(&and(QUERY, &[ASKED]), true).1;
    assert_eq!(describe(&nobody), "answer 401 no_caller");
}

/// Where decisions do not take effect, the request would go on as it came: one that is explained does not, whatever is wrong.
#[test]
fn what_is_only_observed_is_not_sent_on_either() {
    let mut world = World::with(|config| {
        config["mode"] = json!("observe");
        config["callers"][1]["may"] = json!(["read", "admin"]);
    });
    world.know("filter_state session", json!({"who": "user", "tenants": ["own"]}).to_string().as_bytes());
    let told = explanation(world.arrives(&and(QUERY, &[ASKED]), true).1);
    assert_eq!((&told["observed"], &told["tenants"]), (&json!(true), &json!("own")));
    assert_eq!(told["request"]["set"], json!({"x-scope-orgid": "own"}));
    for (head, expected) in [
        (and(QUERY, &[ASKED, ("x-scope-orgid", "other")]), "answer 403 foreign_tenant"),
        (but(&and(QUERY, &[ASKED]), ":path", "/none"), "answer 404 unknown_path"),
        (and(WRITE, &[ASKED]), "answer 403 not_permitted"),
    ] {
        assert_eq!(describe(&world.arrives(&head, true).1), expected, "{head:?}");
    }
    assert_eq!(describe(&world.arrives(&and(QUERY, &[("x-scope-orgid", "other")]), true).1), "go on");
}

#[test]
fn what_is_too_large_is_refused_while_it_comes() {
    let mut world = administrators().caller("agent", &["own"]);
    let (mut exchange, step) = world.head(&and(WRITE, &[ASKED, OPT_IN]));
    assert_eq!(describe(&step), "keep");
    assert_eq!(describe(&exchange.body_progress(&mut world.worker, 10)), "keep");
    let step = exchange.body_progress(&mut world.worker, usize::MAX);
    assert_eq!(describe(&step), "answer 413 body_too_large");
    assert!(!exchange.wants_body());
}

#[test]
fn nobody_else_is_told() {
    // Who has no right to it, and who asks in other words: the header goes, and counts for nothing.
    let cases: &[(bool, &[(&str, &str)])] = &[
        (false, &[ASKED]),
        (true, &[("x-scopegate-explain", "1")]),
        (true, &[("x-scopegate-explain", "TRUE")]),
        (true, &[("x-scopegate-explain", "")]),
        (true, &[ASKED, ASKED]),
    ];
    for (may, asked) in cases {
        let world = if *may { administrators() } else { World::with(|_| ()) };
        let mut world = world.caller("user", &["own"]);
        let (_, step) = world.arrives(&and(QUERY, asked), true);
        assert_eq!(describe(&step), "go on -x-scopegate-explain x-scope-orgid=own", "{asked:?}");
    }
}

proptest! {
    /// Whatever is asked for with the question, no call is made and nothing goes on.
    #[test]
    fn nothing_goes_upstream(
        write: bool,
        scope in prop::option::of(prop::sample::select(vec!["a", "a|b", "team-a", "x y"])),
        series in prop::collection::vec(prop::sample::select(vec!["cluster-1", "cluster-2", "other", ""]), 0..6),
        who in prop::sample::select(vec!["user", "agent"]),
        asks: bool,
    ) {
        let mut world = administrators().caller(who, &["a", "b"]);
        let mut head = and(if write { WRITE } else { QUERY }, &[ASKED]);
        head.extend(scope.map(|scope| ("x-scope-orgid", scope)));
        if asks {
            head.push(OPT_IN);
        }
        let (mut exchange, step) = world.arrives(&head, !write);
        let series: Vec<_> = series.iter().map(|label| up(&[("imp", label)])).collect();
        let step = match step {
            Step::Buffer => exchange.body(&mut world.worker, Ok(body(&series)), world.now),
            step => step,
        };
        prop_assert!(matches!(step, Step::Reply(_)), "{step:?}");
        prop_assert_eq!(world.worker.in_use(), (0, 0));
        prop_assert!(!exchange.wants_body());
    }
}
