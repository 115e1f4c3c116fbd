//! Where one resource goes, and what it goes as. The notations differ only in how it is read and put together.

use std::borrow::Cow;

use super::super::encoding::Encoding;
use super::super::metadata::WrittenNames;
use super::super::names::Names;
use super::super::parts::Split;
use super::super::pieces::{Frame, Fresh, Gathered, Pieces, Range};
use super::super::plan::{Place, SplitPlan};
use super::super::rejected::Rejected;
use super::super::route::{Destination, Reason, Router};
use crate::caller::Rights;
use crate::config::Limits;
use crate::report::{Excerpt, Refusal};

/// One resource with all it sent, as it was read.
#[derive(Debug)]
pub(super) struct Resource<'a> {
    /// All of it: with its tag in protobuf, from brace to brace in JSON.
    pub(super) range: Range,
    /// What stands in it: its fields in protobuf, all between the braces in JSON.
    pub(super) content: Range,
    /// Where the description of the resource stands in that, if there is one: with its tag in protobuf.
    pub(super) described_at: Option<Range>,
    /// What stands in the description, like `content`.
    pub(super) described: Range,
    /// Where the list of attributes stands in the description, in JSON.
    pub(super) list_at: Option<Range>,
    /// Of too many attributes some are missing.
    pub(super) attributes: Result<Vec<Attribute<'a>>, Reason>,
    /// How many data points, log records or spans it has.
    pub(super) count: u32,
}

/// One attribute of a resource.
#[derive(Debug)]
pub(super) struct Attribute<'a> {
    /// All of it: with its tag in protobuf.
    pub(super) range: Range,
    pub(super) name: Cow<'a, [u8]>,
    /// `None` where it is no text.
    pub(super) text: Option<Cow<'a, [u8]>>,
    /// Where its value stands, whatever its type: with its tag in protobuf.
    pub(super) value: Range,
}

/// The value of an attribute that goes on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kept<'v> {
    /// Of the attribute at this position, as it came.
    As(usize),
    /// This text.
    Text(&'v [u8]),
}

/// How resources are put together.
pub(super) trait Notation {
    /// The resource with these attributes instead of its own.
    fn with(&self, fresh: &mut Fresh, resource: &Resource<'_>, attributes: &[(&[u8], Kept<'_>)]) -> Pieces;
}

/// The walk over one request.
pub(super) struct Walk<'a> {
    plan: &'a SplitPlan,
    limits: &'a Limits,
    router: Router<'a>,
    names: Names<'a, 'a>,
    pub(super) gathered: Gathered,
    rejected: Rejected,
    resources: u32,
    /// How many resources went to two parts.
    doubled: u32,
}

impl<'a> Walk<'a> {
    pub(super) fn new(plan: &'a SplitPlan, rights: &'a Rights, limits: &'a Limits, frame: Frame) -> Self {
        Self {
            plan,
            limits,
            router: Router::new(plan, rights, limits.tenants.0),
            names: Names::new(plan),
            gathered: Gathered::new(frame),
            rejected: Rejected::default(),
            resources: 0,
            doubled: 0,
        }
    }

    /// How many attributes of a resource are read: one more than it may have.
    pub(super) fn enough_attributes(&self) -> usize {
        (self.limits.labels_per_series.0 as usize).saturating_add(1)
    }

    /// Sends one resource on its way.
    pub(super) fn resource(
        &mut self,
        resource: &Resource<'a>,
        notation: &dyn Notation,
    ) -> Result<(), Refusal> {
        self.resources = self.resources.saturating_add(1);
        if self.resources > self.limits.series.0 {
            return Err(Refusal::TooManySeries { limit: self.limits.series.0 });
        }
        self.names.clear();
        let attributes = match &resource.attributes {
            Ok(attributes) => attributes,
            Err(reason) => {
                self.leave_out(Destination::Reject(*reason), resource);
                return Ok(());
            }
        };
        if attributes.len() > self.limits.labels_per_series.0 as usize {
            self.leave_out(Destination::Reject(Reason::TooManyLabels), resource);
            return Ok(());
        }
        for attribute in attributes {
            self.names.note(Place::Label, &attribute.name, attribute.text.as_ref());
        }
        let destination = self.names.destination(&mut self.router)?;
        for part in destination.parts() {
            match edited(self.plan, &self.names, &self.router, part, attributes) {
                None => self.gathered.raw(part, resource.range, resource.count),
                Some(attributes) => {
                    let pieces = notation.with(&mut self.gathered.fresh, resource, &attributes);
                    self.gathered.made(part, &pieces, resource.count);
                }
            }
        }
        match destination {
            Destination::Part(_) => {}
            Destination::Both(..) => self.doubled = self.doubled.saturating_add(1),
            elsewhere => self.leave_out(elsewhere, resource),
        }
        self.gathered.check(self.limits)
    }

