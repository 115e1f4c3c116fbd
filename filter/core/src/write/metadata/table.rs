//! What is known of who has which metrics, as bytes that all workers share.
//!
//! A table holds scopes; a scope holds names of series, the oldest first, each with the tenants that it was written to.
//! It is bounded in bytes. When it grows beyond them the oldest names of the largest scope go, so that a caller with
//! many metrics displaces its own.

use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};

use super::followers::Scope;
use crate::tenant::TenantId;

/// The tables' contents, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    scopes: Vec<(Scope, Entries)>,
}

/// The names of one scope.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entries {
    tenants: Vec<TenantId>,
    /// The oldest first.
    names: VecDeque<Name>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Name {
    hash: u64,
    /// Positions in `tenants`.
    tenants: Vec<u16>,
}

impl Entries {
    /// Each name with its tenants.
    pub(super) fn into_map(self) -> HashMap<u64, Vec<TenantId>> {
        let Self { tenants, names } = self;
        let of = |name: Name| {
            let tenants = name.tenants.iter().filter_map(|at| tenants.get(usize::from(*at)));
            (name.hash, tenants.cloned().collect())
        };
        names.into_iter().map(of).collect()
    }

    /// How many bytes it takes, give or take tenants that nobody needs any more.
    fn size(&self) -> usize {
        let tenants = self.tenants.iter().map(|tenant| tenant.as_str().len().saturating_add(1));
        let names = self.names.iter().map(|name| name.tenants.len().saturating_mul(2).saturating_add(10));
        tenants.chain(names).fold(24, usize::saturating_add)
    }

    /// Adds names with tenants; those that are named again become the youngest.
    fn add(&mut self, pairs: &[(u64, &TenantId)]) {
        let mut positions: HashMap<TenantId, u16> =
            (0..).zip(&self.tenants).map(|(at, tenant)| (tenant.clone(), at)).collect();
        let mut named: HashMap<u64, Vec<u16>> = HashMap::new();
        let mut order = Vec::new();
        for (hash, tenant) in pairs {
            let position = if let Some(position) = positions.get(*tenant) {
                *position
            } else {
                let Ok(position) = u16::try_from(self.tenants.len()) else { continue };
                self.tenants.push((*tenant).clone());
                positions.insert((*tenant).clone(), position);
                position
            };
            let tenants = named.entry(*hash).or_insert_with(|| {
                order.push(*hash);
                Vec::new()
            });
            tenants.push(position);
        }
        self.names.retain_mut(|name| match named.get_mut(&name.hash) {
            Some(tenants) => {
                tenants.append(&mut name.tenants);
                false
            }
            None => true,
        });
        for hash in order {
            let mut tenants = named.remove(&hash).unwrap_or_default();
            tenants.sort_unstable();
            tenants.dedup();
            self.names.push_back(Name { hash, tenants });
        }
    }

    /// Lets go of the oldest names, at least one, and of tenants that no other has.
    fn shrink(&mut self) {
        let oldest = (self.names.len() / 8).max(1).min(self.names.len());
        self.names.drain(..oldest);
        let used: HashSet<u16> = self.names.iter().flat_map(|name| name.tenants.iter().copied()).collect();
        let mut moved: HashMap<u16, u16> = HashMap::new();
        let (mut before, mut after) = (0_u16, 0_u16);
        self.tenants.retain(|_| {
            let stays = used.contains(&before);
            if stays {
                moved.insert(before, after);
                after = after.saturating_add(1);
            }
            before = before.saturating_add(1);
            stays
        });
        for name in &mut self.names {
            name.tenants = name.tenants.iter().filter_map(|at| moved.get(at).copied()).collect();
        }
    }
}

impl Table {
    /// Adds what a scope wrote, and keeps the whole within `limit` bytes.
    pub(super) fn add(&mut self, scope: Scope, pairs: &[(u64, &TenantId)], limit: usize) {
        let at = self.scopes.iter().position(|(known, _)| *known == scope);
        if let Some((_, entries)) = at.and_then(|at| self.scopes.get_mut(at)) {
            entries.add(pairs);
        } else {
            let mut entries = Entries::default();
            entries.add(pairs);
            self.scopes.push((scope, entries));
        }
        let mut sizes: Vec<usize> = self.scopes.iter().map(|(_, entries)| entries.size()).collect();
        while sizes.iter().fold(0, |sum: usize, size| sum.saturating_add(*size)) > limit {
            let largest = (0..).zip(&sizes).max_by_key(|(_, size)| **size).map_or(0_usize, |(at, _)| at);
            let Some((_, entries)) = self.scopes.get_mut(largest) else { return };
            entries.shrink();
            let size = entries.size();
            if entries.names.is_empty() {
                self.scopes.swap_remove(largest);
                sizes.swap_remove(largest);
            } else if let Some(old) = sizes.get_mut(largest) {
                *old = size;
            }
        }
    }

