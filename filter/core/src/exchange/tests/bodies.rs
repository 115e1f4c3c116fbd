//! Whose bodies are looked into, and what becomes of bodies that cannot be.

use serde_json::{Value as Json, json};

use super::{Head, OPT_IN, WRITE, World, and, but, describe, up};
use crate::write::remote_write::testing::{body, compress};

type Change = fn(&mut Json);

fn as_is(_: &mut Json) {}

fn by_label(config: &mut Json) {
    config["write"]["metrics"]["tenant"] = json!([{"label": "ns"}, "caller"]);
}

fn by_header_then_label(config: &mut Json) {
    config["write"]["metrics"]["tenant"] = json!([{"header": "X-Team"}, {"label": "ns"}, "caller"]);
}

fn strict(config: &mut Json) {
    config["write"]["metrics"]["strict"] = json!(true);
}

fn strict_without_rights(config: &mut Json) {
    strict(config);
    config["callers"][0]["impersonate"] = Json::Null;
}

fn by_label_only(config: &mut Json) {
    config["write"]["metrics"]["tenant"] = json!([{"label": "ns"}]);
}

fn header_or_drop(config: &mut Json) {
    config["write"]["metrics"] = json!({"tenant": [{"header": "X-Team"}], "on_absent": "drop"});
}

fn header_or_default(config: &mut Json) {
    config["write"]["metrics"] = json!({"tenant": [{"header": "X-Team"}], "on_absent": {"tenant": "rest"}});
}

