//! Where the metadata of remote write 1.0 goes, which has no labels and mostly comes in requests of its own.
//!
//! [`Spread`] is what the configuration says. Two ways look at every entry: `all`, and `followers`, by which an entry goes
//! to the tenants that its family's series were written to. For that the names of written series are learnt
//! ([`Names`], [`Followers`]) and kept for all workers ([`Known`], in a bounded [`table`]).

mod family;
mod followers;
mod table;

pub(crate) use followers::Followers;
pub(crate) use followers::make_slots;

pub(crate) use family::Written as WrittenNames;
pub(super) use family::{Family, Names};
use followers::{Known, Scope};

use std::rc::Rc;

use hashbrown::HashMap;

use super::route::Router;
use crate::config::MetadataPolicy;
use crate::exchange::Process;
use crate::tenant::TenantSet;

/// Where metadata goes besides the own tenant, for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Spread {
    /// Nowhere.
    #[default]
    Own,
    /// To all of the caller's own tenants, and all that the request writes to.
    All,
    /// To the tenants that series of its family were written to.
    Followers(Following),
    /// Not even to the own tenant.
    Drop,
}

/// Whose series are followed, and where that is known.
#[derive(Clone, Default)]
pub(crate) struct Following {
    scope: Scope,
    process: Option<Rc<dyn Process>>,
}

impl Spread {
    pub(super) fn of(policy: MetadataPolicy) -> Self {
        match policy {
            MetadataPolicy::Own => Self::Own,
            MetadataPolicy::All => Self::All,
            MetadataPolicy::Followers => Self::Followers(Following::default()),
            MetadataPolicy::Drop => Self::Drop,
        }
    }

    /// What is learnt is kept apart for each backend, caller and set of own tenants: nobody learns of another's metrics.
    pub(crate) fn keep_apart(&mut self, backend: &str, caller: &str, own: &TenantSet) {
        if let Self::Followers(following) = self {
            following.scope = Scope::of(backend, caller, own);
        }
    }

    /// Makes known where it is kept what was learnt.
    pub(crate) fn attach(&mut self, process: &Rc<dyn Process>) {
        if let Self::Followers(following) = self {
            following.process = Some(Rc::clone(process));
        }
    }

    /// What is followed, if anything is.
    pub(crate) fn following(&self) -> Option<&Following> {
        match self {
            Self::Followers(following) => Some(following),
            Self::Own | Self::All | Self::Drop => None,
        }
    }
}

impl PartialEq for Following {
    fn eq(&self, other: &Self) -> bool {
        self.scope == other.scope
    }
}

impl Eq for Following {}

impl core::fmt::Debug for Following {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Following").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// The least that a copy of an entry counts as, since every copy is noted too.
const LEAST_COPY: usize = 64;

/// For the hash of a name, positions: of parts, or of tenants.
type ByName = HashMap<u64, Vec<usize>>;

/// Finds the parts that each entry goes to.
pub(super) struct Spreader<'n> {
    spread: &'n Spread,
    /// What this very request writes.
    here: &'n Names<'n>,
    known: Known,
    /// The parts of the entry at hand.
    parts: Vec<usize>,
    /// For each part which entry was added to it last; entries count from 1.
    added: Vec<u32>,
    entry: u32,
    /// How many bytes of copies there may be still.
    budget: usize,
    /// Copies that were not made, since the request would have had too many tenants or grown too large.
    pub(super) left_out: u32,
}

impl<'n> Spreader<'n> {
    /// A spreader that makes copies of at most `budget` bytes. What was learnt is loaded here, once a request.
    pub(super) fn new(
        spread: &'n Spread,
        here: &'n Names<'n>,
        router: &mut Router<'_>,
        budget: usize,
    ) -> Self {
        if *spread == Spread::All {
            router.add_own_tenants();
        }
        let known = spread.following().map(Following::load).unwrap_or_default();
        let (parts, added) = (Vec::new(), Vec::new());
        Self { spread, here, known, parts, added, entry: 0, budget, left_out: 0 }
    }

    /// The parts that an entry of this family and length goes to; `own` is the own tenant's, and comes first.
    pub(super) fn parts(
        &mut self,
        family: Family<'_>,
        len: usize,
        own: Option<usize>,
        router: &mut Router<'_>,
    ) -> &[usize] {
        self.parts.clear();
        self.entry = self.entry.saturating_add(1);
        if let Some(own) = own {
            self.add(own, len);
        }
        match self.spread {
            Spread::Own | Spread::Drop => {}
            Spread::All => (0..router.tenants().len()).for_each(|part| self.add(part, len)),
            Spread::Followers(_) => {
                for name in family.series_names() {
                    self.here.parts(name).iter().for_each(|part| self.add(*part, len));
                    for position in 0..self.known.count(name) {
                        let follower = self.known.tenant(name, position).and_then(|t| router.follower(t));
                        match follower {
                            Some(Ok(part)) => self.add(part, len),
                            Some(Err(_)) => self.left_out = self.left_out.saturating_add(1),
                            None => {}
                        }
                    }
                }
            }
        }
        for position in 0..self.parts.len() {
            match self.parts.get(position).map(|part| router.second(*part)) {
                Some(Ok(Some(second))) => self.add(second, len),
                Some(Err(_)) => self.left_out = self.left_out.saturating_add(1),
                Some(Ok(None)) | None => {}
            }
        }
        &self.parts
    }

    /// Adds a part to those of the entry at hand, once.
    fn add(&mut self, part: usize, len: usize) {
        if part >= self.added.len() {
            self.added.resize(part.saturating_add(1), 0);
        }
        match self.added.get_mut(part) {
            Some(added) if *added != self.entry => *added = self.entry,
            _ => return,
        }
        // The first copy is the entry itself.
        if !self.parts.is_empty() {
            let Some(rest) = self.budget.checked_sub(len.max(LEAST_COPY)) else {
                self.left_out = self.left_out.saturating_add(1);
                return;
            };
            self.budget = rest;
        }
        self.parts.push(part);
    }
}
