//! Keyed hashes of secrets: what stands in a configuration or a table in place of passwords and tokens.
//!
//! A hash is HMAC-SHA256 under a key from the environment. It is quick on purpose: a worker serves thousands of
//! requests a second, and one that is kept busy by slow hashes serves nobody. Whoever steals the hashes can try
//! nothing without the key. Use long random secrets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use super::Environment;
use crate::config::{ConfigError, EnvKey};

const SCHEME: &str = "hmac-sha256:";
/// The shortest key, and the shortest shared secret, in bytes.
pub(super) const MIN_SECRET: usize = 16;
/// The most passwords of one user. Every attempt is compared with so many, so that its time tells nothing.
pub(super) const MAX_SECRETS: usize = 8;

/// A keyed hash.
pub(super) type Digest = [u8; 32];

/// The key of hashes.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

/// The keyed hash of a password as it stands in a configuration or a table, or why the key will not do.
pub fn password_hash(key: &[u8], username: &str, password: &[u8]) -> Result<String, &'static str> {
    Ok(written(&Key::new(key)?.password(username.as_bytes(), password)))
}

/// The same of a bearer token.
pub fn token_hash(key: &[u8], token: &[u8]) -> Result<String, &'static str> {
    Ok(written(&Key::new(key)?.token(token)))
}

/// A hash as it is written.
pub(super) fn written(digest: &Digest) -> String {
    let mut text = String::from(SCHEME);
    URL_SAFE_NO_PAD.encode_string(digest, &mut text);
    text
}

/// Reads what [`written`] wrote.
pub(super) fn read(text: &str) -> Option<Digest> {
    URL_SAFE_NO_PAD.decode(text.strip_prefix(SCHEME)?).ok()?.try_into().ok()
}

/// Reads the hashes that stand at `path`.
pub(super) fn read_all(texts: &[crate::config::Text], path: &str) -> Result<Vec<Digest>, ConfigError> {
    if texts.is_empty() {
        return Err(ConfigError::new(path, "give at least one keyed hash"));
    }
    if texts.len() > MAX_SECRETS {
        return Err(ConfigError::new(path, "give at most 8 keyed hashes"));
    }
    let digest = |(position, text): (usize, &crate::config::Text)| {
        read(text).ok_or_else(|| {
            let problem = "this is no keyed hash; make one with `scopegate hash`";
            ConfigError::new(format!("{path}[{position}]"), problem)
        })
    };
    texts.iter().enumerate().map(digest).collect()
}

/// Whether `given` is one of `expected`. It takes the same time whatever they are.
pub(super) fn is_one_of(given: &Digest, expected: &[Digest]) -> bool {
    let mut matched = Choice::from(0);
    for position in 0..MAX_SECRETS {
        #[cfg(test)]
        super::testing::worked("compare");
        let expected = expected.get(position);
        let equal = words(expected.unwrap_or(&[0; 32])).ct_eq(&words(given));
        matched |= equal & Choice::from(u8::from(expected.is_some()));
    }
    matched.into()
}

/// A hash as words, since `subtle` compares a slice one item at a time.
fn words(digest: &Digest) -> [u64; 4] {
    let (words, _) = digest.as_chunks();
    let mut all = [0; 4];
    for (word, bytes) in all.iter_mut().zip(words) {
        *word = u64::from_le_bytes(*bytes);
    }
    all
}

/// A secret from the environment. `path` is where its variable is named.
pub(super) fn secret(name: &str, path: &str, env: &Environment<'_>) -> Result<Vec<u8>, ConfigError> {
    let secret = env(name).ok_or_else(|| {
        let problem =
            format!("the environment variable {name} is not set; pass it in vm_config.environment_variables");
        ConfigError::new(path, problem)
    })?;
    if secret.len() < MIN_SECRET {
        return Err(ConfigError::new(path, TOO_SHORT));
    }
    Ok(secret)
}

const TOO_SHORT: &str = "the key must have at least 16 bytes";

impl Key {
    fn new(key: &[u8]) -> Result<Self, &'static str> {
        if key.len() < MIN_SECRET {
            return Err(TOO_SHORT);
        }
        Hmac::new_from_slice(key).map(Self).map_err(|_| "the key cannot be used")
    }

    /// The key that the environment holds. `path` is where it is named.
    pub(super) fn compile(config: &EnvKey, path: &str, env: &Environment<'_>) -> Result<Self, ConfigError> {
        let path = format!("{path}.env");
        let secret = secret(&config.env, &path, env)?;
        Self::new(&secret).map_err(|problem| ConfigError::new(path, problem))
    }

    /// The name's length goes first, so that no two pairs of name and password read the same.
    pub(super) fn password(&self, username: &[u8], password: &[u8]) -> Digest {
        let length = (username.len() as u64).to_be_bytes();
        self.digest(&[b"scopegate basic 1\0", &length, username, password])
    }

    pub(super) fn token(&self, token: &[u8]) -> Digest {
        self.digest(&[b"scopegate bearer 1\0", token])
    }

    /// Secrets of any length become as long as each other before they are compared.
    pub(super) fn shared(&self, secret: &[u8]) -> Digest {
        self.digest(&[b"scopegate shared 1\0", secret])
    }

    /// A key for comparisons within one request only.
    pub(super) fn of_secret(secret: &[u8]) -> Result<Self, &'static str> {
        Self::new(secret)
    }

    fn digest(&self, parts: &[&[u8]]) -> Digest {
        #[cfg(test)]
        super::testing::worked("hash");
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef";

    #[test]
    fn hashes_are_read_as_they_are_written_and_kinds_are_apart() {
        let hash = token_hash(KEY, b"u").unwrap();
        assert_eq!(read(&hash).map(|digest| written(&digest)), Some(hash.clone()));
        assert_ne!(hash, password_hash(KEY, "", b"u").unwrap());
        assert_ne!(password_hash(KEY, "ab", b"c").unwrap(), password_hash(KEY, "a", b"bc").unwrap());
        assert_eq!(token_hash(b"short", b"u"), Err(TOO_SHORT));
        for wrong in ["", "hmac-sha256:", "hmac-sha256:AAAA", "sha256:x", hash.trim_end_matches(|_| true)] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn one_of_several_is_enough_and_none_is_not() {
        let (a, b, zero) = ([1; 32], [2; 32], [0; 32]);
        assert!(is_one_of(&a, &[a]) && is_one_of(&a, &[b, a]) && is_one_of(&zero, &[zero]));
        assert!(
            !is_one_of(&a, &[b]) && !is_one_of(&a, &[]) && !is_one_of(&zero, &[a]) && !is_one_of(&zero, &[])
        );
        assert!(is_one_of(&a, &[b, b, b, b, b, b, b, a]));
    }
}
