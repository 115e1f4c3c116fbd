//! Users with passwords: HTTP basic authentication against keyed hashes.
//!
//! A hash is HMAC-SHA256 under a key from the environment, over the user's name and the password. It is
//! quick on purpose: a worker serves thousands of requests a second, and whoever steals the configuration
//! can try no password without the key. Use long random passwords.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hashbrown::HashMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use super::tenants::Tenants;
use super::{Environment, Evidence, Facts, Recognition, Why};
use crate::config::{BasicConfig, ConfigError, UserConfig};
use crate::report::Refusal;

const SCHEME: &str = "hmac-sha256:";
const MIN_KEY: usize = 16;
type Digest = [u8; 32];

/// See [`BasicConfig`].
pub(super) struct Basic {
    key: Hmac<Sha256>,
    users: HashMap<String, User>,
    /// The most passwords any user has: every attempt compares with as many, so that its time tells nothing.
    passwords: usize,
    realm: String,
}

struct User {
    passwords: Vec<Digest>,
    tenants: Option<Tenants>,
}

impl core::fmt::Debug for Basic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Basic").field("users", &self.users.len()).finish_non_exhaustive()
    }
}

/// The keyed hash of a password as it stands in the configuration, or why the key will not do.
pub fn password_hash(key: &[u8], username: &str, password: &[u8]) -> Result<String, &'static str> {
    let digest = digest(keyed(key)?, username.as_bytes(), password);
    Ok(format!("{SCHEME}{}", URL_SAFE_NO_PAD.encode(digest)))
}

fn keyed(key: &[u8]) -> Result<Hmac<Sha256>, &'static str> {
    if key.len() < MIN_KEY {
        return Err("the key must have at least 16 bytes");
    }
    Hmac::new_from_slice(key).map_err(|_| "the key cannot be used")
}

/// The name's length goes first, so that no two pairs of name and password read the same.
fn digest(mut mac: Hmac<Sha256>, username: &[u8], password: &[u8]) -> Digest {
    mac.update(b"scopegate basic 1\0");
    mac.update(&(username.len() as u64).to_be_bytes());
    mac.update(username);
    mac.update(password);
    mac.finalize().into_bytes().into()
}

impl Basic {
    pub(super) fn compile(
        config: &BasicConfig,
        path: &str,
        env: &Environment<'_>,
    ) -> Result<Self, ConfigError> {
        let key_path = format!("{path}.key.env");
        let secret = env(&config.key.env).ok_or_else(|| {
            let name = &config.key.env;
            ConfigError::new(
                &key_path,
                format!(
                    "the environment variable {name} is not set; pass it in vm_config.environment_variables"
                ),
            )
        })?;
        let key = keyed(&secret).map_err(|problem| ConfigError::new(&key_path, problem))?;
        let mut users = HashMap::new();
        for (position, user) in config.users.iter().enumerate() {
            let path = format!("{path}.users[{position}]");
            let name = user.username.0.clone();
            if name.is_empty() || name.contains(':') {
                return Err(ConfigError::new(
                    format!("{path}.username"),
                    "a user name is not empty and has no `:`",
                ));
            }
            if users.insert(name, User::compile(user, &path)?).is_some() {
                return Err(ConfigError::new(format!("{path}.username"), "this user is listed twice"));
            }
        }
        let passwords = users.values().map(|user| user.passwords.len()).max();
        let Some(passwords) = passwords else {
            return Err(ConfigError::new(format!("{path}.users"), "list at least one user"));
        };
        let realm = config.realm.as_ref().map_or("scopegate", |realm| &**realm);
        if realm.contains(|c: char| c.is_ascii_control() || matches!(c, '"' | '\\') || !c.is_ascii()) {
            return Err(ConfigError::new(
                format!("{path}.realm"),
                "a realm is printable ASCII without quotes",
            ));
        }
        Ok(Self { key, users, passwords, realm: realm.to_owned() })
    }

    pub(super) fn all_have_tenants(&self) -> bool {
        self.users.values().all(|user| user.tenants.is_some())
    }

    pub(super) fn challenge(&self) -> String {
        format!("Basic realm=\"{}\"", self.realm)
    }

    /// A request with basic credentials is this source's own as soon as the user is; an unknown user may be
    /// another entry's.
    pub(super) fn recognise<'a>(&'a self, evidence: &Evidence<'_>) -> Recognition<'a> {
        let Some(encoded) = evidence.authorization.and_then(basic_credentials) else {
            return Recognition::NotMine(Why::Words("no basic credentials"));
        };
        let decoded = STANDARD.decode(encoded.trim_ascii()).ok();
        let Some((username, password)) = decoded.as_deref().and_then(split_at_colon) else {
            return Recognition::Refused(Refusal::BadCredential { challenge: self.challenge() });
        };
        let listed = core::str::from_utf8(username).ok().and_then(|name| self.users.get_key_value(name));
        let user = listed.map(|(_, user)| user);
        // An unknown user costs the same as a known one.
        let given = digest(self.key.clone(), username, password);
        let mut matched = Choice::from(0);
        for position in 0..self.passwords {
            let expected = user.and_then(|user| user.passwords.get(position));
            let equal = expected.unwrap_or(&[0; 32]).ct_eq(&given);
            matched |= equal & Choice::from(u8::from(expected.is_some()));
        }
        match listed {
            None => Recognition::NotMine(Why::Words("another user")),
            Some((name, user)) if bool::from(matched) => {
                Recognition::Known(Facts::User { name, tenants: user.tenants.as_ref() })
            }
            Some(_) => Recognition::Refused(Refusal::BadCredential { challenge: self.challenge() }),
        }
    }
}

impl User {
    fn compile(config: &UserConfig, path: &str) -> Result<Self, ConfigError> {
        let mut passwords = Vec::new();
        for (position, hash) in config.password.0.iter().enumerate() {
            let decoded = hash.strip_prefix(SCHEME).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            let digest = decoded.and_then(|bytes| Digest::try_from(bytes).ok()).ok_or_else(|| {
                ConfigError::new(
                    format!("{path}.password[{position}]"),
                    "this is no keyed hash; make one with `scopegate hash`",
                )
            })?;
            passwords.push(digest);
        }
        if passwords.is_empty() {
            return Err(ConfigError::new(format!("{path}.password"), "give at least one keyed hash"));
        }
        let tenants =
            config.tenants.as_ref().map(|t| Tenants::compile(t, &format!("{path}.tenants"))).transpose()?;
        if tenants.as_ref().is_some_and(Tenants::needs_claims) {
            return Err(ConfigError::new(
                format!("{path}.tenants"),
                "users have no claims: name the tenants",
            ));
        }
        Ok(Self { passwords, tenants })
    }
}

/// What follows `Basic ` (in any case) in an `Authorization` header.
fn basic_credentials(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(6)?;
    scheme.eq_ignore_ascii_case(b"basic ").then_some(rest)
}

fn split_at_colon(credentials: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = credentials.iter().position(|byte| *byte == b':')?;
    let (username, rest) = credentials.split_at_checked(colon)?;
    Some((username, rest.split_first()?.1))
}
