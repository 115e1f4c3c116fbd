//! Any message as a remote write 2.0: no part goes to a tenant that is not allowed, each part is well formed, and taking it
//! apart again changes nothing.
#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use scopegate_core::caller::Attributes;
use scopegate_core::config::Config;
use scopegate_core::exchange::{Exchange, Step, Worker};
use scopegate_core::http::Headers;
use scopegate_core::policy::Policy;

/// A session, and a route to a cluster.
struct Session;

impl Attributes for Session {
    fn get(&self, path: &[&str]) -> Option<Vec<u8>> {
        match path {
            // `filter_metadata: {n: {}}`
            ["metadata"] => Some(vec![0x0a, 0x05, 0x0a, 0x01, b'n', 0x12, 0x00]),
            _ => Some(b"cluster".to_vec()),
        }
    }
}

fn send(policy: &Rc<Policy>, message: &[u8]) -> Step {
    let headers: [(&str, &str); 6] = [
        (":method", "POST"),
        (":path", "/api/v1/push"),
        (":authority", "a"),
        ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
        ("content-encoding", "snappy"),
        ("x-scope-impersonate", "true"),
    ];
    let headers = Headers::new(headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect());
    let (mut exchange, mut worker) = (Exchange::new(Rc::clone(policy)), Worker::default());
    assert!(matches!(exchange.head(&mut worker, &headers, false, &Session, 0), Step::Buffer));
    let body = snap::raw::Encoder::new().compress_vec(message).unwrap();
    exchange.body(&mut worker, Ok(body), 0)
}

fn policy(tenant: serde_json::Value) -> Rc<Policy> {
    let config = serde_json::json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [{"name": "any", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["write"],
                     "impersonate": {"label": "i", "tenants": ["a*"]}, "on_behalf_of": ["b*"]}],
        "write": {"metrics": {"tenant": tenant}},
    });
    Rc::new(Policy::compile(&Config::from_json(config).unwrap(), &|_| None).unwrap())
}

fuzz_target!(|message: &[u8]| {
    let policy = policy(serde_json::json!([{"label": "n"}, "caller"]));
    let allowed = |tenant: &str| tenant == "own" || tenant.starts_with(['a', 'b']);
    match send(&policy, message) {
        Step::Call(calls) => {
            for call in calls {
                assert!(allowed(call.tenant.as_str()));
                let part = snap::raw::Decoder::new().decompress_vec(&call.body).unwrap();
                // Its label may be gone, so that it goes elsewhere now; but it goes whole, and as it is.
                match send(&policy, &part) {
                    Step::Continue(changes) => assert!(changes.body.is_none()),
                    Step::Reply(reply) => panic!("{}", reply.details),
                    other => panic!("{other:?}"),
                }
            }
        }
        Step::Continue(changes) => {
            let tenant = changes.headers.set.iter().find(|(name, _)| name == "x-scope-orgid");
            assert!(tenant.is_some_and(|(_, tenant)| allowed(tenant)));
        }
        Step::Reply(_) => {}
        other => panic!("{other:?}"),
    }
});
