//! Labels that a write gets on its way: what is set, replaced, renamed and removed.
//!
//! The same edits serve every protocol. What a label is differs (a pair of texts, a pair of references, an
//! attribute with a typed value), so they work on any value that can be made from text.

use crate::sorted;
use crate::tenant::TenantId;

/// Changes to the labels of every series of a request, in this order: removed, renamed, replaced, set. What is set
/// always wins over what came, and renaming onto a name that is there replaces it. A value that is empty takes the
/// label off. No name stands in two places here, so that making the edits twice is making them once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelEdits {
    /// Labels that go.
    pub remove: Vec<Vec<u8>>,
    /// Labels that get another name: old, new.
    pub rename: Vec<(Vec<u8>, Vec<u8>)>,
    /// Labels that get this value where they are present.
    pub replace: Vec<(Vec<u8>, LabelValue)>,
    /// Labels that have this value afterwards, present or not.
    pub set: Vec<(Vec<u8>, LabelValue)>,
    /// Labels that go as well, and whose names may stand nowhere else in what has them.
    pub nowhere: &'static [&'static str],
}

/// Where the value of a label comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelValue {
    /// This text, from the configuration or from the caller.
    Text(Vec<u8>),
    /// The tenant that the series goes to.
    Tenant,
}

impl LabelValue {
    /// The value for a series of this tenant.
    pub fn text<'a>(&'a self, tenant: &'a TenantId) -> &'a [u8] {
        match self {
            Self::Text(text) => text,
            Self::Tenant => tenant.as_str().as_bytes(),
        }
    }
}

impl LabelEdits {
    /// Whether nothing changes, so that nobody has to look.
    pub fn is_empty(&self) -> bool {
        self.only_set() && self.set.is_empty()
    }

    /// Whether all they do is to set labels.
    pub fn only_set(&self) -> bool {
        self.remove.is_empty() && self.rename.is_empty() && self.replace.is_empty() && self.nowhere.is_empty()
    }

    /// Whether labels of this name go.
    pub fn removes(&self, name: &[u8]) -> bool {
        self.remove.iter().any(|gone| gone == name) || self.nowhere.iter().any(|gone| gone.as_bytes() == name)
    }

    /// Whether the edits change anything in these labels, which are asked for as often as needed. Where they do not,
    /// nothing has to be written anew.
    pub fn change<'a, L>(&self, labels: impl Fn() -> L, tenant: &TenantId) -> bool
    where
        L: Iterator<Item = (&'a [u8], &'a [u8])>,
    {
        let is_there = |name: &[u8]| labels().any(|(known, _)| known == name);
        // What a label must be afterwards: the value once, or nothing.
        let differs = |name: &[u8], value: &LabelValue| {
            let wanted = value.text(tenant);
            let mut values = labels().filter(|(known, _)| *known == name).map(|(_, value)| value);
            match values.next() {
                None => !wanted.is_empty(),
                Some(value) => wanted.is_empty() || value != wanted || values.next().is_some(),
            }
        };
        labels().any(|(name, _)| self.removes(name))
            || self.rename.iter().any(|(old, _)| is_there(old))
            || self.replace.iter().any(|(name, value)| is_there(name) && differs(name, value))
            || self.set.iter().any(|(name, value)| differs(name, value))
    }

    /// Whether a label of this name and value is gone afterwards, unless another takes its name.
    pub fn takes_off(&self, name: &[u8], value: &[u8]) -> bool {
        let is_nothing = |set: &LabelValue| matches!(set, LabelValue::Text(text) if text.is_empty());
        self.removes(name)
            || (value.is_empty() && self.looks_for(name))
            || self.replace.iter().chain(&self.set).any(|(known, set)| known == name && is_nothing(set))
    }

    /// Whether every series has a label afterwards.
    pub fn always_label(&self) -> bool {
        self.set.iter().any(|(_, set)| !matches!(set, LabelValue::Text(text) if text.is_empty()))
    }

    /// Whether a label of this name is renamed or replaced where it is present.
    fn looks_for(&self, name: &[u8]) -> bool {
        self.rename.iter().any(|(old, _)| old == name) || self.replace.iter().any(|(known, _)| known == name)
    }

