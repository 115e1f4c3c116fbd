//! The patterns of the tables and of the configuration: literal segments, captures and subtrees.

use super::canonical;

/// A path with places for names.
///
/// - `/a/b`: exactly this; a slash at the end is part of it.
/// - `/a/{x}/b`: one segment in place of `{x}`, not empty, that may hold escapes but no `%2F`.
/// - `/a/{x%2F}/b`: the same, and `%2F` too. Only for systems that match the path as it was sent: for one
///   that decodes first, `%2F` would be a slash and the path another path.
/// - `/a/*`: everything below `/a/`, but neither `/a` nor `/a/` nor anything with `%2F` or a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    segments: Box<[Segment]>,
    subtree: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Capture { encoded_slash: bool },
}

impl Pattern {
    /// Reads a pattern. An error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const TOO_WIDE: &str = "its first segment must be a name: `/*` and `/{x}` would open everything";
        let rest = text.strip_prefix('/').ok_or("it must start with a slash")?;
        if rest == "*" {
            return Err(TOO_WIDE);
        }
        let (rest, subtree) = match rest.strip_suffix("/*") {
            Some(above) => (above, true),
            None => (rest, false),
        };
        let mut segments = Vec::new();
        let mut parts = rest.split('/').peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none() && !subtree;
            segments.push(Segment::parse(part, last)?);
        }
        let pattern = Self { segments: segments.into(), subtree };
        match pattern.segments.first() {
            Some(Segment::Literal(_)) => Ok(pattern),
            _ => Err(TOO_WIDE),
        }
    }

    /// Whether it stands for one path only.
    pub(super) fn is_literal(&self) -> bool {
        !self.subtree && self.segments.iter().all(|segment| matches!(segment, Segment::Literal(_)))
    }

    /// Whether a canonical `path` matches.
    pub(super) fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix('/') else {
            return false;
        };
        let mut parts = rest.split('/');
        for segment in &self.segments {
            if !parts.next().is_some_and(|part| segment.matches(part)) {
                return false;
            }
        }
        if !self.subtree {
            return parts.next().is_none();
        }
        let mut below = false;
        for part in parts {
            if part.is_empty() || has_encoded_slash(part) {
                return false;
            }
            below = true;
        }
        below
    }

    /// Whether every path that matches `other` matches this one too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let mut others = other.segments.iter();
        for segment in &self.segments {
            if !others.next().is_some_and(|other| segment.covers(other)) {
                return false;
            }
        }
        let more = others.len() > 0 || other.subtree;
        if self.subtree { more && others.all(Segment::fits_subtree) } else { !more }
    }
}

impl Segment {
    fn parse(part: &str, last: bool) -> Result<Self, &'static str> {
        if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            let (name, encoded_slash) = match name.strip_suffix("%2F") {
                Some(name) => (name, true),
                None => (name, false),
            };
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            return if !name.is_empty() && name.bytes().all(valid) {
                Ok(Self::Capture { encoded_slash })
            } else {
                Err("a capture is written `{name}`, with letters, digits and `_` in between")
            };
        }
        match part {
            "" if !last => Err("it must not have empty segments"),
            "." | ".." => Err("it must not have dot segments"),
            _ if part.contains('*') => Err("`*` may only stand alone as the last segment"),
            _ if part.bytes().all(canonical::is_plain) => Ok(Self::Literal(part.into())),
            _ => Err("its names must not have escapes, braces or other characters that a path cannot hold"),
        }
    }

    fn matches(&self, part: &str) -> bool {
        match self {
            Self::Literal(name) => **name == *part,
            Self::Capture { encoded_slash } => {
                !part.is_empty() && (*encoded_slash || !has_encoded_slash(part))
            }
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(name), Self::Literal(other)) => name == other,
            (Self::Literal(_), Self::Capture { .. }) => false,
            (Self::Capture { .. }, Self::Literal(other)) => !other.is_empty(),
            (Self::Capture { encoded_slash }, Self::Capture { encoded_slash: other }) => {
                *encoded_slash || !*other
            }
        }
    }

    fn fits_subtree(&self) -> bool {
        match self {
            Self::Literal(name) => !name.is_empty(),
            Self::Capture { encoded_slash } => !*encoded_slash,
        }
    }
}

