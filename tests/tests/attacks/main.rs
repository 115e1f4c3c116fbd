//! Attacks on who is who and what is whose, end to end through a real Envoy with a real `jwt_authn`: what arrived, byte for
//! byte and with which tenant, and what was refused, by whom and why. `docs/security.md` is the summary.
#![allow(clippy::too_many_lines)] // tables are

mod bodies;
mod claims;
mod gateway;
mod headers;
mod paths;
mod tokens;
mod traps;
