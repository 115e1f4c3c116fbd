//! What the tests say a host knows about a request.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value as Json;

use super::{Attributes, password_hash};
use crate::exchange::Process;
use crate::wire::encode;

/// Attributes by their path, joined by spaces; the date, and what workers share.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) attributes: BTreeMap<String, Vec<u8>>,
    pub(crate) date: Option<u64>,
    pub(crate) process: Option<Rc<dyn Process>>,
}

impl Attributes for Known {
    fn get(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.attributes.get(&path.join(" ")).cloned()
    }

    fn wall_seconds(&self) -> Option<u64> {
        self.date
    }

    fn process(&self) -> Option<&dyn Process> {
        self.process.as_deref()
    }
}

impl Known {
    pub(crate) fn set(&mut self, path: &str, value: &[u8]) {
        self.attributes.insert(path.to_owned(), value.to_vec());
    }

    pub(crate) fn forget(&mut self, path: &str) {
        self.attributes.remove(path);
    }
}

/// Envoy's metadata with these namespaces.
pub(crate) fn metadata(namespaces: &Json) -> Vec<u8> {
    let entries = namespaces.as_object().unwrap().iter();
    encode::map(entries.map(|(name, content)| (name.as_str(), encode::structure(content))))
}

/// The key of all password hashes here.
pub(crate) const KEY: &[u8] = b"a key of at least sixteen bytes";

/// Keys of sessions: the first signs.
pub(crate) const SESSION_KEYS: &str =
    "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8,k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// The environment of the filter: `KEY`, and `SESSION_KEYS`.
pub(crate) fn environment(name: &str) -> Option<Vec<u8>> {
    match name {
        "KEY" => Some(KEY.to_vec()),
        "SESSION_KEYS" => Some(SESSION_KEYS.into()),
        _ => None,
    }
}

/// The hash of a password as it stands in a configuration.
pub(crate) fn hashed(username: &str, password: &[u8]) -> String {
    password_hash(KEY, username, password).unwrap()
}

thread_local! {
    static WORK: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Notes that a piece of work about a secret is done.
pub(crate) fn worked(what: &'static str) {
    WORK.with_borrow_mut(|work| work.push(what));
}

/// The pieces of work about secrets that something does.
pub(crate) fn work_of(run: impl FnOnce()) -> Vec<&'static str> {
    WORK.take();
    run();
    WORK.take()
}
