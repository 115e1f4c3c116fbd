//! What the tests of all protocols split by.

use std::rc::Rc;

use serde_json::json;

use super::also::Also;
use super::labels::LabelEdits;
use super::metadata::Spread;
use super::plan::{Allowed, Choice, LabelSource, Place, SplitPlan};
use super::rules::Verdict;
use crate::caller::{Caller, Rights, Tabled};
use crate::config;
use crate::tenant::{TenantId, TenantSet};

/// A caller that owns `own`, impersonates `cluster-*` with `imp`, and writes on behalf of `team-*`.
pub(crate) fn rights() -> Rights {
    let config = json!({
        "name": "agent", "jwt": {"provider": "p", "issuer": "i"}, "tenants": ["own"], "may": ["write"],
        "impersonate": {"label": "imp", "tenants": ["cluster-*"]}, "on_behalf_of": ["team-*"],
    });
    let caller = Caller::compile(&config::read(&config).unwrap(), "", &|_| None, Tabled::default());
    caller.unwrap().rights.as_ref().clone()
}

/// A name that decides: where it stands, whether it is taken off, and by which right.
pub(super) type Source<'a> = (&'a str, Place, bool, Allowed);

/// The plan of a caller that owns `own`, by these names in their order; `secret` is forbidden.
pub(super) fn plan(sources: &[Source<'_>]) -> SplitPlan {
    let own = TenantId::new("own").unwrap();
    let label = |(name, place, remove, _): &Source<'_>| LabelSource {
        name: (*name).into(),
        remove: *remove,
        place: *place,
    };
    let choice = |(label, (.., allowed)): (usize, &Source<'_>)| Choice {
        labels: vec![label],
        separator: Vec::new(),
        allowed: *allowed,
        key: Rc::default(),
        table: None,
    };
    SplitPlan {
        labels: sources.iter().map(label).collect(),
        choices: sources.iter().enumerate().map(choice).collect(),
        forbidden: vec![b"secret".to_vec()],
        absent: Verdict::Tenant(own.clone()),
        unmapped: Verdict::Reject,
        metadata: None,
        spread: Spread::Own,
        own: TenantSet::from(own),
        edits: LabelEdits::default(),
        isolate: Rc::default(),
        also: Also::default(),
        takes_exemplars_alone: true,
    }
}