#[test]
fn a_body_is_kept_only_where_it_decides() {
    const OWN: &str = "go on x-scope-orgid=own";
    let other_value = ("x-scope-impersonate", "TRUE");
    let cases: &[(&str, Change, &str, Head<'_>, &str)] = &[
        ("without the right", as_is, "user", &[], OWN),
        ("the right, not used", as_is, "agent", &[], OWN),
        ("the right, used", as_is, "agent", &[OPT_IN], "keep"),
        (
            "the header, without the right",
            as_is,
            "user",
            &[OPT_IN],
            "go on -x-scope-impersonate x-scope-orgid=own",
        ),
        (
            "the right, asked for in another way",
            as_is,
            "agent",
            &[other_value],
            "go on -x-scope-impersonate x-scope-orgid=own",
        ),
        ("asked for twice", as_is, "agent", &[OPT_IN, OPT_IN], "answer 400 repeated_header"),
        ("asked for and not", as_is, "agent", &[OPT_IN, other_value], "answer 400 repeated_header"),
        ("tenants by label", by_label, "user", &[], "keep"),
        ("tenants by label, nothing else", by_label_only, "user", &[], "keep"),
        ("a header comes first and is absent", by_header_then_label, "user", &[], "keep"),
        (
            "a header comes first and is there",
            by_header_then_label,
            "user",
            &[("x-team", "own")],
            "go on -x-team x-scope-orgid=own",
        ),
        (
            "a header and the right, used: the label comes before the header",
            by_header_then_label,
            "agent",
            &[("x-team", "own"), OPT_IN],
            "keep",
        ),
        (
            "a header names somebody else",
            by_header_then_label,
            "user",
            &[("x-team", "b")],
            "answer 403 foreign_tenant",
        ),
        (
            "a header names nothing",
            by_header_then_label,
            "user",
            &[("x-team", "")],
            "answer 400 invalid_tenant",
        ),
        (
            "a header names two",
            by_header_then_label,
            "user",
            &[("x-team", "own"), ("x-team", "own")],
            "answer 400 repeated_header",
        ),
        ("all is to be dropped", header_or_drop, "user", &[], "keep"),
        ("all goes elsewhere", header_or_default, "user", &[], "go on x-scope-orgid=rest"),
        ("strict looks at everyone", strict, "user", &[], "keep"),
        ("strict, the right not used", strict, "agent", &[], "keep"),
        ("strict refuses the header", strict, "user", &[OPT_IN], "answer 403 may_not_impersonate"),
        ("strict, asked for in another way", strict, "user", &[other_value], "keep"),
        ("strict, asked for twice", strict, "user", &[OPT_IN, OPT_IN], "answer 400 repeated_header"),
        ("strict, and nobody has the right", strict_without_rights, "user", &[OPT_IN], OWN),
    ];
    for (what, change, who, more, expected) in cases {
        let mut world = World::with(change).caller(who, &["own"]);
        let (exchange, step) = world.head(&and(WRITE, more));
        assert_eq!(describe(&step), *expected, "{what}");
        assert_eq!(exchange.wants_body(), *expected == "keep", "{what}");
        if *expected == "keep" {
            assert_eq!(world.counted(), [""; 0], "{what}: not counted before it is decided");
        }
    }
}

#[test]
fn what_cannot_be_taken_apart_by_series_is_refused() {
    let influx = || but(WRITE, ":path", "/api/v1/push/influx/write");
    let cases: &[(&str, Change, &str, Vec<(&str, &str)>)] = &[
        ("line protocol, tenants by label", by_label, "user", influx()),
        ("line protocol, impersonation", as_is, "agent", and(&influx(), &[OPT_IN])),
        ("line protocol, strict", strict, "user", influx()),
    ];
    for (what, change, who, head) in cases {
        let mimir = |config: &mut Json| {
            config["backends"][0]["kind"] = json!("mimir");
            change(config);
        };
        let mut world = World::with(mimir).caller(who, &["own"]);
        let (_, step) = world.head(head);
        assert_eq!(describe(&step), "answer 415 cannot_split", "{what}");
    }
}

/// A request of the agent that asks for impersonation, with limits that are quickly reached.
fn small(config: &mut Json) {
    config["limits"] = json!({"request_bytes": 100, "decoded_bytes": 200, "series": 3, "tenants": 2});
}

#[test]
fn announced_lengths() {
    let cases = [
        ("", "keep"),
        ("0", "keep"),
        ("100", "keep"),
        ("101", "answer 413 body_too_large"),
        ("18446744073709551615", "answer 413 body_too_large"),
        // What is no number is Envoy's to refuse; the body itself is measured as it comes.
        ("18446744073709551616", "keep"),
        ("lots", "keep"),
    ];
    for (length, expected) in cases {
        let mut world = World::with(small).caller("agent", &["own"]);
        let head = and(WRITE, &[OPT_IN]);
        let (exchange, step) = world.head(&but(&head, "content-length", length));
        assert_eq!(describe(&step), expected, "{length}");
        assert_eq!(exchange.wants_body(), expected == "keep", "{length}");
    }
    // Nobody measures what nobody looks into.
    let mut world = World::with(small).caller("agent", &["own"]);
    let (_, step) = world.head(&but(WRITE, "content-length", "1000000000"));
    assert_eq!(describe(&step), "go on x-scope-orgid=own");
}

#[test]
fn lengths_as_they_come() {
    let mut world = World::with(small).caller("agent", &["own"]);
    let (mut exchange, _) = world.head(&and(WRITE, &[OPT_IN]));
    let mut steps = Vec::new();
    for size in [0, 1, 99, 100, 101, 102] {
        steps.push(describe(&exchange.body_progress(&mut world.worker, size)));
    }
    assert_eq!(steps, ["keep", "keep", "keep", "keep", "answer 413 body_too_large", "wait"]);
    assert!(!exchange.wants_body());
    assert_eq!(
        world.counted(),
        ["backend=metrics class=write decision=refused reason=body_too_large requests 1"]
    );
}

#[test]
fn bodies_that_are_no_request() {
    let of =
        |tenants: &[&str]| body(&tenants.iter().map(|tenant| up(&[("imp", tenant)])).collect::<Vec<_>>());
    let cases: Vec<(&str, Result<Vec<u8>, &'static str>, &str)> = vec![
        ("nothing at all", Ok(vec![]), "answer 400 malformed_body"),
        ("no snappy", Ok(b"hello".to_vec()), "answer 400 malformed_body"),
        ("no message", Ok(compress(b"\x0a\x05x")), "answer 400 malformed_body"),
        ("a label that is no message", Ok(compress(b"\x0a\x02\x08\x01")), "answer 400 malformed_body"),
        ("large once decompressed", Ok(compress(&[0; 201])), "answer 413 body_too_large"),
        ("said to be large", Ok(vec![0xff, 0xff, 0xff, 0xff, 0x0f]), "answer 413 body_too_large"),
        ("many series", Ok(of(&["own", "own", "own", "own"])), "answer 413 too_many_series"),
        ("many tenants", Ok(of(&["own", "cluster-1", "cluster-2"])), "answer 400 too_many_tenants"),
        ("the host cannot read it", Err("the body could not be read"), "answer 500 host"),
        ("as many as may be", Ok(of(&["own", "cluster-1", "own"])), "call own cluster-1"),
    ];
    for (what, body, expected) in cases {
        let mut world = World::with(small).caller("agent", &["own"]);
        let (mut exchange, _) = world.head(&and(WRITE, &[OPT_IN]));
        let step = exchange.body(&mut world.worker, body, 0);
        assert_eq!(describe(&step), expected, "{what}");
    }
    // No body at all: the head says so.
    let mut world = World::with(small).caller("agent", &["own"]);
    let (exchange, step) = world.arrives(&and(WRITE, &[OPT_IN]), true);
    assert_eq!(describe(&step), "answer 400 malformed_body");
    assert!(!exchange.wants_body());
}
