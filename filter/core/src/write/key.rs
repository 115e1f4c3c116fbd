//! From what stands in a label or a header to a tenant: regex, table, prefix and suffix, in this order.

use regex_lite::{Regex, RegexBuilder};

use crate::config::{ConfigError, KeyConfig, Text};
use crate::table::{MAX_KEY, Table, TableRules};
use crate::tenant::TenantId;

/// See [`KeyConfig`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Key {
    pattern: Option<Pattern>,
    /// The table's position in the configuration.
    pub(super) table: Option<usize>,
    prefix: String,
    suffix: String,
}

/// A pattern that matches whole values, with one group.
#[derive(Clone, Debug)]
struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 256;
/// The memory that a compiled pattern may take, in bytes; `(?:\w{100}){100}` would take more.
const MAX_PROGRAM: usize = 64 << 10;

impl Pattern {
    fn compile(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PATTERN {
            return Err(format!("a pattern has at most {MAX_PATTERN} bytes"));
        }
        let build = |text: &str| {
            RegexBuilder::new(text)
                .size_limit(MAX_PROGRAM)
                .build()
                .map_err(|error| format!("this is no pattern: {error}"))
        };
        // Alone first: `a)|(b` is none, but would be one between brackets.
        if build(text)?.captures_len() != 2 {
            return Err("a pattern has exactly one group, which holds what goes on".to_owned());
        }
        build(&format!(r"\A(?:{text})\z")).map(Self)
    }

    /// What the group holds, if the whole of `value` matches.
    fn group<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        let text = core::str::from_utf8(value).ok().filter(|text| text.len() <= MAX_KEY)?;
        self.0.captures(text)?.get(1).map(|group| group.as_str().as_bytes())
    }
}

impl Key {
    /// Compiles the rules that stand at `path`.
    pub(super) fn compile(
        config: &KeyConfig,
        path: &str,
        tables: &[TableRules],
    ) -> Result<Self, ConfigError> {
        let KeyConfig { regex, table, prefix, suffix } = config;
        let pattern = regex.as_ref().map(|text| Pattern::compile(text)).transpose();
        let pattern = pattern.map_err(|message| ConfigError::new(format!("{path}.regex"), message))?;
        let table = table
            .as_ref()
            .map(|name| TableRules::position(tables, name, &format!("{path}.table")))
            .transpose()?;
        let affix = |name: &str, text: &Option<Text>| {
            let text = text.as_ref().map(|text| text.0.clone()).unwrap_or_default();
            match TenantId::new(&format!("{text}a")) {
                Ok(_) => Ok(text),
                Err(error) => Err(ConfigError::new(format!("{path}.{name}"), error.to_string())),
            }
        };
        Ok(Self { pattern, table, prefix: affix("prefix", prefix)?, suffix: affix("suffix", suffix)? })
    }

    /// Whether the value itself is the tenant.
    pub(super) fn is_plain(&self) -> bool {
        self.pattern.is_none() && self.table.is_none() && self.prefix.is_empty() && self.suffix.is_empty()
    }

    /// Whether a value is looked at before it must fit a tenant.
    pub(super) fn reads_any_text(&self) -> bool {
        self.pattern.is_some() || self.table.is_some()
    }

    /// What is looked up for `value`; `None` where it does not match.
    pub(super) fn text<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        match &self.pattern {
            Some(pattern) => pattern.group(value),
            None => Some(value),
        }
    }

    /// The tenant for what [`text`](Self::text) gave. `table` is this key's own, as it was when the request came.
    pub(super) fn tenant(&self, text: &[u8], table: Option<&Table>) -> Option<TenantId> {
        let found;
        let name = match self.table {
            Some(_) => {
                found = table?.get(text)?;
                found.as_str().as_bytes()
            }
            None => text,
        };
        if self.prefix.is_empty() && self.suffix.is_empty() {
            return TenantId::from_bytes(name).ok();
        }
        if name.is_empty() {
            return None;
        }
        TenantId::from_bytes(&[self.prefix.as_bytes(), name, self.suffix.as_bytes()].concat()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(regex: &str, prefix: &str, suffix: &str) -> Result<Key, String> {
        let text = |text: &str| (!text.is_empty()).then(|| Text(text.to_owned()));
        let config =
            KeyConfig { regex: text(regex), table: None, prefix: text(prefix), suffix: text(suffix) };
        Key::compile(&config, "key", &[]).map_err(|error| error.to_string())
    }

    #[test]
    fn from_value_to_tenant() {
        let long = "a".repeat(MAX_KEY + 1);
        let cases: &[(&str, &str, &str, &str, Option<&str>)] = &[
            ("", "", "", "team-a", Some("team-a")),
            ("", "", "", "team/a", None),
            ("", "x-", "-y", "a", Some("x-a-y")),
            ("", "x-", "", "", None),
            ("", "", "", "..", None),
            // With something before it this is no longer a name of the storage.
            ("", "a", "", "..", Some("a..")),
            ("team-(.+)", "", "", "team-a", Some("a")),
            ("team-(.+)", "org-", "", "team-a", Some("org-a")),
            ("team-(.*)", "", "", "team-", None),
            ("team-(.*)", "org-", "", "team-", None),
            ("team-(.+)", "", "", "xteam-a", None),
            ("team-([a-z])", "", "", "team-ab", None),
            ("a|(b)", "", "", "a", None),
            ("a|(b)", "", "", "b", Some("b")),
            // A line end is no end.
            ("(a)", "", "", "a\n", None),
            ("(?m)(a)$", "", "", "a\nb", None),
            ("(?:eu|us)-(?P<team>[^-]+)-.*", "", "", "eu-shop-1", Some("shop")),
            ("(.*)", "", "", &long, None),
        ];
        for (regex, prefix, suffix, value, expected) in cases {
            let key = key(regex, prefix, suffix).unwrap();
            let tenant = key.text(value.as_bytes()).and_then(|text| key.tenant(text, None));
            assert_eq!(tenant.as_ref().map(TenantId::as_str), *expected, "{regex} {prefix} {suffix} {value}");
        }
        assert_eq!(key("(.*)", "", "").unwrap().text(b"\xff"), None);
    }

    #[test]
    fn patterns_that_are_refused() {
        let long = format!("({})", "a".repeat(MAX_PATTERN));
        let cases = [
            ("a", "key.regex: a pattern has exactly one group"),
            ("(a)(b)", "key.regex: a pattern has exactly one group"),
            ("(a", "key.regex: this is no pattern"),
            ("a)|(b", "key.regex: this is no pattern"),
            ("(?x)(a) # )", "key.regex: this is no pattern"),
            (r"((?:\w{100}){100})", "key.regex: this is no pattern"),
            (long.as_str(), "key.regex: a pattern has at most 256 bytes"),
        ];
        for (regex, expected) in cases {
            let error = key(regex, "", "").unwrap_err();
            assert!(error.starts_with(expected), "{regex}: {error}");
        }
        assert!(key("", "a/", "").unwrap_err().starts_with("key.prefix: a tenant ID is made of"));
        assert!(key("", "", "|").unwrap_err().starts_with("key.suffix: a tenant ID is made of"));
    }
}
