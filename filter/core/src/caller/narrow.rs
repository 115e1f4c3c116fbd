//! A header that narrows a caller's tenants to one of them, such as Grafana's `X-Grafana-Org-Id`.
//!
//! Anybody can set it, so it is only ever a choice among what the caller has by other proof: it takes away, and adds nothing.

use std::rc::Rc;

use super::Identity;
use crate::config::{ConfigError, NarrowConfig};
use crate::http::Headers;
use crate::report::Refusal;
use crate::table::{Lookup, TableRules};
use crate::tenant::{AllowList, TenantSet};

/// See [`NarrowConfig`].
#[derive(Debug)]
pub(super) struct Narrow {
    /// In lower case.
    pub(super) header: String,
    table: usize,
    required: bool,
}

/// Headers with a meaning of their own here.
const TAKEN: &[&str] = &["authorization", "x-scope-orgid"];

impl Narrow {
    pub(super) fn compile(
        config: &NarrowConfig,
        path: &str,
        tables: &[TableRules],
    ) -> Result<Self, ConfigError> {
        let header = config.header.to_ascii_lowercase();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if header.is_empty() || !header.chars().all(plain) || TAKEN.contains(&header.as_str()) {
            return Err(ConfigError::new(
                format!("{path}.header"),
                "name a header that has no other meaning here, such as X-Grafana-Org-Id",
            ));
        }
        let table = TableRules::position(tables, &config.table, &format!("{path}.table"))?;
        Ok(Self { header, table, required: config.required })
    }

    /// The caller as the header leaves it. What leads to none of its tenants is refused in the same words whether it is
    /// known or not, so that nobody learns from them what there is.
    pub(super) fn apply(
        &self,
        mut identity: Identity,
        headers: &Headers<'_>,
        lookup: &mut Lookup<'_>,
    ) -> Result<Identity, Refusal> {
        let refused = |problem| Refusal::Narrow { header: self.header.clone(), problem };
        let key = match headers.only(&self.header) {
            Err(_) => return Err(refused("stands more than once")),
            Ok(None) if self.required => {
                return Err(refused("must say which of its tenants this caller means"));
            }
            Ok(None) => return Ok(identity),
            Ok(Some(key)) => key,
        };
        let table = lookup.table(self.table)?;
        let tenant = table.get(key).filter(|tenant| identity.may_name(tenant));
        let tenant = tenant.ok_or_else(|| refused("leads to none of this caller's tenants"))?.clone();
        let all = core::mem::replace(&mut identity.tenants, TenantSet::from_iter([tenant]));
        identity.narrowed_from = Some(all);
        // Nothing leads beyond that one: neither names, nor labels, nor a read of everything.
        identity.wildcard = AllowList::default();
        let rights = Rc::make_mut(&mut identity.rights);
        rights.unfiltered = false;
        rights.on_behalf_of = AllowList::default();
        rights.impersonate = None;
        Ok(identity)
    }
}