    /// A resource is not sent.
    fn leave_out(&mut self, destination: Destination, resource: &Resource<'a>) {
        self.gathered.changed = true;
        match destination {
            Destination::Reject(reason) => {
                self.rejected.reject(reason, || describe(resource));
                self.rejected.lose(resource.count);
            }
            Destination::Drop(reason) => self.rejected.drop(reason),
            Destination::Part(_) | Destination::Both(..) => {}
        }
    }

    pub(super) fn finish(self, message: &[u8], encoding: Encoding) -> Result<Split, Refusal> {
        let Self { router, gathered, mut rejected, doubled, .. } = self;
        let (parts, untouched) = gathered
            .assemble(message, router.into_tenants(&mut rejected), encoding)
            .ok_or(Refusal::Host { what: "a part could not be compressed" })?;
        let names = WrittenNames::default();
        Ok(Split { parts, rejected, metadata_dropped: 0, names, doubled, untouched })
    }
}

/// The attributes of a resource for this part; `None` where they stay as they are.
fn edited<'v>(
    plan: &'v SplitPlan,
    names: &Names<'_, '_>,
    router: &'v Router<'_>,
    part: usize,
    attributes: &'v [Attribute<'_>],
) -> Option<Vec<(&'v [u8], Kept<'v>)>> {
    let mut kept: Vec<(&[u8], Kept<'_>)> = attributes
        .iter()
        .enumerate()
        .filter(|(_, attribute)| !names.is_removed(Place::Label, &attribute.name))
        .map(|(position, attribute)| (&*attribute.name, Kept::As(position)))
        .collect();
    let own = |value: &Kept<'_>| match value {
        // What is no text is like no text of ours.
        Kept::As(position) => {
            attributes.get(*position).and_then(|own| own.text.as_deref()).unwrap_or(b"\xff")
        }
        Kept::Text(_) => &[],
    };
    if let Some(tenant) = router.tenant(part).filter(|_| !plan.edits.is_empty())
        && plan.edits.change(|| kept.iter().map(|(name, value)| (*name, own(value))), tenant)
    {
        plan.edits.apply(&mut kept, tenant, Kept::Text, |value| own(value).is_empty());
    }
    let same = |(position, (name, value)): (usize, &(&[u8], Kept<'_>))| match value {
        Kept::As(from) => {
            *from == position && attributes.get(position).is_some_and(|attribute| *attribute.name == **name)
        }
        Kept::Text(text) => attributes
            .get(position)
            .is_some_and(|attribute| *attribute.name == **name && attribute.text.as_deref() == Some(text)),
    };
    let is_same = kept.len() == attributes.len() && kept.iter().enumerate().all(same);
    (!is_same).then_some(kept)
}

/// A resource by its attributes, cut short.
fn describe(resource: &Resource<'_>) -> String {
    const SHOWN: usize = 8;
    let attributes = resource.attributes.as_deref().unwrap_or_default();
    let mut shown: Vec<_> = attributes
        .iter()
        .take(SHOWN)
        .map(|attribute| {
            let name = Excerpt::new(&attribute.name, 40);
            match &attribute.text {
                Some(text) => format!("{name}=\"{}\"", Excerpt::new(text, 40)),
                None => format!("{name}=(no text)"),
            }
        })
        .collect();
    if attributes.len() > SHOWN {
        shown.push("…".to_owned());
    }
    format!("{{{}}}", shown.join(", "))
}
