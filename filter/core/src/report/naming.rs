//! Which tenants have metrics of their own.
//!
//! A metric lives in its host for ever, so only so many tenants may have some. Who they are must not be a matter of who
//! came first, or a burst of names would take all places. So a tenant earns its place: half of the places go to those seen
//! in two windows in a row, the other half only to those that made up their share of all requests in both. The set only
//! grows, and it is the same for all workers: a slot of the process holds it, so that the bound holds for the process.

use super::sketch::{Counted, Sketch};
use crate::config::{Config, ConfigError, Fallback, TenantsConfig};
use crate::exchange::{Millis, Process, SlotFailure};
use crate::tenant::{TenantId, TenantSet};

/// The slot with the tenants that earned their place, one a line.
const SLOT: &str = "named_tenants";
/// No configuration may ask for more.
const MAX: u32 = 1000;
/// How often a swap is tried against other workers.
const TRIES: usize = 4;
const SHORTEST_WINDOW: u32 = 1_000;

/// See [`TenantNamesConfig`](crate::config::TenantNamesConfig).
#[derive(Debug)]
pub struct NamingRules {
    pinned: TenantSet,
    max: usize,
    window: Millis,
}

/// A tenant as it stands in metrics.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TenantTag {
    /// By its own name.
    Own(TenantId),
    /// One without metrics of its own.
    Other,
    /// Several at once, as in a federated query.
    Several,
    /// None at all.
    None,
}

impl TenantTag {
    /// The value of the tag. `~` is no character of a tenant's ID.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Own(tenant) => tenant.as_str(),
            Self::Other => "~other",
            Self::Several => "~several",
            Self::None => "~none",
        }
    }
}

impl NamingRules {
    /// Compiles the rules out of the whole configuration, since what it names anywhere is pinned.
    pub fn compile(config: &Config) -> Result<Self, ConfigError> {
        let tenants = &config.metrics.tenants;
        let path = "metrics.tenants";
        if tenants.max.0 > MAX {
            return Err(ConfigError::new(
                format!("{path}.max"),
                format!("a host keeps a metric for ever: give at most {MAX}"),
            ));
        }
        if tenants.window.0 < SHORTEST_WINDOW {
            return Err(ConfigError::new(format!("{path}.window"), "give at least 1s"));
        }
        let mut pinned = Vec::new();
        for (at, name) in tenants.pinned.0.iter().enumerate() {
            let tenant = TenantId::new(name)
                .map_err(|error| ConfigError::new(format!("{path}.pinned[{at}]"), error.to_string()))?;
            pinned.push(tenant);
        }
        // What is no tenant here is an error where it stands, or a pattern.
        let mut pin = |name: &str| pinned.extend(TenantId::new(name).ok().filter(|_| !name.contains('*')));
        for caller in &config.callers {
            let users = caller.basic.iter().flat_map(|basic| &basic.users);
            for tenants in caller.tenants.iter().chain(users.filter_map(|user| user.tenants.as_ref())) {
                each_name(tenants, &mut pin);
            }
            let others = caller.impersonate.iter().flat_map(|right| &right.tenants.0);
            for name in others.chain(&caller.on_behalf_of.0) {
                pin(name);
            }
        }
        for write in config.write.values() {
            for fallback in [&write.on_absent, &write.on_unmapped] {
                if let Fallback::Tenant(name) = fallback {
                    pin(name);
                }
            }
        }
        let pinned = pinned.into_iter().collect();
        Ok(Self { pinned, max: tenants.max.0 as usize, window: Millis::from(tenants.window.0) })
    }

    /// The share of all requests that the tenants of the second half must make up, as one of this many: half of their fair
    /// share, since a sketch may know only half of what it saw.
    fn parts(&self) -> u64 {
        (self.max as u64).saturating_mul(2)
    }
}

/// The tenants that a configuration spells out.
fn each_name(tenants: &TenantsConfig, pin: &mut impl FnMut(&str)) {
    match tenants {
        TenantsConfig::Tenant(name) => pin(name),
        TenantsConfig::Union(items) | TenantsConfig::First(items) => {
            for item in items {
                each_name(item, pin);
            }
        }
        TenantsConfig::Claim { .. } => {}
    }
}

/// One worker's view.
#[derive(Debug)]
pub struct Naming {
    named: TenantSet,
    /// When the window at hand ends; 0 before the first.
    ends: Millis,
    /// The tenants without a name in the window at hand.
    seen: Sketch,
    requests: u64,
    /// Those seen in the window before, and those of them that made up their share.
    before: TenantSet,
    had_share: TenantSet,
}

