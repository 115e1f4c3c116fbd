//! The series: the same of every tenant, with other values, and of nobody.

use scopegate_tests::remote_write::{Sample, TimeSeries, WriteRequest, label};

/// The label that says whose a series is.
pub(crate) const LABEL: &str = "tenant";
/// Owners, of which some are told apart only by matchers that are anchored and escaped.
const OWNERS: &[Option<&str>] = &[Some("a"), Some("ab"), Some("c.d"), Some("cxd"), Some("a|c"), None];
/// Seconds between two samples.
const STEP: i64 = 30;
/// Samples of each series.
const SAMPLES: usize = 61;

/// The last sample's time, in seconds: a whole minute, not long ago.
pub(crate) fn end(now: i64) -> i64 {
    now - now % 60
}

/// The series of those owners that `is_wanted` picks. `end` is the time of the last samples, in seconds. Names that are
/// more than letters are there where the backend takes them.
pub(crate) fn series(end: i64, with_utf8: bool, is_wanted: impl Fn(Option<&str>) -> bool) -> WriteRequest {
    let mut all = Vec::new();
    for (number, owner) in OWNERS.iter().enumerate() {
        if !is_wanted(*owner) {
            continue;
        }
        for (index, labels) in shapes(with_utf8).into_iter().enumerate() {
            let is_counter = labels[0].1.ends_with("_total") || labels[0].1.ends_with("_bucket");
            let mut labels: Vec<_> = labels.iter().map(|(name, value)| label(name, value)).collect();
            labels.extend(owner.map(|owner| label(LABEL, owner)));
            labels.sort_by(|a, b| a.name.cmp(&b.name));
            let mut total = 0;
            let samples = (0..SAMPLES).map(|step| {
                // Not random, but nowhere the same.
                let mixed = (number * 1009 + index * 101 + step * 37) % 997;
                total += mixed;
                let value = if is_counter { total } else { mixed * 8 + index };
                let age = i64::try_from(SAMPLES - 1 - step).unwrap_or_default() * STEP;
                let timestamp = (end - age) * 1000;
                Sample { value: f64::from(u32::try_from(value).unwrap_or_default()), timestamp }
            });
            let samples = samples.collect();
            all.push(TimeSeries { labels, samples, ..TimeSeries::default() });
        }
    }
    WriteRequest::of(all)
}

/// The labels of one owner's series.
fn shapes(with_utf8: bool) -> Vec<Vec<(&'static str, &'static str)>> {
    let mut shapes = Vec::new();
    for job in ["api", "web"] {
        for name in ["sum", "rate", "offset", "job:up:sum", "by"] {
            shapes.push(vec![("__name__", name), ("job", job)]);
        }
        for le in ["0.1", "0.5", "1", "+Inf"] {
            shapes.push(vec![("__name__", "latency_bucket"), ("job", job), ("le", le)]);
        }
        for instance in ["i0", "i1"] {
            for name in ["up", "memory_bytes"] {
                shapes.push(vec![("__name__", name), ("job", job), ("instance", instance)]);
            }
            for code in ["200", "500"] {
                let name = ("__name__", "requests_total");
                shapes.push(vec![name, ("job", job), ("instance", instance), ("code", code)]);
            }
            if with_utf8 {
                shapes.push(vec![("__name__", "metric.name"), ("job", job), ("label.x", instance)]);
                let version = if instance == "i0" { "1" } else { "2" };
                let name = ("__name__", "target_info");
                shapes.push(vec![name, ("job", job), ("instance", instance), ("version", version)]);
            }
        }
    }
    shapes
}
