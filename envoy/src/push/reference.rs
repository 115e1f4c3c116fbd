//! What an image is called: `registry/repository:tag`.

use std::fmt;

/// A reference whose registry is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Host and port.
    pub(crate) registry: String,
    /// The path of the repository.
    pub(crate) repository: String,
    /// The tag, where one is named.
    pub(crate) tag: Option<String>,
}

/// Why a text is no reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    Scheme,
    Registry,
    Repository,
    Tag,
    Digest,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "write it without a scheme: registry.example.org/scopegate:1.0.0",
            Self::Registry => "name the registry first: registry.example.org/scopegate:1.0.0",
            Self::Repository => {
                "the repository has lower case letters, digits, and `.`, `_`, `-` between them, in parts divided by `/`"
            }
            Self::Tag => "a tag has at most 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two",
            Self::Digest => "name a tag instead of a digest: which digest it gets is told after the push",
        })
    }
}

impl std::error::Error for Malformed {}

impl std::str::FromStr for Reference {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.contains("://") {
            return Err(Malformed::Scheme);
        }
        if text.contains('@') {
            return Err(Malformed::Digest);
        }
        let (registry, path) = text.split_once('/').ok_or(Malformed::Registry)?;
        // As every tool tells a host from the first part of a repository at Docker's.
        let is_host = registry == "localhost" || registry.contains(['.', ':']);
        if !is_host || !registry.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b)) {
            return Err(Malformed::Registry);
        }
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if repository.len() > 255 || !repository.split('/').all(is_component) {
            return Err(Malformed::Repository);
        }
        if !tag.is_none_or(is_tag) {
            return Err(Malformed::Tag);
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))
    }
}

/// A part of a repository's path, by the distribution specification.
fn is_component(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let between =
        text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).filter(|s| !s.is_empty());
    bytes.first().copied().is_some_and(word)
        && bytes.last().copied().is_some_and(word)
        && between.into_iter().all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

/// A tag, by the distribution specification.
pub(super) fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// By the expressions of the distribution specification.
        #[test]
        fn what_the_specification_has_is_read(
            parts in prop::collection::vec("[a-z0-9]{1,9}((\\.|_|__|-{1,3})[a-z0-9]{1,9}){0,2}", 1..5),
            tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}",
            other in "\\PC*",
        ) {
            let repository = parts.join("/");
            let text = format!("registry.example.org:5000/{repository}:{tag}");
            let read: Reference = text.parse()?;
            prop_assert_eq!((&read.repository, read.tag.as_ref()), (&repository, Some(&tag)));
            prop_assert_eq!(read.to_string(), text);
            let _ = other.parse::<Reference>();
        }
    }

    #[test]
    fn references_by_their_parts() {
        let cases: [(&str, Result<(&str, &str, Option<&str>), Malformed>); 21] = [
            (
                "registry.example.org/scopegate:1.0.0",
                Ok(("registry.example.org", "scopegate", Some("1.0.0"))),
            ),
            ("registry.example.org/scopegate", Ok(("registry.example.org", "scopegate", None))),
            ("localhost/a/b/c:v", Ok(("localhost", "a/b/c", Some("v")))),
            ("127.0.0.1:5000/a-b__c.d:_", Ok(("127.0.0.1:5000", "a-b__c.d", Some("_")))),
            ("[::1]:5000/a:1", Ok(("[::1]:5000", "a", Some("1")))),
            ("docker.io/library/a:1", Ok(("docker.io", "library/a", Some("1")))),
            ("scopegate:1.0.0", Err(Malformed::Registry)),
            ("team/scopegate:1.0.0", Err(Malformed::Registry)),
            ("", Err(Malformed::Registry)),
            ("user@host.example/a", Err(Malformed::Digest)),
            ("a.example?x/a", Err(Malformed::Registry)),
            ("https://registry.example.org/a:1", Err(Malformed::Scheme)),
            ("registry.example.org/", Err(Malformed::Repository)),
            ("registry.example.org/A:1", Err(Malformed::Repository)),
            ("registry.example.org/../v2/a:1", Err(Malformed::Repository)),
            ("registry.example.org/a//b:1", Err(Malformed::Repository)),
            ("registry.example.org/a..b:1", Err(Malformed::Repository)),
            ("registry.example.org/a_-b:1", Err(Malformed::Repository)),
            ("registry.example.org/a:", Err(Malformed::Tag)),
            ("registry.example.org/a:b/c", Err(Malformed::Tag)),
            ("registry.example.org/a@sha256:0", Err(Malformed::Digest)),
        ];
        for (text, expected) in cases {
            let read = text.parse::<Reference>();
            if read.is_ok() {
                assert_eq!(read.as_ref().map(ToString::to_string).as_deref(), Ok(text));
            }
            let expected = expected.map(|(registry, repository, tag)| Reference {
                registry: registry.to_owned(),
                repository: repository.to_owned(),
                tag: tag.map(str::to_owned),
            });
            assert_eq!(read, expected, "{text}");
        }
    }
}
