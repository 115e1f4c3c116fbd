//! Loki's push and OTLP from their heads to their answers.

use prost::Message as _;
use serde_json::{Value as Json, json};

use super::{World, and, answer, but, calls, changed, describe, says, text};
use crate::exchange::Step;
use crate::write::loki::testing::{NOTATIONS, Notation, Plain, plain};
use crate::write::otlp::Signal;
use crate::write::otlp::testing::{PartialSuccess, Response, Status, plain as resource, read, write};
use crate::write::outcome::Answer;

/// A Loki, a Tempo and a Mimir; who may write writes by namespace.
pub(super) fn world() -> World {
    World::with(|config| {
        config["backends"] = json!([
            {"name": "logs", "kind": "loki", "host": "logs.test"},
            {"name": "traces", "kind": "tempo", "host": "traces.test"},
            {"name": "metrics", "kind": "mimir", "host": "metrics.test"},
        ]);
        config["write"] = json!({
            "logs": {"tenant": [{"metadata": "team", "remove": true}, {"label": "ns"}, {"header": "X-Team"}, "caller"]},
            "traces": {"tenant": [{"label": "k8s.namespace.name"}, "caller"]},
            "metrics": {"tenant": [{"label": "k8s.namespace.name", "remove": true}, "caller"]},
        });
    })
    .caller("user", &["own", "other"])
}

pub(super) fn push(notation: Notation) -> Vec<(&'static str, &'static str)> {
    let (path, content_type) = match notation {
        Notation::Protobuf => ("/loki/api/v1/push", "application/x-protobuf"),
        Notation::Json => ("/loki/api/v1/push", "application/json; charset=utf-8"),
        Notation::Legacy => ("/api/prom/push", "application/json"),
    };
    vec![
        (":method", "POST"),
        (":path", path),
        (":authority", "logs.test"),
        ("content-type", content_type),
        ("x-team", "own"),
        ("x-scope-orgid", "evil"),
    ]
}

pub(super) fn encode(notation: Notation, streams: &[Plain]) -> Vec<u8> {
    let message = notation.write(streams);
    match notation {
        Notation::Protobuf => snap::raw::Encoder::new().compress_vec(&message).unwrap(),
        _ => message,
    }
}

fn decode(notation: Notation, body: &[u8]) -> Vec<Plain> {
    match notation {
        Notation::Protobuf => notation.read(&snap::raw::Decoder::new().decompress_vec(body).unwrap()),
        _ => notation.read(body),
    }
}

#[test]
fn a_push_is_taken_apart_and_answered() {
    for notation in NOTATIONS {
        let mut world = world();
        let streams = [
            plain(&[("app", "x")], &[&[("team", "team-a")], &[], &[("team", "other")]]),
            plain(&[("app", "y"), ("ns", "team-a")], &[&[]]),
            plain(&[("app", "z"), ("ns", "foreign")], &[&[]]),
        ];
        let (mut exchange, step) = world.request(&push(notation), &encode(notation, &streams));
        let calls = calls(step);
        let mut seen = Vec::new();
        for call in &calls {
            let header = |name| call.headers().find(|(known, _)| *known == name).map(|(_, value)| value);
            let plain_type =
                if notation == Notation::Protobuf { "application/x-protobuf" } else { "application/json" };
            assert_eq!(header("content-type"), Some(plain_type));
            assert_eq!(header("x-scope-orgid"), Some(call.tenant.as_str()));
            let parts = decode(notation, &call.body);
            let lines = parts
                .iter()
                .flat_map(|stream| &stream.entries)
                .map(|(_, line, metadata)| (line.as_str(), metadata.len()));
            seen.push((
                call.tenant.as_str().to_owned(),
                lines.map(|(line, left)| format!("{line}{left}")).collect::<Vec<_>>(),
            ));
        }
        let line = |n: u32| format!("line \"{n}\"\n0");
        let expected = [
            ("team-a".to_owned(), vec![line(1), line(1)]),
            ("own".to_owned(), vec![line(2)]),
            ("other".to_owned(), vec![line(3)]),
        ];
        assert_eq!(seen, expected, "{notation:?}");
        for call in &calls[..2] {
            assert!(matches!(world.answered(&mut exchange, call.id, 204), Step::Wait));
        }
        let reply = answer(world.answered(&mut exchange, calls[2].id, 204));
        assert_eq!(reply.status, 400, "{notation:?}");
        assert_eq!(
            text(&reply),
            "scopegate: 1 series were not written.\n\
             series {app=\"z\", ns=\"foreign\"}, entry 1: the tenant is not allowed to this caller\n"
        );
        assert!(world.counted().contains(&"backend=logs outcome=sent series 4".to_owned()));
    }
}

