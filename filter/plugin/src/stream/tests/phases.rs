//! From event to event: what is held, what goes on, and what is handed to the host.

use std::rc::Rc;

use super::{
    CONFIG, Flow, Op, Request, Stream, answer, asked, contains, counted, headers, shared, statuses, tell,
    values,
};
use crate::host::Level;
use crate::shared::Shared;
use crate::testing::{Fake, body};

#[test]
fn a_head_that_decides_goes_on_at_once() {
    let host = Request::write("user", &[], body(&["own"])).host();
    let mut stream = Stream::new(host.clone(), shared(CONFIG));
    assert_eq!(stream.request_headers(false), Flow::Continue);
    assert_eq!(values(&host, "x-scope-orgid"), ["own"]);
    assert_eq!(values(&host, "thanos-tenant"), [""; 0]);
    assert_eq!(values(&host, "content-type"), ["application/x-protobuf"]);
    // The body is neither kept nor read.
    for (size, end) in [(10, false), (20, true)] {
        assert_eq!(stream.request_body(size, end), Flow::Continue);
    }
    assert_eq!(stream.request_trailers(), Flow::Continue);
    assert_eq!((asked(&host, Op::Body), asked(&host, Op::Replace), asked(&host, Op::Headers)), (0, 0, 1));
    assert_eq!(counted(&host), ["backend=metrics class=write decision=forwarded scopegate_requests_total 1"]);
    assert_eq!(*host.0.logs.borrow(), []);
}

#[test]
fn a_body_is_read_once_it_is_whole() {
    // (how it ends: with a last piece, with an empty last piece, with trailers)
    let endings: &[(&str, fn(&mut Stream<Fake>, usize) -> Flow)] = &[
        ("a last piece", |stream, size| stream.request_body(size, true)),
        ("an empty piece", |stream, size| {
            assert_eq!(stream.request_body(size, false), Flow::Pause);
            stream.request_body(size, true)
        }),
        ("trailers", |stream, size| {
            assert_eq!(stream.request_body(size, false), Flow::Pause);
            stream.request_trailers()
        }),
    ];
    for (what, end) in endings {
        let request = Request::impersonating(&["cluster-1", "cluster-1"]);
        let (host, size) = (request.host(), request.body.len());
        let mut stream = Stream::new(host.clone(), shared(CONFIG));
        assert_eq!(stream.request_headers(false), Flow::Pause, "{what}");
        assert_eq!(headers(&host).len(), request.headers.len(), "{what}: nothing changes yet");
        for size in [1, size / 2] {
            assert_eq!(stream.request_body(size, false), Flow::Pause, "{what}");
        }
        assert_eq!(asked(&host, Op::Body), 0, "{what}");
        assert_eq!(end(&mut stream, size), Flow::Continue, "{what}");
        assert_eq!(asked(&host, Op::Body), 1, "{what}");
        assert_eq!(values(&host, "x-scope-orgid"), ["cluster-1"], "{what}");
        assert_eq!(values(&host, "x-scope-impersonate"), [""; 0], "{what}");
        let new = host.0.body.borrow().clone();
        assert_eq!(values(&host, "content-length"), [new.len().to_string()], "{what}");
        assert!(!new.is_empty() && new.len() < size && !contains(&new, "imp"), "{what}");
        // Whatever else comes goes on with it.
        assert_eq!(stream.request_trailers(), Flow::Continue, "{what}");
        assert_eq!(stream.request_body(size, true), Flow::Continue, "{what}");
        assert_eq!(asked(&host, Op::Replace), 1, "{what}");
    }
}

#[test]
fn a_body_that_needs_no_change_is_left_alone() {
    let request = Request::impersonating(&["-", "-"]);
    let host = request.host();
    assert_eq!(tell(&mut Stream::new(host.clone(), shared(CONFIG))), Flow::Continue);
    assert_eq!(*host.0.body.borrow(), request.body);
    assert_eq!(asked(&host, Op::Replace), 0);
    assert_eq!(values(&host, "x-scope-orgid"), ["own"]);
    assert_eq!(values(&host, "content-length"), ["9"]);
}

