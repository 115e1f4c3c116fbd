//! Tenants that are read together with others, until a date.

use crate::config::{AlsoReadConfig, ConfigError};
use crate::isolate::Isolate;
use crate::tenant::{TenantId, TenantSet};

/// See [`AlsoReadConfig`].
#[derive(Debug, Default)]
pub struct AlsoRead(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    tenant: TenantId,
    from: TenantId,
    /// Seconds since 1970.
    until: u64,
}

impl AlsoRead {
    /// Compiles the list that stands at `path`, for a backend that keeps its tenants apart like this.
    pub fn compile(configs: &[AlsoReadConfig], isolate: &Isolate, path: &str) -> Result<Self, ConfigError> {
        if !configs.is_empty() && !matches!(isolate, Isolate::Header | Isolate::Pattern) {
            return Err(ConfigError::new(
                path,
                "only where the backend is told its tenants by X-Scope-OrgID",
            ));
        }
        let mut rules: Vec<Rule> = Vec::new();
        for (at, config) in configs.iter().enumerate() {
            let path = format!("{path}[{at}]");
            let tenant = |field: &str, name: &str| {
                let path = format!("{path}.{field}");
                let tenant =
                    TenantId::new(name).map_err(|error| ConfigError::new(&path, error.to_string()))?;
                if isolate.knows(&tenant) {
                    Ok(tenant)
                } else {
                    Err(ConfigError::new(path, "the backend would read this ID as a pattern (`isolate`)"))
                }
            };
            let (tenant, from) = (tenant("tenant", &config.tenant)?, tenant("from", &config.from)?);
            if tenant == from {
                return Err(ConfigError::new(format!("{path}.from"), "this is the same tenant"));
            }
            if rules.iter().any(|rule| rule.tenant == tenant && rule.from == from) {
                return Err(ConfigError::new(path, "another entry says this already"));
            }
            rules.push(Rule { tenant, from, until: config.until.0 });
        }
        Ok(Self(rules))
    }

    /// Whether there is none, so that nobody needs the date.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in force at this date; without a date nothing is.
    pub fn at(&self, wall_seconds: Option<u64>) -> InForce<'_> {
        let in_force = self.0.iter().filter(|rule| wall_seconds.is_some_and(|now| now < rule.until));
        InForce(in_force.map(|rule| (&rule.tenant, &rule.from)).collect())
    }
}

/// What is in force for one request.
#[derive(Debug, Default)]
pub struct InForce<'a>(Vec<(&'a TenantId, &'a TenantId)>);

impl InForce<'_> {
    /// Whether whoever may read these tenants may read this one too.
    pub(super) fn allows(&self, own: &TenantSet, tenant: &TenantId) -> bool {
        self.0.iter().any(|(with, from)| *from == tenant && own.contains(with))
    }

    /// The same tenants and those that are read with them. What those are read with in turn is not.
    pub(super) fn with(&self, chosen: TenantSet) -> TenantSet {
        if self.0.is_empty() {
            return chosen;
        }
        let more = self.0.iter().filter(|(with, _)| chosen.contains(with)).map(|(_, from)| (*from).clone());
        chosen.as_slice().iter().cloned().chain(more.collect::<Vec<_>>()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Date, Text};

    fn entry(tenant: &str, from: &str, until: u64) -> AlsoReadConfig {
        AlsoReadConfig { tenant: Text(tenant.to_owned()), from: Text(from.to_owned()), until: Date(until) }
    }

    #[test]
    fn until_its_date() {
        let list = [entry("new", "old", 100), entry("new", "older", 200), entry("old", "oldest", 200)];
        let rules = AlsoRead::compile(&list, &Isolate::Header, "").unwrap();
        let set = |ids: &[&str]| ids.iter().map(|id| TenantId::new(id).unwrap()).collect::<TenantSet>();
        for (now, chosen, expected) in [
            (Some(99), &["new"][..], "new|old|older"),
            (Some(100), &["new"], "new|older"),
            (Some(200), &["new"], "new"),
            (None, &["new"], "new"),
            (Some(99), &["a"], "a"),
            (Some(99), &["a", "new", "old"], "a|new|old|older|oldest"),
        ] {
            assert_eq!(rules.at(now).with(set(chosen)).header(), expected, "{now:?} {chosen:?}");
        }
        let old = TenantId::new("old").unwrap();
        assert!(rules.at(Some(99)).allows(&set(&["new"]), &old));
        assert!(!rules.at(Some(100)).allows(&set(&["new"]), &old));
        assert!(!rules.at(Some(99)).allows(&set(&["a"]), &old));
    }

    #[test]
    fn every_error_says_where() {
        let label = Isolate::Label("tenant".to_owned());
        let cases = [
            (vec![entry("a", "b", 1)], &label, "p: only where the backend"),
            (vec![entry("a/b", "b", 1)], &Isolate::Header, "p[0].tenant: a tenant ID is made of"),
            (vec![entry("a", "b/c", 1)], &Isolate::Header, "p[0].from: a tenant ID is made of"),
            (vec![entry("a", "b.c", 1)], &Isolate::Pattern, "p[0].from: the backend would read"),
            (vec![entry("a", "a", 1)], &Isolate::Header, "p[0].from: this is the same"),
            (vec![entry("a", "b", 1), entry("a", "b", 2)], &Isolate::Header, "p[1]: another entry"),
        ];
        for (entries, isolate, expected) in cases {
            let error = AlsoRead::compile(&entries, isolate, "p").unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
