//! Everything Scopegate decides, and nothing that touches the outside world.
//!
//! Three types matter. A [`Policy`](policy::Policy) is the configuration, compiled. An
//! [`Exchange`](exchange::Exchange) is one request: it is told events (the head, the body, an answer to a
//! call) and says what to do next (go on with these changes, keep the body, make these calls, answer this). A
//! [`Worker`](exchange::Worker) is what the requests of one thread share: calls under way and counters.
//!
//! No host, no clock and no socket is known here: the time comes with the events, and what else the host
//! knows is asked through [`Attributes`](caller::Attributes). So the same machine runs in Envoy, in tests
//! and in the offline commands.
//!
//! The rooms follow a request's life: [`config`] and [`policy`] before it, then [`caller`] (who),
//! [`operation`] (what), [`tenant`] and [`table`] (whose), [`mod@write`] and [`read`] (how it is rewritten), [`isolate`]
//! (how the backend is told), [`rollout`] (whether it takes effect), and [`report`] (what is told to the outside). [`wire`] and [`http`] are the vocabulary.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects
    )
)]

pub mod agent;
pub mod caller;
pub mod config;
pub mod exchange;
pub mod http;
pub mod isolate;
pub mod operation;
pub mod policy;
pub mod read;
pub mod report;
pub mod rollout;
pub mod session;
mod sorted;
pub mod table;
pub mod tenant;
pub mod write;

pub use scopegate_wire as wire;
