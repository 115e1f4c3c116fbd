//! How what would have been done compares with what came in.

/// How a request that was only observed compares with what would have been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Observation {
    /// It would have gone on as it came, as far as its tenants go.
    Same,
    /// It named no tenant, and would have gone to one.
    TenantAdded,
    /// It would have gone to another tenant than it named.
    TenantChanged,
    /// Its body would have been changed, or its arguments where a label keeps tenants apart.
    Rewritten,
    /// It would have been split among several tenants.
    Split,
    /// Some or all of its series would have been rejected.
    SeriesRejected,
    /// Nothing of it would have been sent.
    NothingSent,
    /// It would have been refused, for this reason ([`Refusal::reason`](super::Refusal::reason)).
    Refused(&'static str),
}

impl Observation {
    /// The words for it in metrics and in the report: what, and why where there is a reason.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Same => ("same", ""),
            Self::TenantAdded => ("tenant_added", ""),
            Self::TenantChanged => ("tenant_changed", ""),
            Self::Rewritten => ("rewritten", ""),
            Self::Split => ("split", ""),
            Self::SeriesRejected => ("series_rejected", ""),
            Self::NothingSent => ("nothing_sent", ""),
            Self::Refused(reason) => ("refused", reason),
        }
    }
}