#[test]
fn a_push_that_succeeds_everywhere_is_answered_204() {
    let mut world = world();
    let streams = [plain(&[("ns", "team-a")], &[&[]]), plain(&[("ns", "team-b")], &[&[]])];
    let (mut exchange, step) = world.request(&push(Notation::Json), &encode(Notation::Json, &streams));
    let calls = calls(step);
    assert_eq!((exchange.answer_bytes(200), exchange.wants_answer_headers(200)), (0, false));
    assert!(exchange.wants_answer_headers(429));
    world.answered(&mut exchange, calls[0].id, 204);
    let reply = answer(world.answered(&mut exchange, calls[1].id, 204));
    let outcome = ("x-scopegate-outcome", "team-a=204, team-b=204".to_owned());
    assert_eq!((reply.status, reply.body.len(), reply.headers), (204, 0, vec![outcome]));
}

#[test]
fn a_push_of_one_tenant_goes_on() {
    let mut world = world();
    let head = and(&push(Notation::Json), &[("content-length", "1")]);
    let untouched = encode(Notation::Json, &[plain(&[("ns", "team-a")], &[&[]])]);
    let (_, step) = world.request(&head, &untouched);
    let Step::Continue(changes) = step else { panic!("{step:?}") };
    assert_eq!(changes.body, None);
    let after = changed(&head, &changes);
    assert!(after.contains(&("x-scope-orgid".to_owned(), "team-a".to_owned())));
    assert!(after.contains(&("content-type".to_owned(), "application/json".to_owned())));
    let changed_body = encode(Notation::Json, &[plain(&[("a", "b")], &[&[("team", "team-a"), ("x", "y")]])]);
    let (_, step) = world.request(&head, &changed_body);
    let Step::Continue(changes) = step else { panic!("{step:?}") };
    let body = changes.body.unwrap();
    assert_eq!(decode(Notation::Json, &body), [plain(&[("a", "b")], &[&[("x", "y")]])]);
    assert!(changes.headers.set.contains(&("content-length".to_owned(), body.len().to_string())));
}

#[test]
fn what_is_no_push_is_refused() {
    let cases: &[(&str, Vec<(&str, &str)>, &[u8], &str)] = &[
        ("no content type", but(&push(Notation::Json), "content-type", ""), b"", "answer 415 media_type"),
        ("text", but(&push(Notation::Json), "content-type", "text/plain"), b"", "answer 415 media_type"),
        (
            "a strange encoding",
            and(&push(Notation::Json), &[("content-encoding", "br")]),
            b"",
            "answer 415 encoding",
        ),
        (
            "no gzip",
            and(&push(Notation::Json), &[("content-encoding", "gzip")]),
            b"{}",
            "answer 400 malformed_body",
        ),
        ("no snappy", push(Notation::Protobuf), b"hello", "answer 400 malformed_body"),
        ("no JSON", push(Notation::Json), b"{", "answer 400 malformed_body"),
        ("nothing", push(Notation::Json), b"", "answer 400 malformed_body"),
    ];
    for (what, head, body, expected) in cases {
        let mut world = world();
        let (mut exchange, step) = world.head(head);
        let step = match step {
            Step::Buffer => exchange.body(&mut world.worker, Ok(body.to_vec()), 0),
            step => step,
        };
        assert_eq!(describe(&step), *expected, "{what}");
        assert!(text(&answer(step)).starts_with("scopegate: "), "{what}");
    }
}

pub(super) const EXPORTS: [(Signal, &str, &str); 3] = [
    (Signal::Traces, "traces.test", "/v1/traces"),
    (Signal::Metrics, "metrics.test", "/otlp/v1/metrics"),
    (Signal::Logs, "logs.test", "/otlp/v1/logs"),
];

