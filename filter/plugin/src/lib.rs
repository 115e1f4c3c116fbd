//! The Envoy filter: proxy-wasm callbacks in, host calls out. Nothing is decided here.
//!
//! A [`stream::Stream`] drives one request's [`Exchange`](scopegate_core::exchange::Exchange), or beside an agent its
//! [`Signing`](scopegate_core::agent::Signing), and turns every
//! failure of the host into something the core decides about, or into a refusal. It knows the host by the
//! trait [`host::Host`] only, so that it is tested without Envoy; the real host is `envoy`, which exists on
//! wasm only.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unreachable,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub mod host;
pub mod shared;
pub mod stream;
pub mod ticker;

#[cfg(target_arch = "wasm32")]
mod envoy;
#[cfg(test)]
mod testing;
