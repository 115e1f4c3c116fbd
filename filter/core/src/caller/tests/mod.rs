//! Who is calling, told from configurations and requests; one table for each source and one for their order.
#![allow(clippy::too_many_lines, clippy::type_complexity)] // tables are

mod basic;
mod bearer;
mod certificate;
mod grants;
mod header;
mod jwt;
mod keys;
mod metadata;
mod narrow;
mod order;
mod session;
mod shapes;
mod tables;
mod tenants;
mod work;

use serde_json::{Value as Json, json};

use super::testing::{Known, environment};
use super::{Caller, Credential, Tabled, recognise};
use crate::config::{self, CallerConfig};
use crate::http::Headers;
use crate::table::{Lookup, TableRules, Tables};

/// Callers as a configuration lists them; what a table does not care for is filled in.
fn callers(list: &[Json]) -> Vec<Caller> {
    list.iter().map(|caller| compile(caller.clone()).unwrap()).collect()
}

fn compile(caller: Json) -> Result<Caller, String> {
    compile_with(caller, Tabled::default())
}

/// The same with tables.
fn compile_with(mut caller: Json, tabled: Tabled<'_>) -> Result<Caller, String> {
    for (key, value) in [("name", json!("it")), ("may", json!(["read"]))] {
        caller.as_object_mut().unwrap().entry(key).or_insert(value);
    }
    let config = config::read::<CallerConfig>(&caller).map_err(|error| error.to_string())?;
    Caller::compile(&config, "callers[0]", &environment, tabled).map_err(|error| error.to_string())
}

/// Who it is: `name: tenants`, or the reason of the refusal.
fn who(callers: &[Caller], authorization: &[&[u8]], known: &Known) -> String {
    let headers: Vec<_> = authorization.iter().map(|value| (&b"authorization"[..], *value)).collect();
    who_with(callers, &headers, known, &mut Around::default())
}

/// The same of any headers, and with tables. A wildcard stands behind the tenants.
fn who_with(callers: &[Caller], headers: &[(&[u8], &[u8])], known: &Known, around: &mut Around) -> String {
    match recognise(callers, &Headers::new(headers.to_vec()), known, &[], &mut around.lookup()) {
        Ok(identity) => {
            let wildcard = if identity.wildcard.is_empty() { "" } else { " +" };
            format!("{}: {}{wildcard}", callers[identity.caller].name, identity.tenants.header())
        }
        Err(refusal) => refusal.reason().to_owned(),
    }
}

/// The tables of a worker.
#[derive(Default)]
pub(super) struct Around {
    pub(super) rules: Vec<TableRules>,
    pub(super) tables: Tables,
    pub(super) credential_rules: Vec<TableRules<Credential>>,
    pub(super) credentials: Tables<Credential>,
}

impl Around {
    pub(super) fn lookup(&mut self) -> Lookup<'_> {
        Lookup {
            rules: &self.rules,
            tables: &mut self.tables,
            credential_rules: &self.credential_rules,
            credentials: &mut self.credentials,
            wall_seconds: None,
        }
    }
}
