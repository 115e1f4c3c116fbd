//! One tenant's ID, as Cortex, Mimir, Loki and Tempo define it.

use core::fmt;
use std::rc::Rc;

/// The longest ID the backends take, in bytes.
pub const MAX_LEN: usize = 150;

/// A valid tenant ID: 1 to 150 characters out of `A-Z a-z 0-9 ! - _ . * ' ( )`, none of the names that
/// mean something else to a backend's storage. Cheap to clone.
///
/// Specification: <https://cortexmetrics.io/docs/guides/limitations/#tenant-id-naming>.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Rc<str>);

/// Why a text is no tenant ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidTenant {
    /// It has no character. Cortex would accept it in places.
    Empty,
    /// It is longer than 150 bytes.
    TooLong,
    /// It has a character outside the set.
    Character,
    /// `.`, `..`, `__markers__`, `user-index.json.gz`: names the storage uses itself.
    Reserved,
}

impl TenantId {
    /// Checks `text` and makes it an ID.
    pub fn new(text: &str) -> Result<Self, InvalidTenant> {
        check(text.as_bytes()).map(|()| Self(text.into()))
    }

    /// The same for bytes that came off the wire.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidTenant> {
        check(bytes)?;
        core::str::from_utf8(bytes).map(|text| Self(text.into())).map_err(|_| InvalidTenant::Character)
    }

    /// Whether it is `fake`: what the backends call the data of an installation without tenants. Only a
    /// configuration that spells it out may lead there.
    pub fn is_fake(&self) -> bool {
        &*self.0 == "fake"
    }

    /// The ID as it goes into `X-Scope-OrgID`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(text: &[u8]) -> Result<(), InvalidTenant> {
    if text.is_empty() {
        return Err(InvalidTenant::Empty);
    }
    if text.len() > MAX_LEN {
        return Err(InvalidTenant::TooLong);
    }
    if matches!(text, b"." | b".." | b"__markers__" | b"user-index.json.gz") {
        return Err(InvalidTenant::Reserved);
    }
    if text.iter().all(|byte| is_tenant_character(*byte)) { Ok(()) } else { Err(InvalidTenant::Character) }
}

/// Whether tenant IDs may hold this character.
pub(crate) fn is_tenant_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!-_.*'()".contains(&byte)
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InvalidTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a tenant ID must not be empty",
            Self::TooLong => "a tenant ID has at most 150 bytes",
            Self::Character => "a tenant ID is made of A-Z a-z 0-9 ! - _ . * ' ( )",
            Self::Reserved => "this name is reserved by the backends' storage",
        })
    }
}

impl core::error::Error for InvalidTenant {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let long = "a".repeat(150);
        let longer = "a".repeat(151);
        let cases: &[(&str, Result<(), InvalidTenant>)] = &[
            ("team-a", Ok(())),
            ("A!-_.*'()9", Ok(())),
            ("...", Ok(())),
            (&long, Ok(())),
            (&longer, Err(InvalidTenant::TooLong)),
            ("", Err(InvalidTenant::Empty)),
            ("a|b", Err(InvalidTenant::Character)),
            ("a/b", Err(InvalidTenant::Character)),
            ("a b", Err(InvalidTenant::Character)),
            ("a\n", Err(InvalidTenant::Character)),
            ("ä", Err(InvalidTenant::Character)),
            (".", Err(InvalidTenant::Reserved)),
            ("..", Err(InvalidTenant::Reserved)),
            ("__markers__", Err(InvalidTenant::Reserved)),
            ("user-index.json.gz", Err(InvalidTenant::Reserved)),
        ];
        for (text, expected) in cases {
            assert_eq!(TenantId::new(text).map(|_| ()), *expected, "{text}");
            assert_eq!(TenantId::from_bytes(text.as_bytes()).map(|_| ()), *expected, "{text}");
        }
        assert_eq!(TenantId::from_bytes(b"\xff"), Err(InvalidTenant::Character));
    }
}
