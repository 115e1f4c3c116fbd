//! What is scraped, and which tenant each series belongs to.

use std::fmt::Write as _;

use scopegate_tests::{cortex::Label, identity::now};

/// One way through the gateway: a listener, and how its filter finds tenants.
#[derive(Debug)]
pub(super) struct Way {
    /// The listener.
    pub(super) listener: &'static str,
    /// The label that names the tenant.
    pub(super) label: &'static str,
    /// Whether the label is taken off.
    pub(super) removed: bool,
    /// The tenant of series without the label.
    pub(super) own: &'static str,
    /// All tenants.
    pub(super) tenants: &'static [&'static str],
}

/// By namespace, as a forwarder for many organisations.
pub(super) const FORWARDER: Way = Way {
    listener: "forwarder",
    label: "namespace",
    removed: false,
    own: "own",
    tenants: &["team-a", "team-b", "team-c", "team-d", "own"],
};

/// By impersonation, as a privileged agent.
pub(super) const AGENT: Way = Way {
    listener: "agent",
    label: "zz_opni_impersonate_as",
    removed: true,
    own: "central",
    tenants: &["cluster-0", "cluster-1", "cluster-2", "central"],
};

impl Way {
    /// The tenant of a series, and the labels that arrive there.
    pub(super) fn tenant(&self, mut labels: Vec<Label>) -> (String, Vec<Label>) {
        let Some(position) = labels.iter().position(|label| label.name == self.label.as_bytes()) else {
            return (self.own.to_owned(), labels);
        };
        let tenant = String::from_utf8_lossy(&labels[position].value).into_owned();
        if self.removed {
            labels.remove(position);
        }
        (tenant, labels)
    }
}

/// The page of one scrape: series of all tenants, side by side; some without one label or the other, some that come and
/// go, values and label values of every kind.
pub(super) fn page(scrape: usize) -> String {
    let mut page = String::from("# HELP work Work done.\n# TYPE work counter\n");
    for number in 0..20 {
        let mut labels = format!("number=\"{number}\",text=\"Zürich \\\"{number}\\\" \\\\ \\n\"");
        if let Some(team) = ["a", "b", "c", "d"].get(number % 5) {
            let _ = write!(labels, ",namespace=\"team-{team}\"");
        }
        if number % 4 < 3 {
            let _ = write!(labels, ",zz_opni_impersonate_as=\"cluster-{}\"", number % 4);
        }
        let _ = writeln!(page, "work{{{labels}}} {scrape}.{number}");
        // Ends, and comes back.
        if (scrape / 4 + number).is_multiple_of(2) {
            let _ = writeln!(page, "sometimes{{{labels}}} {scrape}");
        }
        // Has its own times, and so no stale markers.
        let _ = writeln!(page, "stamped{{{labels}}} {scrape} {}", now() * 1000 + number as u64);
    }
    page += "# TYPE odd gauge\n";
    for value in ["NaN", "+Inf", "-Inf", "-0", "5e-324", "0.1", "1.7976931348623157e308"] {
        let _ = writeln!(
            page,
            "odd{{kind=\"{value}\",namespace=\"team-a\",zz_opni_impersonate_as=\"cluster-1\"}} {value}"
        );
    }
    page
}
