//! Labels that a write gets on its way: what is set, replaced, renamed and removed.
//!
//! The same edits serve every protocol. What a label is differs (a pair of texts, a pair of references, an
//! attribute with a typed value), so they work on any value that can be made from text.

use crate::tenant::TenantId;

/// Changes to the labels of every series of a request, in this order: removed, renamed, replaced, set. What is set
/// always wins over what came, and renaming onto a name that is there replaces it.
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
        self.remove.is_empty() && self.rename.is_empty() && self.replace.is_empty() && self.set.is_empty()
    }

    /// Makes the edits. Afterwards the labels are sorted by name, bytewise, and every name that an edit gave
    /// stands once; `make` turns text into the protocol's value.
    pub fn apply<'a, V>(
        &'a self,
        labels: &mut Vec<(&'a [u8], V)>,
        tenant: &'a TenantId,
        make: impl Fn(&'a [u8]) -> V,
    ) {
        if self.is_empty() {
            return;
        }
        labels.retain(|(name, _)| self.remove.iter().all(|gone| gone != name));
        for (old, new) in &self.rename {
            if labels.iter().any(|(name, _)| name == old) {
                labels.retain(|(name, _)| name != new);
                for (name, _) in labels.iter_mut().filter(|(name, _)| name == old) {
                    *name = new;
                }
            }
        }
        for (name, value) in &self.replace {
            for (_, old) in labels.iter_mut().filter(|(known, _)| known == name) {
                *old = make(value.text(tenant));
            }
        }
        for (name, value) in &self.set {
            labels.retain(|(known, _)| known != name);
            labels.push((name, make(value.text(tenant))));
        }
        sort(labels);
    }
}

/// Sorts labels by name; those of one name keep their order.
fn sort<V>(labels: &mut Vec<(&[u8], V)>) {
    let names: Vec<&[u8]> = labels.iter().map(|(name, _)| *name).collect();
    let mut ranked: Vec<_> = labels.drain(..).map(Some).collect();
    for from in order(&names) {
        labels.extend(ranked.get_mut(from).and_then(Option::take));
    }
}

/// The positions of names in their order. Sorting costs much code, and so is here once for all kinds of values.
fn order(names: &[&[u8]]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|position| names.get(*position));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_come_in_their_order_and_ours_win() {
        let text = |text: &str| LabelValue::Text(text.as_bytes().to_vec());
        let name = |name: &str| name.as_bytes().to_vec();
        let edits = LabelEdits {
            remove: vec![name("tmp")],
            rename: vec![(name("ns"), name("namespace"))],
            replace: vec![(name("zone"), text("z")), (name("absent"), text("x"))],
            set: vec![(name("region"), text("eu")), (name("tenant"), LabelValue::Tenant)],
        };
        let tenant = TenantId::new("team-a").unwrap();
        let cases: &[(&[(&str, &str)], &[(&str, &str)])] = &[
            (&[], &[("region", "eu"), ("tenant", "team-a")]),
            (
                &[("zone", "1"), ("tmp", "2"), ("region", "us"), ("ns", "n"), ("namespace", "evil")],
                &[("namespace", "n"), ("region", "eu"), ("tenant", "team-a"), ("zone", "z")],
            ),
        ];
        for (before, after) in cases {
            let mut labels: Vec<_> = before.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            edits.apply(&mut labels, &tenant, |text| text);
            let after: Vec<_> = after.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            assert_eq!(labels, after);
            edits.apply(&mut labels, &tenant, |text| text);
            assert_eq!(labels, after, "twice is once");
        }
    }
}
