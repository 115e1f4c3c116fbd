//! What the host is told about a request: counters and histograms by tenant, and the line for the access log.

use super::{CONFIG, Flow, Op, Request, Stream, answer, counted_finely, shared, statuses, tell};
use crate::testing::body;

/// Everything that can be told.
fn telling() -> String {
    CONFIG.replacen(
        "\"limits\"",
        r#""metrics": {"by_tenant": "all", "histograms": true, "tenants": {"pinned": ["cluster-1"]}},
           "access_log": true, "limits""#,
        1,
    )
}

#[test]
fn an_answer_is_asked_for_once_and_only_where_it_is_wanted() {
    for (config, status, expected) in [
        (telling(), 204, "backend=metrics tenant=own class=write code=2xx scopegate_tenant_requests_total 1"),
        (telling(), 0, "backend=metrics tenant=own class=write code=0xx scopegate_tenant_requests_total 1"),
        (CONFIG.to_owned(), 204, ""),
    ] {
        let host = Request::write("user", &[], vec![]).host();
        host.0.response_status.set(status);
        let mut stream = Stream::new(host.clone(), shared(&config));
        assert_eq!(stream.request_headers(true), Flow::Continue);
        host.0.now.set(5);
        for _ in 0..2 {
            stream.response_headers(false);
        }
        stream.closed();
        let lines = counted_finely(&host);
        let requests: Vec<_> = lines.iter().filter(|line| line.contains("tenant_requests")).collect();
        assert_eq!(requests.len(), usize::from(!expected.is_empty()), "{lines:?}");
        assert!(requests.iter().all(|line| **line == expected), "{lines:?}");
        assert_eq!(host.0.values.borrow().len(), usize::from(status > 0 && !expected.is_empty()));
    }
}

/// The answer that the filter itself gives passes it too.
#[test]
fn its_own_answer_is_none_of_an_upstream() {
    let host = Request::impersonating(&["own", "cluster-1"]).host();
    let mut stream = Stream::new(host.clone(), shared(&telling()));
    assert_eq!(tell(&mut stream), Flow::Pause);
    assert_eq!(statuses(&host), [200]);
    host.0.response_status.set(200);
    stream.response_headers(false);
    let lines = counted_finely(&host);
    assert_eq!(lines.iter().filter(|line| line.contains("tenant_requests")).count(), 2, "{lines:?}");
    assert_eq!(host.0.values.borrow().len(), 2);
}

#[test]
fn one_line_before_the_answer() {
    for (config, lines) in [(telling(), 1), (CONFIG.to_owned(), 0)] {
        for request in [
            Request::write("user", &[], vec![]),
            Request::write("nobody", &[], vec![]),
            Request::impersonating(&["own"]),
            Request::impersonating(&["own", "cluster-1", "cluster-2"]),
            Request { body: vec![1, 2, 3], ..Request::impersonating(&[]) },
        ] {
            let host = request.host();
            let mut stream = Stream::new(host.clone(), shared(&config));
            tell(&mut stream);
            stream.closed();
            let notes = host.0.notes.borrow();
            assert_eq!(notes.len(), lines, "{notes:?}");
            assert!(notes.iter().all(|line| line.starts_with("decision=") && line.split(' ').count() == 9));
        }
    }
}

#[test]
fn a_failure_of_the_host_is_counted() {
    let host = Request::write("user", &[], body(&["own"])).host();
    host.0.fails.set(Some((Op::Headers, None, 10)));
    let mut stream = Stream::new(host.clone(), shared(CONFIG));
    assert_eq!(stream.request_headers(false), Flow::Pause);
    assert_eq!(counted_finely(&host), ["caller=none reason=host scopegate_refusals_total 1"]);
    answer(&mut stream, 1, "200", &[], b"");
}
