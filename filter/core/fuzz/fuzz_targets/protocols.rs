//! Any message as a push of Loki's or an export of OTLP's, in each notation: no part goes to a tenant that is not allowed,
//! and each part belongs whole to its tenant when it is sent again. The first byte chooses the notation.
#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use scopegate_core::exchange::Step;
use scopegate_core::policy::Policy;
use scopegate_core_fuzz::{compress, policy, post, tenant_of};

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

fuzz_target!(|input: &[u8]| {
    let Some((first, message)) = input.split_first() else { return };
    let notation = usize::from(*first) % NOTATIONS.len();
    let body = match notation {
        0 => compress(message),
        _ => message.to_vec(),
    };
    taken_apart(notation, body.clone());
    for_others(notation, body);
});

fn allowed(tenant: &str) -> bool {
    tenant == "own" || tenant.starts_with(['a', 'b'])
}

fn send(policy: &Rc<Policy>, notation: usize, impersonates: &str, body: Vec<u8>) -> Step {
    let (path, content_type) = NOTATIONS[notation];
    let authority = if path == "/v1/traces" { "traces" } else { "logs" };
    let headers = [
        (":path", path),
        (":authority", authority),
        ("content-type", content_type),
        ("x-scope-impersonate", impersonates),
    ];
    post(policy, &headers, body)
}

/// By a caller that impersonates. What says so is gone from the parts, so they may lead elsewhere.
fn taken_apart(notation: usize, body: Vec<u8>) {
    let policy = policy("impersonates", || {
        serde_json::json!({
            "backends": [{"name": "logs", "kind": "loki", "host": "logs"}, {"name": "traces", "kind": "tempo", "host": "traces"}],
            "callers": [{"name": "any", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["write"],
                         "impersonate": {"label": "i", "tenants": ["a*"]}, "on_behalf_of": ["b*"]}],
            "write": {
                "logs": {"tenant": [{"metadata": "m", "remove": true}, {"label": "n"}, "caller"]},
                "traces": {"tenant": [{"label": "n"}, "caller"]},
            },
        })
    });
    match send(&policy, notation, "true", body) {
        Step::Call(calls) => {
            for call in calls {
                assert!(allowed(call.tenant.as_str()));
                let again = send(&policy, notation, "true", call.body);
                assert!(!matches!(again, Step::Reply(reply) if reply.details == "malformed_body"));
            }
        }
        Step::Continue(changes) => assert!(allowed(tenant_of(&changes))),
        Step::Reply(_) => {}
        other => panic!("{other:?}"),
    }
}

/// By a caller that writes for others, and nothing is removed: here each part says whose it is.
fn for_others(notation: usize, body: Vec<u8>) {
    let policy = policy("for others", || {
        serde_json::json!({
            "backends": [{"name": "logs", "kind": "loki", "host": "logs"}, {"name": "traces", "kind": "tempo", "host": "traces"}],
            "callers": [{"name": "any", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["write"],
                         "on_behalf_of": ["a*", "b*"]}],
            "write": {
                "logs": {"tenant": [{"metadata": "m"}, {"label": "n"}, "caller"]},
                "traces": {"tenant": [{"label": "n"}, "caller"]},
            },
        })
    });
    match send(&policy, notation, "false", body) {
        Step::Call(calls) => {
            for call in calls {
                assert!(allowed(call.tenant.as_str()));
                match send(&policy, notation, "false", call.body) {
                    Step::Continue(changes) => {
                        assert_eq!(tenant_of(&changes), call.tenant.as_str());
                        assert!(changes.body.is_none());
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        Step::Continue(changes) => assert!(allowed(tenant_of(&changes))),
        Step::Reply(_) => {}
        other => panic!("{other:?}"),
    }
}
