//! The tables as one request finds them.

use std::rc::Rc;

use super::content::{Entry, Table};
use super::rules::TableRules;
use super::tables::Tables;
use crate::caller::Credential;
use crate::report::Refusal;

/// What a decision may be looked up in: the tables of the configuration, those of them that this worker has, and the date.
#[derive(Debug)]
pub struct Lookup<'a> {
    /// The configuration's.
    pub rules: &'a [TableRules],
    /// The worker's.
    pub tables: &'a mut Tables,
    /// The configuration's tables of users, tokens and keys.
    pub credential_rules: &'a [TableRules<Credential>],
    /// The worker's.
    pub credentials: &'a mut Tables<Credential>,
    /// The date, in seconds since 1970, as far as the host knows it.
    pub wall_seconds: Option<u64>,
}

/// A table that was never fetched yet, and that requests wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotLoaded {
    /// The table's name.
    pub table: String,
}

impl Lookup<'_> {
    /// The table at this position. Whoever asks keeps it as it is now.
    pub fn table(&mut self, at: usize) -> Result<Rc<Table>, NotLoaded> {
        get(self.rules, self.tables, at)
    }

    /// The table of users, tokens or keys at this position.
    pub fn credentials(&mut self, at: usize) -> Result<Rc<Table<Credential>>, NotLoaded> {
        get(self.credential_rules, self.credentials, at)
    }
}

fn get<E: Entry>(
    rules: &[TableRules<E>],
    tables: &mut Tables<E>,
    at: usize,
) -> Result<Rc<Table<E>>, NotLoaded> {
    let Some(rules) = rules.get(at) else { return Err(NotLoaded { table: String::new() }) };
    if let Some(listed) = rules.listed() {
        return Ok(Rc::clone(listed));
    }
    match tables.current(at) {
        Some(table) => Ok(table),
        None if rules.refuse => Err(NotLoaded { table: rules.name.clone() }),
        None => Ok(Rc::default()),
    }
}

impl From<NotLoaded> for Refusal {
    fn from(NotLoaded { table }: NotLoaded) -> Self {
        Self::TableNotLoaded { table }
    }
}