    /// The table as bytes: for each scope its key, the number of tenants and each with its length, the number of names
    /// and each with its hash, the number of its tenants and their positions. Numbers are little endian.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let short = |len: usize| u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes();
        for (scope, entries) in &self.scopes {
            out.extend_from_slice(&scope.0);
            out.extend_from_slice(&short(entries.tenants.len()));
            for tenant in &entries.tenants {
                // A tenant ID has at most 150 bytes.
                out.push(u8::try_from(tenant.as_str().len()).unwrap_or(u8::MAX));
                out.extend_from_slice(tenant.as_str().as_bytes());
            }
            out.extend_from_slice(&u32::try_from(entries.names.len()).unwrap_or(u32::MAX).to_le_bytes());
            for name in &entries.names {
                out.extend_from_slice(&name.hash.to_le_bytes());
                out.extend_from_slice(&short(name.tenants.len()));
                for position in &name.tenants {
                    out.extend_from_slice(&position.to_le_bytes());
                }
            }
        }
        out
    }

    /// Reads a table. What cannot be read, such as one of another release, is empty.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let mut table = Self::default();
        while !rest.is_empty() {
            match scope(&mut rest) {
                Some(scope) => table.scopes.push(scope),
                None => return Self::default(),
            }
        }
        table
    }

    /// What is known of one scope.
    pub(super) fn take(self, wanted: Scope) -> Entries {
        let found = self.scopes.into_iter().find(|(scope, _)| *scope == wanted);
        found.map(|(_, entries)| entries).unwrap_or_default()
    }
}

fn scope(rest: &mut &[u8]) -> Option<(Scope, Entries)> {
    let key = Scope(array(rest)?);
    let mut entries = Entries::default();
    for _ in 0..u16::from_le_bytes(array(rest)?) {
        let [len] = array(rest)?;
        let (tenant, after) = rest.split_at_checked(usize::from(len))?;
        *rest = after;
        entries.tenants.push(TenantId::from_bytes(tenant).ok()?);
    }
    for _ in 0..u32::from_le_bytes(array(rest)?) {
        let hash = u64::from_le_bytes(array(rest)?);
        let mut tenants = Vec::new();
        for _ in 0..u16::from_le_bytes(array(rest)?) {
            tenants.push(u16::from_le_bytes(array(rest)?));
        }
        entries.names.push_back(Name { hash, tenants });
    }
    Some((key, entries))
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*array)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tenant(n: u8) -> TenantId {
        TenantId::new(&format!("tenant-{n}")).unwrap()
    }

    fn known(table: &Table, scope: u8) -> HashMap<u64, Vec<TenantId>> {
        Table::decode(&table.encode()).take(Scope([scope; 16])).into_map()
    }

    #[test]
    fn the_oldest_of_the_largest_scope_go() {
        let mut table = Table::default();
        table.add(Scope([1; 16]), &[(1, &tenant(1)), (1, &tenant(2)), (2, &tenant(1))], 4096);
        for hash in 0..1000 {
            table.add(Scope([2; 16]), &[(hash, &tenant(3)), (7, &tenant(4))], 4096);
            assert!(table.encode().len() <= 4096);
        }
        // The small scope has lost nothing.
        assert_eq!(known(&table, 1), [(1, vec![tenant(1), tenant(2)]), (2, vec![tenant(1)])].into());
        let large = known(&table, 2);
        // What was named again and again is still there, and so are the youngest.
        assert_eq!(large[&7], [tenant(3), tenant(4)]);
        assert!(large.contains_key(&999) && large.contains_key(&900) && !large.contains_key(&100));
        assert_eq!(known(&table, 3), HashMap::new());
    }

    #[test]
    fn tenants_go_with_their_last_name() {
        let mut table = Table::default();
        for n in 0..200 {
            table.add(Scope([1; 16]), &[(u64::from(n), &tenant(n))], 600);
        }
        assert!(table.encode().len() <= 600);
        let known = known(&table, 1);
        assert_eq!(known[&199], [tenant(199)]);
        assert!(known.iter().all(|(hash, tenants)| *tenants == [tenant(u8::try_from(*hash).unwrap())]));
    }

    proptest! {
        #[test]
        fn there_and_back(adds in prop::collection::vec((0..3_u8, 0..20_u64, 0..6_u8), 0..60)) {
            let mut table = Table::default();
            for (scope, hash, n) in &adds {
                table.add(Scope([*scope; 16]), &[(*hash, &tenant(*n))], usize::MAX);
            }
            prop_assert_eq!(&Table::decode(&table.encode()), &table);
            for (scope, hash, n) in &adds {
                prop_assert!(known(&table, *scope)[hash].contains(&tenant(*n)));
            }
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes: Vec<u8>) {
            let _ = Table::decode(&bytes);
        }
    }
}
