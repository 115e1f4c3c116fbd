//! Series that are written to a second tenant too, until a date.

use crate::config::{AlsoWriteConfig, ConfigError};
use crate::tenant::TenantId;

/// See [`AlsoWriteConfig`].
#[derive(Debug, Default)]
pub(super) struct AlsoRules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    which: Which,
    to: TenantId,
    /// Seconds since 1970.
    until: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    Key(Vec<u8>),
    Tenant(TenantId),
}

impl AlsoRules {
    /// Compiles the list that stands at `path`.
    pub(super) fn compile(configs: &[AlsoWriteConfig], path: &str) -> Result<Self, ConfigError> {
        let mut rules: Vec<Rule> = Vec::new();
        for (at, config) in configs.iter().enumerate() {
            let path = format!("{path}[{at}]");
            let tenant = |field: &str, name: &str| {
                TenantId::new(name)
                    .map_err(|error| ConfigError::new(format!("{path}.{field}"), error.to_string()))
            };
            let which = match (&config.key, &config.tenant) {
                (Some(key), None) if !key.is_empty() => Which::Key(key.as_bytes().to_vec()),
                (None, Some(name)) => Which::Tenant(tenant("tenant", name)?),
                _ => {
                    return Err(ConfigError::new(path, "give exactly one of `key`, `tenant`, and not empty"));
                }
            };
            let to = tenant("to", &config.to)?;
            if which == Which::Tenant(to.clone()) {
                return Err(ConfigError::new(format!("{path}.to"), "this is the same tenant"));
            }
            if rules.iter().any(|rule| rule.which == which) {
                return Err(ConfigError::new(path, "another entry says this key or tenant already"));
            }
            rules.push(Rule { which, to, until: config.until.0 });
        }
        Ok(Self(rules))
    }

    /// Whether there is none, so that nobody needs the date.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in force at this date; without a date nothing is.
    pub(super) fn at(&self, wall_seconds: Option<u64>) -> Also {
        let Some(now) = wall_seconds else { return Also::default() };
        let in_force = self.0.iter().filter(|rule| now < rule.until);
        Also(in_force.map(|rule| (rule.which.clone(), rule.to.clone())).collect())
    }
}

/// The second tenants of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Also(Vec<(Which, TenantId)>);

impl Also {
    /// Whether a request for this tenant must be looked into, although its head alone decides.
    pub(super) fn concerns(&self, tenant: &TenantId) -> bool {
        self.second(None, tenant).is_some()
    }

    /// Whether anything is written to this tenant besides.
    pub(super) fn leads_to(&self, tenant: &TenantId) -> bool {
        self.0.iter().any(|(_, second)| second == tenant)
    }

    /// The second tenant of a series that goes to `tenant` by `key`.
    pub(super) fn second(&self, key: Option<&[u8]>, tenant: &TenantId) -> Option<&TenantId> {
        if self.0.is_empty() {
            return None;
        }
        let by_key = self.0.iter().find(|(which, _)| match (which, key) {
            (Which::Key(which), Some(key)) => which == key,
            _ => false,
        });
        let found = by_key.or_else(|| {
            self.0.iter().find(|(which, _)| matches!(which, Which::Tenant(which) if which == tenant))
        });
        found.map(|(_, second)| second).filter(|second| *second != tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Date, Text};

    fn entry(key: &str, tenant: &str, to: &str, until: u64) -> AlsoWriteConfig {
        let text = |text: &str| (!text.is_empty()).then(|| Text(text.to_owned()));
        AlsoWriteConfig { key: text(key), tenant: text(tenant), to: Text(to.to_owned()), until: Date(until) }
    }

    #[test]
    fn until_its_date_and_key_before_tenant() {
        let rules = AlsoRules::compile(
            &[entry("", "new", "old", 100), entry("shop", "", "older", 200), entry("bar", "", "new", 100)],
            "",
        )
        .unwrap();
        let new = TenantId::new("new").unwrap();
        let other = TenantId::new("other").unwrap();
        let cases = [
            (Some(99), Some("shop"), &new, Some("older")),
            (Some(99), Some("shop"), &other, Some("older")),
            (Some(99), Some("foo"), &new, Some("old")),
            (Some(99), None, &new, Some("old")),
            (Some(99), None, &other, None),
            // It goes there already; the entry by tenant does not come in its place.
            (Some(99), Some("bar"), &new, None),
            (Some(100), Some("foo"), &new, None),
            (Some(100), Some("shop"), &new, Some("older")),
            (Some(200), Some("shop"), &new, None),
            (None, Some("shop"), &new, None),
        ];
        for (now, key, tenant, expected) in cases {
            let also = rules.at(now);
            let second = also.second(key.map(str::as_bytes), tenant).map(TenantId::as_str);
            assert_eq!(second, expected, "{now:?} {key:?} {tenant}");
        }
        assert!(rules.at(Some(0)).concerns(&new) && !rules.at(Some(0)).concerns(&other));
    }

    #[test]
    fn every_error_says_where() {
        let cases = [
            (vec![entry("", "", "a", 1)], "p[0]: give exactly one of"),
            (vec![entry("k", "t", "a", 1)], "p[0]: give exactly one of"),
            (vec![entry("k", "", "a/b", 1)], "p[0].to: a tenant ID is made of"),
            (vec![entry("", "a/b", "c", 1)], "p[0].tenant: a tenant ID is made of"),
            (vec![entry("", "a", "a", 1)], "p[0].to: this is the same tenant"),
            (vec![entry("k", "", "a", 1), entry("k", "", "b", 2)], "p[1]: another entry"),
        ];
        for (entries, expected) in cases {
            let error = AlsoRules::compile(&entries, "p").unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
