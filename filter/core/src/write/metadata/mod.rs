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

/// Finds the parts that each entry goes to.
pub(super) struct Spreader<'n> {
    spread: &'n Spread,
    /// What this very request writes: for the hash of a name the parts.
    here: HashMap<u64, Vec<usize>>,
    known: Known,
    /// The parts for `all`.
    everybody: Vec<usize>,
    /// The parts of the entry at hand.
    parts: Vec<usize>,
    /// How many bytes of copies there may be still.
    budget: usize,
    /// Copies that were not made, since the request would have had too many tenants or grown too large.
    pub(super) left_out: u32,
}

impl<'n> Spreader<'n> {
    /// A spreader that makes copies of at most `budget` bytes. What was learnt is loaded here, once a request.
    pub(super) fn new(spread: &'n Spread, names: &Names<'_>, router: &mut Router<'_>, budget: usize) -> Self {
        let mut everybody = Vec::new();
        if *spread == Spread::All {
            everybody.extend(router.own_tenants());
            everybody.extend(0..router.tenants().len());
            everybody.sort_unstable();
            everybody.dedup();
        }
        let known = spread.following().map(Following::load).unwrap_or_default();
        Self { spread, here: names.by_name(), known, everybody, parts: Vec::new(), budget, left_out: 0 }
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
        self.parts.extend(own);
        match self.spread {
            Spread::Own | Spread::Drop => {}
            Spread::All => self.parts.extend(&self.everybody),
            Spread::Followers(_) => {
                for name in family.series_names() {
                    self.parts.extend(self.here.get(&name).into_iter().flatten());
                    for tenant in self.known.tenants(name) {
                        match router.follower(tenant) {
                            Some(Ok(part)) => self.parts.push(part),
                            Some(Err(_)) => self.left_out = self.left_out.saturating_add(1),
                            None => {}
                        }
                    }
                }
            }
        }
        if let Some(further) = self.parts.get_mut(usize::from(own.is_some())..) {
            further.sort_unstable();
        }
        // Entries go to a handful of tenants; a set would cost more.
        let mut kept = 0_usize;
        let (budget, left_out) = (&mut self.budget, &mut self.left_out);
        let mut last = None;
        self.parts.retain(|part| {
            if last == Some(*part) || (kept > 0 && own == Some(*part)) {
                return false;
            }
            last = Some(*part);
            let cost = len.max(LEAST_COPY);
            // The first copy is the entry itself.
            let fits = kept == 0 || cost <= *budget;
            if !fits {
                *left_out = left_out.saturating_add(1);
                return false;
            }
            if kept > 0 {
                *budget = budget.saturating_sub(cost);
            }
            kept = kept.saturating_add(1);
            true
        });
        &self.parts
    }
}
