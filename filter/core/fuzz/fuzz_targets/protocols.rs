//! Any message as a push of Loki's or an export of OTLP's, in each notation: no part goes to a tenant that is not allowed,
//! and each part can be taken apart again. The first byte chooses the notation.
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
            ["xds", "route_metadata"] => None,
            _ => Some(b"cluster".to_vec()),
        }
    }
}

/// Path and content type. The first is a snappy block.
const NOTATIONS: [(&str, &str); 7] = [
    ("/loki/api/v1/push", "application/x-protobuf"),
    ("/loki/api/v1/push", "application/json"),
    ("/api/prom/push", "application/json"),
    ("/otlp/v1/logs", "application/x-protobuf"),
    ("/otlp/v1/logs", "application/json"),
    ("/v1/traces", "application/x-protobuf"),
    ("/v1/traces", "application/json"),
];

fn send(policy: &Rc<Policy>, notation: usize, body: Vec<u8>) -> Step {
    let (path, content_type) = NOTATIONS[notation];
    let authority = if path == "/v1/traces" { "traces" } else { "logs" };
    let headers: [(&str, &str); 5] = [
        (":method", "POST"),
        (":path", path),
        (":authority", authority),
        ("content-type", content_type),
        ("x-scope-impersonate", "true"),
    ];
    let headers = Headers::new(headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect());
    let (mut exchange, mut worker) = (Exchange::new(Rc::clone(policy)), Worker::default());
    assert!(matches!(exchange.head(&mut worker, &headers, false, &Session, 0), Step::Buffer));
    exchange.body(&mut worker, Ok(body), 0)
}

fuzz_target!(|input: &[u8]| {
    let Some((first, message)) = input.split_first() else { return };
    let notation = usize::from(*first) % NOTATIONS.len();
    let config = serde_json::json!({
        "backends": [{"name": "logs", "kind": "loki", "host": "logs"}, {"name": "traces", "kind": "tempo", "host": "traces"}],
        "callers": [{"name": "any", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["write"],
                     "impersonate": {"label": "i", "tenants": ["a*"]}, "on_behalf_of": ["b*"]}],
        "write": {
            "logs": {"tenant": [{"metadata": "m", "remove": true}, {"label": "n"}, "caller"]},
            "traces": {"tenant": [{"label": "n"}, "caller"]},
        },
    });
    let policy = Rc::new(Policy::compile(&Config::from_json(config).unwrap(), &|_| None).unwrap());
    let allowed = |tenant: &str| tenant == "own" || tenant.starts_with(['a', 'b']);
    let body = match notation {
        0 => snap::raw::Encoder::new().compress_vec(message).unwrap(),
        _ => message.to_vec(),
    };
    match send(&policy, notation, body) {
        Step::Call(calls) => {
            for call in calls {
                assert!(allowed(call.tenant.as_str()));
                let again = send(&policy, notation, call.body);
                assert!(!matches!(again, Step::Reply(reply) if reply.details == "malformed_body"));
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
