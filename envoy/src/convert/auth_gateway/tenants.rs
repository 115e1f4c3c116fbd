//! Its tenants: users with passwords.

use scopegate_core::caller::password_hash;
use scopegate_core::tenant::TenantId;

use super::read::Map;
use crate::convert::Secret;
use crate::document::{Data, Node};
use crate::gateway::Problem;
use crate::yaml::{Fields, Yaml};

const FIELDS: [&str; 5] = ["authentication", "username", "password", "id", "passthrough"];
/// Shorter ones can be tried by whoever has the hashes and their key.
const SHORT: usize = 16;
/// So many passwords one user may have.
const MAX_PASSWORDS: usize = 8;

/// What the tenants become.
pub(super) struct Tenants {
    pub(super) users: Vec<Fields>,
    /// What must not be shown.
    pub(super) secrets: Vec<Secret>,
}

/// One user.
struct User {
    name: String,
    hashes: Vec<String>,
    tenants: Vec<String>,
}

/// The users.
pub(super) fn tenants(
    node: Option<&Node>,
    key_env: &str,
    key: Option<&[u8]>,
    problems: &mut Vec<Problem>,
) -> Tenants {
    let items = node.map_or(&[][..], Node::items);
    let mut users: Vec<User> = Vec::new();
    let (mut secrets, mut short) = (Vec::new(), 0);
    if node.is_some_and(|node| !matches!(node.data, Data::List(_))) {
        problems.push(Problem::error("tenants", "expected a list"));
    } else if items.is_empty() {
        problems.push(Problem::error("tenants", "there are no tenants: nobody could log in"));
    }
    if key.is_none() {
        problems.push(
            Problem::error(
                "tenants",
                format!("the passwords are hashed with a key, and {key_env} is not set"),
            )
            .help(format!("export {key_env}=$(openssl rand -hex 32), and give Envoy the same")),
        );
    }
    for (position, item) in items.iter().enumerate() {
        let path = format!("tenants[{position}]");
        let map = Map::new(item, &path, &FIELDS, problems);
        let password = map.text("password", problems);
        secrets.extend(map.get("password").map(Secret::of));
        let Some(name) = user_name(&map, problems) else { continue };
        let Some(password) = password else {
            problems.push(Problem::error(map.path("password"), format!("`{name}` has no password")));
            continue;
        };
        let Some(tenants) = tenants_of(&map, &name, problems) else { continue };
        if password.len() < SHORT {
            short += 1;
        }
        let hash = match key.map(|key| password_hash(key, &name, password.as_bytes())) {
            None => continue,
            Some(Ok(hash)) => hash,
            Some(Err(problem)) => {
                let problem = Problem::error("tenants", format!("{key_env}: {problem}"));
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
                continue;
            }
        };
        match users.iter_mut().find(|user| user.name == name) {
            None => users.push(User { name, hashes: vec![hash], tenants }),
            Some(user) if user.tenants == tenants => {
                if !user.hashes.contains(&hash) {
                    user.hashes.push(hash);
                }
                if user.hashes.len() > MAX_PASSWORDS {
                    let message = format!("`{name}` has more than {MAX_PASSWORDS} passwords");
                    problems.push(Problem::error(map.path("username"), message));
                }
            }
            Some(_) => problems.push(
                Problem::error(
                    map.path("username"),
                    format!("`{name}` is here a second time, for another tenant: the password alone told them apart"),
                )
                .help("give each a name of its own"),
            ),
        }
    }
    if short > 0 {
        let message = match short {
            1 => "a password is".to_owned(),
            several => format!("{several} passwords are"),
        };
        problems.push(
            Problem::warning("tenants", format!("{message} shorter than {SHORT} bytes"))
                .help("the hash is quick, so replace what people made up: openssl rand -hex 20"),
        );
    }
    Tenants { users: users.into_iter().map(user).collect(), secrets }
}

fn user(user: User) -> Fields {
    let texts = |list: Vec<String>| Yaml::List(list.into_iter().map(Yaml::from).collect());
    Fields::new()
        .with("username", user.name)
        .with("password", texts(user.hashes))
        .with("tenants", texts(user.tenants))
}

/// The name of a user that could log in.
fn user_name(map: &Map<'_>, problems: &mut Vec<Problem>) -> Option<String> {
    let authentication = map.text("authentication", problems).unwrap_or_default();
    let name = map.text("username", problems).unwrap_or_default();
    if authentication != "basic" {
        problems.push(
            Problem::warning(
                map.path("authentication"),
                format!("left out: `{name}` could not log in, since only `basic` did anything"),
            )
            .help("write `authentication: basic` where it should"),
        );
        return None;
    }
    if name.is_empty() || name.contains(':') {
        problems.push(Problem::error(map.path("username"), "a user name is not empty and has no `:`"));
        return None;
    }
    Some(name)
}

/// The tenants of a user.
fn tenants_of(map: &Map<'_>, name: &str, problems: &mut Vec<Problem>) -> Option<Vec<String>> {
    let id = map.text("id", problems);
    if map.boolean("passthrough", problems) {
        let ignored = if id.is_some() { ", and its `id` did nothing" } else { "" };
        problems.push(
            Problem::warning(
                map.path("passthrough"),
                format!("`{name}` may be any tenant, by X-Scope-OrgID, as before{ignored}"),
            )
            .help("list its tenants in place of \"*\", and it may be only those"),
        );
        return Some(vec!["*".to_owned()]);
    }
    let Some(id) = id else {
        problems.push(Problem::error(map.path("id"), format!("`{name}` has no tenant")));
        return None;
    };
    let mut tenants: Vec<String> = Vec::new();
    for one in id.split('|') {
        if let Err(problem) = TenantId::new(one) {
            problems.push(Problem::error(map.path("id"), format!("`{one}` is no tenant ID: {problem}")));
            return None;
        }
        if !tenants.iter().any(|known| known == one) {
            tenants.push(one.to_owned());
        }
    }
    if tenants.len() > 1 {
        problems.push(
            Problem::warning(
                map.path("id"),
                format!("`{name}` has {} tenants: it reads them together, and names one in X-Scope-OrgID to write", tenants.len()),
            )
            .help("the old gateway sent all of them with a write, which Cortex answered 500"),
        );
    }
    Some(tenants)
}
