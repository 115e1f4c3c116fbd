//! Tables: from a key, such as a namespace, to a tenant or whatever else may be looked up.
//!
//! A [`Table`] is what a request sees: it takes a snapshot at its head, so that it sees one table from its first
//! series to its last. [`TableRules`] say where a table comes from; [`Tables`] are the tables of one worker. Those
//! that are fetched are fetched by one worker of a process at a time: `shared` holds the lease and the content in
//! slots of the [`Process`](crate::exchange::Process), `fetch` is one refresh on its way, page by page, and `tables`
//! decides when. Nothing here knows a clock or a socket: ticks and answers are told, and calls are returned.
//!
//! What keys lead to is an [`Entry`]; another kind of table is another implementation of it.

mod content;
mod failure;
mod fetch;
mod grafana;
mod jitter;
mod kubernetes;
mod lookup;
mod rules;
mod shared;
mod tables;

pub(crate) use content::MAX_KEY;
pub use content::{Entry, Table};
pub use failure::Failure;
pub use fetch::{Fetched, Get};
pub use lookup::{Lookup, NotLoaded};
pub use rules::{Remote, TableRules};
pub use tables::Tables;