#[test]
fn bodies_that_cannot_be() {
    let request = Request::impersonating(&["cluster-1"]);
    let size = request.body.len();
    let cases: &[(&str, fn(&mut Stream<Fake>, usize) -> Flow, u16)] = &[
        ("none, as the head says", |stream, _| stream.request_headers(true), 400),
        (
            "none, as its end says",
            |stream, _| {
                stream.request_headers(false);
                stream.request_body(0, true)
            },
            400,
        ),
        (
            "none, as the trailers say",
            |stream, _| {
                stream.request_headers(false);
                stream.request_trailers()
            },
            400,
        ),
        (
            "half of it, as if it were the whole",
            |stream, size| {
                stream.request_headers(false);
                stream.request_body(size / 2, true)
            },
            400,
        ),
        (
            "less than the host said there is",
            |stream, size| {
                stream.request_headers(false);
                stream.host.0.body.borrow_mut().truncate(size - 1);
                stream.request_body(size, true)
            },
            500,
        ),
        (
            "nothing of what the host said there is",
            |stream, size| {
                stream.request_headers(false);
                stream.host.0.body.borrow_mut().clear();
                stream.request_body(size, true)
            },
            500,
        ),
        (
            "more than may be, in pieces",
            |stream, _| {
                stream.request_headers(false);
                assert_eq!(stream.request_body(1_000, false), Flow::Pause);
                assert!(stream.host.0.replies.borrow().is_empty());
                stream.request_body(1_001, false)
            },
            413,
        ),
        (
            "more than may be, at once",
            |stream, _| {
                stream.request_headers(false);
                stream.request_body(1_001, true)
            },
            413,
        ),
    ];
    for (what, tell, status) in cases {
        let host = request.host();
        let mut stream = Stream::new(host.clone(), shared(CONFIG));
        assert_eq!(tell(&mut stream, size), Flow::Pause, "{what}");
        assert_eq!(statuses(&host), [*status], "{what}");
        // Nothing that comes later lets it go, or answers it again.
        assert_eq!(stream.request_body(2_000, true), Flow::Pause, "{what}");
        assert_eq!(stream.request_trailers(), Flow::Pause, "{what}");
        assert_eq!(statuses(&host), [*status], "{what}");
        assert_eq!(values(&host, "x-scope-orgid"), ["evil", "worse"], "{what}: nothing was changed");
    }
}

#[test]
fn without_a_configuration_nothing_goes_on() {
    let host = Request::write("user", &[], body(&["own"])).host();
    let mut stream = Stream::new(host.clone(), Rc::new(Shared::default()));
    assert_eq!(stream.request_headers(false), Flow::Pause);
    assert_eq!(stream.request_body(10, false), Flow::Pause);
    assert_eq!(stream.request_body(20, true), Flow::Pause);
    assert_eq!(stream.request_trailers(), Flow::Pause);
    stream.call_answered(1, true);
    stream.closed();
    let replies = host.0.replies.borrow();
    let [reply] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!((reply.status, reply.details), (500, "host"));
    assert_eq!(reply.body, b"scopegate: the gateway failed: it has no configuration\n");
    let logs = host.0.logs.borrow();
    assert_eq!(
        *logs,
        [(Level::Error, "scopegate: a request is refused: it has no configuration".to_owned())]
    );
    assert_eq!((asked(&host, Op::Headers), asked(&host, Op::Set)), (0, 0));
}

/// Events without a head: nothing goes on that was never looked at.
#[test]
fn nothing_goes_on_without_a_head() {
    let host = Request::write("user", &[], vec![]).host();
    let mut stream = Stream::new(host.clone(), shared(CONFIG));
    assert_eq!(stream.request_body(10, true), Flow::Pause);
    assert_eq!(stream.request_trailers(), Flow::Pause);
    stream.call_answered(0, true);
    stream.closed();
    assert_eq!(stream.request_body(10, true), Flow::Pause);
}

