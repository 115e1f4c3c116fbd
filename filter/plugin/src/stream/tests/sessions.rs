//! Proofs of sessions between an agent's side and a gateway, each with a host of its own, which fails where it is told to.

use super::*;
use scopegate_core::exchange::prepare;

const AGENT: &str = r#"{
    "role": "agent",
    "sign": {"attribute": "local", "agent": "central", "keys": {"env": "KEYS"}, "headers": {"x-scope-impersonate": "true"}},
    "limits": {"request_bytes": 1000}
}"#;

const GATEWAY: &str = r#"{
    "backends": [{"name": "metrics", "kind": "cortex"}],
    "callers": [{"name": "local", "session": {"attribute": "local", "keys": {"env": "KEYS"}},
                 "tenants": ["own"], "may": ["write", "read"], "impersonate": {"label": "imp", "tenants": ["cluster-*"]}}],
    "write": {"metrics": {"tenant": ["caller"]}}
}"#;

const NOW: u64 = 1_764_078_000;

fn gateway() -> Rc<Shared> {
    let shared = shared(GATEWAY);
    prepare(&*shared.worker.borrow().process, shared.policy.get().unwrap()).unwrap();
    shared
}

fn host(request: &Request) -> Fake {
    let host = request.host();
    host.0.date.set(NOW);
    host
}

/// The request as it leaves the agent's side.
fn sent(request: &Request) -> Fake {
    let host = host(request);
    assert_eq!(tell(&mut Stream::new(host.clone(), shared(AGENT))), Flow::Continue);
    host
}

/// The same request where it arrives.
fn arrived(sent: &Fake) -> Fake {
    let host = Fake::default();
    host.0.headers.borrow_mut().clone_from(&sent.0.headers.borrow());
    host.0.body.borrow_mut().clone_from(&sent.0.body.borrow());
    host.0.attributes.borrow_mut().insert("xds cluster_name".to_owned(), b"cortex".to_vec());
    host.0.date.set(NOW);
    host
}

fn requests() -> Vec<(&'static str, Request)> {
    let query = Request {
        session: "",
        headers: vec![
            (":method", "GET"),
            (":path", "/prometheus/api/v1/query?query=up"),
            (":authority", "x"),
            ("x-scopegate-session", "evil"),
            ("x-scopegate-session", "worse"),
        ],
        body: vec![],
    };
    vec![
        ("go on", Request::write("", &[], body(&["-"]))),
        ("split", Request::write("", &[("x-scope-impersonate", "no")], body(&["-", "cluster-1"]))),
        ("go on", query),
    ]
}

#[test]
fn what_is_signed_beside_an_agent_is_good_at_the_gateway_once() {
    for (expected, request) in requests() {
        let sent = sent(&request);
        assert_eq!(values(&sent, "x-scopegate-session").len(), 1);
        assert_eq!(values(&sent, "x-scope-impersonate"), ["true"]);
        assert_eq!(*sent.0.body.borrow(), request.body);
        let gateway = gateway();
        for time in 0..2 {
            let host = arrived(&sent);
            let flow = tell(&mut Stream::new(host.clone(), Rc::clone(&gateway)));
            match (time, expected) {
                (0, "go on") => {
                    assert_eq!(flow, Flow::Continue);
                    assert_eq!(values(&host, "x-scope-orgid"), ["own"]);
                    assert!(values(&host, "x-scopegate-session").is_empty());
                }
                (0, _) => {
                    assert_eq!((flow, statuses(&host)), (Flow::Pause, vec![200]));
                    assert_eq!(host.0.calls.borrow().len(), 2);
                }
                _ => {
                    assert_eq!((flow, statuses(&host)), (Flow::Pause, vec![401]));
                    assert_eq!(host.0.replies.borrow()[0].details, "replayed_proof");
                }
            }
        }
    }
}

/// Whatever fails at the agent's side, nothing goes on that is not signed and just as the gateway needs it.
#[test]
fn what_cannot_be_signed_does_not_go_on() {
    let mut tried = 0;
    for (_, request) in requests() {
        let good = sent(&request);
        for op in Op::ALL {
            for time in (0..asked(&good, op)).map(Some).chain([None]) {
                let host = host(&request);
                host.0.fails.set(Some((op, time, 2)));
                let mut stream = Stream::new(host.clone(), shared(AGENT));
                let flow = tell(&mut stream);
                if flow == Flow::Continue {
                    assert_eq!(headers(&host), headers(&good), "{op:?}");
                } else {
                    assert!(matches!(statuses(&host).as_slice(), [500 | 503]), "{op:?}");
                }
                assert_eq!(flow == Flow::Continue, asked(&good, op) == 0, "{op:?} {time:?}");
                assert_eq!(stream.request_body(9, true), flow);
                assert_eq!(stream.request_trailers(), flow);
                stream.response_headers(true);
                stream.call_answered(1, true);
                stream.closed();
                tried += 1;
            }
        }
    }
    assert!(tried > 40, "{tried}");
}

/// The gateway's host fails in what a proof needs: it is not good, and nobody else is taken for its sender.
#[test]
fn what_cannot_be_checked_is_not_good() {
    let (_, request) = requests().remove(0);
    let sent = sent(&request);
    let host = arrived(&sent);
    host.0.fails.set(Some((Op::Date, None, 2)));
    assert_eq!(tell(&mut Stream::new(host.clone(), gateway())), Flow::Pause);
    assert_eq!(statuses(&host), [500]);
    // No slots were made.
    let host = arrived(&sent);
    assert_eq!(tell(&mut Stream::new(host.clone(), shared(GATEWAY))), Flow::Pause);
    assert_eq!(statuses(&host), [500]);
    // Trailers end a body as well.
    let host = arrived(&sent);
    let mut stream = Stream::new(host.clone(), gateway());
    assert_eq!(stream.request_headers(false), Flow::Pause);
    assert_eq!(stream.request_body(request.body.len(), false), Flow::Pause);
    assert_eq!(stream.request_trailers(), Flow::Continue);
    // The date is asked for where a proof needs it.
    let host = request.host();
    tell(&mut Stream::new(host.clone(), gateway()));
    assert_eq!((statuses(&host), asked(&host, Op::Date)), (vec![401], 0));
}
