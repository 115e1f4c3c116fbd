//! Who is calling, told from configurations and requests; one table for each source and one for their order.
#![allow(clippy::too_many_lines, clippy::type_complexity)] // tables are

mod basic;
mod jwt;
mod metadata;
mod order;
mod session;
mod tenants;

use serde_json::{Value as Json, json};

use super::testing::{Known, environment};
use super::{Caller, recognise};
use crate::config::{self, CallerConfig};
use crate::http::Headers;

/// Callers as a configuration lists them; what a table does not care for is filled in.
fn callers(list: &[Json]) -> Vec<Caller> {
    list.iter().map(|caller| compile(caller.clone()).unwrap()).collect()
}

fn compile(mut caller: Json) -> Result<Caller, String> {
    for (key, value) in [("name", json!("it")), ("may", json!(["read"]))] {
        caller.as_object_mut().unwrap().entry(key).or_insert(value);
    }
    let config = config::read::<CallerConfig>(&caller).map_err(|error| error.to_string())?;
    Caller::compile(&config, "callers[0]", &environment).map_err(|error| error.to_string())
}

/// Who it is: `name: tenants`, or the reason of the refusal.
fn who(callers: &[Caller], authorization: &[&[u8]], known: &Known) -> String {
    let headers = Headers::new(authorization.iter().map(|value| (&b"authorization"[..], *value)).collect());
    match recognise(callers, &headers, known, &[]) {
        Ok(identity) => format!("{}: {}", callers[identity.caller].name, identity.tenants.header()),
        Err(refusal) => refusal.reason().to_owned(),
    }
}