    /// Makes the edits, which [`change`](Self::change) something. Afterwards the labels are sorted by name, bytewise, and
    /// every name that an edit gave stands at most once. `make` turns text into the protocol's value, and `is_empty` tells
    /// of one whether it is the empty text, which means that the label is absent: there is nothing to rename or to replace.
    pub fn apply<'a, V>(
        &'a self,
        labels: &mut Vec<(&'a [u8], V)>,
        tenant: &'a TenantId,
        make: impl Fn(&'a [u8]) -> V,
        is_empty: impl Fn(&V) -> bool,
    ) {
        let is_absent = |name: &[u8], value: &V| self.looks_for(name) && is_empty(value);
        labels.retain(|(name, value)| !self.removes(name) && !is_absent(name, value));
        for (old, new) in &self.rename {
            // Of several the last counts, as it does for the backends' decoders.
            if let Some(last) = labels.iter().rposition(|(name, _)| name == old) {
                let (_, value) = labels.remove(last);
                labels.retain(|(name, _)| name != old && name != new);
                labels.push((new, value));
            }
        }
        for (name, value) in &self.replace {
            if labels.iter().any(|(known, _)| known == name) {
                put(labels, name, value.text(tenant), &make);
            }
        }
        for (name, value) in &self.set {
            put(labels, name, value.text(tenant), &make);
        }
        sort(labels);
    }
}

/// Sorts labels by name, bytewise; those of one name keep their order.
fn sort<V>(labels: &mut Vec<(&[u8], V)>) {
    let names: Vec<&[u8]> = labels.iter().map(|(name, _)| *name).collect();
    if names.is_sorted() {
        return;
    }
    let mut ranked: Vec<_> = labels.drain(..).map(Some).collect();
    for from in sorted::order(names.len(), &|a, b| names.get(a).cmp(&names.get(b))) {
        labels.extend(ranked.get_mut(from).and_then(Option::take));
    }
}

/// Leaves the label `name` with this value, or takes it off where that is empty.
fn put<'a, V>(
    labels: &mut Vec<(&'a [u8], V)>,
    name: &'a [u8],
    value: &'a [u8],
    make: &impl Fn(&'a [u8]) -> V,
) {
    labels.retain(|(known, _)| *known != name);
    if !value.is_empty() {
        labels.push((name, make(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn labels_are_sorted(names in prop::collection::vec("[a-d]{0,3}", 0..150)) {
            let mut labels: Vec<(&[u8], usize)> = names.iter().enumerate().map(|(at, n)| (n.as_bytes(), at)).collect();
            let mut expected = labels.clone();
            expected.sort_by_key(|(name, _)| *name);
            sort(&mut labels);
            prop_assert_eq!(labels, expected);
        }
    }

    #[test]
    fn edits_come_in_their_order_and_ours_win() {
        let text = |text: &str| LabelValue::Text(text.as_bytes().to_vec());
        let name = |name: &str| name.as_bytes().to_vec();
        let edits = LabelEdits {
            nowhere: &[],
            remove: vec![name("tmp")],
            rename: vec![(name("ns"), name("namespace"))],
            replace: vec![(name("zone"), text("z")), (name("absent"), text("x"))],
            set: vec![
                (name("region"), text("eu")),
                (name("tenant"), LabelValue::Tenant),
                (name("gone"), text("")),
            ],
        };
        let tenant = TenantId::new("team-a").unwrap();
        let cases: &[(&[(&str, &str)], &[(&str, &str)])] = &[
            (&[], &[("region", "eu"), ("tenant", "team-a")]),
            (
                &[("zone", "1"), ("tmp", "2"), ("region", "us"), ("ns", "n"), ("namespace", "evil")],
                &[("namespace", "n"), ("region", "eu"), ("tenant", "team-a"), ("zone", "z")],
            ),
            (
                &[
                    ("tenant", "x"),
                    ("zone", "1"),
                    ("gone", "1"),
                    ("tenant", "team-a"),
                    ("zone", "2"),
                    ("ns", "1"),
                    ("ns", "2"),
                ],
                &[("namespace", "2"), ("region", "eu"), ("tenant", "team-a"), ("zone", "z")],
            ),
            (
                &[("zz", "1"), ("region", "eu"), ("tenant", "team-a"), ("a", "1"), ("a", "2")],
                &[("a", "1"), ("a", "2"), ("region", "eu"), ("tenant", "team-a"), ("zz", "1")],
            ),
        ];
        for (before, after) in cases {
            let mut labels: Vec<_> = before.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            let before = labels.clone();
            let changes = edits.change(|| before.iter().copied(), &tenant);
            edits.apply(&mut labels, &tenant, |text| text, |value| value.is_empty());
            let sorted = |mut labels: Vec<_>| {
                labels.sort_unstable();
                labels
            };
            assert_eq!(changes, sorted(before.clone()) != sorted(labels.clone()), "{before:?}");
            let after: Vec<_> = after.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            assert_eq!(labels, after);
            edits.apply(&mut labels, &tenant, |text| text, |value| value.is_empty());
            assert_eq!(labels, after, "twice is once");
            assert!(!edits.change(|| labels.iter().copied(), &tenant));
        }
    }
}
