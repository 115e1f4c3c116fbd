//! Rules, alerts and silences where a label keeps the tenants apart: what goes on, what is asked first, and what is shown.

use serde_json::{Value as Json, json};

use super::{Exchange, Step, World, and, answer, calls, describe, headers, text};
use crate::write::outcome::Answer;
use crate::write::written::Written;

const ID: &str = "7c9d1a12-0000-4000-8000-0123456789ab";

fn world(kind: &str, tenants: &[&str]) -> World {
    let world = World::with(|config| {
        config["backends"][0] =
            json!({"name": "metrics", "kind": kind, "isolate": {"label": "tenant"}, "path": "/am"});
        config["callers"][1]["may"] = json!(["read", "alerts"]);
        config["limits"] = json!({"response_bytes": "1000", "held_bytes_per_worker": "2000"});
    });
    world.caller("user", tenants)
}

fn get<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![(":method", method), (":path", path), (":authority", "metrics.example.org")]
}

fn json_post(path: &str) -> Vec<(&str, &str)> {
    and(&get("POST", path), &[("content-type", "application/json; charset=utf-8"), ("content-length", "9")])
}

fn silence(tenant: &str) -> Vec<u8> {
    let matcher = json!({"name": "tenant", "value": tenant, "isRegex": false, "isEqual": true});
    json!({"id": ID, "matchers": [matcher]}).to_string().into_bytes()
}

fn said(status: u16, message: Vec<u8>) -> Answer {
    Answer { status: Some(status), retry_after: None, message, written: Written::Untold }
}

/// The answer arrives, with its body in two pieces.
fn answered(world: &mut World, exchange: &mut Exchange, head: &[(&str, &str)], body: &[u8]) -> Step {
    let step = exchange.answer_head(&mut world.worker, &headers(head), false, world.now);
    if !matches!(step, Step::Buffer) {
        return step;
    }
    for size in [body.len() / 2, body.len()] {
        let step = exchange.answer_progress(&mut world.worker, size, world.now);
        if !matches!(step, Step::Buffer) {
            return step;
        }
    }
    exchange.answer_body(&mut world.worker, Ok(body.to_vec()), world.now)
}

#[test]
fn what_goes_on() {
    let cases: &[(&str, &[&str], &str, &str, &str)] = &[
        ("prometheus", &["a"], "GET", "/am/api/v1/rules?type=alert", "go on"),
        ("prometheus", &["a", "b"], "GET", "/am/api/v1/alerts", "go on"),
        ("victoriametrics", &["a"], "GET", "/am/vmalert/api/v1/rule?rule_id=1", "go on"),
        (
            "alertmanager",
            &["a"],
            "GET",
            "/am/api/v2/alerts",
            "go on :path=/am/api/v2/alerts?filter=tenant%3D%22a%22",
        ),
        (
            "alertmanager",
            &["a"],
            "GET",
            "/am/api/v2/silences?filter=x",
            "go on :path=/am/api/v2/silences?filter=x&filter=tenant%3D%22a%22",
        ),
        // One filter cannot be for several.
        ("alertmanager", &["a", "b"], "GET", "/am/api/v2/alerts/groups", "go on"),
        ("alertmanager", &["a"], "GET", "/am/api/v2/silence/x", "go on"),
        ("alertmanager", &["a"], "POST", "/am/api/v2/silences", "keep"),
        ("alertmanager", &["a"], "POST", "/am/api/v2/alerts", "keep"),
        ("alertmanager", &["a", "b"], "POST", "/am/api/v2/alerts", "answer 400 several_tenants"),
        ("alertmanager", &["a"], "DELETE", "/am/api/v2/silence/x", "answer 400 silence_id"),
        ("alertmanager", &["a"], "GET", "/am/api/v2/status", "answer 403 closed_path"),
    ];
    for (kind, tenants, method, path, expected) in cases {
        let mut world = world(kind, tenants);
        let head = and(&get(method, path), &[("content-type", "application/json")]);
        let (exchange, step) = world.head(&head);
        assert_eq!(describe(&step), *expected, "{method} {path}");
        assert_eq!(exchange.wants_answer(), expected.starts_with("go on"), "{method} {path}");
        assert!(!exchange.wants_response(), "its answer is told in another way");
    }
    // What an answer could then not be is not asked for.
    let mut world = world("prometheus", &["a"]);
    let more = [
        ("accept-encoding", "gzip"),
        ("range", "bytes=0-1"),
        ("if-none-match", "x"),
        ("if-modified-since", "x"),
        ("x-scope-orgid", "a"),
        ("accept", "*/*"),
    ];
    let (_, step) = world.head(&and(&get("GET", "/am/api/v1/rules"), &more));
    let expected = "go on -x-scope-orgid -accept-encoding -range -if-none-match -if-modified-since";
    assert_eq!(describe(&step), expected);
}

