//! Patterns with captures: literal text, and `{NAME}` for a run of characters that tenant IDs may have.

use crate::tenant::is_tenant_character;

/// A compiled pattern. It must match the whole of a text, and there is at most one way in which it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// A literal, the name of the capture after it, and so on.
    captures: Vec<(String, String)>,
    /// The literal after the last capture.
    end: String,
    /// A further character that no capture holds.
    without: Option<u8>,
}

impl Pattern {
    /// Compiles `text`. A capture holds one or more characters of tenant IDs, but never `without`.
    pub(super) fn compile(text: &str, without: Option<u8>) -> Result<Self, &'static str> {
        let mut pattern = Self { captures: Vec::new(), end: String::new(), without };
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a `{` has no `}`")?;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return Err("a name in braces is made of A-Z a-z 0-9 _");
            }
            if literal.contains('}') {
                return Err("a `}` has no `{`");
            }
            if pattern.captures.iter().any(|(_, known)| known == name) {
                return Err("a name in braces stands twice");
            }
            // Between two captures must be what neither can hold, so that there is one way to read a text.
            if !pattern.captures.is_empty() && literal.bytes().next().is_none_or(|byte| pattern.holds(byte)) {
                return Err(
                    "after `{NAME}` and before the next one stands something that no tenant ID holds, such as `/`",
                );
            }
            pattern.captures.push((literal.to_owned(), name.to_owned()));
            rest = after;
        }
        if rest.contains('}') {
            return Err("a `}` has no `{`");
        }
        rest.clone_into(&mut pattern.end);
        if text.is_empty() { Err("give a text, or a pattern with `{NAME}`") } else { Ok(pattern) }
    }

    /// The names of the captures.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.captures.iter().map(|(_, name)| name.as_str())
    }

    /// What the captures hold, in the order of their names in the pattern; `None` where it does not match.
    pub(super) fn matches<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let Some((_, before)) = self.captures.split_last() else {
            return (text == self.end).then(Vec::new);
        };
        let mut found = Vec::with_capacity(self.captures.len());
        let mut rest = text;
        for (position, (literal, _)) in self.captures.iter().enumerate() {
            rest = rest.strip_prefix(literal.as_str())?;
            let is_last = position == before.len();
            let held = if is_last {
                rest.strip_suffix(self.end.as_str())?
            } else {
                let len = rest.bytes().take_while(|byte| self.holds(*byte)).count();
                let (held, after) = rest.split_at_checked(len)?;
                rest = after;
                held
            };
            if held.is_empty() || !held.bytes().all(|byte| self.holds(byte)) {
                return None;
            }
            found.push(held);
        }
        Some(found)
    }

    fn holds(&self, byte: u8) -> bool {
        is_tenant_character(byte) && Some(byte) != self.without
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        let cases: &[(&str, &str, Option<&[&str]>)] = &[
            ("spiffe://e.org/agent/{id}", "spiffe://e.org/agent/a-7", Some(&["a-7"])),
            ("spiffe://e.org/agent/{id}", "spiffe://e.org/agent/", None),
            ("spiffe://e.org/agent/{id}", "spiffe://e.org/agent/a/b", None),
            ("spiffe://e.org/agent/{id}", "spiffe://e.org/agent/a%2Fb", None),
            ("spiffe://e.org/agent/{id}", "spiffe://e.org.evil/agent/a", None),
            ("spiffe://e.org/agent/{id}", "xspiffe://e.org/agent/a", None),
            ("spiffe://e.org/agent/{id}", "spiffe://e.org/agent/a|b", None),
            ("spiffe://e.org/agent/{id}", "spiffe://e.org/agent/a b", None),
            ("spiffe://e.org/agent/{id}", "spiffe://e.org/agent/ä", None),
            ("spiffe://c/ns/{ns}/sa/{sa}", "spiffe://c/ns/shop/sa/web", Some(&["shop", "web"])),
            ("spiffe://c/ns/{ns}/sa/{sa}", "spiffe://c/ns/shop/x/sa/web", None),
            ("spiffe://c/ns/{ns}/sa/{sa}", "spiffe://c/ns/shop/sa/web/sa/x", None),
            ("/{tenant}", "/a", Some(&["a"])),
            ("/{tenant}", "/a/admins", None),
            ("/{tenant}", "a", None),
            ("team-{t}-dev", "team-a-dev-dev", Some(&["a-dev"])),
            ("team-{t}-dev", "team-dev", None),
            ("team-{t}-dev", "team--dev", None),
            ("plain", "plain", Some(&[])),
            ("plain", "plainer", None),
        ];
        for (pattern, text, expected) in cases {
            let matched = Pattern::compile(pattern, None).unwrap().matches(text);
            assert_eq!(matched.as_deref(), *expected, "{pattern} on {text}");
        }
        let dns = Pattern::compile("{id}.agents.e.org", Some(b'.')).unwrap();
        assert_eq!(dns.matches("a.agents.e.org"), Some(vec!["a"]));
        assert_eq!(dns.matches("a.b.agents.e.org"), None);
        for (wrong, expected) in [
            ("", "give a text"),
            ("{a", "a `{` has no"),
            ("a}", "a `}` has no"),
            ("}{a}", "a `}` has no"),
            ("{}", "a name in braces is"),
            ("{a b}", "a name in braces is"),
            ("{a}/{a}", "a name in braces stands twice"),
            ("{a}{b}", "after `{NAME}`"),
            ("{a}-{b}", "after `{NAME}`"),
        ] {
            assert!(Pattern::compile(wrong, None).unwrap_err().starts_with(expected), "{wrong}");
        }
    }

    proptest! {
        /// What is put in comes out, and nothing else does.
        #[test]
        fn captures_hold_what_was_put_there(
            a in "[A-Za-z0-9._*'()!-]{1,8}", b in "[A-Za-z0-9._*'()!-]{1,8}", other in ".{0,24}"
        ) {
            let pattern = Pattern::compile("x://{a}/{b}.end", None).unwrap();
            let text = format!("x://{a}/{b}.end");
            prop_assert_eq!(pattern.matches(&text), Some(vec![a.as_str(), b.as_str()]));
            if let Some(held) = pattern.matches(&other) {
                prop_assert_eq!(format!("x://{}/{}.end", held[0], held[1]), other);
            }
        }
    }
}
