//! Users with passwords: HTTP basic authentication against keyed hashes (see `hash`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hashbrown::HashMap;

use super::hash::{self, Digest, Key, is_one_of};
use super::tenants::{Tenants, listed_tenants};
use super::{Environment, Evidence, Facts, Recognition, Tabled, Why};
use crate::config::{BasicConfig, ConfigError, UserConfig};
use crate::report::Refusal;
use crate::table::{Lookup, TableRules};

/// See [`BasicConfig`].
pub(super) struct Basic {
    key: Key,
    users: HashMap<String, User>,
    table: Option<usize>,
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

impl Basic {
    pub(super) fn compile(
        config: &BasicConfig,
        path: &str,
        env: &Environment<'_>,
        tabled: Tabled<'_>,
    ) -> Result<Self, ConfigError> {
        let key = Key::compile(&config.key, &format!("{path}.key"), env)?;
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
            if users.insert(name, User::compile(user, &path, tabled)?).is_some() {
                return Err(ConfigError::new(format!("{path}.username"), "this user is listed twice"));
            }
        }
        if users.is_empty() && config.table.is_none() {
            return Err(ConfigError::new(
                format!("{path}.users"),
                "list at least one user, or name a `table`",
            ));
        }
        let table = config.table.as_ref();
        let table =
            table.map(|name| TableRules::position(tabled.credentials, name, &format!("{path}.table")));
        let table = table.transpose()?;
        let realm = config.realm.as_ref().map_or("scopegate", |realm| &**realm);
        if realm.contains(|c: char| c.is_ascii_control() || matches!(c, '"' | '\\') || !c.is_ascii()) {
            return Err(ConfigError::new(
                format!("{path}.realm"),
                "a realm is printable ASCII without quotes",
            ));
        }
        Ok(Self { key, users, table, realm: realm.to_owned() })
    }

    /// Whether nobody needs the tenants of the caller's entry.
    pub(super) fn all_have_tenants(&self) -> bool {
        self.users.values().all(|user| user.tenants.is_some())
    }

    /// Whether users may have claims.
    pub(super) fn has_claims(&self) -> bool {
        self.table.is_some()
    }

    pub(super) fn challenge(&self) -> String {
        format!("Basic realm=\"{}\"", self.realm)
    }

    /// A request with basic credentials is this source's own as soon as the user is; an unknown user may be
    /// another entry's.
    pub(super) fn recognise<'a>(
        &'a self,
        evidence: &Evidence<'_>,
        lookup: &mut Lookup<'_>,
    ) -> Recognition<'a> {
        let Some(encoded) = evidence.authorization.and_then(basic_credentials) else {
            return Recognition::NotMine(Why::Words("no basic credentials"));
        };
        let refused = || Recognition::Refused(Refusal::BadCredential { challenge: self.challenge() });
        let decoded = STANDARD.decode(encoded.trim_ascii()).ok();
        let Some((username, password)) = decoded.as_deref().and_then(split_at_colon) else {
            return refused();
        };
        // An unknown user costs the same as a known one.
        let given = self.key.password(username, password);
        let listed = core::str::from_utf8(username).ok().and_then(|name| self.users.get(name));
        let table = match (listed, self.table) {
            (None, Some(at)) => match lookup.credentials(at) {
                Ok(table) => Some(table),
                Err(not_loaded) => return Recognition::Refused(not_loaded.into()),
            },
            _ => None,
        };
        let entry = table.as_ref().and_then(|table| table.get(username));
        let expected = match (listed, entry) {
            (Some(user), _) => user.passwords.as_slice(),
            (None, Some(entry)) => entry.passwords.as_slice(),
            (None, None) => &[],
        };
        match (is_one_of(&given, expected), listed, entry) {
            (_, None, None) => Recognition::NotMine(Why::Words("another user")),
            (true, Some(user), _) => {
                Recognition::Known(Facts::listed(user.tenants.as_ref()).called(username))
            }
            (true, None, Some(entry)) => Recognition::Known(Facts::of_credential(entry).called(username)),
            (false, _, _) => refused(),
        }
    }
}

impl User {
    fn compile(config: &UserConfig, path: &str, tabled: Tabled<'_>) -> Result<Self, ConfigError> {
        let passwords = hash::read_all(&config.password.0, &format!("{path}.password"))?;
        let tenants = listed_tenants(config.tenants.as_ref(), path, tabled)?;
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
