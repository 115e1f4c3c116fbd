//! Split requests: tokens, answers, and what comes of them.

use super::{CONFIG, Flow, Request, Stream, answer, shared, statuses, tell};
use crate::testing::Fake;

/// A split over three tenants, of which two are on their way.
fn split() -> (Fake, Stream<Fake>) {
    let host = Request::impersonating(&["own", "cluster-1", "cluster-2"]).host();
    let mut stream = Stream::new(host.clone(), shared(CONFIG));
    let size = host.0.body.borrow().len();
    assert_eq!(stream.request_headers(false), Flow::Pause);
    assert_eq!(stream.request_body(size, true), Flow::Pause);
    assert_eq!(sent(&host), ["own", "cluster-1"]);
    (host, stream)
}

fn sent(host: &Fake) -> Vec<String> {
    host.0.calls.borrow().iter().map(|(_, call)| call.tenant.to_string()).collect()
}

/// The one answer, as text.
fn words(host: &Fake) -> String {
    let replies = host.0.replies.borrow();
    let [reply] = replies.as_slice() else { panic!("{replies:?}") };
    String::from_utf8(reply.body.clone()).unwrap()
}

#[test]
fn answers_come_by_the_hosts_tokens() {
    let (host, mut stream) = split();
    let tokens: Vec<u32> = host.0.calls.borrow().iter().map(|(token, _)| *token).collect();
    // Neither a number of our own nor a stranger's token is an answer.
    for token in [0, 1, 2, 999, u32::MAX] {
        answer(&mut stream, token, "500", &[], b"");
    }
    answer(&mut stream, tokens[1], "200", &[], b"");
    assert_eq!(sent(&host), ["own", "cluster-1", "cluster-2"]);
    // Nor is a second one for the same call.
    answer(&mut stream, tokens[1], "500", &[], b"");
    answer(&mut stream, tokens[0], "400", &[], b"out of order");
    assert_eq!(statuses(&host), [0; 0]);
    let last = host.0.calls.borrow()[2].0;
    answer(&mut stream, last, "200", &[], b"");
    assert_eq!(statuses(&host), [400]);
    assert!(words(&host).contains("tenant own: 400 out of order\n"), "{}", words(&host));
    // After the answer there is none.
    answer(&mut stream, last, "500", &[], b"");
    assert_eq!(statuses(&host), [400]);
    assert_eq!(stream.request_trailers(), Flow::Pause);
    stream.closed();
}

