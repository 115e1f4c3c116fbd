//! Any head: refused, or it goes on with exactly one tenant header, which names the caller's own tenant.
#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use scopegate_core::caller::Attributes;
use scopegate_core::config::Config;
use scopegate_core::exchange::{Exchange, Step, Worker};
use scopegate_core::http::Headers;
use scopegate_core::policy::Policy;

/// The metadata is fuzzed too.
struct Metadata<'a>(&'a [u8]);

impl Attributes for Metadata<'_> {
    fn get(&self, path: &[&str]) -> Option<Vec<u8>> {
        (path == ["metadata"]).then(|| self.0.to_vec())
    }
}

fuzz_target!(|input: (&[u8], Vec<(u8, &[u8])>)| {
    let config = serde_json::json!({
        "backends": [{"name": "metrics", "kind": "cortex"}],
        "callers": [{"name": "any", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["read", "write", "rules", "alerts"]}],
    });
    let policy = Policy::compile(&Config::from_json(config).unwrap(), &|_| None).unwrap();
    const NAMES: [&str; 8] = [
        ":method", ":path", ":authority", "x-scope-orgid", "authorization", "content-type", "content-encoding", "x-other",
    ];
    let (metadata, pairs) = input;
    let named = |(name, value): &(u8, &'_ [u8])| (NAMES[usize::from(*name) % NAMES.len()].as_bytes(), value.to_vec());
    let pairs: Vec<_> = pairs.iter().map(named).collect();
    let headers = Headers::new(pairs.iter().map(|(name, value)| (*name, value.as_slice())).collect());
    let mut exchange = Exchange::new(Rc::new(policy));
    if let Step::Continue(changes) = exchange.head(&mut Worker::default(), &headers, false, &Metadata(metadata), 0) {
        let tenants: Vec<_> = changes.headers.set.iter().filter(|(name, _)| name == "x-scope-orgid").collect();
        assert!(matches!(tenants.as_slice(), [(_, tenant)] if tenant == "own"));
        let inbound = headers.all("x-scope-orgid").count();
        assert!(inbound <= 1 || changes.headers.remove.iter().any(|name| name == "x-scope-orgid"));
    }
});
