//! Metric families and the names of their series.

use hashbrown::{HashMap, HashSet};

use crate::tenant::TenantId;
use crate::wire::{Fields, Malformed, Value};

/// A family of metadata: `prometheus.MetricMetadata` with type = 1 and `metric_family_name` = 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Family<'a> {
    kind: u64,
    name: &'a [u8],
}

/// `MetricMetadata.MetricType`.
const COUNTER: u64 = 1;
const HISTOGRAM: u64 = 3;
const GAUGE_HISTOGRAM: u64 = 4;
const SUMMARY: u64 = 5;
const INFO: u64 = 6;

/// Where the hash begins.
const SEED: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, on from `seed`. Workers must agree on it. Whoever makes two names collide mixes up its own metrics only.
pub(super) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The hash of a series' name.
pub(super) fn hash_of_name(name: &[u8]) -> u64 {
    hash(SEED, name)
}

impl<'a> Family<'a> {
    /// Reads one entry of metadata.
    pub(in super::super) fn read(entry: &'a [u8]) -> Result<Self, Malformed> {
        let mut family = Self { kind: 0, name: &[] };
        for field in Fields::new(entry) {
            let field = field?;
            match (field.number, field.value) {
                (1, Value::Varint(kind)) => family.kind = kind,
                (2, Value::Bytes(name)) => family.name = name,
                (1 | 2, _) => return Err(Malformed::Unexpected),
                _ => {}
            }
        }
        Ok(family)
    }

    /// The hashes of the names that its series may have, as Prometheus' scraper tells whether a series is part of a
    /// family (`isSeriesPartOfFamily`).
    pub(super) fn series_names(self) -> impl Iterator<Item = u64> {
        let cut = |suffix: &[u8]| self.name.strip_suffix(suffix).unwrap_or(self.name);
        let (base, suffixes): (&[u8], &[&[u8]]) = match self.kind {
            COUNTER => (cut(b"_total"), &[b"", b"_total"]),
            HISTOGRAM => (self.name, &[b"", b"_bucket", b"_sum", b"_count"]),
            GAUGE_HISTOGRAM => (self.name, &[b"", b"_bucket", b"_gsum", b"_gcount"]),
            SUMMARY => (self.name, &[b"", b"_sum", b"_count"]),
            INFO => (cut(b"_info"), &[b"", b"_info"]),
            _ => (self.name, &[b""]),
        };
        let base = hash_of_name(base);
        suffixes.iter().map(move |suffix| hash(base, suffix))
    }
}

/// Which metrics a request writes to which part: what there is to learn from it.
#[derive(Debug, Default)]
pub(in super::super) struct Names<'a> {
    pairs: HashSet<(u64, u32)>,
    /// Series of one metric mostly stand together.
    last: Option<(&'a [u8], usize)>,
}

/// The same with the tenants of the parts.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(super) tenants: Vec<TenantId>,
    /// The hash of a name, and the position of a tenant.
    pub(super) pairs: Vec<(u64, u32)>,
}

impl<'a> Names<'a> {
    /// A series of this name goes to this part.
    #[inline]
    pub(in super::super) fn note(&mut self, name: &'a [u8], part: usize) {
        if self.last == Some((name, part)) || name.is_empty() {
            return;
        }
        self.last = Some((name, part));
        if let Ok(part) = u32::try_from(part) {
            self.pairs.insert((hash_of_name(name), part));
        }
    }

    /// For the hash of each name the parts that its series go to.
    pub(super) fn by_name(&self) -> HashMap<u64, Vec<usize>> {
        let mut parts: HashMap<u64, Vec<usize>> = HashMap::new();
        for (name, part) in &self.pairs {
            parts.entry(*name).or_default().push(*part as usize);
        }
        parts
    }

    /// What there is to learn, with the tenants of the parts.
    pub(in super::super) fn written(self, tenants: &[TenantId]) -> Written {
        if self.pairs.is_empty() {
            return Written::default();
        }
        Written { tenants: tenants.to_vec(), pairs: self.pairs.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_the_series_that_prometheus_counts_to_them() {
        let cases: &[(u64, &str, &[&str], &[&str])] = &[
            (0, "x", &["x"], &["x_total", "x_bucket"]),
            (1, "x_total", &["x_total", "x"], &["x_total_total", "x_sum"]),
            (1, "x", &["x_total", "x"], &["x_created"]),
            (2, "x_total", &["x_total"], &["x"]),
            (3, "x", &["x", "x_bucket", "x_sum", "x_count"], &["x_gsum", "x_total"]),
            (4, "x", &["x", "x_bucket", "x_gsum", "x_gcount"], &["x_sum"]),
            (5, "x", &["x", "x_sum", "x_count"], &["x_bucket"]),
            (6, "x", &["x", "x_info"], &["x_total"]),
            (6, "x_info", &["x", "x_info"], &["x_info_info"]),
            (7, "x", &["x"], &["x_info"]),
            (99, "x", &["x"], &["x_info"]),
        ];
        for (kind, name, theirs, others) in cases {
            let names: Vec<_> = Family { kind: *kind, name: name.as_bytes() }.series_names().collect();
            for series in *theirs {
                assert!(names.contains(&hash_of_name(series.as_bytes())), "{kind} {name}: {series}");
            }
            for series in *others {
                assert!(!names.contains(&hash_of_name(series.as_bytes())), "{kind} {name}: {series}");
            }
        }
    }

    #[test]
    fn entries_are_read_in_any_order_and_the_last_wins() {
        let read = |entry: &[u8]| Family::read(entry).map(|family| (family.kind, family.name.to_vec()));
        assert_eq!(read(b"\x12\x01a\x08\x03\x22\x01h\x12\x02bc"), Ok((3, b"bc".to_vec())));
        assert_eq!(read(b""), Ok((0, Vec::new())));
        assert_eq!(read(b"\x0a\x01a"), Err(Malformed::Unexpected));
        assert_eq!(read(b"\x12\x05a"), Err(Malformed::Truncated));
    }
}
