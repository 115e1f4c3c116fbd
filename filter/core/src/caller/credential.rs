//! Users, tokens and keys as tables hold them: what a name, the hash of a token, or the ID of a key leads to.

use serde_json::Value as Json;

use super::hash::{self, Digest, MAX_SECRETS};
use crate::session::SessionKey;
use crate::table::Entry;
use crate::tenant::{TenantId, TenantSet};
use crate::wire::json_tree;

/// What a user name, the hash of a token or the ID of a key leads to.
///
/// As JSON: `{"password": ["HASH", …], "tenants": ["TENANT", …], "claims": {…}}`, each of them optional; `password` and
/// `tenants` may be a single text. A key is `{"secret": "BASE64", "agent": "AGENT", "tenants": ["TENANT", …]}`, of which
/// only `secret` must be there. Anything else makes the entry invalid, so that a slip of the pen never gives more.
#[derive(Clone)]
pub struct Credential {
    /// Hashes of its passwords.
    pub(super) passwords: Vec<Digest>,
    /// Its tenants, where it has its own.
    pub(super) tenants: Option<TenantSet>,
    /// What else is known of it; an object.
    pub(super) claims: Option<Json>,
    /// Where it is a key; then it is nothing else. Boxed, since most tables have none.
    pub(super) key: Option<Box<TabledKey>>,
    /// The entry as it came, for other workers.
    text: Box<str>,
}

/// A key of proofs.
#[derive(Clone)]
pub(super) struct TabledKey {
    pub(super) key: SessionKey,
    /// The one agent that may use it.
    pub(super) agent: Option<TenantId>,
}

impl PartialEq for Credential {
    /// All of it stands in the text.
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl core::fmt::Debug for Credential {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Credential").field("tenants", &self.tenants).finish_non_exhaustive()
    }
}

impl Entry for Credential {
    const KIND: &'static str = "credential";

    fn from_json(value: &Json) -> Option<Self> {
        let text = value.to_string().into();
        let mut credential = Self { passwords: Vec::new(), tenants: None, claims: None, key: None, text };
        let (mut secret, mut agent) = (None, None);
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
                "secret" => secret = Some(SessionKey::parse(value.as_str()?).ok()?),
                "agent" => agent = Some(TenantId::new(value.as_str()?).ok()?),
                _ => return None,
            }
        }
        let is_other = !credential.passwords.is_empty() || credential.claims.is_some();
        credential.key = match (secret, agent) {
            (Some(key), agent) if !is_other => Some(Box::new(TabledKey { key, agent })),
            (None, None) => None,
            _ => return None,
        };
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
    use proptest::prelude::*;
    use serde_json::json;

    const SECRET: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

    #[test]
    fn entries_are_whole_or_none() {
        let hash = hashed("u", b"p");
        let many: Vec<&str> = vec![&hash; 9];
        let cases = [
            (json!({"password": hash, "tenants": "a"}), true),
            (json!({"password": [hash, hash], "tenants": ["b", "a", "b"], "claims": {"team": "x"}}), true),
            (json!({"tenants": ["a"]}), true),
            (json!({}), true),
            (json!({"secret": SECRET}), true),
            (json!({"secret": SECRET, "agent": "a", "tenants": "b"}), true),
            (json!({"secret": [SECRET]}), false),
            (json!({"secret": "AAEC"}), false),
            (json!({"secret": SECRET, "agent": "a/b"}), false),
            (json!({"secret": SECRET, "agent": null}), false),
            (json!({"secret": SECRET, "password": hash}), false),
            (json!({"secret": SECRET, "claims": {}}), false),
            (json!({"agent": "a"}), false),
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
            assert!(!shown.contains("hmac") && !shown.contains(SECRET), "{shown}");
        }
        assert_eq!(Credential::decode(b"{"), None);
    }

    proptest! {
        /// Whatever a table gives: it is an entry that other workers read as the same, or none; and a key is nothing else.
        #[test]
        fn any_entry(
            names in prop::collection::vec(prop::sample::select(vec!["secret", "agent", "tenants", "password", "claims", "x"]), 0..4),
            values in prop::collection::vec(prop_oneof![
                Just(json!(SECRET)), Just(json!("a")), Just(json!(["a", "b"])), Just(json!({})), Just(json!(null)),
                ".{0,50}".prop_map(Json::from),
            ], 4),
        ) {
            let entry: serde_json::Map<_, _> = names.into_iter().map(str::to_owned).zip(values).collect();
            let Some(read) = Credential::from_json(&Json::Object(entry.clone())) else { return Ok(()) };
            prop_assert_eq!(read.key.is_some(), entry.contains_key("secret"));
            prop_assert!(read.key.is_none() || read.passwords.is_empty() && read.claims.is_none());
            let mut bytes = Vec::new();
            read.encode(&mut bytes);
            prop_assert_eq!(Credential::decode(&bytes), Some(read));
        }
    }
}
