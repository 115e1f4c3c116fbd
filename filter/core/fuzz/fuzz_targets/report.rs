//! Any bytes as what the workers tell each other for the report, and any path and key in what is refused: the report is
//! JSON, and its texts have no control characters.
#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use scopegate_core::exchange::{Alone, Exchange, Process, Step, Worker};
use scopegate_core::http::Headers;
use scopegate_core::policy::Policy;
use scopegate_core_fuzz::{Session, compress, policy};

fn step(policy: &Rc<Policy>, worker: &mut Worker, headers: &[(&[u8], &[u8])], body: Option<Vec<u8>>) -> Step {
    let mut exchange = Exchange::new(Rc::clone(policy));
    let first = exchange.head(worker, &Headers::new(headers.to_vec()), body.is_none(), &Session, 0);
    match (first, body) {
        (Step::Buffer, Some(body)) => exchange.body(worker, Ok(body), 0),
        (first, _) => first,
    }
}

fuzz_target!(|input: (&[u8], &[u8], &[u8])| {
    let (slot, path, key) = input;
    let policy = policy("report", || {
        serde_json::json!({
            "backends": [{"name": "metrics", "kind": "cortex", "host": "a"}],
            "callers": [{"name": "any", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["write", "admin"]}],
            "write": {"metrics": {"tenant": [{"label": "n"}]}},
            "report": {},
        })
    });
    let process: Rc<dyn Process> = Rc::new(Alone::default());
    process.make("journal", slot).unwrap();
    let mut worker = Worker::new(process);
    let other: [(&[u8], &[u8]); 3] = [(b":method", b"GET"), (b":path", path), (b":authority", b"a")];
    let _ = step(&policy, &mut worker, &other, None);
    let write: [(&[u8], &[u8]); 5] = [
        (b":method", b"POST"),
        (b":path", b"/api/v1/push"),
        (b":authority", b"a"),
        (b"content-type", b"application/x-protobuf"),
        (b"content-encoding", b"snappy"),
    ];
    // One series with the label `n`.
    let field = |content: &[u8], number: u8| -> Vec<u8> {
        let len = content.len();
        [&[number << 3 | 2, (len & 0x7f) as u8 | 0x80, (len >> 7) as u8], content].concat()
    };
    let key = &key[..key.len().min(1 << 12)];
    let series = field(&[field(b"n", 1), field(key, 2)].concat(), 1);
    let _ = step(&policy, &mut worker, &write, Some(compress(&field(&series, 1))));
    let report: [(&[u8], &[u8]); 3] =
        [(b":method", b"GET"), (b":path", b"/-/scopegate/report"), (b":authority", b"x")];
    match step(&policy, &mut worker, &report, None) {
        Step::Reply(reply) => {
            assert_eq!((reply.status, reply.details), (200, "page"));
            let page: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            let texts = page.as_object().unwrap().values().flat_map(|list| list.as_array().unwrap());
            for text in
                texts.flat_map(|line| line.as_object().unwrap().values()).filter_map(|value| value.as_str())
            {
                assert!(!slot.is_empty() || !text.contains(char::is_control));
            }
        }
        other => panic!("{other:?}"),
    }
});
