//! What one tenant stored: series by their labels, samples by their time, and the rules for taking them in.

use std::collections::BTreeMap;

use super::message::{Label, Metadata, Push, Series, set_text, text};

/// One tenant's series, in memory.
#[derive(Debug, Clone, Default)]
pub struct Store {
    series: BTreeMap<Vec<Label>, BTreeMap<i64, u64>>,
    metadata: Vec<Metadata>,
}

/// What of a push was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) samples: usize,
    pub(super) histograms: usize,
    pub(super) exemplars: usize,
    /// The first thing that was refused; the rest is written all the same.
    pub(super) refused: Option<String>,
    /// Whether it was refused by what stands behind the distributor, which then knows of nothing that was written.
    pub(super) refused_late: bool,
}

impl Store {
    /// All series: labels in order of their names, samples (the bits of their values) in order of time.
    pub fn series(&self) -> &BTreeMap<Vec<Label>, BTreeMap<i64, u64>> {
        &self.series
    }

    /// The samples of the series with exactly these labels, in any order: times and values.
    pub fn samples(&self, labels: &[(&str, &str)]) -> Vec<(i64, f64)> {
        let mut key: Vec<_> = labels.iter().map(|(name, value)| Label::new(name, value)).collect();
        key.sort();
        let samples = self.series.get(&key).into_iter().flatten();
        samples.map(|(time, bits)| (*time, f64::from_bits(*bits))).collect()
    }

    /// How many samples there are in all series.
    pub fn count(&self) -> usize {
        self.series.values().map(BTreeMap::len).sum()
    }

    /// All metadata, in order of arrival.
    pub fn metadata(&self) -> &[Metadata] {
        &self.metadata
    }

    /// Takes in a push of `tenant`. Whatever is acceptable is written, whatever else the push holds.
    ///
    /// # Errors
    /// When nothing of it is written.
    pub(super) fn write(&mut self, tenant: &str, push: &Push) -> Result<Written, String> {
        if push.series.iter().any(|series| series.labels.is_empty()) {
            return Err("empty labels found".to_owned());
        }
        let mut written = Written::default();
        for series in &push.series {
            match stored_labels(series) {
                Ok(labels) => self.write_series(tenant, labels, series, &mut written),
                Err(refusal) => drop(written.refused.get_or_insert(refusal)),
            }
        }
        self.metadata.extend_from_slice(&push.metadata);
        Ok(written)
    }

    fn write_series(&mut self, tenant: &str, labels: Vec<Label>, series: &Series, written: &mut Written) {
        let shown = set_text(&labels);
        let samples = self.series.entry(labels).or_default();
        for sample in &series.samples {
            // The same again is no duplicate: senders repeat what they got no answer to.
            if *samples.entry(sample.timestamp).or_insert(sample.bits) != sample.bits {
                written.refused_late = true;
                written.refused.get_or_insert_with(|| {
                    format!(
                        "user={tenant}: err: duplicate sample for timestamp. timestamp={}, series={shown}",
                        sample.timestamp
                    )
                });
            }
        }
        written.samples += series.samples.len();
        written.histograms += series.histograms;
        written.exemplars += series.exemplars;
    }
}

/// Labels as they are stored: sorted, without empty values.
fn stored_labels(series: &Series) -> Result<Vec<Label>, String> {
    let metric = series.labels.iter().find(|label| label.name == b"__name__");
    let metric = metric.filter(|label| !label.value.is_empty()).ok_or("sample missing metric name")?;
    if !is_name(&metric.value, true) {
        return Err(format!("sample invalid metric name: {:?}", text(&metric.value)));
    }
    let mut labels: Vec<_> = series.labels.iter().filter(|label| !label.value.is_empty()).cloned().collect();
    labels.sort_by(|a, b| a.name.cmp(&b.name));
    for label in &labels {
        if !is_name(&label.name, false) {
            return Err(format!(
                "sample invalid label: {:?} metric {:?}",
                text(&label.name),
                set_text(&labels)
            ));
        }
    }
    for pair in labels.windows(2) {
        if pair[0].name == pair[1].name {
            return Err(format!(
                "duplicate label name: {:?} metric {:?}",
                text(&pair[0].name),
                set_text(&labels)
            ));
        }
    }
    Ok(labels)
}

fn is_name(name: &[u8], colons: bool) -> bool {
    let fits = |c: &u8| c.is_ascii_alphanumeric() || *c == b'_' || (colons && *c == b':');
    name.first().is_some_and(|c| !c.is_ascii_digit()) && name.iter().all(fits)
}
