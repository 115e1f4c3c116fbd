//! Users and tokens as tables hold them: what a name, or the hash of a token, leads to.

use serde_json::Value as Json;

use super::hash::{self, Digest, MAX_SECRETS};
use crate::table::Entry;
use crate::tenant::{TenantId, TenantSet};
use crate::wire::json_tree;

/// What a user name or the hash of a token leads to.
///
/// As JSON: `{"password": ["HASH", …], "tenants": ["TENANT", …], "claims": {…}}`, each of them optional; `password` and
/// `tenants` may be a single text. Anything else makes the entry invalid, so that a slip of the pen never gives more.
#[derive(Clone, PartialEq)]
pub struct Credential {
    /// Hashes of its passwords.
    pub(super) passwords: Vec<Digest>,
    /// Its tenants, where it has its own.
    pub(super) tenants: Option<TenantSet>,
    /// What else is known of it; an object.
    pub(super) claims: Option<Json>,
    /// The entry as it came, for other workers.
    text: Box<str>,
}

impl core::fmt::Debug for Credential {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Credential").field("tenants", &self.tenants).finish_non_exhaustive()
    }
}

impl Entry for Credential {
    const KIND: &'static str = "credential";

    fn from_json(value: &Json) -> Option<Self> {
        let mut credential =
            Self { passwords: Vec::new(), tenants: None, claims: None, text: value.to_string().into() };
        for (field, value) in value.as_object()? {
            match field.as_str() {
                "password" => {
                    credential.passwords =
                        texts(value)?.into_iter().map(hash::read).collect::<Option<_>>()?;
                }
                "tenants" => {
                    let tenant = |text| TenantId::new(text).ok().filter(|tenant| !tenant.is_fake());
                    credential.tenants = Some(texts(value)?.into_iter().map(tenant).collect::<Option<_>>()?);
                }
                "claims" => credential.claims = Some(value.clone()).filter(Json::is_object).map(Some)?,
                _ => return None,
            }
        }
        (credential.passwords.len() <= MAX_SECRETS).then_some(credential)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::from_json(&json_tree(bytes).ok()?)
    }
}

/// One text, or a list of texts.
fn texts(value: &Json) -> Option<Vec<&str>> {
    match value {
        Json::String(text) => Some(vec![text]),
        Json::Array(list) => list.iter().map(Json::as_str).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::hashed;
    use super::*;
    use serde_json::json;

    #[test]
    fn entries_are_whole_or_none() {
        let hash = hashed("u", b"p");
        let many: Vec<&str> = vec![&hash; 9];
        let cases = [
            (json!({"password": hash, "tenants": "a"}), true),
            (json!({"password": [hash, hash], "tenants": ["b", "a", "b"], "claims": {"team": "x"}}), true),
            (json!({"tenants": ["a"]}), true),
            (json!({}), true),
            (json!({"password": many}), false),
            (json!({"password": "plain"}), false),
            (json!({"password": [7]}), false),
            (json!({"tenants": ["a/b"]}), false),
            (json!({"tenants": ["fake"]}), false),
            (json!({"tenants": null}), false),
            (json!({"claims": "x"}), false),
            (json!({"passwords": [hash]}), false),
            (json!("a"), false),
            (json!(null), false),
        ];
        for (value, expected) in cases {
            let read = Credential::from_json(&value);
            assert_eq!(read.is_some(), expected, "{value}");
            let Some(read) = read else { continue };
            let mut bytes = Vec::new();
            read.encode(&mut bytes);
            assert_eq!(Credential::decode(&bytes), Some(read.clone()), "{value}");
            let shown = format!("{read:?}");
            assert!(!shown.contains("hmac"), "{shown}");
        }
        assert_eq!(Credential::decode(b"{"), None);
    }
}
