//! Any read, in URL and form or as remote read: refused, or every selector that goes on holds the tenant's matcher.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_core::exchange::{Exchange, Step, Worker};
use scopegate_core::http::{Headers, arguments};
use scopegate_core_fuzz::{Session, policy};

const FORM: &str = "application/x-www-form-urlencoded";

/// The selectors in the `match[]` of a query or a form, as a server decodes them.
fn selectors(text: &str) -> Vec<String> {
    let pairs = arguments(text).map(|argument| argument.expect("what goes on can be read"));
    let pairs = pairs.filter(|argument| [&b"match[]"[..], b"match"].contains(&argument.name.as_slice()));
    pairs.map(|argument| String::from_utf8(argument.value).expect("what goes on is text")).collect()
}

fuzz_target!(|input: (u8, &str, &str)| {
    let policy = policy("reads", || {
        serde_json::json!({
            "backends": [{"name": "metrics", "kind": "prometheus", "isolate": {"label": "tenant"}}],
            "callers": [{"name": "any", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["read"]}],
        })
    });
    let (at, query, body) = input;
    let path = ["/api/v1/query", "/api/v1/series", "/api/v1/labels", "/api/v1/read"][usize::from(at % 4)];
    let target = format!("{path}?{query}");
    let media = if at % 4 == 3 { "application/x-protobuf" } else { FORM };
    let mut head = vec![(":method", "POST"), (":path", target.as_str()), ("content-type", media)];
    if at % 4 == 3 {
        head.push(("content-encoding", "snappy"));
    }
    let headers = Headers::new(head.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect());
    let (mut exchange, mut worker) = (Exchange::new(policy), Worker::default());
    let step = match exchange.head(&mut worker, &headers, false, &Session, 0) {
        Step::Buffer => exchange.body(&mut worker, Ok(body.as_bytes().to_vec()), 0),
        step => step,
    };
    let Step::Continue(changes) = step else { return };
    if at % 4 == 3 {
        assert!(changes.body.is_some());
        return;
    }
    let path = changes.headers.set.iter().find(|(name, _)| name == ":path").map_or(&target, |(_, path)| path);
    let form = changes.body.as_deref().map_or(body, |body| core::str::from_utf8(body).unwrap());
    let url = path.split_once('?').map_or("", |(_, query)| query);
    let all = [selectors(url), selectors(form)].concat();
    assert!(at % 4 == 0 || !all.is_empty(), "{path} {form}");
    for selector in all {
        assert!(selector.contains("tenant=\"own\""), "{selector}");
    }
});