#[test]
fn bodies_that_are_not_json() {
    for (more, expected) in [
        (&[("content-type", "application/x-www-form-urlencoded")][..], "answer 415 media_type"),
        (&[], "answer 415 media_type"),
        (
            &[("content-type", "application/json"), ("content-type", "text/plain")],
            "answer 400 repeated_header",
        ),
        (&[("content-type", "application/json"), ("content-encoding", "gzip")], "answer 415 encoding"),
        (
            &[("content-type", "Application/JSON;x"), ("content-length", "9999999999")],
            "answer 413 body_too_large",
        ),
    ] {
        let (_, step) = world("alertmanager", &["a"]).head(&and(&get("POST", "/am/api/v2/alerts"), more));
        assert_eq!(describe(&step), expected, "{more:?}");
    }
}

#[test]
fn what_is_sent_gets_the_label() {
    let mut world = world("alertmanager", &["a"]);
    let body = br#"[{"labels":{"x":"y"}}]"#;
    let (exchange, step) = world.request(&json_post("/am/api/v2/alerts"), body);
    assert_eq!(describe(&step), "go on content-length=its own with a new body");
    let Step::Continue(changes) = step else { unreachable!() };
    assert_eq!(changes.body.unwrap(), br#"[{"labels":{"tenant":"a","x":"y"}}]"#);
    // What is answered to that is nobody's list.
    assert!(!exchange.wants_answer());
    let (_, step) = world.request(&json_post("/am/api/v2/alerts"), br#"[{"labels":{"tenant":"a"}}]"#);
    assert_eq!(describe(&step), "go on");
    let reply = answer(world.request(&json_post("/am/api/v2/alerts"), br#"[{"labels":{"tenant":"b"}}]"#).1);
    let words: Json = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, words["code"].as_u64()), (403, Some(403)), "{words}");
    let (_, step) =
        world.request(&json_post("/am/api/v2/silences"), br#"{"matchers":[{"name":"x","value":"y"}]}"#);
    assert_eq!(describe(&step), "go on content-length=its own with a new body");
    assert_eq!(world.worker.in_use(), (0, 0));
}

#[test]
fn only_owners_change_and_end_silences() {
    let delete = format!("/am/api/v2/silence/{ID}?x=y");
    let update = json!({"id": ID, "matchers": [{"name": "x", "value": "y", "isRegex": false}]}).to_string();
    let broken = |message: &[u8]| said(200, message.to_vec());
    let cases: Vec<(&[&str], Answer, &str)> = vec![
        (&["a"], said(200, silence("a")), "go on"),
        (&["b", "a"], said(200, silence("a")), "go on"),
        (&["a"], said(200, silence("b")), "answer 404 not_own"),
        (&["a"], said(404, Vec::new()), "answer 404 not_own"),
        (&["a"], said(500, Vec::new()), "answer 503 owner_unknown"),
        (&["a"], said(403, Vec::new()), "answer 503 owner_unknown"),
        (&["a"], said(204, Vec::new()), "answer 503 owner_unknown"),
        (&["a"], Answer::failed("no healthy upstream"), "answer 503 owner_unknown"),
        (&["a"], broken(b""), "answer 502 malformed_answer"),
        (&["a"], broken(b"[]"), "answer 502 malformed_answer"),
        (&["a"], broken(b"null"), "answer 404 not_own"),
        (&["a"], broken(&silence("a")[..9]), "answer 502 malformed_answer"),
        (&["a"], broken(&vec![b' '; 1 << 20]), "answer 502 malformed_answer"),
    ];
    for (tenants, said, expected) in cases {
        let mut world = world("alertmanager", tenants);
        let (mut exchange, step) =
            world.arrives(&and(&get("DELETE", &delete), &[("x-request-id", "7")]), true);
        let call = calls(step).remove(0);
        let head: Vec<_> = call.headers().collect();
        let path = format!("/am/api/v2/silence/{ID}");
        let own = [
            (":method", "GET"),
            (":path", path.as_str()),
            (":authority", "metrics.example.org"),
            ("x-request-id", "7"),
        ];
        assert_eq!((head.as_slice(), call.body.len(), call.target.cluster.as_str()), (&own[..], 0, "cortex"));
        assert_eq!(world.worker.in_use(), (1, 0));
        // Nothing else lets it go on meanwhile.
        assert!(matches!(exchange.body_progress(&mut world.worker, 3), Step::Wait));
        assert!(!exchange.wants_answer() && !exchange.wants_body());
        let step = exchange.answered(&mut world.worker, 0, said.clone(), world.now);
        assert_eq!(describe(&step), expected, "{tenants:?} {said:?}");
        assert_eq!(world.worker.in_use(), (0, 0));
        if let Step::Reply(reply) = &step {
            assert!(!text(reply).contains('b') || !text(reply).contains("\"b\""), "{}", text(reply));
        }
        // The same for one that is changed, whose path ends otherwise.
        if let [_] = tenants {
            let (mut exchange, step) = world.request(&json_post("/am/api/v2/silences"), update.as_bytes());
            let call = calls(step).remove(0);
            assert!(call.headers().any(|(name, value)| name == ":path" && value == path));
            assert!(world.worker.in_use().1 > update.len());
            let step = exchange.answered(&mut world.worker, 0, said.clone(), world.now);
            let changed = expected.replace("go on", "go on content-length=its own with a new body");
            assert_eq!(describe(&step), changed, "{said:?}");
            assert_eq!(world.worker.in_use(), (0, 0));
        }
    }
    // A request that is gone meanwhile keeps its call counted until it must be over.
    let mut world = world("alertmanager", &["a"]);
    let (mut exchange, _) = world.arrives(&get("DELETE", &delete), true);
    exchange.closed(&mut world.worker);
    assert_eq!(world.worker.in_use(), (1, 0));
    // Where the calls are told another path, that stands for the backend's own prefix.
    let mut world = World::with(|config| {
        config["backends"][0] =
            json!({"name": "metrics", "kind": "alertmanager", "isolate": {"label": "tenant"}, "path": "/am"});
        config["callers"][1]["may"] = json!(["alerts"]);
        config["write"]["metrics"]["calls"] =
            json!({"path": "/inner/", "cluster": "other", "authority": "x"});
    })
    .caller("user", &["a"]);
    let call = calls(world.arrives(&get("DELETE", &delete), true).1).remove(0);
    let own = format!("/inner/api/v2/silence/{ID}");
    assert!(call.headers().any(|header| header == (":path", &own)), "{call:?}");
    assert_eq!(call.target.cluster, "other");
}

#[test]
fn answers_are_narrowed() {
    let alert = |tenant: &str| json!({"labels": {"tenant": tenant}}).to_string();
    let list = format!("[{},{}]", alert("b"), alert("a"));
    let own = format!("[{}]", alert("a"));
    let many = format!("[{}{}]", alert("a"), format!(",{}", alert("a")).repeat(20));
    let ok = [(":status", "200"), ("content-type", "application/json")];
    let with = |more: &[(&'static str, &'static str)]| [&ok[..], more].concat();
    let said = "go on cache-control=no-store content-length=its own with a new body";
    let gzip = |body: &str| {
        use std::io::Read as _;
        let mut out = Vec::new();
        flate2::bufread::GzEncoder::new(body.as_bytes(), flate2::Compression::new(6))
            .read_to_end(&mut out)
            .unwrap();
        out
    };
    let cases: Vec<(Vec<(&str, &str)>, Vec<u8>, &str, Option<&str>)> = vec![
        (ok.to_vec(), list.clone().into(), said, Some(&own)),
        (ok.to_vec(), own.clone().into(), said, Some(&own)),
        (
            with(&[("etag", "x"), ("last-modified", "x"), ("transfer-encoding", "chunked"), ("x", "y")]),
            list.clone().into(),
            "go on -transfer-encoding -etag -last-modified cache-control=no-store content-length=its own with a new body",
            Some(&own),
        ),
        (
            with(&[("content-encoding", "gzip")]),
            gzip(&format!("[{}{}]", alert("a"), format!(",{}", alert("b")).repeat(20))),
            "go on -content-encoding cache-control=no-store content-length=its own with a new body",
            Some(&own),
        ),
        // What is larger than what came is an answer of its own.
        (with(&[("content-encoding", "x-gzip")]), gzip(&many), "answer 200 narrowed", Some(&many)),
        (with(&[("content-encoding", "gzip")]), list.clone().into(), "answer 502 malformed_answer", None),
        (with(&[("content-encoding", "br")]), list.clone().into(), "answer 502 malformed_answer", None),
        (
            with(&[("content-encoding", "gzip"), ("content-encoding", "gzip")]),
            gzip(&own),
            "answer 502 malformed_answer",
            None,
        ),
        (ok.to_vec(), list[..20].into(), "answer 502 malformed_answer", None),
        (ok.to_vec(), Vec::new(), "answer 502 malformed_answer", None),
        (ok.to_vec(), vec![b' '; 1001], "answer 502 answer_too_large", None),
        (with(&[("content-length", "1001")]), list.clone().into(), "answer 502 answer_too_large", None),
        (with(&[("content-encoding", "gzip")]), gzip(&" ".repeat(2000)), "answer 502 answer_too_large", None),
        (vec![(":status", "206")], list.clone().into(), "answer 502 malformed_answer", None),
        (vec![], list.clone().into(), "answer 502 malformed_answer", None),
        (vec![(":status", "204")], Vec::new(), "go on", None),
        (vec![(":status", "304")], Vec::new(), "go on", None),
        (vec![(":status", "400")], "\"bad\"".into(), "go on", None),
        (vec![(":status", "503")], Vec::new(), "go on", None),
    ];
    for (head, body, expected, left) in cases {
        let mut world = world("alertmanager", &["a"]);
        let (mut exchange, _) = world.arrives(&get("GET", "/am/api/v2/alerts"), true);
        assert!(exchange.wants_answer());
        let step = answered(&mut world, &mut exchange, &head, &body);
        assert_eq!(describe(&step), expected, "{head:?}");
        let got = match step {
            Step::Continue(changes) => changes.body,
            Step::Reply(reply) => {
                assert!(!text(&reply).contains("tenant\":\"b"), "{}", text(&reply));
                Some(reply.body).filter(|_| reply.status == 200)
            }
            _ => None,
        };
        assert_eq!(got.as_deref(), left.map(str::as_bytes), "{head:?}");
        assert!(!exchange.wants_answer(), "{head:?}");
        assert_eq!(world.worker.in_use(), (0, 0), "{head:?}");
        // A second answer, and more of one, change nothing.
        let step = exchange.answer_progress(&mut world.worker, 5, world.now);
        assert!(matches!(step, Step::Continue(_) | Step::Wait));
        exchange.closed(&mut world.worker);
    }
    // One thing that is another's is none.
    let mut world = world("alertmanager", &["a"]);
    for (tenant, expected) in [("a", said), ("b", "answer 404 not_own")] {
        let path = format!("/am/api/v2/silence/{ID}");
        let (mut exchange, _) = world.arrives(&get("GET", &path), true);
        let step = answered(&mut world, &mut exchange, &ok, &silence(tenant));
        assert_eq!(describe(&step), expected);
    }
    // Prometheus words its errors otherwise.
    let mut world = self::world("prometheus", &["a"]);
    let (mut exchange, _) = world.arrives(&get("GET", "/am/api/v1/rules"), true);
    let reply = answer(answered(&mut world, &mut exchange, &ok, b"{}"));
    let words: Json = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        (reply.status, &words["status"], &words["errorType"]),
        (502, &json!("error"), &json!("internal"))
    );
    let counted = world.counted_finely();
    assert!(
        counted.iter().any(|line| line == "caller=user reason=malformed_answer refusals 1"),
        "{counted:?}"
    );
}

/// In observe mode everything goes on, and comes back, as it came.
/// The access log has one line for a request, and Envoy keeps the first: it is told once the answer is known.
#[test]
fn the_access_log_says_that_an_answer_was_refused() {
    let mut world = World::with(|config| {
        config["backends"][0] =
            json!({"name": "metrics", "kind": "prometheus", "isolate": {"label": "tenant"}});
        config["access_log"] = json!(true);
    })
    .caller("user", &["a"]);
    let note = |world: &mut World| world.worker.take_note().unwrap_or_default();
    for (status, body, expected) in [
        ("200", &br#"{"data":{"groups":[]}}"#[..], "decision=forwarded reason=-"),
        ("404", b"", "decision=forwarded reason=-"),
        ("200", b"<html>", "decision=refused reason=malformed_answer"),
        ("206", b"", "decision=refused reason=malformed_answer"),
    ] {
        let (mut exchange, _) = world.head(&get("GET", "/api/v1/rules"));
        assert_eq!(note(&mut world), "");
        answered(&mut world, &mut exchange, &[(":status", status)], body);
        let told = note(&mut world);
        let expected = format!("{expected} backend=metrics class=read caller=user tenants=a ");
        assert!(told.starts_with(&expected), "{told}");
    }
}

#[test]
fn observed() {
    let mut world = World::with(|config| {
        config["mode"] = json!("observe");
        config["backends"][0] =
            json!({"name": "metrics", "kind": "alertmanager", "isolate": {"label": "tenant"}});
        config["callers"][1]["may"] = json!(["alerts", "read"]);
    })
    .caller("user", &["a"]);
    for (method, path) in
        [("GET", "/api/v2/alerts"), ("POST", "/api/v2/silences"), ("DELETE", "/api/v2/silence/x")]
    {
        let (exchange, step) = world.head(&and(&get(method, path), &[("content-type", "application/json")]));
        assert_eq!(describe(&step), "go on", "{method} {path}");
        assert!(!exchange.wants_answer(), "{method} {path}");
    }
}
