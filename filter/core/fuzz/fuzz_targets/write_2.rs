//! Any message as a remote write 2.0, with and without changes to its labels: no part goes to a tenant that is not allowed,
//! has a string that its own series do not use, or comes out different when it is sent again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_core::exchange::Step;
use scopegate_core_fuzz::{compress, contents, decompress, numbers, policy, post, tenant_of};

const HEADERS: [(&str, &str); 5] = [
    (":path", "/api/v1/push"),
    (":authority", "a"),
    ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
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

/// By a caller that impersonates.
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
                uses_all_symbols(&decompress(&call.body));
                // Its label may be gone, so that it goes elsewhere now; but then it goes whole, and as it is.
                match post(&policy, &HEADERS, call.body) {
                    Step::Continue(changes) => assert!(edits || changes.body.is_none()),
                    Step::Reply(reply) => assert_ne!(reply.details, "malformed_body"),
                    other => panic!("{other:?}"),
                }
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
                uses_all_symbols(&part);
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
    let symbols = contents(message, 4);
    for series in contents(message, 5) {
        let mut named = None;
        for pair in numbers(series, 1).chunks(2) {
            let [name, value] = pair else { panic!("half a label") };
            if symbols[*name as usize] == b"n" {
                let value = symbols[*value as usize];
                assert!(named.replace(value).is_none_or(|other| other == value));
            }
        }
        let named = named.filter(|value| !value.is_empty()).unwrap_or(b"own");
        assert_eq!(named, tenant.as_bytes());
    }
}

/// A string that no series of the part uses is one of another tenant.
fn uses_all_symbols(message: &[u8]) {
    let mut used = vec![false; contents(message, 4).len()];
    let mut take = |references: Vec<u64>| references.iter().for_each(|at| used[*at as usize] = true);
    take(if contents(message, 4).is_empty() { vec![] } else { vec![0] });
    for series in contents(message, 5) {
        take(numbers(series, 1));
        for exemplar in contents(series, 4) {
            take(numbers(exemplar, 1));
        }
        for metadata in contents(series, 5) {
            take(numbers(metadata, 3));
            take(numbers(metadata, 4));
        }
    }
    assert!(used.iter().all(|used| *used));
}
