//! Opaque tokens, known by their keyed hashes.
//!
//! A token is looked up by its hash. What a look-up may tell by its time is about a hash under a key that nobody outside
//! knows, and so nothing about the token.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hashbrown::HashMap;

use super::hash::{self, Digest, Key};
use super::tenants::{Tenants, listed_tenants};
use super::{Environment, Evidence, Facts, Recognition, Tabled, Unproven, Why};
use crate::config::{BearerConfig, ConfigError};
use crate::table::{Lookup, TableRules};

/// See [`BearerConfig`].
pub(super) struct Bearer {
    key: Key,
    tokens: HashMap<Digest, Option<std::rc::Rc<Tenants>>>,
    table: Option<usize>,
}

impl core::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Bearer").field("tokens", &self.tokens.len()).finish_non_exhaustive()
    }
}

impl Bearer {
    pub(super) fn compile(
        config: &BearerConfig,
        path: &str,
        env: &Environment<'_>,
        tabled: Tabled<'_>,
    ) -> Result<Self, ConfigError> {
        let key = Key::compile(&config.key, &format!("{path}.key"), env)?;
        let mut tokens = HashMap::new();
        for (position, token) in config.tokens.iter().enumerate() {
            let path = format!("{path}.tokens[{position}]");
            let tenants = listed_tenants(token.tenants.as_ref(), &path, tabled)?.map(std::rc::Rc::new);
            for digest in hash::read_all(&token.token.0, &format!("{path}.token"))? {
                if tokens.insert(digest, tenants.clone()).is_some() {
                    return Err(ConfigError::new(format!("{path}.token"), "this token is listed twice"));
                }
            }
        }
        if tokens.is_empty() && config.table.is_none() {
            return Err(ConfigError::new(
                format!("{path}.tokens"),
                "list at least one token, or name a `table`",
            ));
        }
        let table = config.table.as_ref();
        let table =
            table.map(|name| TableRules::position(tabled.credentials, name, &format!("{path}.table")));
        Ok(Self { key, tokens, table: table.transpose()? })
    }

    /// Whether nobody needs the tenants of the caller's entry.
    pub(super) fn all_have_tenants(&self) -> bool {
        self.tokens.values().all(Option::is_some)
    }

    /// Whether the holders may have claims.
    pub(super) fn has_claims(&self) -> bool {
        self.table.is_some()
    }

    /// An unknown token may be another entry's.
    pub(super) fn recognise<'a>(
        &'a self,
        evidence: &Evidence<'_>,
        lookup: &mut Lookup<'_>,
    ) -> Recognition<'a> {
        let Some(token) = evidence.bearer() else {
            return Recognition::NotMine(Why::Words("no bearer token"));
        };
        let digest = self.key.token(token);
        // Whoever lists the hash of a JWT by accident does not make it good for ever.
        if token.is_empty() || looks_like_jwt(token) {
            return Recognition::Unproven(Unproven::Token);
        }
        if let Some(tenants) = self.tokens.get(&digest) {
            return Recognition::Known(Facts::listed(tenants.as_deref()));
        }
        let Some(at) = self.table else { return Recognition::Unproven(Unproven::Token) };
        match lookup.credentials(at) {
            Err(not_loaded) => Recognition::Refused(not_loaded.into()),
            // A key of sessions is no token.
            Ok(table) => match table.get(hash::written(&digest).as_bytes()).filter(|it| it.key.is_none()) {
                Some(credential) => Recognition::Known(Facts::of_credential(credential)),
                None => Recognition::Unproven(Unproven::Token),
            },
        }
    }
}

/// Whether a token is of the form of a JWT (RFC 7519), signed or encrypted, whoever verified it: parts between dots, of
/// which the first is an object.
fn looks_like_jwt(token: &[u8]) -> bool {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let mut parts = token.split(|byte| *byte == b'.');
    let Some(head) = parts.next() else { return false };
    parts.next().is_some() && LENIENT.decode(head).is_ok_and(|head| head.trim_ascii_start().starts_with(b"{"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

    #[test]
    fn what_looks_like_a_jwt() {
        let jws = |head: &str| format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(head));
        for token in [
            jws(r#"{"alg":"ES256"}"#),
            jws(" \n{\"alg\": \"none\"}"),
            jws("{"),
            format!("{}.e30.", URL_SAFE.encode(r#"{"alg":"none"}"#)),
            format!("{}....", URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A256GCM"}"#)),
            format!("{}.e30", URL_SAFE_NO_PAD.encode("{}")),
        ] {
            assert!(looks_like_jwt(token.as_bytes()), "{token}");
        }
        for token in ["", "opaque", "a.b.c", "e30", "{}.x", "glpat-abc.def", "AAAA.BBBB.CCCC"] {
            assert!(!looks_like_jwt(token.as_bytes()), "{token}");
        }
    }
}
