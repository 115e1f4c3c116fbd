//! Prometheus remote write.
//!
//! Specifications: <https://prometheus.io/docs/specs/prw/remote_write_spec/> (1.0) and
//! <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>.

mod head;
#[cfg(test)]
pub(crate) mod testing;
mod v1;
mod v1_edit;

pub use head::{Version, check_head};
pub(crate) use v1::split;
