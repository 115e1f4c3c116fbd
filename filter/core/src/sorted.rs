//! Sorting. The standard library's sort costs the module 5 to 9 KB for each type that is sorted, so all that is sorted
//! goes through the one here.

use core::cmp::Ordering;

/// The positions of `count` things in their order. Equal ones stay as they stand.
pub(crate) fn order(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| compare(*a, *b));
    order
}

/// The items in their order. Equal ones stay as they stand.
pub(crate) fn by<T>(items: Vec<T>, compare: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    let order = order(items.len(), &|a, b| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    });
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| items.get_mut(at)?.take()).collect()
}

/// The items in their order, each once.
pub(crate) fn set<T: Ord>(items: Vec<T>) -> Vec<T> {
    let mut items = if items.is_sorted() { items } else { by(items, T::cmp) };
    items.dedup();
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_the_standard_library_sorts(items: Vec<(u8, u16)>) {
            let mut expected = items.clone();
            expected.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(by(items.clone(), |(a, _), (b, _)| a.cmp(b)), expected);
            let mut expected = items.clone();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(set(items), expected);
        }
    }
}
