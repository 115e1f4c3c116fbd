//! What is told about tables: gauges, and a counter of refreshes.

/// A metric of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableMetric {
    /// Gauge: seconds since the table was last fetched.
    Age,
    /// Gauge: how many entries it has.
    Entries,
    /// Gauge: how many entries of its source were left out, since they lead to nothing that could be used.
    Invalid,
    /// Gauge: 1 once the table was fetched for the first time.
    Loaded,
    /// Counter: refreshes by their outcome: `ok`, or the word of the failure.
    Refreshes(&'static str),
}

impl TableMetric {
    /// Whether it is set and not added to.
    pub fn is_gauge(self) -> bool {
        !matches!(self, Self::Refreshes(_))
    }

    /// Its name with its tags, in the form of [`Metric::name`](super::Metric::name).
    pub fn name(self, table: &str) -> String {
        let (tags, base) = match self {
            Self::Age => ("", "age_seconds"),
            Self::Entries => ("", "entries"),
            Self::Invalid => ("", "invalid_entries"),
            Self::Loaded => ("", "loaded"),
            Self::Refreshes(outcome) => (outcome, "refreshes_total"),
        };
        let outcome = if tags.is_empty() { String::new() } else { format!("outcome=.={tags};.;") };
        format!("table=.={table};.;{outcome}scopegate_table_{base}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tags_and_then_the_metric() {
        let cases = [
            (TableMetric::Age, true, "table=.=t;.;scopegate_table_age_seconds"),
            (TableMetric::Entries, true, "table=.=t;.;scopegate_table_entries"),
            (TableMetric::Invalid, true, "table=.=t;.;scopegate_table_invalid_entries"),
            (TableMetric::Loaded, true, "table=.=t;.;scopegate_table_loaded"),
            (
                TableMetric::Refreshes("no_answer"),
                false,
                "table=.=t;.;outcome=.=no_answer;.;scopegate_table_refreshes_total",
            ),
        ];
        for (metric, is_gauge, name) in cases {
            assert_eq!((metric.is_gauge(), metric.name("t").as_str()), (is_gauge, name));
        }
    }
}