fn has_encoded_slash(part: &str) -> bool {
    part.split('%').skip(1).any(|rest| rest.starts_with("2F") || rest.starts_with("2f"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching() {
        let cases: &[(&str, &str, bool)] = &[
            ("/", "/", true),
            ("/", "/a", false),
            ("/a/b", "/a/b", true),
            ("/a/b", "/a/b/", false),
            ("/a/", "/a/", true),
            ("/a/", "/a", false),
            ("/a/{x}", "/a/b", true),
            ("/a/{x}", "/a/b%20c", true),
            ("/a/{x}", "/a/b%2Fc", false),
            ("/a/{x}", "/a/", false),
            ("/a/{x}", "/a", false),
            ("/a/{x}", "/a/b/c", false),
            ("/a/{x}/", "/a/b/", true),
            ("/a/{x}/", "/a/b", false),
            ("/a/{x%2F}", "/a/b%2Fc%2fd", true),
            ("/a/{x%2F}", "/a/b/c", false),
            ("/a/{x}/b/{y}", "/a/1/b/2", true),
            ("/a/{x}/b/{y}", "/a/1/c/2", false),
            ("/a/*", "/a", false),
            ("/a/*", "/a/", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c/d", true),
            ("/a/*", "/a/b/", false),
            ("/a/*", "/a/b%2Fc", false),
            ("/a/*", "/a/b%2fc", false),
            ("/a/*", "/ab/c", false),
            ("/a/{x}/*", "/a/b/c", true),
            ("/a/{x}/*", "/a/b", false),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(path), *expected, "{pattern} {path}");
        }
    }

    #[test]
    fn covering() {
        let cases: &[(&str, &str, bool)] = &[
            ("/a/b", "/a/b", true),
            ("/a/b", "/a/{x}", false),
            ("/a/{x}", "/a/b", true),
            ("/a/{x}", "/a/{y}", true),
            ("/a/{x}", "/a/{y%2F}", false),
            ("/a/{x%2F}", "/a/{y}", true),
            ("/a/{x}", "/a/", false),
            ("/a/{x}", "/a/*", false),
            ("/a/{x}", "/a/b/c", false),
            ("/a/*", "/a/{x}", true),
            ("/a/*", "/a/{x%2F}", false),
            ("/a/*", "/a/b/c", true),
            ("/a/*", "/a/b/", false),
            ("/a/*", "/a/*", true),
            ("/a/*", "/a/b/*", true),
            ("/a/b/*", "/a/*", false),
            ("/a/*", "/a", false),
            ("/a/*", "/a/", false),
            ("/a/*", "/b/c", false),
        ];
        for (pattern, other, expected) in cases {
            let parse = |text| Pattern::parse(text).unwrap();
            assert_eq!(parse(pattern).covers(&parse(other)), *expected, "{pattern} {other}");
        }
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        for text in [
            "",
            "a",
            "//",
            "/a//b",
            "/*",
            "/{x}",
            "/{x}/a",
            "/a*",
            "/a/*/b",
            "/a/**",
            "/a/{}",
            "/a/{x",
            "/a/x}",
            "/a/{x}y",
            "/a/{x%2f}",
            "/a/{x y}",
            "/a/./b",
            "/..",
            "/a%2Fb",
            "/a b",
            "/a;b",
            "/a?b",
            "/é",
            "/a/{%2F}",
            "http://a/b",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        assert!(Pattern::parse("/a").unwrap().is_literal());
        assert!(!Pattern::parse("/a/{x}").unwrap().is_literal());
        assert!(!Pattern::parse("/a/*").unwrap().is_literal());
    }
}
