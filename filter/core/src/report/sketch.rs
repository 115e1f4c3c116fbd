//! The most frequent of many, in bounded memory.
//!
//! Space-Saving (Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k Elements in Data Streams,
//! 2005): who comes when there is no room takes the place of the least frequent, and its count as a possible error.

use core::borrow::Borrow;
use core::hash::Hash;
use std::collections::BTreeSet;

use hashbrown::HashMap;

/// Counts of at most `capacity` keys. A key that makes up more than one of `capacity` of all that was counted is always
/// among them.
#[derive(Clone, Debug)]
pub(crate) struct Sketch<K> {
    capacity: usize,
    counts: HashMap<K, Counted>,
    /// The same keys by their counts.
    order: BTreeSet<(u64, K)>,
}

/// What is known of a key: it was counted at least `count - error` and at most `count` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) count: u64,
    pub(crate) error: u64,
    /// When it was last counted.
    pub(crate) last: u64,
}

impl Counted {
    /// How often it was counted at least.
    pub(crate) fn at_least(self) -> u64 {
        self.count.saturating_sub(self.error)
    }
}

impl<K: Clone + Eq + Hash + Ord> Sketch<K> {
    /// Nothing yet, with room for this many keys.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, counts: HashMap::new(), order: BTreeSet::new() }
    }

    /// Counts `key` `by` times more; `own` makes it a key of its own where it is new.
    pub(crate) fn add<Q>(&mut self, key: &Q, own: impl FnOnce(&Q) -> K, by: u64, now: u64)
    where
        K: Borrow<Q>,
        Q: ?Sized + Eq + Hash,
    {
        let key = match self.counts.get_key_value(key) {
            Some((known, _)) => known.clone(),
            None => own(key),
        };
        self.put(key, Counted { count: by, error: 0, last: now });
    }

    /// Adds what another sketch knows of a key.
    pub(crate) fn put(&mut self, key: K, more: Counted) {
        if more.count == 0 || self.capacity == 0 {
            return;
        }
        if let Some(counted) = self.counts.get_mut(&key) {
            self.order.remove(&(counted.count, key.clone()));
            counted.count = counted.count.saturating_add(more.count);
            counted.error = counted.error.saturating_add(more.error);
            counted.last = counted.last.max(more.last);
            self.order.insert((counted.count, key));
            return;
        }
        let mut counted = more;
        if self.counts.len() >= self.capacity
            && let Some((least, out)) = self.order.pop_first()
        {
            self.counts.remove(&out);
            counted.count = counted.count.saturating_add(least);
            counted.error = counted.error.saturating_add(least);
        }
        self.order.insert((counted.count, key.clone()));
        self.counts.insert(key, counted);
    }

    /// The keys, the most frequent first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, Counted)> {
        self.order.iter().rev().filter_map(|(_, key)| Some((key, *self.counts.get(key)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn sketch(capacity: usize, keys: &[u16]) -> Sketch<u16> {
        let mut sketch = Sketch::new(capacity);
        for (now, key) in keys.iter().enumerate() {
            sketch.add(key, |key| *key, 1, now as u64);
        }
        sketch
    }

    #[test]
    fn who_comes_when_there_is_no_room_takes_the_place_of_the_least() {
        let sketch = sketch(2, &[1, 1, 1, 2, 3]);
        let known: Vec<_> = sketch.iter().map(|(key, counted)| (*key, counted.count, counted.error)).collect();
        assert_eq!(known, [(1, 3, 0), (3, 2, 1)]);
        assert_eq!(sketch.counts[&1].last, 2);
        assert!(!sketch.counts.contains_key(&2));
    }

    proptest! {
        #[test]
        fn bounds_hold(capacity in 0_usize..20, keys in proptest::collection::vec(0_u16..60, 0..400)) {
            let sketch = sketch(capacity, &keys);
            let mut exact: BTreeMap<u16, u64> = BTreeMap::new();
            for key in &keys {
                *exact.entry(*key).or_default() += 1;
            }
            prop_assert!(sketch.iter().count() <= capacity);
            prop_assert_eq!(sketch.iter().count(), sketch.order.len());
            for (key, counted) in sketch.iter() {
                let exact = exact[key];
                prop_assert!(counted.at_least() <= exact && exact <= counted.count);
                prop_assert_eq!(sketch.counts.get(key), Some(&counted));
            }
            for (key, exact) in exact {
                let frequent = exact * capacity as u64 > keys.len() as u64;
                prop_assert!(!frequent || sketch.counts.contains_key(&key), "{} is frequent", key);
            }
        }

        /// What several workers counted is put together.
        #[test]
        fn lower_bounds_survive_merging(
            capacity in 1_usize..20,
            lists in proptest::collection::vec(proptest::collection::vec(0_u16..60, 0..100), 1..5),
        ) {
            let mut all = Sketch::new(capacity);
            for keys in &lists {
                for (key, counted) in sketch(capacity, keys).iter() {
                    all.put(*key, counted);
                }
            }
            prop_assert!(all.iter().count() <= capacity);
            for (key, counted) in all.iter() {
                let exact = lists.iter().flatten().filter(|known| *known == key).count() as u64;
                prop_assert!(counted.at_least() <= exact);
            }
        }
    }
}
