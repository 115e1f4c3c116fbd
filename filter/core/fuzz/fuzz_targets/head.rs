//! Any head: refused, or it goes on with exactly one tenant header, which names the caller's own tenant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_core::caller::Attributes;
use scopegate_core::exchange::{Exchange, Step, Worker};
use scopegate_core::http::Headers;
use scopegate_core_fuzz::{Session, policy, tenant_of};

/// The metadata is fuzzed too; without any it is a session.
struct Metadata<'a>(&'a [u8]);

impl Attributes for Metadata<'_> {
    fn get(&self, path: &[&str]) -> Option<Vec<u8>> {
        match path {
            ["metadata"] if !self.0.is_empty() => Some(self.0.to_vec()),
            _ => Session.get(path),
        }
    }
}

fuzz_target!(|input: (&[u8], Vec<(u8, u8, &[u8])>)| {
    let policy = policy("head", || {
        serde_json::json!({
            "backends": [{"name": "metrics", "kind": "cortex"}],
            "callers": [{"name": "any", "metadata": {"namespace": "n"}, "tenants": ["own"], "may": ["read", "write", "rules", "alerts"]}],
        })
    });
    const NAMES: [&str; 8] = [
        ":method",
        ":path",
        ":authority",
        "x-scope-orgid",
        "authorization",
        "content-type",
        "content-encoding",
        "x-other",
    ];
    const VALUES: [&str; 12] = [
        "GET",
        "POST",
        "/api/v1/push",
        "/prometheus/api/v1/query?query=up",
        "/api/prom/api/v1/label/a/values",
        "own",
        "own|own",
        "other",
        "own|other",
        "a",
        "application/x-protobuf",
        "snappy",
    ];
    let (metadata, pairs) = input;
    let value = |at: &u8| VALUES.get(usize::from(*at)).map(|value| value.as_bytes().to_vec());
    let named = |(name, at, text): &(u8, u8, &'_ [u8])| {
        (NAMES[usize::from(*name) % NAMES.len()].as_bytes(), value(at).unwrap_or_else(|| text.to_vec()))
    };
    let pairs: Vec<_> = pairs.iter().map(named).collect();
    let headers = Headers::new(pairs.iter().map(|(name, value)| (*name, value.as_slice())).collect());
    let mut exchange = Exchange::new(policy);
    if let Step::Continue(changes) =
        exchange.head(&mut Worker::default(), &headers, false, &Metadata(metadata), 0)
    {
        assert_eq!(tenant_of(&changes), "own");
        let inbound = headers.all("x-scope-orgid").count();
        assert!(inbound <= 1 || changes.headers.remove.iter().any(|name| name == "x-scope-orgid"));
    }
});