#[test]
fn headers_that_cannot_be_read() {
    let parts = |count: u32| count.to_le_bytes().to_vec();
    for raw in [parts(1), parts(u32::MAX), vec![0xff; 64], vec![1], [parts(1), vec![9; 8]].concat()] {
        let host = Request::write("user", &[], vec![]).host();
        *host.0.raw_headers.borrow_mut() = Some(raw.clone());
        let mut stream = Stream::new(host.clone(), shared(CONFIG));
        assert_eq!(stream.request_headers(true), Flow::Pause, "{raw:?}");
        assert_eq!(statuses(&host), [500], "{raw:?}");
    }
    // None at all are headers of a request that leads nowhere.
    for raw in [vec![], parts(0)] {
        let host = Request::write("user", &[], vec![]).host();
        *host.0.raw_headers.borrow_mut() = Some(raw);
        assert_eq!(Stream::new(host.clone(), shared(CONFIG)).request_headers(true), Flow::Pause);
        assert_eq!(statuses(&host), [400]);
    }
}

#[test]
fn counters_and_lines_are_handed_over_after_each_event() {
    let observe = CONFIG.replacen('{', "{\"mode\": \"observe\",", 1);
    let shared = shared(&observe);
    let host = Request::impersonating(&["own", "cluster-1"]).host();
    let before = headers(&host);
    assert_eq!(tell(&mut Stream::new(host.clone(), Rc::clone(&shared))), Flow::Continue);
    assert_eq!((headers(&host), asked(&host, Op::Replace)), (before, 0));
    assert_eq!(
        *host.0.logs.borrow(),
        [(
            Level::Info,
            "observe: /api/v1/push came with X-Scope-OrgID \"evil\" X-Scope-OrgID \"worse\", \
             would be rewritten for own cluster-1"
                .to_owned()
        )]
    );
    assert_eq!(
        counted(&host),
        ["backend=metrics class=write decision=observed_different scopegate_requests_total 1"]
    );
    // What one request left is handed over once.
    let next = Request::write("user", &[], vec![]).host();
    Stream::new(next.clone(), shared).request_headers(true);
    assert_eq!(counted(&next).len(), 1);

    let enforced = Request::impersonating(&["own", "cluster-1"]).host();
    let mut stream = Stream::new(enforced.clone(), super::shared(CONFIG));
    let size = enforced.0.body.borrow().len();
    stream.request_headers(false);
    assert_eq!(counted(&enforced), [""; 0]);
    stream.request_body(size, true);
    assert_eq!(
        counted(&enforced),
        [
            "backend=metrics class=write decision=split scopegate_requests_total 1",
            "backend=metrics outcome=sent scopegate_series_total 2",
        ]
    );
    enforced.0.counts.borrow_mut().clear();
    answer(&mut stream, 1_000, "400", &[], b"no");
    assert_eq!(counted(&enforced), ["backend=metrics code=4xx scopegate_calls_total 1"]);
}

/// What stands after a body may be taken for a header: nothing about tenancy is left there, however the body goes on.
#[test]
fn trailers_say_nothing_about_tenancy() {
    let given = [
        ("x-scope-orgid", "evil"),
        ("x_scope_orgid", "evil"),
        ("accountid", "1"),
        ("x-scope-impersonate", "true"),
        ("authorization", "Basic x"),
        ("grpc-status", "0"),
        ("x-other", "1"),
    ];
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let given: Vec<(String, String)> = given.iter().map(own).collect();
    for request in
        [Request::write("user", &[], body(&["own"])), Request::impersonating(&["cluster-1", "cluster-1"])]
    {
        for (fails, expected) in [
            (None, Flow::Continue),
            (Some((Op::Trailers, None, 1)), Flow::Pause),
            (Some((Op::RemoveTrailer, Some(2), 1)), Flow::Pause),
        ] {
            let (host, size) = (request.host(), request.body.len());
            host.0.trailers.borrow_mut().clone_from(&given);
            host.0.fails.set(fails);
            let mut stream = Stream::new(host.clone(), shared(CONFIG));
            stream.request_headers(false);
            stream.request_body(size, false);
            assert_eq!(stream.request_trailers(), expected, "{fails:?}");
            if expected == Flow::Continue {
                assert_eq!(*host.0.trailers.borrow(), given[5..]);
                assert_eq!(statuses(&host), [0; 0]);
            } else {
                assert_eq!(statuses(&host), [500]);
            }
        }
    }
}
