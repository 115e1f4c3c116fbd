//! Whatever the host fails to do, at whatever time: the request goes on as it must or not at all, and is
//! answered unless the answer itself is what failed.

use super::{CONFIG, Flow, Op, Request, Stream, asked, headers, shared, statuses, tell};
use crate::host::Level;
use crate::testing::{Fake, body};

/// Two backends, so that the host is asked which it is.
fn two_backends() -> String {
    CONFIG.replacen("}]", "}, {\"name\": \"logs\", \"kind\": \"loki\", \"path\": \"/logs\"}]", 1)
}

/// Every way through the filter, with the status of its answer; 0 where it goes on.
fn ways() -> Vec<(&'static str, Request, String, u16)> {
    let config = || CONFIG.to_owned();
    let unknown = Request { session: "", ..Request::write("", &[], vec![]) };
    vec![
        ("its head decides", Request::write("user", &[], body(&["own"])), config(), 0),
        ("its head decides, no body", Request::write("user", &[], vec![]), config(), 0),
        ("its head decides, two backends", Request::write("user", &[], vec![]), two_backends(), 0),
        ("rewritten", Request::impersonating(&["cluster-1", "cluster-1"]), config(), 0),
        ("untouched", Request::impersonating(&["-", "-"]), config(), 0),
        ("split", Request::impersonating(&["own", "cluster-1", "cluster-2", "cluster-3"]), config(), 200),
        ("rejected", Request::impersonating(&["own", "nobody's"]), config(), 400),
        ("refused by its head", unknown, config(), 401),
        (
            "refused by its body",
            Request { body: vec![1, 2, 3], ..Request::impersonating(&[]) },
            config(),
            400,
        ),
    ]
}

/// What must be at the end, however it comes: gone on as it must be, answered once, or held.
fn check(what: &str, flow: Flow, host: &Fake, good: Option<&Fake>) {
    match (flow, statuses(host).as_slice(), good) {
        (Flow::Continue, [], Some(good)) => {
            assert_eq!(headers(host), headers(good), "{what}");
            assert_eq!(*host.0.body.borrow(), *good.0.body.borrow(), "{what}");
        }
        (Flow::Pause, [_] | [], _) => {}
        (flow, statuses, _) => panic!("{what}: {flow:?} {statuses:?}"),
    }
}

#[test]
fn any_single_failure() {
    let mut tried = 0;
    for (way, request, config, status) in ways() {
        let good = request.host();
        let flow = tell(&mut Stream::new(good.clone(), shared(&config)));
        assert_eq!(
            (flow == Flow::Continue, statuses(&good).first().copied()),
            match status {
                0 => (true, None),
                status => (false, Some(status)),
            },
            "{way}"
        );
        for op in Op::ALL {
            for time in (0..asked(&good, op)).map(Some).chain([None]) {
                for code in [1, 2, 4, 10] {
                    let what = format!("{way}: {op:?} fails with {code} at {time:?}");
                    let host = request.host();
                    host.0.fails.set(Some((op, time, code)));
                    let mut stream = Stream::new(host.clone(), shared(&config));
                    let flow = tell(&mut stream);
                    let went_on = (status == 0).then_some(&good);
                    check(&what, flow, &host, went_on);
                    // What was to be answered, or could not be changed, is answered, unless that is what fails.
                    let answered = !statuses(&host).is_empty();
                    assert_eq!(answered, flow == Flow::Pause && op != Op::Reply, "{what}");
                    // Nothing that comes later changes it.
                    for _ in 0..2 {
                        assert_eq!(stream.request_trailers(), flow, "{what}");
                        assert_eq!(stream.request_body(9, true), flow, "{what}");
                        stream.call_answered(1_000, true);
                        stream.closed();
                    }
                    check(&what, flow, &host, went_on);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn which_answer_a_failure_leads_to() {
    let rewritten = || Request::impersonating(&["cluster-1"]);
    let split = || Request::impersonating(&["own", "cluster-1", "cluster-2"]);
    let user = || Request::write("user", &[], vec![]);
    let all = None;
    let cases: Vec<(Request, Op, Option<usize>, u32, u16, &str)> = vec![
        (user(), Op::Headers, all, 2, 500, "the request's headers could not be read"),
        (user(), Op::Set, all, 2, 500, "the request could not be changed"),
        (user(), Op::Remove, all, 2, 500, "the request could not be changed"),
        (user(), Op::Attribute, all, 1, 401, "no credentials"),
        (rewritten(), Op::Body, all, 1, 500, "the body could not be read"),
        (rewritten(), Op::Replace, all, 1, 500, "the request could not be changed"),
        // The session is known by the first question; where the calls would go is not.
        (split(), Op::Attribute, Some(1), 1, 500, "the route has no cluster"),
        (split(), Op::Call, all, 2, 503, "no answer: the cluster is unknown"),
        (split(), Op::Call, all, 10, 503, "no answer: no healthy upstream"),
        (split(), Op::Call, Some(1), 10, 503, "1 of 3 tenants did not accept their part"),
        (split(), Op::AnswerStatus, Some(2), 1, 503, "no answer: the answer broke off"),
    ];
    for (request, op, time, code, status, expected) in cases {
        let host = request.host();
        host.0.fails.set(Some((op, time, code)));
        let flow = tell(&mut Stream::new(host.clone(), shared(CONFIG)));
        assert_eq!((flow, statuses(&host)), (Flow::Pause, vec![status]), "{op:?}");
        let text = String::from_utf8(host.0.replies.borrow()[0].body.clone()).unwrap();
        assert!(text.contains(expected), "{op:?}: {text}");
        // What is the gateway's own failure is in its log, too.
        let logged = host.0.logs.borrow().iter().any(|(level, _)| *level == Level::Error);
        assert_eq!(logged, matches!(op, Op::Headers | Op::Set | Op::Remove | Op::Replace), "{op:?}");
    }
}

/// An upstream's status counts even where its words cannot be read.
#[test]
fn an_answer_without_its_words() {
    let host = Request::impersonating(&["own", "cluster-1"]).host();
    host.0.fails.set(Some((Op::AnswerBody, None, 1)));
    let mut stream = Stream::new(host.clone(), shared(CONFIG));
    let size = host.0.body.borrow().len();
    stream.request_headers(false);
    stream.request_body(size, true);
    super::answer(&mut stream, 1_000, "200", &[], b"");
    super::answer(&mut stream, 993, "429", &[("retry-after", "3")], b"slow down");
    assert_eq!(statuses(&host), [429]);
}

/// Where even the answer fails the request stays held, and the log says so.
#[test]
fn an_answer_that_fails() {
    for (way, request, config, status) in ways() {
        let host = request.host();
        host.0.fails.set(Some((Op::Reply, None, 10)));
        let mut stream = Stream::new(host.clone(), shared(&config));
        let flow = tell(&mut stream);
        assert_eq!(flow == Flow::Continue, status == 0, "{way}");
        let lines: Vec<_> =
            host.0.logs.borrow().iter().filter(|(level, _)| *level == Level::Error).cloned().collect();
        let expected = "scopegate: an answer could not be given; the request stays held";
        assert_eq!(lines.iter().any(|(_, line)| line == expected), status != 0, "{way}");
    }
    // Also where no call could be made at all.
    let host = Request::impersonating(&["own", "cluster-1"]).host();
    host.0.fails.set(Some((Op::Call, None, 10)));
    tell(&mut Stream::new(host.clone(), shared(CONFIG)));
    assert_eq!(statuses(&host), [503]);
}
