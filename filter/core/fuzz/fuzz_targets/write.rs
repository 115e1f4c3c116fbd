//! Any message as a remote write, with and without changes to its labels: no part goes to a tenant that is not allowed,
//! holds a series of another tenant, or comes out different when it is sent again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_core::exchange::Step;
use scopegate_core_fuzz::{compress, contents, decompress, policy, post, tenant_of};

const HEADERS: [(&str, &str); 5] = [
    (":path", "/api/v1/push"),
    (":authority", "a"),
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-scope-impersonate", "true"),
];

fuzz_target!(|message: &[u8]| {
    for edits in [false, true] {
        taken_apart(message, edits);
        for_others(message, edits);
    }
});

fn labels(edits: bool) -> serde_json::Value {
    match edits {
        false => serde_json::json!({}),
        true => serde_json::json!({
            "set": {"t": {"from": "tenant"}}, "replace": {"r": "x"}, "remove": "z", "rename": {"a": "b"},
        }),
    }
}

fn allowed(tenant: &str) -> bool {
    tenant == "own" || tenant.starts_with(['a', 'b'])
}

/// By a caller that impersonates. The label that says so is gone from the parts, so they may lead elsewhere.
fn taken_apart(message: &[u8], edits: bool) {
    let policy = policy(&format!("impersonates {edits}"), || {
        serde_json::json!({
            "backends": [{"name": "metrics", "kind": "cortex"}],
            "callers": [{"name": "any", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["write"],
                         "impersonate": {"label": "i", "tenants": ["a*"]}, "on_behalf_of": ["b*"]}],
            "write": {"metrics": {"tenant": [{"label": "n"}, "caller"], "labels": labels(edits)}},
        })
    });
    match post(&policy, &HEADERS, compress(message)) {
        Step::Call(calls) => {
            for call in calls {
                assert!(allowed(call.tenant.as_str()));
                let again = post(&policy, &HEADERS, call.body);
                assert!(!matches!(again, Step::Reply(reply) if reply.details == "malformed_body"));
            }
        }
        Step::Continue(changes) => assert!(allowed(tenant_of(&changes))),
        Step::Reply(_) => {}
        other => panic!("{other:?}"),
    }
}

/// By a caller that writes for others: here the labels of a part say whose it is.
fn for_others(message: &[u8], edits: bool) {
    let policy = policy(&format!("for others {edits}"), || {
        serde_json::json!({
            "backends": [{"name": "metrics", "kind": "cortex"}],
            "callers": [{"name": "any", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["write"],
                         "on_behalf_of": ["a*", "b*"]}],
            "write": {"metrics": {"tenant": [{"label": "n"}, "caller"], "labels": labels(edits)}},
        })
    });
    match post(&policy, &HEADERS[..4], compress(message)) {
        Step::Call(calls) => {
            for call in calls {
                let part = decompress(&call.body);
                belongs_to(&part, call.tenant.as_str());
                match post(&policy, &HEADERS[..4], call.body) {
                    Step::Continue(changes) => {
                        assert_eq!(tenant_of(&changes), call.tenant.as_str());
                        assert!(changes.body.is_none_or(|body| decompress(&body) == part));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        Step::Continue(changes) => {
            let sent = changes.body.as_deref().map_or_else(|| message.to_vec(), decompress);
            belongs_to(&sent, tenant_of(&changes));
        }
        Step::Reply(_) => {}
        other => panic!("{other:?}"),
    }
}

/// Each series has the tenant's name in its label `n`; without one it is the caller's own.
fn belongs_to(message: &[u8], tenant: &str) {
    assert!(allowed(tenant));
    for series in contents(message, 1) {
        let mut named = None;
        for label in contents(series, 1) {
            if contents(label, 1).last() == Some(&&b"n"[..]) {
                let value = contents(label, 2).last().copied().unwrap_or_default();
                assert!(named.replace(value).is_none_or(|other| other == value));
            }
        }
        let named = named.filter(|value| !value.is_empty()).unwrap_or(b"own");
        assert_eq!(named, tenant.as_bytes());
    }
}
