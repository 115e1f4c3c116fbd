//! Tenants: their IDs, sets of them, and lists of which are allowed.

mod allow;
mod id;
mod set;

pub use allow::{AllowList, FAKE};
pub(crate) use id::is_tenant_character;
pub use id::{InvalidTenant, MAX_LEN, TenantId};
pub use set::TenantSet;
