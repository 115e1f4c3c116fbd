//! What is found of the names that decide, in one stream or resource at a time.

use std::borrow::Cow;

use super::plan::{Place, SplitPlan};
use super::route::{Destination, Reason, Router};
use crate::report::Refusal;

/// The names of a plan, and what was found of each.
#[derive(Debug)]
pub(super) struct Names<'a, 'p> {
    plan: &'p SplitPlan,
    found: Vec<Found<'a>>,
    forbidden: bool,
}

/// One name that decides, in the series at hand.
#[derive(Clone, Debug, Default)]
struct Found<'a> {
    value: Cow<'a, [u8]>,
    times: u32,
    is_text: bool,
}

impl<'a, 'p> Names<'a, 'p> {
    pub(super) fn new(plan: &'p SplitPlan) -> Self {
        Self { plan, found: vec![Found::default(); plan.labels.len()], forbidden: false }
    }

    /// Whether names of this place may decide at all.
    pub(super) fn look_at(&self, place: Place) -> bool {
        self.plan.labels.iter().any(|source| source.place == place)
    }

    /// Whether a name of this place is taken off what goes on.
    pub(super) fn is_removed(&self, place: Place, name: &[u8]) -> bool {
        self.plan.labels.iter().any(|source| source.remove && source.place == place && source.name == name)
    }

    /// A new series: nothing is found yet.
    pub(super) fn clear(&mut self) {
        self.found.fill(Found::default());
        self.forbidden = false;
    }

    /// A new entry of the same series: what was found in this place is forgotten.
    pub(super) fn clear_place(&mut self, place: Place) {
        for (found, source) in self.found.iter_mut().zip(&self.plan.labels) {
            if source.place == place {
                *found = Found::default();
            }
        }
    }

    /// Notes a name that may be one of the plan. `None` is a value that is no text.
    pub(super) fn note(&mut self, place: Place, name: &[u8], value: Option<&Cow<'a, [u8]>>) {
        for (found, source) in self.found.iter_mut().zip(&self.plan.labels) {
            if source.place == place && source.name == name {
                found.times = found.times.saturating_add(1);
                found.is_text = value.is_some();
                found.value = value.cloned().unwrap_or_default();
            }
        }
        if place == Place::Label {
            self.forbidden |= self.plan.forbidden.iter().any(|forbidden| forbidden == name);
        }
    }

    /// Where the series goes: the first name that is present decides; an empty value means that it is absent.
    pub(super) fn destination(&self, router: &mut Router<'a>) -> Result<Destination, Refusal> {
        if self.found.iter().any(|found| found.times > 1) {
            return Ok(Destination::Reject(Reason::Duplicate));
        }
        if self.found.iter().any(|found| found.times > 0 && !found.is_text) {
            return Ok(Destination::Reject(Reason::NotText));
        }
        if self.forbidden {
            return Ok(Destination::Reject(Reason::Impersonation));
        }
        if self.found.iter().all(|found| matches!(found.value, Cow::Borrowed(_))) {
            router.route(|label| match self.found.get(label) {
                Some(Found { value: Cow::Borrowed(value), .. }) => value,
                _ => &[],
            })
        } else {
            router.route_text(|label| self.found.get(label).map_or(&[], |found| &*found.value))
        }
    }
}
