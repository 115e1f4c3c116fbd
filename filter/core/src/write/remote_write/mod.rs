//! Prometheus remote write.
//!
//! Specifications: <https://prometheus.io/docs/specs/prw/remote_write_spec/> (1.0) and
//! <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>.

mod accepted;
mod describe;
mod head;
#[cfg(test)]
pub(crate) mod testing;
mod v1;
mod v1_edit;
mod v1_label;
pub(crate) mod v2;

pub use accepted::Accepted;
pub use head::{Version, check_head};

use super::parts::Split;
use super::plan::SplitPlan;
use crate::caller::Rights;
use crate::config::Limits;
use crate::report::Refusal;

/// Takes apart one request body of this version.
pub(crate) fn split(
    version: Version,
    body: &[u8],
    plan: &SplitPlan,
    rights: &Rights,
    limits: &Limits,
) -> Result<Split, Refusal> {
    match version {
        Version::V1 => v1::split(body, plan, rights, limits),
        Version::V2 => v2::split(body, plan, rights, limits),
    }
}
