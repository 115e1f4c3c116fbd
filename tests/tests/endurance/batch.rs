//! Writes for several tenants, and what each tenant must get of them.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
};

use prost::Message as _;
use scopegate_tests::{
    client::Call,
    cortex::{Push, Received, State, Store, Version},
    remote_write::{Label, TimeSeries, WriteRequest, label, series},
};

use crate::gateway::{LABEL, OWN, known};

/// A request whose series belong to several tenants, in turn. Every batch has samples of a time of its own, so that none
/// passes for another.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    request: WriteRequest,
    /// The message of each tenant, before compression.
    parts: BTreeMap<String, Vec<u8>>,
}

/// Series of each tenant in a batch.
const SERIES: usize = 3;

/// How a tenant is named in a series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Naming {
    /// The label that names it.
    pub(crate) label: &'static str,
    /// Whether the label is taken off.
    pub(crate) removed: bool,
    /// The tenant of series without the label.
    pub(crate) own: &'static str,
}

impl Batch {
    /// A new batch for these tenants, named as the [`policy`](crate::gateway::policy) says.
    pub(crate) fn of<T: AsRef<str>>(tenants: &[T]) -> Self {
        Self::padded(0, tenants)
    }

    /// The same with so many bytes in each series that no compression makes fewer.
    pub(crate) fn padded<T: AsRef<str>>(bytes: usize, tenants: &[T]) -> Self {
        Self::named(Naming { label: LABEL, removed: false, own: OWN }, bytes, tenants)
    }

    /// A new batch for these tenants, named like this, with so many bytes in each series.
    pub(crate) fn named<T: AsRef<str>>(naming: Naming, bytes: usize, tenants: &[T]) -> Self {
        static TIME: AtomicI64 = AtomicI64::new(1_700_000_000_000);
        let time = TIME.fetch_add(1000, Ordering::Relaxed);
        let (mut request, mut parts) = (WriteRequest::default(), BTreeMap::<_, WriteRequest>::new());
        for number in 0..SERIES {
            for tenant in tenants {
                let mut sent = series(&[("__name__", "batch"), ("zone", "Zürich")], time, 0.1);
                sent.labels.push(label("number", &number.to_string()));
                if bytes > 0 {
                    sent.labels.push(label("padding", &noise(bytes, request.timeseries.len())));
                }
                let mut kept = sent.clone();
                if tenant.as_ref() != naming.own {
                    sent.labels.push(label(naming.label, tenant.as_ref()));
                    kept = if naming.removed { kept } else { sent.clone() };
                }
                request.timeseries.push(sorted(sent));
                parts.entry(tenant.as_ref().to_owned()).or_default().timeseries.push(sorted(kept));
            }
        }
        let parts = parts.into_iter().map(|(tenant, part)| (tenant, part.encode_to_vec())).collect();
        Self { request, parts }
    }

    /// The push of it by the caller that is [`known`].
    pub(crate) fn push(&self) -> Call {
        known(self.request.push())
    }

    /// The push of it by nobody yet.
    pub(crate) fn anonymous(&self) -> Call {
        self.request.push()
    }

    /// Its compressed body.
    pub(crate) fn body(&self) -> Vec<u8> {
        self.request.body()
    }

    /// Its tenants.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &str> {
        self.parts.keys().map(String::as_str)
    }

    /// Asserts that the tenant stored its part, and nothing else; or nothing at all.
    #[track_caller]
    pub(crate) fn assert_stored(&self, what: &str, state: &State, tenant: &str, stored: bool) {
        let part = self.parts.get(tenant).filter(|_| stored);
        let decoded = part.and_then(|part| Push::decode(Version::V1, part).ok());
        let series = decoded.into_iter().flat_map(|push| push.series);
        let expected: BTreeMap<_, BTreeMap<_, _>> = series
            .map(|mut series| {
                series.labels.sort();
                let samples = series.samples.iter().map(|sample| (sample.timestamp, sample.bits));
                (series.labels, samples.collect())
            })
            .collect();
        let empty = BTreeMap::new();
        let kept = state.store(tenant).map_or(&empty, Store::series);
        assert_eq!(*kept, expected, "{what}: what {tenant} stored; {}", state.summary());
    }

    /// Whether a request is this batch's part of its tenant, byte for byte.
    pub(crate) fn is_in(&self, received: &Received) -> bool {
        let part = received.tenant.as_ref().and_then(|tenant| self.parts.get(tenant));
        matches!((part, &received.push), (Some(part), Some(Ok(push))) if *part == push.message)
    }
}

fn sorted(mut series: TimeSeries) -> TimeSeries {
    series.labels.sort_by(|a: &Label, b: &Label| a.name.cmp(&b.name));
    series
}

/// Text that looks random and is the same every time.
fn noise(bytes: usize, seed: usize) -> String {
    let mut state = seed as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + (state >> 33).to_le_bytes()[0] % 90)
    };
    (0..bytes).map(|_| next()).collect()
}

/// Asserts that the stand-in received each batch's parts for these tenants as often as given, byte for byte, and
/// nothing else from anybody.
#[track_caller]
pub(crate) fn assert_received(what: &str, state: &State, expected: &[(&Batch, &[(&str, usize)])]) {
    let mut known = 0;
    for (number, (batch, parts)) in expected.iter().enumerate() {
        for tenant in batch.tenants() {
            let wanted = parts.iter().find(|(name, _)| *name == tenant).map_or(0, |(_, times)| *times);
            let times = state.of(tenant).filter(|received| batch.is_in(received)).count();
            assert_eq!(times, wanted, "{what}: {tenant}'s part of batch {number}; {}", state.summary());
            known += times;
        }
    }
    assert_eq!(known, state.requests.len(), "{what}: something else arrived; {}", state.summary());
}

/// Asserts that the stand-in received every part of these batches exactly once, and nothing else from anybody.
#[track_caller]
pub(crate) fn assert_all_received(what: &str, state: &State, batches: &[&Batch]) {
    let parts: Vec<Vec<_>> =
        batches.iter().map(|batch| batch.tenants().map(|tenant| (tenant, 1)).collect()).collect();
    let expected: Vec<_> =
        batches.iter().zip(&parts).map(|(batch, parts)| (*batch, parts.as_slice())).collect();
    assert_received(what, state, &expected);
}
