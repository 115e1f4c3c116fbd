//! The most frequent of many, in bounded memory.
//!
//! Space-Saving (Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k Elements in Data Streams,
//! 2005): who comes when there is no room takes the place of the least frequent, and its count as a possible error.

use std::rc::Rc;

use crate::sorted;
use hashbrown::HashMap;

/// Counts of at most `capacity` keys. A key that makes up more than one of `capacity` of all that was counted is always
/// among them. To find the least of them all are looked at, which for a few thousand is a matter of microseconds, and
/// happens only when there is no room.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    capacity: usize,
    entries: Vec<(Rc<str>, Counted)>,
    positions: HashMap<Rc<str>, usize>,
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
    /// Counted so often, without an error.
    pub(crate) fn exactly(count: u64, last: u64) -> Self {
        Self { count, error: 0, last }
    }

    /// How often it was counted at least.
    pub(crate) fn at_least(self) -> u64 {
        self.count.saturating_sub(self.error)
    }
}

impl Sketch {
    /// Nothing yet, with room for this many keys.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, entries: Vec::new(), positions: HashMap::new() }
    }

    /// Whether nothing was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Counts a key more often, by what is known from here or from another sketch.
    pub(crate) fn add(&mut self, key: &str, more: Counted) {
        if more.count == 0 || self.capacity == 0 {
            return;
        }
        if let Some((_, known)) = self.positions.get(key).and_then(|at| self.entries.get_mut(*at)) {
            known.count = known.count.saturating_add(more.count);
            known.error = known.error.saturating_add(more.error);
            known.last = known.last.max(more.last);
            return;
        }
        let key: Rc<str> = Rc::from(key);
        if self.entries.len() < self.capacity {
            self.positions.insert(Rc::clone(&key), self.entries.len());
            self.entries.push((key, more));
            return;
        }
        let least = self.entries.iter_mut().enumerate().min_by_key(|(_, (_, counted))| counted.count);
        if let Some((at, (out, counted))) = least {
            self.positions.remove(out);
            self.positions.insert(Rc::clone(&key), at);
            *out = key;
            counted.error = counted.count.saturating_add(more.error);
            counted.count = counted.count.saturating_add(more.count);
            counted.last = more.last;
        }
    }

    /// The keys, the most frequent first.
    pub(crate) fn sorted(&self) -> Vec<(&str, Counted)> {
        let order = largest_first(self.entries.iter().map(|(_, counted)| counted.count));
        let entry = |at: usize| self.entries.get(at).map(|(key, counted)| (&**key, *counted));
        order.into_iter().filter_map(entry).collect()
    }
}

/// The positions of numbers, the largest number first.
pub(super) fn largest_first(numbers: impl Iterator<Item = u64>) -> Vec<usize> {
    let numbers: Vec<u64> = numbers.collect();
    sorted::order(numbers.len(), &|a, b| numbers.get(b).cmp(&numbers.get(a)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn sketch(capacity: usize, keys: &[u16]) -> Sketch {
        let mut sketch = Sketch::new(capacity);
        for (now, key) in keys.iter().enumerate() {
            sketch.add(&key.to_string(), Counted::exactly(1, now as u64));
        }
        sketch
    }

    #[test]
    fn who_comes_when_there_is_no_room_takes_the_place_of_the_least() {
        let sketch = sketch(2, &[1, 1, 1, 2, 3]);
        let known: Vec<_> =
            sketch.sorted().into_iter().map(|(key, c)| (key.to_owned(), c.count, c.error, c.last)).collect();
        assert_eq!(known, [("1".to_owned(), 3, 0, 2), ("3".to_owned(), 2, 1, 4)]);
    }

    proptest! {
        #[test]
        fn bounds_hold(capacity in 0_usize..20, keys in proptest::collection::vec(0_u16..60, 0..400)) {
            let sketch = sketch(capacity, &keys);
            let mut exact: BTreeMap<String, u64> = BTreeMap::new();
            for key in &keys {
                *exact.entry(key.to_string()).or_default() += 1;
            }
            let known = sketch.sorted();
            prop_assert!(known.len() <= capacity);
            prop_assert_eq!(known.len(), sketch.positions.len());
            prop_assert!(known.is_sorted_by_key(|(_, counted)| core::cmp::Reverse(counted.count)));
            for (key, counted) in &known {
                let exact = exact[*key];
                prop_assert!(counted.at_least() <= exact && exact <= counted.count);
            }
            for (key, exact) in exact {
                let frequent = exact * capacity as u64 > keys.len() as u64;
                prop_assert!(!frequent || known.iter().any(|(known, _)| **known == *key), "{} is frequent", key);
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
                for (key, counted) in sketch(capacity, keys).sorted() {
                    all.add(key, counted);
                }
            }
            let known = all.sorted();
            prop_assert!(known.len() <= capacity);
            for (key, counted) in known {
                let exact = lists.iter().flatten().filter(|known| known.to_string() == key).count() as u64;
                prop_assert!(counted.at_least() <= exact);
            }
        }
    }
}