pub(super) fn export<'a>(host: &'a str, path: &'a str, json: bool) -> Vec<(&'a str, &'a str)> {
    let content_type = if json { "application/json" } else { "application/x-protobuf" };
    vec![(":method", "POST"), (":path", path), (":authority", host), ("content-type", content_type)]
}

#[test]
fn an_export_is_taken_apart_and_answered_in_its_own_form() {
    for (signal, host, path) in EXPORTS {
        for json in [false, true] {
            let mut world = world().caller("user", &["own"]);
            let label = if signal == Signal::Logs { "ns" } else { "k8s.namespace.name" };
            let removed = signal == Signal::Metrics;
            let resources = [
                resource(&[("service.name", "x")], 2),
                resource(&[("service.name", "y"), (label, "team-a")], 3),
                resource(&[(label, "foreign")], 4),
            ];
            let body = write(signal, json, &resources);
            let (mut exchange, step) = world.request(&export(host, path, json), &body);
            assert_eq!(describe(&step), "call own team-a", "{host}");
            let calls = calls(step);
            assert_eq!(read(signal, json, &calls[0].body), resources[..1]);
            let mut second = resources[1].clone();
            if removed {
                second.attributes.pop();
            }
            assert_eq!(read(signal, json, &calls[1].body), [second]);
            assert_eq!(exchange.answer_bytes(200), Answer::SUCCESS_BYTES);
            let partial = PartialSuccess { rejected: 1, message: "too old".to_owned() };
            let said = Answer { message: Response { partial: Some(partial) }.encode_to_vec(), ..says(200) };
            assert!(matches!(exchange.answered(&mut world.worker, calls[0].id, said, 0), Step::Wait));
            let reply = answer(world.answered(&mut exchange, calls[1].id, 204));
            assert_eq!(reply.status, 200);
            let message = "scopegate: 1 series were not written.\n\
                series {NAME=\"foreign\"}: the tenant is not allowed to this caller\ntenant own: 1 rejected: too old"
                .replace("NAME", label);
            if json {
                let body: Json = serde_json::from_slice(&reply.body).unwrap();
                let rejected = match signal {
                    Signal::Metrics => "rejectedDataPoints",
                    Signal::Logs => "rejectedLogRecords",
                    Signal::Traces => "rejectedSpans",
                };
                assert_eq!(body, json!({"partialSuccess": {rejected: "5", "errorMessage": message}}));
            } else {
                let partial = PartialSuccess { rejected: 5, message };
                assert_eq!(Response::decode(reply.body.as_slice()).unwrap().partial, Some(partial));
            }
        }
    }
}

#[test]
fn refusals_of_an_export_are_a_status() {
    let json = export("traces.test", "/v1/traces", true);
    let protobuf = export("traces.test", "/v1/traces", false);
    let cases: &[(&str, &[(&str, &str)], Option<&[u8]>, u16)] = &[
        ("no JSON", &json, Some(b"["), 400),
        ("no message", &protobuf, Some(b"\x0a\xff"), 400),
        ("not text", &but(&json, "content-type", "application/json;v=2"), Some(b"[]"), 400),
        ("zstd", &and(&json, &[("content-encoding", "zstd")]), None, 415),
        ("a body that the host does not give", &protobuf, None, 503),
    ];
    for (what, head, body, status) in cases {
        let mut world = world();
        let (mut exchange, step) = world.head(head);
        let step = match step {
            Step::Buffer => {
                let body = body.map(<[u8]>::to_vec).ok_or("the body could not be read");
                exchange.body(&mut world.worker, body, 0)
            }
            step => step,
        };
        let reply = answer(step);
        assert_eq!(reply.status, *status, "{what}");
        let message = if head.contains(&("content-type", "application/x-protobuf")) {
            Status::decode(reply.body.as_slice()).unwrap().message
        } else {
            let body: Json = serde_json::from_slice(&reply.body).unwrap();
            body["message"].as_str().unwrap().to_owned()
        };
        assert!(message.starts_with("scopegate: "), "{what}: {message}");
    }
}
