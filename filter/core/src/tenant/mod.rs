//! Tenants: their IDs, sets of them, and lists of which are allowed.

mod allow;
mod id;
mod set;

pub use allow::AllowList;
pub use id::{InvalidTenant, MAX_LEN, TenantId};
pub use set::TenantSet;