#[test]
fn answers_as_the_host_has_them() {
    type Answers<'a> = &'a [(&'a str, &'a [(&'a str, &'a str)])];
    let cases: &[(&str, Answers<'_>, u16, &str)] = &[
        ("well", &[("200", &[]), ("204", &[])], 200, ""),
        ("no number", &[("200", &[]), ("OK", &[])], 503, "no answer: the answer broke off"),
        ("a large number", &[("200", &[]), ("70000", &[])], 503, "no answer: the answer broke off"),
        (
            "a longest wait",
            &[("429", &[("retry-after", "3")]), ("429", &[("retry-after", "5")])],
            429,
            "429 said",
        ),
        (
            "a wait until a date",
            &[("200", &[]), ("429", &[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")])],
            429,
            "429 said",
        ),
        (
            "a wait beyond reason",
            &[("200", &[]), ("429", &[("retry-after", "99999999999")])],
            429,
            "429 said",
        ),
    ];
    for (what, answers, status, expected) in cases {
        let host = Request::impersonating(&["own", "cluster-1"]).host();
        let mut stream = Stream::new(host.clone(), shared(CONFIG));
        let size = host.0.body.borrow().len();
        stream.request_headers(false);
        stream.request_body(size, true);
        for (token, (status, more)) in [1_000, 993].iter().zip(*answers) {
            answer(&mut stream, *token, status, more, b"said\nmore");
        }
        assert_eq!(statuses(&host), [*status], "{what}");
        assert!(
            words(&host).contains(expected) && !words(&host).contains("more"),
            "{what}: {}",
            words(&host)
        );
        let waits: Vec<String> = host.0.replies.borrow()[0]
            .headers
            .iter()
            .filter(|(name, _)| *name == "retry-after")
            .map(|(_, value)| value.clone())
            .collect();
        let expected: &[&str] = if *what == "a longest wait" { &["5"] } else { &[] };
        assert_eq!(waits, expected, "{what}");
    }
}

/// Without headers the answer broke off, whatever the host shows.
#[test]
fn answers_that_broke_off() {
    let (host, mut stream) = split();
    *host.0.answer.borrow_mut() = (vec![(":status".to_owned(), "200".to_owned())], Vec::new());
    for (token, has_headers) in [(1_000, false), (993, true), (986, true)] {
        stream.call_answered(token, has_headers);
    }
    assert_eq!(statuses(&host), [503]);
    assert!(words(&host).contains("tenant own: no answer: the answer broke off\n"), "{}", words(&host));
}

/// An upstream's message is cut short before it comes into the module's memory.
#[test]
fn messages_are_cut_short() {
    let (host, mut stream) = split();
    for token in [1_000, 993, 986] {
        answer(&mut stream, token, "400", &[], &vec![b'x'; 100_000]);
    }
    assert!(words(&host).len() < 1_200, "{}", words(&host).len());
}

#[test]
fn a_client_that_goes_away() {
    let (host, mut stream) = split();
    stream.closed();
    answer(&mut stream, 1_000, "200", &[], b"");
    answer(&mut stream, 993, "200", &[], b"");
    stream.closed();
    assert_eq!(sent(&host), ["own", "cluster-1"], "nothing more is sent");
    assert_eq!(statuses(&host), [0; 0], "and nobody is answered");
}

#[test]
fn requests_of_one_worker_do_not_mix() {
    let shared = shared(CONFIG);
    let requests: Vec<_> = ["cluster-1", "cluster-2", "cluster-3"]
        .map(|tenant| {
            let host = Request::impersonating(&["own", tenant]).host();
            let mut stream = Stream::new(host.clone(), std::rc::Rc::clone(&shared));
            let size = host.0.body.borrow().len();
            stream.request_headers(false);
            stream.request_body(size, true);
            (host, stream)
        })
        .into();
    for (position, (host, mut stream)) in requests.into_iter().enumerate().rev() {
        assert_eq!(sent(&host)[1], format!("cluster-{}", position + 1));
        answer(&mut stream, 1_000, "200", &[], b"");
        answer(&mut stream, 993, if position == 1 { "429" } else { "200" }, &[], b"");
        assert_eq!(statuses(&host), [if position == 1 { 429 } else { 200 }]);
    }
    // Nothing is left under way.
    let host = Request::impersonating(&["own", "cluster-1"]).host();
    tell(&mut Stream::new(host.clone(), shared));
    assert_eq!(statuses(&host), [200]);
}

/// What a backend says with a success is read where it may matter, and only there.
#[test]
fn a_success_is_read_for_otlp() {
    let request = Request {
        session: "agent",
        headers: vec![
            (":method", "POST"),
            (":path", "/api/v1/otlp/v1/metrics"),
            (":authority", "metrics.example.org"),
            ("content-type", "application/json"),
            ("x-scope-impersonate", "true"),
        ],
        body: br#"{"resourceMetrics":[{},{"resource":{"attributes":[{"key":"imp","value":{"stringValue":"cluster-1"}}]}}]}"#
            .to_vec(),
    };
    let host = request.host();
    let mut stream = Stream::new(host.clone(), shared(CONFIG));
    let size = host.0.body.borrow().len();
    stream.request_headers(false);
    stream.request_body(size, true);
    assert_eq!(sent(&host), ["own", "cluster-1"]);
    let tokens: Vec<u32> = host.0.calls.borrow().iter().map(|(token, _)| *token).collect();
    let said = br#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too old"}}"#;
    answer(&mut stream, tokens[0], "200", &[], said);
    answer(&mut stream, tokens[1], "200", &[], b"");
    assert_eq!(statuses(&host), [200]);
    // The order of members is not the filter's own: it depends on what else is built.
    let told = words(&host);
    let message = r#""errorMessage":"tenant own: 3 rejected: too old""#;
    assert!(told.starts_with(r#"{"partialSuccess":{"#) && told.contains(message), "{told}");
    assert!(told.contains(r#""rejectedDataPoints":"3""#), "{told}");
}
