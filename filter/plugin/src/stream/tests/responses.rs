//! Answers that are held, and requests that wait for a question: whatever the host fails to do, nothing foreign goes on.

use super::{Flow, Op, Request, Stream, answer, asked, shared, statuses};
use crate::host::Level;
use crate::testing::Fake;

const ALERTING: &str = r#"{
    "backends": [{"name": "alerting", "kind": "alertmanager", "isolate": {"label": "tenant"}}],
    "callers": [
        {"name": "user", "metadata": {"filter_state": "session", "where": [{"claim": "value", "in": "user"}]},
         "tenants": ["own"], "may": ["alerts", "read"]}
    ],
    "limits": {"response_bytes": 1000}
}"#;
const LIST: &[u8] = br#"[{"labels":{"tenant":"evil"}},{"labels":{"tenant":"own"}}]"#;
const LEFT: &[u8] = br#"[{"labels":{"tenant":"own"}}]"#;
const SILENCE: &[u8] = br#"{"matchers":[{"name":"tenant","value":"own","isRegex":false}]}"#;
const ID: &str = "7c9d1a12-0000-4000-8000-0123456789ab";

fn request(method: &'static str, path: &'static str, body: &[u8]) -> Request {
    let headers = vec![
        (":method", method),
        (":path", path),
        (":authority", "alerts.example.org"),
        ("content-type", "application/json"),
        ("accept-encoding", "gzip"),
    ];
    Request { session: "user", headers, body: body.to_vec() }
}

/// The upstream answers: its head, and its body in two pieces or ended by trailers.
fn respond(stream: &mut Stream<Fake>, status: &str, body: &[u8], trailers: bool) -> Flow {
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let head =
        [(":status", status), ("content-type", "application/json"), ("etag", "x"), ("content-length", "58")];
    *stream.host.0.response.borrow_mut() = (head.into_iter().map(own).collect(), Vec::new());
    let mut flow = stream.response_headers(body.is_empty());
    for size in [body.len() / 2, body.len()] {
        if flow == Flow::Continue {
            return flow;
        }
        let kept = body[..size].to_vec();
        stream.host.0.response.borrow_mut().1 = kept;
        flow = stream.response_body(size, size == body.len() && !trailers);
    }
    if trailers && flow == Flow::Pause { stream.response_trailers() } else { flow }
}

fn response(host: &Fake) -> (Vec<(String, String)>, Vec<u8>) {
    host.0.response.borrow().clone()
}

#[test]
fn an_answer_is_narrowed_once_it_is_whole() {
    for trailers in [false, true] {
        let host = request("GET", "/api/v2/alerts", b"").host();
        let mut stream = Stream::new(host.clone(), shared(ALERTING));
        assert_eq!(stream.request_headers(true), Flow::Continue);
        assert_eq!(respond(&mut stream, "200", LIST, trailers), Flow::Continue);
        let (headers, body) = response(&host);
        assert_eq!(body, LEFT);
        let has = |name: &str, value: &str| {
            headers.iter().any(|header| *header == (name.to_owned(), value.to_owned()))
        };
        assert!(
            has("content-length", "29") && has("cache-control", "no-store") && !has("etag", "x"),
            "{headers:?}"
        );
        assert_eq!((asked(&host, Op::ResponseBody), asked(&host, Op::ReplaceResponse)), (1, 1));
        // What else comes goes on with it.
        assert_eq!(stream.response_body(3, true), Flow::Continue);
        assert_eq!(stream.response_trailers(), Flow::Continue);
        stream.closed();
        assert_eq!(statuses(&host), [0_u16; 0]);
    }
}

#[test]
fn another_answer_takes_its_place() {
    for (status, body, expected) in
        [("200", &LIST[..20], 502), ("200", b"", 502), ("206", LIST, 502), ("200", &[b' '; 1001][..], 502)]
    {
        let host = request("GET", "/api/v2/alerts", b"").host();
        let mut stream = Stream::new(host.clone(), shared(ALERTING));
        stream.request_headers(true);
        assert_eq!(respond(&mut stream, status, body, false), Flow::Pause, "{status}");
        assert_eq!(statuses(&host), [expected]);
        // More of what came is held, and the other passes.
        assert_eq!(stream.response_body(2000, true), Flow::Pause);
        assert_eq!(stream.response_headers(false), Flow::Continue);
        assert_eq!(stream.response_body(9, true), Flow::Continue);
        assert_eq!(statuses(&host).len(), 1);
    }
}

