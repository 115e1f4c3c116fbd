//! Passwords and tokens for tests. A configuration holds only hashes, under a key that nobody has who tests it: so every user
//! that a test names gets one more password, which is known here, and every token that it names a twin.

use anyhow::{Result, anyhow};
use scopegate_core::caller::{password_hash, token_hash};
use scopegate_core::config::{Config, ConfigError, Text};
use serde_json::Value;

use super::file::{BasicCase, BearerCase, TestFile};
use super::request::unknown;
use crate::explain::policy::World;

/// The most hashes that one user or token may have.
const MAX: usize = 8;

/// The password that is known here.
pub(crate) fn password_of(username: &str) -> String {
    format!("known to the tests: {username}")
}

/// The token that is known here, which stands for the one with this hash.
pub(crate) fn token_like(hash: &str) -> String {
    format!("known-to-the-tests-{}", hash.replace(':', "-"))
}

/// Makes the credentials of a file's tests good ones.
pub(crate) fn admit(file: &TestFile, config: &mut Config, world: &mut World) -> Result<(), ConfigError> {
    for (index, case) in file.tests.iter().enumerate() {
        let at = |field: &str| format!("tests[{index}].request.{field}");
        if let Some(BasicCase { username, password: None }) = &case.request.basic {
            let admitted = user(username, config, world);
            admitted.map_err(|error| ConfigError::new(at("basic.username"), format!("{error:#}")))?;
        }
        if let Some(BearerCase { like: Some(hash), .. }) = &case.request.bearer {
            let admitted = token(hash, config, world);
            admitted.map_err(|error| ConfigError::new(at("bearer.like"), format!("{error:#}")))?;
        }
    }
    Ok(())
}

/// Gives a user the password that is known here.
pub(crate) fn user(username: &str, config: &mut Config, world: &mut World) -> Result<()> {
    let mut known = Vec::new();
    let mut is_found = false;
    for basic in config.callers.iter_mut().filter_map(|caller| caller.basic.as_mut()) {
        let key = world.secret(&basic.key.env);
        let hash = password_hash(&key, username, password_of(username).as_bytes());
        let hash = hash.map_err(|problem| anyhow!("env.{}: {problem}", basic.key.env))?;
        for user in &mut basic.users {
            known.push(user.username.0.clone());
            if user.username.0 == username {
                add(&mut user.password.0, &hash);
                is_found = true;
            }
        }
        let table = basic.table.as_ref().and_then(|name| world.tables.get_mut(&name.0));
        for (name, entry) in table.and_then(Value::as_object_mut).into_iter().flatten() {
            known.push(name.clone());
            if name == username {
                let old = entry.get("password").cloned();
                let mut hashes = match old {
                    Some(Value::Array(hashes)) => hashes,
                    Some(hash) => vec![hash],
                    None => Vec::new(),
                };
                hashes.truncate(MAX - 1);
                hashes.push(Value::from(hash.clone()));
                if let Some(entry) = entry.as_object_mut() {
                    entry.insert("password".to_owned(), Value::from(hashes));
                }
                is_found = true;
            }
        }
    }
    if is_found { Ok(()) } else { Err(anyhow!(unknown("user", username, known.iter().map(String::as_str)))) }
}

/// Gives the holder of a token a second one, which is known here.
pub(crate) fn token(hash: &str, config: &mut Config, world: &mut World) -> Result<()> {
    let mut is_found = false;
    for bearer in config.callers.iter_mut().filter_map(|caller| caller.bearer.as_mut()) {
        let key = world.secret(&bearer.key.env);
        let twin = token_hash(&key, token_like(hash).as_bytes());
        let twin = twin.map_err(|problem| anyhow!("env.{}: {problem}", bearer.key.env))?;
        for holder in bearer.tokens.iter_mut().filter(|holder| holder.token.0.iter().any(|one| one.0 == hash))
        {
            add(&mut holder.token.0, &twin);
            is_found = true;
        }
        let table = bearer.table.as_ref().and_then(|name| world.tables.get_mut(&name.0));
        if let Some(table) = table.and_then(Value::as_object_mut)
            && let Some(entry) = table.get(hash).cloned()
        {
            table.insert(twin, entry);
            is_found = true;
        }
    }
    if is_found { Ok(()) } else { Err(anyhow!("no token has this hash, neither listed nor in a table")) }
}

fn add(hashes: &mut Vec<Text>, hash: &str) {
    if hashes.iter().all(|known| known.0 != hash) {
        hashes.truncate(MAX - 1);
        hashes.push(Text(hash.to_owned()));
    }
}
