//! Bodies that were looked into and go on by Envoy's own route: one tenant for all of them.

use prost::Message as _;
use serde_json::{Value as Json, json};

use super::{Changes, OPT_IN, Step, WRITE, World, and, answer, changed, describe, message, text, up};
use crate::write::remote_write::testing::{
    MetricMetadata, TimeSeries, WriteRequest, body, compress, decompress, series,
};

type Change = fn(&mut Json);

fn as_is(_: &mut Json) {}

/// Only the caller and impersonation name a tenant.
fn by_caller(config: &mut Json) {
    config["write"]["metrics"]["tenant"] = json!(["caller"]);
}

/// What does not name a tenant is left out and only counted.
fn dropping(config: &mut Json) {
    config["write"]["metrics"] = json!({"tenant": [{"label": "ns"}], "on_absent": "drop"});
}

/// The head of a request that asks for impersonation and says a few other things.
fn head() -> Vec<(&'static str, &'static str)> {
    and(
        WRITE,
        &[
            OPT_IN,
            ("content-length", "321"),
            ("authorization", "Bearer x"),
            ("x-scope-orgid", "evil"),
            ("x-scope-orgid", "own"),
            ("user-agent", "test"),
        ],
    )
}

#[test]
fn untouched_and_rewritten() {
    const KEPT: &str = "go on -x-scope-impersonate -authorization -x-scope-orgid x-scope-orgid=";
    const NEW: &str = "go on -x-scope-impersonate -authorization -x-scope-orgid x-scope-orgid=";
    type Cases<'a> = &'a [(&'a str, Change, &'a [TimeSeries], String, &'a [TimeSeries])];
    let cases: Cases<'_> = &[
        (
            "nothing names another tenant",
            by_caller,
            &[series(&[("__name__", "up")]), up(&[("a", "b")])],
            format!("{KEPT}own"),
            &[],
        ),
        (
            "all name the same: the label goes",
            by_caller,
            &[series(&[("__name__", "up"), ("imp", "cluster-1")]), up(&[("imp", "cluster-1"), ("z", "1")])],
            format!("{NEW}cluster-1 content-length=its own with a new body"),
            &[series(&[("__name__", "up")]), up(&[("z", "1")])],
        ),
        (
            "all name the own tenant",
            by_caller,
            &[up(&[("imp", "own")]), up(&[("a", "b")])],
            format!("{NEW}own content-length=its own with a new body"),
            &[up(&[]), up(&[("a", "b")])],
        ),
        (
            "an empty label goes too",
            by_caller,
            &[up(&[("a", "b"), ("imp", "")])],
            format!("{NEW}own content-length=its own with a new body"),
            &[up(&[("a", "b")])],
        ),
        (
            "what is dropped is not there",
            dropping,
            &[up(&[("a", "b")]), up(&[("ns", "own")]), up(&[])],
            format!("{NEW}own content-length=its own with a new body"),
            &[up(&[("ns", "own")])],
        ),
        ("a label that stays, alone", dropping, &[up(&[("ns", "own")])], format!("{KEPT}own"), &[]),
    ];
    for (what, change, sent, expected, rewritten) in cases {
        let mut world = World::with(change).caller("agent", &["own"]);
        let (exchange, step) = world.request(&head(), &body(sent));
        assert_eq!(describe(&step), *expected, "{what}");
        let Step::Continue(Changes { body: new, .. }) = step else { panic!("{what}") };
        let new = new.map(|body| decompress(&body)).unwrap_or_default();
        assert_eq!(new, message(rewritten), "{what}");
        assert!(!exchange.wants_body(), "{what}");
        assert_eq!(world.worker.in_use(), (0, 0), "{what}");
    }
}

#[test]
fn what_is_left_of_the_head() {
    let mut world = World::with(by_caller).caller("agent", &["own"]);
    let head = head();
    let (_, step) = world.request(&head, &body(&[up(&[("imp", "cluster-1")])]));
    let Step::Continue(changes) = step else { panic!("{step:?}") };
    let length = changes.body.as_ref().map_or(0, Vec::len).to_string();
    let left = [("content-length", &*length), ("user-agent", "test"), ("x-scope-orgid", "cluster-1")];
    let expected = and(WRITE, &left);
    let expected: Vec<_> = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    assert_eq!(changed(&head, &changes), expected);
}

#[test]
fn series_are_counted() {
    let sent = body(&[up(&[("ns", "own")]), up(&[("a", "b")]), up(&[("ns", "own")])]);
    let mut world = World::with(dropping).caller("user", &["own"]);
    world.request(WRITE, &sent);
    assert_eq!(
        world.counted(),
        [
            "backend=metrics class=write decision=forwarded requests 1",
            "backend=metrics outcome=dropped reason=no_tenant series 1",
            "backend=metrics outcome=sent series 2",
        ]
    );
}

/// Backends read private extensions in other fields of the message, so those end here, and the rest is the
/// same bytes.
#[test]
fn private_fields_end_here() {
    let sent = body(&[up(&[("a", "b")])]);
    for private in [&b"\x10\x01"[..], b"\x12\x01x", b"\xc2\x3e\x01x"] {
        let mut message = decompress(&sent);
        message.extend_from_slice(private);
        let mut world = World::with(as_is).caller("agent", &["own"]);
        let (_, step) = world.request(&and(WRITE, &[OPT_IN]), &compress(&message));
        let Step::Continue(Changes { body: Some(new), .. }) = step else { panic!("{step:?}") };
        assert_eq!(decompress(&new), decompress(&sent));
    }
}

#[test]
fn metadata_is_a_request_too() {
    let metadata = vec![MetricMetadata { kind: 1, family: "up".into() }];
    let sent = compress(&WriteRequest { timeseries: vec![], metadata }.encode_to_vec());
    // (caller's tenants, what becomes of it)
    let own = "go on -x-scope-impersonate x-scope-orgid=own";
    for (change, tenants, expected) in [
        (as_is as Change, &["own"][..], own),
        (dropping, &["own"], own),
        (dropping, &["a", "b"], "answer 200 split"),
    ] {
        let mut world = World::with(change).caller("agent", tenants);
        let (_, step) = world.request(&and(WRITE, &[OPT_IN]), &sent);
        assert_eq!(describe(&step), expected, "{tenants:?}");
    }
}

#[test]
fn nothing_to_send_is_answered_here() {
    let none: &[TimeSeries] = &[];
    let cases: &[(&str, Change, &[TimeSeries], &str, &[&str])] = &[
        (
            "empty",
            as_is,
            none,
            "answer 200 split",
            &["backend=metrics class=write decision=empty requests 1"],
        ),
        (
            "all dropped",
            dropping,
            &[up(&[("a", "b")])],
            "answer 200 split",
            &[
                "backend=metrics class=write decision=empty requests 1",
                "backend=metrics outcome=dropped reason=no_tenant series 1",
            ],
        ),
        (
            "all rejected",
            as_is,
            &[up(&[("imp", "team-a")]), up(&[("imp", "a b")]), up(&[("imp", "own"), ("imp", "own")])],
            "answer 400 split_refused",
            &[
                "backend=metrics class=write decision=empty requests 1",
                "backend=metrics outcome=rejected reason=duplicate_label series 1",
                "backend=metrics outcome=rejected reason=foreign_tenant series 1",
                "backend=metrics outcome=rejected reason=unmapped series 1",
            ],
        ),
    ];
    for (what, change, sent, expected, counted) in cases {
        let mut world = World::with(change).caller("agent", &["own"]);
        let (exchange, step) = world.request(&and(WRITE, &[OPT_IN]), &body(sent));
        assert_eq!(describe(&step), *expected, "{what}");
        assert_eq!(world.counted(), *counted, "{what}");
        assert!(!exchange.wants_body());
        assert_eq!(world.worker.in_use(), (0, 0), "{what}");
    }
}

#[test]
fn an_answer_names_the_series_that_were_rejected() {
    let mut world = World::with(as_is).caller("agent", &["own"]);
    let sent = body(&[series(&[("__name__", "up"), ("imp", "team-a\n"), ("job", "x")])]);
    let (_, step) = world.request(&and(WRITE, &[OPT_IN]), &sent);
    let reply = answer(step);
    assert_eq!(
        text(&reply),
        "scopegate: 1 series were not written.\n\
         series up{imp=\"team-a\\n\", job=\"x\"}: the label leads to no tenant\n"
    );
    assert_eq!(reply.headers, [("content-type", "text/plain; charset=utf-8".to_owned())]);
}
