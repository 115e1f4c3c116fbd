//! Lists of allowed tenants, written with `*`.

use super::id::TenantId;

/// Tenants by name or by pattern. In a pattern `*` stands for any run of characters, and every other
/// character for itself; so a tenant whose ID holds a `*` can only be allowed by a pattern.
/// An empty list allows nobody. `fake`, which is what the backends call the data of an installation without
/// tenants, is only allowed by its full name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Box<[u8]>>);

impl AllowList {
    /// A list of `patterns`.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        Self(patterns.into_iter().map(|pattern| pattern.as_bytes().into()).collect())
    }

    /// Whether it allows nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the patterns of another list.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// The patterns, as they are written.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|pattern| core::str::from_utf8(pattern).ok())
    }

    /// Whether any pattern matches the whole of `tenant`.
    pub fn allows(&self, tenant: &TenantId) -> bool {
        let id = tenant.as_str().as_bytes();
        self.0.iter().any(|pattern| **pattern == *id || (!tenant.is_fake() && matches(pattern, id)))
    }
}

impl AllowList {
    /// Whether a pattern that is read as an expression would match `fake`, which the list does not allow.
    pub fn seems_to_allow_fake(&self) -> bool {
        let is_named = self.0.iter().any(|pattern| **pattern == *FAKE.as_bytes());
        !is_named && self.0.iter().any(|pattern| matches(pattern, FAKE.as_bytes()))
    }
}

/// The tenant that only its full name allows.
pub const FAKE: &str = "fake";

/// Glob matching in linear space and, going back only to the last star, quadratic time at worst; both
/// sides are short (an ID has at most 150 bytes).
fn matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern, text) {
            ([b'*', after @ ..], _) => {
                retry = Some((after, text));
                pattern = after;
            }
            ([p, after @ ..], [t, rest @ ..]) if p == t => {
                pattern = after;
                text = rest;
            }
            ([], []) => return true,
            _ => match retry {
                Some((after, [_, rest @ ..])) => {
                    retry = Some((after, rest));
                    pattern = after;
                    text = rest;
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let cases: &[(&[&str], &str, bool)] = &[
            (&[], "a", false),
            (&["*"], "anything", true),
            (&["team-a"], "team-a", true),
            (&["team-a"], "team-ab", false),
            (&["team-a"], "xteam-a", false),
            (&["team-*"], "team-", true),
            (&["team-*"], "steam-a", false),
            (&["*-prod"], "a-prod", true),
            (&["*-prod"], "a-prod-b", false),
            (&["a*b*c"], "a-b-b-c", true),
            (&["a*b*c"], "a-c-b", false),
            (&["x", "team-*"], "team-b", true),
            (&["team.a"], "team-a", false),
            (&["**"], "a", true),
            (&["*"], "fake", false),
            (&["fak*"], "fake", false),
            (&["fake"], "fake", true),
            (&["*"], "fake-not", true),
        ];
        for (patterns, tenant, expected) in cases {
            let list = AllowList::new(patterns.iter().copied());
            assert_eq!(list.allows(&TenantId::new(tenant).unwrap()), *expected, "{patterns:?} {tenant}");
        }
        for (patterns, expected) in
            [(&["*"][..], true), (&["f*", "x"], true), (&["team-*"], false), (&["*", "fake"], false)]
        {
            assert_eq!(
                AllowList::new(patterns.iter().copied()).seems_to_allow_fake(),
                expected,
                "{patterns:?}"
            );
        }
    }
}
