//! A set of tenants, in the order federation wants them.

use super::id::TenantId;
use crate::sorted;

/// Tenants sorted bytewise, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantSet(Vec<TenantId>);

impl TenantSet {
    /// Whether `tenant` is among them.
    pub fn contains(&self, tenant: &TenantId) -> bool {
        self.0.binary_search(tenant).is_ok()
    }

    /// The tenant, where there is exactly one.
    pub fn single(&self) -> Option<&TenantId> {
        match self.0.as_slice() {
            [tenant] => Some(tenant),
            _ => None,
        }
    }

    /// All of them, sorted.
    pub fn as_slice(&self) -> &[TenantId] {
        &self.0
    }

    /// The first of this set that `other` lacks.
    pub fn first_outside<'a>(&'a self, other: &TenantSet) -> Option<&'a TenantId> {
        self.0.iter().find(|tenant| !other.contains(tenant))
    }

    /// The value of `X-Scope-OrgID` that names them all: `a|b|c`.
    pub fn header(&self) -> String {
        let mut header = String::new();
        for (position, tenant) in self.0.iter().enumerate() {
            if position > 0 {
                header.push('|');
            }
            header.push_str(tenant.as_str());
        }
        header
    }
}

impl FromIterator<TenantId> for TenantSet {
    fn from_iter<I: IntoIterator<Item = TenantId>>(tenants: I) -> Self {
        Self(sorted::set(tenants.into_iter().collect()))
    }
}

impl From<TenantId> for TenantSet {
    fn from(tenant: TenantId) -> Self {
        Self(vec![tenant])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_and_deduplicates() {
        let id = |text| TenantId::new(text).unwrap();
        let set: TenantSet = ["b", "a", "b", "B"].into_iter().map(id).collect();
        assert_eq!(set.header(), "B|a|b");
        assert!(set.contains(&id("a")) && !set.contains(&id("c")));
        assert_eq!(set.single(), None);
        assert_eq!(TenantSet::from(id("x")).single(), Some(&id("x")));
        let other: TenantSet = ["a", "b"].into_iter().map(id).collect();
        assert_eq!(set.first_outside(&other), Some(&id("B")));
    }
}
