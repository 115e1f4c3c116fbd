//! What a table holds, how it is gathered, and the form in which workers hand it to each other.

use core::fmt;

use hashbrown::HashMap;
use serde_json::Value;

use super::failure::Failure;
use crate::sorted;
use crate::tenant::TenantId;

/// What the keys of a table lead to.
pub trait Entry: Clone + PartialEq + fmt::Debug {
    /// Goes into the name of the table's slots, so that no kind is ever read as another.
    const KIND: &'static str;
    /// Reads what a source gives as JSON; `None` where it is no such thing.
    fn from_json(value: &Value) -> Option<Self>;
    /// Writes it for the other workers.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads what another worker wrote.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

impl Entry for TenantId {
    const KIND: &'static str = "tenant";

    fn from_json(value: &Value) -> Option<Self> {
        Self::new(value.as_str()?).ok()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::from_bytes(bytes).ok()
    }
}

/// A table. It never changes; a newer one takes its place as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<E = TenantId>(HashMap<Box<[u8]>, E>);

impl<E> Default for Table<E> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<E> Eq for Table<E> where E: Eq {}

impl<E> Table<E> {
    /// What `key` leads to.
    pub fn get(&self, key: &[u8]) -> Option<&E> {
        self.0.get(key)
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<E> FromIterator<(String, E)> for Table<E> {
    fn from_iter<I: IntoIterator<Item = (String, E)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(key, entry)| (key.into_bytes().into(), entry)).collect())
    }
}

impl<E: Entry> Table<E> {
    /// Reads what [`Gathered::encode`] wrote; `None` if anything of it is not as it should be.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut entries = HashMap::new();
        while !bytes.is_empty() {
            let key = take(&mut bytes)?;
            let entry = E::decode(take(&mut bytes)?)?;
            entries.insert(key.into(), entry);
        }
        Some(Self(entries))
    }
}

/// The longest key, in bytes; nothing that is looked up is longer.
pub(crate) const MAX_KEY: usize = 1024;

/// Bounds on one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) entries: u32,
    pub(super) bytes: u32,
}

/// The entries of a table while its answers come in.
#[derive(Debug)]
pub(super) struct Gathered<E> {
    entries: Vec<(Box<str>, E)>,
    bounds: Bounds,
    bytes: usize,
    /// Entries that are left out, since they lead to nothing that could be used.
    pub(super) invalid: u32,
}

impl<E: Entry> Gathered<E> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { entries: Vec::new(), bounds, bytes: 0, invalid: 0 }
    }

    /// Adds what a source gave for `key`.
    pub(super) fn add(&mut self, key: &str, value: &Value) -> Result<(), Failure> {
        let Some(entry) = E::from_json(value).filter(|_| !key.is_empty() && key.len() <= MAX_KEY) else {
            self.invalid = self.invalid.saturating_add(1);
            return Ok(());
        };
        if self.entries.len() >= self.bounds.entries as usize {
            return Err(Failure::TooMany);
        }
        // What it takes in the slots; a value is not measured before it is written, but its source was.
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(8);
        if self.bytes > self.bounds.bytes as usize {
            return Err(Failure::TooLarge);
        }
        self.entries.push((key.into(), entry));
        Ok(())
    }

    /// The whole table, in the form in which workers hand it to each other: for each entry the lengths and bytes of
    /// key and value, sorted by key. A key that leads to two different things leads to neither.
    pub(super) fn encode(mut self) -> Result<Encoded, Failure> {
        self.entries = sorted::by(self.entries, |(a, _), (b, _)| a.cmp(b));
        let mut encoded = Encoded { bytes: Vec::new(), entries: 0, invalid: self.invalid };
        let mut scratch = Vec::new();
        for same in self.entries.chunk_by(|(a, _), (b, _)| a == b) {
            let [(key, entry), others @ ..] = same else { continue };
            if others.iter().any(|(_, other)| other != entry) {
                encoded.invalid = encoded.invalid.saturating_add(1);
                continue;
            }
            scratch.clear();
            entry.encode(&mut scratch);
            put(&mut encoded.bytes, key.as_bytes())?;
            put(&mut encoded.bytes, &scratch)?;
            encoded.entries = encoded.entries.saturating_add(1);
            if encoded.bytes.len() > self.bounds.bytes as usize {
                return Err(Failure::TooLarge);
            }
        }
        if encoded.entries == 0 { Err(Failure::Empty) } else { Ok(encoded) }
    }
}