#[test]
fn a_request_goes_on_once_its_silence_is_known() {
    for (said, body, goes_on) in [
        ("200", SILENCE, true),
        ("200", br#"{"matchers":[{"name":"tenant","value":"evil","isRegex":false}]}"#, false),
        ("404", b"", false),
    ] {
        for is_post in [false, true] {
            let posted =
                format!(r#"{{"id":"{ID}","matchers":[{{"name":"x","value":"y","isRegex":false}}]}}"#);
            let request = if is_post {
                request("POST", "/api/v2/silences", posted.as_bytes())
            } else {
                request("DELETE", "/api/v2/silence/7c9d1a12-0000-4000-8000-0123456789ab", b"")
            };
            let host = request.host();
            let mut stream = Stream::new(host.clone(), shared(ALERTING));
            let size = request.body.len();
            let mut flow = stream.request_headers(size == 0);
            if size > 0 {
                flow = stream.request_body(size, true);
            }
            assert_eq!((flow, asked(&host, Op::Resume), asked(&host, Op::Replace)), (Flow::Pause, 0, 0));
            let token = host.0.calls.borrow()[0].0;
            answer(&mut stream, token, said, &[], body);
            assert_eq!(asked(&host, Op::Resume), usize::from(goes_on), "{said}");
            assert_eq!(statuses(&host), if goes_on { vec![] } else { vec![404] });
            assert_eq!(asked(&host, Op::Replace), usize::from(goes_on && is_post));
            if goes_on && is_post {
                let sent = String::from_utf8(host.0.body.borrow().clone()).unwrap();
                assert!(sent.contains(r#""matchers":[{"name":"tenant","value":"own","#), "{sent}");
            }
            // What is answered to it is nobody's list.
            assert_eq!(respond(&mut stream, "200", b"{}", false), Flow::Continue);
        }
    }
}

#[test]
fn any_single_failure() {
    let ways = [
        ("read", request("GET", "/api/v2/alerts", b""), LIST),
        (
            "ended",
            request("DELETE", "/api/v2/silence/7c9d1a12-0000-4000-8000-0123456789ab", b""),
            b"".as_slice(),
        ),
    ];
    let run = |request: &Request, body: &[u8], fails| {
        let host = request.host();
        host.0.fails.set(fails);
        let mut stream = Stream::new(host.clone(), shared(ALERTING));
        let mut flow = stream.request_headers(true);
        let token = host.0.calls.borrow().first().map(|(token, _)| *token);
        if let Some(token) = token {
            answer(&mut stream, token, "200", &[], SILENCE);
            flow = if asked(&host, Op::Resume) > 0 && statuses(&host).is_empty() {
                Flow::Continue
            } else {
                Flow::Pause
            };
        }
        if flow == Flow::Continue {
            flow = respond(&mut stream, "200", body, false);
        }
        stream.closed();
        (flow, host)
    };
    let mut tried = 0;
    for (way, request, body) in ways {
        let (flow, good) = run(&request, body, None);
        assert_eq!((flow, statuses(&good).len()), (Flow::Continue, 0), "{way}");
        for op in Op::ALL {
            for time in 0..asked(&good, op) {
                let what = format!("{way}: {op:?} fails at {time}");
                let (flow, host) = run(&request, body, Some((op, Some(time), 2)));
                match (flow, statuses(&host).as_slice()) {
                    (Flow::Continue, []) => assert_eq!(response(&host), response(&good), "{what}"),
                    (Flow::Pause, [status]) => assert!(*status >= 400, "{what}"),
                    other => panic!("{what}: {other:?}"),
                }
                // The module's own failures are in the log; what it was not told is a refusal.
                let logged = host.0.logs.borrow().iter().any(|(level, _)| *level == Level::Error);
                let is_own = matches!(
                    op,
                    Op::Headers
                        | Op::Set
                        | Op::Remove
                        | Op::Resume
                        | Op::ResponseHeaders
                        | Op::SetResponse
                        | Op::RemoveResponse
                        | Op::ReplaceResponse
                );
                assert!(logged || !is_own, "{what}");
                tried += 1;
            }
        }
    }
    assert!(tried > 15, "{tried}");
}
