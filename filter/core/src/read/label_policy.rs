//! Label-based access control of Mimir and Loki: the header `X-Prom-Label-Policy`.
//!
//! An entry is `TENANT:SELECTOR`, the selector percent-encoded; entries stand behind commas. Those of one tenant are
//! OR-ed, and a tenant without an entry is seen whole: so every tenant of a request gets its own, or none may be seen.
//! Specification: <https://grafana.com/docs/loki/next/operations/lbac/>.

use super::query::{self, Language, Matcher, Options};
use crate::caller::Caller;
use crate::config::{ConfigError, LabelPolicyConfig};
use crate::http::encode;
use crate::operation::Kind;
use crate::report::Refusal;
use crate::tenant::{AllowList, TenantSet};

/// The header, in lower case.
pub const LABEL_POLICY: &str = "x-prom-label-policy";

/// The longest header that is made. Servers take 60 KiB of headers and more in all.
const HEADER_BYTES: u32 = 32 << 10;

/// What a backend's reads may see of each tenant.
#[derive(Debug, Default)]
pub struct LabelPolicies(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    /// Positions of callers; `None` for all.
    callers: Option<Vec<usize>>,
    tenants: AllowList,
    /// None of them where everything is seen.
    selectors: Vec<String>,
}

impl LabelPolicies {
    /// Compiles what stands at `path`.
    pub fn compile(
        configs: &[LabelPolicyConfig],
        kind: Kind,
        callers: &[Caller],
        path: &str,
    ) -> Result<Self, ConfigError> {
        if !configs.is_empty() && !matches!(kind, Kind::Mimir | Kind::Loki) {
            return Err(ConfigError::new(path, "only mimir and loki know label policies"));
        }
        let entries = configs
            .iter()
            .enumerate()
            .map(|(at, config)| Entry::compile(config, callers, &format!("{path}[{at}]")));
        entries.collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none, so that every tenant is seen whole.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The header's value for a read of these tenants, of at most 32 KiB; `None` where all of them are seen whole.
    pub fn header(&self, caller: usize, tenants: &TenantSet) -> Result<Option<String>, Refusal> {
        let mut header = String::new();
        if self.0.is_empty() {
            return Ok(None);
        }
        for tenant in tenants.as_slice() {
            let holds = |entry: &&Entry| {
                entry.callers.as_ref().is_none_or(|callers| callers.contains(&caller))
                    && entry.tenants.allows(tenant)
            };
            let entry = self.0.iter().find(holds);
            let entry = entry.ok_or_else(|| Refusal::NoLabelPolicy { tenant: tenant.clone() })?;
            for selector in &entry.selectors {
                if !header.is_empty() {
                    header.push(',');
                }
                header.push_str(tenant.as_str());
                header.push(':');
                encode(&mut header, selector.as_bytes());
                if header.len() > HEADER_BYTES as usize {
                    return Err(Refusal::NarrowedTooLarge { limit: HEADER_BYTES });
                }
            }
        }
        Ok(Some(header).filter(|header| !header.is_empty()))
    }
}

impl Entry {
    fn compile(config: &LabelPolicyConfig, callers: &[Caller], path: &str) -> Result<Self, ConfigError> {
        let mut positions = Vec::new();
        for (at, name) in config.callers.0.iter().enumerate() {
            let position = callers.iter().position(|caller| caller.name == name.0);
            positions.push(position.ok_or_else(|| {
                ConfigError::new(format!("{path}.callers[{at}]"), "no caller has this name")
            })?);
        }
        if config.everything != config.selectors.0.is_empty() {
            return Err(ConfigError::new(
                format!("{path}.selectors"),
                "name at least one selector, or say `everything: true` instead",
            ));
        }
        for (at, selector) in config.selectors.0.iter().enumerate() {
            // What takes a matcher is a selector.
            let takes = |probe: &Matcher| {
                let probe = core::slice::from_ref(probe);
                query::rewrite_selector(Language::PromQl, selector, probe, &Options::default()).is_ok()
            };
            let is_selector = selector.starts_with('{')
                && Matcher::any_of("tenant", ["a"]).is_ok_and(|probe| takes(&probe));
            if !is_selector {
                return Err(ConfigError::new(
                    format!("{path}.selectors[{at}]"),
                    "a selector is written like {env=\"dev\"}",
                ));
            }
        }
        let tenants = if config.tenants.0.is_empty() {
            AllowList::new(["*", "fake"])
        } else {
            AllowList::new(config.tenants.0.iter().map(|pattern| &**pattern))
        };
        Ok(Self {
            callers: Some(positions).filter(|positions| !positions.is_empty()),
            tenants,
            selectors: config.selectors.0.iter().map(|selector| selector.0.clone()).collect(),
        })
    }
}