/// A table in the form in which workers hand it to each other.
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    pub(super) entries: u32,
    pub(super) invalid: u32,
}

impl fmt::Debug for Encoded {
    /// Its bytes may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, invalid) = (&self.entries, &self.invalid);
        f.debug_struct("Encoded").field("entries", entries).field("invalid", invalid).finish_non_exhaustive()
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Failure> {
    let len = u32::try_from(bytes.len()).map_err(|_| Failure::TooLarge)?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (taken, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const BOUNDS: Bounds = Bounds { entries: 100, bytes: 4096 };

    fn gathered(entries: &[(&str, Value)]) -> Result<Encoded, Failure> {
        let mut gathered = Gathered::<TenantId>::new(BOUNDS);
        for (key, value) in entries {
            gathered.add(key, value)?;
        }
        gathered.encode()
    }

    #[test]
    fn what_leads_nowhere_is_left_out() {
        let long = "k".repeat(MAX_KEY + 1);
        let entries = [
            ("b", json!("org-b")),
            ("a", json!("org-a")),
            ("a", json!("org-a")),
            ("twice", json!("org-a")),
            ("twice", json!("org-b")),
            ("bad", json!("org/b")),
            ("empty", json!("")),
            ("number", json!(7)),
            ("null", json!(null)),
            ("", json!("org-a")),
            (long.as_str(), json!("org-a")),
        ];
        let encoded = gathered(&entries).unwrap();
        assert_eq!((encoded.entries, encoded.invalid), (2, 7));
        let table = Table::<TenantId>::decode(&encoded.bytes).unwrap();
        assert_eq!(table.len(), 2);
        assert_eq!(table.get(b"a").map(TenantId::as_str), Some("org-a"));
        assert_eq!(table.get(b"b").map(TenantId::as_str), Some("org-b"));
        assert_eq!(table.get(b"twice"), None);
    }

    #[test]
    fn bounds_hold() {
        assert_eq!(gathered(&[]).unwrap_err(), Failure::Empty);
        assert_eq!(gathered(&[("a", json!("a/b"))]).unwrap_err(), Failure::Empty);
        let many: Vec<_> = (0..101).map(|n| (format!("k{n}"), json!("org"))).collect();
        let many: Vec<_> = many.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        assert_eq!(gathered(&many).unwrap_err(), Failure::TooMany);
        let long: Vec<_> = (0..9).map(|n| format!("{n}{}", "k".repeat(500))).collect();
        let long: Vec<_> = long.iter().map(|key| (key.as_str(), json!("org"))).collect();
        assert_eq!(gathered(&long).unwrap_err(), Failure::TooLarge);
        let tenant = "t".repeat(150);
        let values: Vec<_> = (0..30).map(|n| format!("k{n}")).collect();
        let values: Vec<_> = values.iter().map(|key| (key.as_str(), json!(tenant))).collect();
        assert_eq!(gathered(&values).unwrap_err(), Failure::TooLarge);
    }

    proptest! {
        /// Whatever stands in a slot: it is a table or it is not.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Table::<TenantId>::decode(&bytes);
        }

        #[test]
        fn every_entry_arrives(entries in prop::collection::btree_map("[a-z/é]{1,8}", "[a-z0-9-]{1,8}", 1..40)) {
            let list: Vec<_> = entries.iter().map(|(key, value)| (key.as_str(), json!(value))).collect();
            let encoded = gathered(&list).unwrap();
            let table = Table::<TenantId>::decode(&encoded.bytes).unwrap();
            prop_assert_eq!(table.len(), entries.len());
            for (key, value) in &entries {
                prop_assert_eq!(table.get(key.as_bytes()).unwrap().as_str(), value);
            }
            // A table cut short is no table, unless the cut is between two entries.
            for cut in 1..encoded.bytes.len() {
                if let Some(part) = Table::<TenantId>::decode(&encoded.bytes[..cut]) {
                    prop_assert!(part.len() < entries.len());
                }
            }
        }
    }
}