impl Default for Naming {
    fn default() -> Self {
        Self {
            named: TenantSet::default(),
            ends: 0,
            seen: Sketch::new(0),
            requests: 0,
            before: TenantSet::default(),
            had_share: TenantSet::default(),
        }
    }
}

impl Naming {
    /// Makes the slot. Called before any worker serves.
    pub(crate) fn prepare(process: &dyn Process) {
        // Without it only pinned tenants have names.
        let _ = process.make(SLOT, b"");
    }

    /// The tag for one request, or one part, of a tenant.
    pub(crate) fn tag(
        &mut self,
        rules: &NamingRules,
        process: &dyn Process,
        tenant: &TenantId,
        now: Millis,
    ) -> TenantTag {
        if now >= self.ends {
            self.turn(rules, process, now);
        }
        self.requests = self.requests.saturating_add(1);
        let tag = self.tag_unproven(rules, tenant);
        if tag == TenantTag::Other {
            self.seen.add(tenant.as_str(), Counted::exactly(1, now));
        }
        tag
    }

    /// The tag for a tenant that nobody has vouched for: it earns no place.
    pub(crate) fn tag_unproven(&self, rules: &NamingRules, tenant: &TenantId) -> TenantTag {
        if rules.pinned.contains(tenant) || self.named.contains(tenant) {
            return TenantTag::Own(tenant.clone());
        }
        TenantTag::Other
    }

    /// A window is over: those that have proven themselves get names.
    fn turn(&mut self, rules: &NamingRules, process: &dyn Process, now: Millis) {
        let has_share = |at_least: u64| at_least.saturating_mul(rules.parts()) >= self.requests;
        let seen: Vec<(TenantId, bool)> = self
            .seen
            .sorted()
            .into_iter()
            .filter_map(|(name, counted)| Some((TenantId::new(name).ok()?, has_share(counted.at_least()))))
            .collect();
        let proven: Vec<(&TenantId, bool)> = seen
            .iter()
            .filter(|(tenant, _)| self.before.contains(tenant))
            .map(|(tenant, share)| (tenant, *share && self.had_share.contains(tenant)))
            .collect();
        if let Some(named) = agree(rules, process, &proven) {
            self.named = named;
        }
        // After a window in which nothing happened at all nobody was seen in the window before.
        let in_a_row = now < self.ends.saturating_add(rules.window);
        let tenants = |wanted: fn(bool) -> bool| {
            seen.iter()
                .filter(|(_, share)| in_a_row && wanted(*share))
                .map(|(tenant, _)| tenant.clone())
                .collect()
        };
        (self.before, self.had_share) = (tenants(|_| true), tenants(|share| share));
        self.ends = now.saturating_add(rules.window);
        self.requests = 0;
        // Four times the places: whoever has a share is in the sketch, and its count is known to a quarter of it.
        self.seen = Sketch::new(rules.max.saturating_mul(4));
    }
}

/// Adds the proven, the most frequent first, to what all workers know, as far as there is room; gives what is known then.
/// `None` if the host failed, or others were always quicker.
fn agree(rules: &NamingRules, process: &dyn Process, proven: &[(&TenantId, bool)]) -> Option<TenantSet> {
    for _ in 0..TRIES {
        let stored = process.load(SLOT).ok()?;
        let named = read(&stored.value);
        let mut new: Vec<TenantId> = Vec::new();
        for (tenant, has_share) in proven {
            let room = if *has_share { rules.max } else { rules.max.div_ceil(2) };
            if named.as_slice().len().saturating_add(new.len()) < room && !named.contains(tenant) {
                new.push((*tenant).clone());
            }
        }
        if new.is_empty() {
            return Some(named);
        }
        let all: TenantSet = named.as_slice().iter().cloned().chain(new).collect();
        let value = all.as_slice().iter().map(TenantId::as_str).collect::<Vec<_>>().join("\n");
        match process.swap(SLOT, value.as_bytes(), stored.version) {
            Ok(()) => return Some(all),
            Err(SlotFailure::Changed) => {}
            Err(_) => return None,
        }
    }
    None
}

fn read(value: &[u8]) -> TenantSet {
    value.split(|byte| *byte == b'\n').filter_map(|name| TenantId::from_bytes(name).ok()).collect()
}

#[cfg(test)]
#[path = "naming_tests.rs"]
mod tests;
