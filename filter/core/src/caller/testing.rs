//! What the tests say a host knows about a request.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Attributes, password_hash};
use crate::wire::testing;

/// Attributes by their path, joined by spaces.
#[derive(Default)]
pub(crate) struct Known(BTreeMap<String, Vec<u8>>);

impl Attributes for Known {
    fn get(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.0.get(&path.join(" ")).cloned()
    }
}

impl Known {
    pub(crate) fn set(&mut self, path: &str, value: &[u8]) {
        self.0.insert(path.to_owned(), value.to_vec());
    }

    pub(crate) fn forget(&mut self, path: &str) {
        self.0.remove(path);
    }
}

/// Envoy's metadata with these namespaces.
pub(crate) fn metadata(namespaces: &Json) -> Vec<u8> {
    let entries = namespaces.as_object().unwrap().iter();
    testing::map(entries.map(|(name, content)| (name.as_str(), testing::structure(content))))
}

/// The key of all password hashes here.
pub(crate) const KEY: &[u8] = b"a key of at least sixteen bytes";

/// The environment of the filter: `KEY`.
pub(crate) fn environment(name: &str) -> Option<Vec<u8>> {
    (name == "KEY").then(|| KEY.to_vec())
}

/// The hash of a password as it stands in a configuration.
pub(crate) fn hashed(username: &str, password: &[u8]) -> String {
    password_hash(KEY, username, password).unwrap()
}
