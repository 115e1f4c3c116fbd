//! The keys of proofs: a few at a time, so that a new one can be handed out before the old one goes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;

use crate::caller::Environment;
use crate::config::ConfigError;

/// Fewer bytes could be guessed.
const MIN_SECRET: usize = 32;
/// One that goes, one that comes, and room for a mistake.
const MAX_KEYS: usize = 8;

/// The key of a proof. Never shown.
#[derive(Clone)]
pub struct SessionKey(Hmac<Sha256>);

/// What a proof is checked with: the key that its ID leads to, or another one in its place, so that an unknown ID takes the
/// same time as a wrong MAC.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    pub(super) key: &'a SessionKey,
    pub(super) is_known: bool,
}

/// Keys by their IDs. Never shown.
pub struct KeyRing {
    keys: Vec<(String, SessionKey)>,
    /// Checks in the place of a key that nobody knows.
    nobody: Box<SessionKey>,
}

impl core::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SessionKey").finish_non_exhaustive()
    }
}

impl SessionKey {
    /// Reads a secret: base64 of 32 bytes or more, with or without padding.
    ///
    /// # Errors
    /// What is wrong, without showing any of it.
    pub fn parse(secret: &str) -> Result<Self, &'static str> {
        let plain = secret.trim_end_matches('=');
        let secret = STANDARD_NO_PAD.decode(plain).or_else(|_| URL_SAFE_NO_PAD.decode(plain));
        let secret = secret.map_err(|_| "the secret of a key is no base64")?;
        if secret.len() < MIN_SECRET {
            return Err("the secret of a key has fewer than 32 bytes");
        }
        Self::new(&secret)
    }

    fn new(secret: &[u8]) -> Result<Self, &'static str> {
        Hmac::new_from_slice(secret).map(Self).map_err(|_| "a key cannot be used")
    }

    /// A MAC under this key, of nothing yet.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        self.0.clone()
    }
}

impl<'a> Found<'a> {
    /// The key with the ID that was asked for.
    pub fn known(key: &'a SessionKey) -> Self {
        Self { key, is_known: true }
    }

    /// Whether it is that.
    pub fn is_known(&self) -> bool {
        self.is_known
    }
}

impl core::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KeyRing").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// Reads `ID:SECRET` pairs, separated by commas or white space; a secret is base64 of 32 bytes or more, an ID is
    /// made of 1 to 64 of `A-Z a-z 0-9 - _ .`. The first signs, and all of them verify.
    ///
    /// # Errors
    /// What is wrong, without showing any of it.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let text = core::str::from_utf8(text).map_err(|_| "keys are text")?;
        let mut keys: Vec<(String, SessionKey)> = Vec::new();
        let separates = |c: char| c == ',' || c.is_ascii_whitespace();
        for pair in text.split(separates).filter(|pair| !pair.is_empty()) {
            let (id, secret) = pair.split_once(':').ok_or("a key is written as ID:SECRET")?;
            if !is_name(id) {
                return Err("the ID of a key is made of 1 to 64 of the characters A-Z a-z 0-9 - _ .");
            }
            if keys.iter().any(|(known, _)| known == id) {
                return Err("a key ID stands twice");
            }
            if keys.len() == MAX_KEYS {
                return Err("there are more than 8 keys");
            }
            keys.push((id.to_owned(), SessionKey::parse(secret)?));
        }
        if keys.is_empty() { Err("there is no key") } else { Ok(Self { keys, ..Self::empty()? }) }
    }

    /// No key: whatever is looked up is unknown.
    ///
    /// # Errors
    /// Where the MAC takes no key.
    pub fn empty() -> Result<Self, &'static str> {
        Ok(Self { keys: Vec::new(), nobody: Box::new(SessionKey::new(&[0; MIN_SECRET])?) })
    }

    /// The key that signs, with its ID.
    pub(super) fn first(&self) -> Option<(&str, &SessionKey)> {
        self.keys.first().map(|(id, key)| (id.as_str(), key))
    }

    /// The key with this ID.
    pub fn find(&self, id: &str) -> Found<'_> {
        let known = self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| Found::known(key));
        known.unwrap_or(Found { key: &self.nobody, is_known: false })
    }
}

/// The keys in an environment variable; `path` is where it is named.
///
/// # Errors
/// Where the variable is not set, or holds no keys.
pub fn keys_from(name: &str, path: &str, env: &Environment<'_>) -> Result<KeyRing, ConfigError> {
    let text = env(name).ok_or_else(|| {
        ConfigError::new(
            path,
            format!("the environment variable {name} is not set; pass it in vm_config.environment_variables"),
        )
    })?;
    KeyRing::parse(&text).map_err(|problem| ConfigError::new(path, problem))
}

/// Names in proofs stand in a header, and in what is signed.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_errors_show_none_of_them() {
        let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let good = [
            format!("a:{secret}"),
            format!("a:{secret}=, b:{secret}"),
            format!("\na:{secret}\nb.2:{}\n", secret.replace('A', "_")),
        ];
        for text in good {
            let ring = KeyRing::parse(text.as_bytes()).expect(&text);
            assert_eq!(ring.first().unwrap().0, "a");
            assert!(!format!("{ring:?}").contains("Aw"));
        }
        let bad = [
            (String::new(), "there is no key"),
            (secret.to_owned(), "a key is written as ID:SECRET"),
            (format!(":{secret}"), "the ID of a key"),
            (format!("a b:{secret}"), "a key is written as"),
            (format!("a:{secret},a:{secret}"), "a key ID stands twice"),
            ("a:AAEC".to_owned(), "the secret of a key has fewer than 32 bytes"),
            (format!("a:{secret}!"), "the secret of a key is no base64"),
            (
                (0..9).map(|n| format!("{n}:{secret}")).collect::<Vec<_>>().join(","),
                "there are more than 8 keys",
            ),
        ];
        for (text, expected) in bad {
            let error = KeyRing::parse(text.as_bytes()).expect_err(expected);
            assert!(error.starts_with(expected), "{error}");
        }
        assert_eq!(KeyRing::parse(b"\xff").map(|_| ()), Err("keys are text"));
    }
}
